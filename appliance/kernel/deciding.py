"""One batch of commands, decided and written in one transaction, each in its own savepoint.

Look the answer up, load, decide, append, change read models, react inline, store the answer: this
loop exists once, here. It is synchronous and runs on the writer's thread; `ask.py` feeds it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from appliance.kernel import codec
from appliance.kernel.card_numbers import holds_card_number
from appliance.kernel.clock import Clock, Reading
from appliance.kernel.engine import (
    Connection,
    Context,
    Engine,
    Fold,
    Handling,
    InlineReaction,
    No,
    Recorded,
    Yes,
)
from appliance.kernel.log import Log, Stamp, TransactionLostError
from appliance.kernel.messages import (
    Answer,
    Command,
    Done,
    Event,
    KernelRefusal,
    Origin,
    Refused,
    Role,
    Who,
)
from appliance.kernel.vault import Vault

if TYPE_CHECKING:
    from appliance.kernel.telemetry import Span, Tracer

logger = logging.getLogger(__name__)

# 4,096 streams: every stay, door and room of a large property that is touched in a day.
FOLDS_MAX = 4_096
# Inline reactions set off by inline reactions: booking -> claim -> cleaning list is three.
REACTION_DEPTH_MAX = 6
# In the table of followers: an engine whose inline read model or reaction raised at a fact.
GAP = "engine:"
# 128: client ids of ours are at most 80; what is longer is not an id.
COMMAND_ID_CHARS_MAX = 128
# 64 KiB: the largest command of ours is a booking of 365 priced nights, 30 kB.
COMMAND_BYTES_MAX = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A command on its way to a decision."""

    command: Command
    command_id: str
    who: Who
    origin: Origin | None = None
    cause: str | None = None
    trace: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The answer to one asking, and the facts it caused (none for a repeat or a refusal)."""

    answer: Answer
    facts: Sequence[Recorded] = ()


@dataclass(slots=True)
class Fault:
    """An engine's code raised: which engine, how often, and the last sentence."""

    engine: str
    sentence: str
    at_wall_ms: int
    count: int = 1


class _RefusedError(Exception):
    """Unwinds one savepoint when a rule said no."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.code)
        self.refused = refused


class EngineRaisedError(Exception):
    """An engine's rule, fold, projection or reaction raised; the cause says what."""

    def __init__(self, engine: str, part: str) -> None:
        super().__init__(f"the {part} of {engine} raised")
        self.engine = engine
        self.part = part


@dataclass(slots=True)
class _Folds:
    """Cached states by stream. What a savepoint touches is dropped if it is rolled back."""

    states: dict[str, tuple[int, Any]] = field(default_factory=dict)
    touched: dict[str, tuple[int, Any] | None] = field(default_factory=dict)

    def get(self, stream: str) -> tuple[int, Any] | None:
        kept = self.states.pop(stream, None)
        if kept is not None:
            self.states[stream] = kept  # now the youngest: a busy stream is never folded anew
        return kept

    def keep(self, stream: str, version: int, state: Any) -> None:
        self.touched.setdefault(stream, self.states.pop(stream, None))
        self.states[stream] = (version, state)
        while len(self.states) > FOLDS_MAX:
            self.states.pop(next(iter(self.states)))

    def undo(self) -> None:
        for stream, before in self.touched.items():
            if before is None:
                self.states.pop(stream, None)
            else:
                self.states[stream] = before
        self.touched.clear()


class _Scene:
    """What one engine's loader sees: `Facts`, bound to the engine's folds."""

    def __init__(self, deciding: Deciding, folds: Mapping[str, Fold]) -> None:
        self._deciding = deciding
        self._folds = folds

    def fold(self, stream: str) -> Any:
        return self._deciding.state_of(stream, self._folds)

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        found: tuple[Any, ...] | None = self._deciding.db.execute(sql, parameters).fetchone()
        return found

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self._deciding.db.execute(sql, parameters).fetchall()
        return found

    def setting(self, key: str, default: Any, scope: str = "property") -> Any:
        found = self.row("SELECT value FROM setting WHERE scope = ? AND key = ?", (scope, key))
        return default if found is None else msgspec.json.decode(found[0])


