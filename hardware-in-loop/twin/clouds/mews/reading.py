"""Endpoints that read reservations and what belongs to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from twin.clouds.faults import Fault
from twin.clouds.mews import shapes
from twin.clouds.mews.body import Body, Interval
from twin.clouds.mews.listing import Asked, Json, page_of
from twin.clouds.mews.records import Reservation
from twin.clouds.mews.store import MewsStore
from twin.clouds.mews.words import State, invalid, utc_text


@dataclass(frozen=True, slots=True)
class _Filter:
    """What the caller wants; None means anything."""

    ids: set[str] | None
    customers: set[str] | None
    groups: set[str] | None
    rooms: set[str] | None
    numbers: set[str] | None
    channel_numbers: set[str] | None
    states: set[State] | None
    created: Interval | None
    updated: Interval | None
    colliding: Interval | None
    times: tuple[tuple[str, Interval], ...]

    def takes(self, one: Reservation) -> bool:
        sets = (
            (self.ids, one.id),
            (self.customers, one.customer_id),
            (self.groups, one.group_id),
            (self.rooms, one.room_id),
            (self.numbers, one.number),
            (self.channel_numbers, one.channel_number),
            (self.states, one.state),
        )
        if any(wanted is not None and value not in wanted for wanted, value in sets):
            return False
        if self.colliding is not None and not self.colliding.meets(one.start_s, one.end_s):
            return False
        if self.created is not None and not self.created.holds(one.created_s):
            return False
        if self.updated is not None and not self.updated.holds(one.updated_s):
            return False
        return all(interval.holds(getattr(one, name)) for name, interval in self.times)


def _filter(store: MewsStore, body: Body) -> _Filter:
    services = body.ids("ServiceIds")
    if services is not None and store.enterprise.service_id not in services:
        # Another service of the same property holds none of our reservations.
        services_miss: set[str] | None = set()
    else:
        services_miss = _set(body.ids("ReservationIds"))
    states = body.words("States", State)
    named = {
        "ScheduledStartUtc": "scheduled_start_s",
        "ScheduledEndUtc": "scheduled_end_s",
        "ActualStartUtc": "actual_start_s",
        "ActualEndUtc": "actual_end_s",
    }
    times = tuple(
        (attribute, interval)
        for field, attribute in named.items()
        if (interval := body.interval(field)) is not None
    )
    return _Filter(
        ids=services_miss,
        customers=_set(body.ids("AccountIds")),
        groups=_set(body.ids("ReservationGroupIds")),
        rooms=_set(body.ids("AssignedResourceIds")),
        numbers=_set(body.texts("Numbers")),
        channel_numbers=_set(body.texts("ChannelNumbers")),
        states=None if states is None else set(states),
        created=body.interval("CreatedUtc"),
        updated=body.interval("UpdatedUtc"),
        colliding=body.interval("CollidingUtc"),
        times=times,
    )


def _set(values: list[str] | None) -> set[str] | None:
    return None if values is None else set(values)


def get_all(asked: Asked) -> Json:
    """`reservations/getAll/2023-06-06`: most recently changed first.

    A row that is changed while a caller pages moves to the front, so that later pages miss it:
    the reason why a caller needs an overlap.
    """
    page = asked.body.page()
    wanted = _filter(asked.store, asked.body)
    after = None
    if page.cursor is not None:
        after = asked.cursors.get(page.cursor)
        if after is None:
            raise invalid("Invalid Limitation.Cursor: it does not exist.")
        if asked.fault is Fault.MOVING_ROWS:
            _move_one(asked.store, wanted, after)
    matching = list(islice(_matching(asked.store, wanted, after), page.count + 1))
    found = matching[: page.count]
    cursor = None
    if len(matching) > page.count:
        cursor = found[-1].id
        asked.cursors[cursor] = found[-1].touch
    rows = [shapes.reservation(asked.store, one) for one in found]
    if asked.fault is Fault.SPARSE:
        rows = [
            {k: v for k, v in row.items() if k in shapes.RESERVATION_REQUIRED or k == "BookerId"}
            for row in rows
        ]
    return {"Reservations": rows, "Cursor": cursor}


def _matching(store: MewsStore, wanted: _Filter, after: int | None) -> Iterator[Reservation]:
    for one in store.newest_first():
        if after is not None and one.touch >= after:
            continue
        # Newest first: below the window's start nothing can match any more.
        if wanted.updated is not None and one.updated_s < wanted.updated.start_s:
            return
        if wanted.takes(one):
            yield one


def _move_one(store: MewsStore, wanted: _Filter, after: int) -> None:
    waiting = next(_matching(store, wanted, after), None)
    if waiting is not None:
        store.touch(waiting)


def get_items(asked: Asked) -> Json:
    """`orderItems/getAll`: the priced nights of reservations, `SpaceOrder` items only."""
    store, body = asked.store, asked.body
    orders, page = body.ids("ServiceOrderIds"), body.page()
    types = body.texts("Types")
    updated = body.interval("UpdatedUtc")
    if orders is None and updated is None and not body.has("AccountIds"):
        raise invalid("Invalid filter: ServiceOrderIds, AccountIds or a time interval is expected.")
    accounts = _set(body.ids("AccountIds"))
    rows = [
        item
        for one in (
            store.reservations.values()
            if orders is None
            else [store.reservations[key] for key in orders if key in store.reservations]
        )
        if (accounts is None or one.customer_id in accounts)
        and (updated is None or updated.holds(one.updated_s))
        for item in shapes.nights(store, one)
    ]
    if types is not None and "SpaceOrder" not in types:
        rows = []
    found, cursor = page_of(rows, page, lambda item: str(item["Id"]))
    return {"OrderItems": found, "Cursor": cursor}


def get_notes(asked: Asked) -> Json:
    """`serviceOrderNotes/getAll`."""
    orders = asked.body.ids("ServiceOrderIds")
    if orders is None:
        raise invalid("Invalid ServiceOrderIds: 1 to 1000 identifiers are expected.")
    rows = [
        (one.id, note)
        for one in (asked.store.reservations.get(order) for order in orders)
        if one is not None
        for note in one.notes
    ]
    found, cursor = page_of(rows, asked.body.page(), lambda row: row[1].id)
    shaped = [
        {
            "Id": note.id,
            "OrderId": order,
            "Text": note.text,
            "Type": "General",
            "CreatedUtc": utc_text(note.at_s),
            "UpdatedUtc": utc_text(note.at_s),
        }
        for order, note in found
    ]
    return {"ServiceOrderNotes": shaped, "Cursor": cursor}
