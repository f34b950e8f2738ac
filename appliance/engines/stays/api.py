"""GraphQL of stays: lists, one stay with its nights and notes, and every act of its life."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import strawberry
import strawberry.federation
from graphql import GraphQLError

from appliance.asked import (
    Answer,
    Asked,
    Date,
    Info,
    Minor,
    NotForYouError,
    answer,
    own_stay,
    told,
)
from appliance.engines.stays import messages, queries
from appliance.engines.stays.messages import (
    AddNote,
    AssignRoom,
    CancelStay,
    ChangeDeparture,
    CheckIn,
    CheckOut,
    MarkNoShow,
    MoveRoom,
    RunNightAudit,
    SellWalkIn,
    SettleConflict,
    UndoCheckIn,
)
from appliance.engines.stays.queries import SealedText, StayLine
from appliance.kernel.messages import Role as KernelRole
from appliance.kernel.values import nights as nights_between

StayState = strawberry.enum(messages.StayState, name="StayState")
ConflictPoint = strawberry.enum(messages.ItemField, name="ConflictPoint")

MANAGERS = frozenset({KernelRole.MANAGER, KernelRole.ADMIN})
# A screen of names; a clerk types another letter.
FOUND_MAX = 100


@strawberry.type
class GuestName:
    """One guest, by name; empty where the person was forgotten."""

    person_id: strawberry.ID
    given: str
    family: str


@strawberry.type
class Night:
    """One night and its price."""

    date: Date
    amount_minor: Minor
    currency: str
    price_source: str


@strawberry.type
class Note:
    """A note of the staff."""

    text: str
    at_ms: Minor
    by: str


@strawberry.type
class ConflictItem:
    """One point of a conflict, both versions: who said each of them, and when."""

    field: ConflictPoint  # type: ignore[valid-type]
    box_says: str
    upstream_says: str
    box_by: str | None
    box_terminal: str | None
    box_at_ms: Minor | None
    upstream_at_ms: Minor | None


@strawberry.type
class Conflict:
    """What two masters disagree on, both versions."""

    id: strawberry.ID
    stay_id: strawberry.ID
    what: str
    box_says: str
    upstream_says: str
    at_ms: Minor
    open: bool
    upstream_version: str | None
    items: list[ConflictItem]
    accepted: list[ConflictPoint]  # type: ignore[valid-type]
    settled_by: str | None
    decide_by_ms: Minor | None
    overdue: bool


@strawberry.federation.type(keys=["id"])
class Stay:
    """One stay. Other rooms add what they know of it: keys, balance."""

    id: strawberry.ID
    code: str
    state: StayState  # type: ignore[valid-type]
    arrival: Date
    departure: Date
    room_type_id: strawberry.ID
    room_id: strawberry.ID | None
    room_number: str | None
    room_ready: bool | None
    adults: int
    children: int
    channel: str
    source: str | None
    upstream_id: str | None
    at_risk: bool
    due: bool
    eta: str

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> Stay | None:
        """The stay a head office refers to."""
        info.context.staff()
        line = await queries.stay(info.context.reader, str(id))
        return None if line is None else (await stays_of(info.context, [line]))[0]

    @strawberry.field
    async def guests(self, info: Info) -> list[GuestName]:
        """The guests, the one who booked first."""
        return await load_guests(info.context, str(self.id))

    @strawberry.field
    async def nights(self, info: Info) -> list[Night]:
        """The priced nights, in order."""
        return [_night(each) for each in await queries.nights(info.context.reader, str(self.id))]

    @strawberry.field
    async def notes(self, info: Info) -> list[Note]:
        """The staff's notes, oldest first; a guest sees none."""
        if own_stay(info.context.signed_in()) is not None:
            return []
        found = await queries.notes(info.context.reader, str(self.id))
        return [
            Note(text=open_text(info.context, note.text) or "", at_ms=Minor(note.at_ms), by=note.by)
            for note in found
        ]

    @strawberry.field
    async def conflicts(self, info: Info) -> list[Conflict]:
        """Open conflicts of this stay; a guest sees none."""
        if own_stay(info.context.signed_in()) is not None:
            return []
        found = await queries.conflicts(info.context.reader, stay_id=str(self.id))
        return [_conflict(line) for line in found]

    @strawberry.field
    async def guest_page_url(self, info: Info) -> str | None:
        """The one-time link of the guest's pages, for a QR code; it opens the guest's door."""
        if info.context.staff().role not in messages.DESK:
            raise NotForYouError
        url: str | None = await info.context.ports.guest_link(str(self.id))
        return url


