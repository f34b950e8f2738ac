"""PINs and denials on their way to the locks: safe to repeat, repeated until a lock has them.

What is owed is read from the engine's own tables, so a restart forgets nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from appliance.bus.words import LockRefusal, LockState, Order, Outcome, Verb, answer_topic
from appliance.engines.doors.credentials import KeyFacts
from appliance.engines.doors.messages import NoteDelivery
from appliance.engines.doors.slots import NO_PIN
from appliance.engines.inventory.messages import LockProtocol
from appliance.kernel.clock import sleep
from appliance.kernel.deciding import Asking
from appliance.kernel.messages import Answer, Role, Who

if TYPE_CHECKING:
    from appliance.bus.fittings import Fittings
    from appliance.bus.requests import Orders, Told
    from appliance.engines.doors.credentials import Locksmith
    from appliance.engines.doors.denylists import Denylists
    from appliance.kernel.clock import Clock
    from appliance.kernel.reader import Reader
    from appliance.kernel.tasks import Nursery

logger = logging.getLogger(__name__)

# Less than we wait for its answer: an order we gave up can no longer undo a later one.
EXPIRES_MS: Final = 6_000
ANSWER_S_MAX: Final = 8.0
# Pauses between tries; a lock that comes back is served at once.
PAUSES_S: Final = (2.0, 5.0, 15.0, 60.0, 300.0)
# The signed list of a courier has a hundred (ble.md 2.9); what is left goes with the next order.
DENIED_MAX: Final = 100
# How long a door may not notice that its next key begins or ends sooner than it thought.
WATCH_S_MAX: Final = 60.0
_PASSING: Final = frozenset(
    {LockRefusal.BUSY, LockRefusal.NO_TIME, LockRefusal.EXPIRED, LockRefusal.NOT_YET}
)
_BOX: Final = Who(actor="box", role=Role.SERVICE)

# The newest living key of each slot; its PIN is good for as long as any key that shares the slot.
_PINS: Final = """
SELECT k.key_id, k.door_id, d.number, d.device_id, k.generation,
       (SELECT min(o.valid_from_s) FROM doors_key o WHERE o.door_id = k.door_id
        AND o.slot = k.slot AND o.revoked_at_ms IS NULL AND o.valid_until_s > ?2),
       (SELECT max(o.valid_until_s) FROM doors_key o WHERE o.door_id = k.door_id
        AND o.slot = k.slot AND o.revoked_at_ms IS NULL AND o.valid_until_s > ?2),
       k.cti, k.slot, k.pin_ref, d.fitting
FROM doors_key k JOIN doors_door d ON d.door_id = k.door_id
WHERE k.door_id = ?1 AND k.revoked_at_ms IS NULL AND k.valid_until_s > ?2 AND k.slot > 0
  AND NOT EXISTS (SELECT 1 FROM doors_key o WHERE o.door_id = k.door_id AND o.slot = k.slot
                  AND o.revoked_at_ms IS NULL AND o.valid_until_s > ?2 AND o.rowid > k.rowid)
  AND NOT EXISTS (SELECT 1 FROM doors_delivery y WHERE y.key_id = k.key_id
                  AND y.what = 'pin_put')
  AND (d.protocol IN ('bus', 'npk') OR EXISTS (
      SELECT 1 FROM doors_key o WHERE o.door_id = k.door_id AND o.slot = k.slot
      AND o.revoked_at_ms IS NULL AND o.valid_until_s > ?2 AND o.valid_from_s <= ?2))
ORDER BY k.rowid
"""
# A keypad behind a radio keeps no times: what lies in it opens. So its PINs come when their time
# begins (above) and go when it has ended, whether or not anybody revoked the key.
_STALE: Final = """
SELECT k.key_id, d.device_id, k.slot, d.fitting, k.door_id
FROM doors_key k JOIN doors_door d ON d.door_id = k.door_id
WHERE (k.door_id = ?1 OR ?1 = '') AND d.protocol NOT IN ('bus', 'npk') AND k.slot > 0
  AND k.valid_until_s <= ?2
  AND EXISTS (SELECT 1 FROM doors_delivery y WHERE y.key_id = k.key_id AND y.what = 'pin_put')
  AND NOT EXISTS (SELECT 1 FROM doors_delivery y WHERE y.key_id = k.key_id
                  AND y.what = 'pin_cleared')
  AND NOT EXISTS (SELECT 1 FROM doors_key o WHERE o.door_id = k.door_id AND o.slot = k.slot
                  AND o.revoked_at_ms IS NULL AND o.valid_until_s > ?2)
