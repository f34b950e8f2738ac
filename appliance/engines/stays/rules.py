"""What the desk may do with a stay, and what follows from it."""

from __future__ import annotations

from datetime import date

from appliance.engines.housekeeping.messages import RoomStatus
from appliance.engines.stays.messages import (
    AddNote,
    AssignRoom,
    BusinessDateRolled,
    CancelStay,
    ChangeDeparture,
    CheckedIn,
    CheckedOut,
    CheckIn,
    CheckInUndone,
    CheckOut,
    DepartureChanged,
    LinkUpstream,
    MarkNoShow,
    MoveRoom,
    NoShowMarked,
    NoteAdded,
    Refusal,
    RoomAssigned,
    RoomMoved,
    RunNightAudit,
    StayCancelled,
    StayState,
    UndoCheckIn,
    UpstreamLinked,
)
from appliance.engines.stays.scene import Closing, Room, Scene
from appliance.engines.stays.state import Stay
from appliance.kernel.engine import Context, Decision, No, Yes
from appliance.kernel.sealed import Unsealed, seal_later
from appliance.kernel.values import NIGHTS_MAX, derived_id, looks_like_card_number, nights

# 2,000 characters: a page of handwriting; longer ones are pasted mail, which belongs elsewhere.
TEXT_CHARS_MAX = 2_000


def person_id_of(stay_id: str, number: int) -> str:
    """The id under which a guest's words are sealed; 0 is the one who booked."""
    return derived_id("person", stay_id, str(number))


def sealed_for(stay_id: str, text: str) -> Unsealed:
    """A text about a stay, forgotten with the guest who booked."""
    return seal_later(person_id_of(stay_id, 0), text)


def text_refusal(text: str) -> Refusal | None:
    """No card number and no novel enters the box."""
    if len(text) > TEXT_CHARS_MAX:
        return Refusal.TOO_LONG
    return Refusal.CARD_NUMBER if looks_like_card_number(text) else None


def not_confirmed(stay: Stay | None) -> Refusal | None:
    """Why a stay is none that is still expected."""
    match stay and stay.state:
        case None:
            return Refusal.UNKNOWN_STAY
        case StayState.CONFIRMED:
            return None
        case StayState.IN_HOUSE:
            return Refusal.ALREADY_IN_HOUSE
        case StayState.DEPARTED:
            return Refusal.DEPARTED
        case StayState.CANCELLED:
            return Refusal.CANCELLED
        case _:
            return Refusal.NOT_CONFIRMED


def _not_in_house(stay: Stay | None) -> Refusal | None:
    match stay and stay.state:
        case None:
            return Refusal.UNKNOWN_STAY
        case StayState.IN_HOUSE:
            return None
        case StayState.DEPARTED:
            return Refusal.DEPARTED
        case StayState.CANCELLED:
            return Refusal.CANCELLED
        case _:
            return Refusal.NOT_IN_HOUSE


def room_refusal(room: Room | None) -> Refusal | None:
    """Why nobody can be given a room."""
    if room is None:
        return Refusal.UNKNOWN_ROOM
    return Refusal.ROOM_OUT_OF_ORDER if room.status is RoomStatus.OUT_OF_ORDER else None


def _entry_refusal(room: Room, stay_id: str, *, accept_not_ready: bool) -> Refusal | No | None:
    """Who may go into a room now. A person may accept dust or a bad lock, never another guest."""
    if room.occupied_by not in {None, stay_id}:
        detail = {"room_id": room.room_id, "stay_id": room.occupied_by}
        return No(refusal=Refusal.ROOM_OCCUPIED, detail=detail)
    if not room.ready and not accept_not_ready:
        return No(refusal=Refusal.ROOM_NOT_READY, detail={"status": room.status.value})
    if room.door_trouble is not None and not accept_not_ready:
        return No(refusal=Refusal.DOOR_IN_TROUBLE, detail={"alarm": room.door_trouble})
    return None


def assigned(stay: Stay, room: Room, start: date) -> RoomAssigned:
    """The fact that a stay has a room for its nights from `start` on."""
    return RoomAssigned(
        stay_id=stay.stay_id,
        room_id=room.room_id,
        room_type_id=room.room_type_id,
        previous_room_id=stay.room_id,
        arrival=start,
        departure=stay.departure,
    )


def assign_room(scene: Scene, command: AssignRoom, _context: Context) -> Decision:
    """A room for the nights that are left; whether they are free, the calendar says."""
    stay, room = scene.stay, scene.rooms.get(command.room_id)
    refusal = not_confirmed(stay) or room_refusal(room)
    if refusal is not None:
        return refusal
    assert stay is not None, "refused above"
    assert room is not None, "refused above"
    start = max(stay.arrival, scene.business_date)
    if start >= stay.departure:
        return Refusal.BAD_DATES
    if stay.room_id == room.room_id:
        return Refusal.SAME_ROOM
    return Yes(events=[assigned(stay, room, start)], result={"room_id": room.room_id})


