"""A Zigbee2MQTT with locks behind it: the topics and words that a driver meets, and their troubles.

The real one is started from npm by the slow tests (`tests/support/zigbee2mqtt.py`); this one lives
in the loop, on virtual time, and counts every run of a motor in the journal.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import msgspec

from appliance.kernel.clock import sleep
from twin.bolt import LOCKED, UNLOCKED

if TYPE_CHECKING:
    from appliance.bus.port import Bus, Message
    from appliance.kernel.clock import Clock
    from appliance.kernel.tasks import Nursery
    from twin.journal import Journal

BASE: Final = "zigbee2mqtt"
MOTOR_S: Final = 0.4
LATE_S: Final = 12.0
_STATES: Final = {LOCKED: ("LOCK", "locked"), UNLOCKED: ("UNLOCK", "unlocked")}


class GatewayFault(StrEnum):
    """What can become of one command."""

    LOST = "lost"  # the lock never hears it
    QUIET = "quiet"  # the bolt moves and no word of it comes
    REPORT_ONLY = "report_only"  # its state is reported, the operation event is lost
    EVENT_TWICE = "event_twice"
    LATE = "late"  # it moves after the asker's patience, and is reported
    LATE_QUIET = "late_quiet"
    MEMORY = "memory"  # not heard; the gateway says its memory again, with a new battery value
    KEYPAD = "keypad"  # not heard; somebody opens by a code in the same second
    STALE = "stale"  # not heard; a retained word of long ago is said again
    RESTART = "restart"  # the gateway dies with it in its hands, and comes back
    NONSENSE = "nonsense"  # not heard; bytes that are no word


@dataclass(slots=True)
class Z2mLock:
    """One lock. `relock_s` None: it stays open; `tells_relock`: whether the relock is reported."""

    name: str
    position: str = LOCKED
    relock_s: float | None = 5.0
    tells_relock: bool = True
    battery: int = 80


class Zigbee2MqttTwin:
    """The gateway on a bus."""

    def __init__(
        self, locks: list[Z2mLock], *, bus: Bus, clock: Clock, nursery: Nursery, journal: Journal
    ) -> None:
        self.locks = {lock.name: lock for lock in locks}
        self._bus = bus
        self._clock = clock
        self._nursery = nursery
        self._journal = journal
        self.faults: dict[str, GatewayFault] = {}
        self.refused: list[Any] = []  # commands in a form that would have been sent twice

    async def start(self) -> None:
        """Listen, and be online."""
        await self._bus.subscribe(f"{BASE}/#", self._heard)
        await self._appear()

    async def _appear(self) -> None:
        await self._say("bridge/state", {"state": "online"}, retain=True)
        for lock in self.locks.values():
            await self._say(f"{lock.name}/availability", {"state": "online"}, retain=True)

    async def turn(self, name: str, to: str, *, action: str, source: str) -> None:
        """Somebody at the lock moves the bolt."""
        self._move(self.locks[name], to, via=source)
        await self._tell(self.locks[name], action=action, source=source)

    async def _heard(self, message: Message) -> None:
        name, _, what = message.topic.removeprefix(f"{BASE}/").rpartition("/")
        lock = self.locks.get(name)
        if lock is None:
            return
        if what == "get":
            await self._tell(lock)
        elif what == "set":
            self._nursery.mortal("command", self._command(lock, message.payload))

    async def _command(self, lock: Z2mLock, payload: bytes) -> None:
        said = msgspec.json.decode(payload)
        command = said.get("zclcommand", {})
        if command.get("options") != {"disableRecovery": True}:
            self.refused.append(said)
            return
        to = {"unlockDoor": UNLOCKED, "lockDoor": LOCKED}[command["command"]]
        fault = self.faults.pop(lock.name, None)
        if fault in _UNHEARD:
            await self._instead(lock, fault)
            return
        await sleep(self._clock, LATE_S if fault in _LATE else MOTOR_S)
        self._move(lock, to, via="rf")
        if fault in {GatewayFault.QUIET, GatewayFault.LATE_QUIET}:
            return
        if fault is not GatewayFault.REPORT_ONLY:
            action = "unlock" if to == UNLOCKED else "lock"
            for _ in range(2 if fault is GatewayFault.EVENT_TWICE else 1):
                await self._tell(lock, action=action, source="rf")
        await self._tell(lock)

    async def _instead(self, lock: Z2mLock, fault: GatewayFault | None) -> None:
        match fault:
            case GatewayFault.MEMORY:
                lock.battery -= 1
                await self._tell(lock)
            case GatewayFault.KEYPAD:
                await self.turn(lock.name, UNLOCKED, action="unlock", source="keypad")
            case GatewayFault.STALE:
                old = {"state": "UNLOCK", "action": "unlock", "action_source_name": "rf"}
                await self._say(f"{lock.name}/availability", {"state": "online"}, retain=True)
                await self._bus.publish(f"{BASE}/elsewhere", msgspec.json.encode(old), retain=True)
            case GatewayFault.RESTART:
                await self._say("bridge/state", {"state": "offline"}, retain=True)
                await sleep(self._clock, 2.0)
                await self._appear()
                await self._tell(lock)
            case GatewayFault.NONSENSE:
                await self._bus.publish(f"{BASE}/{lock.name}", b'{"state": NaN', qos=0)
            case _:
                pass

    def _move(self, lock: Z2mLock, to: str, *, via: str) -> None:
        self._journal.note("bolt", device=lock.name, to=to, via=via)
        lock.position = to
        if to == UNLOCKED and lock.relock_s is not None:
            self._nursery.mortal("relock", self._relock(lock, lock.relock_s))

    async def _relock(self, lock: Z2mLock, seconds: float) -> None:
        await sleep(self._clock, seconds)
        if lock.position == UNLOCKED:
            self._move(lock, LOCKED, via="timer")
            if lock.tells_relock:
                await self._tell(lock, action="auto_lock", source="manual")

    async def _tell(self, lock: Z2mLock, *, action: str = "", source: str = "") -> None:
        state, lock_state = _STATES[lock.position]
        said: dict[str, Any] = {"state": state, "lock_state": lock_state, "battery": lock.battery}
        if action:
            said |= {"action": action, "action_source_name": source, "action_user": None}
        await self._say(lock.name, said)

    async def _say(self, topic: str, what: object, *, retain: bool = False) -> None:
        await self._bus.publish(f"{BASE}/{topic}", msgspec.json.encode(what), qos=0, retain=retain)


_LATE: Final = frozenset({GatewayFault.LATE, GatewayFault.LATE_QUIET})
_UNHEARD: Final = frozenset(
    {
        GatewayFault.LOST,
        GatewayFault.MEMORY,
        GatewayFault.KEYPAD,
        GatewayFault.STALE,
        GatewayFault.RESTART,
        GatewayFault.NONSENSE,
    }
)