@dataclass(frozen=True, slots=True)
class _Route:
    engine: Engine
    handling: Handling
    scene: _Scene


class Deciding:
    """Owns the rules of all engines and the one connection they write through."""

    def __init__(self, log: Log, vault: Vault, clock: Clock, engines: Sequence[Engine]) -> None:
        self.log = log
        self.db: Connection = log.db
        self.faults: dict[str, Fault] = {}
        self.unstored: Fault | None = None  # since when the disk refuses; None while it takes all
        self.tracer: Tracer | None = None
        self._vault = vault
        self.clock = clock
        self._folds = _Folds()
        self._routes: dict[type[Command], _Route] = {}
        self._inline: dict[type[Event], list[tuple[Engine, _Scene, InlineReaction]]] = {}
        self._projections: dict[type[Event], list[tuple[str, Callable[..., None]]]] = {}
        # Engines that a command of another may do without, and those this one must do without.
        self._can_miss = frozenset(engine.name for engine in engines if not engine.guards)
        self._left_out: dict[str, EngineRaisedError] = {}
        for engine in engines:
            self._enrol(engine)
        self._recall_gaps()

    def carry_out(
        self, batch: Sequence[Asking], hurry: Callable[[], bool] = lambda: False
    ) -> list[Decided]:
        """Answer every asking; all that is answered Done or Refused by a rule is on disk.

        When `hurry` says that something more urgent waits, what is decided so far is committed
        and the answer is shorter than the batch: the rest was not looked at. A commit that fails
        answers the whole batch NOT_STORED, and nothing of it happened.
        """
        decided: list[Decided] = []
        commits: list[Span] = []
        now = self.clock.read()
        try:
            with self.log.transaction():
                for asking in batch:
                    if self.tracer is None:
                        decided.append(self._carry_out_one(asking, now))
                    else:
                        decided.append(self._traced(self.tracer, asking, now, commits))
                    if hurry():
                        break
                # Keys first: a sealed fact whose key is not on disk would be lost for ever.
                self._vault.commit_new_keys()
        except Exception as error:
            logger.exception("a batch of %d could not be stored", len(batch))
            self._folds = _Folds()
            self._vault.drop_new_keys()
            refused = self._not_stored(error, now)
            decided = [Decided(answer=refused) for _ in batch]
        else:
            self.unstored = None
        for commit in commits:
            commit.note(batch=len(decided), stored=self.unstored is None)
            commit.__exit__(None, None, None)
        return decided

    def apply(self, work: Callable[[Connection], None]) -> None:
        """Run a follower's or rebuild's statements in a transaction of their own."""
        with self.log.transaction():
            work(self.db)

    def state_of(self, stream: str, folds: Mapping[str, Fold]) -> Any:
        """The state of a stream by the fold that its first part names."""
        kept = self._folds.get(stream)
        if kept is None:
            events = self.log.events_of(stream)
            kept = (len(events), folds[stream.partition("/")[0]](None, events))
            self._folds.keep(stream, *kept)
        return kept[1]

    def _enrol(self, engine: Engine) -> None:
        scene = _Scene(self, engine.folds)
        for handling in engine.handlings:
            assert handling.command not in self._routes, f"two rules for {handling.command.name}"
            self._routes[handling.command] = _Route(engine, handling, scene)
        for reaction in engine.inline:
            self._inline.setdefault(reaction.event, []).append((engine, scene, reaction))
        if engine.projection is not None:
            for event, apply in engine.projection.on.items():
                self._projections.setdefault(event, []).append((engine.name, apply))

    def _traced(self, tracer: Tracer, asking: Asking, now: Reading, commits: list[Span]) -> Decided:
        with tracer.span(f"decide {asking.command.name}", asking.trace) as span:
            one = self._carry_out_one(asking, now)
            span.note(outcome="done" if isinstance(one.answer, Done) else one.answer.code)
        commits.append(tracer.span("commit", asking.trace).__enter__())
        return one

    def _carry_out_one(self, asking: Asking, now: Reading) -> Decided:
        """One answer whatever happens: what this command breaks is no concern of its batch."""
        try:
            return self._answer_one(asking, now)
        except Exception as error:
            if disk_refused(error) or isinstance(error, TransactionLostError):
                raise
            self._folds.undo()
            route = self._routes.get(type(asking.command))
            raised = EngineRaisedError(route.engine.name if route else "kernel", "command")
            raised.__cause__ = error
            return Decided(answer=self._broken(raised, now))

    def _answer_one(self, asking: Asking, now: Reading) -> Decided:
        body, unfit = _body_of(asking)
        if unfit is not None:
            return Decided(answer=_kernel_no(unfit))
        digest = self._vault.keyed_hash(asking.command.name.encode() + b"\0" + body, "answered")
        # Before deciding, not after: a key that expired since must not turn yes into no.
        first = self._first_answer(asking, digest)
        if first is not None:
            return Decided(answer=first)
        route = self._routes.get(type(asking.command))
        if route is None:
            return Decided(answer=_kernel_no(KernelRefusal.UNKNOWN_COMMAND))
        if asking.who.role not in asking.command.roles:
            return Decided(answer=_kernel_no(KernelRefusal.WRONG_ROLE))
        # What a service learned elsewhere is not typed here: the rules leave a number out of it.
        if asking.who.role is not Role.SERVICE and holds_card_number(asking.command, body):
            return Decided(answer=_kernel_no(KernelRefusal.CARD_NUMBER))
        return self._decide(asking, route, now, digest)

    def _decide(self, asking: Asking, route: _Route, now: Reading, digest: bytes) -> Decided:
        self._left_out = {}
        while True:
            facts: list[Recorded] = []
            self._folds.touched.clear()
            try:
                with self.log.savepoint():
                    result = self._act(asking, route, now, facts, depth=0)
                    answer: Answer = Done(position=self.log.head.position, result=dict(result))
                    self._keep_answer(asking, digest, answer)
                    self._keep_gaps(facts, now)
            except _RefusedError as refusal:
                self._folds.undo()
                self._keep_answer(asking, digest, refusal.refused)
                return Decided(answer=refusal.refused)
            except EngineRaisedError as error:
                self._folds.undo()
                if error.engine not in self._can_miss - {route.engine.name, *self._left_out}:
                    return Decided(answer=self._broken(error, now))
                # Law 5: it alone stops. The same command is decided again without it.
                self._left_out[error.engine] = error
            else:
                return Decided(answer=answer, facts=facts)

    def _act(
        self, asking: Asking, route: _Route, now: Reading, facts: list[Recorded], depth: int
    ) -> Mapping[str, Any]:
        engine, handling = route.engine, route.handling
        context = Context(
            who=asking.who, now=now, command_id=asking.command_id, origin=asking.origin
        )
        try:
            stream = handling.stream(asking.command, context)
            state = handling.load(route.scene, asking.command, context)
            decision = handling.decide(state, asking.command, context)
        except Exception as error:
            if disk_refused(error):
                raise
            raise EngineRaisedError(engine.name, "rule") from error
        if isinstance(decision, StrEnum | No):
            raise _RefusedError(_refused(engine.name, decision))
        if decision is None:
            # A rule that fell off its end has not said yes.
            raise EngineRaisedError(engine.name, "rule") from TypeError("no decision")
        yes = decision if isinstance(decision, Yes) else Yes(events=decision)
        stamp = Stamp(
            who=asking.who,
            command_id=asking.command_id,
            now=now,
            origin=asking.origin,
            cause=asking.cause,
            trace=asking.trace,
        )
        for fact in self._append(engine, yes.stream or stream, yes.events, stamp):
            facts.append(fact)
            self._project(fact)
            self._react(asking, fact, now, facts, depth)
        return yes.result

    def _append(
        self, engine: Engine, stream: str, events: Sequence[Event], stamp: Stamp
    ) -> list[Recorded]:
        if not events:
            return []
        kept = self._folds.get(stream)
        version = kept[0] if kept else self.log.version_of(stream)
        try:
            sealed = [codec.seal(event, self._vault) for event in events]
            recorded = [
                self.log.append(stream, version + number, event, stamp)
                for number, event in enumerate(sealed, start=1)
            ]
            if kept is not None:
                fold = engine.folds[stream.partition("/")[0]]
                self._folds.keep(stream, version + len(sealed), fold(kept[1], sealed))
        except Exception as error:
            if disk_refused(error):
                raise
            raise EngineRaisedError(engine.name, "event or fold") from error
        return recorded

    def _project(self, fact: Recorded) -> None:
        for name, apply in self._projections.get(type(fact.event), ()):
            if name in self._left_out:
                continue
            try:
                apply(self.db, fact.event, fact)
            except Exception as error:
                if disk_refused(error):
                    raise
                raise EngineRaisedError(name, "read model") from error

    def _react(
        self, asking: Asking, fact: Recorded, now: Reading, facts: list[Recorded], depth: int
    ) -> None:
        numbers: dict[str, int] = {}
        for engine, scene, reaction in self._inline.get(type(fact.event), ()):
            if engine.name in self._left_out:
                continue
            if depth >= REACTION_DEPTH_MAX:
                raise EngineRaisedError(engine.name, "chain of reactions") from None
            try:
                commands = list(reaction.react(scene, fact.event, fact))
                routes = [self._routes[type(command)] for command in commands]
            except Exception as error:
                if disk_refused(error):
                    raise
                raise EngineRaisedError(engine.name, "reaction") from error
            for route, command in zip(routes, commands, strict=True):
                # Counted over all reactions of an engine: two of them must not make equal ids.
                number = numbers[engine.name] = numbers.get(engine.name, -1) + 1
                if route.engine.name in self._left_out:
                    continue
                following = replace(
                    asking,
                    command=command,
                    command_id=f"{asking.command_id}>{fact.version}.{engine.name}.{number}",
                    cause=str(fact.position),
                )
                self._act(following, route, now, facts, depth + 1)

    def _first_answer(self, asking: Asking, digest: bytes) -> Answer | None:
        row = self.db.execute(
            "SELECT body_hash, answer FROM answered WHERE actor = ? AND command_id = ?",
            (asking.who.actor, asking.command_id),
        ).fetchone()
        if row is None:
            return None
        if bytes(row[0]) != digest:
            return _kernel_no(KernelRefusal.ID_REUSED)
        return decode_answer(row[1])

    def _keep_answer(self, asking: Asking, digest: bytes, answer: Answer) -> None:
        self.db.execute(
            "INSERT INTO answered (actor, command_id, body_hash, answer) VALUES (?, ?, ?, ?)",
            (asking.who.actor, asking.command_id, digest, encode_answer(answer)),
        )

    def _not_stored(self, error: Exception, now: Reading) -> Refused:
        if self.unstored is None:
            self.unstored = Fault("kernel", _sentence(error), now.wall_ms)
        else:
            self.unstored.count += 1
        return _kernel_no(KernelRefusal.NOT_STORED, reason=_sentence(error))

    def _broken(self, error: EngineRaisedError, now: Reading) -> Refused:
        self._note_fault(error, f"{error}: {_sentence(error.__cause__)}", now)
        return Refused(engine=error.engine, code=KernelRefusal.BROKEN, detail={"part": error.part})

    def _keep_gaps(self, facts: Sequence[Recorded], now: Reading) -> None:
        """Whoever was left out has missed these facts until its read model is built anew."""
        for engine, error in self._left_out.items():
            position = facts[0].position if facts else self.log.head.position
            sentence = (
                f"{error}: {_sentence(error.__cause__)}; it has missed what happened at fact"
                f" {position} (nightporter rebuild {engine} makes it whole)"
            )
            self._note_fault(error, sentence, now)
            # The first gap stays: a restart must not take what is missing for whole.
            self.db.execute(
                "INSERT INTO follower (name, position, quarantined) VALUES (?, ?, ?)"
                " ON CONFLICT (name) DO NOTHING",
                (f"{GAP}{engine}", position, sentence),
            )

    def made_whole(self, engine: str) -> None:
        """A read model was built anew from the first fact: its engine has missed nothing now.

        Runs in the transaction of the rebuild.
        """
        self.db.execute("DELETE FROM follower WHERE name = ?", (f"{GAP}{engine}",))
        self.faults.pop(engine, None)

    def _recall_gaps(self) -> None:
        rows = self.db.execute("SELECT name, quarantined FROM follower").fetchall()
        for name, sentence in rows:
            if name.startswith(GAP):
                engine = name.removeprefix(GAP)
                self.faults[engine] = Fault(engine, sentence, self.clock.read().wall_ms)

    def _note_fault(self, error: EngineRaisedError, sentence: str, now: Reading) -> None:
        logger.error("%s", error, exc_info=error)
        fault = self.faults.get(error.engine)
        if fault is None:
            self.faults[error.engine] = Fault(error.engine, sentence, now.wall_ms)
        else:
            fault.sentence, fault.at_wall_ms = sentence, now.wall_ms
            fault.count += 1


