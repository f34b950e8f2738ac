"""HTTP hosts of the twin without sockets, on virtual time, and the http radio before them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from appliance.bus.words import DeviceKind, Order
from appliance.kernel.tasks import Nursery
from appliance.kernel.virtual_clock import VirtualClock
from drivers.http.radio import HttpRadio, build
from drivers.radios import Option, Thing
from support.driver_house import HeardHouse
from support.foreign_house import START_MS, setting
from twin.http.answers import Handle
from twin.http.loop import LoopWire
from twin.journal import Journal

if TYPE_CHECKING:
    from drivers.http.wire import Wire
    from drivers.port import Device, Told


@dataclass(slots=True)
class HttpHouse:
    """Everything a test may touch."""

    clock: VirtualClock
    radio: HttpRadio
    house: HeardHouse
    journal: Journal
    nursery: Nursery
    wires: dict[str, LoopWire]

    @property
    def thing(self) -> Device:
        return next(iter(self.radio.devices.values()))

    async def told(self, asked: Order, seconds: float = 6.0, name: str | None = None) -> Told:
        """Carry out, with time running until its end."""
        device = self.thing if name is None else self.radio.devices[name]
        work = device.carry_out(asked, deadline_s=self.clock.monotonic() + seconds)
        told: Told = await self.clock.run_until(work, 120.0)
        return told


Hosts = Callable[[VirtualClock, Nursery, Journal], Mapping[str, Handle]]


@asynccontextmanager
async def open_http_house(
    hosts: Hosts, *things: Thing, **options: Option
) -> AsyncGenerator[HttpHouse, None]:
    """A running http radio; `hosts` gives each address its host."""
    clock, nursery, journal = VirtualClock(START_MS), Nursery(lambda _n, _e: None), Journal()
    wires = {a: LoopWire(h, clock) for a, h in hosts(clock, nursery, journal).items()}

    def open_wire(address: str, _options: Mapping[str, object]) -> Wire:
        return wires[address]

    built = setting(things, kind="http", clock=clock, nursery=nursery, options=options)
    house, radio = HeardHouse(), build(built, open_wire)
    opened = HttpHouse(clock, radio, house, journal, nursery, wires)
    try:
        nursery.mortal("radio", radio.run(house))
        await clock.settle()
        yield opened
    finally:
        await nursery.close()
        for wire in wires.values():
            await wire.close()


def nuki_thing(name: str = "lock-9", nuki_id: int = 9, **more: Any) -> Thing:
    """A lock behind the bridge at http://nuki:8080."""
    options: dict[str, Option] = {"nuki_id": nuki_id, "token": "bridge-token", **more}
    return Thing(
        name=name,
        kind=DeviceKind.LOCK,
        address="http://nuki:8080",
        protocol="nuki",
        options=options,
    )
