"""A device's clock drifts, doubts itself, and is never set into the past."""

from __future__ import annotations

from appliance.kernel.clock import Reading
from twin.flash import Flash
from twin.rtc import Rtc

DAY_MS = 86_400_000


def at(ms: int) -> Reading:
    return Reading(wall_ms=ms, boot_ms=ms, boot_id="b", uncertainty_ms=0)


def test_a_clock_just_set_is_sure_to_two_seconds_and_doubts_itself_with_time() -> None:
    rtc = Rtc(Flash(), at(0))
    assert rtc.read(at(0)).uncertainty_ms == 2_000
    assert rtc.read(at(30 * DAY_MS)).uncertainty_ms == 2_000 + 30 * 8_640
    assert rtc.read(at(69 * DAY_MS)).sure
    assert not rtc.read(at(70 * DAY_MS)).sure


def test_a_drifting_clock_stays_within_its_own_doubt() -> None:
    rtc = Rtc(Flash(), at(0), drift_ppm=15.4)
    for days in range(60):
        time = rtc.read(at(days * DAY_MS))
        assert abs(time.ms - days * DAY_MS) <= time.uncertainty_ms
    assert rtc.read(at(30 * DAY_MS)).ms == 30 * DAY_MS + 39_916, "40 s in a month"


def test_the_chip_runs_on_while_the_device_restarts() -> None:
    flash = Flash()
    Rtc(flash, at(0)).set(5_000, at(0))
    assert Rtc(flash, at(DAY_MS)).read(at(DAY_MS)).ms == DAY_MS + 5_000


def test_a_lost_clock_stays_lost_until_it_is_set() -> None:
    flash = Flash()
    Rtc(flash, at(0)).lose()
    rtc = Rtc(flash, at(1))
    assert not rtc.read(at(1)).known
    assert rtc.set(1, at(1))
    assert rtc.read(at(2)).ms == 2


def test_a_clock_is_not_set_before_what_is_known_to_be_past() -> None:
    rtc = Rtc(Flash(), at(DAY_MS))
    rtc.seen(DAY_MS - 10)
    assert not rtc.set(DAY_MS - 11, at(DAY_MS))
    assert rtc.read(at(DAY_MS)).ms == DAY_MS
    assert rtc.set(DAY_MS - 9, at(DAY_MS))
