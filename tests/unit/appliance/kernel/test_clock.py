"""Promises of the box's clock: it never goes back, and says how sure it is."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.kernel.clock import (
    RELEASE_WALL_MS,
    UNCERTAINTY_SURE_MS_MAX,
    UNCERTAINTY_UNKNOWN_MS,
    ClockTrust,
    JumpKind,
    Reading,
    SystemClock,
    TimeSources,
)

NOW_MS = RELEASE_WALL_MS + 300 * 86_400_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


class _Sources(TimeSources):
    """A box whose time of day, boot and time service are ours to turn."""

    def __init__(self, wall_ms: int = NOW_MS, boot: str = "boot-1") -> None:
        self.wall = wall_ms
        self.boot = boot
        self.since_boot = 5_000
        self.vouched: int | None = None

    def wall_ms(self) -> int:
        return self.wall

    def boot_ms(self) -> int:
        return self.since_boot

    def boot_id(self) -> str:
        return self.boot

    def vouched_ms(self) -> int | None:
        return self.vouched

    def pass_ms(self, passed: int) -> None:
        self.wall += passed
        self.since_boot += passed

    def reboot(self, wall_ms: int) -> None:
        self.boot, self.wall, self.since_boot = f"{self.boot}+", wall_ms, 5_000


@pytest.fixture
def sources() -> _Sources:
    return _Sources()


@pytest.fixture
def floor(tmp_path: Path) -> Path:
    return tmp_path / "clock.floor"


def _clock(
    sources: _Sources, floor: Path | None = None, trust: ClockTrust = ClockTrust.SYNCHRONISED
) -> SystemClock:
    return SystemClock(floor_path=floor, trust=trust, sources=sources)


def _seconds_apart(first: Reading, second: Reading) -> float:
    return (second.wall_ms - first.wall_ms) / 1000


def test_the_real_clock_reads_and_only_moves_forward() -> None:
    clock = SystemClock(floor_path=None)
    readings = [clock.read() for _ in range(1000)]
    assert [each.wall_ms for each in readings] == sorted(each.wall_ms for each in readings)
    assert readings[0].boot_id
    assert readings[0].boot_ms > 0


@pytest.mark.parametrize("trust", list(ClockTrust))
def test_going_back_to_1970_while_running_is_absorbed(sources: _Sources, trust: ClockTrust) -> None:
    sources.vouched = 1_000
    clock = _clock(sources, trust=trust)
    before = clock.read()
    sources.wall, sources.vouched = 0, None
    sources.pass_ms(60_000)
    after = clock.read()
    assert _seconds_apart(before, after) == 60
    assert after.sure
    assert [jump.kind for jump in clock.jumps()] == [JumpKind.BACK_ABSORBED]
    for _ in range(10):
        sources.pass_ms(1_000)
        clock.read()
    assert len(clock.jumps()) == 1, "one step is noted once"


def test_after_a_dark_boot_the_time_is_at_least_the_floor_and_unsure(
    sources: _Sources, floor: Path
) -> None:
    sources.vouched = 1_000
    clock = _clock(sources, floor)
    clock.persist()
    last = clock.read()
    sources.reboot(wall_ms=0)
    sources.vouched = None
    sources.since_boot = 45_000
    again = _clock(sources, floor).read()
    assert _seconds_apart(last, again) == 45, "at least this boot has passed since the floor"
    assert not again.sure
    assert again.uncertainty_ms == UNCERTAINTY_UNKNOWN_MS


def test_the_last_fact_raises_the_floor(sources: _Sources) -> None:
    sources.wall = 0
    clock = _clock(sources)
    assert clock.read().wall_ms == RELEASE_WALL_MS
    clock.raise_floor(NOW_MS + DAY_MS, "an older boot", 999_999)
    assert clock.read().wall_ms == NOW_MS + DAY_MS + sources.since_boot
    clock.raise_floor(NOW_MS, "an older boot", 1)
    assert clock.read().wall_ms == NOW_MS + DAY_MS + sources.since_boot


def test_a_restart_of_the_process_in_the_same_boot_keeps_time_and_doubt(
    sources: _Sources, floor: Path
) -> None:
    clock = _clock(sources, floor)
    clock.confirm(NOW_MS + HOUR_MS, 60_000)
    sources.pass_ms(10 * HOUR_MS)
    again = _clock(sources, floor).read()
    assert again.wall_ms == NOW_MS + 11 * HOUR_MS
    assert 60_000 <= again.uncertainty_ms <= 60_000 + 5_000


def test_doubt_is_small_while_somebody_vouches_and_grows_when_nobody_does(
    sources: _Sources,
) -> None:
    sources.vouched = 1_000
    clock = _clock(sources)
    assert clock.read().uncertainty_ms == 1_000
    sources.vouched = None
    sources.pass_ms(20_000)
    clock.read()
    doubts = []
    for _ in range(80):
        sources.pass_ms(DAY_MS)
        doubts.append(clock.read().uncertainty_ms)
    assert doubts == sorted(doubts)
    # 100 ppm are 8.64 s a day: the bound of ten minutes is passed on day 70 (ble.md 2.9).
    assert doubts[68] <= UNCERTAINTY_SURE_MS_MAX < doubts[70]


def test_a_vouched_step_forward_is_followed_and_noted(sources: _Sources) -> None:
    clock = _clock(sources)
    before = clock.read()
    assert not before.sure
    sources.wall += 200 * DAY_MS
    sources.vouched = 1_000
    sources.pass_ms(10_000)
    after = clock.read()
    assert after.wall_ms == sources.wall
    assert after.sure
    [jump] = clock.jumps()
    assert jump.kind is JumpKind.FORWARD
    assert jump.theirs_ms - jump.ours_ms == 200 * DAY_MS


def test_a_step_forward_nobody_vouches_for_is_ignored_until_somebody_does(
    sources: _Sources,
) -> None:
    clock = _clock(sources)
    before = clock.read()
    sources.wall += 10_000 * DAY_MS
    sources.pass_ms(1_000)
    assert _seconds_apart(before, clock.read()) == 1
    assert [jump.kind for jump in clock.jumps()] == [JumpKind.FORWARD_IGNORED]
    sources.vouched = 1_000
    sources.pass_ms(10_000)
    assert clock.read().wall_ms == sources.wall


def test_a_vouched_time_behind_ours_slows_us_down_and_is_our_doubt(sources: _Sources) -> None:
    sources.vouched = 1_000
    clock = _clock(sources)
    clock.read()
    sources.wall -= 30_000
    sources.pass_ms(10_000)
    behind = clock.read()
    assert behind.wall_ms == NOW_MS + 5_000
    assert behind.uncertainty_ms == 1_000 + 25_000
    for _ in range(6):
        sources.pass_ms(10_000)
        clock.read()
    assert clock.read().wall_ms == sources.wall
    assert clock.read().uncertainty_ms == 1_000


def test_a_person_s_word_makes_the_clock_sure_and_never_turns_it_back(
    sources: _Sources, floor: Path
) -> None:
    clock = _clock(sources, floor)
    clock.confirm(NOW_MS + HOUR_MS, 60_000)
    assert clock.read().wall_ms == NOW_MS + HOUR_MS
    assert clock.read().sure
    clock.confirm(NOW_MS, 60_000)
    later = clock.read()
    assert later.wall_ms == NOW_MS + HOUR_MS
    assert later.uncertainty_ms == 60_000 + HOUR_MS


def test_a_battery_backed_clock_is_believed_as_far_as_it_can_have_drifted(
    sources: _Sources, floor: Path
) -> None:
    sources.vouched = 1_000
    _clock(sources, floor, ClockTrust.HARDWARE).persist()
    sources.reboot(wall_ms=NOW_MS + 10 * DAY_MS)
    sources.vouched = None
    ten_days = _clock(sources, floor, ClockTrust.HARDWARE).read()
    assert 86_000 < ten_days.uncertainty_ms < 95_000
    assert ten_days.sure
    assert not _clock(sources, floor, ClockTrust.SYNCHRONISED).read().sure
    sources.reboot(wall_ms=NOW_MS + 90 * DAY_MS)
    assert not _clock(sources, floor, ClockTrust.HARDWARE).read().sure


def test_a_container_may_trust_its_host(sources: _Sources) -> None:
    assert _clock(sources, trust=ClockTrust.SYSTEM).read().sure
    assert not _clock(sources).read().sure


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["pass", "step", "vouch", "unvouch", "confirm", "restart", "reboot"]),
            st.integers(-60 * DAY_MS, 60 * DAY_MS),
        ),
        max_size=30,
    ),
    st.sampled_from(list(ClockTrust)),
)
@settings(max_examples=200, deadline=None)
def test_whatever_happens_to_the_system_s_time_ours_never_goes_back(
    steps: list[tuple[str, int]], trust: ClockTrust
) -> None:
    sources = _Sources()
    clock = _clock(sources, trust=trust)
    last = clock.read()
    for what, size in steps:
        match what:
            case "pass":
                sources.pass_ms(abs(size))
            case "step":
                sources.wall = max(0, sources.wall + size)
            case "vouch":
                sources.vouched = abs(size) % 10_000
            case "unvouch":
                sources.vouched = None
            case "confirm":
                clock.confirm(last.wall_ms + size, 60_000)
            case _:
                if what == "reboot":
                    sources.reboot(max(0, sources.wall + size))
                clock = _clock(sources, trust=trust)
                clock.raise_floor(last.wall_ms, last.boot_id, last.boot_ms)
        reading = clock.read()
        assert reading.wall_ms >= last.wall_ms
        assert 0 <= reading.uncertainty_ms <= UNCERTAINTY_UNKNOWN_MS
        if reading.boot_id == last.boot_id:
            assert reading.boot_ms >= last.boot_ms
        last = reading


@pytest.mark.parametrize("content", [b"", b"{}", b'{"wall_ms": "x"}', b"\xff\xfe"])
def test_a_broken_floor_file_does_not_keep_the_box_from_starting(
    sources: _Sources, floor: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    floor.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert _clock(sources, floor).read().wall_ms == NOW_MS
    assert "floor file" in caplog.text


class _Ear(logging.Handler):
    """Hears the first warning."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.set()


async def test_a_disk_that_refuses_the_floor_does_not_end_its_keeper(
    sources: _Sources, tmp_path: Path
) -> None:
    clock = _clock(sources, tmp_path / "missing" / "clock.floor")
    ear, voice = _Ear(), logging.getLogger("appliance.kernel.clock")
    voice.addHandler(ear)
    keeping = asyncio.ensure_future(clock.keep_floor())
    assert await asyncio.to_thread(ear.heard.wait, 10)
    voice.removeHandler(ear)
    assert not keeping.done()
    keeping.cancel()
    await asyncio.wait([keeping])
