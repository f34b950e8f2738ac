"""A real zigpy, through a real port, in front of the simulated building; and a house that writes down."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec

from appliance.bus.words import DeviceKind, Order, Verb
from appliance.kernel.clock import ClockTrust, SystemClock, sleep
from appliance.kernel.tasks import Nursery
from drivers.port import Alarm, Happening, NeedsPersonError, Pin, RadioLostError, Told
from drivers.radios import Setting, Thing
from drivers.zigbee.air import Patience
from drivers.zigbee.backup import keys_of
from drivers.zigbee.lock import ZigbeeLock
from drivers.zigbee.radio import ZigbeeRadio
from twin.zigbee.devices import Lock
from twin.zigbee.site import Site, site

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from appliance.bus.words import State, TunnelFrame
    from twin.zigbee.node import Node

# The building's failures take a twentieth of their time, so patience does too.
HURRIED = Patience(
    answer_s=0.5,
    settle_s=0.25,
    read_s=0.5,
    look_s=1.0,
    air_s=0.5,
    owed_s=3.0,
    request_s=2.0,
    watch_every_s=1.0,
    tidy_s=0.02,
)
WAIT_S = 20.0
LOCK_IEEE = 0x00158D0000000001
_ids = count(1)


@dataclass
class ListeningHouse:
    """Writes down what a radio reports; `until` waits for a line of it."""

    happenings: list[tuple[str, Happening]] = field(default_factory=list)
    states: dict[str, State] = field(default_factory=dict)
    online: dict[str, bool] = field(default_factory=dict)
    measurements: dict[str, dict[str, float]] = field(default_factory=dict)
    ends: dict[str, list[Told]] = field(default_factory=dict)
    alarms: set[tuple[Alarm, str | None]] = field(default_factory=set)
    rung: list[tuple[Alarm, str | None]] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def _noted(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def until(self, what: Callable[[ListeningHouse], Any]) -> Any:
        """Wait until something was reported; returns what `what` gave."""
        async with asyncio.timeout(WAIT_S), self._news:
            await self._news.wait_for(lambda: what(self))
        return what(self)

    async def happened(self, device: str, what: Happening) -> None:
        """Kept in order."""
        self.happenings.append((device, what))
        await self._noted()

    async def stated(self, device: str, state: State) -> None:
        """The latest counts."""
        self.states[device] = state
        await self._noted()

    async def present(self, device: str, *, online: bool) -> None:
        """The latest counts."""
        self.online[device] = online
        await self._noted()

    async def measured(self, device: str, values: dict[str, float]) -> None:
        """The latest counts."""
        self.measurements[device] = values
        await self._noted()

    async def settled(self, device: str, order_id: str, told: Told) -> None:
        """Every end, in order."""
        del device
        self.ends.setdefault(order_id, []).append(told)
        await self._noted()

    async def alarm(self, alarm: Alarm, *, device: str | None = None, on: bool = True) -> None:
        """What rings now, and all that ever rang."""
        if on:
            self.alarms.add((alarm, device))
            self.rung.append((alarm, device))
        else:
            self.alarms.discard((alarm, device))
        await self._noted()

    async def tunnelled(self, device: str, frame: TunnelFrame) -> None:
        """No lock of Zigbee has a tunnel."""
        del device, frame


class Rig:
    """One driver and one building."""

    def __init__(self, here: Site, folder: Path, *, patience: Patience = HURRIED) -> None:
        self.site = here
        self.folder = folder
        self.patience = patience
        self.clock = SystemClock(floor_path=None, trust=ClockTrust.SYSTEM)
        self.nursery = Nursery(lambda _name, _error: None)
        self.house = ListeningHouse()
        self.things: tuple[Thing, ...] = ()
        self.options: dict[str, str | int | float | bool] = {}
        self.radio: ZigbeeRadio = self.fresh_radio()
        self.ended: list[Exception] = []
        self._running: asyncio.Task[None] | None = None

    def fresh_radio(self) -> ZigbeeRadio:
        """As after a restart of the process."""
        data = self.folder / "driver"
        data.mkdir(exist_ok=True)
        setting = Setting(
            id="zigbee0",
            kind="zigbee",
            bridge="driver-zigbee0",
            things=self.things,
            clock=self.clock,
            nursery=self.nursery,
            folder=data,
            property_id="p",
            issuer_points=(),
            presser=ec.generate_private_key(ec.SECP256R1()),
            options={"port": self.site.path, "stick": "znp", **self.options},
        )
        self.radio = ZigbeeRadio(setting, patience=self.patience)
        return self.radio

    async def start(self) -> None:
        """Run it as the supervisor does, until it is up."""
        self._running = asyncio.get_running_loop().create_task(self._supervise())
        await self.up()

    async def up(self) -> None:
        """Until the stick serves."""
        await self.until(lambda: not self.radio.lost.is_set())

    async def until(self, what: Callable[[], Any]) -> Any:
        """Until something of the radio itself is so; it has no bell to wait for."""
        async with asyncio.timeout(WAIT_S):
            while not (found := what()):
                await sleep(self.clock, 0.005)
        return found

    async def plugged(self, name: str) -> None:
        """Until the thing can be used again."""
        await self.until(lambda: not self.radio.lost.is_set() and self.radio.thing(name).plugged)

    async def down(self) -> None:
        """Until the stick is gone."""
        async with asyncio.timeout(WAIT_S):
            await self.radio.lost.wait()

    async def stop(self) -> None:
        """As when the process is stopped."""
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running
            self._running = None

    async def _supervise(self) -> None:
        while True:
            try:
                await self.radio.run(self.house)
            except RadioLostError as error:
                self.ended.append(error)
            except NeedsPersonError as error:
                self.ended.append(error)
                return
            await sleep(self.clock, 0.02)

    async def needs_person(self) -> NeedsPersonError:
        """Run until it asks for a person."""
        async with asyncio.timeout(WAIT_S):
            await self._supervise()
        error = self.ended[-1]
        assert isinstance(error, NeedsPersonError)
        return error

    async def join(self, node: Node, room: str = "101", kind: DeviceKind | None = None) -> Any:
        """Let it in and wait until it is ready; returns our thing."""
        await self.radio.joining.permit(room, 60, kind=kind)
        assert await self.site.join(node)
        ieee = ":".join(f"{byte:02x}" for byte in reversed(node.ieee))
        await self.until(lambda: (entry := self.radio.book.find(ieee)) and entry.configured)
        await self.until(lambda: ieee in keys_of(self.radio.backups.newest()))
        return self.radio.thing_of(ieee)

    def order(self, verb: Verb, **fields: Any) -> Order:
        """An order with an id of its own, good for a minute."""
        return Order(
            id=f"o{next(_ids)}",
            verb=verb,
            expires_at_ms=self.clock.read().wall_ms + 60_000,
            reply_topic="np/x/up/answer",
            **fields,
        )

    async def ask(
        self, name: str, verb: Verb, *, within_s: float = 2.0, pin: str | None = None, **fields: Any
    ) -> Told:
        """One order, as the desk gives it."""
        return await self.give(name, self.order(verb, **fields), within_s=within_s, pin=pin)

    async def give(
        self, name: str, order: Order, *, within_s: float = 2.0, pin: str | None = None
    ) -> Told:
        """The same, with an order made before."""
        return await self.radio.devices[name].carry_out(
            order,
            deadline_s=self.clock.monotonic() + within_s,
            pin=None if pin is None else Pin(digits=pin),
        )

    def opened(self, name: str = "lock-1") -> int:
        """How often the bolt really moved open for the radio."""
        return self.site.journal.count("bolt", device=name, to="unlocked")


# A network that was formed once, as files: forming takes a second, and is its own test.
_formed: dict[str, bytes] = {}


@asynccontextmanager
async def rig(
    folder: Path, *, patience: Patience = HURRIED, fresh: bool = False
) -> AsyncGenerator[Rig, None]:
    """A rig that is up; `fresh`: with a stick and a driver that have never run."""
    if not fresh:
        if not _formed:
            first = folder / "first"
            first.mkdir()
            await _form(first)
        for name, data in _formed.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            path.chmod(0o600)
    async with site(folder) as here:
        made = Rig(here, folder, patience=patience)
        try:
            await made.start()
            yield made
        finally:
            await made.stop()
            await made.nursery.close()


async def _form(folder: Path) -> None:
    async with rig(folder, fresh=True) as made:
        await made.until(lambda: len(made.radio.backups.generations()) > 1)
    _formed.update(_files(folder))


def _files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@asynccontextmanager
async def rig_with_lock(folder: Path) -> AsyncGenerator[tuple[Rig, Lock, ZigbeeLock], None]:
    """A rig with one lock taken in."""
    async with rig(folder) as made:
        node = Lock("lock-1", LOCK_IEEE)
        thing = await made.join(node)
        assert isinstance(thing, ZigbeeLock)
        yield made, node, thing
