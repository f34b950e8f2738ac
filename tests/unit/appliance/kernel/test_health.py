"""Promises of law 7: every status has an age, a depth, and the age of its oldest item."""

from __future__ import annotations

import msgspec
import pytest

from appliance.kernel.clock import Reading
from appliance.kernel.health import (
    Health,
    Patience,
    Vital,
    VitalState,
    judge,
    span_words,
    told,
    worst,
)
from appliance.kernel.virtual_clock import VirtualClock

NOW_MS = 1_800_000_000_000
PATIENCE = Patience(late_after_ms=60_000, down_after_ms=600_000)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOW_MS)


def _judged(reading: Reading, *, silent_ms: int | None, oldest_ms: int | None = None) -> Vital:
    return judge(
        "pms",
        reading,
        PATIENCE,
        last_confirmed_wall_ms=None if silent_ms is None else NOW_MS - silent_ms,
        queue_depth=0 if oldest_ms is None else 3,
        oldest_ms=oldest_ms,
    )


@pytest.mark.parametrize(
    ("silent_ms", "oldest_ms", "state"),
    [
        (0, None, VitalState.OK),
        (60_000, 60_000, VitalState.OK),
        (60_001, None, VitalState.LATE),
        (0, 60_001, VitalState.LATE),
        (600_001, None, VitalState.DOWN),
        (0, 600_001, VitalState.DOWN),
        (None, None, VitalState.DOWN),
        (-5_000, None, VitalState.OK),
    ],
)
def test_a_part_is_judged_by_its_silence_and_by_its_oldest_item(
    clock: VirtualClock, silent_ms: int | None, oldest_ms: int | None, state: VitalState
) -> None:
    assert _judged(clock.read(), silent_ms=silent_ms, oldest_ms=oldest_ms).state is state


def test_what_is_said_always_holds_an_age_a_depth_and_the_oldest_item(clock: VirtualClock) -> None:
    reading = clock.read()
    assert _judged(reading, silent_ms=12_000).sentence == (
        "pms: ok, last confirmed 12 s ago, nothing waiting"
    )
    assert _judged(reading, silent_ms=7_300_000, oldest_ms=7_200_000).sentence == (
        "pms: down, last confirmed 2 h ago, 3 waiting, the oldest for 2 h"
    )
    assert _judged(reading, silent_ms=None).sentence == (
        "pms: down, never confirmed since the start, nothing waiting"
    )


async def test_a_status_ages_while_nobody_confirms_it(clock: VirtualClock) -> None:
    vital = _judged(clock.read(), silent_ms=0)
    await clock.advance(90)
    assert "last confirmed 90 s ago" in told(vital, clock.read())


def test_nothing_is_ok_that_was_never_confirmed() -> None:
    with pytest.raises(AssertionError, match="never confirmed"):
        Vital(
            name="bus",
            last_confirmed_wall_ms=None,
            queue_depth=0,
            oldest_ms=None,
            state=VitalState.OK,
            sentence="fine",
        )


def test_the_worst_comes_first_and_a_part_that_cannot_report_is_down(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    health = Health()

    def broken(reading: Reading) -> Vital:
        raise ValueError("guest Ortega")

    health.register("fine", lambda reading: _judged(reading, silent_ms=0))
    health.register("late", lambda reading: _judged(reading, silent_ms=90_000))
    health.register("broken", broken)
    vitals = health.snapshot(clock)
    assert [vital.state for vital in vitals] == [VitalState.DOWN, VitalState.LATE, VitalState.OK]
    assert vitals[0].name == "broken"
    assert "Ortega" not in vitals[0].sentence + caplog.text
    assert "the report of broken raised ValueError" in caplog.text
    assert worst(vitals) is VitalState.DOWN
    health.unregister("broken")
    assert worst(health.snapshot(clock)) is VitalState.LATE
    assert worst([]) is None


def test_a_vital_goes_over_the_wire_as_it_is(clock: VirtualClock) -> None:
    vital = _judged(clock.read(), silent_ms=5)
    assert msgspec.json.decode(msgspec.json.encode(vital), type=Vital) == vital


@pytest.mark.parametrize(
    ("span_ms", "words"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_000, "1 s"),
        (119_999, "119 s"),
        (120_000, "2 min"),
        (7_200_000, "2 h"),
        (172_800_000, "2 d"),
        (9_000_000_000, "104 d"),
    ],
)
def test_stretches_of_time_are_said_as_people_say_them(span_ms: int, words: str) -> None:
    assert span_words(span_ms) == words
