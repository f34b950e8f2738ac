"""Everything that follows the log afterwards, each at its own pace and by its own cursor.

A follower that trips is quarantined where it stands and shown; the others go on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from appliance.kernel.ask import Asker
from appliance.kernel.clock import sleep
from appliance.kernel.deciding import Asking, disk_refused
from appliance.kernel.engine import Connection, Engine, Projection, Reaction, Recorded
from appliance.kernel.messages import (
    Admission,
    Command,
    Event,
    KernelRefusal,
    Refused,
    Role,
    Surface,
    Who,
)
from appliance.kernel.reader import Reader
from appliance.kernel.tasks import Nursery

if TYPE_CHECKING:
    from appliance.kernel.telemetry import Metrics

logger = logging.getLogger(__name__)

# 64 facts a transaction: about 3 ms on the writer, what a door may be made to wait.
STEP_MAX = 64
# 512 facts kept in memory between commit and step: two full batches; a slower follower reads.
FRESH_MAX = 512
# A cursor that only passes by what is of no interest is written every 1,000 facts: 20 ms of
# reading at the next start, instead of a commit beside every press at a door.
PASSED_MAX = 1_000
# One second between tries while the box is busy or the disk refuses: nobody waits for a follower.
RETRY_S = 1.0
# 2 s: DESIGN section 6, beyond this a lag is shown.
LAG_SHOWN_MS = 2_000


class Step(Protocol):
    """What a follower does with some facts, in order; it also makes `cursor` durable."""

    async def __call__(self, facts: Sequence[Recorded]) -> None:
        """Take the facts in; raise to be quarantined at the first of them."""
        ...


class NotNowError(Exception):
    """The box could not take it at this moment (busy, disk full): the same is tried again."""


class PoisonedError(Exception):
    """A fact this follower cannot take; it says which and stands still there."""

    def __init__(self, position: int, sentence: str) -> None:
        super().__init__(f"at position {position}: {sentence}")
        self.position = position
        self.sentence = sentence


@dataclass(slots=True)
class Standing:
    """Where one follower is."""

    name: str
    position: int
    head: int
    oldest_waiting_ms: int | None  # wall clock of the first fact it has not taken
    quarantined: str | None


class Follower:
    """Goes on from a durable cursor whenever there are new facts.

    `on` names the events it acts on (None: every one); what is of no interest it passes by
    without a step, a read or a commit.
    """

    def __init__(
        self,
        name: str,
        step: Step,
        reader: Reader,
        asker: Asker,
        on: frozenset[type[Event]] | None = None,
    ) -> None:
        self.name = name
        self._step = step
        self._on = on
        self._reader = reader
        self._asker = asker
        self._news = asyncio.Event()
        self.position = 0
        self.head = 0
        self.quarantined: str | None = None
        self._oldest_waiting_ms: int | None = None
        self._singly = 0  # how many facts are still taken one by one
        self._resting = False  # nothing is under way: the cursor may be moved by `notice`
        self._fresh: list[Recorded] = []  # the newest facts without a gap, as they were told
        self._passed = 0  # facts since the cursor was last made durable

    async def load(self) -> None:
        """Find the cursor. A follower that is new starts at the beginning."""
        query = "SELECT position, quarantined FROM follower WHERE name = ?"
        row = await self._reader.row(query, (self.name,))
        self.position, self.quarantined = row or (0, None)
        self._fresh.clear()
        # What was noticed meanwhile is newer than what was read.
        self.head = max(self.head, await self._reader.head())
        waiting = await self._reader.row(
            "SELECT at_wall FROM event WHERE position > ? ORDER BY position LIMIT 1",
            (self.position,),
        )
        self._oldest_waiting_ms = None if waiting is None else waiting[0]
        self._news.set()

    def notice(self, facts: Sequence[Recorded]) -> None:
        """Called with every batch after its commit."""
        self.head = facts[-1].position
        if self._passes_by(facts):
            self.position = self.head
            self._passed += len(facts)
            return
        if len(self._fresh) + len(facts) > FRESH_MAX:
            self._fresh.clear()
        self._fresh.extend(facts)
        if self._oldest_waiting_ms is None:
            self._oldest_waiting_ms = facts[0].at_wall_ms
        self._news.set()

    async def run(self) -> None:
        """Follow for ever."""
        while True:
            self._resting = not self._news.is_set()
            await self._news.wait()
            self._resting = False
            self._news.clear()
            while self.quarantined is None and await self._advance():
                pass

    async def resume(self, *, skip: bool) -> None:
        """A person lets it go on: at the fact that stopped it, or after that fact."""
        if self.quarantined is None:
            return  # two people pressed the button: the second must not skip a good fact
        position = self.position + 1 if skip else self.position
        await self._asker.apply(lambda db: keep_cursor(db, self.name, position))
        self.position, self.quarantined = position, None
        self._news.set()

    async def rebuilt(self) -> None:
        """Its read model was built anew, up to a cursor that was kept with it: go on from there."""
        await self.load()

    def standing(self) -> Standing:
        """For health and metrics."""
        return Standing(
            self.name, self.position, self.head, self._oldest_waiting_ms, self.quarantined
        )

    async def _advance(self) -> bool:
        """Take some facts in; if that fails, one by one, to stand still exactly at the bad one."""
        after = self.position
        try:
            facts = await self._take(after, 1 if self._singly else STEP_MAX)
        except Exception as error:
            if await self._pause_for(error):
                return True
            if not self._singly:
                self._singly = STEP_MAX
                return True
            logger.exception("follower %s stopped after position %d", self.name, after)
            await self._quarantine(_sentence(error))
            return False
        if not facts:
            self._oldest_waiting_ms = None
            return False
        self._singly = max(0, self._singly - 1)
        self.position = facts[-1].position
        return True

    async def _take(self, after: int, limit: int) -> Sequence[Recorded]:
        facts = await self._next(after, limit)
        if not facts:
            return facts
        self._oldest_waiting_ms = facts[0].at_wall_ms
        if self._matter(facts):
            await self._step(facts)
            self._passed = 0
        else:
            self._passed += len(facts)
            if self._passed >= PASSED_MAX:
                last = facts[-1].position
                await self._asker.apply(lambda db: keep_cursor(db, self.name, last))
                self._passed = 0
        return facts

    async def _next(self, after: int, limit: int) -> Sequence[Recorded]:
        """From memory where they were just told without a gap, else from the file."""
        if after >= self.head:
            self._fresh.clear()
            return []
        if self._fresh and self._fresh[0].position <= after + 1:
            start = after + 1 - self._fresh[0].position
            told = self._fresh[start : start + limit]
            # A gap would be a fact that is passed by for ever: then the file knows better.
            if told and told[0].position == after + 1:
                return told
        return await self._reader.facts(after, limit)

    def _matter(self, facts: Sequence[Recorded]) -> bool:
        return self._on is None or any(type(fact.event) in self._on for fact in facts)

    def _passes_by(self, facts: Sequence[Recorded]) -> bool:
        return (
            self._resting
            and self.quarantined is None
            and self.position == facts[0].position - 1
            and self._passed < PASSED_MAX
            and not self._matter(facts)
        )

    async def _pause_for(self, error: Exception) -> bool:
        """Whether it is the box that is in trouble, not the fact: then wait, and try again."""
        if not isinstance(error, NotNowError) and not disk_refused(error):
            return False
        logger.warning("follower %s waits: %s", self.name, _sentence(error))
        await sleep(self._asker.deciding.clock, RETRY_S)
        return True

    async def _quarantine(self, sentence: str) -> None:
        self.quarantined = sentence
        logger.error("follower %s is quarantined: %s", self.name, sentence)
        try:
            await self._asker.apply(self._keep_quarantine)
        except Exception:
            # It stands still and is shown; after a restart it trips here again.
            logger.exception("the quarantine of %s could not be stored", self.name)

    def _keep_quarantine(self, db: Connection) -> None:
        keep_cursor(db, self.name, self.position, self.quarantined)


def _sentence(error: Exception) -> str:
    # The type only, or our own words: an exception's text may quote what a person typed.
    return error.sentence if isinstance(error, PoisonedError) else type(error).__name__


def keep_cursor(db: Connection, name: str, position: int, quarantined: str | None = None) -> None:
    """Write one follower's cursor inside the open transaction."""
    db.execute(
        "INSERT INTO follower (name, position, quarantined) VALUES (?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET position = excluded.position,"
        " quarantined = excluded.quarantined",
        (name, position, quarantined),
    )


