"""The one door to the log: bounded queues by admission class, and the thread that decides."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from appliance.kernel.deciding import Asking, Decided, Deciding
from appliance.kernel.messages import Admission, Answer, KernelRefusal, Refused

if TYPE_CHECKING:
    from appliance.kernel.engine import Connection, Recorded
    from appliance.kernel.telemetry import Metrics

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
# 16 bulk commands a commit: about 2 ms, what a door may be made to wait by them.
BULK_BATCH_MAX = 16
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
        self, deciding: Deciding, *, room: Room | None = None, metrics: Metrics | None = None
    ) -> None:
        self.deciding = deciding
        self._room = room or Room()
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._queues: dict[Admission, deque[_Waiting]] = {kind: deque() for kind in Admission}
        self._jobs: deque[_Job] = deque()
        self._wake = threading.Condition()
        self._stopping = False
        self._bulk_had_its_turn = False
        self._heard = True
        self._lingering = False
        self._listeners: list[Callable[[Sequence[Recorded]], None]] = []
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="log writer", daemon=True)
        sys.setswitchinterval(SWITCH_INTERVAL_S)

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
        self._enqueue(queue.append, waiting, urgent=kind is Admission.DOOR)
        answer = await waiting.answered
        self._count(kind, answer)
        return answer

    async def apply(self, work: Callable[[Connection], None]) -> None:
        """Run a follower's statements on the writer, after every waiting command of people."""
        job = _Job(work, self._loop.create_future())
        self._enqueue(self._jobs.append, job, urgent=False)
        await job.done

    def head(self) -> int:
        """Position of the last committed or just written fact."""
        return self.deciding.log.head.position

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
                batch = self._take()
                if batch:
                    self._carry_out(batch)
                    if len(batch) >= LINGER_FROM:
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
                self._wake.wait()
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
        """Doors first and alone; then people; bulk only when nobody waits, a few at a time."""
        batch: list[_Waiting] = []
        for kind in Admission:
            queue = self._queues[kind]
            most = BULK_BATCH_MAX if kind is Admission.BULK else self._room.batch
            if kind is Admission.BULK and (batch or self._jobs_are_due()):
                break
            while queue and len(batch) < most:
                batch.append(queue.popleft())
            if kind is Admission.DOOR and batch:
                break
        return batch

    def _jobs_are_due(self) -> bool:
        # Followers and bulk take turns, so that neither starves the other.
        self._bulk_had_its_turn = not self._bulk_had_its_turn
        return bool(self._jobs) and not self._bulk_had_its_turn

    def _carry_out(self, batch: list[_Waiting]) -> None:
        askings = [waiting.asking for waiting in batch]
        doors = self._queues[Admission.DOOR]
        hurry = _never if batch[0].kind is Admission.DOOR else lambda: bool(doors)
        if self._metrics is None:
            decided = self.deciding.carry_out(askings, hurry)
        else:
            with self._metrics.commit_seconds.time():
                decided = self.deciding.carry_out(askings, hurry)
            self._metrics.batch_size.observe(len(decided))
        for waiting in reversed(batch[len(decided) :]):
            self._queues[waiting.kind].appendleft(waiting)
        self._heard = False
        self._call(self._deliver, batch[: len(decided)], decided)

    def _count(self, kind: Admission, answer: Answer) -> None:
        if self._metrics is not None:
            outcome = answer.code if isinstance(answer, Refused) else "done"
            self._metrics.commands.labels(kind.name.lower(), outcome).inc()

    def _do(self, job: _Job) -> None:
        error: Exception | None = None
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
            for listener in self._listeners:
                listener(facts)
        for waiting, one in zip(batch, decided, strict=True):
            if not waiting.answered.done():
                waiting.answered.set_result(one.answer)
        # Runs after every task that was just woken has had its turn.
        self._loop.call_soon(self._all_have_heard)

    def _all_have_heard(self) -> None:
        with self._wake:
            self._heard = True
            self._wake.notify()

    def _end(self, error: BaseException | None) -> None:
        if not self._ended.done():
            if error is None:
                self._ended.set_result(None)
            else:
                self._ended.set_exception(error)
        for queue in self._queues.values():
            while queue:
                waiting = queue.popleft()
                if not waiting.answered.done():
                    waiting.answered.set_exception(WriterStoppedError())


def _never() -> bool:
    return False


def _finish(done: asyncio.Future[None], error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
