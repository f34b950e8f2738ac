"""Selling at the desk: one command with one outcome, from the free rooms and the allotment."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from appliance.engines.housekeeping.messages import RoomStatus
from appliance.engines.stays.messages import (
    Booked,
    Guest,
    NoteAdded,
    Refusal,
    RoomAssigned,
    SellWalkIn,
)
from appliance.engines.stays.rules import person_id_of, sealed_for, text_refusal
from appliance.engines.stays.scene import Sale, has_managers_word
from appliance.kernel.engine import Context, Decision, No, Yes
from appliance.kernel.messages import Event
from appliance.kernel.sealed import Unsealed, seal_later
from appliance.kernel.values import code_from, nights

# Rooms sleep fewer; a coach party is many stays.
GUESTS_MAX = 50
COMPLIMENTARY = "comp"
# E.164: what is longer is no telephone number, and may be a card.
PHONE_DIGITS_MAX = 15


def sealed_guests(stay_id: str, guests: Sequence[Guest]) -> tuple[Unsealed, ...]:
    """Each guest whole, under an id of their own that follows from stay and place."""
    return tuple(
        seal_later(person_id_of(stay_id, number), msgspec.json.encode(guest).decode())
        for number, guest in enumerate(guests)
    )


def code_of(stay_id: str) -> str:
    """The confirmation code of a stay the box sold: ten characters to read aloud."""
    return code_from(hashlib.sha256(b"code of " + stay_id.encode()).digest())


def sell_walk_in(state: Sale, command: SellWalkIn, context: Context) -> Decision:
    """Book it, give it a room where one can be given, and let the calendar say no."""
    no = _guests_refusal(command) or _dates_refusal(state, command) or _room_refusal(state, command)
    if no is not None:
        return no
    if not has_managers_word(context) and _given_away(command):
        return Refusal.NEEDS_MANAGER
    stay_id = context.new_id("stay")
    room_id = state.room.room_id if state.room is not None else None
    code = code_of(stay_id)
    booked = Booked(
        stay_id=stay_id,
        source=None,
        upstream_id=None,
        upstream_version=None,
        code=code,
        room_type_id=command.room_type_id,
        room_id=None,
        arrival=command.arrival,
        departure=command.departure,
        guests=sealed_guests(stay_id, command.guests),
        adults=command.adults,
        children=command.children,
        nights=command.nights,
        fees=command.fees,
        channel="walk_in",
        quote_id=command.quote_id,
    )
    events: list[Event] = [booked, *_room(stay_id, state, command), *_note(stay_id, command)]
    return Yes(events=events, result={"stay_id": stay_id, "room_id": room_id, "code": code})


def stay_stream(_command: SellWalkIn, context: Context) -> str:
    """The stream of the stay that this command makes."""
    return f"stay/{context.new_id('stay')}"


def _room(stay_id: str, state: Sale, command: SellWalkIn) -> list[Event]:
    if state.room is None:
        return []
    return [
        RoomAssigned(
            stay_id=stay_id,
            room_id=state.room.room_id,
            room_type_id=state.room.room_type_id,
            previous_room_id=None,
            arrival=command.arrival,
            departure=command.departure,
        )
    ]


def _note(stay_id: str, command: SellWalkIn) -> list[Event]:
    if not command.note.strip():
        return []
    return [NoteAdded(stay_id=stay_id, text=sealed_for(stay_id, command.note))]


def _given_away(command: SellWalkIn) -> bool:
    return any(
        night.price_source == COMPLIMENTARY or night.amount_minor < 0 for night in command.nights
    )


def _guests_refusal(command: SellWalkIn) -> Refusal | None:
    if not command.guests or command.adults + command.children < 1:
        return Refusal.NO_GUESTS
    if len(command.guests) > GUESTS_MAX or min(command.adults, command.children) < 0:
        return Refusal.NO_GUESTS
    texts = [command.note]
    for guest in command.guests:
        texts += [guest.given, guest.family, guest.email]
        if sum(letter.isdigit() for letter in guest.phone) > PHONE_DIGITS_MAX:
            texts.append(guest.phone)
    return next((no for text in texts if (no := text_refusal(text)) is not None), None)


def _dates_refusal(state: Sale, command: SellWalkIn) -> Decision | None:
    if command.departure <= command.arrival:
        return Refusal.NO_NIGHTS
    if command.arrival < state.business_date:
        detail = {"business_date": state.business_date.isoformat()}
        return No(refusal=Refusal.BAD_DATES, detail=detail)
    try:
        days = nights(command.arrival, command.departure)
    except ValueError:
        return Refusal.BAD_DATES
    if tuple(night.date for night in command.nights) != days:
        return No(refusal=Refusal.BAD_DATES, detail={"why": "every night must be priced"})
    return None


def _room_refusal(state: Sale, command: SellWalkIn) -> Decision | None:
    if not state.known_type:
        return No(refusal=Refusal.UNKNOWN_ROOM_TYPE, detail={"room_type_id": command.room_type_id})
    if command.room_id is None:
        return None
    if state.room is None:
        return No(refusal=Refusal.UNKNOWN_ROOM, detail={"room_id": command.room_id})
    out = state.room.status is RoomStatus.OUT_OF_ORDER
    return Refusal.ROOM_OUT_OF_ORDER if out else None
