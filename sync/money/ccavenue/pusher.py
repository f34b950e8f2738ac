"""CCAvenue as a counterparty: what is pushed is a link, and what became of it is looked up."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, Final

from appliance.engines.payments.messages import (
    IntentState,
    NotePayLink,
    NoteRefund,
    NoteStrayPayment,
)
from appliance.kernel.clock import Clock
from appliance.kernel.values import derived_id
from sync.gate import Gate
from sync.ledger import Effect, EffectState, Ledger
from sync.money.ccavenue.account import NAME, CCAvenueAccount
from sync.money.ccavenue.orders import (
    Asked,
    CCAvenueOrders,
    Watched,
    asked_of,
    may_still_be_paid,
    opened_ms,
)
from sync.money.ccavenue.words import OrderState, OrderStatus, amount_text
from sync.money.stripe.notes import NOTED
from sync.outcome import (
    Declined,
    Expired,
    Homeward,
    Manual,
    NotSent,
    Outcome,
    RequiresAction,
    Succeeded,
    Unknown,
)

REFUND: Final = f"{NAME}.refund"
BY_HAND: Final = Manual(
    sentence="refund it in CCAvenue's own pages, and say here that it is done", code="by_hand"
)
# Asked about when somebody wants to know whether CCAvenue is there; nobody pays under it.
PROBE_ORDER: Final = "nightporter-probe"


class CCAvenue:
    """Pushes `ccavenue.order`: no byte of it costs money, the guest's own act does."""

    gives_up = False
    late_ms = 0  # the key, or an order id of its own, makes it one

    def __init__(
        self, *, account: CCAvenueAccount, gate: Gate, clock: Clock, ledger: Ledger
    ) -> None:
        self.gate = gate
        self.orders = CCAvenueOrders(account=account, gate=gate, ledger=ledger, clock=clock)
        self._account = account
        self._clock = clock

    async def probe(self) -> None:
        """Ask about an order that nobody has."""
        await self.orders.track(PROBE_ORDER, probe=True)

    async def reconcile(self, effect: Effect) -> Outcome | None:
        """Look at every attempt; None: nobody has paid anything, and the link may be given."""
        if effect.kind == REFUND:
            return BY_HAND
        statuses, why_not = await self.orders.look(effect)
        if why_not is not None:
            return NotSent(sentence=why_not.why, wait_ms=why_not.wait_ms)
        outcome = self.judge(effect, statuses)
        return None if isinstance(outcome, RequiresAction) else outcome

    async def push(self, effect: Effect) -> Outcome:
        """Give the link, once CCAvenue is known to be there: offline there is no such payment."""
        if effect.kind == REFUND:
            return BY_HAND
        asked = asked_of(effect)
        if self._clock.read().wall_s > asked.expires_s:
            return Expired(sentence="the link's time had passed before it could be given")
        try:
            amount_text(asked.amount_minor, asked.currency)
        except ValueError as error:
            return Declined(sentence=str(error), code="amount")
        statuses, why_not = await self.orders.look(effect)
        if why_not is not None:
            sentence = f"not sent while offline: {why_not.why}"
            return NotSent(sentence=sentence, wait_ms=why_not.wait_ms)
        return self.judge(effect, statuses)

    def judge(self, effect: Effect, statuses: list[OrderStatus]) -> Outcome:
        """What all attempts together mean."""
        asked = asked_of(effect)
        paid = [each for each in statuses if each.state is OrderState.PAID]
        if paid:
            return self._paid(effect, asked, statuses)
        for each in statuses:
            if each.state in {OrderState.GIVEN_BACK, OrderState.STRANGE}:
                sentence = f"CCAvenue calls the order {each.word!r}: look at it there"
                return Manual(sentence=sentence, code=each.word, provider_ref=each.tracking_id)
        now_ms = self._clock.read().wall_ms
        if now_ms <= asked.expires_s * 1000 or _may_still_be_paid(effect, statuses, now_ms):
            return self._waits(asked)
        said = statuses[-1] if statuses else None
        if said is not None and said.state is OrderState.REFUSED:
            sentence = f"CCAvenue says {said.word!r}, and the link's time has passed"
            return Declined(sentence=sentence, code=said.word, provider_ref=said.tracking_id)
        return Expired(sentence="nobody paid at the link, and its time has passed")

    def _paid(self, effect: Effect, asked: Asked, statuses: list[OrderStatus]) -> Outcome:
        paid = [each for each in statuses if each.state is OrderState.PAID]
        first = paid[0]
        if (first.amount_minor, first.currency) != (asked.amount_minor, asked.currency):
            sentence = "CCAvenue shows a payment under our order that is not what we asked for"
            return Manual(sentence=sentence, code="other_amount", provider_ref=first.tracking_id)
        if first.tracking_id is None:
            return Unknown(sentence="CCAvenue says it is paid, and not under which reference")
        now_ms = self._clock.read().wall_ms
        attempts = enumerate(zip(statuses, opened_ms(effect), strict=False), start=1)
        others = [
            Watched(effect_id=effect.id, order_id=asked.order(number).order_id, opened_ms=at_ms)
            for number, (status, at_ms) in attempts
            if may_still_be_paid(status, at_ms, now_ms)
        ]
        return Succeeded(
            sentence="the guest has paid at CCAvenue",
            provider_ref=first.tracking_id,
            evidence="found_by_reference",
            detail={"amount_minor": first.amount_minor, "currency": first.currency},
            # A guest who paid in two windows: the box shows the second to a person.
            home=tuple(stray(effect, each) for each in paid[1:]),
            within=lambda: self.orders.watch(others),
        )

    def link(self, order_ref: str) -> str:
        """Our own page, which sends the guest's browser on."""
        return f"{self._account.guest_url}/pay/{NAME}/{order_ref}/{self.token(order_ref)}"

    def token(self, order_ref: str) -> str:
        """What makes a link one that we gave."""
        key = self._account.working_key.encode()
        return hmac.new(key, f"link {order_ref}".encode(), hashlib.sha256).hexdigest()[:24]

    def _waits(self, asked: Asked) -> RequiresAction:
        return RequiresAction(
            sentence="the guest is to pay at the link",
            code="waiting",
            evidence="answer",
            detail={"url": self.link(asked.order_ref)},
        )

    def told(self, effect: Effect, state: EffectState, outcome: Outcome | None) -> list[Homeward]:
        """Every state of a link is told, with CCAvenue's own amount when it is paid.

        Of a refund, which is a person's work there, only that it was made.
        """
        if effect.kind == REFUND:
            return [_refunded(effect)] if state is EffectState.SUCCEEDED else []
        if effect.kind != f"{NAME}.order" or (
            state is EffectState.QUEUED and isinstance(outcome, NotSent)
        ):
            return []
        detail: dict[str, Any] = getattr(outcome, "detail", None) or {}
        return [
            _note(
                effect,
                NOTED[state],
                ref=getattr(outcome, "provider_ref", None) or effect.provider_ref,
                code=getattr(outcome, "code", None),
                evidence=getattr(outcome, "evidence", "") or state.value,
                detail=detail,
            )
        ]

    def retell(self, effect: Effect, generation: int) -> list[Homeward]:
        """A restored box hears again what became of a link, and which refund was made."""
        if effect.kind == REFUND and effect.state is EffectState.SUCCEEDED:
            return [_refunded(effect, generation)]
        if effect.kind != f"{NAME}.order" or effect.state is EffectState.QUEUED:
            return []
        url = None
        if effect.state is EffectState.REQUIRES_ACTION:
            url = self.link(asked_of(effect).order_ref)
        return [
            _note(
                effect,
                NOTED[effect.state],
                ref=effect.provider_ref,
                code=None,
                evidence=f"told again after a restore ({generation})",
                detail={"url": url},
                generation=generation,
            )
        ]


