"""What doors do by the clock: keys prepared for who is expected, doors that may not open for them.

It reads the tables, asks the rules, and keeps nothing itself: after a restart the next round finds
what is left to do. A question that was answered already changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from appliance.bus.words import LockState, Outcome
from appliance.engines.doors.ahead import AHEAD_S_MAX
from appliance.engines.doors.messages import (
    ClearKeyRisk,
    CutKey,
    DeliveryNoted,
    HolderKind,
    KeyReason,
    KeyRevoked,
    NoteKeyRisk,
    PrepareKey,
    Risk,
)
from appliance.engines.doors.windows import arrival_start_s
from appliance.engines.inventory.messages import DoorFitted
from appliance.engines.stays.messages import CheckInUndone, Reinstated, RoomAssigned
from appliance.kernel.clock import sleep, within
from appliance.kernel.deciding import Asking
from appliance.kernel.messages import Command, Role, Who

if TYPE_CHECKING:
    from appliance.bus.fittings import Fittings
    from appliance.kernel.ask import Asker
    from appliance.kernel.clock import Clock
    from appliance.kernel.engine import Recorded
    from appliance.kernel.reader import Reader

logger = logging.getLogger(__name__)

# Ten minutes: a day before an arrival nobody waits for less.
PAUSE_S: Final = 600.0
# A room list that is worked through gives a bell for each line; they are answered together.
SETTLE_S: Final = 5.0
# DESIGN section 8: whatever is wrong is said a day before, not at the door.
RISK_S: Final = 24 * 3_600
# A lock behind a radio is asked every few minutes; an hour of silence is no accident.
HEARD_MS_MAX: Final = 3_600_000
# A month: time enough for a lock that is away.
RENEW_S: Final = 30 * 86_400
# Arrivals of a full house of 500 rooms in three days.
EXPECTED_MAX: Final = 2_000
_BOX: Final = Who(actor="box", role=Role.SERVICE)
_BELLS: Final = (RoomAssigned, Reinstated, CheckInUndone, KeyRevoked, DeliveryNoted, DoorFitted)

_EXPECTED: Final = """
SELECT h.holder_id, d.door_id, d.device_id, h.arrival, k.key_id,
       (SELECT y.outcome FROM doors_delivery y JOIN doors_key o ON o.key_id = y.key_id
        WHERE y.what = 'pin_put' AND o.door_id = k.door_id AND o.pin_ref = k.pin_ref
        ORDER BY y.at_ms DESC LIMIT 1)
FROM doors_holder h JOIN doors_door d ON d.room_id = h.room_id
LEFT JOIN doors_key k ON k.door_id = d.door_id AND k.holder_kind = 'stay'
  AND k.holder_id = h.holder_id AND k.revoked_at_ms IS NULL
  AND NOT EXISTS (SELECT 1 FROM doors_key l WHERE l.door_id = k.door_id AND l.rowid > k.rowid
                  AND l.holder_kind = 'stay' AND l.holder_id = k.holder_id
                  AND l.revoked_at_ms IS NULL)
WHERE h.kind = 'stay' AND h.state = 'confirmed' AND h.arrival <= ?1 AND h.departure >= ?2
ORDER BY h.arrival, d.door_id LIMIT ?3
"""
# Keys of a home that end although the lease goes on: signed for a year, or on an unsure clock.
_ENDING: Final = """
SELECT k.holder_id, k.door_id FROM doors_key k
JOIN doors_holder h ON h.kind = 'lease' AND h.holder_id = k.holder_id
JOIN doors_door d ON d.door_id = k.door_id
WHERE k.holder_kind = 'lease' AND k.revoked_at_ms IS NULL AND h.state = 'active'
  AND (d.room_id IS NULL OR d.room_id = h.room_id)
GROUP BY k.holder_id, k.door_id
HAVING max(k.valid_until_s) < ?1 AND h.departure > date(max(k.valid_until_s), 'unixepoch')
ORDER BY k.holder_id, k.door_id LIMIT ?2
"""
# Cut for some hours while nobody knew the time, and nothing better since.
_UNSURE: Final = """
SELECT DISTINCT k.holder_id, k.door_id FROM doors_key k
JOIN doors_holder h ON h.kind = k.holder_kind AND h.holder_id = k.holder_id
JOIN doors_door d ON d.door_id = k.door_id
WHERE k.holder_kind = 'stay' AND k.clock_unsure = 1 AND k.revoked_at_ms IS NULL
  AND h.state = 'in_house' AND (d.room_id IS NULL OR d.room_id = h.room_id) AND NOT EXISTS (
      SELECT 1 FROM doors_key l WHERE l.door_id = k.door_id AND l.holder_kind = k.holder_kind
      AND l.holder_id = k.holder_id AND l.clock_unsure = 0 AND l.rowid > k.rowid)
ORDER BY k.rowid LIMIT ?1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrival:
    stay_id: str
    door_id: str
    device_id: str
    arrival: date
    key_id: str | None
    delivered: Outcome | None


