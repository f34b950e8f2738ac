"""Who holds the phone and the key opens this door, now; nobody learns or repeats anything."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.bus.words import LockRefusal
from appliance.kernel.cbor import write
from appliance.kernel.cose import point_of, sign1
from drivers.npk.channel import digest
from drivers.npk.codes import Command, Message, Op, Status
from drivers.npk.phone import PHONE_LABEL, NotThisLockError
from support.npk_bench import (
    OTHER_PHONE,
    PHONE,
    DeclinedError,
    HungUpError,
    NpkBench,
    new_key,
)


def test_the_guest_opens_the_door_once() -> None:
    bench = NpkBench()
    verdict = bench.press()
    assert verdict.done
    assert not verdict.repeated
    assert bench.opened == 1


@pytest.mark.parametrize("value_bytes", [20, 182, 244, 512])
def test_every_link_carries_it(value_bytes: int) -> None:
    bench = NpkBench()
    assert bench.press(value_bytes=value_bytes).done
    assert bench.opened == 1


def test_a_handshake_fits_620_bytes() -> None:
    bench = NpkBench()
    phone = bench.phone(bench.key(doors=((204, 1), (0x8001, 1), (7, 1))))
    phone.greet()
    phone.command()
    assert sum(phone.sizes) <= 620, phone.sizes


def test_a_copied_key_without_its_phone_opens_nothing() -> None:
    bench = NpkBench()
    assert bench.press(key=OTHER_PHONE).refusal is LockRefusal.BAD_SIGNATURE
    assert bench.opened == 0


def test_a_key_that_is_bound_to_no_phone_opens_nothing_over_the_air() -> None:
    bench = NpkBench()
    assert bench.press(bench.key(phone=None)).refusal is LockRefusal.BAD_SIGNATURE
    assert bench.opened == 0


def test_a_strangers_key_opens_nothing() -> None:
    bench = NpkBench()
    assert bench.press(bench.key(issuer=new_key())).refusal is LockRefusal.UNKNOWN_ISSUER


def test_a_false_lock_learns_nothing_of_the_phone() -> None:
    bench = NpkBench()
    phone = bench.phone(lock_point=point_of(new_key().public_key()))
    with pytest.raises(NotThisLockError):
        phone.greet()


def test_the_right_lock_of_another_door_is_not_told_either() -> None:
    bench = NpkBench()
    with pytest.raises(NotThisLockError, match="another door"):
        bench.phone(lock_id=205).greet()


@pytest.mark.parametrize(
    "asked", [[1, b"press--1", 205], [1, b"short", 204], [1, 204], [b"press--1", 1, 204]]
)
def test_a_proof_for_another_door_or_of_another_shape_opens_nothing(asked: list[Any]) -> None:
    bench = NpkBench()
    phone = bench.phone()
    phone.greet()
    session, credential = phone.session, bench.key()
    assert session._channel is not None
    aad = PHONE_LABEL + digest(session._hashed, credential)
    proof = sign1(write(asked), PHONE, aad=aad)
    sealed = session._channel.seal(Message.M3, write([credential, proof]))
    verdict = session.on_m4(phone.ask(Message.M3, sealed, Message.M4))
    assert verdict.refusal is LockRefusal.BAD_SIGNATURE
    assert bench.opened == 0


def test_a_command_that_a_lock_does_not_know_is_not_supported() -> None:
    bench = NpkBench()
    phone = bench.phone()
    phone.greet()
    assert phone.command(2).refusal is LockRefusal.NOT_SUPPORTED  # type: ignore[arg-type]
    assert bench.opened == 0


def test_what_was_recorded_opens_nothing_a_second_time() -> None:
    bench = NpkBench()
    phone = bench.phone()
    phone.greet()
    recorded = phone.session.m3(Command.UNLOCK, b"press--1")
    assert phone.send(Message.M3, recorded)
    again = bench.phone()
    again.send(Message.M1, phone.session.m1())
    assert again.send(Message.M3, recorded) == []
    assert again.hung_up
    assert bench.opened == 1


def test_a_lost_answer_is_told_again_and_the_motor_stands_still() -> None:
    bench = NpkBench()
    first = bench.press(command_id=b"press--1")
    bench.wait(10)
    again = bench.press(command_id=b"press--1")
    assert (again.status, again.event, again.repeated) == (first.status, first.event, True)
    assert bench.opened == 1


def test_two_phones_may_call_their_press_the_same() -> None:
    bench = NpkBench()
    bench.press(command_id=b"press--1")
    bench.wait(10)
    other = bench.key(phone=OTHER_PHONE, cti=b"guest--2")
    assert not bench.press(other, command_id=b"press--1", key=OTHER_PHONE).repeated
    assert bench.opened == 2


def test_the_lock_hangs_up_on_a_guest_and_serves_an_admin() -> None:
    bench = NpkBench()
    guest = bench.phone()
    guest.greet()
    guest.command()
    assert guest.hung_up
    with pytest.raises(HungUpError):
        guest.request(Op.STATE)
    admin = bench.admin()
    status, state = admin.request(Op.STATE)
    assert status == Status.DONE
    assert isinstance(state, list)
    assert state[:3] == [1, 100, 0]


def test_a_version_that_the_lock_does_not_speak_is_declined_in_clear() -> None:
    bench = NpkBench()
    phone = bench.phone()
    m1 = bytearray(phone.session.m1())
    m1[2] = 2  # the suite
    with pytest.raises(DeclinedError) as declined:
        phone.ask(Message.M1, bytes(m1), Message.M2)
    assert declined.value.args == (Status.NOT_SUPPORTED, 0)
