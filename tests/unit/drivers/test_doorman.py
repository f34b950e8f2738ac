"""The old guest is out at every vendor: who cannot verify a key has it verified before it is sent."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.bus.words import (
    DeviceKind,
    EventKind,
    LockRefusal,
    LockState,
    Order,
    Outcome,
    Verb,
    decode,
)
from appliance.kernel import cose
from appliance.kernel.cose import UNLOCK_BIT, Claims, point_of
from appliance.kernel.tasks import Nursery
from appliance.kernel.virtual_clock import VirtualClock
from drivers.doorman import NONCE_BYTES, Doorman
from drivers.judge import DeviceTime, DoorFacts, Judge
from drivers.keep import Keep
from drivers.main import hire
from drivers.memory import Memory
from drivers.port import NeedsPersonError
from drivers.radios import Setting, Thing
from support.driver_bench import LOCK, START_MS, UNKNOWN, DriverBench, Hand, driver_bench
from support.lisbon_hours import LISBON, MOMENTS, NINE_TO_TEN
from twin.flash import Flash
from twin.pin_slots import seal_pin

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

ISSUER = ec.generate_private_key(ec.SECP256R1())
STRANGER = ec.generate_private_key(ec.SECP256R1())
POINT = point_of(ec.generate_private_key(ec.SECP256R1()).public_key())
SECRET = bytes(range(32))
NOW_S = START_MS // 1000
DOOR = DoorFacts(
    door_number=101,
    property_id="riverside",
    issuers=cose.issuers([point_of(ISSUER.public_key())]),
    zones=frozenset({0x8001}),
)


def _key(*, gen: int = 1, cti: bytes = b"guest--1", issuer: Any = ISSUER, **other: Any) -> bytes:
    claims: dict[str, Any] = {
        "nbf_s": NOW_S - 600,
        "exp_s": NOW_S + 8,
        "cti": cti,
        "doors": ((101, UNLOCK_BIT),),
        "gen": gen,
        "aud": "riverside",
    }
    return cose.sign(Claims(**(claims | other)), issuer)


def _hire(keep: Keep, name: str) -> Doorman:
    return Doorman(name, Judge(DOOR, Memory(keep, name)), secret=SECRET, presser=POINT)


async def _press(bench: DriverBench, key: bytes | None) -> LockRefusal | None:
    told = await bench.ask(bench.order(credential=key))
    assert told.answer is not None
    assert (told.outcome is Outcome.REFUSED) == (told.answer.refusal is not None)
    return told.answer.refusal


async def test_a_press_with_a_key_that_holds_is_sent() -> None:
    hand = Hand(decides=False)
    async with driver_bench(hand, hire=_hire) as bench:
        assert await _press(bench, _key()) is None
        assert await _press(bench, _key(cnf=POINT)) is None
        assert len(hand.orders) == 2


@pytest.mark.parametrize(
    ("key", "refusal"),
    [
        (None, LockRefusal.BAD_FRAME),
        (b"no key", LockRefusal.BAD_FRAME),
        (_key(issuer=STRANGER), LockRefusal.UNKNOWN_ISSUER),
        (_key(doors=((102, UNLOCK_BIT),)), LockRefusal.WRONG_DOOR),
        (_key(aud="elsewhere"), LockRefusal.WRONG_DOOR),
        (_key(exp_s=NOW_S - 1), LockRefusal.EXPIRED),
        (_key(nbf_s=NOW_S + 5), LockRefusal.NOT_YET),
        (_key(cnf=point_of(STRANGER.public_key())), LockRefusal.BAD_SIGNATURE),
    ],
)
async def test_a_press_with_any_other_key_never_goes_on_the_air(
    key: bytes | None, refusal: LockRefusal
) -> None:
    hand = Hand(decides=False)
    async with driver_bench(hand, hire=_hire) as bench:
        assert await _press(bench, key) is refusal
        assert hand.orders == []
        [(_, event)] = bench.events
        assert (event.kind, event.refusal) == (EventKind.REFUSED, refusal)


async def test_the_next_guest_ends_the_previous_one_also_after_a_death() -> None:
    hand = Hand(decides=False)
    async with driver_bench(hand, hire=_hire) as bench:
        assert await _press(bench, _key(gen=1)) is None
        assert await _press(bench, _key(gen=2, cti=b"guest--2")) is None
        assert await _press(bench, _key(gen=1)) is LockRefusal.SUPERSEDED
        await bench.die()
        await bench.start()
        assert await _press(bench, _key(gen=1)) is LockRefusal.SUPERSEDED
        assert len(hand.orders) == 2


async def test_also_where_nobody_knows_whether_it_opened() -> None:
    hand = Hand(decides=False, does=UNKNOWN)
    async with driver_bench(hand, hire=_hire) as bench:
        await bench.ask(bench.order(credential=_key(gen=2)))
        assert await _press(bench, _key(gen=1)) is LockRefusal.SUPERSEDED


async def test_a_press_that_is_refused_ends_nobody() -> None:
    hand = Hand(decides=False)
    async with driver_bench(hand, hire=_hire) as bench:
        await _press(bench, _key(gen=9, exp_s=NOW_S - 1))
        assert await _press(bench, _key(gen=1)) is None


async def test_a_denied_key_opens_nothing_and_the_denial_outlives_the_driver() -> None:
    hand = Hand(decides=False)
    async with driver_bench(hand, hire=_hire) as bench:
        told = await bench.ask(bench.order(Verb.DENY, denied=(b"guest--1",), generation=3))
        assert told.outcome is Outcome.DONE
        assert hand.orders == []  # nothing for the radio in it
        await bench.die()
        await bench.start()
        assert await _press(bench, _key(gen=5)) is LockRefusal.DENIED
        assert await _press(bench, _key(gen=2, cti=b"guest--2")) is LockRefusal.SUPERSEDED
        assert await _press(bench, _key(gen=3, cti=b"guest--3")) is None


async def test_a_denial_of_what_is_no_key_is_refused() -> None:
    async with driver_bench(Hand(decides=False), hire=_hire) as bench:
        told = await bench.ask(bench.order(Verb.DENY, denied=(b"short",)))
        assert told.outcome is Outcome.REFUSED


async def test_a_lock_that_decides_is_handed_everything_unopened() -> None:
    hand = Hand()
    async with driver_bench(hand, hire=_hire) as bench:
        sealed = seal_pin("482913", device=LOCK, secret=SECRET, nonce=bytes(12))
        await bench.ask(bench.order(credential=b"whatever"))
        await bench.ask(bench.order(Verb.PUT_PIN, slot=3, pin_sealed=sealed))
        assert [order.verb for order in hand.orders] == [Verb.UNLOCK, Verb.PUT_PIN]
        assert hand.pins == [None, None]


async def test_a_keypad_is_handed_the_digits_and_nobody_else_sees_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hand = Hand(decides=False, does=RuntimeError("482913"))
    async with driver_bench(hand, hire=_hire) as bench:
        sealed = seal_pin("482913", device=LOCK, secret=SECRET, nonce=bytes(12))
        await bench.ask(bench.order(Verb.PUT_PIN, slot=3, pin_sealed=sealed))
        [pin] = hand.pins
        assert pin is not None
        assert pin.digits == "482913"
        assert "482913" not in repr(pin)
        assert "482913" not in caplog.text
        assert "482913" not in repr(bench.said)
        assert "482913" not in "".join(bench.db.iterdump())


@pytest.mark.parametrize(
    "sealed",
    [
        None,
        b"",
        bytes(40),
        seal_pin("482913", device="another", secret=SECRET, nonce=bytes(NONCE_BYTES)),
        seal_pin("482913", device=LOCK, secret=bytes(32), nonce=bytes(NONCE_BYTES)),
        seal_pin("12", device=LOCK, secret=SECRET, nonce=bytes(NONCE_BYTES)),
        seal_pin("12345678901", device=LOCK, secret=SECRET, nonce=bytes(NONCE_BYTES)),
        seal_pin("48a913", device=LOCK, secret=SECRET, nonce=bytes(NONCE_BYTES)),
    ],
)
async def test_a_box_that_is_not_ours_puts_no_digits_into_a_lock(sealed: bytes | None) -> None:
    hand = Hand(decides=False)
    async with driver_bench(hand, hire=_hire) as bench:
        told = await bench.ask(bench.order(Verb.PUT_PIN, slot=3, pin_sealed=sealed))
        assert told.answer is not None
        assert (told.answer.refusal, hand.orders) == (LockRefusal.BAD_FRAME, [])


async def test_its_state_says_the_generation_that_the_driver_counts() -> None:
    stands = LockState(bolt="locked", battery_pct=80, seq=0, generation=0, wall_ms=1)
    async with driver_bench(Hand(decides=False, stands=stands), hire=_hire) as bench:
        await _press(bench, _key(gen=7))
        await bench.ask(bench.order(Verb.READ))
        state = decode(bench.said[f"np/{LOCK}/up/state"], LockState)
        assert state is not None
        assert state.generation == 7


def test_what_is_admitted_in_a_commit_that_fails_is_not_forgotten() -> None:
    keep = Keep(sqlite3.connect(":memory:", isolation_level=None))
    judge = Judge(DOOR, Memory(keep, LOCK))
    assert judge.deny((), 4)
    with pytest.raises(RuntimeError), keep.together():
        raise RuntimeError
    with keep.together():
        pass
    assert Judge(DOOR, Memory(keep, LOCK)).superseded(3)


def _ruled(now_ms: int, hours: tuple[int, int, int], zone: dt.tzinfo | None) -> LockRefusal | None:
    now_s = now_ms // 1000
    doorman = Doorman(LOCK, Judge(DOOR, Flash()), secret=SECRET, presser=POINT, zone=zone)
    order = Order(
        id="press",
        verb=Verb.UNLOCK,
        expires_at_ms=now_ms + 8_000,
        reply_topic="np/core/answers",
        credential=_key(nbf_s=now_s - 600, exp_s=now_s + 8, schedule=hours),
    )
    ruling = doorman.rule(order, DeviceTime(ms=now_ms, uncertainty_ms=100, known=True))
    return None if ruling.told is None else ruling.told.refusal


@pytest.mark.parametrize(("hours", "now_ms", "holds"), MOMENTS)
def test_weekly_hours_hold_by_the_propertys_clocks_in_summer_and_winter(
    hours: tuple[int, int, int], now_ms: int, *, holds: bool
) -> None:
    assert _ruled(now_ms, hours, LISBON) is (None if holds else LockRefusal.SCHEDULE)


def test_who_was_told_no_time_zone_lets_no_key_with_hours_through() -> None:
    _, now_ms, _ = MOMENTS[0]
    assert _ruled(now_ms, NINE_TO_TEN, None) is LockRefusal.SCHEDULE


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        ({"time_zone": "Europe/Lisbon"}, None),
        ({}, LockRefusal.SCHEDULE),  # a sheet from before sheets had it
    ],
)
async def test_a_driver_takes_the_hours_zone_from_its_sheet(
    options: dict[str, str], refusal: LockRefusal | None, tmp_path: Path
) -> None:
    hand = Hand(decides=False)
    async with driver_bench(
        hand, hire=lambda keep, name: hire(_setting(tmp_path, options), keep, name, POINT)
    ) as bench:
        # 2027-01-15 08:00 UTC is a Friday.
        assert await _press(bench, _key(schedule=(0b001_0000, 8 * 60, 9 * 60))) is refusal


def test_a_zone_that_is_none_is_told_with_its_cure(tmp_path: Path) -> None:
    keep = Keep(sqlite3.connect(":memory:", isolation_level=None))
    setting = _setting(tmp_path, {"time_zone": "Mars/Base"})
    with pytest.raises(NeedsPersonError, match="Europe/Lisbon"):
        hire(setting, keep, LOCK, POINT)


def _setting(folder: Path, options: dict[str, str]) -> Setting:
    clock = VirtualClock(START_MS)
    return Setting(
        id="zb0",
        kind="zigbee",
        bridge="driver-zb0",
        things=(Thing(name=LOCK, kind=DeviceKind.LOCK, secret=SECRET, door_number=101),),
        clock=clock,
        nursery=Nursery(lambda _name, _error: None),
        folder=folder,
        property_id="riverside",
        issuer_points=(point_of(ISSUER.public_key()),),
        presser=ec.generate_private_key(ec.SECP256R1()),
        options=options,
    )