def check_in(scene: Scene, command: CheckIn, _context: Context) -> Decision:
    """The guest is here, today or late; before the day of arrival it is not."""
    stay = scene.stay
    refusal = not_confirmed(stay)
    if refusal is not None:
        return refusal
    assert stay is not None, "refused above"
    if stay.arrival > scene.business_date:
        return No(refusal=Refusal.NOT_DUE_YET, detail={"arrival": stay.arrival.isoformat()})
    if stay.departure <= scene.business_date:
        return No(refusal=Refusal.BAD_DATES, detail={"departure": stay.departure.isoformat()})
    room_id = command.room_id or stay.room_id
    if room_id is None:
        return Refusal.NO_ROOM
    room = scene.rooms.get(room_id)
    no = room_refusal(room) or _entry_refusal(
        _sure(room), stay.stay_id, accept_not_ready=command.accept_not_ready
    )
    if no is not None:
        return no
    return _arrive(scene, stay, _sure(room))


def _sure(room: Room | None) -> Room:
    assert room is not None, "an unknown room is refused before"
    return room


def _arrive(scene: Scene, stay: Stay, room: Room) -> Decision:
    events = []
    if stay.room_id != room.room_id:
        events.append(assigned(stay, room, max(stay.arrival, scene.business_date)))
    here = CheckedIn(
        stay_id=stay.stay_id,
        room_id=room.room_id,
        arrival=stay.arrival,
        departure=stay.departure,
        business_date=scene.business_date,
        not_ready_accepted=not room.ready,
    )
    return Yes(events=[*events, here], result={"stay_id": stay.stay_id, "room_id": room.room_id})


def undo_check_in(scene: Scene, command: UndoCheckIn, _context: Context) -> Decision:
    """Until the guest has moved or left; after that it was no mistake."""
    stay = scene.stay
    if stay is not None and (stay.moved or stay.state is StayState.DEPARTED):
        return Refusal.TOO_LATE_TO_UNDO
    refusal = _not_in_house(stay) or text_refusal(command.reason)
    if refusal is not None:
        return refusal
    assert stay is not None, "refused above"
    assert stay.room_id is not None, "who is in house has a room"
    return [
        CheckInUndone(
            stay_id=stay.stay_id,
            room_id=stay.room_id,
            reason=sealed_for(stay.stay_id, command.reason),
            room_type_id=stay.room_type_id,
        )
    ]


def move_room(scene: Scene, command: MoveRoom, _context: Context) -> Decision:
    """Another room for the nights that are left, from the business date on."""
    stay, room = scene.stay, scene.rooms.get(command.room_id)
    refusal = _not_in_house(stay) or room_refusal(room) or text_refusal(command.reason)
    if refusal is not None:
        return refusal
    assert stay is not None, "refused above"
    assert stay.room_id is not None, "who is in house has a room"
    if stay.room_id == command.room_id:
        return Refusal.SAME_ROOM
    from_date = max(stay.arrival, scene.business_date)
    if from_date >= stay.departure:
        return No(refusal=Refusal.NO_NIGHTS, detail={"departure": stay.departure.isoformat()})
    no = _entry_refusal(_sure(room), stay.stay_id, accept_not_ready=command.accept_not_ready)
    if no is not None:
        return no
    moved = RoomMoved(
        stay_id=stay.stay_id,
        from_room_id=stay.room_id,
        to_room_id=command.room_id,
        to_room_type_id=_sure(room).room_type_id,
        from_date=from_date,
        departure=stay.departure,
        reason=sealed_for(stay.stay_id, command.reason),
    )
    return Yes(events=[moved], result={"room_id": command.room_id})


def change_departure(scene: Scene, command: ChangeDeparture, _context: Context) -> Decision:
    """Longer with every added night priced, or shorter with the nights left dropped."""
    stay = scene.stay
    refusal = None if stay and stay.state is StayState.IN_HOUSE else not_confirmed(stay)
    refusal = refusal or _dates_refusal(scene, command)
    if refusal is not None:
        return refusal
    assert stay is not None, "refused above"
    kept = tuple(night for night in stay.nights if night.date < command.departure)
    if command.departure > stay.departure:
        added = tuple(night.date for night in command.added_nights)
        if added != nights(stay.departure, command.departure):
            return No(refusal=Refusal.BAD_DATES, detail={"why": "added nights must be priced"})
        kept = (*kept, *command.added_nights)
    changed = DepartureChanged(
        stay_id=stay.stay_id,
        room_id=stay.room_id,
        previous=stay.departure,
        departure=command.departure,
        nights=kept,
    )
    return Yes(events=[changed], result={"departure": command.departure.isoformat()})


