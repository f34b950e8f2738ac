"""One door of one house, and five makers' locks that may hang at it, each behind its real driver.

Everything is in one loop: the doors engine with its gateway, the in-process bus, the driver's desks,
keep and supervisor, its radio, and the twin's lock. Time is virtual where the lock's stack allows
it, and paced by the loop's own; a stick on a serial line takes real time.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec

from appliance.bus.credentials import BusRole
from appliance.bus.requests import Orders
from appliance.bus.words import (
    DeviceAnswer,
    DeviceEvent,
    DeviceKind,
    Order,
    Outcome,
    Verb,
    decode,
)
from appliance.engines.doors.credentials import device_secret
from appliance.engines.inventory.messages import LockProtocol
from appliance.kernel import cose
from appliance.kernel.clock import sleep
from appliance.kernel.tasks import Nursery
from drivers.ble.radio import BleRadio
from drivers.ble.things import salt_of
from drivers.http.radio import build as build_http
from drivers.keep import connect
from drivers.main import hire
from drivers.mqtt.radio import build as build_mqtt
from drivers.radios import Setting, Thing
from drivers.running import Parts, run
from drivers.switchboard import will_of
from support import news
from support.ble_bench import Host, ends
from support.doors_house import DoorsHouse, open_doors_house
from support.lock_bench import ISSUER
from twin.ble.air import Air, Crossing, Fate
from twin.ble.npk_lock import BleLock
from twin.ble.peripheral import Manner
from twin.ble.virtual_loop import run_at_once
from twin.faults import Fault, Trouble
from twin.flash import Flash
from twin.http.loop import LoopWire
from twin.http.nuki import NukiBridgeTwin, NukiFault, NukiLockTwin
from twin.mqtt.zigbee2mqtt import BASE, GatewayFault, Z2mLock, Zigbee2MqttTwin
from twin.npk_lock import NpkIdentity, NpkLock

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.bus.in_process import InProcessBus
    from appliance.bus.port import Message
    from appliance.engines.doors.gateway import Settled
    from drivers.port import Radio

NUMBER = 204
PROPERTY = "marina"
PACE_S = 0.02
WAIT_S = 60.0
IEEE = 0x00158D0000000204


@dataclass(kw_only=True)
class Hung:
    """A lock that hangs at the door."""

    device: str
    protocol: LockProtocol
    moves: Callable[[], int]  # how often its bolt was drawn, by the twin's own count
    lose_answer: Callable[[], Awaitable[None]]  # the next press is done, and no answer comes
    pins: bool = True  # whether it takes PINs at all
    points: dict[str, Any] = field(default_factory=dict)
    close_line: Callable[[], Awaitable[None]] | None = None
    open_line: Callable[[], Awaitable[None]] | None = None


Hang = Callable[[DoorsHouse, "Path", int], AbstractAsyncContextManager[Hung]]


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """How a maker's lock is hung at the door, and on which kind of loop it lives."""

    name: str
    hang: Hang
    virtual: bool = True

    def __str__(self) -> str:
        """The name in a test's id."""
        return self.name

    def run(self, work: Any) -> None:
        """Run one story to its end."""
        if self.virtual:
            run_at_once(work)
        else:
            asyncio.run(work)


@dataclass
class Scene:
    """A guest, `stay-204`, with a key to a door at which a lock hangs."""

    house: DoorsHouse
    hung: Hung
    spy: Orders
    orders: list[tuple[str, Order]] = field(default_factory=list)
    events: list[tuple[str, DeviceEvent]] = field(default_factory=list)
    number: Any = field(default_factory=lambda: itertools.count(1))

    async def press(self, stay: str = "stay-204") -> Settled:
        """One press, and what the guest is told."""
        return await self.house.press_and_wait(stay, NUMBER)

    def pressed(self, opening_id: str) -> Order:
        """The order that left for that press."""
        return next(o for _, o in self.orders if o.id == opening_id)

    def sent(self, verb: Verb, device: str | None = None) -> list[Order]:
        """Every order of this kind that left the box."""
        return [o for d, o in self.orders if o.verb is verb and device in {None, d}]

    async def replay(self, order: Order, **changes: Any) -> DeviceAnswer:
        """Somebody with the box's own rights says an old order again, fresh but for its key."""
        now_ms = self.house.clock.read().wall_ms
        changes.setdefault("id", f"replay-{next(self.number)}")
        changes.setdefault("expires_at_ms", now_ms + 8_000)
        told = await self.spy.order(self.hung.device, replace(order, **changes))
        assert told.answer is not None, told
        return told.answer

    async def until(self, holds: Callable[[], Any]) -> Any:
        """Wait until something is so."""
        until_s = self.house.clock.monotonic() + WAIT_S
        while not (found := holds()):
            assert self.house.clock.monotonic() < until_s, "it never came to be"
            await sleep(self.house.clock, PACE_S)
        return found

    async def fit(self, hung: Hung, **more: Any) -> None:
        """Say which lock the door has from now on."""
        await self.house.happen(
            news.door_fitted(NUMBER, hung.device, hung.protocol, **hung.points, **more)
        )
        self.hung = hung

    async def next_guest(self, stay: str = "next") -> None:
        """The guest leaves, and another has the room."""
        await self.house.happen(news.checked_out("stay-204", NUMBER))
        await self.house.happen(news.checked_in(stay, NUMBER))
        await self.house.cut(stay)

    def access(self, opening_id: str) -> int:
        """How often the log says that this press opened the door."""
        [(count,)] = self.house.desk.rows(
            "SELECT count(*) FROM doors_access WHERE order_id = ? AND event = 'unlocked'",
            opening_id,
        )
        return int(count)


