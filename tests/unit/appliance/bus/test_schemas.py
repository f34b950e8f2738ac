"""The schemas in docs/bus are those of the words, and real payloads pass them."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import msgspec
import pytest

from appliance.bus.schemas import schemas
from appliance.bus.words import (
    DeviceAnswer,
    DeviceEvent,
    EventKind,
    LeakState,
    LockState,
    Order,
    Outcome,
    Presence,
    ThermostatState,
    Verb,
    encode,
)

FOLDER = Path(__file__).parents[4] / "docs" / "bus"
EXAMPLES = {
    "command": Order(
        id="o1", verb=Verb.UNLOCK, expires_at_ms=1, reply_topic="t", credential=b"\xd2"
    ),
    "answer": DeviceAnswer(id="o1", outcome=Outcome.DONE, seq=3),
    "event": DeviceEvent(seq=3, kind=EventKind.UNLOCKED, wall_ms=1),
    "online": Presence(online=True),
    "state-lock": LockState(bolt="locked", battery_pct=90, seq=3, generation=1, wall_ms=1),
    "state-thermostat": ThermostatState(
        set_point_c10=210, measured_c10=205, eco=False, heating=True, wall_ms=1
    ),
    "state-leak": LeakState(wet=False, wall_ms=1),
}


def test_the_committed_schemas_are_current() -> None:
    committed = {path.name: path.read_bytes() for path in FOLDER.glob("*.schema.json")}
    assert committed == schemas(), "run: python -m appliance.bus.schemas"


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_real_payload_passes_its_schema(name: str) -> None:
    schema = msgspec.json.decode(schemas()[f"{name}.schema.json"])
    jsonschema.validate(msgspec.json.decode(encode(EXAMPLES[name])), schema)
