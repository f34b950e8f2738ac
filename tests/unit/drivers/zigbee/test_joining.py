"""Taking things in: by room, at once, half way, and out again; and what an installer is told."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from appliance.bus.words import DeviceKind, EventKind, Outcome, Verb
from drivers.port import Alarm
from drivers.radios import Thing
from drivers.zigbee.lock import ZigbeeLock
from twin.zigbee.devices import Leak, Lock, Trv
from twin.zigbee_house import LOCK_IEEE, Rig, rig, rig_with_lock

if TYPE_CHECKING:
    from pathlib import Path

IEEE = 0x00158D0000000010


async def test_nothing_joins_before_it_is_let_in(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        assert not await it.site.join(Lock("lock-1", LOCK_IEEE))
        assert not it.radio.devices


async def test_a_thing_is_named_after_its_room_and_told_what_to_report(tmp_path: Path) -> None:
    async with rig_with_lock(tmp_path) as (it, node, lock):
        assert lock.name == "lock-101"
        assert {0x0001, 0x0101, 0x0020} <= {bound.cluster for bound in node.bindings}
        assert node.lock.reporting[0x0000].max_s == 3600
        assert it.house.online[lock.name] is True
        second = await it.join(Lock("lock-2", LOCK_IEEE + 1))
        assert second.name == "lock-101-2"


async def test_the_sheets_name_is_taken_where_it_has_one(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        await it.stop()
        it.things = (
            Thing(name="spa-door", kind=DeviceKind.LOCK, address="00:15:8d:00:00:00:00:01"),
            Thing(name="cellar-door", kind=DeviceKind.LOCK, room="cellar"),
        )
        it.fresh_radio()
        await it.start()
        assert (await it.join(Lock("lock-1", LOCK_IEEE))).name == "spa-door"
        assert (await it.join(Lock("lock-2", LOCK_IEEE + 1), room="cellar")).name == "cellar-door"


async def test_twenty_things_at_once_are_all_taken_in(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        await it.radio.joining.permit("101", 120)
        nodes = [Trv(f"trv-{number}", IEEE + number) for number in range(20)]
        assert all(await asyncio.gather(*(it.site.join(node) for node in nodes)))
        await it.until(lambda: sum(e.configured for e in it.radio.book.entries) == 20)
        assert len(it.radio.devices) == 20
        taken = await it.radio.back_up(it.radio.app)
        assert taken.missing == ()


async def test_a_thing_that_falls_silent_in_the_interview_is_kept_and_shown(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        node = Lock("lock-1", LOCK_IEEE)
        node.answers_interview = False
        await it.radio.joining.permit("101", 60)
        assert await it.site.join(node)
        name = "zb-00158d0000000001"
        await it.house.until(lambda h: (Alarm.DEVICE_HALF_JOINED, name) in h.alarms)
        assert it.radio.joining.half == {"00:15:8d:00:00:00:00:01": "interview"}
        # Its button is pressed again, and the rest follows by itself.
        node.answers_interview = True
        it.site.air.announce(node)
        await it.house.until(lambda h: (Alarm.DEVICE_HALF_JOINED, name) not in h.alarms)
        await it.until(lambda: it.radio.devices.get("lock-101"))
        assert not it.radio.joining.half


async def test_a_thing_that_comes_back_is_the_same_thing(tmp_path: Path) -> None:
    async with rig_with_lock(tmp_path) as (it, node, lock):
        it.site.air.announce(node)
        assert (await it.ask(lock.name, Verb.UNLOCK)).outcome is Outcome.DONE
        assert list(it.radio.devices) == [lock.name]
        # It is listened to once, however often it comes.
        await it.house.until(lambda h: h.happenings)
        node.lock.thumb(1)
        await it.house.until(lambda h: h.happenings[-1][1].kind is EventKind.LOCKED)
        assert [what.kind for _, what in it.house.happenings] == [
            EventKind.UNLOCKED,
            EventKind.LOCKED,
        ]


async def test_a_thing_that_was_struck_out_is_gone_with_its_pins(tmp_path: Path) -> None:
    async with rig_with_lock(tmp_path) as (it, _node, lock):
        await it.ask(lock.name, Verb.PUT_PIN, pin="482915", slot=17, valid_until_s=2_000_000_000)
        await it.radio.forget(lock.name)
        assert not it.radio.devices
        assert not it.radio.book.entries
        assert not it.radio.slots.of(lock.entry.ieee)


async def test_a_window_may_be_opened_by_one_router_only(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        near = Trv("trv-1", IEEE)
        trv = await it.join(near)
        await it.radio.joining.permit("101", 0)
        await it.radio.joining.permit("102", 60, through=trv.entry.ieee)
        lock = Lock("lock-1", LOCK_IEEE)
        assert await it.site.join(lock, parent=near)
        await it.until(lambda: isinstance(it.radio.devices.get("lock-102"), ZigbeeLock))
        with pytest.raises(ValueError, match="no router"):
            await it.radio.joining.permit("102", 60, through="00:00:00:00:00:00:00:99")


async def ask(it: Rig, **asked: Any) -> list[dict[str, Any]]:
    """One question at the installer's socket; the lines of the answer."""
    reader, writer = await asyncio.open_unix_connection(tmp_socket(it))
    writer.write(json.dumps(asked).encode() + b"\n")
    await writer.drain()
    lines = [json.loads(line) async for line in reader]
    writer.close()
    await writer.wait_closed()
    return lines


def tmp_socket(it: Rig) -> Path:
    return it.folder / "driver" / "zigbee.sock"


async def test_an_installer_sees_the_channels_and_the_things(tmp_path: Path) -> None:
    async with rig_with_lock(tmp_path) as (it, _node, lock):
        assert tmp_socket(it).stat().st_mode & 0o777 == 0o600
        (scan,) = await ask(it, ask="scan")
        assert len(scan["done"]["energy"]) == 16
        assert scan["done"]["quietest"] in {11, 15, 20, 25}
        (things,) = await ask(it, ask="things")
        assert [thing["name"] for thing in things["done"]] == [lock.name]
        (backup,) = await ask(it, ask="backup")
        assert backup["done"]["missing"] == []


async def test_an_installer_hears_how_far_a_newcomer_is(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        asked = asyncio.ensure_future(ask(it, ask="permit", room="103", seconds=3))
        await it.until(lambda: it.radio.joining._window)
        await it.until(it.site.stick.joinable)
        assert await it.site.join(Leak("leak-1", IEEE))
        lines = await asked
        assert "press the thing's button" in lines[0]["say"]
        assert lines[-1]["done"] == ["leak-103 (00:15:8d:00:00:00:00:10): ready"]


async def test_the_network_moves_to_another_channel_and_the_lock_with_it(tmp_path: Path) -> None:
    async with rig_with_lock(tmp_path) as (it, _node, lock):
        now = int(it.radio.app.state.network_info.channel)
        there = 15 if now != 15 else 20
        lines = await ask(it, ask="move-channel", channel=there)
        assert "button" in lines[0]["say"]
        assert lines[-1] == {"done": f"the network is on channel {there}"}
        assert it.radio.backups.newest().network_info.channel == there
        assert (await it.ask(lock.name, Verb.UNLOCK)).outcome is Outcome.DONE


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"ask": "open-all"},
        {"ask": "move-channel", "channel": 14},
        {"ask": "forget", "name": "x"},
    ],
)
async def test_what_is_no_question_is_answered_with_a_sentence(
    tmp_path: Path, asked: dict[str, Any]
) -> None:
    async with rig(tmp_path) as it:
        assert "no" in (await ask(it, **asked))[-1]
