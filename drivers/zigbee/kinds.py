"""What a thing is, by the clusters it has and what the installer calls it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from appliance.bus.words import DeviceKind
from drivers.zigbee.leak import ZigbeeLeak
from drivers.zigbee.lock import DOOR_LOCK, ZigbeeLock
from drivers.zigbee.meter import METERING, ZigbeeMeter
from drivers.zigbee.sensor import HUMIDITY, ILLUMINANCE, OCCUPANCY, TEMPERATURE, ZigbeeSensor
from drivers.zigbee.slots import SlotTable
from drivers.zigbee.switch import LEVEL, ON_OFF, ZigbeeLight, ZigbeeSwitch, ZigbeeValve
from drivers.zigbee.thermostat import THERMOSTAT, ZigbeeThermostat
from drivers.zigbee.thing import Entry, Thing
from drivers.zigbee.zone import IAS_ZONE, WATER

if TYPE_CHECKING:
    from drivers.zigbee.air import Air
    from drivers.zigbee.slots import SlotBook

# Device types that are lamps (Zigbee Home Automation and Light Link).
LAMPS: Final = frozenset({0x0100, 0x0101, 0x0102, 0x010A, 0x010C, 0x010D, 0x0210, 0x0220})
# A level control output: how most motor valves for water call themselves is not to be relied on.
MEASURES: Final = (TEMPERATURE, HUMIDITY, ILLUMINANCE, OCCUPANCY)


def recognise(  # noqa: PLR0911 - one line per kind
    node: Any, zone_type: int | None, hint: DeviceKind | None = None
) -> DeviceKind | None:
    """Its kind; None: nothing we know. A hint decides where the clusters leave it open.

    A valve for water looks like a socket, so without the installer's word it would be one.
    """
    found: set[int] = set()
    types: set[int] = set()
    for endpoint in node.non_zdo_endpoints:
        found.update(int(number) for number in endpoint.in_clusters)
        types.add(int(endpoint.device_type or 0))
    if DOOR_LOCK in found:
        return DeviceKind.LOCK
    if THERMOSTAT in found:
        return DeviceKind.THERMOSTAT
    if ON_OFF in found:
        if hint in {DeviceKind.VALVE, DeviceKind.LIGHT, DeviceKind.SWITCH}:
            return hint
        return DeviceKind.LIGHT if types & LAMPS and LEVEL in found else DeviceKind.SWITCH
    if IAS_ZONE in found:
        return DeviceKind.LEAK if zone_type == WATER else DeviceKind.SENSOR
    if found.intersection(MEASURES):
        return DeviceKind.SENSOR
    return DeviceKind.METER if METERING in found else None


def thing_for(  # noqa: PLR0911 - one line per kind
    entry: Entry, air: Air, slots: SlotBook
) -> Thing:
    """The thing that an entry of the book stands for."""
    match entry.kind:
        case DeviceKind.LOCK:
            return ZigbeeLock(entry, air, SlotTable(slots, entry.ieee))
        case DeviceKind.THERMOSTAT:
            return ZigbeeThermostat(entry, air)
        case DeviceKind.LEAK:
            return ZigbeeLeak(entry, air)
        case DeviceKind.METER:
            return ZigbeeMeter(entry, air)
        case DeviceKind.SWITCH:
            return ZigbeeSwitch(entry, air)
        case DeviceKind.LIGHT:
            return ZigbeeLight(entry, air)
        case DeviceKind.VALVE:
            return ZigbeeValve(entry, air)
        case DeviceKind.SENSOR:
            return ZigbeeSensor(entry, air)
