"""A virtual air with one host radio in it, on virtual time: what the tests of T1 stand on."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from appliance.kernel.tasks import Nursery
from drivers.ble.ears import Ears
from drivers.ble.links import Links
from drivers.ble.stack import Stack
from support.driver_house import HeardHouse
from twin.ble.air import Air
from twin.ble.backend import VirtualClient, VirtualScanner, adapter_on
from twin.ble.central import Central
from twin.ble.peripheral import Ends
from twin.ble.virtual_loop import LoopClock, run_at_once

if TYPE_CHECKING:
    from twin.ble.controller import VirtualController


def on_the_air(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test on virtual time: waiting for a supervision timeout costs nothing."""

    @functools.wraps(test)
    def run(*args: Any, **more: Any) -> None:
        run_at_once(test(*args, **more))

    return run


class CycledAdapter:
    """The adapter of a virtual radio: counts how often it had to be woken."""

    def __init__(self, central: Central) -> None:
        self._central = central
        self.cycles = 0
        self.restarts = 0
        self.cures = True  # whether switching off and on helps

    async def power_cycle(self) -> bool:
        self.cycles += 1
        if not self.cures:
            return False
        await self._central.power(on=False)
        await self._central.power(on=True)
        return True

    async def restart_stack(self) -> bool:
        self.restarts += 1
        return False


@dataclass
class Host:
    """The driver's side of the air."""

    air: Air
    stack: Stack
    clock: LoopClock
    nursery: Nursery
    house: HeardHouse = field(default_factory=HeardHouse)
    # What a host on BlueZ has not: a radio that a test can hang or pull.
    radio: tuple[VirtualController, Central, CycledAdapter] | None = None

    @property
    def controller(self) -> VirtualController:
        assert self.radio is not None
        return self.radio[0]

    @property
    def central(self) -> Central:
        assert self.radio is not None
        return self.radio[1]

    @property
    def adapter(self) -> CycledAdapter:
        assert self.radio is not None
        return self.radio[2]

    @classmethod
    async def open(cls, air: Air, *, mtu: int = 517, slots_max: int = 3) -> Host:
        controller = air.controller("host")
        central = await Central.open(controller, controller)
        adapter = CycledAdapter(central)
        return cls(
            air=air,
            radio=(controller, central, adapter),
            stack=Stack(
                adapter=adapter,
                scanner=VirtualScanner,
                client=VirtualClient,
                connected=adapter_on(central),
                scanner_more={"central": central},
                client_more={"mtu": mtu},
                slots_max=slots_max,
            ),
            clock=LoopClock(),
            nursery=Nursery(lambda _name, _error: None),
        )

    def links(self) -> Links:
        return Links(self.stack, clock=self.clock, nursery=self.nursery)

    def ears(self, names: dict[str, str]) -> Ears:
        """Ears that know these addresses by name."""
        return Ears(
            self.stack,
            clock=self.clock,
            claim=lambda device, _said: names.get(device.address),
            told=lambda _name, _heard: None,
        )

    def by(self, seconds: float) -> float:
        """A deadline."""
        return self.clock.monotonic() + seconds

    async def close(self) -> None:
        await self.nursery.close()
        if self.radio is not None:
            await asyncio.wait_for(self.central.close(), 5)


def ends(air: Air, name: str) -> Ends:
    """A new radio for a thing."""
    return Ends.of(air.controller(name))
