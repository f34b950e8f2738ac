"""What the PMS says of a booking, merged with what the box knows; a person settles the rest.

Three sides are compared: what the PMS says now, what it said last, and what the box holds. Only
what the PMS *changed* is news; what merely lags behind the desk overwrites nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from appliance.engines.housekeeping.messages import RoomStatus
from appliance.engines.stays.messages import (
    Booked,
    BookingChanged,
    CheckedIn,
    ConflictRaised,
    DepartedElsewhere,
    Guest,
    LearnBooking,
    Night,
    NoShowMarked,
    NoteAdded,
    Refusal,
    Reinstated,
    RoomUnassigned,
    StayCancelled,
    StayState,
    UpstreamLinked,
    UpstreamSays,
    UpstreamSeen,
)
from appliance.engines.stays.rules import assigned, sealed_for, text_refusal
from appliance.engines.stays.sale import sealed_guests
from appliance.engines.stays.scene import Room, Scene, stay_id_of
from appliance.engines.stays.state import Stay, fold
from appliance.kernel.engine import Context, Decision, No, Yes
from appliance.kernel.messages import Event
from appliance.kernel.sealed import Unsealed
from appliance.kernel.values import nights

_GONE = frozenset({StayState.CANCELLED, StayState.NO_SHOW})
REMOVED = "[removed: it held a card number]"


@dataclass(frozen=True, slots=True, kw_only=True)
class _News:
    """One look at the PMS, and everything it is compared with."""

    scene: Scene
    command: LearnBooking
    context: Context
    says: UpstreamSays
    said: UpstreamSays  # what it said last, or says now where it has not been heard before
    first: bool  # nothing was heard before: what it says is no change

    def changed(self, *names: str) -> bool:
        """Whether the PMS changed one of these since it was heard last."""
        return any(getattr(self.says, name) != getattr(self.said, name) for name in names)


def learn_booking(scene: Scene, command: LearnBooking, context: Context) -> Decision:
    """Take in what is news; refuse only what cannot be a stay at all."""
    no = _unusable(scene, command)
    if no is not None:
        return no
    says = _says(command)
    stay = scene.stay
    events: list[Event] = []
    if stay is None:
        stay_id = stay_id_of(command.source, command.upstream_id)
        events += _first_facts(stay_id, command, says)
    else:
        stay_id = stay.stay_id
        if stay.upstream_id is None:
            events.append(_linked(stay_id, command))
        elif stay.says is not None and not _is_news(stay.says, says):
            return Yes(
                events=[], result={"stay_id": stay_id, "news": False}, stream=f"stay/{stay_id}"
            )
    stay = _now(stay, events)
    said = stay.says
    news = _News(
        scene=scene, command=command, context=context, says=says, said=said or says, first=not said
    )
    events += _follow(news, stay)
    after = _now(stay, events) if scene.stay is None else _now(scene.stay, events)
    if after.says != says:
        events.append(UpstreamSeen(stay_id=stay_id, upstream_version=says.version, says=says))
    result = {"stay_id": stay_id, "news": True, "state": after.state.value}
    return Yes(events=events, result=result, stream=f"stay/{stay_id}")


def stream_of(command: LearnBooking, _context: Context) -> str:
    """The stream of a booking the PMS sold; the rule names another where the box sold it."""
    return f"stay/{stay_id_of(command.source, command.upstream_id)}"


def _now(stay: Stay | None, events: Sequence[Event]) -> Stay:
    now = fold(stay, events)
    assert now is not None, "a booking is among the facts"
    return now


def _unusable(scene: Scene, command: LearnBooking) -> Decision | None:
    if command.departure <= command.arrival and not _left_at_once(scene.stay, command):
        return Refusal.NO_NIGHTS
    # Babies without a grown-up are booked in earnest (real data): one guest of any age is enough.
    if max(0, command.adults) + max(0, command.children) < 1:
        return Refusal.NO_GUESTS
    if command.room_type_id not in scene.room_types:
        return No(refusal=Refusal.UNKNOWN_ROOM_TYPE, detail={"room_type_id": command.room_type_id})
    try:
        _stretch(command)
    except ValueError:
        return Refusal.BAD_DATES
    return None


def _left_at_once(stay: Stay | None, command: LearnBooking) -> bool:
    """The echo of a guest who came and left on one day: the PMS keeps no night of it."""
    over = stay is not None and stay.state is StayState.DEPARTED
    return over and command.departure == command.arrival


def _stretch(command: LearnBooking) -> tuple[date, ...]:
    """The nights of it; none where the guest left at once."""
    if command.departure == command.arrival:
        return ()
    return nights(command.arrival, command.departure)


def _says(command: LearnBooking) -> UpstreamSays:
    cancelled = command.state is StayState.CANCELLED and command.no_show
    return UpstreamSays(
        version=command.upstream_version,
        state=StayState.NO_SHOW if cancelled else command.state,
        room_type_id=command.room_type_id,
        room_id=command.room_id,
        arrival=command.arrival,
        departure=command.departure,
        adults=command.adults,
        children=command.children,
        nights=_priced(command),
        fees=command.fees,
        channel=command.channel,
        guests_version=command.guests_version,
    )


def _priced(command: LearnBooking) -> tuple[Night, ...]:
    """Every night once, in order; one that the PMS does not price is kept at nothing, and says so."""
    given = {night.date: night for night in command.nights}
    currency = command.nights[0].currency if command.nights else ""
    return tuple(
        given.get(day)
        or Night(date=day, amount_minor=0, currency=currency, price_source="upstream:missing")
        for day in _stretch(command)
    )


def _is_news(said: UpstreamSays, says: UpstreamSays) -> bool:
    older = _order(says.version) < _order(said.version)
    return not older and says != said


def _order(version: str) -> tuple[int, int, str]:
    """Numbers count as numbers; times in ISO 8601 compare as text once the Z is off."""
    if version.isascii() and version.isdigit():
        return (0, int(version), "")
    return (1, 0, version.removesuffix("Z"))


def _first_facts(stay_id: str, command: LearnBooking, says: UpstreamSays) -> list[Event]:
    booked = Booked(
        stay_id=stay_id,
        source=command.source,
        upstream_id=command.upstream_id,
        upstream_version=says.version,
        code=command.code,
        room_type_id=says.room_type_id,
        room_id=None,
        arrival=says.arrival,
        departure=says.departure,
        guests=_guests(stay_id, command),
        adults=says.adults,
        children=says.children,
        nights=says.nights,
        fees=says.fees,
        channel=says.channel,
        account_ref=command.account_ref,
        guests_version=says.guests_version,
    )
    if not command.note.strip():
        return [booked]
    note = NoteAdded(stay_id=stay_id, text=sealed_for(stay_id, _harmless(command.note)))
    return [booked, note]


def _guests(stay_id: str, command: LearnBooking) -> tuple[Unsealed, ...]:
    cleaned = [
        Guest(
            given=_harmless(guest.given),
            family=_harmless(guest.family),
            email=_harmless(guest.email),
            phone=guest.phone,
        )
        for guest in command.guests
    ]
    return sealed_guests(stay_id, cleaned)


def _harmless(text: str) -> str:
    """A booking never dies of a bad field: the field does."""
    return REMOVED if text_refusal(text) is not None else text


def _linked(stay_id: str, command: LearnBooking) -> UpstreamLinked:
    return UpstreamLinked(
        stay_id=stay_id,
        source=command.source,
        upstream_id=command.upstream_id,
        upstream_version=command.upstream_version,
        code=command.code,
    )


def _follow(news: _News, stay: Stay) -> list[Event]:
    match stay.state:
        case StayState.CONFIRMED:
            return _while_confirmed(news, stay)
        case StayState.IN_HOUSE:
            return _while_in_house(news, stay)
        case StayState.DEPARTED:
            return _after_departure(news, stay)
        case _:
            return _after_the_end(news, stay)


def _while_confirmed(news: _News, stay: Stay) -> list[Event]:
    """The PMS is master of the bookings it sold, until the guest is here."""
    says = news.says
    if says.state is StayState.CANCELLED:
        reason = sealed_for(stay.stay_id, "the PMS cancelled it")
        return [
            StayCancelled(
                stay_id=stay.stay_id,
                by_upstream=True,
                reason=reason,
                upstream_version=says.version,
            )
        ]
    if says.state is StayState.NO_SHOW:
        return [
            NoShowMarked(
                stay_id=stay.stay_id,
                by_upstream=True,
                business_date=news.scene.business_date,
                upstream_version=says.version,
            )
        ]
    events = _changes(news, stay)
    stay = _now(stay, events)
    if says.state is StayState.DEPARTED:
        return [*events, _departed(news, stay)]
    events += _room_given(news, stay, replanned=_replanned(events))
    stay = _now(stay, events)
    # Where a check-in was undone here, "in house" is the echo of a mistake.
    lags = stay.undone and news.said.state is StayState.IN_HOUSE
    if says.state is StayState.IN_HOUSE and not lags:
        events += _arrived(news, stay)
    return events


def _replanned(events: Sequence[Event]) -> bool:
    return any(isinstance(each, BookingChanged) and not each.same_nights for each in events)


def _changes(news: _News, stay: Stay) -> list[Event]:
    """Dates and type where the PMS changed them; guests, prices and channel always."""
    says = news.says
    in_house = stay.state is StayState.IN_HOUSE
    dates = not in_house and news.changed("arrival", "departure")
    kind = not in_house and news.changed("room_type_id")
    arrival = says.arrival if dates else stay.arrival
    departure = says.departure if dates else stay.departure
    same_stretch = (arrival, departure) == (says.arrival, says.departure)
    changed = BookingChanged(
        stay_id=stay.stay_id,
        upstream_version=says.version,
        room_type_id=says.room_type_id if kind else stay.room_type_id,
        arrival=arrival,
        departure=departure,
        guests=_guests(stay.stay_id, news.command) if _guests_changed(news, stay) else (),
        adults=says.adults,
        children=says.children,
        nights=says.nights if same_stretch else stay.nights,
        fees=says.fees,
        channel=stay.channel if stay.says is None else says.channel,
        same_nights=(arrival, departure) == (stay.arrival, stay.departure)
        and (not kind or says.room_type_id == stay.room_type_id),
    )
    after = _now(stay, [changed])
    return [] if after == stay and not changed.guests else [changed]


def _guests_changed(news: _News, stay: Stay) -> bool:
    """Names are sealed and cannot be compared here: their version can, else the echo decides."""
    says, said = news.says, news.said
    if news.first or not news.command.guests:
        return False
    if says.guests_version or said.guests_version:
        return says.guests_version != said.guests_version
    if len(news.command.guests) != stay.guests:
        return True
    return says.version != said.version and not _is_echo(news, stay)


def _is_echo(news: _News, stay: Stay) -> bool:
    """The PMS caught up with something that was done here."""
    ours = (stay.state, stay.arrival, stay.departure)
    said = (news.said.state, news.said.arrival, news.said.departure)
    return (news.says.state, news.says.arrival, news.says.departure) == ours != said


def _departed(news: _News, stay: Stay) -> DepartedElsewhere:
    return DepartedElsewhere(
        stay_id=stay.stay_id,
        room_id=news.says.room_id or stay.room_id,
        business_date=news.scene.business_date,
        upstream_version=news.says.version,
    )


def _room_given(news: _News, stay: Stay, *, replanned: bool) -> list[Event]:
    """The PMS's room where it is free; the room held before, where it still fits."""
    wanted = news.says.room_id
    events: list[Event] = []
    if wanted is not None and wanted != stay.room_id and _newly_given(news):
        room = news.scene.rooms.get(wanted)
        if room is not None and _fits(news, stay, room):
            return [assigned(stay, room, _start(news, stay))]
        what = "room_taken" if room is not None else "unknown_room"
        events += _conflict(news, stay, what, stay.room_id or "no room", wanted)
    if stay.room_id is not None and replanned:
        events += _kept_room(news, stay, stay.room_id)
    return events


