"""What the box is told of a feed: bookings with an unknown guest, and nights that are closed. Pure.

A calendar names nobody: the guest is unknown until they stand at the desk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from appliance.engines.calendar.messages import CloseNights, Stretch
from appliance.engines.stays.messages import LearnBooking, StayState
from sync.feeds.absence import Held, is_horizon
from sync.feeds.entries import Kind

# What a guest could type where the channel says no code: enough to be the only one in the house.
CODE_CHARS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a feed is about: one room, or any room of a type, sold by one channel."""

    source: str  # "ical:NAME"
    channel: str
    room_type_id: str
    room_id: str | None


Layer = tuple[Stretch, ...]
"""Stretches that do not meet: what one closure can hold."""


def booking_of(held: Held, place: Place, *, state: StayState, version: int) -> LearnBooking:
    """One booking as the box learns it; prices are the channel's business."""
    return LearnBooking(
        source=place.source,
        upstream_id=held.key,
        upstream_version=str(version),
        code=held.code or _code(place.source, held.key),
        state=state,
        room_type_id=place.room_type_id,
        room_id=place.room_id,
        arrival=held.start,
        departure=held.end,
        guests=(),
        adults=1,  # at least one comes
        children=0,
        nights=(),
        channel=place.channel,
    )


def closures_of(
    layers: Sequence[Layer], place: Place, today: date, at_least: int
) -> list[CloseNights]:
    """One command for each layer; what was closed in layers that are no more is opened."""
    padded = [*layers, *((),) * max(0, at_least - len(layers))]
    return [
        CloseNights(
            closure_id=closure_id(place.source, number),
            room_type_id=place.room_type_id,
            room_id=place.room_id,
            since=today,
            stretches=layer,
        )
        for number, layer in enumerate(padded, start=1)
    ]


def closure_id(source: str, number: int) -> str:
    """The holder of a feed's closed nights; the source is in it, so that nothing goes in circles."""
    return f"closure:{source}:{number}"


def layers_of(held: Iterable[Held], today: date, *, one_room: bool) -> list[Layer]:
    """The nights from today on that a feed closes, without the edge of what it sells.

    In one room everything is one layer. Of a type, each entry is a room of its own: what overlaps
    lies in layers above each other, as few as there can be.
    """
    held = list(held)
    closed = [
        Stretch(start=max(each.start, today), end=each.end)
        for each in held
        if each.kind is not Kind.RESERVED
        and each.end > today
        and not is_horizon(each.kind, each.end, today)
        and not (one_room and _gave_way(each, held))
    ]
    closed.sort(key=lambda each: (each.start, each.end))
    layers: list[list[Stretch]] = []
    for stretch in closed:
        for layer in layers:
            last = layer[-1]
            if one_room and stretch.start <= last.end:
                layer[-1] = Stretch(start=last.start, end=max(last.end, stretch.end))
                break
            if stretch.start >= last.end:
                layer.append(stretch)
                break
        else:
            layers.append([stretch])
    return [tuple(layer) for layer in layers]


def _gave_way(closed: Held, held: Sequence[Held]) -> bool:
    """A closure that vanished where the same channel now has a booking was opened for it."""
    if closed.missing_since_ms is None:
        return False
    return any(
        each.kind is Kind.RESERVED and each.start < closed.end and closed.start < each.end
        for each in held
        if each.missing_since_ms is None
    )


def _code(source: str, key: str) -> str:
    return hashlib.sha256(f"{source}:{key}".encode()).hexdigest()[:CODE_CHARS].upper()