@asynccontextmanager
async def at_door(vendor: Vendor, folder: Path) -> AsyncGenerator[Scene, None]:
    """The house, its guest, and a lock of this maker at the guest's door."""
    async with AsyncExitStack() as stack:
        # A spare hangs nowhere yet: `lock-204` is the bus lock that the door was added with.
        house = await stack.enter_async_context(open_doors_house(folder, (NUMBER, 205)))
        pacing = house.outside.mortal("pace", _pace(house))
        stack.callback(pacing.cancel)
        bus = house.hub.join("spy", role=BusRole.CORE)
        scene = Scene(
            house, await _hang(stack, vendor, house, folder), Orders(bus=bus, clock=house.clock)
        )

        async def ordered(message: Message) -> None:
            order = decode(message.payload, Order)
            if order is not None:
                scene.orders.append((message.topic.split("/")[1], order))

        async def happened(message: Message) -> None:
            event = decode(message.payload, DeviceEvent)
            if event is not None:
                scene.events.append((message.topic.split("/")[1], event))

        await scene.spy.start()
        await bus.subscribe("np/+/down/command", ordered)
        await bus.subscribe("np/+/up/event", happened)
        await scene.fit(scene.hung)
        await house.cut("stay-204")
        await scene.until(lambda: scene.sent(Verb.PUT_PIN, scene.hung.device))
        yield scene


async def _hang(stack: AsyncExitStack, vendor: Vendor, house: DoorsHouse, folder: Path) -> Hung:
    place = folder / vendor.name
    place.mkdir()
    return await stack.enter_async_context(vendor.hang(house, place, NUMBER))


async def _pace(house: DoorsHouse) -> None:
    """Let the house's time pass as the loop's does."""
    loop = asyncio.get_running_loop()
    last_s = loop.time()
    while True:
        await asyncio.sleep(PACE_S)  # noqa: TID251 - the loop's own time is what paces the other
        now_s = loop.time()
        await house.clock.advance(now_s - last_s)
        last_s = now_s


# -- a lock that speaks our words on the bus by itself --------------------------------------------


@asynccontextmanager
async def _bus_lock(house: DoorsHouse, _folder: Path, number: int) -> AsyncGenerator[Hung, None]:
    device = house.twin.devices[f"lock-{number}"]

    async def lose_answer() -> None:
        device.faults.script([Trouble(faults=frozenset({Fault.DROP_ANSWER}))])

    yield Hung(
        device=f"lock-{number}",
        protocol=LockProtocol.BUS,
        moves=lambda: sum(
            entry.get("device") == f"lock-{number}"
            and (entry["kind"] == "held" or entry.get("to") == "unlocked")
            for entry in house.journal.read()
            if entry["kind"] in {"bolt", "held"}
        ),
        lose_answer=lose_answer,
    )


# -- everybody else hangs behind a driver ---------------------------------------------------------


