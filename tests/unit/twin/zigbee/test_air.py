"""The rules of the air, on virtual time: counters, sleep, copies, range, and scripted trouble."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from appliance.kernel.tasks import Nursery
from appliance.kernel.virtual_clock import VirtualClock
from support.bare_stick import Wire
from twin.journal import Journal
from twin.zigbee.air import HELD_FRAMES_MAX, PERSISTENCE_S, Air
from twin.zigbee.clusters.door_lock import LOCKED, UNLOCKED, A
from twin.zigbee.devices import Leak, Lock, Plug, Trv
from twin.zigbee.faults import Act, Confirm, Fault, Way, zcl_command
from twin.zigbee.timers import Timers
from twin.zigbee.zcl import Header
from twin.zigbee.znp import FIRST_IEEE, Znp

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable

    from twin.zigbee.node import Node

DOOR_LOCK, BASIC = 0x0101, 0x0000
FIRST = 0x00158D0000000001
LATENCY_S = 0.004


@dataclass
class House:
    """A stick with a network, a host's end of its line, and time that moves when told."""

    air: Air
    wire: Wire
    clock: VirtualClock

    async def run(self, work: Awaitable[Any]) -> Any:
        return await self.clock.run_until(work, 3_600)

    async def join(self, node: Node, parent: Node | None = None) -> Node:
        self.wire.stick.permit_until_s = float("inf")
        assert await self.run(self.air.join(node, parent))
        return node

    async def send(self, node: Node, cluster: int, zcl: bytes, **how: Any) -> list[int]:
        """Send, let a minute pass; the statuses that the stick confirmed."""
        mark = len(self.wire.confirms)
        assert self.wire.send(node.address, cluster, zcl, **how) == 0
        await self.clock.advance(60)
        return [status for status, _ in self.wire.confirms[mark:]]

    async def lock(self) -> Lock:
        lock = Lock("lock-1", FIRST)
        await self.join(lock)
        return lock

    def fault(self, way: Way, act: Act, **more: Any) -> None:
        self.air.faults.append(Fault(way=way, act=act, **more))


@pytest.fixture
async def house() -> AsyncGenerator[House, None]:
    clock = VirtualClock(1_780_000_000_000)
    nursery = Nursery(lambda name, error: None)
    timers = Timers(clock, nursery)
    air = Air(timers, Journal(clock=clock), latency_s=LATENCY_S)
    stick = Znp(air)
    stick.power_on()
    stick.start()
    wire = Wire(stick)
    wire.register()
    yield House(air, wire, clock)
    await nursery.close()
    assert not timers.broke


def unlock(tsn: int = 7) -> bytes:
    return Header(tsn=tsn, command=0x01, specific=True).write() + b"\x00"


def read(*attrs: int, tsn: int = 9) -> bytes:
    return Header(tsn=tsn, command=0x00).write() + b"".join(a.to_bytes(2, "little") for a in attrs)


async def test_a_press_is_confirmed_answered_and_counted(house: House) -> None:
    lock = await house.lock()
    assert await house.send(lock, DOOR_LOCK, unlock(tsn=7)) == [Confirm.SUCCESS]
    (answer,) = house.wire.heard
    assert Header.read(answer)[0].tsn == 7
    assert answer[-1] == 0
    assert house.air.journal.count("bolt", device="lock-1", to="unlocked", tsn=7) == 1


async def test_a_counter_that_went_back_is_not_heard(house: House) -> None:
    lock = await house.lock()
    await house.send(lock, DOOR_LOCK, unlock())
    house.wire.stick.counter -= 100
    assert await house.send(lock, DOOR_LOCK, unlock()) == [Confirm.MAC_NO_ACK]
    assert lock.lock.moves == 1
    house.wire.stick.counter += 10_000
    assert await house.send(lock, DOOR_LOCK, unlock()) == [Confirm.SUCCESS]


async def test_a_stick_that_lost_its_power_goes_on_above_its_last_counter(house: House) -> None:
    lock = await house.lock()
    for _ in range(37):
        await house.send(lock, BASIC, read(4))
    house.wire.stick.power_off()
    house.wire.stick.power_on()
    house.wire.stick.start()
    house.wire.register()
    assert await house.send(lock, DOOR_LOCK, unlock()) == [Confirm.SUCCESS]


async def test_a_sleeping_lock_gets_its_frame_when_it_polls(house: House) -> None:
    lock = await house.lock()
    house.air.sleep(lock)
    assert house.wire.send(lock.address, DOOR_LOCK, unlock()) == 0
    await house.clock.advance(PERSISTENCE_S - 1)
    assert (lock.lock.moves, house.wire.confirms) == (0, [])
    house.air.wake(lock)
    await house.clock.advance(1)
    assert lock.lock.moves == 1
    assert house.wire.confirms == [(Confirm.SUCCESS, 1)]


