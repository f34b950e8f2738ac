"""The people of the house: the desk, housekeeping, the night manager, and guests at their doors."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from appliance.bus.in_process import InProcessBus
from appliance.bus.words import Outcome
from appliance.engines.doors.credentials import KeyFacts
from appliance.kernel.clock import sleep
from appliance.kernel.messages import Role, Surface, Who
from twin.replaying.channel import Channel
from twin.replaying.house import KEEPER, NIGHT, House
from twin.replaying.plan import Plan
from twin.replaying.rows import Row

# The bolt locks itself after 5 s; a guest who comes back finds it locked.
RELOCKED_S: Final = 7.0
# Within this a denial reaches a lock that is on the bus.
DENIED_S: Final = 5.0
# At one check-out in so many the lock is off the bus until the next guest has come in: no denial
# reaches it, and only the next guest's key, or the end of the old one, can end the old one.
UNREACHED_ONE_IN: Final = 12
# So many sentences are kept; the counts go on.
FAILURES_KEPT: Final = 20


@dataclass(slots=True, kw_only=True)
class Seen:
    """What the people at desk and doors saw happen; compared with log and journal at the end."""

    rightful_at_lock: Counter[str] = field(default_factory=Counter)  # outcome or refusal
    rightful_by_box: Counter[str] = field(default_factory=Counter)
    departed_at_once: Counter[str] = field(default_factory=Counter)  # after their check-out
    departed_later: Counter[str] = field(default_factory=Counter)  # the next guest has come in
    refusals: Counter[str] = field(default_factory=Counter)  # of commands, by command and code
    broken: list[str] = field(default_factory=list)  # promises, with the row
    broken_count: int = 0

    def fail(self, sentence: str) -> None:
        """A promise did not hold."""
        self.broken_count += 1
        if len(self.broken) < FAILURES_KEPT:
            self.broken.append(sentence)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Key:
    """A key in a guest's phone."""

    device: str
    credential: bytes = field(repr=False)


