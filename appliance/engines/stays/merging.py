"""Two masters changed one booking: point by point, what is safe is merged, the rest is disputed.

Notes, the time of arrival, guests, counts, fees and channel are taken as the PMS says them. Dates,
room type, room and the price of a night are taken where only the PMS changed them; where the box
changed them too, or the guest is here, nothing is overwritten and a person decides each point.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from appliance.engines.stays.messages import (
    BookingChanged,
    ConflictCleared,
    ConflictItem,
    ConflictRaised,
    ItemField,
    LearnBooking,
    Night,
    StayState,
    UpstreamSays,
)
from appliance.engines.stays.scene import Scene
from appliance.engines.stays.state import Stay, fold
from appliance.kernel.engine import Context
from appliance.kernel.messages import Event
from appliance.kernel.money import decimal_of
from appliance.kernel.sealed import Sealed

DATES: Final = frozenset({ItemField.ARRIVAL, ItemField.DEPARTURE})
NAMES: Final[Mapping[ItemField, str]] = {
    ItemField.ARRIVAL: "arrival",
    ItemField.DEPARTURE: "departure",
    ItemField.ROOM_TYPE: "room_type_id",
    ItemField.ROOM: "room_id",
}
# What a dispute may be called: its one point, its dates, or the booking where there are several.
DISPUTES: Final = frozenset(
    f"{name}_{where}"
    for name in ("dates", "room_type", "room", "price", "booking")
    for where in ("in_house", "changed_here")
)
# 24 bits: enough to tell a changed note from an echo, too few to tell what a note said.
MARK_CHARS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
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


@dataclass(slots=True, kw_only=True)
class Merge:
    """What is taken over, and what a person has to decide."""

    events: list[Event] = field(default_factory=list)
    items: list[ConflictItem] = field(default_factory=list)


def mark_of(note: str) -> str:
    """A mark of a note's text; "" of none."""
    text = note.strip()
    return hashlib.sha256(text.encode()).hexdigest()[:MARK_CHARS] if text else ""


def merged(news: News, stay: Stay, guests: tuple[Sealed, ...]) -> Merge:
    """The booking as both sides have it; `guests` are those to take over, if any."""
    says = news.says
    merge = Merge()
    arrival = says.arrival if _takes(news, stay, ItemField.ARRIVAL, merge) else stay.arrival
    departure = says.departure if _takes(news, stay, ItemField.DEPARTURE, merge) else stay.departure
    if departure <= arrival and stay.arrival < stay.departure:
        # One side's arrival after the other's departure: neither is taken without the other.
        merge.items = [
            item_of(news, stay, each) for each in sorted(DATES) if differs(news, stay, each)
        ]
        arrival, departure = stay.arrival, stay.departure
    kind = (
        says.room_type_id if _takes(news, stay, ItemField.ROOM_TYPE, merge) else stay.room_type_id
    )
    changed = BookingChanged(
        stay_id=stay.stay_id,
        upstream_version=says.version,
        room_type_id=kind,
        arrival=arrival,
        departure=departure,
        guests=guests,
        adults=says.adults,
        children=says.children,
        nights=_nights(news, stay, (arrival, departure), merge),
        fees=says.fees,
        channel=stay.channel if stay.says is None else says.channel,
        same_nights=(arrival, departure, kind) == (stay.arrival, stay.departure, stay.room_type_id),
        eta=says.eta or stay.eta,
    )
    if guests or fold(stay, [changed]) != stay:
        merge.events.append(changed)
    return merge


def _takes(news: News, stay: Stay, point: ItemField, merge: Merge) -> bool:
    """Whether the PMS's version of one point is taken; where a person must say, it is disputed."""
    name = NAMES[point]
    if not news.changed(name) or not differs(news, stay, point):
        return False
    here = stay.state is StayState.IN_HOUSE
    if here or getattr(stay, name) != getattr(news.said, name):
        merge.items.append(item_of(news, stay, point))
        return False
    return True


def differs(news: News, stay: Stay, point: ItemField) -> bool:
    """Whether box and PMS have different versions of one point now.

    A guest in house in a room of the type that the PMS names has what it says.
    """
    theirs = getattr(news.says, NAMES[point])
    ours = {getattr(stay, NAMES[point])}
    if point is ItemField.ROOM_TYPE and stay.state is StayState.IN_HOUSE:
        room = news.scene.rooms.get(stay.room_id or "")
        ours |= {room.room_type_id} if room is not None else set()
    return theirs not in ours


def _nights(news: News, stay: Stay, stretch: tuple[date, date], merge: Merge) -> tuple[Night, ...]:
    """Night by night: the PMS's price, but where the desk gave the same night another one."""
    ours, theirs, before = (
        {night.date: night for night in each.nights} for each in (stay, news.says, news.said)
    )
    known, both = [], []
    day = stretch[0]
    while day < stretch[1]:
        own, said = ours.get(day), theirs.get(day)
        base = said if news.first else before.get(day)
        if own is not None and (said is None or _keeps(own, base, said)):
            known.append(own)
            both += [(own, said)] if said is not None and _moved(base, said) else []
        elif said is not None:
            known.append(said)
        else:
            known.append(unpriced(day))
        day += timedelta(days=1)
    if both:
        texts = [", ".join(price_text(pair[side]) for pair in both) for side in (0, 1)]
        merge.items.append(_item(news, ItemField.PRICE, *texts))
    return tuple(known)


