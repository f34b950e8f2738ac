"""What the parts of a running appliance say of themselves: each with an age, a depth, a wait."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from appliance.bus.port import Standing as BusStanding
from appliance.counterparties import as_lines
from appliance.kernel.clock import Clock, Reading
from appliance.kernel.deciding import Fault
from appliance.kernel.engine import Recorded
from appliance.kernel.followers import LAG_SHOWN_MS
from appliance.kernel.followers import Standing as FollowerStanding
from appliance.kernel.health import Health, Patience, Vital, VitalState, judge, span_words

# The bus speaks at least every keepalive (15 s): three missed ones are late, a minute is down.
BUS_PATIENCE = Patience(late_after_ms=45_000, down_after_ms=60_000)
# 200 MB: below this the log may not be able to write through a night (anchors R9); at 20 MB the
# WAL alone (16 MiB) may find no place.
FREE_BYTES_LATE = 200_000_000
FREE_BYTES_DOWN = 20_000_000


class LogSays(Protocol):
    """What the log's writer tells: its head, and who waits."""

    def head(self) -> int:
        """Position of the last fact."""
        ...

    def waiting(self) -> Mapping[Any, int]:
        """How many commands wait, by class."""
        ...


class BusSays(Protocol):
    """What the bus tells."""

    def standing(self) -> BusStanding:
        """Ages and depths of the connection."""
        ...


class FollowersSay(Protocol):
    """What the followers tell."""

    def standings(self) -> Sequence[FollowerStanding]:
        """Where each one is."""
        ...


