"""Disputes: a cardholder asks the bank for the money back, and the bank takes it first."""

from __future__ import annotations

from typing import Final

from twin.clouds.stripe.intents import Asked, Json
from twin.clouds.stripe.store import StripeStore
from twin.clouds.stripe.words import missing

# The bank wants its answer within about three weeks.
ANSWER_S_MAX: Final = 21 * 24 * 3600
_EVIDENCE: Final = [
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
]


def find(asked: Asked) -> Json:
    """`GET /v1/disputes/{id}`."""
    row = asked.store.disputes.get(asked.name)
    if row is None:
        raise missing("dispute", asked.name, "id", 404)
    return row


def opened(store: StripeStore, charge_id: str, reason: str = "fraudulent") -> Json:
    """The cardholder disputes a charge; returns the dispute."""
    charge = store.charges.rows[charge_id]
    charge["disputed"] = True
    row = store.disputes.put(
        {
            "id": store.new_id("dp"),
            "object": "dispute",
            "amount": charge["amount_captured"],
            "balance_transactions": [],
            "charge": charge_id,
            "created": store.now_s(),
            "currency": charge["currency"],
            "enhanced_eligibility_types": [],
            "evidence": {**dict.fromkeys(_EVIDENCE), "enhanced_evidence": {}},
            "evidence_details": {
                "due_by": store.now_s() + ANSWER_S_MAX,
                "enhanced_eligibility": {},
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
            },
            "is_charge_refundable": False,
            "livemode": False,
            "metadata": {},
            "payment_intent": charge["payment_intent"],
            "payment_method_details": {
                "card": {
                    "brand": "visa",
                    "case_type": "chargeback",
                    "network": "visa",
                    "network_reason_code": "10.4",
                },
                "type": "card",
            },
            "reason": reason,
            "status": "needs_response",
        }
    )
    store.event("charge.dispute.created", row)
    store.event("charge.dispute.funds_withdrawn", row)
    store.note("disputed", dispute=row["id"], charge=charge_id, amount_minor=row["amount"])
    return row


def closed(store: StripeStore, dispute_id: str, *, won: bool) -> Json:
    """The bank has decided."""
    row = store.disputes.rows[dispute_id]
    row["status"] = "won" if won else "lost"
    if won:
        store.event("charge.dispute.funds_reinstated", row)
    store.event("charge.dispute.closed", row)
    return row
