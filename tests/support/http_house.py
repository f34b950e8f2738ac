"""HTTP hosts of the twin without sockets, on virtual time, and the http radio before them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from appliance.bus.words import DeviceKind, Order
from appliance.kernel.clock import sleep, within
from appliance.kernel.tasks import Nursery
from appliance.kernel.virtual_clock import VirtualClock
from drivers.http.radio import HttpRadio, build
from drivers.http.wire import BODY_BYTES_MAX, Ask, CutError, NotSentError, Reply
from drivers.radios import Option, Thing
from support.driver_house import HeardHouse
from support.foreign_house import START_MS, setting
from twin.http.answers import Answer, Handle, Request
from twin.journal import Journal

if TYPE_CHECKING:
    from appliance.kernel.clock import Clock
    from drivers.http.wire import Wire
    from drivers.port import Device, Told


class LoopWire:
    """A `Wire` to a host in the same loop: the same ends as a socket's, in the same exceptions."""

    def __init__(self, handle: Handle, clock: Clock) -> None:
        self.handle: Handle | None = handle  # None: the host is away
        self._clock = clock
        self._nursery = Nursery(lambda _name, _error: None)

    async def ask(self, ask: Ask, *, deadline_s: float) -> Reply:
        left_s = deadline_s - self._clock.monotonic()
        if left_s <= 0 or self.handle is None:
            raise NotSentError("away")
        request = Request(
            method=ask.method,
            path=ask.path,
            query=dict(ask.query),
            headers={k.lower(): v for k, v in ask.headers.items()},
            body=ask.body or b"",
        )
        # Whoever stops waiting takes nothing back: the host goes on.
        work = self._nursery.mortal("host", _answered(self.handle, request, self._clock))
        try:
            answer: Answer = await within(self._clock, left_s, work)
        except TimeoutError:
            raise CutError("TimeoutError") from None
        if answer.reset or answer.cut or len(answer.body) > BODY_BYTES_MAX:
            raise CutError("reset")
        challenge = answer.headers.get("WWW-Authenticate", "")
        return Reply(status=answer.status, body=answer.body, challenge=challenge)

    async def close(self) -> None:
        await self._nursery.close()


async def _answered(handle: Handle, request: Request, clock: Clock) -> Answer:
    answer = await handle(request)
    if answer.delay_s:
        await sleep(clock, answer.delay_s)
    if answer.silent:
        await asyncio.get_running_loop().create_future()
    return answer


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
