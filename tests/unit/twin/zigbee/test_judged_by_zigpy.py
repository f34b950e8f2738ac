"""The stick and its devices, judged by a stack that we have not written: zigpy over zigpy-znp."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from zigpy.zcl import AttributeReportedEvent

from support.zigpy_host import Host, soon, zigpy_host
from twin.zigbee.devices import KINDS, Leak, Lock, Plug, Trv, Weather
from twin.zigbee.faults import Act, Confirm, Way, zcl_command
from twin.zigbee.site import Site, site

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

FIRST = 0x00158D0000000001
DOOR_LOCK, THERMOSTAT, ZONE = 0x0101, 0x0201, 0x0500
UNLOCK = zcl_command(DOOR_LOCK, 0x01)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncGenerator[Site, None]:
    async with site(tmp_path) as found:
        yield found


@pytest.fixture
async def host(here: Site, tmp_path: Path) -> AsyncGenerator[Host, None]:
    async with zigpy_host(here, tmp_path) as found:
        yield found


def reports_of(cluster: Any) -> asyncio.Queue[Any]:
    found: asyncio.Queue[Any] = asyncio.Queue()
    cluster.on_event(AttributeReportedEvent.event_type, found.put_nowait)
    return found


async def test_a_network_is_formed_away_from_the_wifi(host: Host) -> None:
    assert host.app.state.network_info.channel in (15, 20, 25, 26)


async def test_nobody_joins_unless_permitted(host: Host, here: Site) -> None:
    assert not await here.join(Lock("lock-1", FIRST))


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_of_device_is_interviewed(kind: str, host: Host) -> None:
    node = KINDS[kind](f"{kind}-1", FIRST)
    device = await host.join(node)
    assert device.manufacturer == "Nightporter Twin"
    assert device.model == node.model.decode()
    assert set(device.endpoints) - {0} == set(node.endpoints)
    for number, endpoint in node.endpoints.items():
        assert set(device.endpoints[number].in_clusters) == set(endpoint.servers)


async def test_a_press_moves_the_bolt_once_and_is_reported(host: Host, here: Site) -> None:
    lock = Lock("lock-1", FIRST)
    await host.join(lock)
    cluster = host.cluster(lock, DOOR_LOCK)
    await cluster.bind()
    await cluster.configure_reporting("lock_state", 0, 3600, 1)
    reports = reports_of(cluster)
    answer = await cluster.unlock_door(pin_code="", retries=0, ask_for_ack=True)
    assert answer.status == 0
    assert (await soon(reports.get())).value == 2
    assert here.journal.count("bolt", device="lock-1", to="unlocked", via="radio") == 1


async def test_a_stack_that_sends_again_is_caught_by_the_count(host: Host, here: Site) -> None:
    """The harness notices a double fire: the stick reports a failure of a frame that arrived."""
    lock = Lock("lock-1", FIRST)
    await host.join(lock)
    here.fault(Way.DOWN, Act.ACK_LOST, UNLOCK, status=Confirm.MAC_EXPIRED)
    await host.cluster(lock, DOOR_LOCK).unlock_door(pin_code="", retries=0, ask_for_ack=True)
    assert lock.lock.moves == 2


async def test_a_leak_sensor_enrols_and_alarms(host: Host, here: Site) -> None:
    leak = Leak("leak-1", FIRST)
    await host.join(leak)
    zone = host.cluster(leak, ZONE)
    heard: asyncio.Queue[tuple[int, Any]] = asyncio.Queue()

    class Listener:
        def cluster_command(self, tsn: int, command: int, args: Any) -> None:
            heard.put_nowait((command, args))

        def attribute_updated(self, *args: Any) -> None:
            pass

    zone.add_listener(Listener())
    await zone.write_attributes({"cie_addr": host.app.state.node_info.ieee})
    command, asked = await soon(heard.get())
    assert (command, asked.zone_type) == (1, 0x002A)
    leak.zone.sense(on=True)  # before it is enrolled nobody hears of it
    assert heard.empty()
    await zone.enroll_response(enroll_response_code=0, zone_id=3, expect_reply=False)
    while (await zone.read_attributes(["zone_state"]))[0]["zone_state"] != 1:
        pass
    leak.zone.sense(on=True)
    command, alarm = await soon(heard.get())
    assert (command, alarm.zone_status & 1, alarm.zone_id) == (0, 1, 3)


async def test_a_thermostat_refuses_what_is_out_of_its_range(host: Host) -> None:
    trv = Trv("trv-1", FIRST)
    await host.join(trv)
    cluster = host.cluster(trv, THERMOSTAT)
    taken = await cluster.write_attributes({"occupied_heating_setpoint": 2200})
    refused = await cluster.write_attributes({"occupied_heating_setpoint": 9900})
    assert taken[0][0].status == 0
    assert refused[0][0].status == 0x87
    assert trv.thermostat.number(0x0012) == 2200


async def test_a_pin_is_set_read_back_and_cleared(host: Host) -> None:
    lock = Lock("lock-1", FIRST)
    await host.join(lock)
    cluster = host.cluster(lock, DOOR_LOCK)
    done = await cluster.set_pin_code(user_id=3, user_status=1, user_type=0, pin_code="471100")
    assert done.status == 0
    assert lock.lock.keypad("471100")
    shown = await cluster.get_pin_code(user_id=3)
    assert (shown.user_id, shown.user_status, shown.code) == (3, 1, "471100")
    again = await cluster.set_pin_code(user_id=4, user_status=1, user_type=0, pin_code="471100")
    assert again.status == 3
    await cluster.clear_pin_code(user_id=3)
    assert not lock.lock.keypad("471100")


async def test_twenty_devices_that_join_at_once_are_all_interviewed(host: Host, here: Site) -> None:
    await host.app.permit(60)
    nodes = [Trv(f"trv-{n}", FIRST + n) for n in range(20)]
    assert all(await asyncio.gather(*(here.join(node) for node in nodes)))
    found = [await soon(host.initialized.get()) for _ in nodes]
    assert len({device.ieee for device in found}) == 20


async def test_a_stick_that_is_pulled_is_noticed_and_comes_back(here: Site, tmp_path: Path) -> None:
    lock = Lock("lock-1", FIRST)
    async with zigpy_host(here, tmp_path) as before:
        await before.join(lock)
        await here.unplug()
        await soon(before.lost.wait())
    await here.plug()
    async with zigpy_host(here, tmp_path) as after:
        answer = await after.cluster(lock, DOOR_LOCK).lock_door(pin_code="")
        assert answer.status == 0


async def test_a_restored_backup_with_newer_counters_reaches_the_devices(
    here: Site, tmp_path: Path
) -> None:
    lock = Lock("lock-1", FIRST)
    async with zigpy_host(here, tmp_path) as before:
        await before.join(lock)
        await before.app.backups.create_backup(load_devices=True)
    await here.plug(here.other_stick())
    async with zigpy_host(here, tmp_path) as after:  # zigpy adds 10,000 to the counter
        assert (await after.cluster(lock, DOOR_LOCK).lock_door(pin_code="")).status == 0


async def test_a_restored_backup_with_old_counters_makes_devices_deaf(
    here: Site, tmp_path: Path
) -> None:
    lock = Lock("lock-1", FIRST)
    async with zigpy_host(here, tmp_path) as before:
        await before.join(lock)
        backup = await before.app.backups.create_backup(load_devices=True)
        for _ in range(20):
            await before.cluster(lock, DOOR_LOCK).read_attributes(["lock_state"])
    await here.plug(here.other_stick())
    async with zigpy_host(here, tmp_path) as after:
        await after.app.backups.restore_backup(backup, counter_increment=0)
        await after.app.initialize()
        with pytest.raises(Exception, match=r"0xe9|MAC_NO_ACK|Failed to"):
            await after.cluster(lock, DOOR_LOCK).lock_door(pin_code="", retries=0)
        assert lock.lock.moves == 0
        assert here.air.replays_dropped > 0


async def test_the_network_moves_to_another_channel_with_its_devices(host: Host) -> None:
    plug = Plug("plug-1", FIRST)
    await host.join(plug)
    await host.app.move_network_to_channel(20, num_broadcasts=1)
    found, _ = await host.cluster(plug, 0x0006).read_attributes(["on_off"])
    assert found["on_off"] == 0


async def test_a_sensor_reports_what_changes_enough(host: Host) -> None:
    sensor = Weather("sensor-1", FIRST)
    await host.join(sensor)
    cluster = host.cluster(sensor, 0x0402)
    await cluster.bind()
    await cluster.configure_reporting("measured_value", 0, 3600, 50)
    reports = reports_of(cluster)
    sensor.measure(c100=2170, humidity_pct100=4000)
    sensor.measure(c100=2250, humidity_pct100=4000)
    assert (await soon(reports.get())).value == 2250


async def test_a_device_that_leaves_is_gone(host: Host, here: Site) -> None:
    leak = Leak("leak-1", FIRST)
    await host.join(leak)
    here.leave(leak)
    assert (await soon(host.left.get())).ieee.serialize() == leak.ieee


async def test_a_child_of_a_router_joins_where_the_router_lets_it(host: Host, here: Site) -> None:
    plug, leak = Plug("plug-1", FIRST), Leak("leak-1", FIRST + 1)
    router = await host.join(plug)
    await host.app.permit(0)
    assert not await here.join(leak, plug)
    await host.app.permit(60, node=router.ieee)
    assert not await here.join(leak)
    assert await here.join(leak, plug)
    assert (await soon(host.initialized.get())).model == "TWIN-LEAK-1"
