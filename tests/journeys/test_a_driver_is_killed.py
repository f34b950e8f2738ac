"""Kill -9 between attempt and outcome: real broker, real process, a bolt that is counted."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from appliance.bus import driver_sheet
from appliance.bus.broker.settings import BrokerSettings
from appliance.bus.client import MqttBus
from appliance.bus.credentials import BusRole
from appliance.bus.device_sheet import BusAddress
from appliance.bus.driver_sheet import DriverSheet, RadioThing
from appliance.bus.requests import Orders
from appliance.bus.words import (
    DeviceAnswer,
    DeviceKind,
    Order,
    Outcome,
    Presence,
    RadioState,
    Verb,
    answer_topic,
    command_topic,
    decode,
    encode,
    online_topic,
    radio_topic,
)
from appliance.kernel.clock import SystemClock
from appliance.kernel.cose import point_of
from support.brokers import House, new_pki, running
from support.bus_house import Callers, Inbox, nursery, up
from support.own_property import bare_settings

ROOT = Path(__file__).parents[2]
RADIO = "bench0"
BRIDGE = driver_sheet.bridge_of(RADIO)
LOCK = "lock-101"
CLOCK = SystemClock(floor_path=None)


@dataclass
class Bench:
    """A box's end of the bus, and a driver to be killed."""

    folder: Path
    core: MqttBus
    orders: Orders
    port: int
    token: str
    tls_port: int
    answers: Inbox = field(default_factory=Inbox)
    lock_online: Inbox = field(default_factory=Inbox)
    bridge_online: Inbox = field(default_factory=Inbox)
    radio: Inbox = field(default_factory=Inbox)
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    @property
    def bolt(self) -> Path:
        return self.folder / "bolt"

    @property
    def bell(self) -> Path:
        return self.folder / "bell"

    @property
    def leave(self) -> Path:
        return self.folder / "leave"

    def write_sheet(self, *, moves: bool, returns: bool, bus: BusAddress | None = None) -> Path:
        path = self.folder / "property" / driver_sheet.sheet_name(RADIO)
        thing = RadioThing(device=LOCK, kind=DeviceKind.LOCK, secret_hex="00" * 32, door_number=101)
        sheet = DriverSheet(
            radio=RADIO,
            kind="bench",
            property_id="riverside",
            issuer_keys=(),
            token=self.token if bus is None else "",
            things=(thing,),
            options={
                "bolt": str(self.bolt),
                "bell": str(self.bell),
                "leave": str(self.leave),
                "moves": moves,
                "returns": returns,
            },
            bus=bus or BusAddress(port=self.port),
        )
        driver_sheet.save(path, sheet)
        return path

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "support.bench_radio",
            RADIO,
            *(words or ("--data", str(self.folder / "property"))),
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
            stdin=asyncio.subprocess.DEVNULL,
        )
        self.processes.append(process)
        return process

    async def rung(self) -> str:
        """Until the bolt has (or has not) moved and the driver waits in the middle."""
        return await asyncio.wait_for(asyncio.to_thread(self.bell.read_text), 30)

    async def let_look(self) -> None:
        """The driver may look for the end now."""
        await asyncio.wait_for(asyncio.to_thread(self.leave.write_text, "look"), 30)

    async def heard(self, inbox: Inbox, wanted: bool) -> None:  # noqa: FBT001 - a word to wait for
        while True:
            presence = decode((await inbox.next()).payload, Presence)
            if presence is not None and presence.online is wanted:
                return

    async def answer(self) -> DeviceAnswer:
        answer = decode((await self.answers.next()).payload, DeviceAnswer)
        assert answer is not None
        return answer

    def moved(self) -> list[str]:
        return self.bolt.read_text().split() if self.bolt.exists() else []

    def press(self) -> Order:
        return Order(
            id="press-1",
            verb=Verb.UNLOCK,
            expires_at_ms=CLOCK.read().wall_ms + 60_000,
            reply_topic=answer_topic(LOCK),
        )


@asynccontextmanager
async def _bench(tmp_path: Path) -> AsyncGenerator[Bench, None]:
    house = House()
    house.admit("core", BusRole.CORE)
    house.admit(BRIDGE, BusRole.BRIDGE, devices=(LOCK,))
    pki = new_pki(tmp_path)
    pki.device(BRIDGE)
    settings = BrokerSettings(tls=pki.listener())
    async with (
        running("embedded", settings, house.identities, tmp_path) as broker,
        nursery() as tasks,
    ):
        core = Callers(broker, house, tasks).bus("core")
        orders = Orders(bus=core, clock=CLOCK)
        await orders.start()
        bench = Bench(tmp_path, core, orders, broker.port, house.tokens[BRIDGE], broker.tls_port)
        await core.subscribe(answer_topic(LOCK), bench.answers)
        await core.subscribe(online_topic(LOCK), bench.lock_online)
        await core.subscribe(online_topic(BRIDGE), bench.bridge_online)
        await core.subscribe(radio_topic(BRIDGE), bench.radio)
        await up(core)
        more = f"[bus]\nport = {broker.port}\n"
        own = bare_settings(tmp_path / "property", more).data_dir / "nightporter.toml"
        own.write_text(own.read_text().partition("[bus]")[0] + more + '[clock]\ntrust = "system"\n')
        os.mkfifo(bench.bell)
        os.mkfifo(bench.leave)
        try:
            yield bench
        finally:
            for process in bench.processes:
                if process.returncode is None:
                    process.kill()
                await process.wait()
            await orders.close()
            await core.close()


