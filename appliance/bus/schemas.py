"""JSON Schemas of every payload, generated from the words and kept in `docs/bus/`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from appliance.bus.words import (
    DeviceAnswer,
    DeviceEvent,
    LeakState,
    LightState,
    LockState,
    MeterState,
    Order,
    Presence,
    RadioState,
    SensorState,
    SwitchState,
    ThermostatState,
    TunnelFrame,
    ValveState,
)

DOCUMENTED: dict[str, type[Any]] = {
    "command": Order,
    "answer": DeviceAnswer,
    "event": DeviceEvent,
    "online": Presence,
    "state-lock": LockState,
    "state-thermostat": ThermostatState,
    "state-leak": LeakState,
    "state-switch": SwitchState,
    "state-light": LightState,
    "state-valve": ValveState,
    "state-meter": MeterState,
    "state-sensor": SensorState,
    "radio": RadioState,
    "tunnel": TunnelFrame,
}


def schemas() -> dict[str, bytes]:
    """Every schema file: its name below `docs/bus/` and its bytes."""
    files = {}
    for name, word in DOCUMENTED.items():
        schema = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": word.__name__,
            **msgspec.json.schema(word),
        }
        text = msgspec.json.format(msgspec.json.encode(schema, order="sorted"), indent=2)
        files[f"{name}.schema.json"] = text + b"\n"
    return files


def write_schemas(folder: Path) -> None:
    """Write every schema file; `python -m appliance.bus.schemas` does it for `docs/bus`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in schemas().items():
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    write_schemas(Path("docs/bus"))