@strawberry.type
class Quote:
    """What nights cost at the rate of the house."""

    room_type_id: strawberry.ID
    nights: list[Night]
    total_minor: Minor
    currency: str


@strawberry.input
class GuestInput:
    """A guest as typed."""

    given: str
    family: str
    email: str = ""
    phone: str = ""


@strawberry.type
class OfHouse:
    """What stays know of the house: which day it is."""

    @strawberry.field
    async def business_date(self, info: Info) -> Date:
        """The hotel's date, which ends by decision."""
        day = await info.context.business_date()
        assert day is not None, "a house that is set up has a date"
        return Date(day)


@strawberry.type
class OfRoom:
    """What stays know of a room: who is in it, who is due."""

    @strawberry.field
    async def occupied_by(self: Any, info: Info) -> strawberry.ID | None:
        """The stay that is in it."""
        line = (await _board(info.context)).get(str(self.id))
        return None if line is None or line.occupied_by is None else strawberry.ID(line.occupied_by)

    @strawberry.field
    async def due_in(self: Any, info: Info) -> strawberry.ID | None:
        """The stay that is due in it."""
        line = (await _board(info.context)).get(str(self.id))
        return None if line is None or line.due_in is None else strawberry.ID(line.due_in)


async def _board(asked: Asked) -> dict[str, queries.BoardLine]:
    asked.staff()

    async def load() -> dict[str, queries.BoardLine]:
        return {line.room_id: line for line in await queries.room_board(asked.reader)}

    board: dict[str, queries.BoardLine] = await asked.once("stays.board", load)
    return board


def open_text(asked: Asked, text: SealedText) -> str | None:
    """A sealed text in the clear; None where the person was forgotten."""
    found: str | None = asked.vault.open(text.sealed, text.place)
    return found


async def load_guests(asked: Asked, stay_id: str) -> list[GuestName]:
    """The guests of a stay, loaded once for all stays of a list."""
    known = asked.ports.directory.names(stay_id) if asked.ports.directory is not None else ()
    if known:
        return [_name(person.person_id, person.guest) for person in known]
    sealed = (await queries.guests(asked.reader, [stay_id])).get(stay_id, [])
    return [_opened(asked, text) for text in sealed]


def _opened(asked: Asked, text: SealedText) -> GuestName:
    clear = open_text(asked, text)
    if clear is None:
        return GuestName(person_id=strawberry.ID(text.sealed.subject), given="", family="")
    return _name(text.sealed.subject, msgspec.json.decode(clear, type=messages.Guest))


def _name(person_id: str, guest: messages.Guest) -> GuestName:
    return GuestName(person_id=strawberry.ID(person_id), given=guest.given, family=guest.family)


async def stays_of(asked: Asked, lines: Iterable[StayLine], *, by_name: bool = False) -> list[Stay]:
    """Stays as GraphQL shows them."""
    today = await asked.business_date()
    found = {line.stay_id: _stay(line, today) for line in lines}
    if by_name and asked.ports.directory is not None:
        return [found[stay_id] for stay_id in asked.ports.directory.in_order(found)]
    return list(found.values())


