"""The one frozen request of a deferred charge: made once, kept as bytes, sent as it is."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What a frozen body asks for; `amount_minor` in the currency's minor units."""

    intent_id: str
    amount_minor: int
    currency: str
    customer_ref: str


def charge_body(
    *, intent_id: str, amount_minor: int, currency: str, customer_ref: str, method_ref: str
) -> bytes:
    """The form of `POST /v1/payment_intents`, in the smallest set valid in every version.

    cloud.md 0.4 and 2.1: neither `payment_method_types` nor what replaced it.
    """
    return urlencode(
        [
            ("amount", str(amount_minor)),
            ("currency", currency.lower()),
            ("customer", customer_ref),
            ("payment_method", method_ref),
            ("confirm", "true"),
            ("off_session", "true"),
            ("metadata[outbox_id]", intent_id),
        ]
    ).encode()


def read_charge(body: bytes) -> Charge:
    """What a frozen body asks for."""
    fields = dict(parse_qsl(body.decode(), strict_parsing=True))
    return Charge(
        intent_id=fields["metadata[outbox_id]"],
        amount_minor=int(fields["amount"]),
        currency=fields["currency"],
        customer_ref=fields["customer"],
    )