def _newly_given(news: _News) -> bool:
    return news.first or news.changed("room_id")


def _kept_room(news: _News, stay: Stay, room_id: str) -> list[Event]:
    room = news.scene.rooms.get(room_id)
    other_type = news.changed("room_type_id") and (
        room is None or room.room_type_id != stay.room_type_id
    )
    if room is not None and not other_type and _fits(news, stay, room):
        return [assigned(stay, room, _start(news, stay))]
    return [RoomUnassigned(stay_id=stay.stay_id, room_id=room_id, room_type_id=stay.room_type_id)]


def _start(news: _News, stay: Stay) -> date:
    return max(stay.arrival, news.scene.business_date)


def _fits(news: _News, stay: Stay, room: Room) -> bool:
    start = _start(news, stay)
    in_order = room.status is not RoomStatus.OUT_OF_ORDER
    return in_order and start < stay.departure and room.free(stay.stay_id, start, stay.departure)


def _arrived(news: _News, stay: Stay) -> list[Event]:
    """Checked in at the PMS. Who is in house is the box's to say: only into a room that is free."""
    room = news.scene.rooms.get(stay.room_id or "")
    today = news.scene.business_date
    due = stay.arrival <= today < stay.departure
    if room is None or not due or room.occupied_by not in {None, stay.stay_id}:
        return _conflict(news, stay, "in_house_elsewhere", "confirmed", _where(news))
    return [
        CheckedIn(
            stay_id=stay.stay_id,
            room_id=room.room_id,
            arrival=stay.arrival,
            departure=stay.departure,
            business_date=today,
            not_ready_accepted=not room.ready,
        )
    ]


