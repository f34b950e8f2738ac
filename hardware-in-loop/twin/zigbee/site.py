"""A building with a stick and devices, as a test or a process uses it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from appliance.kernel.clock import ClockTrust, SystemClock
from appliance.kernel.tasks import Nursery
from twin.journal import Journal
from twin.zigbee.air import Air
from twin.zigbee.faults import Act, Fault, Way
from twin.zigbee.port import PtyPort, TcpPort
from twin.zigbee.timers import Timers
from twin.zigbee.znp import FIRST_IEEE, Znp

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from appliance.kernel.clock import Clock
    from twin.zigbee.node import Node
    from twin.zigbee.port import Port


class Site:
    """One stick in one port with the devices around it."""

    def __init__(self, air: Air, stick: Znp, port: Port) -> None:
        self.air = air
        self.stick = stick
        self.port = port
        self.devices: dict[str, Node] = {}

    @property
    def journal(self) -> Journal:
        """What really happened; `count("bolt", device=..., to="unlocked")` is the lock's own count."""
        return self.air.journal

    @property
    def path(self) -> str:
        """What a host opens: a device's path, or socket://HOST:PORT."""
        if isinstance(self.port, TcpPort):
            return self.port.address
        assert isinstance(self.port, PtyPort)
        return str(self.port.link)

    async def join(self, node: Node, parent: Node | None = None) -> bool:
        """Press its pairing button, near the stick or near a router; False: not let in."""
        let_in = await self.air.join(node, parent)
        if let_in:
            self.devices[node.name] = node
        return let_in

    def leave(self, node: Node, *, tell: bool = True) -> None:
        """The device goes for good."""
        self.air.leave(node, tell=tell)
        self.devices.pop(node.name, None)

    def fault(
        self,
        way: Way,
        act: Act,
        meets: Callable[[Node, int, bytes], bool] | None = None,
        *,
        times: int | None = 1,
        seconds: float = 0.0,
        status: int | None = None,
    ) -> Fault:
        """Script trouble for the next frames; the first fault that fits meets a frame."""
        fault = Fault(way=way, act=act, times=times, seconds=seconds)
        if meets is not None:
            fault.meets = meets
        if status is not None:
            fault.status = status
        self.air.faults.append(fault)
        return fault

    def heal(self) -> None:
        """No trouble any more, on the air and on the line."""
        self.air.faults.clear()
        self.port.noise(0.0)
        self.port.stall(on=False)
        self.stick.hung = False

    async def unplug(self) -> None:
        """Pull the stick out."""
        await self.port.unplug()

    async def plug(self, stick: Znp | None = None) -> None:
        """Put it, or another one, in. A host must start its network again."""
        if stick is not None:
            await self.port.unplug()
            self.stick = stick
        await self.port.plug(self.stick)

    def other_stick(self, ieee: int = FIRST_IEEE + 1, nvram: Path | None = None) -> Znp:
        """A stick fresh from the factory, not plugged in yet."""
        return Znp(self.air, ieee=ieee, nvram=nvram)

    def hang(self, *, on: bool = True) -> None:
        """The firmware hangs, or works again."""
        self.stick.hung = on


@asynccontextmanager
async def site(  # noqa: PLR0913 - everything by name, each with a default
    folder: Path,
    *,
    clock: Clock | None = None,
    journal: Journal | None = None,
    tcp: bool = False,
    port: Port | None = None,
    latency_s: float = 0.001,
    scale: float = 0.05,
    seed: int = 0,
) -> AsyncGenerator[Site, None]:
    """A stick in this event loop, plugged in, its link (unless `port` says another) and flash below.

    `scale` shortens what a failure on the air takes (0.05: a sleeping child's frame expires after
    0.4 s instead of 7.7 s). Raises what broke inside the simulator at the end.
    """
    nursery = Nursery(lambda _name, _error: None)
    timers = Timers(clock or SystemClock(floor_path=None, trust=ClockTrust.SYSTEM), nursery)
    air = Air(timers, journal or Journal(clock=clock), latency_s=latency_s, scale=scale, seed=seed)
    own = TcpPort() if tcp else PtyPort(folder / "zigbee-stick")
    here = Site(air, Znp(air, nvram=folder / "stick-nvram.json"), port or own)
    await here.plug()
    try:
        yield here
    finally:
        await here.unplug()
        for node in list(air.nodes.values()):
            node.reporter.stop()
        await nursery.close()
    if timers.broke:
        raise timers.broke[0]