def _stay(line: StayLine, today: Any) -> Stay:
    confirmed = line.state is messages.StayState.CONFIRMED
    return Stay(
        id=strawberry.ID(line.stay_id),
        code=line.code,
        state=line.state,
        arrival=Date(line.arrival),
        departure=Date(line.departure),
        room_type_id=strawberry.ID(line.room_type_id),
        room_id=None if line.room_id is None else strawberry.ID(line.room_id),
        room_number=line.room_number,
        room_ready=line.room_ready,
        adults=line.adults,
        children=line.children,
        channel=line.channel,
        source=line.source,
        upstream_id=line.upstream_id,
        at_risk=line.at_risk,
        eta=line.eta,
        due=confirmed and today is not None and line.arrival <= today,
    )


def _night(night: messages.Night) -> Night:
    return Night(
        date=Date(night.date),
        amount_minor=Minor(night.amount_minor),
        currency=night.currency,
        price_source=night.price_source,
    )


def _conflict(line: queries.ConflictLine) -> Conflict:
    return Conflict(
        id=strawberry.ID(line.conflict_id),
        stay_id=strawberry.ID(line.stay_id),
        what=line.what,
        box_says=line.box_says,
        upstream_says=line.upstream_says,
        at_ms=Minor(line.raised_at_ms),
        open=line.settled_at_ms is None,
        upstream_version=line.upstream_version,
        items=[_item(each) for each in line.items],
        accepted=list(line.accepted),
        settled_by=line.settled_by,
        decide_by_ms=None if line.decide_by_ms is None else Minor(line.decide_by_ms),
        overdue=line.overdue_at_ms is not None,
    )


def _item(item: messages.ConflictItem) -> ConflictItem:
    return ConflictItem(
        field=item.field,
        box_says=item.box_says,
        upstream_says=item.upstream_says,
        box_by=item.box_by,
        box_terminal=item.box_terminal,
        box_at_ms=None if item.box_at_ms is None else Minor(item.box_at_ms),
        upstream_at_ms=None if item.upstream_at_ms is None else Minor(item.upstream_at_ms),
    )


async def load_conflicts(asked: Asked, *, only_open: bool = True) -> list[Conflict]:
    """The conflict inbox."""
    found = await queries.conflicts(asked.reader, only_open=only_open)
    return [_conflict(line) for line in found]


async def quoted(asked: Asked, room_type_id: str, days: Sequence[Any]) -> list[messages.Night]:
    """Nights at the rate of the house; none for an unknown room type."""
    row = await asked.reader.row(
        "SELECT rate_minor, currency FROM stays_room_type WHERE room_type_id = ?", (room_type_id,)
    )
    if row is None:
        return []
    return [
        messages.Night(
            date=day, amount_minor=row[0], currency=row[1], price_source=f"rate:{room_type_id}"
        )
        for day in days
    ]


def _days(arrival: Any, departure: Any) -> Sequence[Any]:
    try:
        return nights_between(arrival, departure)
    except ValueError:
        return ()


