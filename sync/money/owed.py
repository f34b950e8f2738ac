"""What the box's facts about money owe a provider: each fact one frozen request, by natural key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from appliance.engines.payments.messages import (
    CaptureAsked,
    CardSetUpAsked,
    DepositAsked,
    HoldAsked,
    HoldReleaseAsked,
    PayLinkAsked,
    RefundAsked,
)
from sync.home import Fact
from sync.ledger import Draft, EffectState, Priority
from sync.money.stripe import amounts, frozen, holds, intents, refunds, set_ups

STRIPE: Final = "stripe"
CCAVENUE: Final = "ccavenue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """One request before it is a draft; `not_after_s` seconds since 1970."""

    kind: str
    ours: str
    intent_id: str
    body: bytes
    not_after_s: int | None = None
    provider: str = STRIPE
    state: EffectState = EffectState.QUEUED
    sentence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Who takes the payments here, and which property this is (None: not known yet)."""

    provider: str
    property_id: str | None = None


Reading = Callable[[Mapping[str, Any], House], Owed]


def deposit(body: Mapping[str, Any], house: House) -> Owed:
    """A charge of a saved card."""
    return Owed(
        kind=intents.CHARGE,
        ours=body["intent_id"],
        intent_id=body["intent_id"],
        body=frozen.charge_body(**_of_card(body), property_id=house.property_id),
        not_after_s=body["not_after_s"],
    )


def hold(body: Mapping[str, Any], house: House) -> Owed:
    """Money set aside on a saved card."""
    return Owed(
        kind=intents.HOLD,
        ours=body["intent_id"],
        intent_id=body["intent_id"],
        body=frozen.hold_body(**_of_card(body), property_id=house.property_id),
        not_after_s=body["not_after_s"],
    )


def capture(body: Mapping[str, Any], _house: House) -> Owed:
    """A hold that is taken, behind the hold itself in its lane."""
    return Owed(
        kind=holds.CAPTURE,
        ours=body["capture_id"],
        intent_id=body["intent_id"],
        body=frozen.capture_body(
            provider_ref=body["provider_ref"], amount_minor=_their_amount(body)
        ),
        not_after_s=body["capture_by_s"],
    )


def release(body: Mapping[str, Any], _house: House) -> Owed:
    """A hold that is let go."""
    return Owed(
        kind=holds.RELEASE,
        ours=body["intent_id"],
        intent_id=body["intent_id"],
        body=frozen.release_body(provider_ref=body["provider_ref"]),
    )


def refund(body: Mapping[str, Any], house: House) -> Owed:
    """Money that goes back; CCAvenue has no interface of ours for it.

    A stray is the house's own provider's, as a link is: whoever told of it takes it back.
    """
    by_hand = house.provider == CCAVENUE and body.get("means") in {"pay_link", "stray"}
    request = frozen.refund_body(
        refund_id=body["refund_id"],
        provider_ref=body["provider_ref"],
        amount_minor=body["amount_minor"] if by_hand else _their_amount(body),
    )
    return Owed(
        kind=refunds.REFUND,
        ours=body["refund_id"],
        intent_id=body["intent_id"] or body["payment_id"],
        body=request,
        provider=CCAVENUE if by_hand else STRIPE,
        state=EffectState.MANUAL if by_hand else EffectState.QUEUED,
        sentence="refund it in CCAvenue's own pages, and say here that it is done"
        if by_hand
        else "",
    )


def pay_link(body: Mapping[str, Any], house: House) -> Owed:
    """A payment that waits for the guest: an order at CCAvenue, an open intent at Stripe."""
    if house.provider == CCAVENUE:
        fields = "link_id order_ref amount_minor currency expires_s"
        told = {name: body[name] for name in fields.split()}
        request = msgspec.json.encode(told)
    else:
        request = frozen.pay_link_body(
            link_id=body["link_id"],
            amount_minor=_their_amount(body),
            currency=body["currency"],
            property_id=house.property_id,
        )
    return Owed(
        kind="ccavenue.order" if house.provider == CCAVENUE else intents.PAY_LINK,
        ours=body["link_id"],
        intent_id=body["link_id"],
        body=request,
        not_after_s=body["expires_s"],
        provider=house.provider,
    )


def card_set_up(body: Mapping[str, Any], _house: House) -> Owed:
    """A card that a guest leaves; whoever has no customer there gets one first."""
    ours, customer = body["set_up_id"], body["customer_ref"]
    request = (
        frozen.customer_body(set_up_id=ours)
        if customer is None
        else frozen.set_up_body(set_up_id=ours, customer_ref=customer)
    )
    return Owed(kind=set_ups.SET_UP, ours=ours, intent_id=ours, body=request)


READINGS: Final[Mapping[str, Reading]] = {
    DepositAsked.kind: deposit,
    HoldAsked.kind: hold,
    CaptureAsked.kind: capture,
    HoldReleaseAsked.kind: release,
    RefundAsked.kind: refund,
    PayLinkAsked.kind: pay_link,
    CardSetUpAsked.kind: card_set_up,
}


def drafts_of(fact: Fact, provider: str | None, property_id: str | None = None) -> list[Draft]:
    """The effects that a fact about money asks for; none without a provider to ask."""
    reading = READINGS.get(fact.kind)
    if reading is None or provider is None:
        return []
    owed = reading(fact.body, House(provider=provider, property_id=property_id))
    if owed.provider != provider:
        return []
    name = f"{owed.provider}.refund" if fact.kind == RefundAsked.kind else owed.kind
    return [
        Draft(
            natural_key=f"{name}:{owed.ours}",
            counterparty=owed.provider,
            lane=f"intent:{owed.intent_id}",
            kind=name,
            body=owed.body,
            priority=Priority.STAY,
            made_ms=fact.at_wall_ms,
            not_after_ms=None if owed.not_after_s is None else owed.not_after_s * 1000,
            trace=fact.trace,
            state=owed.state,
            sentence=owed.sentence,
        )
    ]


def _of_card(body: Mapping[str, Any]) -> dict[str, Any]:
    names = "intent_id amount_minor currency customer_ref method_ref"
    return {name: body[name] for name in names.split()} | {"amount_minor": _their_amount(body)}


def _their_amount(body: Mapping[str, Any]) -> int:
    return amounts.theirs(body["amount_minor"], body["currency"])
