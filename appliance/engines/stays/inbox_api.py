"""GraphQL of the inbox: decisions that can be taken back, each with what that would do."""

from __future__ import annotations

from datetime import date

import strawberry

from appliance.asked import Answer, Asked, Date, Info, Minor, answer
from appliance.engines.stays import inbox, messages, parked_messages, queries, walking
from appliance.engines.stays.api import MANAGERS, Stay, stays_of
from appliance.engines.stays.decisions import Made, Snapshot
from appliance.engines.stays.merging import price_text
from appliance.engines.stays.messages import Rehouse, UndoDecision, WalkGuest
from appliance.engines.stays.parked_messages import EditParked, MarkParkedDone, RetryParked
from appliance.engines.stays.scene import UNDO_HOURS
from appliance.kernel.messages import Refused

HOUR_MS = 3_600_000
# Ten: nobody telephones the eleventh guest of one night.
CANDIDATES_MAX = 10

UndoStep = strawberry.enum(messages.UndoStep, name="UndoStep")
Way = strawberry.enum(walking.Way, name="WayOut")
ParkedField = strawberry.enum(parked_messages.ParkedField, name="ParkedField")


@strawberry.input
class ParkedChange:
    """What a vendor is told instead: a room's number or `none`, a number, or a day (2026-11-29)."""

    field: ParkedField  # type: ignore[valid-type]
    value: str


@strawberry.type
class DecisionChange:
    """One thing that a decision changed in a stay."""

    what: str
    before: str
    after: str


@strawberry.type
class Decision:
    """What the box decided by itself, or a person in the inbox, within the hours of an undoing.

    Without `steps` it cannot be undone, and `why` is the sentence for that.
    """

    id: strawberry.ID
    stay_id: strawberry.ID
    kind: str
    at_ms: Minor
    by: str
    changes: list[DecisionChange]
    conflicts_closed: int
    steps: list[UndoStep]  # type: ignore[valid-type]
    undoable: bool
    why: str
    until_ms: Minor


@strawberry.type
class Alternative:
    """One way out for one guest: a better room first, then any other, then another house."""

    way: Way  # type: ignore[valid-type]
    room_type_id: strawberry.ID | None
    title: str
    free: int
    room_id: strawberry.ID | None
    room_number: str | None


@strawberry.type
class WalkCandidate:
    """A guest who is not here yet and might be asked to sleep elsewhere; the first first."""

    rank: int
    stay: Stay
    nights: int
    rate_minor: Minor
    currency: str
    ota: bool
    alternatives: list[Alternative]


@strawberry.type
class CrowdedNight:
    """A night with more guests of a type than rooms. Who is in house is never a candidate."""

    room_type_id: strawberry.ID
    night: Date
    rooms: int
    held: int
    in_house: int
    decide_by_ms: Minor | None
    overdue: bool
    candidates: list[WalkCandidate]


@strawberry.type
class Query:
    """Questions of the inbox."""

    @strawberry.field
    async def crowded_nights(self, info: Info) -> list[CrowdedNight]:
        """Every overbooked night from today on, with who might be asked and what to offer."""
        asked = info.context
        asked.staff()
        today = await asked.business_date()
        if today is None:
            return []
        return [
            await _crowded(asked, each, today) for each in await inbox.crowded(asked.reader, today)
        ]

    @strawberry.field
    async def decisions(self, info: Info) -> list[Decision]:
        """What can be undone, or was not long ago, the newest first."""
        asked = info.context
        asked.staff()
        today = await asked.business_date()
        if today is None:
            return []
        window_ms = await undo_hours(asked) * HOUR_MS
        since_ms = asked.clock.read().wall_ms - window_ms
        found = await inbox.decisions(asked.reader, since_ms, today)
        return [_decision(asked, line, window_ms) for line in found]


async def undo_hours(asked: Asked) -> int:
    """The live rule in force."""
    row = await asked.reader.row(
        "SELECT value FROM setting WHERE scope = 'property' AND key = 'stays.undo_hours'"
    )
    return UNDO_HOURS if row is None else int(row[0])


async def _crowded(asked: Asked, each: inbox.Crowded, today: date) -> CrowdedNight:
    lines = await queries.stays_by_id(asked.reader, [one.stay_id for one in each.candidates])
    stays = {str(one.id): one for one in await stays_of(asked, lines)}
    by_ms, overdue = await inbox.clock_of(asked.reader, each)
    return CrowdedNight(
        room_type_id=strawberry.ID(each.room_type_id),
        night=Date(each.night),
        rooms=each.rooms,
        held=each.held,
        in_house=each.in_house,
        decide_by_ms=None if by_ms is None else Minor(by_ms),
        overdue=overdue,
        candidates=[
            WalkCandidate(
                rank=rank,
                stay=stays[one.stay_id],
                nights=one.nights,
                rate_minor=Minor(one.rate_minor),
                currency=one.currency,
                ota=one.ota,
                alternatives=[_way(way) for way in await inbox.ways_out(asked.reader, one, today)],
            )
            for rank, one in enumerate(each.candidates[:CANDIDATES_MAX], start=1)
        ],
    )