@dataclass
class Behind:
    """One driver process, in this loop."""

    house: DoorsHouse
    folder: Path
    thing: Thing
    kind: str
    presser: ec.EllipticCurvePrivateKey
    also: tuple[str, ...] = ()
    nursery: Nursery = field(default_factory=lambda: Nursery(lambda _name, _error: None))

    @property
    def bridge(self) -> str:
        return f"driver-{self.kind}0"

    @property
    def point(self) -> bytes:
        return cose.point_of(self.presser.public_key())

    def setting(self, **more: Any) -> Setting:
        return Setting(
            **{
                "id": f"{self.kind}0",
                "kind": self.kind,
                "bridge": self.bridge,
                "things": (self.thing,),
                "clock": self.house.clock,
                "nursery": self.nursery,
                "folder": self.folder,
                "property_id": PROPERTY,
                "issuer_points": (cose.point_of(ISSUER.public_key()),),
                "presser": self.presser,
                **more,
            }
        )

    def join(self) -> InProcessBus:
        """The driver's connection, not up yet."""
        return self.house.hub.join(
            self.bridge,
            role=BusRole.BRIDGE,
            devices=(self.thing.name,),
            also=self.also,
            will=will_of(self.bridge),
            connected=False,
            nursery=self.nursery,
        )

    @asynccontextmanager
    async def running(
        self, radio: Radio, setting: Setting, bus: InProcessBus | None = None
    ) -> AsyncGenerator[InProcessBus, None]:
        """The driver as `drivers.main` builds it, on the in-process bus."""
        bus = bus or self.join()
        db = connect(self.folder / "driver.db")
        db.execute("PRAGMA synchronous=OFF")
        driver = await run(
            Parts(
                radio=radio,
                names=(self.thing.name,),
                db=db,
                bus=bus,
                clock=self.house.clock,
                nursery=self.nursery,
                hire=lambda keep, name: hire(setting, keep, name, self.point),
                point=self.point,
            )
        )
        await bus.connect()
        try:
            yield bus
        finally:
            await driver.switchboard.close()
            await self.nursery.close()
            db.close()


def _behind(
    house: DoorsHouse, folder: Path, number: int, kind: str, protocol: str, **thing: Any
) -> Behind:
    device = f"{protocol}-{number}"
    made = Thing(
        name=device,
        kind=DeviceKind.LOCK,
        protocol=protocol,
        door_number=number,
        room=str(number),
        secret=device_secret(house.desk.vault, device),
        **thing,
    )
    return Behind(house, folder, made, kind, ec.generate_private_key(ec.SECP256R1()))


@asynccontextmanager
async def _nuki(house: DoorsHouse, folder: Path, number: int) -> AsyncGenerator[Hung, None]:
    options = {"nuki_id": number, "token": "bridge-token"}
    behind = _behind(house, folder, number, "http", "nuki", address="http://nuki", options=options)
    outside = Nursery(lambda _name, _error: None)
    lock = NukiLockTwin(behind.thing.name, number, relock_s=4.0)
    bridge = NukiBridgeTwin(
        "bridge-token", [lock], clock=house.clock, nursery=outside, journal=house.journal
    )
    wire = LoopWire(bridge.handle, house.clock)
    setting = behind.setting()
    radio = build_http(setting, lambda _address, _options: wire)

    async def lose_answer() -> None:
        bridge.faults.append(NukiFault.CUT_BODY)

    async with behind.running(radio, setting) as bus:
        yield Hung(
            device=behind.thing.name,
            protocol=LockProtocol.NUKI,
            moves=lambda: house.journal.count("bolt", device=lock.name, to="unlocked"),
            lose_answer=lose_answer,
            pins=False,
            close_line=bus.cut,
            open_line=bus.connect,
        )
    await outside.close()
    await wire.close()


@asynccontextmanager
async def _z2m(house: DoorsHouse, folder: Path, number: int) -> AsyncGenerator[Hung, None]:
    behind = _behind(house, folder, number, "mqtt", "zigbee2mqtt", address=f"{BASE}/Door {number}")
    behind.also = (BASE,)
    outside = Nursery(lambda _name, _error: None)
    lock = Z2mLock(f"Door {number}", relock_s=None)
    gateway = Zigbee2MqttTwin(
        [lock],
        bus=house.hub.join("z2m", role=BusRole.BRIDGE, also=(BASE,)),
        clock=house.clock,
        nursery=outside,
        journal=house.journal,
    )
    await gateway.start()

    async def lose_answer() -> None:
        gateway.faults[lock.name] = GatewayFault.QUIET

    bus = behind.join()
    # A guest's door on this path is a property's own decision (docs/adapters.md).
    setting = behind.setting(bus=bus, options={"guest_locks": True})
    async with behind.running(build_mqtt(setting), setting, bus):
        yield Hung(
            device=behind.thing.name,
            protocol=LockProtocol.ZIGBEE2MQTT,
            moves=lambda: house.journal.count("bolt", device=lock.name, to="unlocked", via="rf"),
            lose_answer=lose_answer,
            pins=False,
            close_line=bus.cut,
            open_line=bus.connect,
        )
    assert not gateway.refused
    await outside.close()


