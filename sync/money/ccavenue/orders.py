"""Orders: each attempt of a guest has an id of its own, and is asked about until it has ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from appliance.kernel.clock import Clock
from sync.gate import PROBE_TIMEOUT_S, Gate, Held
from sync.ledger import Effect, EffectState, Ledger
from sync.money.ccavenue.account import CCAvenueAccount
from sync.money.ccavenue.cipher import UnreadableError
from sync.money.ccavenue.words import (
    Order,
    OrderState,
    OrderStatus,
    TrackerSaidNoError,
    read_tracked,
    track_form,
)
from sync.transport import Answer, NoAnswer, Request

ORDER: Final = "ccavenue.order"
# A guest who tries more often than this needs the desk.
ATTEMPTS_MAX: Final = 9
# A page that was left without paying may be opened again under a new order after this: until
# then the first one may still be paid, and both would be.
REOPEN_MS: Final = 30 * 60_000
# A form that was posted to nobody yet lives in a browser; after a day nobody comes back to it.
LEFT_OPEN_MS_MAX: Final = 86_400_000
# CCAvenue cancels by itself what was not confirmed within twelve days (cloud.md 2.3).
UNCONFIRMED_MS_MAX: Final = 12 * 86_400_000
TIMEOUT_S: Final = 20.0


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The frozen body of an order: what the guest is to pay, once."""

    link_id: str
    order_ref: str
    amount_minor: int
    currency: str
    expires_s: int

    def order(self, attempt: int) -> Order:
        """One attempt; the first has the reference itself."""
        suffix = "" if attempt == 1 else f"-{attempt}"
        return Order(
            order_id=f"{self.order_ref}{suffix}",
            amount_minor=self.amount_minor,
            currency=self.currency,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTracked:
    """Nothing was learned; `why` for a person. `wait_ms` where the way is closed for so long."""

    why: str
    wait_ms: int = 0
    answered: bool = True  # False: CCAvenue said nothing at all


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt at a link that another attempt has paid: money for it would be too much."""

    effect_id: str
    order_id: str
    opened_ms: int


# Where these are kept: the effect itself is over, and has given up what it knew.
WATCHED: Final = "ccavenue.watched"


class CCAvenueOrders:
    """Asks the tracker; keeps how often a page was opened, before it is opened."""

    def __init__(
        self, *, account: CCAvenueAccount, gate: Gate, ledger: Ledger, clock: Clock
    ) -> None:
        self.account = account
        self.gate = gate
        self._ledger = ledger
        self._clock = clock

    async def track(self, order_id: str, *, probe: bool = False) -> OrderStatus | NotTracked:
        """What CCAvenue has of one order."""
        request = Request(
            method="POST",
            url=f"{self.account.api_url}/apis/servlet/DoWebTrans",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=track_form(order_id, self.account),
            timeout_s=PROBE_TIMEOUT_S if probe else TIMEOUT_S,
        )
        reply = await self.gate.send(request, probe=probe)
        if not isinstance(reply, Answer):
            return _unanswered(reply)
        if reply.status != 200:
            return NotTracked(why=f"CCAvenue answered {reply.status}")
        try:
            found = read_tracked(reply.body, order_id, self.account)
        except TrackerSaidNoError as error:
            return NotTracked(why=f"CCAvenue refuses us ({error}): look at keys and address there")
        except UnreadableError as error:
            return NotTracked(why=str(error))
        same = found.order_id in {order_id, ""}
        return found if same else NotTracked(why="CCAvenue answered about another order")

    async def look(self, effect: Effect) -> tuple[list[OrderStatus], NotTracked | None]:
        """Every attempt of a guest, oldest first; the second is why the look was not whole."""
        found: list[OrderStatus] = []
        asked = asked_of(effect)
        for attempt in range(1, max(1, len(opened_ms(effect))) + 1):
            status = await self.track(asked.order(attempt).order_id)
            if isinstance(status, NotTracked):
                return found, status
            found.append(status)
        return found, None

    def watched(self) -> list[Watched]:
        """Attempts that may still bring money too much."""
        found: list[Watched] = self._ledger.kept(WATCHED, list[Watched], [])
        return found

    def watch(self, attempts: Sequence[Watched]) -> None:
        """Keep asking about these; call inside a transaction."""
        if attempts:
            self._ledger.keep(WATCHED, [*self.watched(), *attempts])

    def watch_no_more(self, attempt: Watched) -> None:
        """It has ended; call inside a transaction."""
        self._ledger.keep(WATCHED, [each for each in self.watched() if each != attempt])

    def open_attempt(self, effect: Effect, statuses: list[OrderStatus]) -> Order | str:
        """The order whose form the guest may post now, or the sentence why there is none.

        What is served is on disk first: a crash leaves an attempt too many, never one unknown.
        """
        asked, times = asked_of(effect), opened_ms(effect)
        now_ms = self._clock.read().wall_ms
        if effect.state is not EffectState.REQUIRES_ACTION or now_ms > asked.expires_s * 1000:
            return "This link has ended. Please ask the front desk for a new one."
        if any(each.state is OrderState.PAID for each in statuses):
            return "It is paid already. Thank you."
        # An attempt that was opened while we looked is under way, whatever the look says.
        newer = len(times) > max(1, len(statuses))
        if times and (newer or _under_way(statuses, now_ms - times[-1])):
            return "A payment is under way already. Please finish it there, or wait a while."
        if len(times) >= ATTEMPTS_MAX:
            return "This was tried too often. Please ask at the front desk."
        progress: dict[str, Any] = {**effect.progress, "opened_ms": [*times, now_ms]}
        self._ledger.note_progress(effect.id, progress)
        return asked.order(len(times) + 1)


def _unanswered(reply: NoAnswer | Held) -> NotTracked:
    if isinstance(reply, Held):
        return NotTracked(why=reply.sentence, wait_ms=reply.wait_ms, answered=False)
    return NotTracked(why=f"CCAvenue does not answer ({reply.why})", answered=False)


def asked_of(effect: Effect) -> Asked:
    """What a frozen body asks for."""
    return msgspec.json.decode(effect.body, type=Asked)


def opened_ms(effect: Effect) -> list[int]:
    """When each attempt's form was served."""
    times = effect.progress.get("opened_ms")
    return [int(each) for each in times] if isinstance(times, list) else []


def may_still_be_paid(status: OrderStatus, at_ms: int, now_ms: int) -> bool:
    """Whether an attempt that was opened at `at_ms` may still bring money."""
    if status.state is OrderState.PENDING:
        return now_ms < at_ms + UNCONFIRMED_MS_MAX
    return status.state is OrderState.NONE and now_ms < at_ms + LEFT_OPEN_MS_MAX


def _under_way(statuses: list[OrderStatus], age_ms: int) -> bool:
    """Whether an earlier attempt may still be paid, so that a new one could be a second payment.

    Awaited is a bank that has not spoken; Initiated is a page that was left open.
    """
    if any(each.word.strip().lower() == "awaited" for each in statuses):
        return True
    unsettled = {OrderState.NONE, OrderState.PENDING, OrderState.STRANGE}
    return age_ms < REOPEN_MS and any(each.state in unsettled for each in statuses)
