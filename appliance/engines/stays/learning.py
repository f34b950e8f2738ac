"""What the PMS says of a booking, merged with what the box knows; a person settles the rest.

Three sides are compared: what the PMS says now, what it said last, and what the box holds. Only
what the PMS *changed* is news; what merely lags behind the desk overwrites nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from appliance.engines.stays.merging import (
    Merge,
    News,
    disputed,
    item_of,
    mark_of,
    merged,
    state_conflict,
)
from appliance.engines.stays.messages import (
    Booked,
    BookingChanged,
    CheckedIn,
    DepartedElsewhere,
    Guest,
    ItemField,
    LearnBooking,
    Night,
    NoShowMarked,
    NoteAdded,
    Refusal,
    Reinstated,
    StayCancelled,
    StayState,
    UpstreamLinked,
    UpstreamSays,
    UpstreamSeen,
)
from appliance.engines.stays.rooming import fits, kept_room, start_of
from appliance.engines.stays.rules import assigned, sealed_for, text_refusal
from appliance.engines.stays.sale import sealed_guests
from appliance.engines.stays.scene import Scene, stay_id_of
from appliance.engines.stays.state import Stay, fold
from appliance.kernel.engine import Context, Decision, No, Yes
from appliance.kernel.messages import Event
from appliance.kernel.sealed import Unsealed
from appliance.kernel.values import nights

_GONE = frozenset({StayState.CANCELLED, StayState.NO_SHOW})
REMOVED = "[removed: it held a card number]"


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
    news = News(
        scene=scene, command=command, context=context, says=says, said=said or says, first=not said
    )
    if not news.first and news.changed("note_mark"):
        events += _note(stay_id, command)
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
        eta=command.eta,
        note_mark=mark_of(_harmless(command.note)),
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
        eta=says.eta,
        note_mark=says.note_mark,
    )
    return [booked, *_note(stay_id, command)]


def _note(stay_id: str, command: LearnBooking) -> list[Event]:
    if not command.note.strip():
        return []
    return [NoteAdded(stay_id=stay_id, text=sealed_for(stay_id, _harmless(command.note)))]


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


def _follow(news: News, stay: Stay) -> list[Event]:
    match stay.state:
        case StayState.CONFIRMED:
            return _while_confirmed(news, stay)
        case StayState.IN_HOUSE:
            return _while_in_house(news, stay)
        case StayState.DEPARTED:
            return _after_departure(news, stay)
        case _:
            return _after_the_end(news, stay)


def _while_confirmed(news: News, stay: Stay) -> list[Event]:
    """The PMS is master of the bookings it sold, until the guest is here."""
    says = news.says
    # A person took that end back, and the PMS has not changed its mind since.
    overruled = stay.overruled is says.state and not news.changed("state")
    if says.state is StayState.CANCELLED and not overruled:
        reason = sealed_for(stay.stay_id, "the PMS cancelled it")
        return [
            StayCancelled(
                stay_id=stay.stay_id,
                by_upstream=True,
                reason=reason,
                upstream_version=says.version,
            )
        ]
    if says.state is StayState.NO_SHOW and not overruled:
        return [
            NoShowMarked(
                stay_id=stay.stay_id,
                by_upstream=True,
                business_date=news.scene.business_date,
                upstream_version=says.version,
            )
        ]
    merge = _merged(news, stay)
    events, stay = merge.events, _now(stay, merge.events)
    if says.state is StayState.DEPARTED and not overruled:
        return [*events, _departed(news, stay)]
    events += _room_given(news, stay, merge)
    stay = _now(stay, events)
    events += disputed(news, stay, merge.items)
    # Where a check-in was undone here, "in house" is the echo of a mistake.
    lags = overruled or (stay.undone and news.said.state is StayState.IN_HOUSE)
    if says.state is StayState.IN_HOUSE and not lags:
        events += _arrived(news, stay)
    return events


def _replanned(events: Sequence[Event]) -> bool:
    return any(isinstance(each, BookingChanged) and not each.same_nights for each in events)


def _guests_changed(news: News, stay: Stay) -> bool:
    """Names are sealed and cannot be compared here: their version can, else the echo decides."""
    says, said = news.says, news.said
    if news.first or not news.command.guests:
        return False
    if says.guests_version or said.guests_version:
        return says.guests_version != said.guests_version
    if len(news.command.guests) != stay.guests:
        return True
    return says.version != said.version and not _is_echo(news, stay)


def _is_echo(news: News, stay: Stay) -> bool:
    """The PMS caught up with something that was done here."""
    ours = (stay.state, stay.arrival, stay.departure)
    said = (news.said.state, news.said.arrival, news.said.departure)
    return (news.says.state, news.says.arrival, news.says.departure) == ours != said


def _departed(news: News, stay: Stay) -> DepartedElsewhere:
    return DepartedElsewhere(
        stay_id=stay.stay_id,
        room_id=news.says.room_id or stay.room_id,
        business_date=news.scene.business_date,
        upstream_version=news.says.version,
    )


def _merged(news: News, stay: Stay) -> Merge:
    guests = _guests(stay.stay_id, news.command) if _guests_changed(news, stay) else ()
    return merged(news, stay, guests)


def _room_given(news: News, stay: Stay, merge: Merge) -> list[Event]:
    """The PMS's room where it is free; the room held before, where it still fits."""
    wanted = news.says.room_id
    events: list[Event] = []
    replanned = _replanned(merge.events)
    if wanted is not None and wanted != stay.room_id and _newly_given(news):
        if not news.first and stay.room_id not in {None, news.said.room_id} and not replanned:
            merge.items.append(item_of(news, stay, ItemField.ROOM))
            return []
        room = news.scene.rooms.get(wanted)
        if room is not None and fits(news.scene, stay, room):
            return [assigned(stay, room, start_of(news.scene, stay))]
        what = "room_taken" if room is not None else "unknown_room"
        events += state_conflict(news, stay, what, stay.room_id or "no room", wanted)
    if stay.room_id is not None and replanned:
        other_type = news.changed("room_type_id")
        events += kept_room(news.scene, stay, stay.room_id, other_type=other_type)
    return events