def unpriced(day: date) -> Night:
    """A night that nobody priced: kept at nothing, and it says so."""
    return Night(date=day, amount_minor=0, currency="", price_source="upstream:missing")


def _moved(base: Night | None, now: Night) -> bool:
    """Whether a price is another one than it was; a night that is new has moved nothing."""
    return base is not None and _amount(base) != _amount(now)


def _keeps(own: Night, base: Night | None, said: Night) -> bool:
    return _moved(base, own) and _amount(own) != _amount(said)


def _amount(night: Night) -> tuple[int, str]:
    return (night.amount_minor, night.currency)


def price_text(night: Night) -> str:
    """One night's price, to read."""
    try:
        amount = decimal_of(night.amount_minor, night.currency)
    except ValueError:  # a currency that only the vendor knows
        return f"{night.date}: {night.amount_minor} {night.currency}"
    return f"{night.date}: {amount} {night.currency}"


def item_of(news: News, stay: Stay, point: ItemField) -> ConflictItem:
    """One point as both sides have it now."""
    name = NAMES[point]
    texts = [str(each or "no room") for each in (getattr(stay, name), getattr(news.says, name))]
    return _item(news, point, *texts)


def _item(news: News, point: ItemField, box_says: str, upstream_says: str) -> ConflictItem:
    touch = news.scene.touches.get(point)
    origin = news.context.origin
    return ConflictItem(
        field=point,
        box_says=box_says,
        upstream_says=upstream_says,
        box_by=None if touch is None else touch.by,
        box_terminal=None if touch is None else touch.terminal,
        box_at_ms=None if touch is None else touch.at_ms,
        upstream_at_ms=None if origin is None else origin.occurred_at_ms,
    )


def disputed(news: News, stay: Stay, items: list[ConflictItem]) -> list[Event]:
    """One open dispute for a stay: what an older one still asks moves into the new one."""
    if not items:
        return []
    waiting = {
        key: each
        for key, each in stay.conflicts.items()
        if not each.settled and each.what in DISPUTES
    }
    asked = {item.field for item in items}
    older = [item for each in waiting.values() for item in each.items if item.field not in asked]
    items = sorted(
        [*items, *(_still(news, stay, older))], key=lambda each: list(ItemField).index(each.field)
    )
    what, box_says, upstream_says = _title(stay, news.says, items)
    if stay.conflict_open(what, upstream_says):
        return []
    because = "the PMS says something newer"
    ends = [
        ConflictCleared(stay_id=stay.stay_id, conflict_id=key, because=because) for key in waiting
    ]
    return [*ends, conflict(news, stay, what, (box_says, upstream_says), items)]


def _still(news: News, stay: Stay, older: list[ConflictItem]) -> list[ConflictItem]:
    return [
        each
        for each in older
        if each.field is ItemField.PRICE
        or (each.field in NAMES and differs(news, stay, each.field))
    ]


def _title(stay: Stay, says: UpstreamSays, items: list[ConflictItem]) -> tuple[str, str, str]:
    where = "in_house" if stay.state is StayState.IN_HOUSE else "changed_here"
    points = {item.field for item in items}
    if points <= DATES:
        return f"dates_{where}", _dates(stay), _dates(says)
    if len(items) == 1:
        return f"{items[0].field.value}_{where}", items[0].box_says, items[0].upstream_says
    box, upstream = (
        "; ".join(f"{item.field.value.replace('_', ' ')} {getattr(item, side)}" for item in items)
        for side in ("box_says", "upstream_says")
    )
    return f"booking_{where}", box, upstream


def _dates(stretch: Stay | UpstreamSays) -> str:
    return f"{stretch.arrival} to {stretch.departure}"


def state_conflict(news: News, stay: Stay, what: str, box_says: str, says: str) -> list[Event]:
    """A conflict of what the stay is, or of the room that the PMS gives it."""
    if stay.conflict_open(what, says):
        return []
    point = ItemField.ROOM if what in {"room_taken", "unknown_room"} else ItemField.STATE
    item = _item(news, point, box_says, says)
    return [conflict(news, stay, what, (box_says, says), [item])]


def conflict(
    news: News, stay: Stay, what: str, texts: tuple[str, str], items: list[ConflictItem]
) -> ConflictRaised:
    """The fact that a person has to decide."""
    return ConflictRaised(
        stay_id=stay.stay_id,
        conflict_id=news.context.new_id("conflict", stay.stay_id, what),
        what=what,
        box_says=texts[0],
        upstream_says=texts[1],
        upstream_version=news.says.version,
        items=tuple(items),
    )
