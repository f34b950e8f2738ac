"""The one door to the log: bounded queues by admission class, and the thread that decides."""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from appliance.kernel.deciding import Asking, Decided, Deciding
from appliance.kernel.messages import Admission, Answer, KernelRefusal, Refused

if TYPE_CHECKING:
    from appliance.kernel.engine import Connection, Recorded
    from appliance.kernel.telemetry import Metrics, Span, Tracer

logger = logging.getLogger(__name__)

T = TypeVar("T")

# What may wait, by class. A door that waits behind 256 others has failed anyway; 2,048 desk acts
# are an hour of a large lobby; bulk (import, replay) is paced by its sender.
WAITING_MAX: Mapping[Admission, int] = {
    Admission.DOOR: 256,
    Admission.DESK: 2_048,
    Admission.MONEY: 2_048,
    Admission.GUEST: 1_024,
    Admission.BULK: 16_384,
}
# 256 commands a commit: 200 askers share one even where an fsync takes 15 ms; a door that comes
# meanwhile cuts the batch short.
BATCH_MAX = 256
# 16 bulk commands a commit, or as many as 2 ms decide: the more they write, the longer is the
# commit that a door may have to wait for.
BULK_BATCH_MAX = 16
BULK_S_MAX = 0.002
# Every fourth batch of people takes bulk along and lets one follower write: under a load that
# never ends they are slower, but they go on. A door still cuts the batch short.
FAIR_TURN = 4
# Eight batches of doors alone, then whoever waits behind them has one command decided.
DOORS_IN_A_ROW_MAX = 8
# After 32 commits (some 200 pages of the 1,000 that SQLite lets a commit write back) and a second
# without work, the WAL is written back while nobody waits.
CHECKPOINT_FROM = 32
IDLE_S = 1.0
# From eight answers on it is worth waiting for the next questions, 10 ms at most: an fsync of a
# card takes longer, and a loop that needs more is busy with something else.
LINGER_FROM = 8
LINGER_S_MAX = 0.01
# The interpreter hands the lock over every 5 ms by default: far too slow beside a 1 ms commit.
SWITCH_INTERVAL_S = 0.0005


@dataclass(slots=True)
class _Waiting:
    asking: Asking
    kind: Admission
    answered: asyncio.Future[Answer]
    since_s: float = 0.0  # the clock's monotonic, kept where somebody reads the metrics
    queued: Span | None = None


