"""The Nuki Bridge's published local HTTP API 1.13 (https://developer.nuki.io), its bytes: pure."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from drivers.facts import (
    BATTERY_CRITICAL_PCT,
    JAMMED,
    LOCKED,
    UNLOCKED,
    Facts,
    percent,
    yes_no,
)
from drivers.http.wire import Ask

if TYPE_CHECKING:
    from collections.abc import Mapping

# Lock actions of section 4.4.
UNLOCK: Final = 1
LOCK: Final = 2
UNLATCH: Final = 3
# Lock states of section 4.3. While the motor runs (2, 4, 7) nothing is known yet.
MOVING: Final = frozenset({2, 4, 7})
MOTOR_BLOCKED: Final = 254
_BOLTS: Final = {1: LOCKED, 3: UNLOCKED, 5: UNLOCKED, 6: UNLOCKED, MOTOR_BLOCKED: JAMMED}
# The opener (device type 2): its strike is at rest (1) or held open (5); ring-to-open (3) is armed.
_OPENER_BOLTS: Final = {1: LOCKED, 3: LOCKED, 5: UNLOCKED}
OPENER: Final = 2
_DOORS: Final = {2: False, 3: True}
# A bridge has 20 devices at most in Nuki's own words.
DEVICES_MAX: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class LockWord:
    """What the bridge says of one lock. `stamp` is when it heard that, in the bridge's words."""

    nuki_id: int
    state: int
    facts: Facts
    stamp: str = ""

    @property
    def moving(self) -> bool:
        """Whether the motor runs."""
        return self.state in MOVING


def hashed(token: str, wall_s: int) -> dict[str, str]:
    """A proof that one knows the token, good once: `hash` over time, a number and the token."""
    stamp = datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return proof(token, stamp, secrets.randbelow(65_536))


def proof(token: str, stamp: str, number: int) -> dict[str, str]:
    """The same for a given time and number, as in the document's example."""
    made = hashlib.sha256(f"{stamp},{number},{token}".encode()).hexdigest()
    return {"ts": stamp, "rnr": str(number), "hash": made}


def listing(auth: Mapping[str, str]) -> Ask:
    """All locks, from the bridge's memory: it wakes none of them."""
    return Ask(method="GET", path="/list", query=auth)


def lock_state(nuki_id: int, device_type: int, auth: Mapping[str, str]) -> Ask:
    """One lock, asked over the air: it costs cells, so only where an end is unknown."""
    which = {"nukiId": str(nuki_id), "deviceType": str(device_type)}
    return Ask(method="GET", path="/lockState", query={**which, **auth})


def lock_action(nuki_id: int, device_type: int, action: int, auth: Mapping[str, str]) -> Ask:
    """Move the bolt. A GET that is not idempotent: it must leave once."""
    which = {"nukiId": str(nuki_id), "deviceType": str(device_type)}
    query = {**which, "action": str(action), "noWait": "0", **auth}
    return Ask(method="GET", path="/lockAction", query=query)


def add_callback(url: str, auth: Mapping[str, str]) -> Ask:
    """Have the bridge call when a lock has changed; it holds three addresses."""
    return Ask(method="GET", path="/callback/add", query={"url": url, **auth})


def callbacks(auth: Mapping[str, str]) -> Ask:
    """Which addresses it calls."""
    return Ask(method="GET", path="/callback/list", query=auth)


def read_success(body: bytes) -> bool | None:
    """`success` of an action; None where the body says neither."""
    found = _object(body)
    return None if found is None else yes_no(found.get("success"), yes=True, no=False)


def read_list(body: bytes) -> list[LockWord] | None:
    """What /list says; entries that cannot be read are left out; None where it is no list."""
    found = _json(body)
    if not isinstance(found, list):
        return None
    words = (_word(entry) for entry in found[:DEVICES_MAX])
    return [word for word in words if word is not None]


def read_state(body: bytes, nuki_id: int, device_type: int) -> LockWord | None:
    """What /lockState says of one lock; None where it could not be asked."""
    found = _object(body)
    if found is None or found.get("success") is not True:
        return None
    return _word({"nukiId": nuki_id, "deviceType": device_type, "lastKnownState": found})


def read_callbacks(body: bytes) -> list[str] | None:
    """The addresses of /callback/list."""
    found = _object(body)
    entries = None if found is None else found.get("callbacks")
    if not isinstance(entries, list):
        return None
    return [entry["url"] for entry in entries[:8] if _is_url(entry)]


def _is_url(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("url"), str)


def _word(entry: Any) -> LockWord | None:
    if not isinstance(entry, dict):
        return None
    nuki_id, device_type = entry.get("nukiId"), entry.get("deviceType", 0)
    said = entry.get("lastKnownState")
    if not isinstance(nuki_id, int) or isinstance(nuki_id, bool) or not isinstance(said, dict):
        return None
    state = said.get("state")
    if not isinstance(state, int) or isinstance(state, bool):
        return None
    bolts = _OPENER_BOLTS if device_type == OPENER else _BOLTS
    firmware, stamp = entry.get("firmwareVersion"), said.get("timestamp")
    return LockWord(
        nuki_id=nuki_id,
        state=state,
        facts=Facts(
            bolt=bolts.get(state),
            ajar=_DOORS.get(door) if isinstance(door := said.get("doorsensorState"), int) else None,
            battery_pct=_battery(said),
            firmware=firmware[:32] if isinstance(firmware, str) else None,
        ),
        stamp=stamp[:40] if isinstance(stamp, str) else "",
    )


def _battery(said: Mapping[str, Any]) -> int | None:
    """A keypad that dies shuts the guest out as well as a lock that does."""
    critical = said.get("batteryCritical") is True or said.get("keypadBatteryCritical") is True
    if critical:
        return BATTERY_CRITICAL_PCT
    if "batteryChargePercent" in said:
        return percent(said.get("batteryChargePercent"))
    # Older locks say only that they are not critical.
    return 100 if said.get("batteryCritical") is False else None


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _object(body: bytes) -> dict[str, Any] | None:
    found = _json(body)
    return found if isinstance(found, dict) else None