def _where(news: _News) -> str:
    return f"in house, {news.says.room_id or 'no room'}"


def _while_in_house(news: _News, stay: Stay) -> list[Event]:
    """Nothing of a guest who is here is overwritten; what disagrees waits for a person."""
    says = news.says
    events = _changes(news, stay)
    gone = says.state in {*_GONE, StayState.DEPARTED}
    if gone and (news.first or news.changed("state")):
        events += _conflict(news, stay, f"{says.state.value}_in_house", "in house", says.state)
    if gone:
        return events
    ours, theirs = _dates(stay), _dates(says)
    if news.changed("arrival", "departure") and ours != theirs:
        events += _conflict(news, stay, "dates_in_house", ours, theirs)
    if news.changed("room_type_id") and says.room_type_id not in _types(news, stay):
        events += _conflict(news, stay, "room_type_in_house", stay.room_type_id, says.room_type_id)
    if says.room_id is not None and news.changed("room_id") and says.room_id != stay.room_id:
        events += _conflict(news, stay, "room_in_house", stay.room_id or "", says.room_id)
    return events


def _types(news: _News, stay: Stay) -> set[str]:
    room = news.scene.rooms.get(stay.room_id or "")
    return {stay.room_type_id} | ({room.room_type_id} if room is not None else set())