class Desk:
    """Acts on one house by its plan. `rooms` are ready to be given, by the file's type."""

    def __init__(self, plan: Plan, house: House, channel: Channel, seen: Seen) -> None:
        self._plan = plan
        self._house = house
        self._channel = channel
        self.seen = seen
        self._chance = plan.chance("rooms")
        self._ready = {kind: set(rooms) for kind, rooms in house.rooms_of.items()}
        self._kind_of = {room: kind for kind, rooms in house.rooms_of.items() for room in rooms}
        self._room_of: dict[int, str] = {}  # row number -> room, while in house
        self._keys_of: dict[int, list[_Key]] = {}
        self._gone_from: dict[str, list[_Key]] = {}  # room -> the keys of who left it last
        self._unreached: set[str] = set()  # rooms whose locks are off the bus
        self._dirty: list[str] = []

    async def take_over(self, rows: Sequence[Row]) -> None:
        """The guests who were in house before the box: each gets a key of ours."""
        named = {
            reservation.id: self._house.store.room_name(reservation.room_id)
            for reservation in self._house.store.reservations.values()
        }
        for row in rows:
            room = named[self._channel.upstream[row.number]]
            assert room is not None, "who is in house has a room"
            self._ready[self._kind_of[room]].discard(room)
            self._room_of[row.number] = room
        await asyncio.gather(*(self._first_opening(row) for row in rows))

    async def welcome(self, rows: Sequence[Row]) -> None:
        """Check guests in, each with a key, and let each in by lock and by box."""
        given = [(row, self._pick(row)) for row in rows]
        await asyncio.gather(*(self._welcome(row, room) for row, room in given if room))

    async def farewell(self, rows: Sequence[Row]) -> None:
        """Check guests out; where the lock heard of it, each tries the old door once more."""
        for row in rows:
            if self._plan.chance("unreached", row).randrange(UNREACHED_ONE_IN) == 0:
                await self._lose(self._room_of.get(row.number))
        await asyncio.gather(*(self._check_out(row) for row in rows))
        await sleep(self._house.clock, DENIED_S)
        for row in rows:
            room, keys = self._room_of.pop(row.number, None), self._keys_of.pop(row.number, [])
            if room is None:
                continue
            self._gone_from[room] = keys
            if room not in self._unreached:
                about = f"row {row.number}: room {room} opened after the check-out"
                self._try_again(keys, self.seen.departed_at_once, about)

    async def last_tries(self) -> None:
        """Long after the last departure: the keys of those who left, none of which is good now."""
        for room, keys in sorted(self._gone_from.items()):
            about = f"room {room} opened to a guest whose stay was over"
            self._try_again(keys, self.seen.departed_later, about)
            await self._find(room)

    async def extend(self, rows: Sequence[Row]) -> None:
        """Stays that the PMS made longer: the desk takes its word, and each guest a new key."""
        for row in rows:
            stay_id = self._channel.stay_of(row)
            raised = self._house.conflicts.get(stay_id, [])
            known = {each["key_id"] for each in self._house.keys.values()}
            for conflict in (each for each in raised if each["what"] == "dates_in_house"):
                await self._done(
                    row,
                    "stays.settle_conflict",
                    conflict_id=conflict["conflict_id"],
                    take_upstream=True,
                )
            fresh = [each for each in self._house.keys.values() if each["key_id"] not in known]
            if not fresh:
                self.seen.fail(f"row {row.number}: no key for the nights that were added")
            for each in fresh:
                key = self._phone(each, self._room_of[row.number])
                self._keys_of[row.number].append(key)
                self._come_in(row, key)

    async def clean(self) -> None:
        """Housekeeping: every dirty room clean, then inspected, then ready to be given."""
        rooms, self._dirty = self._dirty, []
        for status in ("clean", "inspected"):
            answers = await asyncio.gather(
                *(
                    self._house.done(
                        "housekeeping.set_room_status", KEEPER, room_id=room, status=status
                    )
                    for room in rooms
                )
            )
            for room, answer in zip(rooms, answers, strict=True):
                if isinstance(answer, str):
                    self._refused("housekeeping.set_room_status", answer, f"room {room}")
        for room in rooms:
            self._ready[self._kind_of[room]].add(room)

    async def close_day(self, day: date, no_shows: Sequence[Row]) -> None:
        """The night audit: who did not come is said, and the business date rolls."""
        stays = [self._channel.stay_of(row) for row in no_shows]
        answer = await self._house.done(
            "stays.run_night_audit", NIGHT, closing=day.isoformat(), no_shows=stays
        )
        if isinstance(answer, str):
            self._refused("stays.run_night_audit", answer, f"the night of {day}")

    def in_house(self) -> int:
        """Guests' stays in house."""
        return len(self._room_of)

    # -- one guest -------------------------------------------------------------------------------

    def _pick(self, row: Row) -> str | None:
        ready = sorted(self._ready[row.assigned])
        if not ready:
            self.seen.fail(f"row {row.number}: no room of type {row.assigned} is ready")
            return None
        room = self._chance.choice(ready)
        self._ready[row.assigned].discard(room)
        return room

    async def _welcome(self, row: Row, room: str) -> None:
        if await self._done(row, "stays.check_in", room_id=room) is None:
            self._ready[self._kind_of[room]].add(room)
            return
        self._room_of[row.number] = room
        await self._first_opening(row)

    async def _first_opening(self, row: Row) -> None:
        """A key, the door by the key itself, the guest before, and the door by the box."""
        room = self._room_of[row.number]
        cut = await self._done(
            row, "doors.cut_key", holder_kind="stay", door_id=f"door-{room}", reason="first"
        )
        if cut is None:
            return
        key = self._phone(self._house.keys[cut["key_id"]], room)
        self._keys_of[row.number] = [key]
        self._come_in(row, key)
        before = self._gone_from.pop(room, [])
        about = f"room {room} opened to the guest before row {row.number}"
        self._try_again(before, self.seen.departed_later, about)
        await self._find(room)
        await sleep(self._house.clock, RELOCKED_S)
        await self._press(row, room)

    async def _press(self, row: Row, room: str) -> None:
        stay_id = self._channel.stay_of(row)
        guest = Who(actor=f"stay:{stay_id}", role=Role.GUEST, surface=Surface.GUEST_APP)
        answer = await self._house.done(
            "doors.open", guest, door_id=f"door-{room}", holder_kind="stay", holder_id=stay_id
        )
        if isinstance(answer, str):
            self._refused("doors.open", answer, f"row {row.number}")
            self.seen.rightful_by_box[answer] += 1
            return
        settled = await self._house.box.doors.outcome_of(answer["opening_id"])
        outcome = "lost" if settled is None or settled.outcome is None else settled.outcome.value
        self.seen.rightful_by_box[outcome] += 1
        if outcome != Outcome.DONE:
            self.seen.fail(f"row {row.number}: the box did not open room {room} ({outcome})")

    async def _check_out(self, row: Row) -> None:
        room = self._room_of.get(row.number)
        if room is None:
            self.seen.fail(f"row {row.number}: left without having come in")
            return
        if await self._done(row, "stays.check_out") is not None:
            self._dirty.append(room)

    async def _done(self, row: Row, name: str, **fields: Any) -> dict[str, Any] | None:
        """Ask about a row's stay; None where the box says no, which no row of the file expects."""
        holder = "holder_id" if name.startswith("doors.") else "stay_id"
        asked = {holder: self._channel.stay_of(row), **fields}
        answer = await self._house.done(name, **asked)
        if isinstance(answer, str):
            self._refused(name, answer, f"row {row.number}")
            return None
        return answer

    def _refused(self, name: str, code: str, about: str) -> None:
        self.seen.refusals[f"{name}: {code}"] += 1
        self.seen.fail(f"{about}: {name} was refused with {code}")

    # -- a lock's way to the bus -------------------------------------------------------------------

    async def _lose(self, room: str | None) -> None:
        bus = self._bus_of(room)
        if room is not None and bus is not None:
            self._unreached.add(room)
            await bus.cut()

    async def _find(self, room: str) -> None:
        bus = self._bus_of(room)
        if room in self._unreached and bus is not None:
            self._unreached.discard(room)
            await bus.connect()

    def _bus_of(self, room: str | None) -> InProcessBus | None:
        bus = None if room is None else self._house.twin.devices[f"lock-{room}"].bus
        return bus if isinstance(bus, InProcessBus) else None

    # -- at the door -----------------------------------------------------------------------------

    def _come_in(self, row: Row, key: _Key) -> None:
        """The rightful guest holds a key to the lock."""
        said = self._hold(key)
        self.seen.rightful_at_lock[said] += 1
        if said != Outcome.DONE:
            self.seen.fail(f"row {row.number}: {key.device} refused its guest ({said})")

    def _try_again(self, keys: Sequence[_Key], counter: Counter[str], about: str) -> None:
        """A departed guest tries every key there was; `about` is what it means if one opens."""
        for key in keys:
            said = self._hold(key)
            counter[said] += 1
            if said == Outcome.DONE:
                self.seen.fail(about)

    def _phone(self, fields: Mapping[str, Any], room: str) -> _Key:
        device = f"lock-{room}"
        number = self._house.door_numbers[device]
        facts = KeyFacts(
            key_id=fields["key_id"],
            door_id=fields["door_id"],
            door_number=number,
            device_id=device,
            generation=fields["generation"],
            valid_from_s=fields["valid_from_s"],
            valid_until_s=fields["valid_until_s"],
            cti=fields["cti"],
            slot=fields["slot"],
            pin_ref=fields["pin_ref"] or fields["key_id"],
        )
        return _Key(device=device, credential=self._house.box.locksmith.credential(facts))

    def _hold(self, key: _Key) -> str:
        """Hold a key to its lock, without the box: `done`, or the lock's own refusal."""
        device = self._house.twin.devices[key.device]
        lock = self._house.twin.lock(key.device)
        answer = device.happened(
            lock.try_credential(key.credential, self._house.clock.read())
        ).answer
        if answer is None:
            return "dead"
        return answer.outcome.value if answer.refusal is None else answer.refusal.value