async def test_a_frame_nobody_fetched_expires_and_never_arrives(house: House) -> None:
    lock = await house.lock()
    house.air.sleep(lock)
    assert await house.send(lock, DOOR_LOCK, unlock()) == [Confirm.MAC_EXPIRED]
    house.air.wake(lock)
    await house.clock.advance(60)
    assert lock.lock.moves == 0


async def test_a_lock_that_polls_seldom_is_late_or_not_reached(house: House) -> None:
    lock = await house.lock()
    house.air.seat(lock).poll_s = 5.0
    assert await house.send(lock, DOOR_LOCK, unlock()) == [Confirm.SUCCESS]
    house.air.seat(lock).poll_s = 7_000.0
    assert await house.send(lock, DOOR_LOCK, unlock()) == [Confirm.MAC_EXPIRED]


async def test_a_parent_holds_only_so_many_frames(house: House) -> None:
    lock = await house.lock()
    house.air.sleep(lock)
    for number in range(HELD_FRAMES_MAX + 2):
        house.wire.send(lock.address, BASIC, read(4), number=number)
    await house.clock.advance(0.1)
    assert [status for status, _ in house.wire.confirms] == [Confirm.BUFFER_FULL] * 2


async def test_delivered_but_reported_failed_is_delivered(house: House) -> None:
    lock = await house.lock()
    house.fault(Way.DOWN, Act.ACK_LOST, status=Confirm.NWK_NO_ROUTE)
    assert await house.send(lock, DOOR_LOCK, unlock()) == [Confirm.NWK_NO_ROUTE]
    assert lock.lock.moves == 1


async def test_dropped_is_confirmed_as_the_acknowledgement_that_was_asked(house: House) -> None:
    lock = await house.lock()
    house.fault(Way.DOWN, Act.DROP, times=2)
    assert await house.send(lock, DOOR_LOCK, unlock()) == [Confirm.APS_NO_ACK]
    # Without one, SUCCESS only says that the next hop took it.
    assert await house.send(lock, DOOR_LOCK, unlock(), ack=False) == [Confirm.SUCCESS]
    assert lock.lock.moves == 0


async def test_a_refused_frame_never_went_on_the_air(house: House) -> None:
    lock = await house.lock()
    house.fault(Way.DOWN, Act.REFUSE, status=Confirm.BUFFER_FULL)
    assert await house.send(lock, DOOR_LOCK, unlock()) == [Confirm.BUFFER_FULL]
    assert lock.lock.moves == 0


async def test_a_stick_may_never_say_what_became_of_a_frame(house: House) -> None:
    lock = await house.lock()
    house.fault(Way.DOWN, Act.NO_CONFIRM)
    assert await house.send(lock, DOOR_LOCK, unlock()) == []
    assert lock.lock.moves == 1


async def test_a_copy_of_the_network_is_dropped_by_the_lock(house: House) -> None:
    lock = await house.lock()
    house.fault(Way.DOWN, Act.DUPLICATE)
    await house.send(lock, DOOR_LOCK, unlock())
    assert lock.lock.moves == 1


async def test_the_same_command_in_a_new_frame_is_no_copy(house: House) -> None:
    """A lock knows copies of the network, not repeats of a host: that is the double fire."""
    lock = await house.lock()
    await house.send(lock, DOOR_LOCK, unlock(tsn=7))
    await house.send(lock, DOOR_LOCK, unlock(tsn=7))
    assert lock.lock.moves == 2


async def test_an_answer_may_come_twice_late_or_not(house: House) -> None:
    lock = await house.lock()
    house.fault(Way.UP, Act.DUPLICATE)
    await house.send(lock, BASIC, read(4))
    assert len(house.wire.heard) == 2
    house.fault(Way.UP, Act.DROP)
    await house.send(lock, BASIC, read(4))
    assert len(house.wire.heard) == 2
    house.fault(Way.UP, Act.DELAY, seconds=50.0)
    house.wire.send(lock.address, BASIC, read(4))
    await house.clock.advance(49)
    assert len(house.wire.heard) == 2
    await house.clock.advance(2)
    assert len(house.wire.heard) == 3


