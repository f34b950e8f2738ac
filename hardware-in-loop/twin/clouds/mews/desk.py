"""Endpoints that move a reservation through its life, with the vendor's conditions."""

from __future__ import annotations

from twin.clouds.mews.body import Body
from twin.clouds.mews.listing import Asked, Json
from twin.clouds.mews.records import Note, Reservation
from twin.clouds.mews.selling import find
from twin.clouds.mews.store import MewsStore
from twin.clouds.mews.words import CancellationReason, RoomState, State, forbidden, invalid

CANCELLABLE = frozenset({State.INQUIRED, State.REQUESTED, State.OPTIONAL, State.CONFIRMED})


def confirm(asked: Asked) -> Json:
    """`reservations/confirm`: only from Optional, all or none."""
    found = _all(asked.store, asked.body)
    for one in found:
        if one.state is not State.OPTIONAL:
            raise forbidden(f"The reservation {one.number} is {one.state}, only Optional can be.")
    for one in found:
        one.state = State.CONFIRMED
        one.released_s = None
        asked.store.touch(one)
        asked.store.note("confirmed", one, by="connector")
    return {"ReservationIds": [one.id for one in found]}


def start(asked: Asked) -> Json:
    """`reservations/start`, the check-in: Confirmed, not in the future, room assigned."""
    store = asked.store
    one = find(store, asked.body.id("ReservationId"))
    if one.state is not State.CONFIRMED:
        raise forbidden(f"The reservation {one.number} is {one.state}, not Confirmed.")
    if one.start_s > store.now_s():
        raise forbidden(f"The reservation {one.number} starts in the future.")
    if one.room_id is None:
        raise forbidden(f"The reservation {one.number} has no space assigned.")
    room = store.rooms[one.room_id]
    if store.inspected_rooms_only and room.state is not RoomState.INSPECTED:
        raise forbidden(f"The space {room.name} is {room.state}, not Inspected.")
    one.state = State.STARTED
    one.actual_start_s = store.now_s()
    one.owner_checked_in = True
    store.touch(one)
    store.note("started", one, by="connector")
    return {}


def process(asked: Asked) -> Json:
    """`reservations/process`, the check-out: Started, on the last day, nothing open."""
    store, body = asked.store, asked.body
    one = find(store, body.id("ReservationId"))
    if one.state is not State.STARTED:
        raise forbidden(f"The reservation {one.number} is {one.state}, not Started.")
    if store.local_day(store.now_s()) < store.local_day(one.end_s):
        raise forbidden(
            f"The reservation {one.number} cannot be checked out sooner than its last day."
        )
    allowed, notes = body.flag("AllowOpenBalance", default=False), body.maybe_text("Notes")
    if allowed and not notes:
        raise forbidden("Notes must be filled in when an open balance is allowed.")
    open_minor = store.balance_minor(one)
    if open_minor and not allowed:
        raise forbidden(f"The reservation {one.number} has an open balance.")
    one.state = State.PROCESSED
    one.actual_end_s = store.now_s()
    if notes:
        one.notes.append(Note(id=store.new_id(), text=notes, at_s=store.now_s()))
    if one.room_id is not None:
        store.rooms[one.room_id].state = RoomState.DIRTY
        store.rooms[one.room_id].updated_s = store.now_s()
    store.touch(one)
    store.note("processed", one, by="connector", open_minor=open_minor)
    return {}


def cancel(asked: Asked) -> Json:
    """`reservations/cancel`: all or none, `Notes` say why.

    The vendor's contract has no `CancellationReason` here; the twin takes one where it is sent,
    so that a no-show can be told from a cancellation, and Other where it is not.
    """
    store, body = asked.store, asked.body
    notes = body.maybe_text("Notes")
    if not notes:
        raise invalid("Invalid Notes: they are required.")
    reason = body.maybe_word("CancellationReason", CancellationReason) or CancellationReason.OTHER
    found = _all(store, body)
    for one in found:
        if one.state not in CANCELLABLE:
            raise forbidden(f"The reservation {one.number} is {one.state}, not cancellable.")
    for one in found:
        store.cancel_reservation(one.id, reason, notes=notes, by="connector")
    return {"ReservationIds": [one.id for one in found]}


def _all(store: MewsStore, body: Body) -> list[Reservation]:
    ids = body.ids("ReservationIds")
    if ids is None:
        raise invalid("Invalid ReservationIds: 1 to 1000 identifiers are expected.")
    return [find(store, one) for one in dict.fromkeys(ids)]