def _newly_given(news: News) -> bool:
    return news.first or news.changed("room_id")


def _arrived(news: News, stay: Stay) -> list[Event]:
    """Checked in at the PMS. Who is in house is the box's to say: only into a room that is free."""
    room = news.scene.rooms.get(stay.room_id or "")
    today = news.scene.business_date
    due = stay.arrival <= today < stay.departure
    if room is None or not due or room.occupied_by not in {None, stay.stay_id}:
        return state_conflict(news, stay, "in_house_elsewhere", "confirmed", _where(news))
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


def _where(news: News) -> str:
    return f"in house, {news.says.room_id or 'no room'}"


def _while_in_house(news: News, stay: Stay) -> list[Event]:
    """Nothing of a guest who is here is overwritten; what disagrees waits for a person."""
    says = news.says
    merge = _merged(news, stay)
    events = merge.events
    gone = says.state in {*_GONE, StayState.DEPARTED}
    if gone and (news.first or news.changed("state")):
        events += state_conflict(news, stay, f"{says.state.value}_in_house", "in house", says.state)
    if gone:
        return events
    if says.room_id is not None and news.changed("room_id") and says.room_id != stay.room_id:
        merge.items.append(item_of(news, stay, ItemField.ROOM))
    return [*events, *disputed(news, _now(stay, events), merge.items)]


def _after_departure(news: News, stay: Stay) -> list[Event]:
    if news.says.state in _GONE and (news.first or news.changed("state")):
        what = f"{news.says.state.value}_after_departure"
        return state_conflict(news, stay, what, "departed", news.says.state)
    return []


def _after_the_end(news: News, stay: Stay) -> list[Event]:
    """Cancelled or no-show here: the PMS lags behind us, or has called the booking back."""
    says = news.says
    if says.state in _GONE:
        return []
    if news.said.state not in _GONE or news.first:
        if says.state is StayState.CONFIRMED or not news.changed("state"):
            return []
        return state_conflict(news, stay, "active_upstream", stay.state, says.state)
    back = Reinstated(
        stay_id=stay.stay_id,
        upstream_version=says.version,
        room_type_id=says.room_type_id,
        arrival=says.arrival,
        departure=says.departure,
    )
    again = replace(news, said=replace(news.said, room_id=None))
    return [back, *_while_confirmed(again, _now(stay, [back]))]