def _dates(stretch: Stay | UpstreamSays) -> str:
    return f"{stretch.arrival} to {stretch.departure}"


def _after_departure(news: _News, stay: Stay) -> list[Event]:
    if news.says.state in _GONE and (news.first or news.changed("state")):
        what = f"{news.says.state.value}_after_departure"
        return _conflict(news, stay, what, "departed", news.says.state)
    return []


def _after_the_end(news: _News, stay: Stay) -> list[Event]:
    """Cancelled or no-show here: the PMS lags behind us, or has called the booking back."""
    says = news.says
    if says.state in _GONE:
        return []
    if news.said.state not in _GONE or news.first:
        if says.state is StayState.CONFIRMED or not news.changed("state"):
            return []
        return _conflict(news, stay, "active_upstream", stay.state, says.state)
    back = Reinstated(
        stay_id=stay.stay_id,
        upstream_version=says.version,
        room_type_id=says.room_type_id,
        arrival=says.arrival,
        departure=says.departure,
    )
    again = replace(news, said=replace(news.said, room_id=None))
    return [back, *_while_confirmed(again, _now(stay, [back]))]


def _conflict(news: _News, stay: Stay, what: str, box_says: str, says: str) -> list[Event]:
    if stay.conflict_open(what, says):
        return []
    return [
        ConflictRaised(
            stay_id=stay.stay_id,
            conflict_id=news.context.new_id("conflict", stay.stay_id, what),
            what=what,
            box_says=box_says,
            upstream_says=says,
            upstream_version=news.says.version,
        )
    ]
