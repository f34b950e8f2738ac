"""Carries effects out: one at a time in a lane, several lanes at once, sales before the rest."""

from __future__ import annotations

import asyncio
import functools
import logging
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, assert_never

import msgspec

from appliance.kernel.clock import Clock, sleep
from appliance.kernel.discreet import where
from appliance.kernel.tasks import Nursery
from sync.editing import FIELDS_OF, NotEditableError, edited
from sync.gate import Gate
from sync.ledger import BY_HAND, FINAL, OPEN, Effect, EffectState, Ledger, Priority
from sync.manners import full_jitter_ms
from sync.outcome import (
    Again,
    Declined,
    Expired,
    Homeward,
    Manual,
    NewAttempt,
    NotSent,
    Outcome,
    Refused,
    RequiresAction,
    Succeeded,
    Unknown,
)

logger = logging.getLogger(__name__)

# What may be under way at once, to each vendor: its limits bind long before this does. All of it
# may wait for one vendor's limit or silence, so no vendor has a place of another's (law 5).
UNDER_WAY_MAX: Final = 8
# A full disk is no reason to ask it again at once.
DISK_AWAY_S: Final = 1.0
# Tries after which an effect that must not be sent blindly for ever is shown to a person. Money
# has its own end (23 h, then evidence) and is not counted.
TRIES_MAX: Final = 12
RETRY_MS_MIN: Final = 1_000
RETRY_MS_MAX: Final = 60_000
# After a reconnect the window of overselling is to be shut within 30 s (anchors.md R5); a vendor
# whose list is broken must not keep check-ins from it for longer than twice that.
SALES_FIRST_S_MAX: Final = 60.0
# A line that comes and goes puts that off each time, until all is to be there (R5: five minutes).
HELD_BACK_S_MAX: Final = 300.0
STARTABLE: Final = frozenset({EffectState.QUEUED, EffectState.UNKNOWN, EffectState.RECONCILING})
# While what was sent may still be carried out, it is looked for as often as the queue must move
# after the line healed (10 s with the look itself): a slow vendor's late act is found by then.
LATE_LOOK_MS: Final = 8_000
# What a later act that is done makes needless, although a person was asked to look at it.
MAKES_NEEDLESS: Final[Mapping[str, tuple[str, ...]]] = {
    "pms.start": ("pms.assign",),
    "pms.process": ("pms.assign", "pms.start", "pms.depart"),
    "pms.cancel": ("pms.assign",),
    "pms.no_show": ("pms.assign",),
}
# Money that only a person can send back, in the vendor's own pages: their word ends it.
DONE_BY_HAND: Final = frozenset({"ccavenue.refund"})
# In an effect's progress: the vendor has refused it before.
REFUSED: Final = "refused"
# A look at the ledger although nobody woke us; a wake-up that got lost costs this much.
LOOK_S_MAX: Final = 30.0


class Pusher(Protocol):
    """One counterparty's way of doing effects. Never raises for what a vendor answers."""

    gate: Gate
    gives_up: bool  # whether many tries park an effect
    # How long after a lost answer a request may still be carried out there: until then "it is not
    # there" proves nothing. 0 where a key makes a second sending harmless.
    late_ms: int

    async def reconcile(self, effect: Effect) -> Outcome | None:
        """Look for the effect by our own reference; None: proven absent, `push` may follow.

        Called before `push` whenever the effect says `look_first`: after a lost answer, after a
        restore, when a person asked to try again.
        """
        ...

    async def push(self, effect: Effect) -> Outcome:
        """Send once. The effect's `sending` row is on disk before this is called."""
        ...

    def told(self, effect: Effect, state: EffectState, outcome: Outcome | None) -> list[Homeward]:
        """What the box is to be told when an effect enters a state (`outcome` None: sending)."""
        ...

    def retell(self, effect: Effect, generation: int) -> list[Homeward]:
        """What a restored box must be told again of an effect that is long settled."""
        ...