@strawberry.type
class Query:
    """Questions of stays."""

    @strawberry.field
    async def arrivals(self, info: Info, on: Date | None = None) -> list[Stay]:
        """Who is still expected by a day (without one: the business date), by name."""
        asked = info.context
        asked.staff()
        day = on or await asked.business_date()
        if day is None:
            return []
        return await stays_of(asked, await queries.arrivals(asked.reader, day), by_name=True)

    @strawberry.field
    async def departures(self, info: Info, on: Date | None = None) -> list[Stay]:
        """Who is in house and due to leave by a day, by room."""
        asked = info.context
        asked.staff()
        day = on or await asked.business_date()
        return (
            []
            if day is None
            else await stays_of(asked, await queries.departures(asked.reader, day))
        )

    @strawberry.field
    async def in_house(self, info: Info) -> list[Stay]:
        """Who sleeps here, by room."""
        info.context.staff()
        return await stays_of(info.context, await queries.in_house(info.context.reader))

    @strawberry.field
    async def search_stays(self, info: Info, text: str, limit: int = 20) -> list[Stay]:
        """Who is due or in house by parts of names; also by room number or booking code."""
        asked = info.context
        asked.staff()
        most = max(1, min(limit, FOUND_MAX))
        found = [each.stay_id for each in asked.ports.directory.search(text[:200], most)]
        lines = await queries.stays_by_id(asked.reader, found)
        typed = text.strip()
        if not lines and (there := await queries.in_room(asked.reader, typed[:20])) is not None:
            lines = [there]
        if not lines and typed:
            lines = await queries.by_code(asked.reader, typed.replace("-", "").upper()[:40])
        return await stays_of(asked, lines[:most])

    @strawberry.field
    async def stay(self, info: Info, id: strawberry.ID) -> Stay | None:
        """One stay; a guest sees their own."""
        asked = info.context
        own = own_stay(asked.signed_in())
        if own is not None and own != str(id):
            return None
        line = await queries.stay(asked.reader, str(id))
        return None if line is None else (await stays_of(asked, [line]))[0]

    @strawberry.field
    async def quote(
        self, info: Info, room_type_id: strawberry.ID, arrival: Date, departure: Date
    ) -> Quote:
        """What these nights cost at the rate of the house."""
        info.context.staff()
        priced = await quoted(info.context, str(room_type_id), _days(arrival, departure))
        if not priced:
            raise GraphQLError("There is no price for these nights.")
        return Quote(
            room_type_id=room_type_id,
            nights=[_night(each) for each in priced],
            total_minor=Minor(sum(each.amount_minor for each in priced)),
            currency=priced[0].currency,
        )

    @strawberry.field
    async def conflicts(self, info: Info, open: bool = True) -> list[Conflict]:
        """The conflict inbox."""
        info.context.staff()
        return await load_conflicts(info.context, only_open=open)


# GraphQL's arguments have the contract's names, and every one of them is named by the asker.
# ruff: noqa: FBT001, FBT002, PLR0913, PLR0917


