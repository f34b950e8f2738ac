"""Money taken at the desk, written down at Hostaway: listed before it is posted, always.

`POST /v1/guestPayments/charges/{reservationId}` is the "record what was taken offline" interface
(cloud.md 1.2). It has no idempotency key, so the payment's own id is in the title, and the
reservation's charges are read before every post.
"""

from __future__ import annotations

from typing import Any, Final

from appliance.kernel.money import decimal_of
from sync.mirror import Known
from sync.outcome import Outcome, Refused, Succeeded
from sync.pms.hostaway.client import Fine, HostawayClient, failure
from sync.pms.hostaway.words import TITLE, utc_text

CHARGES: Final = "guestPayments/charges"
# What Hostaway calls the ways in which money came.
METHOD: Final = {
    "cash": "cash",
    "slip": "credit_card",
    "saved_card": "credit_card",
    "hold": "credit_card",
}
NO_REFUND: Final = "money that was given back is not written down by this box: do it there"


class OfflineCharges:
    """`pms.payment` effects."""

    def __init__(self, client: HostawayClient) -> None:
        self._client = client

    async def find(self, told: dict[str, Any], upstream_id: str) -> Succeeded | None:
        """The payment among the reservation's charges; None: it is not there."""
        title = _title(told)
        for row in await self._client.listed(CHARGES, {"reservationId": upstream_id}):
            # The filter was ignored by other versions of the interface: look at the row itself.
            if row.get("title") == title and str(row.get("reservationId")) == upstream_id:
                return Succeeded(
                    sentence=f"{TITLE} had the payment already",
                    provider_ref=str(row["id"]),
                    evidence="read_back",
                )
        return None

    async def push(
        self, told: dict[str, Any], upstream_id: str, known: Known, now_s: int
    ) -> Outcome:
        """Post it once, after a look."""
        if told["amount_minor"] <= 0:
            return Refused(sentence=NO_REFUND)
        if told["currency"] != known.extra["currency"]:
            return Refused(
                sentence=f"{TITLE} has this reservation in {known.extra['currency']} and the "
                f"payment is in {told['currency']}: record it there"
            )
        had = await self.find(told, upstream_id)
        if had is not None:
            return had
        body = {
            "title": _title(told),
            "amount": float(decimal_of(told["amount_minor"], told["currency"])),
            "paymentMethod": METHOD.get(told["means"], "other"),
            "status": "paid",
            "scheduledDate": utc_text(now_s),
        }
        reply = await self._client.ask("POST", f"{CHARGES}/{upstream_id}", body=body)
        if not isinstance(reply, Fine):
            return failure(reply)
        made = reply.result if isinstance(reply.result, dict) else {}
        return Succeeded(
            sentence=f"{TITLE} has the payment", provider_ref=str(made.get("id") or upstream_id)
        )


def _title(told: dict[str, Any]) -> str:
    return f"Nightporter {told['payment_id']}"
