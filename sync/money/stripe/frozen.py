"""The one frozen request of an effect: made once, kept as bytes, sent as it is.

A body is `path?form`; a ledger of release 0.1 holds bare forms, which are charges. Every form
carries our own reference as `metadata[outbox_id]`, save those that act on one object of theirs,
which is then the evidence itself; a payment intent also says for which property it is, because
several may share one account, and a box that lost its memory must not take another's for its own.
In the smallest sets that are valid in every version: neither
`payment_method_types` nor what replaced it (cloud.md 0.4 and 2.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlencode

INTENTS: Final = "/v1/payment_intents"
REFUNDS: Final = "/v1/refunds"
SET_UPS: Final = "/v1/setup_intents"
CUSTOMERS: Final = "/v1/customers"
OUR_REF: Final = "outbox_id"
OUR_PROPERTY: Final = "property_id"
_REF_FIELD: Final = f"metadata[{OUR_REF}]"
_PROPERTY_FIELD: Final = f"metadata[{OUR_PROPERTY}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """Where a request goes, and its form as it is sent."""

    path: str
    form: bytes

    @property
    def fields(self) -> dict[str, str]:
        """The form's fields."""
        return dict(parse_qsl(self.form.decode(), keep_blank_values=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What the body of a payment intent asks for; `amount_minor` in the currency's minor units."""

    intent_id: str
    amount_minor: int
    currency: str
    customer_ref: str | None


def freeze(path: str, fields: Mapping[str, str]) -> bytes:
    """The body of an effect."""
    return f"{path}?{urlencode(fields)}".encode()


def thaw(body: bytes) -> Frozen:
    """The request of an effect's body."""
    if not body.startswith(b"/"):
        return Frozen(path=INTENTS, form=body)
    path, _, form = body.partition(b"?")
    return Frozen(path=path.decode(), form=form)


def charge_body(
    *,
    intent_id: str,
    amount_minor: int,
    currency: str,
    customer_ref: str,
    method_ref: str,
    property_id: str | None = None,
) -> bytes:
    """Charge a saved card without its owner: `POST /v1/payment_intents`."""
    card = _saved_card(customer_ref, method_ref)
    return freeze(INTENTS, _intent(intent_id, amount_minor, currency, property_id, card))


def hold_body(
    *,
    intent_id: str,
    amount_minor: int,
    currency: str,
    customer_ref: str,
    method_ref: str,
    property_id: str | None = None,
) -> bytes:
    """Set money aside on a saved card: the same with `capture_method=manual`."""
    card = _saved_card(customer_ref, method_ref)
    fields = _intent(intent_id, amount_minor, currency, property_id, card)
    # The charge itself says until when it can be taken.
    return freeze(INTENTS, {**fields, "capture_method": "manual", "expand[]": "latest_charge"})


def pay_link_body(
    *, link_id: str, amount_minor: int, currency: str, property_id: str | None = None
) -> bytes:
    """A payment that waits for the guest: nothing is confirmed here."""
    return freeze(INTENTS, _intent(link_id, amount_minor, currency, property_id, {}))


def capture_body(*, provider_ref: str, amount_minor: int) -> bytes:
    """Take a hold, all or in part; the intent itself remembers that it was taken."""
    return freeze(f"{INTENTS}/{provider_ref}/capture", {"amount_to_capture": str(amount_minor)})


def release_body(*, provider_ref: str) -> bytes:
    """Let a hold go."""
    return freeze(f"{INTENTS}/{provider_ref}/cancel", {})


def refund_body(*, refund_id: str, provider_ref: str, amount_minor: int) -> bytes:
    """Give back a part of a charge."""
    fields = {
        "payment_intent": provider_ref,
        "amount": str(amount_minor),
        _REF_FIELD: refund_id,
    }
    return freeze(REFUNDS, fields)


def set_up_body(*, set_up_id: str, customer_ref: str) -> bytes:
    """Save a card with its owner there, to be charged without them later."""
    fields = {"customer": customer_ref, "usage": "off_session", _REF_FIELD: set_up_id}
    return freeze(SET_UPS, fields)


def customer_body(*, set_up_id: str) -> bytes:
    """Somebody to keep a card for; no name: the box knows it, and they need not."""
    return freeze(CUSTOMERS, {_REF_FIELD: set_up_id})


def read_charge(body: bytes) -> Charge:
    """What the frozen body of a payment intent asks for."""
    fields = thaw(body).fields
    return Charge(
        intent_id=fields[_REF_FIELD],
        amount_minor=int(fields["amount"]),
        currency=fields["currency"],
        customer_ref=fields.get("customer"),
    )


def ref_in(body: bytes) -> str:
    """Our own reference in a frozen body; empty where there is none."""
    return thaw(body).fields.get(_REF_FIELD, "")


def _intent(
    ours: str, amount_minor: int, currency: str, property_id: str | None, card: Mapping[str, str]
) -> dict[str, str]:
    fields = {
        "amount": str(amount_minor),
        "currency": currency.lower(),
        **card,
        _REF_FIELD: ours,
    }
    return fields if property_id is None else {**fields, _PROPERTY_FIELD: property_id}


def _saved_card(customer_ref: str, method_ref: str) -> dict[str, str]:
    return {
        "customer": customer_ref,
        "payment_method": method_ref,
        "confirm": "true",
        "off_session": "true",
    }
