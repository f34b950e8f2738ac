"""GraphQL of a thing on the bus: what it last said, and how old that is (law 7).

It lies beside the floors because doors and climate both show things, and neither knows the other.
"""

from __future__ import annotations

import strawberry

from appliance.asked import Asked, Minor
from appliance.bus.words import DeviceKind


@strawberry.type
class Device:
    """A thing and its last words. `online` null: it was never heard since the start."""

    id: strawberry.ID
    kind: str
    online: bool | None
    age_ms: Minor | None
    battery_pct: int | None
    bolt: str | None
    measured_c10: int | None
    set_point_c10: int | None
    eco: bool | None


def seen(asked: Asked, device_id: str, kind: DeviceKind) -> Device:
    """A thing as its gateway last heard it; memory only, so it never waits."""
    now = asked.ports.devices.now(device_id)
    lock, thermostat = now.lock, now.thermostat
    said = lock or thermostat
    return Device(
        id=strawberry.ID(device_id),
        kind=kind.value,
        online=now.online,
        age_ms=None if now.age_ms is None else Minor(now.age_ms),
        battery_pct=None if said is None else said.battery_pct,
        bolt=None if lock is None else lock.bolt,
        measured_c10=None if thermostat is None else thermostat.measured_c10,
        set_point_c10=None if thermostat is None else thermostat.set_point_c10,
        eco=None if thermostat is None else thermostat.eco,
    )
