"""One stay's money as far as later acts depend on it: its card, what was asked, what arrived."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from appliance.engines.payments.messages import (
    CaptureAsked,
    CaptureNoted,
    CardReferenceSaved,
    CardSetUpAsked,
    CardSetUpNoted,
    DepositAsked,
    HoldAsked,
    HoldReleaseAsked,
    IntentNoted,
    IntentState,
    PayLinkAsked,
    PayLinkNoted,
    PaymentRefunded,
    PaymentSettled,
    RefundAsked,
    RefundNoted,
    SecondChargeFound,
    StrayMoneyFound,
)
from appliance.kernel.messages import Event

# What the provider said of these it does not take back.
FINAL = frozenset(
    {
        IntentState.SUCCEEDED,
        IntentState.DECLINED,
        IntentState.EXPIRED,
        IntentState.CAPTURED,
        IntentState.RELEASED,
    }
)
# While one of these is open nothing of its kind is asked for: money may be moving.
BLOCKING = frozenset(
    {IntentState.QUEUED, IntentState.SENDING, IntentState.UNKNOWN, IntentState.MANUAL}
)
# Of a refund in one of these nothing goes back.
CAME_TO_NOTHING = frozenset({IntentState.DECLINED, IntentState.EXPIRED, IntentState.RELEASED})


class Kind(StrEnum):
    """What is asked of a provider."""

    DEPOSIT = "deposit"
    HOLD = "hold"
    CAPTURE = "capture"
    REFUND = "refund"
    LINK = "link"
    CARD = "card"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One thing asked of a provider. `of` is the hold of a capture, the payment of a refund."""

    kind: Kind
    amount_minor: int = 0
    currency: str = ""
    state: IntentState = IntentState.QUEUED
    provider_ref: str | None = None
    code: str | None = None
    of: str = ""
    capture_by_s: int = 0  # of a hold that is held
    releasing: bool = False
    url: str | None = None
    means: str = ""  # of a refund: how the money had come


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """One payment that arrived."""

    means: str
    amount_minor: int
    currency: str
    provider_ref: str | None
    intent_id: str | None
    second: bool = False  # charged beside the one that was asked for


def _none() -> MappingProxyType[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """What is known of one stay's money."""

    card: tuple[str, str] | None = None  # customer and method at the provider
    asks: MappingProxyType[str, Ask] = field(default_factory=_none)
    payments: MappingProxyType[str, Paid] = field(default_factory=_none)
    strays: frozenset[str] = frozenset()

    def open_of(self, kind: Kind, of: str | None = None) -> str | None:
        """The first of a kind whose end is not known; `of` keeps to one hold or payment."""
        for key, each in self.asks.items():
            if each.kind is kind and each.state in BLOCKING and of in {None, each.of}:
                return key
        return None

    def left_minor(self, payment_id: str) -> int:
        """What of a payment was neither given back nor asked to be."""
        given = sum(
            each.amount_minor
            for each in self.asks.values()
            if each.kind is Kind.REFUND
            and each.of == payment_id
            and each.state not in CAME_TO_NOTHING
        )
        return self.payments[payment_id].amount_minor - given


def fold(state: Money | None, events: Iterable[Event]) -> Money:
    """A stay's money after more facts."""
    now = state or Money()
    for event in events:
        now = _after(now, event)
    return now


def _after(now: Money, event: Event) -> Money:  # noqa: PLR0911 - one way out for each fact
    asked, noted = ASKED.get(type(event)), NOTED.get(type(event))
    if asked is not None:
        return _asked(now, event, *asked)
    if noted is not None:
        return _noted(now, event, noted)
    match event:
        case CardReferenceSaved():
            return replace(now, card=(event.customer_ref, event.method_ref))
        case HoldReleaseAsked():
            return _with(now, event.intent_id, replace(now.asks[event.intent_id], releasing=True))
        case PaymentSettled() | SecondChargeFound():
            return _paid(now, event)
        case PaymentRefunded():
            return _refunded(now, event)
        case StrayMoneyFound():
            return replace(now, strays=now.strays | {event.stray_id})
        case _:
            return now


# What is asked for by which fact: its kind, the field of its id, and the field of what it is of.
ASKED: Mapping[type[Event], tuple[Kind, str, str]] = {
    DepositAsked: (Kind.DEPOSIT, "intent_id", ""),
    HoldAsked: (Kind.HOLD, "intent_id", ""),
    CaptureAsked: (Kind.CAPTURE, "capture_id", "intent_id"),
    RefundAsked: (Kind.REFUND, "refund_id", "payment_id"),
    PayLinkAsked: (Kind.LINK, "link_id", ""),
    CardSetUpAsked: (Kind.CARD, "set_up_id", ""),
}
# And which fact says what became of it, by the field of its id.
NOTED: Mapping[type[Event], str] = {
    IntentNoted: "intent_id",
    CaptureNoted: "capture_id",
    RefundNoted: "refund_id",
    PayLinkNoted: "link_id",
    CardSetUpNoted: "set_up_id",
}


def _asked(now: Money, event: Any, kind: Kind, id_field: str, of_field: str) -> Money:
    ask = Ask(
        kind=kind,
        amount_minor=getattr(event, "amount_minor", 0),
        currency=getattr(event, "currency", ""),
        of=getattr(event, of_field) if of_field else "",
        means=getattr(event, "means", ""),
    )
    return _with(now, getattr(event, id_field), ask)


def _noted(now: Money, event: Any, id_field: str) -> Money:
    ask_id = getattr(event, id_field)
    before = now.asks[ask_id]
    noted = replace(
        before,
        state=event.state,
        provider_ref=getattr(event, "provider_ref", None) or before.provider_ref,
        code=event.code,
        url=None if event.state in FINAL else getattr(event, "url", None) or before.url,
        capture_by_s=getattr(event, "capture_by_s", None) or before.capture_by_s,
    )
    return _with(now, ask_id, noted)


def _refunded(now: Money, event: PaymentRefunded) -> Money:
    if event.refund_id in now.asks:
        return now
    # Cash and slips were asked of nobody.
    at_once = Ask(
        kind=Kind.REFUND,
        amount_minor=event.amount_minor,
        currency=event.currency,
        state=IntentState.SUCCEEDED,
        of=event.payment_id,
        means=event.means,
    )
    return _with(now, event.refund_id, at_once)


def _with(now: Money, ask_id: str, ask: Ask) -> Money:
    return replace(now, asks=MappingProxyType({**now.asks, ask_id: ask}))


def _paid(now: Money, event: PaymentSettled | SecondChargeFound) -> Money:
    second = isinstance(event, SecondChargeFound)
    paid = Paid(
        means="saved_card" if isinstance(event, SecondChargeFound) else event.means,
        amount_minor=event.amount_minor,
        currency=event.currency,
        provider_ref=event.provider_ref,
        intent_id=event.intent_id,
        second=second,
    )
    return replace(now, payments=MappingProxyType({**now.payments, event.payment_id: paid}))
