"""What the box says of itself: how old each claim is, what waits, and since when. Law 7."""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from appliance.kernel.clock import Clock, Reading

logger = logging.getLogger(__name__)

# Some dozens of parts report; one that registers in a loop is a bug.
SOURCES_MAX = 1_000


class VitalState(StrEnum):
    """How a part stands. Never shown without the age of what it rests on."""

    OK = "ok"
    UNKNOWN = "unknown"  # nothing was asked of it for so long that nobody can say
    LATE = "late"
    DOWN = "down"
    QUARANTINED = "quarantined"


# The worst first: what a person should see without scrolling.
_WORST_FIRST = (
    VitalState.QUARANTINED,
    VitalState.DOWN,
    VitalState.LATE,
    VitalState.UNKNOWN,
    VitalState.OK,
)
assert set(_WORST_FIRST) == set(VitalState), "every state needs its place"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vital:
    """One part's claim about itself."""

    name: str
    last_confirmed_wall_ms: int | None  # the last exchange the other side confirmed
    queue_depth: int
    oldest_ms: int | None  # how long the oldest waiting item has waited
    state: VitalState
    sentence: str  # for a person: what it means and what to do

    def __post_init__(self) -> None:
        """Refuse a good state that rests on nothing."""
        assert self.state is not VitalState.OK or self.last_confirmed_wall_ms is not None, (
            "nothing is ok that was never confirmed"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """After how long without a confirmed exchange a part is late, and down."""

    late_after_ms: int
    down_after_ms: int


def judge(  # noqa: PLR0913 - what is known of one part, each by its own name
    name: str,
    reading: Reading,
    patience: Patience,
    *,
    last_confirmed_wall_ms: int | None,
    queue_depth: int = 0,
    oldest_ms: int | None = None,
    unanswered: bool = True,
) -> Vital:
    """State a part's vital from its last confirmed exchange and the age of its oldest item.

    Silence of a part whose every question was answered (`unanswered` is False) accuses nobody.
    """
    silent_ms = (
        None if last_confirmed_wall_ms is None else max(0, reading.wall_ms - last_confirmed_wall_ms)
    )
    worst_ms = max(silent_ms or 0, oldest_ms or 0)
    unasked = not unanswered and queue_depth == 0
    if unasked and (silent_ms is None or silent_ms > patience.late_after_ms):
        state = VitalState.UNKNOWN
    elif silent_ms is None or worst_ms > patience.down_after_ms:
        state = VitalState.DOWN
    elif worst_ms > patience.late_after_ms:
        state = VitalState.LATE
    else:
        state = VitalState.OK
    vital = Vital(
        name=name,
        last_confirmed_wall_ms=last_confirmed_wall_ms,
        queue_depth=queue_depth,
        oldest_ms=oldest_ms,
        state=state,
        sentence="",
    )
    return _with_sentence(vital, told(vital, reading))


def told(vital: Vital, reading: Reading) -> str:
    """Say a vital in one sentence that always holds an age, a depth and the oldest item's wait."""
    if vital.last_confirmed_wall_ms is None and vital.state is VitalState.UNKNOWN:
        heard = "not asked yet"
    elif vital.last_confirmed_wall_ms is None:
        heard = "never confirmed since the start"
    else:
        age_ms = max(0, reading.wall_ms - vital.last_confirmed_wall_ms)
        heard = f"last confirmed {span_words(age_ms)} ago"
        if vital.state is VitalState.UNKNOWN:
            heard += " and not asked since"
    if vital.queue_depth == 0:
        waiting = "nothing waiting"
    elif vital.oldest_ms is None:
        waiting = f"{vital.queue_depth} waiting"
    else:
        waiting = f"{vital.queue_depth} waiting, the oldest for {span_words(vital.oldest_ms)}"
    return f"{vital.name}: {vital.state.value}, {heard}, {waiting}"


def span_words(span_ms: int) -> str:
    """Write a stretch of time as a person says it: `850 ms`, `12 s`, `3 min`, `5 h`, `2 d`."""
    for unit_ms, word, until in ((1, "ms", 1_000), (1_000, "s", 120), (60_000, "min", 120)):
        if span_ms < unit_ms * until:
            return f"{span_ms // unit_ms} {word}"
    hours = span_ms // 3_600_000
    return f"{hours} h" if hours < 48 else f"{hours // 24} d"


def worst(vitals: Iterable[Vital]) -> VitalState | None:
    """The worst state among these; None when nobody reports."""
    return min((vital.state for vital in vitals), key=_WORST_FIRST.index, default=None)


class Health:
    """Asks every part of a process how it stands."""

    def __init__(self) -> None:
        self._sources: dict[str, Callable[[Reading], Vital]] = {}

    def register(self, name: str, source: Callable[[Reading], Vital]) -> None:
        """Let a part report; a later report of the same name replaces it."""
        assert len(self._sources) < SOURCES_MAX, "more parts report than a box has"
        self._sources[name] = source

    def unregister(self, name: str) -> None:
        """A part that is gone reports no more."""
        self._sources.pop(name, None)

    def snapshot(self, clock: Clock) -> list[Vital]:
        """Ask everybody now; the worst first. A part that cannot even report is down."""
        reading = clock.read()
        vitals = [self._ask(name, source, reading) for name, source in self._sources.items()]
        return sorted(vitals, key=lambda vital: (_WORST_FIRST.index(vital.state), vital.name))

    def _ask(self, name: str, source: Callable[[Reading], Vital], reading: Reading) -> Vital:
        try:
            return source(reading)
        except Exception as error:  # noqa: BLE001 - one part's bug must not hide the others
            # Type and place only: the text of an exception may hold a guest's name.
            at = traceback.extract_tb(error.__traceback__)[-1]
            kind = type(error).__name__
            logger.error("the report of %s raised %s at %s:%s", name, kind, at.filename, at.lineno)  # noqa: TRY400
            return Vital(
                name=name,
                last_confirmed_wall_ms=None,
                queue_depth=0,
                oldest_ms=None,
                state=VitalState.DOWN,
                sentence=f"{name} cannot say how it stands: see the journal, then restart the box.",
            )


def _with_sentence(vital: Vital, sentence: str) -> Vital:
    return Vital(
        name=vital.name,
        last_confirmed_wall_ms=vital.last_confirmed_wall_ms,
        queue_depth=vital.queue_depth,
        oldest_ms=vital.oldest_ms,
        state=vital.state,
        sentence=sentence,
    )