@asynccontextmanager
async def _npk(house: DoorsHouse, folder: Path, number: int) -> AsyncGenerator[Hung, None]:
    air = Air(supervision_s=1.0)
    host = await Host.open(air)
    behind = _behind(house, folder, number, "ble", "npk")
    device, flash = behind.thing.name, Flash()
    identity = NpkIdentity(
        device=device,
        door_number=number,
        property_id=PROPERTY,
        issuers=cose.issuers([cose.point_of(ISSUER.public_key())]),
        secret=behind.thing.secret,
        salt=salt_of(PROPERTY),
    )
    lock = BleLock(
        ends(air, device),
        Manner(name="NP", mtu_max=247, advertise_ms=100.0),
        make=lambda: NpkLock(identity, flash=flash, journal=house.journal, clock=house.clock),
        clock=house.clock,
    )
    lock.lock.body.set_time(house.clock.read().wall_ms, 2_000)
    await lock.start()
    options = {"lock_point": lock.lock.point.hex()}
    behind.thing = replace(behind.thing, address=lock.address, options=options)
    setting = behind.setting()

    async def lose_answer() -> None:
        lost = [False]

        def lose(crossing: Crossing) -> Fate:
            if crossing.source != lock.address or crossing.value[1:2] != b"\x04":
                return Fate.ARRIVES
            if crossing.value[0] & 0x80 and not lost[0]:
                lost[0] = True
                return Fate.LINK_LOST
            return Fate.ARRIVES

        air.mischief = lose

    try:
        async with behind.running(BleRadio(setting, host.stack), setting) as bus:
            yield Hung(
                device=device,
                protocol=LockProtocol.NPK,
                moves=lambda: sum(
                    entry.get("to", "unlocked") == "unlocked"
                    for kind in ("bolt", "held")
                    for entry in house.journal.read(kind)
                    if entry.get("device") == device
                ),
                lose_answer=lose_answer,
                pins=False,
                points={
                    "presser_point": behind.point.hex(),
                    "lock_point": lock.lock.point.hex(),
                },
                close_line=bus.cut,
                open_line=bus.connect,
            )
    finally:
        await lock.stop()
        await host.close()


@asynccontextmanager
async def _zigbee(house: DoorsHouse, folder: Path, number: int) -> AsyncGenerator[Hung, None]:
    # The stack is an extra: whoever has not installed it skips this maker alone.
    from drivers.zigbee.radio import ZigbeeRadio  # noqa: PLC0415
    from twin.zigbee.devices import Lock  # noqa: PLC0415
    from twin.zigbee.faults import Act, Way, zcl_command  # noqa: PLC0415
    from twin.zigbee_house import HURRIED, rig  # noqa: PLC0415

    behind = _behind(house, folder, number, "zigbee", "zigbee", address=_colons(IEEE))
    async with rig(folder) as it:
        it.things = (behind.thing,)
        await it.stop()
        it.fresh_radio()
        await it.start()
        await it.join(Lock(behind.thing.name, IEEE), room=str(number))
        await it.stop()
        options = {"port": it.site.path, "stick": "znp"}
        setting = behind.setting(folder=it.folder / "driver", options=options)

        async def lose_answer() -> None:
            it.site.fault(Way.UP, Act.DROP, zcl_command(0x0101, 0x01), times=1)

        radio = ZigbeeRadio(setting, patience=HURRIED)
        async with behind.running(radio, setting) as bus:
            while radio.lost.is_set() or not radio.thing(behind.thing.name).plugged:
                await sleep(house.clock, PACE_S)
            yield Hung(
                device=behind.thing.name,
                protocol=LockProtocol.ZIGBEE,
                moves=lambda: it.site.journal.count(
                    "bolt", device=behind.thing.name, to="unlocked"
                ),
                lose_answer=lose_answer,
                close_line=bus.cut,
                open_line=bus.connect,
            )


def _colons(ieee: int) -> str:
    return ":".join(f"{byte:02x}" for byte in ieee.to_bytes(8, "big"))


BUS = Vendor(name="bus", hang=_bus_lock)
NUKI = Vendor(name="nuki", hang=_nuki)
NPK = Vendor(name="npk", hang=_npk)
ZIGBEE = Vendor(name="zigbee", hang=_zigbee, virtual=False)
Z2M = Vendor(name="z2m", hang=_z2m)
VENDORS = (BUS, NUKI, Z2M, NPK, ZIGBEE)

__all__ = [
    "BUS",
    "NPK",
    "NUKI",
    "NUMBER",
    "VENDORS",
    "Z2M",
    "ZIGBEE",
    "Hung",
    "Outcome",
    "Scene",
    "Vendor",
    "at_door",
]
