"""The house as a radio sees it, in memory: what was said of whom, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.bus.words import State, TunnelFrame
    from drivers.port import Alarm, Happening, Told


class HeardHouse:
    """Fills `drivers.port.House`; `durable` False raises where an event should be kept."""

    def __init__(self) -> None:
        self.happenings: list[tuple[str, Happening]] = []
        self.states: list[tuple[str, State]] = []
        self.presences: list[tuple[str, bool]] = []
        self.telemetry: list[tuple[str, dict[str, float]]] = []
        self.ends: list[tuple[str, str, Told]] = []
        self.alarms: dict[tuple[Alarm, str | None], bool] = {}
        self.frames: list[tuple[str, TunnelFrame]] = []
        self.durable = True

    async def happened(self, device: str, what: Happening) -> None:
        if not self.durable:
            raise OSError("no space left on device")
        self.happenings.append((device, what))

    async def stated(self, device: str, state: State) -> None:
        self.states.append((device, state))

    async def present(self, device: str, *, online: bool) -> None:
        self.presences.append((device, online))

    async def measured(self, device: str, values: dict[str, float]) -> None:
        self.telemetry.append((device, values))

    async def settled(self, device: str, order_id: str, told: Told) -> None:
        self.ends.append((device, order_id, told))

    async def alarm(self, alarm: Alarm, *, device: str | None = None, on: bool = True) -> None:
        self.alarms[alarm, device] = on

    async def tunnelled(self, device: str, frame: TunnelFrame) -> None:
        self.frames.append((device, frame))