class Carrier:
    """Moves effects from queued to settled; every step is on disk before the next is taken."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        pushers: Mapping[str, Pusher],
        clock: Clock,
        nursery: Nursery,
        chance: random.Random | None = None,
    ) -> None:
        self._ledger = ledger
        self._pushers = pushers
        self._clock = clock
        self._nursery = nursery
        self._chance = chance or random.Random()  # noqa: S311 - spreads load, guards nothing
        self._wake = asyncio.Event()
        self._under_way: dict[str, asyncio.Task[Any]] = {}  # by lane
        self._places = Counter[str]()  # taken, by counterparty
        self._posted: list[asyncio.Event] = []
        self._on_change: list[Callable[[], None]] = []
        self.paused: set[str] = set()  # counterparties that must be reconciled first
        # Where nothing but sales may be sent, since which opening of the line and after which last
        # one (monotonic s): the new bookings come in first.
        self._sales_first: dict[str, tuple[float, float]] = {}
        for pusher in pushers.values():
            pusher.gate.on_open(self.wake)

    def wake(self) -> None:
        """There may be something to do."""
        self._wake.set()

    def sales_first(self, counterparty: str) -> None:
        """From now on only sales go there, until the look at what was sold is done (R5).

        A look that cannot be done holds the rest back for a minute, not for ever (law 5); where
        the line comes and goes within each minute, for five.
        """
        now_s = self._clock.monotonic()
        since_s, last_s = self._sales_first.get(counterparty, (now_s, now_s))
        if now_s - last_s >= SALES_FIRST_S_MAX:
            since_s = now_s
        self._sales_first[counterparty] = (since_s, now_s)

    def all_may_go(self, counterparty: str) -> None:
        """What was sold there is known here."""
        if self._sales_first.pop(counterparty, None) is not None:
            self.wake()

    def posts_to(self, event: asyncio.Event) -> None:
        """Set this event whenever a command for the box was written."""
        self._posted.append(event)

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call back whenever an effect was settled, one way or another."""
        self._on_change.append(callback)

    def recover(self) -> int:
        """After a start: what was being sent may have arrived. Returns how many there were."""
        return self._take_up("we stopped while it was being sent: it is looked up first")

    async def run(self) -> None:
        """For ever: start what may start, wait for news or for the next time."""
        while True:
            self._wake.clear()
            self._start_ready()
            alarm = asyncio.ensure_future(sleep(self._clock, self._pause_s()))
            woken = asyncio.ensure_future(self._wake.wait())
            try:
                await asyncio.wait({alarm, woken}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                alarm.cancel()
                woken.cancel()

    async def step(self) -> bool:
        """Do everything that may be done now, once around; False when there was nothing."""
        started = self._start_ready()
        while self._under_way:
            await asyncio.wait(set(self._under_way.values()))
            await asyncio.sleep(0)  # noqa: TID251 - lets the done-callbacks run; no time passes
        return started

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._under_way

    def _take_up(self, sentence: str) -> int:
        """What is being sent, and by nobody here, may have arrived."""
        sending = self._ledger.effects("state = 'sending'")
        found = [effect for effect in sending if effect.lane not in self._under_way]
        if not found:
            return 0
        unknown = Unknown(sentence=sentence)
        with self._ledger.transaction():
            for effect in found:
                pusher = self._pushers.get(effect.counterparty)
                late_until_ms = self._now_ms() + (0 if pusher is None else pusher.late_ms)
                self._enter(
                    effect,
                    EffectState.UNKNOWN,
                    unknown,
                    look_first=1,
                    next_at_ms=0,
                    late_until_ms=late_until_ms,
                )
        return len(found)

    def _start_ready(self) -> bool:
        started = False
        try:
            self._take_up("its answer could not be written down: it is looked up first")
        except sqlite3.Error as error:
            logger.warning("effects: the disk takes nothing: %s", where(error))
        for effect in self._ledger.heads(self._now_ms(), tuple(self._under_way)):
            if self._places[effect.counterparty] >= UNDER_WAY_MAX:
                continue
            pusher = self._pushers.get(effect.counterparty)
            if pusher is None or effect.counterparty in self.paused or pusher.gate.closed_ms():
                continue
            if effect.priority > Priority.SALE and self.is_held_back(effect.counterparty):
                continue
            task = self._nursery.mortal(f"effect {effect.id}", self._carry(effect, pusher))
            self._under_way[effect.lane] = task
            self._places[effect.counterparty] += 1
            landed = functools.partial(self._landed, effect.lane, effect.counterparty)
            task.add_done_callback(landed)
            started = True
        return started

    def is_held_back(self, counterparty: str) -> bool:
        """Whether only sales may be sent there yet."""
        asked = self._sales_first.get(counterparty)
        if asked is None:
            return False
        since_s, last_s = asked
        until_s = min(last_s + SALES_FIRST_S_MAX, since_s + HELD_BACK_S_MAX)
        return self._clock.monotonic() < until_s

    def _landed(self, lane: str, counterparty: str, _done: asyncio.Task[Any]) -> None:
        self._under_way.pop(lane, None)
        self._places[counterparty] -= 1
        self._wake.set()
        for callback in self._on_change:
            callback()

    def _pause_s(self) -> float:
        row = self._ledger.db.execute(
            "SELECT min(next_at_ms) FROM effect WHERE next_at_ms > ?"
            " AND state IN ('queued', 'unknown', 'reconciling')",
            (self._now_ms(),),
        ).fetchone()
        if row[0] is None:
            return LOOK_S_MAX
        wait_s: float = (row[0] - self._now_ms()) / 1000
        return min(LOOK_S_MAX, max(0.01, wait_s))

    # -- one effect ------------------------------------------------------------------------------

    async def _carry(self, effect: Effect, pusher: Pusher) -> None:
        try:
            await self._try(effect, pusher)
        except sqlite3.Error as error:
            # Before it was sent it waits as it did; after that it is taken up and looked up.
            logger.error("effect %s was not written down: %s", effect.id, where(error))  # noqa: TRY400 - see `where`
            await sleep(self._clock, DISK_AWAY_S)

    async def _try(self, effect: Effect, pusher: Pusher) -> None:
        ready = self._commit_intent(effect.id)
        if ready is None:
            return
        if ready.kind == BY_HAND:
            # Asked again, it is still a person's work.
            sentence = str(msgspec.json.decode(ready.body)["sentence"])
            self._settle(ready.id, pusher, Manual(sentence=sentence))
            return
        pushed = False
        try:
            outcome = await pusher.reconcile(ready) if ready.look_first else None
            outcome = outcome or self._not_proven(ready)
            if pushed := outcome is None:
                outcome = await pusher.push(ready)
        except sqlite3.Error:
            raise  # the disk is at fault, not a rule: see `_carry`
        except Exception as error:
            # A rule of ours raised: this effect stops, the others go on (law 5).
            logger.exception("effect %s (%s) stopped", effect.id, effect.kind)
            sentence = f"Nightporter itself failed on it ({type(error).__name__}); look, then retry"
            outcome = Manual(sentence=sentence)
        self._settle(ready.id, pusher, outcome, pushed=pushed)

    def _not_proven(self, effect: Effect) -> NotSent | None:
        """What a vendor still has under way may be carried out after we looked for it."""
        left_ms = effect.late_until_ms - self._now_ms()
        if left_ms <= 0:
            return None
        sentence = "not there yet, but what was sent may still be carried out: looked up again"
        return NotSent(sentence=sentence, wait_ms=min(left_ms, LATE_LOOK_MS))

    def _commit_intent(self, effect_id: str) -> Effect | None:
        now = self._clock.read()
        effect = self._ledger.effect(effect_id)
        if effect is None or effect.state not in STARTABLE:
            return None  # a pull found it done while it waited for its turn
        pusher = self._pushers[effect.counterparty]
        with self._ledger.transaction():
            fields: dict[str, Any] = {"tries": effect.tries + 1}
            if effect.first_sent_ms is None:
                fields["first_sent_ms"] = now.wall_ms
                fields["first_sent_doubt_ms"] = now.uncertainty_ms
                self._post(pusher.told(effect, EffectState.SENDING, None))
            doing = "being looked up first" if effect.look_first else "being sent"
            self._ledger.turn(effect.id, EffectState.SENDING, doing, now.wall_ms, **fields)
        return self._ledger.effect(effect.id)

    def _settle(
        self, effect_id: str, pusher: Pusher, outcome: Outcome, *, pushed: bool = False
    ) -> None:
        effect = self._ledger.effect(effect_id)
        assert effect is not None, "an effect is never deleted"
        with self._ledger.transaction():
            state, fields = self._next(effect, pusher, outcome)
            if pushed and isinstance(outcome, Unknown | Manual):
                fields["late_until_ms"] = self._now_ms() + pusher.late_ms
            self._enter(effect, state, outcome, **fields)

    def _enter(self, effect: Effect, state: EffectState, outcome: Outcome, **fields: Any) -> None:
        pusher = self._pushers.get(effect.counterparty)
        if (ref := getattr(outcome, "provider_ref", None)) is not None:
            fields["provider_ref"] = ref
        self._ledger.turn(effect.id, state, outcome.sentence, self._now_ms(), **fields)
        if pusher is not None:
            self._post(pusher.told(effect, state, outcome))
        if isinstance(outcome, Succeeded):
            # After its own news: a second charge is one only beside the first.
            if outcome.within is not None:
                outcome.within()
            self._post(outcome.home)
            self._make_needless(effect)

    def _make_needless(self, done: Effect) -> None:
        """A check-out that arrived answers the question why the check-in did not."""
        kinds = MAKES_NEEDLESS.get(done.kind, ())
        for effect in self._ledger.effects(
            "lane = ? AND counterparty = ? AND seq < ? AND state = 'parked'",
            done.lane,
            done.counterparty,
            done.seq,
        ):
            if effect.kind in kinds:
                sentence = f"needless: a later act of this stay is done ({done.kind})"
                self._ledger.turn(effect.id, EffectState.EXPIRED, sentence, self._now_ms())

    def _post(self, letters: Sequence[Homeward]) -> None:
        for letter in letters:
            self._ledger.post(letter, self._now_ms())
        if letters:
            for event in self._posted:
                event.set()

    def _next(  # noqa: PLR0911 - one way out for each outcome
        self, effect: Effect, pusher: Pusher, outcome: Outcome
    ) -> tuple[EffectState, dict[str, Any]]:
        match outcome:
            case Succeeded():
                return EffectState.SUCCEEDED, {}
            case Declined():
                return EffectState.DECLINED, {}
            case RequiresAction():
                return EffectState.REQUIRES_ACTION, {}
            case Expired():
                return EffectState.EXPIRED, {}
            case Refused(said=True) if pusher.gives_up and not effect.progress.get(REFUSED):
                # One answer may be an accident of theirs, and a sale that waits for a person is
                # sold again there: looked up and asked once more.
                wait_ms = full_jitter_ms(0, RETRY_MS_MIN, RETRY_MS_MAX, self._chance)
                return EffectState.RECONCILING, {
                    "look_first": 1,
                    "next_at_ms": self._now_ms() + wait_ms,
                    "progress": {**effect.progress, REFUSED: True},
                }
            case Refused():
                return EffectState.PARKED, {"look_first": 1}
            case Manual():
                return EffectState.MANUAL, {"look_first": 1}
            case NotSent():
                return self._not_sent(effect, outcome)
            case Again() | Unknown():
                return self._once_more(effect, pusher, outcome)
            case NewAttempt():
                return EffectState.QUEUED, self._anew(effect)
            case _:
                assert_never(outcome)

    def _anew(self, effect: Effect) -> dict[str, Any]:
        """Another key, and nothing of the last: its time is judged as if it had never been sent."""
        # The first new attempt goes at once; a vendor that makes us begin again and again waits.
        wait_ms = 0
        if effect.attempt > 1:
            wait_ms = full_jitter_ms(effect.attempt, RETRY_MS_MIN, RETRY_MS_MAX, self._chance)
        attempt = effect.attempt + 1
        return {
            "attempt": attempt,
            "idempotency_key": f"{effect.id}.{attempt}",
            "first_sent_ms": None,
            "tries": 0,
            "look_first": 0,
            "next_at_ms": self._now_ms() + wait_ms if wait_ms else 0,
        }

    def _not_sent(self, effect: Effect, outcome: NotSent) -> tuple[EffectState, dict[str, Any]]:
        fields: dict[str, Any] = {
            "tries": effect.tries - 1,
            "next_at_ms": self._now_ms() + max(outcome.wait_ms, RETRY_MS_MIN),
        }
        if effect.tries > 1:
            # An earlier try may have arrived; that this one did not leave proves nothing.
            return EffectState.UNKNOWN, fields
        return EffectState.QUEUED, fields | {"first_sent_ms": None}

    def _once_more(
        self, effect: Effect, pusher: Pusher, outcome: Again | Unknown
    ) -> tuple[EffectState, dict[str, Any]]:
        look = isinstance(outcome, Again) or outcome.look_first
        if pusher.gives_up and effect.tries >= TRIES_MAX:
            return EffectState.PARKED, {"look_first": 1}
        # The first repeat comes within two seconds: with the act's own patience, under ten.
        wait_ms = full_jitter_ms(effect.tries - 1, RETRY_MS_MIN, RETRY_MS_MAX, self._chance)
        state = EffectState.RECONCILING if look else EffectState.UNKNOWN
        if isinstance(outcome, Unknown):
            state = EffectState.UNKNOWN
        fields: dict[str, Any] = {"look_first": int(look or effect.look_first)}
        return state, fields | {"next_at_ms": self._now_ms() + wait_ms}

    # -- what a person may do --------------------------------------------------------------------

    def retry(self, effect_id: str) -> str:
        """Try a parked or manual effect again, looking first; says what was done."""
        effect = self._ledger.effect(effect_id)
        if effect is None:
            return f"there is no effect {effect_id}"
        if effect.state not in {EffectState.PARKED, EffectState.MANUAL}:
            return f"it is {effect.state.value}: only parked and manual effects can be retried"
        with self._ledger.transaction():
            self._ledger.turn(
                effect_id,
                EffectState.UNKNOWN if effect.first_sent_ms else EffectState.QUEUED,
                "a person asked to try it again",
                self._now_ms(),
                look_first=1,
                next_at_ms=0,
                tries=0 if effect.first_sent_ms is None else 1,
            )
        self.wake()
        return "it is queued again, and looked up before anything is sent"

    def learn(self, effect_id: str, outcome: Outcome) -> bool:
        """Settle an effect by evidence that came from elsewhere, inside the caller's transaction.

        False when it is being sent just now (its own answer settles it), is over, or is no news.
        """
        effect = self._ledger.effect(effect_id)
        if effect is None or effect.state is EffectState.SENDING or effect.state in FINAL:
            return False
        if isinstance(outcome, Unknown | NotSent | Again | NewAttempt):
            return False
        pusher = self._pushers[effect.counterparty]
        with self._ledger.transaction():
            state, fields = self._next(effect, pusher, outcome)
            ref = getattr(outcome, "provider_ref", None)
            if state is effect.state and ref in {None, effect.provider_ref}:
                return False
            self._enter(effect, state, outcome, **fields)
        return True

    def settle_by_hand(self, effect_id: str) -> str:
        """A person did it at the vendor; says what was done."""
        effect = self._ledger.effect(effect_id)
        if effect is None:
            return f"there is no effect {effect_id}"
        by_hand = effect.kind.startswith("pms.") or effect.kind in DONE_BY_HAND
        if not by_hand or effect.state not in {EffectState.PARKED, EffectState.MANUAL}:
            return (
                f"it is {effect.state.value}: only parked effects of the PMS and refunds that a"
                " person makes can be marked done"
            )
        done = Succeeded(sentence="a person did it at the vendor", evidence="a person's word")
        with self._ledger.transaction():
            self._enter(effect, EffectState.SUCCEEDED, done)
        self.wake()
        return "it is marked done"

    def edit(
        self,
        effect_id: str,
        changes: Mapping[str, str],
        room_by_number: Callable[[str], str | None],
    ) -> str:
        """Change what a parked act tells the vendor, and try it again; says what was done."""
        effect = self._ledger.effect(effect_id)
        if effect is None:
            return f"there is no effect {effect_id}"
        if effect.state not in {EffectState.PARKED, EffectState.MANUAL}:
            return f"it is {effect.state.value}: only parked and manual effects can be edited"
        told = msgspec.json.decode(effect.body) if effect.kind in FIELDS_OF else {}
        try:
            after = edited(effect.kind, told, changes, room_by_number)
        except NotEditableError as error:
            return str(error)
        said = ", ".join(f"{name} to {text}" for name, text in changes.items())
        with self._ledger.transaction():
            self._ledger.turn(
                effect_id,
                effect.state,
                f"a person changed {said}",
                self._now_ms(),
                body=msgspec.json.encode(after),
                takes_room=after.get("room_id") if "room" in changes else effect.takes_room,
            )
            return self.retry(effect_id)

    def waiting(self) -> int:
        """How many effects are open."""
        return len(self._ledger.effects(f"state IN ({', '.join('?' * len(OPEN))})", *OPEN))

    def _now_ms(self) -> int:
        return self._clock.read().wall_ms