async def test_a_fault_meets_only_what_it_was_made_for(house: House) -> None:
    lock = await house.lock()
    house.fault(Way.UP, Act.DROP, meets=zcl_command(DOOR_LOCK, 0x01), times=None)
    await house.send(lock, BASIC, read(4))
    await house.send(lock, DOOR_LOCK, unlock())
    assert [Header.read(frame)[0].command for frame in house.wire.heard] == [0x01]
    assert not Header.read(house.wire.heard[0])[0].specific


async def test_out_of_range_is_no_ack_and_nobody_is_no_route(house: House) -> None:
    plug = await house.join(Plug("plug-1", FIRST))
    house.air.seat(plug).away = True
    assert await house.send(plug, BASIC, read(4)) == [Confirm.MAC_NO_ACK]
    nwk = plug.address
    house.air.leave(plug)
    assert house.wire.send(nwk, BASIC, read(4)) == 0
    await house.clock.advance(60)
    assert house.wire.confirms[-1][0] == Confirm.NWK_NO_ROUTE


async def test_a_router_without_power_cuts_off_its_children(house: House) -> None:
    trv, leak = Trv("trv-1", FIRST), Leak("leak-1", FIRST + 1)
    await house.join(trv)
    house.air.permit(trv, 60)
    await house.join(leak, trv)
    assert await house.send(leak, BASIC, read(4)) == [Confirm.SUCCESS]
    house.air.seat(trv).away = True
    assert await house.send(leak, BASIC, read(4)) == [Confirm.NWK_NO_ROUTE]
    before = leak.address
    house.air.move(leak, None)  # it finds the stick itself, and says where it is now
    assert leak.address != before
    assert await house.send(leak, BASIC, read(4)) == [Confirm.SUCCESS]


async def test_a_stick_with_another_key_is_not_heard(house: House) -> None:
    lock = await house.lock()
    foreign = Znp(house.air, ieee=FIRST_IEEE + 9)
    house.wire.stick.power_off()
    foreign.power_on()
    foreign.start()
    wire = Wire(foreign)
    wire.register()
    wire.send(lock.address, DOOR_LOCK, unlock())
    await house.clock.advance(60)
    assert lock.lock.moves == 0


async def test_an_event_may_carry_the_number_of_the_request(house: House) -> None:
    """Both ends count alone, so an event can look like the answer: the worst case on purpose."""
    lock = await house.lock()
    lock.bindings.append(_binding())
    lock.lock.events_use_request_number = True
    await house.send(lock, DOOR_LOCK, unlock(tsn=42))
    first, second = (Header.read(frame)[0] for frame in house.wire.heard)
    assert (first.command, first.tsn) == (0x20, 42)
    assert (second.command, second.tsn) == (0x01, 42)


async def test_a_lock_that_lies_answers_before_its_motor(house: House) -> None:
    lock = await house.lock()
    lock.lock.lies, lock.lock.motor_s = True, 3.0
    house.wire.send(lock.address, DOOR_LOCK, unlock())
    await house.clock.advance(1)
    assert (house.wire.heard[0][-1], lock.lock.moves) == (0, 0)
    await house.clock.advance(3)
    assert lock.lock.moves == 1
    lock.lock.jammed = True
    house.wire.send(lock.address, DOOR_LOCK, unlock())
    await house.clock.advance(5)
    assert (house.wire.heard[1][-1], lock.lock.moves) == (0, 1)
    assert lock.lock.bolt == "jammed"


async def test_a_door_locks_again_by_itself(house: House) -> None:
    lock = await house.lock()
    lock.lock.set(A.RELOCK_S, 5)
    house.wire.send(lock.address, DOOR_LOCK, unlock())
    await house.clock.advance(4)
    assert lock.lock.number(A.STATE) == UNLOCKED
    await house.clock.advance(2)
    assert lock.lock.number(A.STATE) == LOCKED
    assert house.air.journal.count("bolt", via="timer") == 1


async def test_wrong_codes_silence_the_keypad_for_a_minute(house: House) -> None:
    lock = await house.lock()
    house.wire.send(lock.address, DOOR_LOCK, _set_pin(3, b"4711"))
    await house.clock.advance(1)
    for _ in range(5):
        assert not lock.lock.keypad("0000")
    assert not lock.lock.keypad("4711")
    await house.clock.advance(61)
    assert lock.lock.keypad("4711")


async def test_a_lock_that_only_says_yes_keeps_no_pin(house: House) -> None:
    lock = await house.lock()
    lock.lock.pins.applies = False
    house.wire.send(lock.address, DOOR_LOCK, _set_pin(3, b"4711"))
    await house.clock.advance(1)
    assert house.wire.heard[0][-1] == 0
    assert not lock.lock.keypad("4711")


