"""One room's thermostat, leak sensor and valve, and the climate gateway to them, on virtual time."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from appliance.bus.credentials import BusRole
from appliance.bus.device_sheet import SheetDevice
from appliance.bus.in_process import InProcessBus, InProcessHub
from appliance.bus.words import DeviceKind
from appliance.engines.climate.gateway import Gateway
from appliance.engines.climate.messages import SetRoomClimate
from appliance.engines.climate.room import ENGINE
from appliance.engines.climate.telemetry import Telemetry
from appliance.kernel.deciding import Asking
from appliance.kernel.messages import Command, Done, Who
from appliance.kernel.tasks import Nursery
from support import news
from support.desk import CLERK, Desk
from support.doors_house import LoopAsker, LoopReader
from support.lock_bench import SECRET
from support.small_house import small_house
from twin.device import Device
from twin.journal import Journal
from twin.leak import LeakCore
from twin.property import Property, hub_wire
from twin.valve import ValveCore


@dataclass
class Warmth:
    """One room's thermostat and sensor, and the box's gateway to them."""

    desk: Desk
    twin: Property
    journal: Journal
    gateway: Gateway
    asker: LoopAsker
    bus: InProcessBus
    telemetry: Telemetry
    hub: InProcessHub
    number: int = 0

    async def ask(self, command: Command, who: Who = CLERK) -> None:
        self.number += 1
        asking = Asking(command=command, command_id=f"a{self.number}", who=who)
        assert isinstance(await self.asker.ask(asking), Done)

    async def water(self, *, wet: bool) -> None:
        """Water comes to the sensor, or goes; what follows is for the clock to bring."""
        device = self.twin.devices["bath-204"]
        assert isinstance(device.core, LeakCore)
        device.happened(device.core.water(self.desk.clock.read(), wet=wet))

    @property
    def tap(self) -> Device:
        return self.twin.devices["tap-204"]

    @property
    def tap_core(self) -> ValveCore:
        core = self.tap.core
        assert isinstance(core, ValveCore)
        return core

    @property
    def alarms(self) -> list[tuple[str, str]]:
        rows = self.desk.rows("SELECT device_id, alarm FROM climate_alarm ORDER BY 1, 2")
        return [(row[0], row[1]) for row in rows]

    async def wish(self, c10: int, *, eco: bool = False) -> None:
        self.number += 1
        command = SetRoomClimate(room_id="room-204", set_point_c10=c10, eco=eco)
        asking = Asking(command=command, command_id=f"w{self.number}", who=CLERK)
        assert isinstance(await self.asker.ask(asking), Done)

    @property
    def thermostat(self) -> Device:
        return self.twin.devices["room-204"]

    @property
    def ends(self) -> list[tuple[int, str | None, str | None]]:
        rows = self.desk.rows(
            "SELECT set_point_c10, outcome, evidence FROM climate_wish ORDER BY rowid"
        )
        return [(row[0], row[1], row[2]) for row in rows]

    @property
    def set_points(self) -> list[int]:
        return [entry["c10"] for entry in self.journal.read("set_point")]


@asynccontextmanager
async def open_warmth(folder: Path) -> AsyncGenerator[Warmth, None]:
    desk = Desk(folder, [news.NEWS, ENGINE])
    clock = desk.clock
    nursery = Nursery(lambda name, error: None)
    hub, journal = InProcessHub(clock=clock, nursery=nursery), Journal()
    house = small_house()
    tap = SheetDevice(
        device="tap-204", kind=DeviceKind.VALVE, secret_hex=SECRET.hex(), token="none", room="204"
    )
    twin = Property(
        replace(house, devices=(*house.devices, tap)),
        wire=hub_wire(hub),
        clock=clock,
        nursery=nursery,
        journal=journal,
    )
    asker = LoopAsker(desk)
    bus = hub.join("appliance", role=BusRole.CORE, connected=False)
    telemetry = Telemetry(folder / "telemetry.db", clock)
    gateway = Gateway(
        bus=bus,
        asker=asker,  # type: ignore[arg-type]
        reader=LoopReader(desk),  # type: ignore[arg-type]
        clock=clock,
        nursery=nursery,
        telemetry=telemetry,
    )
    try:
        await gateway.start()
        await bus.connect()
        for event in (
            news.room_added(204),
            news.device_added("room-204", DeviceKind.THERMOSTAT, 204),
            news.device_added("bath-204", DeviceKind.LEAK, 204),
            news.device_added("tap-204", DeviceKind.VALVE, 204),
        ):
            asking = Asking(command=news.Happen(event=event), command_id=repr(event), who=CLERK)
            assert isinstance(await asker.ask(asking), Done)
        await twin.start()
        await clock.settle()
        yield Warmth(desk, twin, journal, gateway, asker, bus, telemetry, hub)
    finally:
        await gateway.close()
        await nursery.close()
        await telemetry.close()
        desk.close()
