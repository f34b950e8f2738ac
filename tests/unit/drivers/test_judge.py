"""One decision for every lock: the right person, now, here, with the right phone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.bus.words import LockRefusal
from appliance.kernel.cose import (
    ADMIN_BIT,
    COURIER_BIT,
    OFFICE_BIT,
    OVERRIDE_BIT,
    UNLOCK_BIT,
    Claims,
    Flaw,
    issuers,
    point_of,
    sign,
)
from appliance.kernel.edicts import Denied, Denylist, sign_denylist
from drivers.judge import DeviceTime, DoorFacts, Judge, No, Pass
from drivers.local_time import UTC, LocalTime
from twin.flash import Flash

ISSUER = ec.generate_private_key(ec.SECP256R1())
PHONE = point_of(ec.generate_private_key(ec.SECP256R1()).public_key())
NOW_S = 1_789_992_000  # a Monday, noon UTC
SURE = DeviceTime(NOW_S * 1000, 2_000, known=True)
LOST = DeviceTime(NOW_S * 1000 - 500_000, 0, known=False)
DOOR = DoorFacts(
    door_number=204,
    property_id="marina",
    issuers=issuers([point_of(ISSUER.public_key())]),
    zones=frozenset({0x8001}),
)
KEY = Claims(
    exp_s=NOW_S + 3_600,
    nbf_s=NOW_S - 3_600,
    cti=b"guest--1",
    doors=((204, 1),),
    gen=5,
    aud="marina",
)


@dataclass
class Bench:
    """A judge with its memory; a restart keeps the memory."""

    flash: Flash = field(default_factory=Flash)

    def __post_init__(self) -> None:
        self.judge = Judge(DOOR, self.flash)

    def no(
        self, time: DeviceTime = SURE, *, door: Any = None, how: Any = None, **claims: Any
    ) -> Any:
        """The refusal, None where it opens; `door` are the right bits at 204."""
        if door is not None:
            claims["doors"] = ((204, door),)
        said = self.judge.judge_key(replace(KEY, **claims), time, **(how or {}))
        return said.refusal if isinstance(said, No) else None


def test_a_key_bound_to_a_phone_opens_for_that_phone_and_for_no_other() -> None:
    bench = Bench()
    assert bench.no(cnf=PHONE) is LockRefusal.BAD_SIGNATURE
    assert bench.no(cnf=PHONE, how={"presser": DOOR.property_id.encode()}) is not None
    assert bench.no(cnf=PHONE, how={"presser": PHONE}) is None


def test_a_key_for_another_door_or_property_opens_nothing() -> None:
    bench = Bench()
    assert bench.no(doors=((205, 1),)) is LockRefusal.WRONG_DOOR
    assert bench.no(aud="palace") is LockRefusal.WRONG_DOOR


@pytest.mark.parametrize("want", [UNLOCK_BIT, ADMIN_BIT, COURIER_BIT, OFFICE_BIT])
def test_each_act_needs_its_own_right(want: int) -> None:
    bench = Bench()
    assert bench.no(door=want, how={"want": want}) is None
    assert bench.no(door=0xFF & ~want, how={"want": want}) is LockRefusal.WRONG_DOOR


def test_the_next_guests_key_kills_the_previous_guests_also_after_a_restart() -> None:
    bench = Bench()
    right = bench.judge.judge_key(replace(KEY, gen=6), SURE)
    assert isinstance(right, Pass)
    bench.judge.admit(right)
    assert bench.no() is LockRefusal.SUPERSEDED
    assert Bench(bench.flash).no() is LockRefusal.SUPERSEDED
    assert bench.no(door=UNLOCK_BIT | ADMIN_BIT) is None


def test_a_lock_without_the_time_opens_for_an_admin_only() -> None:
    bench = Bench()
    far = DeviceTime(NOW_S * 1000, 600_001, known=True)
    for time in (LOST, far):
        assert bench.no(time) is LockRefusal.NO_TIME
        assert bench.no(time, door=UNLOCK_BIT | ADMIN_BIT) is None


def test_an_admins_key_that_certainly_ended_is_over_also_without_the_time() -> None:
    ended = {"exp_s": LOST.ms // 1000, "nbf_s": 0}
    assert Bench().no(LOST, door=UNLOCK_BIT | ADMIN_BIT, **ended) is LockRefusal.EXPIRED


def test_an_admins_key_of_tomorrow_does_not_put_the_clocks_floor_into_tomorrow() -> None:
    tomorrow = replace(KEY, nbf_s=NOW_S + 86_400, exp_s=NOW_S + 90_000, doors=((204, 5),))
    right = Bench().judge.judge_key(tomorrow, LOST)
    assert isinstance(right, Pass)
    assert right.issued_ms == 0


def test_times_are_widened_by_the_locks_own_doubt() -> None:
    bench = Bench()
    early = DeviceTime((KEY.nbf_s - 300) * 1000, 300_000, known=True)
    late = DeviceTime((KEY.exp_s + 299) * 1000, 300_000, known=True)
    assert bench.no(early) is None
    assert bench.no(late) is None
    assert bench.no(replace(early, ms=early.ms - 1)) is LockRefusal.NOT_YET
    assert bench.no(replace(late, ms=late.ms + 1_000)) is LockRefusal.EXPIRED


def test_privacy_stops_everybody_without_the_right_to_override() -> None:
    bench = Bench()
    bench.judge.set_privacy(on=True)
    again = Bench(bench.flash)
    assert again.no() is LockRefusal.PRIVACY
    assert again.no(door=OFFICE_BIT, how={"want": OFFICE_BIT}) is LockRefusal.PRIVACY
    assert again.no(door=UNLOCK_BIT | OVERRIDE_BIT) is None
    assert again.no(door=ADMIN_BIT, how={"want": ADMIN_BIT}) is None


def signed(seq: int, *ctis: bytes, gens: tuple[tuple[int, int], ...] = ()) -> bytes:
    """A denylist of the property."""
    denied = tuple(Denied(cti=cti, exp_s=NOW_S + 3_600) for cti in sorted(ctis))
    return sign_denylist(Denylist(seq=seq, issued_s=NOW_S, denied=denied, generations=gens), ISSUER)


def test_a_signed_denylist_takes_the_place_of_the_one_before_and_never_goes_back() -> None:
    bench = Bench()
    assert isinstance(bench.judge.take_denylist(signed(2, b"guest--1")), Denylist)
    assert bench.no() is LockRefusal.DENIED
    assert bench.judge.take_denylist(signed(1)) is LockRefusal.SUPERSEDED
    assert bench.judge.take_denylist(signed(2)) is LockRefusal.SUPERSEDED
    assert Bench(bench.flash).no() is LockRefusal.DENIED
    assert isinstance(Bench(bench.flash).judge.take_denylist(signed(3)), Denylist)
    assert Bench(bench.flash).no() is None


def test_a_denylist_of_a_stranger_or_with_a_changed_bit_is_refused() -> None:
    judge = Bench().judge
    data = sign_denylist(Denylist(seq=9, issued_s=NOW_S), ec.generate_private_key(ec.SECP256R1()))
    assert judge.take_denylist(data) is LockRefusal.UNKNOWN_ISSUER
    good = signed(9, b"guest--1")
    for at in range(len(good) * 8):
        bad = bytearray(good)
        bad[at // 8] ^= 1 << at % 8
        assert isinstance(judge.take_denylist(bytes(bad)), LockRefusal)
    assert judge.denylist_seq == 0


def test_a_key_is_no_denylist() -> None:
    assert Bench().judge.take_denylist(sign(KEY, ISSUER)) is LockRefusal.BAD_SIGNATURE


def test_a_denylist_raises_the_generation_of_its_doors_only() -> None:
    bench = Bench()
    bench.judge.take_denylist(signed(1, gens=((203, 99), (204, 6))))
    assert bench.no() is LockRefusal.SUPERSEDED
    assert bench.no(gen=6) is None


def test_an_issuer_that_is_gone_takes_its_remembered_keys_along() -> None:
    trusted = dict(DOOR.issuers)
    judge = Judge(replace(DOOR, issuers=trusted), Flash())
    data = sign(KEY, ISSUER)
    assert isinstance(judge.read(data), Claims)
    trusted.clear()
    assert judge.read(data) is Flaw.UNKNOWN_ISSUER


def test_weekly_hours_are_the_propertys_and_not_utc() -> None:
    bench = Bench()
    noon_to_one: dict[str, Any] = {"schedule": (0b000_0001, 720, 780)}
    assert bench.no(**noon_to_one) is LockRefusal.SCHEDULE  # a lock that knows no local time
    assert bench.no(**noon_to_one, how={"local": UTC}) is None
    east = LocalTime(((0, 120),))
    assert bench.no(**noon_to_one, how={"local": east}) is LockRefusal.SCHEDULE
