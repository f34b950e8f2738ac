"""A Nuki bridge with its locks, as its published HTTP API 1.13 has it, and what goes wrong there.

Every run of a motor is one entry `bolt` in the journal, whatever was answered.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import msgspec

from appliance.kernel.clock import sleep
from twin.bolt import JAMMED, LOCKED, UNLOCKED
from twin.http.answers import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from appliance.kernel.clock import Clock
    from appliance.kernel.tasks import Nursery
    from twin.journal import Journal

# What a motor takes for the whole way, and the bridge for its Bluetooth connection.
MOTOR_S: Final = 1.5
RADIO_S: Final = 0.8
# The document: three addresses at most.
CALLBACKS_MAX: Final = 3
# How far off a hashed token's time may be.
SKEW_S_MAX: Final = 60

STATES: Final = {LOCKED: 1, UNLOCKED: 3, JAMMED: 254}
_NAMES: Final = {1: "locked", 3: "unlocked", 254: "motor blocked"}


class NukiFault(StrEnum):
    """What can go wrong with one lockAction."""

    DROP_REQUEST = "drop_request"  # the line drops and nothing was done
    DROP_ANSWER = "drop_answer"  # it is done and the line drops
    CUT_BODY = "cut_body"  # it is done and half of the answer comes
    SILENT_DONE = "silent_done"  # it is done and no word comes
    SILENT = "silent"  # nothing is done and no word comes
    LATE = "late"  # nothing for long, then it is done after all; no word comes
    SLOW = "slow"  # it is done and said after the asker's patience
    ERROR = "error"  # 500, nothing done
    ERROR_DONE = "error_done"  # 500 although it is done
    BUSY = "busy"  # 503, nothing done
    BUSY_DONE = "busy_done"  # 503 after the motor has run
    GARBAGE = "garbage"  # 200 with something else in it, nothing done
    GARBAGE_DONE = "garbage_done"
    HUGE_DONE = "huge_done"  # a body without end
    REDIRECT = "redirect"  # 302 to the same action elsewhere
    UNAUTHORISED = "unauthorised"  # 401
    JAM = "jam"  # success false, the motor is blocked
    LIE = "lie"  # success is said before the motor has moved; it moves
    REFUSE = "refuse"  # the port is closed


@dataclass(slots=True)
class NukiLockTwin:
    """One lock behind the bridge. `relock_s` None: it stays open, as Nuki's own default."""

    name: str
    nuki_id: int
    device_type: int = 0
    position: str = LOCKED
    relock_s: float | None = None
    battery_pct: int = 80
    battery_critical: bool = False
    keypad_critical: bool = False
    door: int = 2  # closed
    stamp_ms: int = 0