class Rounds:
    """Goes round every ten minutes, and soon after something has changed."""

    def __init__(
        self, *, asker: Asker, reader: Reader, clock: Clock, fittings: Fittings[LockState]
    ) -> None:
        self._asker = asker
        self._reader = reader
        self._clock = clock
        self._fittings = fittings
        self._bell: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """Go round until the box stops."""
        self._asker.listen(self._notice)
        while True:
            self._bell = asyncio.get_running_loop().create_future()
            try:
                await self.go_round()
            except Exception:
                # The next round begins anew; what one arrival broke must not cost the others.
                logger.exception("a round of the doors broke off")
            try:
                await within(self._clock, PAUSE_S, self._bell)
            except TimeoutError:
                continue
            await sleep(self._clock, SETTLE_S)

    async def go_round(self) -> None:
        """Once: prepare, look after each door, and make good what an unsure clock cut short."""
        now = self._clock.read()
        row = await self._reader.row("SELECT time_zone, check_in_from FROM doors_house")
        if row is None or not now.sure:
            return
        house = (str(row[0]), str(row[1]))
        await self._make_good(now.wall_s)
        await self._renew(now.wall_s)
        # Two calendar days more than the hours say: whatever the zone, the rules know better.
        today = datetime.fromtimestamp(now.wall_s, UTC).date()
        until = today + timedelta(days=2 + AHEAD_S_MAX // 86_400)
        found = await self._expected(until, today - timedelta(days=1))
        owed = [each for each in found if each.key_id is None]
        for each in owed:
            if _starts_s(each, house) - AHEAD_S_MAX <= now.wall_s:
                prepare = PrepareKey(stay_id=each.stay_id, door_id=each.door_id)
                await self._ask(prepare, f"ahead:{each.stay_id}:{each.door_id}:{now.wall_s}")
        if owed:
            found = await self._expected(until, today - timedelta(days=1))
        near = [each for each in found if _starts_s(each, house) - RISK_S <= now.wall_s]
        await self._look_after(near, now.wall_s)

    async def _renew(self, now_s: int) -> None:
        for lease_id, door_id in await self._reader.rows(_ENDING, (now_s + RENEW_S, EXPECTED_MAX)):
            again = CutKey(
                holder_kind=HolderKind.LEASE,
                holder_id=lease_id,
                door_id=door_id,
                reason=KeyReason.RENEWED,
            )
            await self._ask(again, f"lease:{lease_id}:{door_id}:{now_s}")

    async def _make_good(self, now_s: int) -> None:
        for stay_id, door_id in await self._reader.rows(_UNSURE, (EXPECTED_MAX,)):
            again = CutKey(
                holder_kind=HolderKind.STAY,
                holder_id=stay_id,
                door_id=door_id,
                reason=KeyReason.EXTENDED,
            )
            await self._ask(again, f"sure:{stay_id}:{door_id}:{now_s}")

    async def _look_after(self, arrivals: Sequence[_Arrival], now_s: int) -> None:
        known = {
            (stay_id, door_id): Risk(why)
            for stay_id, door_id, why in await self._reader.rows(
                "SELECT stay_id, door_id, why FROM doors_risk"
            )
        }
        wrong = {(each.stay_id, each.door_id): self._wrong(each) for each in arrivals}
        for (stay_id, door_id), why in wrong.items():
            if why is not None and known.get((stay_id, door_id)) is not why:
                note = NoteKeyRisk(stay_id=stay_id, door_id=door_id, why=why)
                await self._ask(note, f"risk:{stay_id}:{door_id}:{why}:{now_s}")
        for stay_id, door_id in known:
            if wrong.get((stay_id, door_id)) is None:
                because = "cured" if (stay_id, door_id) in wrong else "gone"
                clear = ClearKeyRisk(stay_id=stay_id, door_id=door_id, because=because)
                await self._ask(clear, f"risk:{stay_id}:{door_id}:{because}:{now_s}")

    def _wrong(self, each: _Arrival) -> Risk | None:
        """What stands against a door; a lock that took the PIN, or spoke lately, has shown it."""
        if each.key_id is None:
            return Risk.NO_KEY
        if each.delivered is not None:
            return None if each.delivered is Outcome.DONE else Risk.LOCK_REFUSED
        lock = self._fittings.of(each.device_id)
        age_ms = lock.heard_age_ms
        heard = lock.online is not False and age_ms is not None and age_ms <= HEARD_MS_MAX
        return None if heard else Risk.SILENT

    async def _expected(self, until: date, since: date) -> list[_Arrival]:
        rows = await self._reader.rows(
            _EXPECTED, (until.isoformat(), since.isoformat(), EXPECTED_MAX)
        )
        return [
            _Arrival(
                stay_id=row[0],
                door_id=row[1],
                device_id=row[2],
                arrival=date.fromisoformat(row[3]),
                key_id=row[4],
                delivered=None if row[5] is None else Outcome(row[5]),
            )
            for row in rows
        ]

    async def _ask(self, command: Command, command_id: str) -> None:
        await self._asker.ask(Asking(command=command, command_id=command_id, who=_BOX))

    def _notice(self, facts: Sequence[Recorded]) -> None:
        bell = self._bell
        if bell is None or bell.done():
            return
        if any(isinstance(fact.event, _BELLS) for fact in facts):
            bell.set_result(None)


def _starts_s(each: _Arrival, house: tuple[str, str]) -> int:
    time_zone, check_in_from = house
    return arrival_start_s(each.arrival, check_in_from, time_zone)