@dataclass(slots=True, kw_only=True)
class Vitals:
    """Asks the parts; `last_fact_ms` is kept by listening to the log."""

    log: LogSays
    faults: Mapping[str, Fault]  # of engines whose rules raised, kept by the log's writer
    unstored: Callable[[], Fault | None]  # since when the disk refuses; None while it takes all
    deaf: Mapping[str, int]  # listeners that raised when told of new facts, how often
    bus: BusSays
    followers: FollowersSay
    data_dir: Path
    since_ms: int  # wall clock of the start
    last_fact_ms: int | None = None

    def register(self, health: Health, engines: Iterable[str]) -> None:
        """Let every part report from now on."""
        health.register("log", self.of_log)
        health.register("bus", self.of_bus)
        health.register("disk", self.of_disk)
        for standing in self.followers.standings():
            name = standing.name
            health.register(name, functools.partial(self.of_follower, name))
        for engine in engines:
            health.register(f"engine {engine}", functools.partial(self.of_engine, engine))

    def notice(self, facts: Sequence[Recorded]) -> None:
        """Called with every batch after its commit."""
        self.last_fact_ms = facts[-1].at_wall_ms

    def of_log(self, reading: Reading) -> Vital:
        """Facts on disk, the age of the last, who waits, and what the disk or a listener refused."""
        waiting = sum(self.log.waiting().values())
        last = (
            "none yet"
            if self.last_fact_ms is None
            else f"the last {_ago(reading, self.last_fact_ms)}"
        )
        state, trouble = self._trouble_of_log(reading)
        return Vital(
            name="log",
            last_confirmed_wall_ms=self.since_ms
            if self.last_fact_ms is None
            else self.last_fact_ms,
            queue_depth=waiting,
            oldest_ms=None,
            state=state,
            sentence=f"log: {self.log.head()} facts on disk, {last};"
            f" {waiting} commands waiting{trouble}",
        )

    def _trouble_of_log(self, reading: Reading) -> tuple[VitalState, str]:
        refuses = self.unstored()
        if refuses is not None:
            return VitalState.DOWN, (
                f"; NOTHING IS STORED for {span_words(max(0, reading.wall_ms - refuses.at_wall_ms))}"
                f" ({refuses.sentence}, {refuses.count} times): look at the disk of"
                f" {self.data_dir}, what is asked now must be asked again"
            )
        if self.deaf:
            told = ", ".join(f"{name} {times} times" for name, times in sorted(self.deaf.items()))
            return VitalState.LATE, (
                f"; all is stored, but raised when told of it: {told}: screens may be behind until"
                " a restart"
            )
        return VitalState.OK, ""

    def of_bus(self, reading: Reading) -> Vital:
        """The connection to the broker."""
        standing = self.bus.standing()
        age_s = standing.confirmed_age_s
        return judge(
            "bus",
            reading,
            BUS_PATIENCE,
            last_confirmed_wall_ms=None if age_s is None else reading.wall_ms - int(age_s * 1000),
            queue_depth=standing.outgoing + standing.waiting,
            oldest_ms=int(standing.oldest_wait_s * 1000) or None,
        )

    def of_disk(self, reading: Reading) -> Vital:
        """Room for the log, looked at now."""
        free = shutil.disk_usage(self.data_dir).free
        state = VitalState.OK
        cure = ""
        if free < FREE_BYTES_LATE:
            state = VitalState.DOWN if free < FREE_BYTES_DOWN else VitalState.LATE
            cure = f"; make room in {self.data_dir} before the night"
        return Vital(
            name="disk",
            last_confirmed_wall_ms=reading.wall_ms,
            queue_depth=0,
            oldest_ms=None,
            state=state,
            sentence=f"disk: {free // 1_000_000} MB free, looked at 0 ms ago{cure}",
        )

    def of_follower(self, name: str, reading: Reading) -> Vital:
        """Where one follower is, and how long the first fact it has not taken has waited."""
        standing = next(one for one in self.followers.standings() if one.name == name)
        behind = max(0, standing.head - standing.position)
        waited_ms = (
            None
            if standing.oldest_waiting_ms is None or behind == 0
            else max(0, reading.wall_ms - standing.oldest_waiting_ms)
        )
        waiting = "nothing waiting" if behind == 0 else f"{behind} facts waiting"
        if waited_ms is not None:
            waiting += f", the oldest for {span_words(waited_ms)}"
        if standing.quarantined is not None:
            state = VitalState.QUARANTINED
            sentence = (
                f"{name}: stands still at fact {standing.position + 1} ({standing.quarantined}),"
                f" {waiting}; everything else goes on. A manager can let it go on or skip that"
                " fact."
            )
        else:
            state = VitalState.LATE if (waited_ms or 0) > LAG_SHOWN_MS else VitalState.OK
            sentence = f"{name}: at fact {standing.position} of {standing.head}, {waiting}"
        return Vital(
            name=name,
            last_confirmed_wall_ms=reading.wall_ms,
            queue_depth=behind,
            oldest_ms=waited_ms,
            state=state,
            sentence=sentence,
        )

    def of_engine(self, name: str, reading: Reading) -> Vital:
        """Whether a rule of one engine has raised since the start."""
        fault = self.faults.get(name)
        if fault is None:
            lived = span_words(max(0, reading.wall_ms - self.since_ms))
            return Vital(
                name=f"engine {name}",
                last_confirmed_wall_ms=reading.wall_ms,
                queue_depth=0,
                oldest_ms=None,
                state=VitalState.OK,
                sentence=f"engine {name}: no rule has failed in the {lived} since the start",
            )
        return Vital(
            name=f"engine {name}",
            last_confirmed_wall_ms=fault.at_wall_ms,
            queue_depth=0,
            oldest_ms=None,
            state=VitalState.QUARANTINED,
            sentence=f"engine {name}: {fault.sentence}, {fault.count} times, last"
            f" {_ago(reading, fault.at_wall_ms)}; its commands may fail, all other engines work",
        )


def _ago(reading: Reading, wall_ms: int) -> str:
    return f"{span_words(max(0, reading.wall_ms - wall_ms))} ago"


def status(health: Health, clock: Clock) -> dict[str, Any]:
    """What `nightporter status` prints: a sentence a part, the worst first, and the same as data."""
    vitals = health.snapshot(clock)
    reading = clock.read()
    sure = (
        f"sure to {span_words(reading.uncertainty_ms)}"
        if reading.sure
        else f"UNSURE by {span_words(reading.uncertainty_ms)}: keys are signed for 4 h at most"
    )
    return {
        "lines": as_lines(vitals, {"clock": sure}),
        "at_ms": reading.wall_ms,
        "clock": {"sure": reading.sure, "uncertainty_ms": reading.uncertainty_ms},
        "vitals": [_as_data(vital, reading) for vital in vitals],
    }


def _as_data(vital: Vital, reading: Reading) -> dict[str, Any]:
    confirmed = vital.last_confirmed_wall_ms
    return {
        "name": vital.name,
        "state": vital.state.value,
        "last_confirmed_ms": confirmed,
        "age_ms": None if confirmed is None else max(0, reading.wall_ms - confirmed),
        "queued": vital.queue_depth,
        "oldest_ms": vital.oldest_ms,
        "sentence": vital.sentence,
    }
