"""A keypad on an NPK lock: what the box sealed opens by the lock's own decision, box or no box."""

from __future__ import annotations

from typing import Any

import pytest

from drivers.npk.codes import LogKind, Op, Status
from drivers.npk.log import Entry, slot_of
from support.npk_bench import NpkBench
from twin.backoff import WRONG_MAX
from twin.pin_slots import seal_pin

PIN, NEXT_PIN = "482915", "730264"


def put(bench: NpkBench, digits: str = PIN, slot: int = 1, **changes: Any) -> int:
    """The box puts a PIN into the lock; the lock's status."""
    facts: dict[str, Any] = {
        "device": "lock-204",
        "from_s": bench.now_s - 60,
        "until_s": bench.now_s + 86_400,
        "generation": 1,
    } | changes
    sealed = seal_pin(digits, device=facts["device"], secret=bytes(32), nonce=bytes(12))
    times = (facts["from_s"], facts["until_s"])
    admin = bench.admin()
    try:
        return admin.request(Op.PUT_PIN, slot, sealed, *times, facts["generation"])[0]
    finally:
        admin.link.close()


def entries(bench: NpkBench) -> list[Entry]:
    return [e for e in bench.lock.core.log._entries if e.kind == LogKind.PIN]


@pytest.fixture
def bench() -> NpkBench:
    bench = NpkBench()
    bench.lock.body.set_time(bench.clock.read().wall_ms, 2_000)
    return bench


def test_a_guests_pin_opens_and_the_log_names_its_slot(bench: NpkBench) -> None:
    assert put(bench, slot=7) == Status.DONE
    assert bench.lock.try_pin(PIN) == Status.DONE
    assert bench.opened == 1
    [entry] = entries(bench)
    assert (slot_of(entry), entry.status, entry.cti) == (7, Status.DONE, b"")


def test_the_next_guests_pin_kills_the_one_before(bench: NpkBench) -> None:
    put(bench, PIN, slot=1, generation=1)
    put(bench, NEXT_PIN, slot=2, generation=2)
    assert bench.lock.try_pin(PIN) == Status.DONE
    assert bench.lock.try_pin(NEXT_PIN) == Status.DONE
    assert bench.lock.try_pin(PIN) == Status.SUPERSEDED
    assert [slot_of(entry) for entry in entries(bench)] == [1, 2, 1]


def test_a_next_guests_key_kills_the_pin_before_and_the_pin_kills_the_key(
    bench: NpkBench,
) -> None:
    put(bench, PIN, generation=1)
    assert bench.press(bench.key(gen=2)).done
    assert bench.lock.try_pin(PIN) == Status.SUPERSEDED
    put(bench, NEXT_PIN, slot=2, generation=3)
    assert bench.lock.try_pin(NEXT_PIN) == Status.DONE
    assert bench.press(bench.key(gen=2)).status == Status.SUPERSEDED


def test_a_pin_outlives_the_cells_and_a_cleared_one_does_not_come_back(bench: NpkBench) -> None:
    put(bench)
    bench.restart()
    bench.lock.body.set_time(bench.clock.read().wall_ms, 2_000)
    assert bench.lock.try_pin(PIN) == Status.DONE
    assert bench.admin().request(Op.CLEAR_PIN, 1)[0] == Status.DONE
    bench.restart()
    assert bench.lock.try_pin(PIN) == Status.WRONG_PIN


def test_a_pin_is_good_in_its_time_and_not_against_privacy(bench: NpkBench) -> None:
    put(bench, from_s=bench.now_s + 3_600)
    assert bench.lock.try_pin(PIN) == Status.NOT_YET
    bench.wait(3_600)
    bench.lock.set_privacy(on=True)
    assert bench.lock.try_pin(PIN) == Status.PRIVACY
    bench.lock.set_privacy(on=False)
    assert bench.lock.try_pin(PIN) == Status.DONE
    bench.wait(90_000)
    assert bench.lock.try_pin(PIN) == Status.EXPIRED
    bench.lock.lose_clock()
    assert bench.lock.try_pin(PIN) == Status.NO_TIME


def test_who_guesses_waits_and_neither_fills_the_log_nor_slows_a_phone(bench: NpkBench) -> None:
    put(bench)
    before = bench.lock.core.log.seq
    for _ in range(WRONG_MAX):
        assert bench.lock.try_pin("111119") == Status.WRONG_PIN
    assert bench.lock.try_pin(PIN) == Status.RATE_LIMITED
    assert bench.lock.core.log.seq <= before + 1
    assert bench.press().done
    bench.wait(60)
    assert bench.lock.try_pin(PIN) == Status.DONE


def test_a_box_for_another_lock_or_no_slot_is_refused_and_changes_nothing(
    bench: NpkBench,
) -> None:
    assert put(bench, device="lock-205") == Status.BAD_FRAME
    assert put(bench, slot=250) == Status.BAD_FRAME
    assert put(bench, slot=-1) == Status.BAD_FRAME
    assert put(bench, digits="12") == Status.BAD_FRAME
    assert put(bench, from_s=bench.now_s + 60, until_s=bench.now_s) == Status.BAD_FRAME
    assert bench.lock.try_pin(PIN) == Status.WRONG_PIN


def test_a_lock_without_a_keypad_says_so() -> None:
    bench = NpkBench(identity={"keypad": False})
    assert put(bench) == Status.NOT_SUPPORTED
    assert bench.admin().request(Op.CLEAR_PIN, 1)[0] == Status.NOT_SUPPORTED
    assert bench.lock.try_pin(PIN) == Status.NOT_SUPPORTED