ORDER BY k.rowid
"""
_TURNS: Final = """
SELECT min(CASE WHEN k.valid_from_s > ?2 THEN k.valid_from_s ELSE k.valid_until_s END)
FROM doors_key k JOIN doors_door d ON d.door_id = k.door_id
WHERE k.door_id = ?1 AND d.protocol NOT IN ('bus', 'npk') AND k.slot > 0 AND k.valid_until_s > ?2
"""
_ENDED: Final = """
SELECT k.key_id, d.device_id, k.cti, k.slot,
       EXISTS (SELECT 1 FROM doors_key o WHERE o.door_id = k.door_id AND o.slot = k.slot
               AND o.revoked_at_ms IS NULL AND o.valid_until_s > ?2) AS slot_taken,
       CASE WHEN d.room_id IS NOT NULL AND k.holder_kind IN ('stay', 'lease') AND NOT EXISTS (
           SELECT 1 FROM doors_key o WHERE o.door_id = k.door_id AND o.revoked_at_ms IS NULL
           AND o.holder_kind IN ('stay', 'lease') AND o.generation <= k.generation)
       THEN k.generation + 1 END AS floor,
       EXISTS (SELECT 1 FROM doors_delivery y WHERE y.key_id = k.key_id
               AND y.what = 'pin_cleared') AS cleared,
       EXISTS (SELECT 1 FROM doors_delivery y WHERE y.key_id = k.key_id
               AND y.what = 'denied') AS denied,
       d.fitting
FROM doors_key k JOIN doors_door d ON d.door_id = k.door_id
WHERE k.door_id = ?1 AND k.revoked_at_ms IS NOT NULL AND (k.valid_until_s > ?2
  -- A lock that is new here learns where the generations stand, also where all has ended.
  OR (d.fitting > 0 AND k.key_id = (
      SELECT l.key_id FROM doors_key l WHERE l.door_id = k.door_id AND l.revoked_at_ms IS NOT NULL
      AND l.holder_kind IN ('stay', 'lease') ORDER BY l.generation DESC, l.rowid DESC LIMIT 1)))
ORDER BY k.rowid
"""


# The same columns for keys that opened every door.
_MASTERS: Final = """
SELECT m.master_id, d.device_id, m.cti, 0, 1, NULL, 1, 0, d.fitting
FROM doors_master m JOIN doors_door d ON d.door_id = ?1
WHERE m.revoked_at_ms IS NOT NULL AND m.valid_until_s > ?2 AND NOT EXISTS (
    SELECT 1 FROM doors_master_denied x WHERE x.master_id = m.master_id AND x.door_id = ?1)
ORDER BY m.rowid
"""
_OWED: Final = """
SELECT door_id FROM doors_key WHERE valid_until_s > ?1
UNION SELECT d.door_id FROM doors_door d JOIN doors_master m
  ON m.revoked_at_ms IS NOT NULL AND m.valid_until_s > ?1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    key_id: str
    device_id: str
    cti: str
    slot: int
    slot_taken: bool
    floor: int | None
    cleared: bool
    denied: bool
    fitting: int


