"""A water sensor: wet or dry, and loud in between."""

from __future__ import annotations

from appliance.bus.words import EventKind, LeakState
from drivers.port import Happening
from drivers.zigbee.zone import ALARM_1, ALARM_2, BATTERY, TAMPER, Zone, fell, rose

WET = ALARM_1 | ALARM_2  # some use the second bit for a second probe


class ZigbeeLeak(Zone):
    """Wet while either probe says so."""

    def zone_changed(self, before: int | None, status: int) -> None:
        """Water came or went."""
        wet, was = bool(status & WET), bool((before or 0) & WET)
        if wet and not was:
            self.happened(Happening(kind=EventKind.LEAK))
        elif was and not wet:
            self.happened(Happening(kind=EventKind.LEAK_CLEARED))
        if rose(before, status, TAMPER):
            self.happened(Happening(kind=EventKind.TAMPER))
        if rose(before, status, BATTERY):
            self.happened(Happening(kind=EventKind.BATTERY_LOW))
        if before is None or before != status or fell(before, status, BATTERY):
            self.said()

    async def state(self) -> LeakState | None:
        """None before it has said anything."""
        if self._status is None:
            return None
        return LeakState(
            wet=bool(self._status & WET),
            wall_ms=self._now_ms(),
            battery_pct=self._battery_pct,
        )
