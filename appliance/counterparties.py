"""What sync last said of the world outside: ages, depths, parked items; and how old that is."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from appliance.kernel.clock import Clock, Reading
from appliance.kernel.health import Health, Patience, Vital, VitalState, judge, span_words

# Sync reports every 5 s; after three missed reports its silence is shown, after a minute it is down.
SYNC_PATIENCE: Final = Patience(late_after_ms=15_000, down_after_ms=60_000)
# Sync's own interval is 10 to 30 s and an exchange may be retried: a minute is late, five are down.
LINE_PATIENCE: Final = Patience(late_after_ms=60_000, down_after_ms=300_000)
COUNTERPARTIES_MAX: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterparty:
    """One service outside, as sync sees it."""

    name: str
    last_confirmed_ms: int | None
    queued: int
    oldest_ms: int | None  # wall clock of the oldest item that waits
    state: str
    sentence: str
    unanswered: bool = True  # something was asked of it since its last answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """An item that waits for a person."""

    id: str
    entity: str
    sentence: str
    since_ms: int
    said: str = ""  # what sync answered the desk about it
    said_of_ms: int = 0  # when that had been asked
    editable: Mapping[str, str] = field(default_factory=dict)  # by ParkedField, as it stands


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report of sync over the command socket."""

    counterparties: tuple[Counterparty, ...] = ()
    parked: tuple[Parked, ...] = ()
    unknown_payments: int = 0


class Counterparties:
    """Keeps sync's last report with the moment it came."""

    def __init__(self, clock: Clock, health: Health) -> None:
        self._clock = clock
        self._health = health
        self.last = Report()
        self.heard_ms: int | None = None

    def expect(self) -> None:
        """Sync belongs to this box: its silence is worth showing from now on."""
        self._health.register("sync", self._sync_vital)

    async def take(self, fields: Any) -> dict[str, Any]:
        """A report came in; one of another shape is answered with a sentence and changes nothing."""
        try:
            report = msgspec.convert(fields, Report, strict=True)
        except msgspec.ValidationError as error:
            return {"ok": False, "error": str(error)}
        self.last = report
        self.heard_ms = self._clock.read().wall_ms
        for one in self.last.counterparties[:COUNTERPARTIES_MAX]:
            self._health.register(one.name, functools.partial(self._vital, one.name))
        return {"ok": True}

    def line_down_since_ms(self) -> int | None:
        """Since when nobody outside has answered; None while somebody does, or nobody is asked."""
        known = self.last.counterparties
        if not known or any(one.state not in _DOWN for one in known):
            return None
        confirmed = [one.last_confirmed_ms for one in known if one.last_confirmed_ms is not None]
        return max(confirmed) if confirmed else self.heard_ms

    def _sync_vital(self, reading: Reading) -> Vital:
        return judge(
            "sync",
            reading,
            SYNC_PATIENCE,
            last_confirmed_wall_ms=self.heard_ms,
            queue_depth=len(self.last.parked),
        )

    def _vital(self, name: str, reading: Reading) -> Vital:
        one = self._of(name, self.last.counterparties)
        waited_ms = None if one.oldest_ms is None else max(0, reading.wall_ms - one.oldest_ms)
        vital = judge(
            name,
            reading,
            LINE_PATIENCE,
            last_confirmed_wall_ms=one.last_confirmed_ms,
            queue_depth=one.queued,
            oldest_ms=waited_ms,
            unanswered=one.unanswered,
        )
        if one.state in _DOWN and vital.state is not VitalState.DOWN:
            vital = _worse(vital, one, reading)
        return vital

    def _of(self, name: str, known: Sequence[Counterparty]) -> Counterparty:
        for one in known:
            if one.name == name:
                return one
        return Counterparty(
            name=name,
            last_confirmed_ms=None,
            queued=0,
            oldest_ms=None,
            state="down",
            sentence="sync does not speak of it any more",
        )


_DOWN: Final = frozenset({"down", "open", "refused"})


def _worse(vital: Vital, one: Counterparty, reading: Reading) -> Vital:
    """Sync knows that it is down before the age shows it."""
    age = (
        "never"
        if one.last_confirmed_ms is None
        else f"{span_words(max(0, reading.wall_ms - one.last_confirmed_ms))} ago"
    )
    return Vital(
        name=vital.name,
        last_confirmed_wall_ms=vital.last_confirmed_wall_ms,
        queue_depth=vital.queue_depth,
        oldest_ms=vital.oldest_ms,
        state=VitalState.DOWN,
        sentence=f"{vital.name}: down ({one.sentence}), last confirmed {age},"
        f" {vital.queue_depth} waiting",
    )


def as_lines(vitals: Sequence[Vital], extra: Mapping[str, str]) -> list[str]:
    """The status of the box, a sentence a line, for `nightporter status`."""
    return [vital.sentence for vital in vitals] + [f"{key}: {text}" for key, text in extra.items()]