def _dates_refusal(scene: Scene, command: ChangeDeparture) -> Refusal | None:
    stay = scene.stay
    assert stay is not None, "refused before"
    if command.departure == stay.departure:
        return Refusal.UNCHANGED
    if command.departure <= stay.arrival:
        return Refusal.NO_NIGHTS
    too_long = (command.departure - stay.arrival).days > NIGHTS_MAX
    return Refusal.BAD_DATES if too_long or command.departure < scene.business_date else None


def check_out(scene: Scene, _command: CheckOut, _context: Context) -> Decision:
    """The guest has left; what is left of the nights is free at once."""
    refusal = _not_in_house(scene.stay)
    if refusal is not None:
        return refusal
    assert scene.stay is not None, "refused above"
    return [left(scene.stay, scene.business_date)]


def left(stay: Stay, today: date) -> CheckedOut:
    """The fact that a guest in house has left."""
    assert stay.room_id is not None, "who is in house has a room"
    return CheckedOut(
        stay_id=stay.stay_id,
        room_id=stay.room_id,
        business_date=today,
        departure=stay.departure,
        early=today < stay.departure,
    )


def cancel(scene: Scene, command: CancelStay, _context: Context) -> Decision:
    """A guest who is here cannot be cancelled."""
    refusal = not_confirmed(scene.stay) or text_refusal(command.reason)
    if refusal is not None:
        return refusal
    reason = sealed_for(command.stay_id, command.reason)
    return [StayCancelled(stay_id=command.stay_id, by_upstream=False, reason=reason)]


def mark_no_show(scene: Scene, command: MarkNoShow, _context: Context) -> Decision:
    """Only who was due can fail to come."""
    refusal = not_confirmed(scene.stay)
    if refusal is not None:
        return refusal
    assert scene.stay is not None, "refused above"
    day = command.closing or scene.business_date
    if scene.stay.arrival > day:
        return No(refusal=Refusal.NOT_DUE_YET, detail={"stay_id": command.stay_id})
    return [NoShowMarked(stay_id=command.stay_id, by_upstream=False, business_date=day)]


def add_note(scene: Scene, command: AddNote, _context: Context) -> Decision:
    """Any stay may be written about, also one that is over."""
    if scene.stay is None:
        return Refusal.UNKNOWN_STAY
    refusal = Refusal.EMPTY if not command.text.strip() else text_refusal(command.text)
    if refusal is not None:
        return refusal
    return [NoteAdded(stay_id=command.stay_id, text=sealed_for(command.stay_id, command.text))]


def link_upstream(state: tuple[Scene, bool], command: LinkUpstream, _context: Context) -> Decision:
    """One stay, one booking of the PMS."""
    scene, others = state
    stay = scene.stay
    if stay is None:
        return Refusal.UNKNOWN_STAY
    if (stay.source, stay.upstream_id) == (command.source, command.upstream_id):
        return []
    if others or stay.upstream_id is not None:
        return Refusal.EXISTS
    return [
        UpstreamLinked(
            stay_id=stay.stay_id,
            source=command.source,
            upstream_id=command.upstream_id,
            upstream_version=command.upstream_version,
            code=command.code,
        )
    ]


def run_night_audit(state: Closing, command: RunNightAudit, _context: Context) -> Decision:
    """The business date rolls by decision; a second run finds the day closed, with its totals."""
    if state.told is not None:
        return No(refusal=Refusal.NOTHING_TO_AUDIT, detail=state.told)
    if command.closing != state.business_date:
        detail = {"business_date": state.business_date.isoformat()}
        return No(refusal=Refusal.BAD_DATES, detail=detail)
    no_shows = tuple(dict.fromkeys(command.no_shows))
    rolled = BusinessDateRolled(
        closed=command.closing,
        opened=date.fromordinal(command.closing.toordinal() + 1),
        no_shows=no_shows,
        in_house=state.in_house,
        room_revenue_minor=state.room_revenue_minor,
        arrivals_left=state.due - len(no_shows),
        departures_left=state.departures_left,
    )
    totals = {
        "closed": rolled.closed.isoformat(),
        "opened": rolled.opened.isoformat(),
        "in_house": rolled.in_house,
        "room_revenue_minor": rolled.room_revenue_minor,
        "no_shows": len(no_shows),
        "arrivals_left": rolled.arrivals_left,
        "departures_left": rolled.departures_left,
    }
    return Yes(events=[rolled], result=totals)