class Deliveries:
    """One lane for each door that is owed something; a lock that is away delays no other."""

    def __init__(  # noqa: PLR0913 - given by name by the gateway
        self,
        *,
        orders: Orders,
        ask: Callable[[Asking], Awaitable[Answer]],
        reader: Reader,
        clock: Clock,
        nursery: Nursery,
        locksmith: Locksmith,
        fittings: Fittings[LockState],
        denylists: Denylists,
    ) -> None:
        self._denylists = denylists
        self._orders = orders
        self._ask = ask
        self._reader = reader
        self._clock = clock
        self._nursery = nursery
        self._locksmith = locksmith
        self._fittings = fittings
        self._lanes: dict[str, bool] = {}  # door -> whether something changed since it looked
        self._watched: set[str] = set()  # doors whose keypads need us as their clock

    def owe(self, door_id: str) -> None:
        """Something was cut or revoked at a door."""
        if door_id in self._lanes:
            self._lanes[door_id] = True
            return
        self._lanes[door_id] = True
        self._nursery.mortal(f"deliveries to {door_id}", self._serve(door_id))

    async def take_up(self) -> None:
        """Begin again after a start, at every door with keys that have not ended."""
        now_s = self._now_s()
        owed = [row[0] for row in await self._reader.rows(_OWED, (now_s,))]
        stale = [row[4] for row in await self._reader.rows(_STALE, ("", now_s))]
        for door_id in dict.fromkeys([*owed, *stale]):
            self.owe(door_id)

    @property
    def doors_served(self) -> int:
        """Doors whose locks are owed something right now."""
        return len(self._lanes)

    async def _serve(self, door_id: str) -> None:
        tries = 0
        try:
            while self._lanes[door_id]:
                self._lanes[door_id] = False
                device_id = await self._round(door_id)
                if device_id is None:
                    tries = 0
                    continue
                await self._fittings.heard_of(device_id, PAUSES_S[min(tries, len(PAUSES_S) - 1)])
                tries += 1
                self._lanes[door_id] = True
        finally:
            del self._lanes[door_id]
        if door_id not in self._watched:
            self._watched.add(door_id)
            self._nursery.mortal(f"times of {door_id}", self._watch(door_id))

    async def _watch(self, door_id: str) -> None:
        """Serve the door when a key of it begins or ends, where its keypad cannot tell."""
        try:
            while (turn_s := await self._next_turn(door_id)) is not None:
                await sleep(self._clock, min(WATCH_S_MAX, max(1.0, turn_s - self._now_s())))
                if self._now_s() >= turn_s:
                    self.owe(door_id)
        finally:
            self._watched.discard(door_id)

    async def _next_turn(self, door_id: str) -> int | None:
        now_s = self._now_s()
        if await self._reader.row(_STALE, (door_id, now_s)) is not None:
            # Left there while the clock was unsure.
            return now_s + int(WATCH_S_MAX)
        row = await self._reader.row(_TURNS, (door_id, now_s))
        return None if row is None or row[0] is None else int(row[0])

    async def _round(self, door_id: str) -> str | None:
        """Send what is owed; the device that must be asked again, or None when all is there."""
        # Denials first: whoever has left must not wait for somebody's PIN.
        away = await self._end(door_id)
        if away is None:
            away = await self._clear_stale(door_id)
        if away is not None:
            return away
        for row in await self._reader.rows(_PINS, (door_id, self._now_s())):
            key = KeyFacts(
                key_id=row[0],
                door_id=row[1],
                door_number=row[2],
                device_id=row[3],
                generation=row[4],
                valid_from_s=row[5],
                valid_until_s=row[6],
                cti=row[7],
                slot=row[8],
                pin_ref=row[9],
            )
            told = await self._send(
                key.device_id,
                key.key_id,
                Verb.PUT_PIN,
                slot=key.slot,
                pin_sealed=self._locksmith.sealed_pin(key),
                valid_from_s=key.valid_from_s,
                valid_until_s=key.valid_until_s,
                generation=key.generation,
            )
            if not await self._note(told, door_id, [key.key_id], "pin_put", row[10]):
                if told.answer is None or told.answer.refusal is not LockRefusal.NOT_YET:
                    return key.device_id
                away = key.device_id  # nobody else's PIN waits for one whose time has not come
        return away

    async def _clear_stale(self, door_id: str) -> str | None:
        now = self._clock.read()
        if not now.sure:
            return None  # a clock that runs ahead must not take a guest's PIN away
        for key_id, device_id, slot, fitting, _ in await self._reader.rows(
            _STALE, (door_id, now.wall_s)
        ):
            told = await self._send(device_id, key_id, Verb.CLEAR_PIN, slot=slot)
            if not await self._note(told, door_id, [key_id], "pin_cleared", fitting):
                return str(device_id)
        return None

    async def _end(self, door_id: str) -> str | None:
        now_s = self._now_s()
        masters = await self._reader.rows(_MASTERS, (door_id, now_s))
        rows = await self._reader.rows(_ENDED, (door_id, now_s))
        ended = [_ended(row) for row in (*masters, *rows)]
        owed = [key for key in ended if not key.denied][:DENIED_MAX]
        if owed:
            device_id = owed[0].device_id
            floors = [key.floor for key in owed if key.floor is not None]
            told = await self._send(
                device_id,
                owed[0].key_id,
                Verb.DENY,
                denied=tuple(bytes.fromhex(key.cti) for key in owed),
                generation=max(floors, default=None),
                denylist=await self._signed_list(door_id),
            )
            ids = [key.key_id for key in owed]
            if not await self._note(told, door_id, ids, "denied", owed[0].fitting):
                return device_id
        for key in ended:
            # A slot that somebody else has by now is not ours to clear: their PIN is in it.
            if key.cleared or key.slot_taken or key.slot == NO_PIN:
                continue
            told = await self._send(key.device_id, key.key_id, Verb.CLEAR_PIN, slot=key.slot)
            if not await self._note(told, door_id, [key.key_id], "pin_cleared", key.fitting):
                return key.device_id
        return None

    async def _signed_list(self, door_id: str) -> bytes | None:
        """For a lock that verifies it by itself, whoever else may bring it."""
        row = await self._reader.row(
            "SELECT protocol FROM doors_door WHERE door_id = ?", (door_id,)
        )
        return await self._denylists.current() if row == (LockProtocol.NPK.value,) else None

    async def _send(self, device_id: str, key_id: str, verb: Verb, **fields: object) -> Told:
        now_ms = self._clock.read().wall_ms
        order = Order(
            # Another try is another id: the lock would answer a known one with its first answer.
            id=f"{key_id}.{verb}.{now_ms}",
            verb=verb,
            expires_at_ms=now_ms + EXPIRES_MS,
            reply_topic=answer_topic(device_id),
            **fields,  # type: ignore[arg-type]
        )
        return await self._orders.order(device_id, order, answer_s_max=ANSWER_S_MAX)

    async def _note(
        self, told: Told, door_id: str, key_ids: list[str], what: str, fitting: int
    ) -> bool:
        """Write a lock's word down; False where it said none that counts."""
        passing = told.answer is not None and told.answer.refusal in _PASSING
        if told.outcome not in {Outcome.DONE, Outcome.REFUSED} or passing:
            return False
        if told.outcome is Outcome.REFUSED:
            logger.error("the lock of %s refuses %s", door_id, what)
        for key_id in key_ids:
            command = NoteDelivery(
                door_id=door_id, key_id=key_id, what=what, outcome=told.outcome, fitting=fitting
            )
            # Another lock is another delivery of the same key.
            command_id = f"delivery:{key_id}:{what}" + (f":{fitting}" if fitting else "")
            if key_id.startswith("master"):
                command_id += f":{door_id}"  # the same key is denied at every door
            await self._ask(Asking(command=command, command_id=command_id, who=_BOX))
        return True

    def _now_s(self) -> int:
        return self._clock.read().wall_s


def _ended(row: tuple[object, ...]) -> _Ended:
    key_id, device_id, cti, slot, slot_taken, floor, cleared, denied, fitting = row
    return _Ended(
        key_id=str(key_id),
        device_id=str(device_id),
        cti=str(cti),
        slot=int(str(slot)),
        slot_taken=bool(slot_taken),
        floor=None if floor is None else int(str(floor)),
        cleared=bool(cleared),
        denied=bool(denied),
        fitting=int(str(fitting)),
    )