def _way(way: walking.Alternative) -> Alternative:
    kind = way.kind
    return Alternative(
        way=way.way,
        room_type_id=None if kind is None else strawberry.ID(kind.room_type_id),
        title="" if kind is None else kind.title,
        free=0 if kind is None else kind.free,
        room_id=None if kind is None or kind.room_id is None else strawberry.ID(kind.room_id),
        room_number=None if kind is None else kind.room_number,
    )


def _decision(asked: Asked, line: inbox.DecisionLine, window_ms: int) -> Decision:
    made = line.made
    why = ""
    if line.refusal is not None:
        why = asked.say(Refused(engine="stays", code=line.refusal.value, detail={}))
    return Decision(
        id=strawberry.ID(made.decision_id),
        stay_id=strawberry.ID(made.stay_id),
        kind=made.kind,
        at_ms=Minor(made.at_ms),
        by=made.by,
        changes=_changes(made),
        conflicts_closed=len(made.conflicts),
        steps=list(line.steps),
        undoable=line.refusal is None,
        why=why,
        until_ms=Minor(made.at_ms + window_ms),
    )


def _changes(made: Made) -> list[DecisionChange]:
    if made.before is None or made.after is None:
        return []
    return [
        DecisionChange(what=name, before=one, after=other)
        for name in ("state", "arrival", "departure", "room_type_id", "room_id", "nights")
        if (one := _text(made.before, name)) != (other := _text(made.after, name))
    ]


def _text(stay: Snapshot, name: str) -> str:
    if name == "nights":
        return ", ".join(price_text(night) for night in stay.nights)
    return str(getattr(stay, name) or "")


# GraphQL's arguments have the contract's names, and every one of them is named by the asker.
# ruff: noqa: PLR0913, PLR0917


@strawberry.type
class Mutation:
    """Acts of the inbox."""

    @strawberry.mutation
    async def undo_decision(
        self, info: Info, id: str, stay_id: strawberry.ID, decision_id: strawberry.ID
    ) -> Answer:
        """Put the stay where it was before the decision."""
        command = UndoDecision(stay_id=str(stay_id), decision_id=str(decision_id))
        return await answer(info, command, id)

    @strawberry.mutation
    async def retry_parked(self, info: Info, id: str, item_id: strawberry.ID) -> Answer:
        """Ask sync to try a parked item again, as soon as it is up; it looks first."""
        return await answer(info, RetryParked(item_id=str(item_id)), id)

    @strawberry.mutation
    async def mark_parked_done(self, info: Info, id: str, item_id: strawberry.ID) -> Answer:
        """Say that a person did it at the vendor; a manager does."""
        return await answer(info, MarkParkedDone(item_id=str(item_id)), id)

    @strawberry.mutation
    async def edit_parked(
        self, info: Info, id: str, item_id: strawberry.ID, changes: list[ParkedChange]
    ) -> Answer:
        """Change what the vendor is told, and ask sync to try again; a manager does."""
        command = EditParked(
            item_id=str(item_id),
            changes=tuple(
                parked_messages.ParkedChange(field=each.field, value=each.value) for each in changes
            ),
        )
        return await answer(info, command, id)

    @strawberry.mutation
    async def rehouse(
        self,
        info: Info,
        id: str,
        stay_id: strawberry.ID,
        room_type_id: strawberry.ID,
        room_id: strawberry.ID | None = None,
    ) -> Answer:
        """Another room at the same price, for who is not here yet."""
        command = Rehouse(
            stay_id=str(stay_id),
            room_type_id=str(room_type_id),
            room_id=None if room_id is None else str(room_id),
        )
        return await answer(info, command, id)

    @strawberry.mutation
    async def walk_guest(
        self,
        info: Info,
        id: str,
        stay_id: strawberry.ID,
        where_to: str,
        cost_minor: Minor,
        approved_by: str | None = None,
        approved_pin: str | None = None,
    ) -> Answer:
        """Send a guest to another house; a manager does, or approves with a PIN."""
        asked = info.context
        asked.staff()
        if approved_by is not None:
            await asked.ports.approve(asked, approved_by, approved_pin or "", MANAGERS)
        row = await asked.reader.row("SELECT currency FROM stays_business_date")
        command = WalkGuest(
            stay_id=str(stay_id),
            where_to=where_to,
            cost_minor=cost_minor,
            currency="" if row is None else row[0],
        )
        return await answer(info, command, id, approved_by)
