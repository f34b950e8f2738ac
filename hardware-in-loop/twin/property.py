"""A whole simulated property, built from the sheet that the box wrote."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from appliance.bus.client import BusSettings, MqttBus, TlsFiles
from appliance.bus.credentials import BusRole
from appliance.bus.words import DeviceKind
from appliance.kernel.cose import issuers
from twin.device import Device
from twin.faults import FaultPlan
from twin.flash import Flash
from twin.identity import LockIdentity
from twin.leak import LeakCore
from twin.lock import LockCore
from twin.thermostat import RoomStart, ThermostatCore
from twin.valve import ValveCore
from twin.weather import Curve, Weather

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.bus.device_sheet import BusAddress, DeviceSheet, SheetDevice
    from appliance.bus.in_process import InProcessHub
    from appliance.bus.port import Bus, Will
    from appliance.kernel.clock import Clock
    from appliance.kernel.tasks import Nursery
    from twin.core import Core
    from twin.device import Prepare, Wire
    from twin.journal import Journal

SIMULATED: Final = frozenset(
    {DeviceKind.LOCK, DeviceKind.THERMOSTAT, DeviceKind.LEAK, DeviceKind.VALVE}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where the devices keep their flash (None: in memory), their weather, and the seed of chance.

    `measure_s` is how often thermostats measure: a replay of months takes an hour instead.
    """

    folder: Path | None = None
    weather: Weather = field(default_factory=Curve)
    seed: int = 0
    measure_s: int = 60


class Property:
    """Every device of one sheet, by name. Kinds the twin cannot simulate are in `left_out`."""

    def __init__(
        self,
        sheet: DeviceSheet,
        *,
        wire: Wire,
        clock: Clock,
        nursery: Nursery,
        journal: Journal,
        around: Surroundings | None = None,
    ) -> None:
        """Build the devices; nothing is on the bus before `start`."""
        self._sheet = sheet
        self._clock = clock
        self._journal = journal
        around = around or Surroundings()
        self._folder = around.folder
        self._weather = around.weather
        self._measure_ms = around.measure_s * 1000
        self._issuers = issuers(sheet.issuer_points)
        self._time_zone = None if sheet.time_zone is None else ZoneInfo(sheet.time_zone)
        self.left_out = tuple(d.device for d in sheet.devices if d.kind not in SIMULATED)
        self.devices: Mapping[str, Device] = {
            d.device: Device(
                self._core(d),
                wire=wire,
                clock=clock,
                nursery=nursery,
                journal=journal,
                faults=FaultPlan(seed=around.seed + number),
            )
            for number, d in enumerate(sheet.devices)
            if d.kind in SIMULATED
        }

    async def start(self) -> None:
        """Plug everything in; returns when each has asked for its connection."""
        await asyncio.gather(*(device.start() for device in self.devices.values()))

    async def close(self) -> None:
        """Say good-bye for everything."""
        await asyncio.gather(*(device.close() for device in self.devices.values()))

    def lock(self, device: str) -> LockCore:
        """One lock; raises KeyError for a name that is none."""
        core = self.devices[device].core
        if not isinstance(core, LockCore):
            raise KeyError(device)
        return core

    def _core(self, sheet: SheetDevice) -> Core:
        path = None if self._folder is None else self._folder / f"{sheet.device}.flash"
        flash, now = Flash(path), self._clock.read()
        if sheet.kind is DeviceKind.LEAK:
            return LeakCore(sheet.device, flash=flash, journal=self._journal, now=now)
        if sheet.kind is DeviceKind.VALVE:
            return ValveCore(sheet.device, flash=flash, journal=self._journal, now=now)
        if sheet.kind is DeviceKind.THERMOSTAT:
            start = RoomStart(
                weather=self._weather,
                set_point_c10=sheet.set_point_c10,
                measured_c10=sheet.measured_c10,
                tick_ms=self._measure_ms,
            )
            return ThermostatCore(
                sheet.device, flash=flash, journal=self._journal, now=now, start=start
            )
        assert sheet.door_number is not None, "a sheet is checked when it is loaded"
        identity = LockIdentity(
            device=sheet.device,
            door_number=sheet.door_number,
            property_id=self._sheet.property_id,
            issuers=self._issuers,
            secret=sheet.secret,
            zones=frozenset(sheet.zones),
            time_zone=self._time_zone,
        )
        return LockCore(
            identity,
            flash=flash,
            journal=self._journal,
            now=now,
            battery_pct=sheet.battery_pct,
        )


def mqtt_wire(sheet: DeviceSheet, *, clock: Clock, nursery: Nursery) -> Wire:
    """Connections to the bus named in the sheet, each under the device's own token."""
    tokens = {d.device: d.token for d in sheet.devices}

    async def wire(device: str, will: Will, prepare: Prepare) -> Bus:
        settings = BusSettings(
            identity=device,
            token=tokens[device],
            host=sheet.bus.host,
            port=sheet.bus.port,
            tls=_tls(sheet.bus, device),
            will=will,
        )
        bus = MqttBus(settings, clock=clock, nursery=nursery)
        await prepare(bus)
        bus.start()
        return bus

    return wire


def hub_wire(hub: InProcessHub) -> Wire:
    """Connections to a bus in this very process, for tests and replays on virtual time."""

    async def wire(device: str, will: Will, prepare: Prepare) -> Bus:
        bus = hub.join(device, role=BusRole.DEVICE, will=will, connected=False)
        await prepare(bus)
        await bus.connect()
        return bus

    return wire


def _tls(bus: BusAddress, device: str) -> TlsFiles | None:
    if not bus.tls or bus.ca is None or bus.certificates is None:
        return None
    folder = Path(bus.certificates)
    return TlsFiles(
        authority=Path(bus.ca),
        certificate=folder / f"{device}.crt",
        key=folder / f"{device}.key",
    )
