"""A sensor of anything else: temperature, humidity, light, motion, a contact."""

from __future__ import annotations

from typing import Any, Final

from appliance.bus.words import EventKind, SensorState
from drivers.port import Happening
from drivers.zigbee.thing import POWER, Report
from drivers.zigbee.zone import (
    ALARM_1,
    BATTERY,
    CONTACT,
    IAS_ZONE,
    MOTION,
    TAMPER,
    Zone,
    fell,
    rose,
)

ILLUMINANCE, TEMPERATURE, HUMIDITY, OCCUPANCY = 0x0400, 0x0402, 0x0405, 0x0406
MEASURED: Final = 0x0000
NO_INT16, NO_UINT16 = -0x8000, 0xFFFF


class ZigbeeSensor(Zone):
    """Says only what it measures; the rest stays None."""

    reports = (
        Report(cluster=TEMPERATURE, attribute="measured_value", min_s=60, max_s=1800, change=20),
        Report(cluster=HUMIDITY, attribute="measured_value", min_s=60, max_s=1800, change=200),
        Report(cluster=ILLUMINANCE, attribute="measured_value", min_s=60, max_s=3600, change=2000),
        Report(cluster=OCCUPANCY, attribute="occupancy", min_s=0, max_s=1800, change=1),
        Report(
            cluster=POWER,
            attribute="battery_percentage_remaining",
            min_s=3600,
            max_s=21600,
            change=2,
        ),
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._said: dict[str, Any] = {}

    def reported(self, cluster: int, attribute: int, value: Any) -> None:
        """One measurement."""
        if attribute != MEASURED or value is None:
            super().reported(cluster, attribute, value)
            return
        number = int(value)
        match cluster:
            case 0x0402 if number != NO_INT16:
                self._said["temperature_c10"] = round(number / 10)
            case 0x0405 if number != NO_UINT16:
                self._said["humidity_pct10"] = round(number / 10)
            case 0x0400 if number not in {0, NO_UINT16}:
                # 10,000 x log10(lux) + 1 (ZCL 4.2.2.2.1.1)
                self._said["light_lux"] = round(10 ** ((number - 1) / 10_000))
            case 0x0406:
                self._occupied(occupied=bool(number & 1))
            case _:
                return
        self.said()

    def zone_changed(self, before: int | None, status: int) -> None:
        """A contact opened or closed, or something moved."""
        match self.entry.facts.get("zone_type"):
            case 0x0015:
                self._said["contact_open"] = bool(status & ALARM_1)
                if rose(before, status, ALARM_1):
                    self.happened(Happening(kind=EventKind.DOOR_OPENED))
                elif fell(before, status, ALARM_1):
                    self.happened(Happening(kind=EventKind.DOOR_CLOSED))
            case 0x000D:
                self._occupied(occupied=bool(status & ALARM_1))
            case _:
                pass
        if rose(before, status, TAMPER):
            self.happened(Happening(kind=EventKind.TAMPER))
        if rose(before, status, BATTERY):
            self.happened(Happening(kind=EventKind.BATTERY_LOW))
        self.said()

    async def state(self) -> SensorState | None:
        """None before it has said anything."""
        if not self._said:
            return None
        return SensorState(wall_ms=self._now_ms(), battery_pct=self._battery_pct, **self._said)

    def _occupied(self, *, occupied: bool) -> None:
        if occupied and not self._said.get("occupied"):
            self.happened(Happening(kind=EventKind.MOTION))
        self._said["occupied"] = occupied


__all__ = ["CONTACT", "IAS_ZONE", "MOTION", "ZigbeeSensor"]
