"""The driver's file: what it remembers, what it may forget, and what it never lets happen again."""

from __future__ import annotations

import sqlite3
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.bus.words import EventKind, LockRefusal, Outcome
from appliance.kernel.clock import Reading
from drivers import keep as keep_module
from drivers import outbox as outbox_module
from drivers.keep import Keep, connect
from drivers.memory import Memory
from drivers.outbox import OWN_KEY, REPEAT_MS_MAX, Outbox
from drivers.port import Alarm, Attempt, Evidence, Happening, Told
from drivers.shown import Shown

NOW = Reading(wall_ms=1_000_000, boot_ms=1, boot_id="boot", uncertainty_ms=7)
DONE = Told(outcome=Outcome.DONE, evidence=(Evidence.ANSWER,), seq=4, note="0x00")
UNKNOWN = Told(outcome=Outcome.UNKNOWN, evidence=(Evidence.DEADLINE,))
REFUSED = Told(outcome=Outcome.REFUSED, evidence=(Evidence.ANSWER,), refusal=LockRefusal.SUPERSEDED)
OPENED = Happening(kind=EventKind.DOOR_OPENED)


def _keep() -> Keep:
    return Keep(sqlite3.connect(":memory:", isolation_level=None))


def _attempt(order_id: str = "o1", **other: object) -> Attempt:
    attempt = Attempt(
        device="lock", order_id=order_id, verb="unlock", begun_ms=1_000, expires_at_ms=9_000
    )
    return replace(attempt, **other)  # type: ignore[arg-type] # fields by name


def _later(ms: int) -> Reading:
    return replace(NOW, wall_ms=NOW.wall_ms + ms)


def test_the_file_is_its_owners_alone_and_durable(tmp_path: Path) -> None:
    path = tmp_path / "driver-ble0.db"
    db = connect(path)
    Keep(db).begin(_attempt())
    for one in tmp_path.iterdir():
        assert stat.S_IMODE(one.stat().st_mode) == 0o600, one
    assert db.execute("PRAGMA synchronous").fetchone() == (2,)
    db.close()


@pytest.mark.parametrize("told", [DONE, UNKNOWN, REFUSED])
def test_an_end_comes_back_as_it_was_written(told: Told) -> None:
    keep = _keep()
    keep.begin(_attempt())
    keep.end("lock", "o1", told)
    assert keep.attempt("lock", "o1") == _attempt(told=told)


def test_an_unknown_gets_better_and_nothing_else_changes() -> None:
    keep = _keep()
    keep.begin(_attempt())
    assert keep.end("lock", "o1", UNKNOWN) == UNKNOWN
    assert keep.end("lock", "o1", DONE) == DONE
    assert keep.end("lock", "o1", REFUSED) == DONE
    assert keep.end("lock", "o1", UNKNOWN) == DONE


def test_two_devices_may_be_given_the_same_order_id() -> None:
    keep = _keep()
    keep.begin(_attempt())
    keep.begin(_attempt(device="other"))
    keep.end("other", "o1", DONE)
    assert keep.attempt("lock", "o1") == _attempt()


def test_after_a_restart_what_has_no_end_is_unknown_and_owed() -> None:
    keep = _keep()
    keep.begin(_attempt())
    keep.begin(_attempt("o2", told=DONE))
    assert keep.restart() == 1
    [unknown] = keep.unknowns()
    assert unknown.told == Told(outcome=Outcome.UNKNOWN, evidence=(Evidence.RESTART,))
    assert {one.order_id for one in keep.owed()} == {"o1", "o2"}
    assert keep.restart() == 2


def test_what_was_said_is_owed_no_more_but_a_better_end_is() -> None:
    keep = _keep()
    keep.begin(_attempt(told=UNKNOWN))
    keep.said("lock", "o1", UNKNOWN)
    keep.end("lock", "o1", DONE)
    assert [one.told for one in keep.owed()] == [DONE]
    keep.said("lock", "o1", DONE)
    keep.begin(_attempt("o2"))
    assert keep.owed() == []


def test_only_expired_orders_are_forgotten_and_they_stay_expired(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keep_module, "ATTEMPTS_MAX", 8)
    keep = _keep()
    for number in range(8):
        living = number % 2
        expires_at_ms = 99_000 if living else 2_000 + number
        keep.begin(_attempt(f"o{number}", told=DONE, expires_at_ms=expires_at_ms))
    assert keep.begin(_attempt("new", begun_ms=50_000))
    forgotten = [n for n in range(8) if keep.attempt("lock", f"o{n}") is None]
    assert forgotten == [0, 2]
    assert keep.floor_ms == 2_003
    assert Keep(keep.db).floor_ms == 2_003


def test_where_nothing_may_be_forgotten_no_order_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep_module, "ATTEMPTS_MAX", 2)
    keep = _keep()
    for name in ("o1", "o2"):
        assert keep.begin(_attempt(name, told=DONE, expires_at_ms=99_000))
    assert not keep.begin(_attempt("o3", begun_ms=50_000))


def test_what_is_together_is_there_or_nothing_of_it() -> None:
    keep = _keep()
    memory = Memory(keep, "lock")

    def fail() -> None:
        with keep.together():
            memory.put("number", "generation", 7)
            keep.begin(_attempt())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert keep.attempt("lock", "o1") is None
    assert Memory(keep, "lock").get("number", "generation") is None
    # What is remembered in memory is written with the next commit: never less than was admitted.
    keep.begin(_attempt())
    assert Memory(keep, "lock").get("number", "generation") == 7


