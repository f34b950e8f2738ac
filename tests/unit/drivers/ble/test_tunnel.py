"""A phone's session carried by the box: the phone and the lock understand each other, the box nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.bus.words import Outcome, TunnelFrame
from drivers.ble.lock import NpkLock
from drivers.npk.codes import Command, Message
from drivers.npk.frames import Framer, Reassembler
from drivers.npk.phone import PhoneSession, Verdict
from support.ble_bench import on_the_air
from support.ble_doors import CURVE, FIRST_DOOR, Corridor, corridor, name_of


class Phone:
    """A guest's page at the other end of the tunnel, with frames of its own size."""

    def __init__(self, doors: Corridor, *, session: str = "s1", frame_bytes: int = 180) -> None:
        self.doors, self.id, self.frame_bytes = doors, session, frame_bytes
        self.key = ec.generate_private_key(CURVE)
        self.framer, self.reassembler = Framer(), Reassembler()
        self.sent = self.read = 0
        self.npk = PhoneSession(
            key=self.key,
            credential=doors.keys.credential(now_s=doors.now_s, holder=self.key),
            lock_id=FIRST_DOOR,
            lock_point=doors.locks[0].lock.point,
        )

    @property
    def lock(self) -> NpkLock:
        return self.doors.radio.things.locks[name_of(0)]

    def heard(self) -> list[TunnelFrame]:
        return [frame for _, frame in self.doors.house.frames if frame.session == self.id]

    @property
    def end(self) -> str | None:
        return next((frame.why for frame in self.heard() if frame.end), None)

    async def send(self, frame: bytes = b"", **more: Any) -> None:
        made = TunnelFrame(session=self.id, number=self.sent, frame=frame, **more)
        self.sent += 1
        await self.lock.tunnel(made)

    async def ask(self, kind: Message, message: bytes) -> bytes:
        for frame in self.framer.split(kind, message, self.frame_bytes):
            await self.send(frame)
        for _ in range(400):
            while self.read < len(self.heard()):
                told = self.heard()[self.read]
                self.read += 1
                assert not told.end, told
                assert told.number == self.read - 1
                whole = self.reassembler.feed(told.frame)
                if whole is not None:
                    return whole[1]
            await self.doors.settle(0.02)
        raise AssertionError("no answer through the tunnel")

    async def unlock(self, command_id: bytes = b"12345678") -> Verdict:
        self.npk.on_m2(await self.ask(Message.M1, self.npk.m1()))
        sealed = self.npk.m3(Command.UNLOCK, command_id)
        return self.npk.on_m4(await self.ask(Message.M3, sealed))


@pytest.mark.parametrize("mtu", [23, 185, 517])
@on_the_air
async def test_a_phone_opens_the_door_through_the_box_whatever_the_links_mtu(
    mtu: int, tmp_path: Path
) -> None:
    async with corridor(tmp_path, mtu=mtu) as doors:
        phone = Phone(doors)
        verdict = await phone.unlock()
        assert verdict.done
        assert doors.moves() == 1
        await doors.settle(3)
        assert phone.end == "hung_up", "the lock hangs up, and the phone is told"


@on_the_air
async def test_a_repeated_frame_is_dropped_and_a_missing_one_hangs_up(tmp_path: Path) -> None:
    async with corridor(tmp_path) as doors:
        phone = Phone(doors)
        (frame,) = phone.framer.split(Message.M1, phone.npk.m1(), 500)
        await phone.send(frame)
        phone.sent = 0
        await phone.send(frame)
        await doors.settle(2)
        assert phone.end is None
        phone.sent = 7
        await phone.send(frame)
        await doors.settle(2)
        assert phone.end == "gap"
        assert doors.moves() == 0


@on_the_air
async def test_a_second_phone_hears_that_the_lock_is_busy(tmp_path: Path) -> None:
    async with corridor(tmp_path) as doors:
        first, second = Phone(doors), Phone(doors, session="s2")
        await first.ask(Message.M1, first.npk.m1())
        await second.send(b"\xc0\x01\x00\x00")
        await doors.settle(0.1)
        assert second.end == "busy"
        assert first.end is None


@on_the_air
async def test_a_phone_that_says_nothing_more_is_hung_up_on(tmp_path: Path) -> None:
    async with corridor(tmp_path) as doors:
        phone = Phone(doors)
        await phone.ask(Message.M1, phone.npk.m1())
        await doors.settle(15)
        assert phone.end in {"hung_up", "idle"}
        assert (await doors.press()).outcome is Outcome.DONE, "the box is not locked out"


@on_the_air
async def test_a_phone_that_hangs_up_frees_the_lock_at_once(tmp_path: Path) -> None:
    async with corridor(tmp_path) as doors:
        phone = Phone(doors)
        await phone.ask(Message.M1, phone.npk.m1())
        await phone.send(end=True)
        assert (await doors.press(seconds=4)).outcome is Outcome.DONE
        assert phone.end is None, "who hangs up is not told so"


@on_the_air
async def test_garbage_reaches_no_lock(tmp_path: Path) -> None:
    async with corridor(tmp_path) as doors:
        phone = Phone(doors)
        await phone.send(b"\x85garbage")
        await doors.settle(3)
        assert phone.end == "bad_frame"
        assert doors.locks[0].lock.core.log.seq == 1


@on_the_air
async def test_a_lock_out_of_reach_is_said_so(tmp_path: Path) -> None:
    async with corridor(tmp_path) as doors:
        doors.air.walk_away(doors.locks[0].address)
        await doors.settle(12)
        phone = Phone(doors)
        await phone.send(phone.framer.split(Message.M1, phone.npk.m1(), 500)[0])
        await doors.settle(12)
        assert phone.end == "not_heard"


@on_the_air
async def test_an_order_of_the_box_goes_before_a_phone_that_has_not_begun(tmp_path: Path) -> None:
    async with corridor(tmp_path) as doors:
        doors.air.walk_away(doors.locks[0].address)
        await doors.settle(12)
        phone = Phone(doors)
        await phone.send(phone.framer.split(Message.M1, phone.npk.m1(), 500)[0])
        await doors.settle(1)
        doors.air.come_back(doors.locks[0].address)
        assert (await doors.press(seconds=12)).outcome is Outcome.DONE


@on_the_air
async def test_an_end_for_a_session_that_never_was_is_no_session(tmp_path: Path) -> None:
    async with corridor(tmp_path) as doors:
        phone = Phone(doors)
        await phone.send(end=True)
        assert phone.heard() == []
        phone.sent = 3
        await phone.send(b"\xc0\x01\x00\x00")
        assert phone.end == "gap", "a session begins with its first frame"