@pytest.mark.parametrize(
    ("slot", "digits", "status"),
    [(3, b"4711", 0), (4, b"4711", 0), (3, b"12", 1), (3, b"123456789", 1), (99, b"4711", 1)],
)
async def test_a_pin_is_judged_by_length_and_slot(
    house: House, slot: int, digits: bytes, status: int
) -> None:
    lock = await house.lock()
    await house.send(lock, DOOR_LOCK, _set_pin(slot, digits))
    assert house.wire.heard[0][-1] == status


async def test_a_full_lock_and_a_taken_code_are_said_apart(house: House) -> None:
    lock = await house.lock()
    lock.lock.pins.memory = 1
    for slot, digits in ((1, b"1111"), (2, b"1111"), (2, b"2222"), (1, b"3333")):
        await house.send(lock, DOOR_LOCK, _set_pin(slot, digits))
    assert [frame[-1] for frame in house.wire.heard] == [0, 3, 2, 0]


async def test_what_hides_its_pins_shows_only_that_one_is_there(house: House) -> None:
    lock = await house.lock()
    lock.lock.set(A.SEND_PIN, 0)
    await house.send(lock, DOOR_LOCK, _set_pin(3, b"4711"))
    asked = Header(tsn=1, command=0x06, specific=True).write() + b"\x03\x00"
    await house.send(lock, DOOR_LOCK, asked)
    assert house.wire.heard[-1][3:] == b"\x03\x00\x01\x00\x00"


async def test_a_leak_sensor_that_never_enrols_stays_silent(house: House) -> None:
    leak = Leak("leak-1", FIRST)
    await house.join(leak)
    leak.zone.never_enrols = True
    written = Header(tsn=1, command=0x02).write() + b"\x10\x00\xf0" + house.wire.stick.ieee
    await house.send(leak, 0x0500, written)
    leak.zone.sense(on=True)
    await house.clock.advance(1)
    assert [frame[2] for frame in house.wire.heard] == [0x04]  # the write's own answer
    assert leak.zone.number(0x0000) == 0


async def test_a_report_is_neither_early_nor_late(house: House) -> None:
    trv = Trv("trv-1", FIRST)
    await house.join(trv)
    trv.bindings.append(_binding(0x0201))
    wanted = b"\x00\x00\x00\x29" + (10).to_bytes(2, "little") + (60).to_bytes(2, "little")
    configure = Header(tsn=1, command=0x06).write() + wanted + (25).to_bytes(2, "little")
    house.wire.send(trv.address, 0x0201, configure)
    await house.clock.advance(1)
    trv.thermostat.set(0x0000, 2160)  # too small a change
    await house.clock.advance(20)
    assert len(_reports(house)) == 0
    trv.thermostat.set(0x0000, 2200)
    trv.thermostat.set(0x0000, 2250)  # within ten seconds of the last one
    await house.clock.advance(1)
    assert len(_reports(house)) == 1
    await house.clock.advance(10)
    assert len(_reports(house)) == 2
    await house.clock.advance(120)
    assert len(_reports(house)) == 4


async def test_a_frame_that_is_garbage_is_refused_by_the_device(house: House) -> None:
    lock = await house.lock()
    for garbage in (b"", b"\x01", unlock()[:3] + b"\xff\xff\xff", b"\x00\x01\x06\x00\x00"):
        await house.send(lock, DOOR_LOCK, garbage or b"\x00")
    cut = Header(tsn=5, command=0x05, specific=True).write() + b"\x01"
    await house.send(lock, DOOR_LOCK, cut)
    assert Header.read(house.wire.heard[-1])[1] == b"\x05\x80"


async def test_twenty_buttons_at_once_are_twenty_devices(house: House) -> None:
    house.wire.stick.permit_until_s = float("inf")
    nodes = [Trv(f"trv-{n}", FIRST + n) for n in range(20)]
    joining = asyncio.gather(*(house.air.join(node) for node in nodes))
    assert all(await house.run(joining))
    assert len({node.address for node in nodes}) == 20
    assert len(house.wire.told(5, 0xCA)) == 20


def _binding(cluster: int = DOOR_LOCK) -> Any:
    from twin.zigbee.node import Binding  # noqa: PLC0415 - only here

    return Binding(endpoint=1, cluster=cluster, to_ieee=b"12345678", to_endpoint=1)


def _set_pin(slot: int, digits: bytes) -> bytes:
    head = Header(tsn=3, command=0x05, specific=True).write()
    return head + slot.to_bytes(2, "little") + bytes((1, 0, len(digits))) + digits


def _reports(house: House) -> list[bytes]:
    return [frame for frame in house.wire.heard if frame[2] == 0x0A]
