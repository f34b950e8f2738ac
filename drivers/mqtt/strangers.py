"""JSON from strangers: bounded in size and depth, never raising."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

# 256 KiB: the largest packet of the bus; Zigbee2MQTT's list of devices comes close to it.
PAYLOAD_BYTES_MAX: Final = 262_144
# One thing's word is below 2 kB in every dialect's documents.
THING_BYTES_MAX: Final = 16_384
# The deepest documented payload (bridge/devices, exposes of features) is 9 deep.
DEPTH_MAX: Final = 24

Json = Any


def read(payload: bytes, *, bytes_max: int = THING_BYTES_MAX) -> Json | None:
    """What the bytes say; None where they are too large, too deep, or not JSON.

    NaN and infinities are not JSON. JSON's own `null` is None as well: it says nothing either.
    """
    if len(payload) > bytes_max or payload.count(b"[") + payload.count(b"{") > bytes_max // 2:
        return None
    try:
        found = msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return found if _depth(found) <= DEPTH_MAX else None


def mapping(payload: bytes, *, bytes_max: int = THING_BYTES_MAX) -> Mapping[str, Json] | None:
    """One JSON object; None for anything else."""
    found = read(payload, bytes_max=bytes_max)
    return found if isinstance(found, dict) else None


def word(payload: bytes, *, bytes_max: int = 256) -> str | None:
    """A short text as bare bytes; None where it is longer, or no UTF-8."""
    if len(payload) > bytes_max:
        return None
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return None


def at(found: Json, *path: str) -> Json | None:
    """What lies at a path of keys; None where any of them is missing."""
    for key in path:
        if not isinstance(found, dict):
            return None
        found = found.get(key)
    return found


def _depth(found: Json) -> int:
    deepest, level = 0, [found]
    while level and deepest <= DEPTH_MAX:
        deepest += 1
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
    return deepest