@strawberry.type
class Mutation:
    """Acts on stays."""

    @strawberry.mutation
    async def sell_walk_in(
        self,
        info: Info,
        id: str,
        room_type_id: strawberry.ID,
        arrival: Date,
        departure: Date,
        guests: list[GuestInput],
        adults: int,
        room_id: strawberry.ID | None = None,
        children: int = 0,
        note: str = "",
        approved_by: str | None = None,
        approved_pin: str | None = None,
    ) -> Answer:
        """Sell a stay at the desk; beyond the allotment with a manager's PIN."""
        asked = info.context
        asked.staff()
        if approved_by is not None:
            await asked.ports.approve(asked, approved_by, approved_pin or "", MANAGERS)
        priced = await quoted(asked, str(room_type_id), _days(arrival, departure))
        command = SellWalkIn(
            room_type_id=str(room_type_id),
            room_id=None if room_id is None else str(room_id),
            arrival=arrival,
            departure=departure,
            guests=tuple(_typed(guest) for guest in guests),
            adults=adults,
            children=children,
            nights=tuple(priced),
            note=note,
        )
        return await answer(info, command, id, approved_by)

    @strawberry.mutation
    async def assign_room(
        self, info: Info, id: str, stay_id: strawberry.ID, room_id: strawberry.ID
    ) -> Answer:
        """Give a stay a room."""
        return await answer(info, AssignRoom(stay_id=str(stay_id), room_id=str(room_id)), id)

    @strawberry.mutation
    async def check_in(
        self,
        info: Info,
        id: str,
        stay_id: strawberry.ID,
        room_id: strawberry.ID | None = None,
        accept_not_ready: bool = False,
    ) -> Answer:
        """The guest is here."""
        command = CheckIn(
            stay_id=str(stay_id),
            room_id=None if room_id is None else str(room_id),
            accept_not_ready=accept_not_ready,
        )
        return await answer(info, command, id)

    @strawberry.mutation
    async def undo_check_in(
        self, info: Info, id: str, stay_id: strawberry.ID, reason: str
    ) -> Answer:
        """It was the wrong guest."""
        return await answer(info, UndoCheckIn(stay_id=str(stay_id), reason=reason), id)

    @strawberry.mutation
    async def move_room(
        self,
        info: Info,
        id: str,
        stay_id: strawberry.ID,
        room_id: strawberry.ID,
        reason: str,
        accept_not_ready: bool = False,
    ) -> Answer:
        """Another room from today on."""
        command = MoveRoom(
            stay_id=str(stay_id),
            room_id=str(room_id),
            reason=reason,
            accept_not_ready=accept_not_ready,
        )
        return await answer(info, command, id)

    @strawberry.mutation
    async def change_departure(
        self, info: Info, id: str, stay_id: strawberry.ID, departure: Date
    ) -> Answer:
        """Stay longer or leave earlier; nights that are added are priced here."""
        added = await _added_nights(info.context, id, str(stay_id), departure)
        command = ChangeDeparture(stay_id=str(stay_id), departure=departure, added_nights=added)
        return await answer(info, command, id)

    @strawberry.mutation
    async def check_out(self, info: Info, id: str, stay_id: strawberry.ID) -> Answer:
        """The guest has left."""
        return await answer(info, CheckOut(stay_id=str(stay_id)), id)

    @strawberry.mutation
    async def cancel_stay(self, info: Info, id: str, stay_id: strawberry.ID, reason: str) -> Answer:
        """The stay will not happen."""
        return await answer(info, CancelStay(stay_id=str(stay_id), reason=reason), id)

    @strawberry.mutation
    async def mark_no_show(self, info: Info, id: str, stay_id: strawberry.ID) -> Answer:
        """The guest is not coming."""
        return await answer(info, MarkNoShow(stay_id=str(stay_id)), id)

    @strawberry.mutation
    async def add_note(self, info: Info, id: str, stay_id: strawberry.ID, text: str) -> Answer:
        """Write a note."""
        return await answer(info, AddNote(stay_id=str(stay_id), text=text), id)

    @strawberry.mutation
    async def settle_conflict(
        self,
        info: Info,
        id: str,
        stay_id: strawberry.ID,
        conflict_id: strawberry.ID,
        take_upstream: bool,
        accept: list[ConflictPoint] | None = None,  # type: ignore[valid-type]
    ) -> Answer:
        """Keep what the box holds, or take what the booking system says.

        With `accept` the booking system's version is taken for these items, and no other.
        """
        command = SettleConflict(
            stay_id=str(stay_id),
            conflict_id=str(conflict_id),
            take_upstream=take_upstream,
            accept=None if accept is None else tuple(accept),
        )
        return await answer(info, command, id)

    @strawberry.mutation
    async def run_night_audit(
        self,
        info: Info,
        id: str,
        closing: Date,
        no_shows: list[strawberry.ID] = [],  # noqa: B006 - GraphQL copies its defaults
    ) -> Answer:
        """Close the hotel's day; asked again, it says what it was closed with."""
        asked = info.context
        asked.signed_in()
        command = RunNightAudit(closing=closing, no_shows=tuple(str(each) for each in no_shows))
        return told(asked, await asked.ask(command, id))


def _typed(guest: GuestInput) -> messages.Guest:
    return messages.Guest(
        given=guest.given, family=guest.family, email=guest.email, phone=guest.phone
    )


async def _added_nights(
    asked: Asked, command_id: str, stay_id: str, departure: Any
) -> tuple[messages.Night, ...]:
    """The nights to price; for an id that was asked before, the ones it was asked with."""
    who = asked.signed_in()
    row = await asked.reader.row(
        "SELECT json_extract(body, '$.previous') FROM event WHERE stream = ?"
        " AND kind = 'stays.departure_changed.v1' AND command_id = ?"
        " AND json_extract(who, '$.actor') = ?",
        (f"stay/{stay_id}", command_id, who.actor),
    )
    line = await queries.stay(asked.reader, stay_id)
    if line is None:
        return ()
    previous = line.departure if row is None else type(line.departure).fromisoformat(row[0])
    return tuple(await quoted(asked, line.room_type_id, _days(previous, departure)))