def _may_still_be_paid(effect: Effect, statuses: list[OrderStatus], now_ms: int) -> bool:
    """Whether an attempt that was begun in time may still bring money."""
    return any(
        may_still_be_paid(status, at_ms, now_ms)
        for status, at_ms in zip(statuses, opened_ms(effect), strict=False)
    )


def stray(effect: Effect, status: OrderStatus) -> Homeward:
    """Money at an attempt beside the one that has paid the link."""
    ref = status.tracking_id or status.order_id
    return Homeward(
        command_id=derived_id("note", effect.id, "second", ref),
        lane=effect.lane,
        command=NoteStrayPayment(
            provider=NAME,
            provider_ref=ref,
            amount_minor=status.amount_minor or 0,
            currency=status.currency or "",
            our_ref=status.order_id,
            evidence="found_by_reference",
        ),
        cause=effect.id,
        trace=effect.trace,
    )


def _refunded(effect: Effect, generation: int = 0) -> Homeward:
    return Homeward(
        command_id=derived_id("note", effect.id, "refunded", str(generation)),
        lane=effect.lane,
        command=NoteRefund(
            refund_id=effect.natural_key.split(":")[1],
            state=IntentState.SUCCEEDED,
            evidence="a person's word",
        ),
        cause=effect.id,
        trace=effect.trace,
    )


def _note(  # noqa: PLR0913 - one command's fields, by name
    effect: Effect,
    state: IntentState,
    *,
    ref: str | None,
    code: str | None,
    evidence: str,
    detail: dict[str, Any],
    generation: int = 0,
) -> Homeward:
    link_id = effect.natural_key.split(":")[1]
    told = (effect.id, str(effect.attempt), state.value, ref or "", str(generation))
    return Homeward(
        command_id=derived_id("note", *told),
        lane=effect.lane,
        command=NotePayLink(
            link_id=link_id,
            state=state,
            provider_ref=ref,
            code=code,
            evidence=evidence,
            url=detail.get("url"),
            amount_minor=detail.get("amount_minor"),
            currency=detail.get("currency"),
        ),
        cause=effect.id,
        trace=effect.trace,
    )
