"""The whole house with a real Bluetooth driver: an NPK lock on the virtual air at one of its doors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from appliance.bus import device_sheet
from appliance.bus.credentials import BusRole
from appliance.bus.port import Message
from appliance.bus.words import DeviceKind, Presence, decode, online_topic
from appliance.engines.inventory.messages import FitDoor, LockProtocol
from appliance.kernel.clock import ClockTrust, SystemClock
from appliance.kernel.cose import issuers, point_of
from appliance.kernel.tasks import Nursery
from appliance.where import DEVICE_SHEET
from drivers.ble.radio import BleRadio
from drivers.ble.things import salt_of
from drivers.keep import connect
from drivers.main import hire
from drivers.radios import Setting, Thing
from drivers.running import Parts, run
from drivers.switchboard import will_of
from support.ble_bench import Host, ends
from support.desk import MANAGER
from support.whole_house import WholeHouse
from twin.ble.air import Air
from twin.ble.npk_lock import BleLock
from twin.ble.peripheral import Manner
from twin.flash import Flash
from twin.journal import Journal
from twin.npk_lock import NpkIdentity, NpkLock

BRIDGE = "driver-ble0"


@dataclass
class BleDoor:
    """A door whose lock is reached by radio alone."""

    lock: BleLock
    air: Air
    journal: Journal
    device: str

    @property
    def served(self) -> int:
        """How many presses it did, the bolt being drawn already or not."""
        return self.journal.count("bolt", to="unlocked") + self.journal.count("held")


@asynccontextmanager
async def ble_door(
    house: WholeHouse, folder: Path, room: str = "101"
) -> AsyncGenerator[BleDoor, None]:
    """Hang the lock, run its driver as `drivers.main` does, and tell the box. Real time."""
    door_id = await house.door_of(room)
    row = await house.box.reader.row(
        "SELECT number, device_id FROM doors_door WHERE door_id = ?", (door_id,)
    )
    assert row is not None
    number, device = int(row[0]), str(row[1])
    sheet = device_sheet.load(house.box.settings.data_dir / DEVICE_SHEET)
    clock = SystemClock(floor_path=None, trust=ClockTrust.SYSTEM)
    air, journal, flash = Air(supervision_s=1.0), Journal(), Flash()
    host = await Host.open(air)
    me = NpkIdentity(
        device=device,
        door_number=number,
        property_id="marina",
        issuers=issuers(sheet.issuer_points),
        secret=bytes(32),
        salt=salt_of("marina"),
    )
    lock = BleLock(
        ends(air, device),
        Manner(name="NP", mtu_max=247, advertise_ms=100.0),
        make=lambda: NpkLock(me, flash=flash, journal=journal, clock=clock),
        clock=clock,
    )
    lock.lock.body.set_time(clock.read().wall_ms, 2_000)
    await lock.start()
    presser = ec.generate_private_key(ec.SECP256R1())
    point = point_of(presser.public_key())
    nursery = Nursery(lambda _name, _error: None)
    thing = Thing(
        name=device,
        kind=DeviceKind.LOCK,
        protocol="npk",
        address=lock.address,
        door_number=number,
        secret=bytes(32),
        options={"lock_point": lock.lock.point.hex()},
    )
    setting = Setting(
        id="ble0",
        kind="ble",
        bridge=BRIDGE,
        things=(thing,),
        clock=clock,
        nursery=nursery,
        folder=folder,
        property_id="marina",
        issuer_points=tuple(sheet.issuer_points),
        presser=presser,
    )
    bus = house.hub.join(
        BRIDGE,
        role=BusRole.BRIDGE,
        devices=(device,),
        will=will_of(BRIDGE),
        connected=False,
        nursery=nursery,
    )
    db = connect(folder / "driver.db")

    def hired(keep: Any, name: str) -> Any:
        return hire(setting, keep, name, point)

    heard = await _listen(house, device)
    driver = await run(
        Parts(
            radio=BleRadio(setting, host.stack),
            names=(device,),
            db=db,
            bus=bus,
            clock=clock,
            nursery=nursery,
            hire=hired,
            point=point,
        )
    )
    await bus.connect()
    await house.done(
        FitDoor(
            door_id=door_id,
            device_id=device,
            protocol=LockProtocol.NPK,
            bridge=BRIDGE,
            presser_point=point.hex(),
            lock_point=lock.lock.point.hex(),
            new_lock=True,
        ),
        MANAGER,
    )
    await heard.wait()
    await house.hub.quiet()
    try:
        yield BleDoor(lock=lock, air=air, journal=journal, device=device)
    finally:
        await driver.switchboard.close()
        await nursery.close()
        db.close()
        await lock.stop()
        await host.close()


async def _listen(house: WholeHouse, device: str) -> asyncio.Event:
    """Set once somebody can reach the lock."""
    heard = asyncio.Event()

    async def came(message: Message) -> None:
        presence = decode(message.payload, Presence)
        if presence is not None and presence.online:
            heard.set()

    listener = house.hub.join("listener-ble", role=BusRole.CORE)
    await listener.subscribe(online_topic(device), came)
    return heard