def view_step(view: Projection, asker: Asker) -> Step:
    """A read model that follows: rows and cursor change in one transaction."""
    name = f"view:{view.name}"

    async def step(facts: Sequence[Recorded]) -> None:
        def work(db: Connection) -> None:
            # The cursor on disk, not the one in memory: a rebuild may have overtaken this step.
            kept = db.execute("SELECT position FROM follower WHERE name = ?", (name,)).fetchone()
            after = kept[0] if kept else 0
            for fact in facts:
                apply = view.on.get(type(fact.event))
                if apply is not None and fact.position > after:
                    _apply(db, apply, fact)
            keep_cursor(db, name, max(after, facts[-1].position))

        await asker.apply(work)

    return step


def _apply(db: Connection, apply: Callable[..., None], fact: Recorded) -> None:
    try:
        apply(db, fact.event, fact)
    except Exception as error:
        if disk_refused(error):
            raise
        logger.exception("a view could not take the fact at position %d", fact.position)
        raise PoisonedError(fact.position, type(error).__name__) from error


def reaction_step(engine: str, reaction: Reaction, asker: Asker) -> Step:
    """An engine that acts on facts: each command's id derives from the fact, so none runs twice."""
    who = Who(actor=f"engine:{engine}", role=Role.SERVICE, surface=Surface.BOX)
    name = f"reaction:{engine}.{reaction.name}"

    async def step(facts: Sequence[Recorded]) -> None:
        for fact in facts:
            await _react(fact)
        await asker.apply(lambda db: keep_cursor(db, name, facts[-1].position))

    async def _react(fact: Recorded) -> None:
        react = reaction.on.get(type(fact.event))
        if react is None:
            return
        for number, command in await _worth_asking(list(enumerate(react(fact.event, fact)))):
            answer = await asker.ask(
                Asking(
                    command=command,
                    command_id=f"{reaction.name}:{fact.position}:{number}",
                    who=who,
                    cause=str(fact.position),
                    trace=fact.trace,
                ),
                Admission.DESK,
            )
            if not isinstance(answer, Refused):
                continue
            if answer.code in _NOT_NOW:
                raise NotNowError(f"{command.name} was answered {answer.code}")
            if answer.code in _NOT_ANSWERED:
                raise PoisonedError(fact.position, f"{command.name} was answered {answer.code}")

    async def _worth_asking(commands: list[tuple[int, Command]]) -> list[tuple[int, Command]]:
        worth = reaction.worth
        if worth is None or not commands:
            return commands
        found: list[tuple[int, Command]] = []
        await asker.apply(lambda db: found.extend(each for each in commands if worth(db, each[1])))
        return found

    return step