class NukiBridgeTwin:
    """Answers as the bridge does; `faults` are taken one for each lockAction."""

    def __init__(
        self,
        token: str,
        locks: list[NukiLockTwin],
        *,
        clock: Clock,
        nursery: Nursery,
        journal: Journal,
    ) -> None:
        self._token = token
        self.locks = {lock.nuki_id: lock for lock in locks}
        self._clock = clock
        self._nursery = nursery
        self._journal = journal
        self.faults: list[NukiFault] = []
        self.faults_of: dict[int, list[NukiFault]] = {}  # the same, for one lock
        self.patience_s = 8.0  # longer than whoever asks
        self.callbacks: list[str] = []
        self.call: Callable[[str, bytes], Awaitable[None]] | None = None
        self.actions = 0  # lockActions that were read, whatever became of them
        self._used: set[tuple[str, str]] = set()
        for lock in locks:
            lock.stamp_ms = clock.read().wall_ms

    async def handle(self, request: Request) -> Answer:  # noqa: PLR0911 - one line per path
        """One request."""
        if not self._proven(request.query):
            return Answer(status=401)
        match request.path:
            case "/list":
                return _json([self._entry(lock) for lock in self.locks.values()])
            case "/lockState":
                return await self._lock_state(request.query)
            case "/lockAction":
                return await self._lock_action(request.query)
            case "/callback/add":
                return self._add_callback(request.query)
            case "/callback/list":
                entries = [{"id": n, "url": url} for n, url in enumerate(self.callbacks)]
                return _json({"callbacks": entries})
            case "/info":
                return _json(
                    {"bridgeType": 1, "currentTime": self._stamp(self._clock.read().wall_ms)}
                )
            case _:
                return Answer(status=404)

    def turn_by_hand(self, nuki_id: int, to: str) -> None:
        """Somebody turns the knob."""
        self._move(self.locks[nuki_id], to, via="hand")

    def _lock(self, query: Mapping[str, str]) -> NukiLockTwin | None:
        found = query.get("nukiId", "")
        lock = self.locks.get(int(found)) if found.isdigit() else None
        return (
            lock if lock is None or query.get("deviceType", "0") == str(lock.device_type) else None
        )

    async def _lock_state(self, query: Mapping[str, str]) -> Answer:
        lock = self._lock(query)
        if lock is None:
            return Answer(status=404)
        await sleep(self._clock, RADIO_S)
        return _json({**self._said(lock), "success": True})

    async def _lock_action(self, query: Mapping[str, str]) -> Answer:
        self.actions += 1
        lock = self._lock(query)
        if lock is None:
            return Answer(status=404)
        to = {"1": UNLOCKED, "3": UNLOCKED, "2": LOCKED}.get(query.get("action", ""))
        if to is None:
            return Answer(status=400)
        own = self.faults_of.get(lock.nuki_id)
        waiting = own or self.faults
        fault = waiting.pop(0) if waiting else None
        if fault is not None:
            self._journal.note("fault", device=lock.name, faults=[fault])
        return await self._suffer(lock, to, fault)

    async def _suffer(self, lock: NukiLockTwin, to: str, fault: NukiFault | None) -> Answer:  # noqa: PLR0911 - one line per fault
        done = _json({"success": True, "batteryCritical": lock.battery_critical})
        if fault in _UNDONE:
            return _UNDONE[fault]
        if fault is NukiFault.LATE:
            self._nursery.mortal("late", self._after(self.patience_s, lock, to))
            return Answer(silent=True)
        if fault is NukiFault.LIE:
            self._nursery.mortal("lie", self._after(MOTOR_S, lock, to))
            return done
        await sleep(self._clock, RADIO_S + MOTOR_S)
        if fault is NukiFault.JAM:
            self._move(lock, JAMMED, via="bridge")
            return _json({"success": False, "batteryCritical": False})
        self._move(lock, to, via="bridge")
        if fault is NukiFault.SLOW:
            return done.later(self.patience_s)
        if fault is NukiFault.CUT_BODY:
            return Answer(body=done.body, cut=True)
        return _DONE.get(fault, done)

    async def _after(self, seconds: float, lock: NukiLockTwin, to: str) -> None:
        await sleep(self._clock, seconds)
        self._move(lock, to, via="bridge")

    def _move(self, lock: NukiLockTwin, to: str, *, via: str) -> None:
        lock.stamp_ms = self._clock.read().wall_ms
        if to == JAMMED:
            lock.position = JAMMED
            self._journal.note("jam", device=lock.name, via=via)
            return
        # The motor of a Nuki runs whether or not the bolt is there already.
        self._journal.note("bolt", device=lock.name, to=to, via=via)
        lock.position = to
        if to == UNLOCKED and lock.relock_s is not None:
            self._nursery.mortal("relock", self._relock(lock, lock.relock_s))
        self._tell(lock)

    async def _relock(self, lock: NukiLockTwin, seconds: float) -> None:
        await sleep(self._clock, seconds)
        if lock.position == UNLOCKED:
            self._move(lock, LOCKED, via="timer")

    def _tell(self, lock: NukiLockTwin) -> None:
        if self.call is not None:
            body = msgspec.json.encode(
                {"nukiId": lock.nuki_id, "deviceType": lock.device_type, **self._said(lock)}
            )
            for url in self.callbacks:
                self._nursery.mortal("callback", self._called(url, body))

    async def _called(self, url: str, body: bytes) -> None:
        assert self.call is not None
        await self.call(url, body)

    def _add_callback(self, query: Mapping[str, str]) -> Answer:
        url = query.get("url", "")
        if not url.startswith("http://") or len(url) > 254:
            return _json({"success": False, "message": "url invalid"})
        if len(self.callbacks) >= CALLBACKS_MAX:
            return _json({"success": False, "message": "too many callbacks registered"})
        self.callbacks.append(url)
        return _json({"success": True})

    def _entry(self, lock: NukiLockTwin) -> dict[str, Any]:
        stamp = self._stamp(lock.stamp_ms)
        return {
            "deviceType": lock.device_type,
            "nukiId": lock.nuki_id,
            "name": lock.name,
            "firmwareVersion": "2.8.15",
            "lastKnownState": {**self._said(lock), "timestamp": stamp},
        }

    def _said(self, lock: NukiLockTwin) -> dict[str, Any]:
        state = STATES[lock.position]
        return {
            "mode": 2,
            "state": state,
            "stateName": _NAMES[state],
            "batteryCritical": lock.battery_critical,
            "batteryCharging": False,
            "batteryChargePercent": lock.battery_pct,
            "keypadBatteryCritical": lock.keypad_critical,
            "doorsensorState": lock.door,
        }

    def _proven(self, query: Mapping[str, str]) -> bool:
        if "token" in query:
            return hmac.compare_digest(query["token"], self._token)
        stamp, number = query.get("ts", ""), query.get("rnr", "")
        made = hashlib.sha256(f"{stamp},{number},{self._token}".encode()).hexdigest()
        if not hmac.compare_digest(made, query.get("hash", "")) or (stamp, number) in self._used:
            return False
        try:
            said_s = datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
        except ValueError:
            return False
        self._used.add((stamp, number))
        return abs(said_s - self._clock.read().wall_s) <= SKEW_S_MAX

    def _stamp(self, wall_ms: int) -> str:
        return datetime.fromtimestamp(wall_ms / 1000, UTC).isoformat(timespec="milliseconds")


def _json(found: Any) -> Answer:
    return Answer(body=msgspec.json.encode(found), headers={"Content-Type": "application/json"})


# What is answered although the motor has run.
_DONE: Final[Mapping[NukiFault | None, Answer]] = {
    NukiFault.DROP_ANSWER: Answer(reset=True),
    NukiFault.SILENT_DONE: Answer(silent=True),
    NukiFault.ERROR_DONE: Answer(status=500),
    NukiFault.BUSY_DONE: Answer(status=503),
    NukiFault.GARBAGE_DONE: Answer(body=b'{"success": "maybe"'),
    NukiFault.HUGE_DONE: Answer(body=b" " * 1_000_000),
}
_UNDONE: Final[Mapping[NukiFault | None, Answer]] = {
    NukiFault.DROP_REQUEST: Answer(reset=True),
    NukiFault.SILENT: Answer(silent=True),
    NukiFault.ERROR: Answer(status=500),
    NukiFault.BUSY: Answer(status=503),
    NukiFault.GARBAGE: Answer(body=b"<html>busy</html>"),
    NukiFault.REDIRECT: Answer(status=302, headers={"Location": "/lockAction?action=1"}),
    NukiFault.UNAUTHORISED: Answer(status=401),
}