def _body_of(asking: Asking) -> tuple[bytes, KernelRefusal | None]:
    """The command as it is hashed, and why it cannot be looked at, if so."""
    try:
        body = codec.encode(asking.command)
        asking.command_id.encode()
    except UnicodeEncodeError:
        # A lone surrogate is no letter: nobody's engine is broken by it.
        return b"", KernelRefusal.MALFORMED
    if len(body) > COMMAND_BYTES_MAX or len(asking.command_id) > COMMAND_ID_CHARS_MAX:
        return body, KernelRefusal.TOO_LARGE
    # An empty id would make every such act a repeat of the first.
    return body, None if asking.command_id.strip() else KernelRefusal.MALFORMED


def encode_answer(answer: Answer) -> str:
    """An answer as it is kept and as it crosses the command socket."""
    if isinstance(answer, Done):
        return codec.encode({"done": answer}).decode()
    return codec.encode({"refused": answer}).decode()


def decode_answer(text: str | bytes) -> Answer:
    """The reverse of `encode_answer`."""
    fields: dict[str, Any] = msgspec.json.decode(text)
    if "done" in fields:
        return msgspec.convert(fields["done"], Done)
    return msgspec.convert(fields["refused"], Refused)


def _kernel_no(refusal: KernelRefusal, **detail: str) -> Refused:
    return Refused(engine="kernel", code=refusal.value, detail=detail)


def _refused(engine: str, decision: StrEnum | No) -> Refused:
    no = decision if isinstance(decision, No) else No(refusal=decision)
    return Refused(engine=engine, code=no.refusal.value, detail=dict(no.detail))


def _sentence(error: BaseException | None) -> str:
    # The type only: an exception's text may quote what a person typed.
    return type(error).__name__ if error is not None else "no cause given"


# SQLITE_BUSY, NOMEM, READONLY, IOERR, CORRUPT, FULL, CANTOPEN, PROTOCOL, NOTADB: the medium's
# fault or the machine's, never an engine's (a card that fails is remounted read-only).
_MEDIUM_CODES = frozenset({5, 7, 8, 10, 11, 13, 14, 15, 26})


def disk_refused(error: Exception) -> bool:
    """Whether an exception is the disk's, not an engine's (sqlite3 and apsw both tell)."""
    code = getattr(error, "sqlite_errorcode", None) or getattr(error, "extendedresult", 0)
    return isinstance(code, int) and code & 0xFF in _MEDIUM_CODES