# Answers that are no decision: acting on the fact is still owed.
_NOT_NOW = frozenset({KernelRefusal.OVERLOADED, KernelRefusal.NOT_STORED})
_NOT_ANSWERED = frozenset(
    {
        KernelRefusal.BROKEN,
        KernelRefusal.UNKNOWN_COMMAND,
        KernelRefusal.WRONG_ROLE,
        KernelRefusal.TOO_LARGE,
        KernelRefusal.MALFORMED,
    }
)


class Followers:
    """Starts and shows every follower of the box."""

    def __init__(self, asker: Asker, reader: Reader, metrics: Metrics | None = None) -> None:
        self._asker = asker
        self._reader = reader
        self._metrics = metrics
        self.all: dict[str, Follower] = {}
        asker.listen(self._notice)

    def enrol(self, engines: Sequence[Engine]) -> None:
        """One follower per view and per reaction."""
        for engine in engines:
            for view in engine.views:
                step = view_step(view, self._asker)
                self.add(f"view:{view.name}", step, view.on)
            for reaction in engine.reactions:
                step = reaction_step(engine.name, reaction, self._asker)
                self.add(f"reaction:{engine.name}.{reaction.name}", step, reaction.on)

    def add(
        self,
        name: str,
        step: Callable[[Sequence[Recorded]], Awaitable[None]],
        on: Iterable[type[Event]] | None = None,
    ) -> Follower:
        """Enrol one more; `start` runs it. `on`: the events it acts on, every one if None."""
        assert name not in self.all, f"two followers are called {name}"
        events = None if on is None else frozenset(on)
        follower = Follower(name, step, self._reader, self._asker, events)  # type: ignore[arg-type]
        self.all[name] = follower
        if self._metrics is not None:
            self._show(follower, self._metrics)
        return follower

    async def start(self, nursery: Nursery) -> None:
        """Find every cursor and begin. A follower may end alone: law 5."""
        for follower in self.all.values():
            await follower.load()
            nursery.mortal(f"follower {follower.name}", follower.run())

    def standings(self) -> list[Standing]:
        """Where each one is."""
        return [follower.standing() for follower in self.all.values()]

    async def caught_up(self) -> None:
        """Wait until nobody lags (tests, replay, a clean stop); quarantined ones do not count."""
        for follower in self.all.values():
            while follower.quarantined is None and follower.position < self._asker.head():
                await self._asker.apply(lambda _db: None)

    def _show(self, follower: Follower, metrics: Metrics) -> None:
        name = follower.name

        def lag_s() -> float:
            oldest_ms = follower.standing().oldest_waiting_ms
            now_ms = self._asker.deciding.clock.read().wall_ms
            return 0.0 if oldest_ms is None else max(0.0, (now_ms - oldest_ms) / 1000)

        metrics.follower_lag_positions.labels(name).set_function(
            lambda: max(0, follower.head - follower.position)
        )
        metrics.follower_lag_seconds.labels(name).set_function(lag_s)
        metrics.quarantined.labels(name).set_function(
            lambda: 0 if follower.quarantined is None else 1
        )

    def _notice(self, facts: Sequence[Recorded]) -> None:
        for follower in self.all.values():
            follower.notice(facts)
