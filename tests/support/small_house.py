"""A small house's device sheet, with a lock, a thermostat and a leak sensor per room."""

from __future__ import annotations

from appliance.bus.device_sheet import BusAddress, DeviceSheet, SheetDevice
from appliance.bus.words import DeviceKind
from appliance.kernel.cose import point_of
from support.lock_bench import ISSUER, SECRET

KINDS = {"lock": DeviceKind.LOCK, "room": DeviceKind.THERMOSTAT, "bath": DeviceKind.LEAK}


def small_house(
    rooms: int = 1, *, tokens: dict[str, str] | None = None, bus: BusAddress | None = None
) -> DeviceSheet:
    """Rooms 204, 205, ...; door numbers are the room numbers; every secret is the bench's."""
    return DeviceSheet(
        property_id="marina",
        issuer_keys=(point_of(ISSUER.public_key()).hex(),),
        devices=tuple(
            SheetDevice(
                device=f"{name}-{number}",
                kind=kind,
                secret_hex=SECRET.hex(),
                token=(tokens or {}).get(f"{name}-{number}", "none"),
                door_number=number if kind is DeviceKind.LOCK else None,
                room=str(number),
            )
            for number in range(204, 204 + rooms)
            for name, kind in KINDS.items()
        ),
        bus=bus or BusAddress(),
    )