def test_a_memory_keeps_its_order_and_forgets_what_is_dropped() -> None:
    keep = _keep()
    memory = Memory(keep, "lock")
    for name in ("c", "a", "b"):
        memory.put("denied", name, 1)
    memory.drop("denied", "a")
    memory.commit()
    assert list(Memory(keep, "lock").section("denied")) == ["c", "b"]
    assert Memory(keep, "other").section("denied") == {}


# -- events ------------------------------------------------------------------------------------


def test_events_are_numbered_for_each_device_from_one() -> None:
    outbox = Outbox(_keep())
    seqs = [outbox.add(device, OPENED, NOW) for device in ("a", "a", "b")]
    assert [event and event.seq for event in seqs] == [1, 2, 1]


def test_a_device_without_a_clock_is_given_ours_with_our_doubt() -> None:
    event = Outbox(_keep()).add("a", OPENED, NOW)
    assert event is not None
    assert (event.wall_ms, event.uncertainty_ms) == (NOW.wall_ms, NOW.uncertainty_ms)
    own = Happening(kind=EventKind.UNLOCKED, own_seq=812, wall_ms=5, uncertainty_ms=2_000)
    event = Outbox(_keep()).add("a", own, NOW)
    assert event is not None
    assert (event.seq, event.wall_ms, event.uncertainty_ms) == (812, 5, 2_000)


def test_a_repeat_is_one_event() -> None:
    outbox = Outbox(_keep())
    numbered = replace(OPENED, own_seq=5)
    keyed = replace(OPENED, key="0x20:17")
    own = replace(OPENED, key=f"{OWN_KEY}9")
    for what in (numbered, keyed, own):
        assert outbox.add("a", what, NOW) is not None
        assert outbox.add("a", what, _later(REPEAT_MS_MAX - 1)) is None
    assert outbox.add("a", keyed, _later(REPEAT_MS_MAX + 1)) is not None
    assert outbox.add("a", own, _later(10**9)) is None
    assert outbox.add("b", numbered, NOW) is not None


def test_a_new_lock_under_the_old_name_is_heard_from_its_first_number_on() -> None:
    keep = _keep()
    outbox = Outbox(keep)
    old = [replace(OPENED, own_seq=seq, wall_ms=seq, cti="aa") for seq in (1, 2)]
    for what in old:
        assert outbox.add("a", what, NOW) is not None
        outbox.said("a", what.own_seq or 0)
    new = [replace(what, wall_ms=9_000 + (what.wall_ms or 0), cti="bb") for what in old]
    for what in new:
        assert outbox.add("a", what, NOW) is not None
        # Collected once more after a cut: the same entry is the same event.
        assert outbox.add("a", what, NOW) is None
    assert [(event.seq, event.cti) for _, event in outbox.unsaid(9)] == [(1, "bb"), (2, "bb")]
    keep.store()
    assert [event.seq for _, event in Outbox(keep).unsaid(9)] == [1, 2]


def test_an_event_is_said_until_the_bus_has_it_and_again_when_asked() -> None:
    keep = _keep()
    outbox = Outbox(keep)
    for _ in range(3):
        outbox.add("a", OPENED, NOW)
    for device, event in outbox.unsaid(2):
        outbox.said(device, event.seq)
    assert [event.seq for _, event in outbox.unsaid(9)] == [3]
    outbox.said("a", 3)
    assert outbox.unsaid(9) == []
    assert outbox.say_again("a", after_seq=1) == 2
    assert [event.seq for _, event in Outbox(keep).unsaid(9)] == [2, 3]


def test_the_ring_lets_said_events_fall_first_then_refusals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbox_module, "EVENTS_KEPT_MAX", 3)
    keep = _keep()
    outbox = Outbox(keep)
    outbox.add("a", OPENED, NOW)
    outbox.add("a", replace(OPENED, kind=EventKind.REFUSED), NOW)
    outbox.add("a", OPENED, NOW)
    outbox.add("a", OPENED, NOW)
    assert [event.seq for _, event in outbox.unsaid(9)] == [1, 3, 4]
    outbox.said("a", 3)
    keep.begin(_attempt())
    outbox.add("a", OPENED, NOW)
    assert [event.seq for _, event in outbox.unsaid(9)] == [1, 4, 5]


def test_after_a_restore_no_number_is_given_that_may_have_been_given_since() -> None:
    keep = _keep()
    outbox = Outbox(keep)
    outbox.add("a", OPENED, NOW)
    outbox.skip()
    numbers = [outbox.add(device, OPENED, NOW) for device in ("a", "b", "a")]
    first = outbox_module.SKIPPED + 2
    assert [event and event.seq for event in numbers] == [first, first, first + 1]
    again = Outbox(keep).add("c", OPENED, NOW)
    assert again is not None
    assert again.seq == first


# -- what is shown -----------------------------------------------------------------------------


def test_an_alarm_keeps_its_first_time_over_a_restart() -> None:
    keep = _keep()
    shown = Shown(keep)
    assert shown.alarm(Alarm.RADIO_LOST, None, 5, on=True)
    assert not shown.alarm(Alarm.RADIO_LOST, None, 9, on=True)
    assert shown.alarm(Alarm.DEVICE_SILENT, "a", 7, on=True)
    assert Shown(keep).alarms == {"radio_lost": 5, "device_silent:a": 7}
    assert shown.alarm(Alarm.RADIO_LOST, None, 10, on=False)
    assert not shown.alarm(Alarm.RADIO_LOST, None, 11, on=False)
    assert Shown(keep).alarms == {"device_silent:a": 7}


def test_a_state_is_there_in_the_next_life() -> None:
    keep = _keep()
    shown = Shown(keep)
    shown.state("a", b"{}")
    assert Shown(keep).states == {}
    shown.store()
    assert Shown(keep).states == {"a": b"{}"}
