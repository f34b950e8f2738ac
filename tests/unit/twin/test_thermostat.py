"""A room that warms and cools as rooms do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from appliance.bus.words import LockRefusal, Order, Verb
from appliance.kernel.clock import Reading
from support.lock_bench import NOON_MS
from twin.flash import Flash
from twin.journal import Journal
from twin.thermostat import RoomStart, ThermostatCore

HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Frost:
    """A steady winter."""

    def outside_c(self, wall_ms: int) -> float:
        del wall_ms
        return -5.0


def at(ms: int) -> Reading:
    return Reading(wall_ms=ms, boot_ms=ms, boot_id="b", uncertainty_ms=0)


def room(flash: Flash | None = None) -> ThermostatCore:
    return ThermostatCore(
        "room-1",
        flash=flash or Flash(),
        journal=Journal(),
        now=at(NOON_MS),
        start=RoomStart(weather=Frost(), set_point_c10=210, measured_c10=180),
    )


def order(number: int = 1, **fields: Any) -> Order:
    return Order(
        id=f"o{number}",
        verb=Verb.SET_POINT,
        expires_at_ms=NOON_MS + 1_000_000_000,
        reply_topic="t",
        **fields,
    )


def live(core: ThermostatCore, hours: float, from_ms: int = NOON_MS) -> int:
    end = from_ms + int(hours * HOUR_MS)
    for ms in range(from_ms, end + 1, 60_000):
        core.tick(at(ms))
    return end


def measured_c10(core: ThermostatCore, moment: Reading) -> int:
    c10 = core.state(moment).measured_c10
    assert c10 is not None
    return c10


def test_a_cold_room_reaches_its_set_point_in_hours_and_stays_there() -> None:
    core = room()
    live(core, 1)
    assert 180 < measured_c10(core, at(NOON_MS)) < 210
    end = live(core, 8, NOON_MS + HOUR_MS)
    seen = []
    for ms in range(end, end + 3 * HOUR_MS, 60_000):
        core.tick(at(ms))
        seen.append(measured_c10(core, at(ms)))
    assert 206 <= min(seen) <= max(seen) <= 214


def test_eco_lets_the_room_cool_slowly_and_no_lower_than_eco() -> None:
    core = room()
    end = live(core, 9)
    core.handle_order(order(eco=True), at(end))
    end = live(core, 1, end)
    assert measured_c10(core, at(end)) > 180, "a room does not fall ten degrees in an hour"
    end = live(core, 20, end)
    assert 155 <= measured_c10(core, at(end)) <= 165
    core.handle_order(order(2, eco=False), at(end))
    assert core.state(at(end)).set_point_c10 == 210, "the guest's wish was kept"


def test_a_leap_of_a_day_lands_where_a_day_of_minutes_lands() -> None:
    leaper, walker = room(), room()
    leaper.tick(at(NOON_MS + 24 * HOUR_MS))
    live(walker, 24)
    moment = at(NOON_MS + 24 * HOUR_MS)
    assert abs(measured_c10(leaper, moment) - measured_c10(walker, moment)) < 40


@pytest.mark.parametrize(
    "fields",
    [{}, {"set_point_c10": 49}, {"set_point_c10": 301}, {"set_point_c10": -(10**9)}],
    ids=["nothing asked", "too cold", "too warm", "absurd"],
)
def test_a_set_point_outside_the_dial_is_refused_and_changes_nothing(
    fields: dict[str, Any],
) -> None:
    core = room()
    answer = core.handle_order(order(**fields), at(NOON_MS)).answer
    assert answer is not None
    assert answer.refusal is LockRefusal.BAD_FRAME
    assert core.state(at(NOON_MS)).set_point_c10 == 210


def test_a_late_set_point_does_nothing_and_a_repeat_is_answered_again() -> None:
    core = room()
    warm = order(set_point_c10=230)
    late = core.handle_order(warm, at(warm.expires_at_ms + 1)).answer
    assert late is not None
    assert late.refusal is LockRefusal.EXPIRED
    again = core.handle_order(warm, at(NOON_MS)).answer
    assert again is not None
    assert (again.refusal, again.repeated) == (LockRefusal.EXPIRED, True)


def test_the_guests_hand_is_an_event_and_survives_a_restart() -> None:
    flash = Flash()
    core = room(flash)
    assert len(core.turn(235, at(NOON_MS)).events) == 1
    assert core.turn(235, at(NOON_MS)).events == ()
    assert room(flash).state(at(NOON_MS)).set_point_c10 == 235


def test_a_room_measured_once_an_hour_is_as_warm_as_one_measured_every_minute() -> None:
    hourly, minutely = room(), room()
    end = NOON_MS + 24 * HOUR_MS
    for ms in range(NOON_MS, end + 1, HOUR_MS):
        hourly.tick(at(ms))
    live(minutely, 24)
    assert abs(measured_c10(hourly, at(end)) - measured_c10(minutely, at(end))) <= 4
