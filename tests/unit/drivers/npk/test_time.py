"""A lock's time: lost, back in 1970, drifting, set by the box, or brought by the guest's phone."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.bus.words import LockRefusal
from appliance.kernel.cose import ADMIN_BIT, UNLOCK_BIT
from appliance.kernel.edicts import sign_time
from drivers.npk.codes import Command, Flag, Op, Status
from support.npk_bench import ISSUER, NpkBench, Phone, new_key


def lost() -> NpkBench:
    """A lock whose cells were out too long."""
    bench = NpkBench()
    bench.press()
    bench.lock.lose_clock()
    bench.wait(60)
    return bench


def test_a_lock_that_lost_the_time_says_so_and_opens_for_nobody_but_an_admin() -> None:
    bench = lost()
    assert bench.lock.core.flags() & Flag.TIME_UNKNOWN
    assert bench.phone().greet().uncertainty_s == -1
    assert bench.press().refusal is LockRefusal.NO_TIME
    assert bench.press(bench.key(UNLOCK_BIT | ADMIN_BIT, cti=b"master-1")).done


def test_the_guests_phone_brings_the_time_and_then_opens_the_door() -> None:
    bench = lost()
    phone = bench.phone()
    greeting = phone.greet()
    assert greeting.time_unknown
    brought = phone.request(Op.TIME, sign_time(greeting.nonce, bench.now_s, ISSUER))
    assert brought == (Status.DONE, 0)
    assert phone.command().done
    assert abs(bench.lock.body.time().ms - bench.clock.read().wall_ms) <= 1_000


@pytest.mark.parametrize("fault", ["other_nonce", "stranger", "bent"])
def test_a_signed_time_for_another_session_or_by_a_stranger_is_refused(fault: str) -> None:
    bench = lost()
    old = bench.phone().greet().nonce
    phone = bench.phone()
    nonce = old if fault == "other_nonce" else phone.greet().nonce
    if fault == "other_nonce":
        phone.greet()
    paper = bytearray(sign_time(nonce, bench.now_s, new_key() if fault == "stranger" else ISSUER))
    paper[-1] ^= fault == "bent"
    status, _ = phone.request(Op.TIME, bytes(paper))
    assert status in {Status.BAD_FRAME, Status.UNKNOWN_ISSUER, Status.BAD_SIGNATURE}
    assert phone.command().refusal is LockRefusal.NO_TIME


def test_a_time_that_took_long_to_come_is_doubted_by_half_of_that() -> None:
    bench = lost()
    phone = bench.phone()
    nonce = phone.greet().nonce
    paper = sign_time(nonce, bench.now_s, ISSUER)
    bench.clock.passed_ms += 2_800
    phone.request(Op.TIME, paper)
    time = bench.lock.body.time()
    assert time.uncertainty_ms == 2_000 + 1_400
    assert abs(time.ms - bench.clock.read().wall_ms) <= time.uncertainty_ms


def test_time_for_a_lock_does_not_stretch_the_session() -> None:
    bench = lost()
    phone = bench.phone()
    nonce = phone.greet().nonce
    for _ in range(2):
        bench.clock.passed_ms += 2_900
        assert phone.request(Op.TIME, sign_time(nonce, bench.now_s, ISSUER))[0] == Status.DONE
    bench.clock.passed_ms += 2_900
    assert phone.command().done  # 8.7 s after it began
    assert bench.opened == 2


def set_time(bench: NpkBench, wall_s: int) -> Any:
    """What an admin is told."""
    return bench.admin().request(Op.SET_TIME, wall_s)[0]


def test_the_clock_is_never_set_before_what_an_issuer_has_signed_as_past() -> None:
    bench = NpkBench()
    signed_s = bench.now_s - 100
    phone: Phone = bench.admin()
    assert phone.request(Op.DENYLIST, bench.denylist(1, issued_s=signed_s))[0] == Status.DONE
    assert set_time(bench, signed_s - 1) == Status.NO_TIME
    assert set_time(bench, 0) == Status.NO_TIME
    bench.lock.lose_clock()
    bench.restart()
    assert set_time(bench, 0) == Status.NO_TIME
    assert set_time(bench, bench.now_s) == Status.DONE


def test_a_clock_that_went_back_to_1970_opens_for_nobody() -> None:
    bench = NpkBench()
    bench.flash.put("clock", "offset_ms", -bench.clock.read().wall_ms)
    bench.restart()
    assert bench.press().refusal is LockRefusal.NOT_YET
    assert bench.opened == 0


def test_a_lock_that_nobody_set_for_70_days_opens_for_nobody() -> None:
    bench = NpkBench()
    bench.wait(69 * 86_400)
    assert bench.press().done
    bench.wait(86_400)
    assert bench.press().refusal is LockRefusal.NO_TIME
    assert set_time(bench, bench.now_s) == Status.DONE
    assert bench.press().done


@pytest.mark.parametrize("drift_ppm", [-100.0, 100.0])
def test_a_drifting_lock_keeps_a_guest_until_checkout(drift_ppm: float) -> None:
    bench = NpkBench(identity={"drift_ppm": drift_ppm})
    bench.wait(30 * 86_400)
    key = bench.key(nbf_s=bench.now_s, exp_s=bench.now_s + 3_600)
    assert bench.press(key).done
    bench.wait(3_599)
    assert bench.press(key).done


def test_hours_of_the_week_need_the_propertys_local_time() -> None:
    bench = NpkBench()  # a Monday, noon UTC
    shift = bench.key(cti=b"maid---1", schedule=(0b000_0001, 13 * 60, 15 * 60))
    assert bench.press(shift).refusal is LockRefusal.SCHEDULE
    status, _ = bench.admin().request(Op.LOCAL_TIME, [[0, 60], [bench.now_s - 50, 120]])
    assert status == Status.DONE
    assert bench.press(shift).done
    bench.wait(3_600 + 60)
    assert bench.press(shift).refusal is LockRefusal.SCHEDULE
    bench.restart()
    assert bench.lock.core.local_time() is not None


@pytest.mark.parametrize(
    "table", [[], [[0]], [[5, 0], [5, 60]], [[0, 99_999]], [b"x"], [[n, 0] for n in range(9)]]
)
def test_a_local_time_that_is_none_is_refused(table: list[Any]) -> None:
    bench = NpkBench()
    assert bench.admin().request(Op.LOCAL_TIME, table)[0] == Status.BAD_FRAME
    assert bench.lock.core.local_time() is None


def test_an_admin_without_the_unlock_bit_sets_the_time_and_opens_nothing() -> None:
    bench = lost()
    admin_only = bench.key(ADMIN_BIT, cti=b"admin--1")
    assert bench.press(admin_only).refusal is LockRefusal.WRONG_DOOR
    assert bench.press(admin_only, Command.ADMIN).done
