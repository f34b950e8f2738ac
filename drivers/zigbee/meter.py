"""A meter of electricity or water: whole watt-hours, tenths of a watt, millilitres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from appliance.bus.words import MeterState
from drivers.zigbee.thing import Report, Thing

if TYPE_CHECKING:
    from collections.abc import Mapping

METERING, ELECTRICAL = 0x0702, 0x0B04
SUMMATION, DEMAND = 0x0000, 0x0400
# Units of measure (ZCL 10.4.2.2.4.1), with what one is in our own.
KWH, CUBIC_METRES, LITRES = 0x00, 0x01, 0x07
WH_A_KWH: Final = 1000
ML: Final = {CUBIC_METRES: 1_000_000, LITRES: 1_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Raw number times `multiplier` over `divisor`; a device that says 0 means 1."""

    multiplier: int = 1
    divisor: int = 1

    @classmethod
    def of(cls, facts: Mapping[str, int], prefix: str = "") -> Scale:
        """As the thing has told when it was taken in."""
        lead = f"{prefix}_" if prefix else ""
        return cls(
            multiplier=facts.get(f"{lead}multiplier", 1) or 1,
            divisor=facts.get(f"{lead}divisor", 1) or 1,
        )

    def times(self, raw: int, factor: int) -> int:
        """Exact up to the last division, which rounds down: a meter never shows more than it has."""
        return raw * self.multiplier * factor // self.divisor

    def tenths(self, raw: int) -> int:
        """In tenths of the unit."""
        return self.times(raw, 10)


class ZigbeeMeter(Thing):
    """What has run through so far, and what runs now."""

    reports = (
        Report(cluster=METERING, attribute="current_summ_delivered", min_s=60, max_s=900, change=1),
        Report(cluster=METERING, attribute="instantaneous_demand", min_s=10, max_s=900, change=5),
    )
    _energy_wh: int | None = None
    _power_w10: int | None = None
    _volume_ml: int | None = None

    async def configured(self) -> None:
        """Learn its unit; without it a number means nothing."""
        until_s = self._air.clock.monotonic() + self._air.patience.request_s
        facts = await self._read(METERING, ["unit_of_measure", "multiplier", "divisor"], until_s)
        self.entry.facts.update({name: int(value) for name, value in facts.items()})
        self._air.remember()

    def reported(self, cluster: int, attribute: int, value: Any) -> None:
        """A counter or a demand."""
        if cluster != METERING or value is None:
            super().reported(cluster, attribute, value)
            return
        unit, scale = self.entry.facts.get("unit_of_measure"), Scale.of(self.entry.facts)
        if attribute == SUMMATION and unit == KWH:
            self._energy_wh = scale.times(int(value), WH_A_KWH)
        elif attribute == SUMMATION and unit in ML:
            self._volume_ml = scale.times(int(value), ML[unit])
        elif attribute == DEMAND and unit == KWH:
            self._power_w10 = scale.times(int(value), WH_A_KWH * 10)
        else:
            return
        self.said()

    async def state(self) -> MeterState | None:
        """None before it has said anything we understand."""
        if self._energy_wh is None and self._volume_ml is None and self._power_w10 is None:
            return None
        return MeterState(
            wall_ms=self._now_ms(),
            energy_wh=self._energy_wh,
            power_w10=self._power_w10,
            volume_ml=self._volume_ml,
        )