async def test_a_bolt_that_moved_is_found_and_not_moved_again(tmp_path: Path) -> None:
    async with _bench(tmp_path) as bench:
        bench.write_sheet(moves=True, returns=False)
        first = await bench.start()
        await bench.heard(bench.lock_online, True)
        press = bench.press()
        await bench.core.publish(command_topic(LOCK), encode(press))
        assert await bench.rung() == press.id
        first.kill()
        await bench.heard(bench.bridge_online, False)
        assert await first.wait() == -9
        await bench.start()
        told = await bench.answer()
        assert (told.id, told.outcome, told.evidence) == (press.id, Outcome.UNKNOWN, ("restart",))
        await bench.let_look()
        settled = await bench.answer()
        assert (settled.outcome, settled.evidence) == (Outcome.DONE, ("state_read",))
        await bench.core.publish(command_topic(LOCK), encode(press))
        again = await bench.answer()
        assert (again.outcome, again.repeated) == (Outcome.DONE, True)
        assert bench.moved() == [press.id]


async def test_an_end_that_nobody_can_find_is_shown_and_moves_nothing(tmp_path: Path) -> None:
    async with _bench(tmp_path) as bench:
        bench.write_sheet(moves=False, returns=False)
        first = await bench.start()
        await bench.heard(bench.lock_online, True)
        press = bench.press()
        await bench.core.publish(command_topic(LOCK), encode(press))
        await bench.rung()
        first.kill()
        await first.wait()
        await bench.start()
        assert (await bench.answer()).outcome is Outcome.UNKNOWN
        await bench.let_look()
        await bench.core.publish(command_topic(LOCK), encode(press))
        assert (await bench.answer()).outcome is Outcome.UNKNOWN
        while True:
            state = decode((await bench.radio.next()).payload, RadioState)
            if state is not None and state.unknown_orders == 1:
                break
        assert state.names == (LOCK,)
        assert bench.moved() == []


async def test_a_driver_that_is_asked_to_end_says_good_bye(tmp_path: Path) -> None:
    async with _bench(tmp_path) as bench:
        bench.write_sheet(moves=True, returns=True)
        process = await bench.start()
        await bench.heard(bench.lock_online, True)
        rung = asyncio.ensure_future(bench.rung())
        told = await bench.orders.order(LOCK, bench.press())
        await rung
        assert told.outcome is Outcome.DONE
        process.terminate()
        assert await process.wait() == 0
        await bench.heard(bench.lock_online, False)
        await bench.heard(bench.bridge_online, False)
        names = sorted(path.name for path in (tmp_path / "property").glob("driver-*"))
        assert names == [
            BRIDGE,
            f"{BRIDGE}.db",
            f"{BRIDGE}.json",
            f"{BRIDGE}.key",
            f"{BRIDGE}.lock",
        ]
        for name in names[1:]:
            assert (tmp_path / "property" / name).stat().st_mode & 0o077 == 0, name


async def test_a_second_process_for_one_radio_does_not_start(tmp_path: Path) -> None:
    async with _bench(tmp_path) as bench:
        bench.write_sheet(moves=True, returns=True)
        await bench.start()
        await bench.heard(bench.lock_online, True)
        second = await bench.start()
        assert await second.wait() == 1


async def test_a_satellite_comes_over_tls_with_a_certificate_of_its_own(tmp_path: Path) -> None:
    async with _bench(tmp_path) as bench:
        address = BusAddress(
            host="localhost",
            port=bench.tls_port,
            tls=True,
            ca=str(tmp_path / "ca.crt"),
            certificates=str(tmp_path),
        )
        path = bench.write_sheet(moves=True, returns=True, bus=address)
        await bench.start("--sheet", str(path))
        await bench.heard(bench.lock_online, True)
        state = decode((await bench.radio.next()).payload, RadioState)
        assert state is not None
        key = driver_sheet.presser_key(path.parent / driver_sheet.key_name(RADIO))
        assert state.point == point_of(key.public_key()).hex()


@pytest.mark.parametrize("broken", ["sheet", "kind"])
async def test_what_a_person_must_change_is_said_and_ends_with_78(
    tmp_path: Path, broken: str
) -> None:
    async with _bench(tmp_path) as bench:
        path = bench.write_sheet(moves=True, returns=True)
        text = path.read_text()
        path.write_text("{" if broken == "sheet" else text.replace('"bench"', '"pigeon"'))
        process = await bench.start()
        assert await process.wait() == 78