@dataclass(slots=True)
class _Job:
    work: Callable[[Connection], None]
    done: asyncio.Future[None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How much may wait, by class, and how much shares a commit."""

    waiting: Mapping[Admission, int] = field(default_factory=lambda: WAITING_MAX)
    batch: int = BATCH_MAX


class WriterStoppedError(Exception):
    """The writer has ended: restart the appliance; nothing unanswered was promised."""


class Asker:
    """Asks the rules on the writer's thread and answers when the answer is on disk."""

    def __init__(
        self,
        deciding: Deciding,
        *,
        room: Room | None = None,
        metrics: Metrics | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self.deciding = deciding
        self.listener_faults: dict[str, int] = {}  # what raised when told of new facts, how often
        self._room = room or Room()
        self._metrics = metrics
        self._tracer = deciding.tracer = tracer if tracer is not None and tracer.records else None
        self._loop = asyncio.get_running_loop()
        self._queues: dict[Admission, deque[_Waiting]] = {kind: deque() for kind in Admission}
        self._jobs: deque[_Job] = deque()
        self._wake = threading.Condition()
        self._stopping = False
        self._bulk_had_its_turn = False
        self._batches = 0  # of people, since the last fair turn
        self._doors_in_a_row = 0
        self._idle = False
        self._commits = 0  # since the last checkpoint
        self._committed = deciding.log.head.position
        self._heard = True
        self._lingering = False
        self._under_way = 0
        self._counters: dict[tuple[Admission, str], Any] = {}  # as many as there are refusals
        self._listeners: list[Callable[[Sequence[Recorded]], None]] = []
        self._in_hand: list[_Waiting] = []
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="log writer", daemon=True)
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        if metrics is not None:
            self._show_queues(metrics)

    def start(self) -> None:
        """Start deciding."""
        self._thread.start()

    async def run(self) -> None:
        """Until the writer ends; its end is the role's end (for `Nursery.deadly`)."""
        await asyncio.shield(self._ended)

    async def stop(self) -> None:
        """Finish what waits, then end the thread."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.ident is None:
            self._end(None)  # never started: whoever waits is told so
            return
        await asyncio.to_thread(self._thread.join)

    def listen(self, listener: Callable[[Sequence[Recorded]], None]) -> None:
        """Call back on the event loop with every batch of new facts, after its commit."""
        self._listeners.append(listener)

    async def ask(self, asking: Asking, admission: Admission | None = None) -> Answer:
        """Carry out a command at most once; the answer is durable when it arrives.

        `admission` overrides the command's own class, downwards only (bulk import of desk acts).
        A full queue refuses at once with OVERLOADED and looks at nothing.
        """
        kind = max(asking.command.admission, admission or asking.command.admission)
        queue = self._queues[kind]
        if len(queue) >= self._room.waiting[kind]:
            detail = {"class": kind.name.lower()}
            refused = Refused(engine="kernel", code=KernelRefusal.OVERLOADED, detail=detail)
            self._count(kind, refused)
            return refused
        waiting = _Waiting(asking, kind, self._loop.create_future())
        if self._metrics is not None:
            waiting.since_s = self.deciding.clock.monotonic()
        if self._tracer is not None:
            span = self._tracer.span("queue", asking.trace, admission=kind.name.lower())
            waiting.queued = span.__enter__()
        self._under_way += 1
        try:
            self._enqueue(queue.append, waiting, urgent=kind is Admission.DOOR)
            answer = await waiting.answered
        finally:
            self._under_way -= 1
        self._count(kind, answer)
        return answer

    async def apply(self, work: Callable[[Connection], None]) -> None:
        """Run a follower's statements on the writer, after every waiting command of people."""
        job = _Job(work, self._loop.create_future())
        self._under_way += 1
        try:
            self._enqueue(self._jobs.append, job, urgent=False)
            await job.done
        finally:
            self._under_way -= 1

    @property
    def busy(self) -> bool:
        """Whether somebody waits for the writer's thread: a virtual clock stands still meanwhile."""
        return self._under_way > 0

    def head(self) -> int:
        """Position of the last committed fact that listeners were told of."""
        return self._committed

    def waiting(self) -> dict[Admission, int]:
        """How many commands wait, by class."""
        return {kind: len(queue) for kind, queue in self._queues.items()}

    def _enqueue(self, put: Callable[[T], None], item: T, *, urgent: bool) -> None:
        with self._wake:
            if self._stopping:
                raise WriterStoppedError
            put(item)
            if urgent or not self._lingering:
                self._wake.notify()

    def _run(self) -> None:
        try:
            while self._wait_for_work():
                if self._idle:
                    self._idle, self._commits = False, 0
                    self.deciding.log.checkpoint()
                    continue
                self._in_hand = batch = self._take()
                if batch:
                    self._carry_out(batch)
                    if self._jobs and self._batches >= FAIR_TURN:
                        self._batches = 0
                        self._do(self._jobs.popleft())
                    elif len(batch) >= LINGER_FROM:
                        self._linger()
                elif self._jobs:
                    self._do(self._jobs.popleft())
        except BaseException as error:
            self._call(self._end, error)
            raise
        self._call(self._end, None)

    def _wait_for_work(self) -> bool:
        with self._wake:
            while not (self._jobs or any(self._queues.values())):
                if self._stopping:
                    return False
                due = self._commits >= CHECKPOINT_FROM
                if not self._wake.wait(IDLE_S if due else None):
                    self._idle = True
                    return True
        return True

    def _linger(self) -> None:
        """Let those who were just answered ask again before the next commit is begun.

        Without it the first of two hundred askers starts an fsync alone and the others wait for
        two. A door ends the wait at once.
        """
        doors = self._queues[Admission.DOOR]
        with self._wake:
            self._lingering = True
            self._wake.wait_for(lambda: self._heard or bool(doors) or self._stopping, LINGER_S_MAX)
            self._lingering = False

    def _take(self) -> list[_Waiting]:
        """Doors first and alone; then people; bulk when nobody waits or in turn, a few at a time."""
        doors = self._queues[Admission.DOOR]
        if doors and self._doors_in_a_row < DOORS_IN_A_ROW_MAX:
            self._doors_in_a_row += 1
            return [doors.popleft() for _ in range(min(len(doors), self._room.batch))]
        self._doors_in_a_row = 0
        batch: list[_Waiting] = []
        for kind in _PEOPLE:
            queue = self._queues[kind]
            while queue and len(batch) < self._room.batch:
                batch.append(queue.popleft())
        if batch:
            self._batches += 1
        bulk = self._queues[Admission.BULK]
        if bulk and (self._batches >= FAIR_TURN if batch else not self._jobs_are_due()):
            share = [bulk.popleft() for _ in range(min(len(bulk), BULK_BATCH_MAX))]
            # In front: behind 256 of people a door would cut it off every time.
            batch = share + batch
            if not self._jobs:
                self._batches = 0
        if not batch and doors:
            return [doors.popleft() for _ in range(min(len(doors), self._room.batch))]
        return batch

    def _jobs_are_due(self) -> bool:
        # Followers and bulk take turns, so that neither starves the other.
        self._bulk_had_its_turn = not self._bulk_had_its_turn
        return bool(self._jobs) and not self._bulk_had_its_turn

    def _carry_out(self, batch: list[_Waiting]) -> None:
        askings = [waiting.asking for waiting in batch]
        if self._tracer is not None:
            for waiting in batch:
                if waiting.queued is not None:
                    waiting.queued.__exit__(None, None, None)
                    waiting.queued = None
        doors = self._queues[Admission.DOOR]
        hurry = _never if batch[0].kind is Admission.DOOR else self._hurry(batch, doors)
        if self._metrics is None:
            decided = self.deciding.carry_out(askings, hurry)
        else:
            with self._metrics.commit_seconds.time():
                decided = self.deciding.carry_out(askings, hurry)
            self._metrics.batch_size.observe(len(decided))
        for waiting in reversed(batch[len(decided) :]):
            self._queues[waiting.kind].appendleft(waiting)
        self._in_hand = []
        self._commits += 1
        self._heard = False
        self._call(self._deliver, batch[: len(decided)], decided)

    def _hurry(self, batch: list[_Waiting], doors: deque[_Waiting]) -> Callable[[], bool]:
        """Asked after each command: a door waits, or the share of bulk has had its time."""
        share = sum(waiting.kind is Admission.BULK for waiting in batch)
        if not share:
            return lambda: bool(doors)
        clock = self.deciding.clock
        until_s, decided = clock.monotonic() + BULK_S_MAX, itertools.count(1)
        return lambda: bool(doors) or (next(decided) < share and clock.monotonic() > until_s)

    def _count(self, kind: Admission, answer: Answer) -> None:
        if self._metrics is not None:
            outcome = answer.code if isinstance(answer, Refused) else "done"
            counter = self._counters.get((kind, outcome))
            if counter is None:
                counter = self._metrics.commands.labels(kind.name.lower(), outcome)
                self._counters[kind, outcome] = counter
            counter.inc()

    def _do(self, job: _Job) -> None:
        error: Exception | None = None
        self._commits += 1
        try:
            self.deciding.apply(job.work)
        except Exception as raised:  # noqa: BLE001 - handed to whoever waits for the job
            error = raised
        self._call(_finish, job.done, error)

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            # The loop is closed: whoever waited is gone, and what was committed is on disk.
            self._stopping = True

    def _deliver(self, batch: list[_Waiting], decided: list[Decided]) -> None:
        facts = [fact for one in decided for fact in one.facts]
        if facts:
            self._committed = facts[-1].position
            for listener in self._listeners:
                self._tell(listener, facts)
        for waiting, one in zip(batch, decided, strict=True):
            if not waiting.answered.done():
                waiting.answered.set_result(one.answer)
        # Runs after every task that was just woken has had its turn.
        self._loop.call_soon(self._all_have_heard)

    def _tell(
        self, listener: Callable[[Sequence[Recorded]], None], facts: Sequence[Recorded]
    ) -> None:
        try:
            listener(facts)
        except Exception:
            # What is committed is answered, whoever could not bear to hear of it.
            name = getattr(listener, "__qualname__", type(listener).__name__)
            self.listener_faults[name] = self.listener_faults.get(name, 0) + 1
            logger.exception("%s raised when told of %d new facts", name, len(facts))

    def _show_queues(self, metrics: Metrics) -> None:
        def age_s(queue: deque[_Waiting]) -> float:
            try:
                return max(0.0, self.deciding.clock.monotonic() - queue[0].since_s)
            except IndexError:
                return 0.0

        for kind, queue in self._queues.items():
            label = kind.name.lower()
            metrics.queue_depth.labels(label).set_function(functools.partial(len, queue))
            metrics.queue_oldest_seconds.labels(label).set_function(functools.partial(age_s, queue))

    def _all_have_heard(self) -> None:
        with self._wake:
            self._heard = True
            self._wake.notify()

    def _end(self, error: BaseException | None) -> None:
        with self._wake:
            self._stopping = True  # whoever asks from now on is told, not left waiting
        if not self._ended.done():
            if error is None:
                self._ended.set_result(None)
            else:
                self._ended.set_exception(error)
        left = [*self._in_hand, *(one for queue in self._queues.values() for one in queue)]
        for waiting in left:
            if not waiting.answered.done():
                waiting.answered.set_exception(WriterStoppedError())
        for job in self._jobs:
            _finish(job.done, WriterStoppedError())


_PEOPLE = (Admission.DESK, Admission.MONEY, Admission.GUEST)


def _never() -> bool:
    return False


def _finish(done: asyncio.Future[None], error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
