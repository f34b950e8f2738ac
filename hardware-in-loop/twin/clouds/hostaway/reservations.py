"""Endpoints of reservations: listed newest change first, made, changed, cancelled."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from twin.clouds.faults import Fault
from twin.clouds.hostaway import shapes
from twin.clouds.hostaway.asked import Asked, Json, Result
from twin.clouds.hostaway.records import Reservation
from twin.clouds.hostaway.store import HostawayStore
from twin.clouds.hostaway.words import (
    CREATABLE,
    DIRECT,
    NIGHTS_MAX,
    SOURCE_CHARS_MAX,
    Status,
    invalid,
    missing,
)

# The vendor's own list; the orders about messages do not concern the box.
SORT_ORDERS: Final = frozenset(
    {"arrivalDate", "arrivalDateDesc", "latestActivity", "latestActivityDesc", "updatedOn"}
)
# Check-in and check-out hours, 0 to 23.
HOUR_MAX: Final = 23
# Texts that are taken over as they come, by the vendor's name and ours.
_TEXTS: Final = {
    "guestFirstName": "guest_first",
    "guestLastName": "guest_last",
    "guestEmail": "guest_email",
    "phone": "phone",
    "channelReservationId": "channel_reservation_id",
    "hostNote": "host_note",
    "guestNote": "guest_note",
    "comment": "comment",
    "doorCode": "door_code",
    "doorCodeVendor": "door_code_vendor",
    "doorCodeInstruction": "door_code_instruction",
}
_NEVER_NULL: Final = frozenset({"guest_first", "guest_last"})


def get_all(asked: Asked) -> Result:
    """`GET /v1/reservations`: `afterId` goes on after a row, wherever that row stands by now."""
    store = asked.store
    limit, offset = asked.page()
    wanted = _wanted(asked)
    rows = [one for one in _ordered(asked) if wanted(one)]
    begin = offset
    after = asked.number("afterId")
    if after is not None:
        ids = [one.id for one in rows]
        # A cursor that is not in the list any more gives nothing: there is no place to go on.
        begin = ids.index(after) + 1 if after in ids else len(rows)
    served = rows[begin : begin + limit]
    if asked.fault is Fault.MOVING_ROWS and begin + limit < len(rows):
        # Between this page and the next, a row that was not served yet is changed.
        store.touch(rows[begin + limit].id)
    resources = asked.flag("includeResources")
    policy = asked.flag("includeCancellationPolicy")
    found = [shapes.reservation(store, one, resources=resources, policy=policy) for one in served]
    if asked.fault is Fault.SPARSE:
        found = [
            {name: value for name, value in row.items() if name not in shapes.OPTIONAL}
            for row in found
        ]
    return Result(result=found, limit=limit, offset=offset, count=len(rows), paged=True)


def get_one(asked: Asked) -> Result:
    """`GET /v1/reservations/{id}`."""
    row = shapes.reservation(asked.store, _find(asked))
    if asked.fault is Fault.SPARSE:
        row = {name: value for name, value in row.items() if name not in shapes.OPTIONAL}
    return Result(result=row)


def create(asked: Asked) -> Result:
    """`POST /v1/reservations`: asked twice is made twice, this vendor knows no better."""
    store = asked.store
    listing = store.listings.get(asked.whole("listingMapId") or 0)
    if listing is None:
        raise invalid("listingMapId is not a listing of this account")
    channel = asked.whole("channelId")
    if channel not in CREATABLE:
        raise invalid("channelId must be one of 2000, 2002, 2020")
    arrival, departure = asked.on("arrivalDate"), asked.on("departureDate")
    if arrival is None or departure is None:
        raise invalid("arrivalDate and departureDate are required")
    _check_dates(arrival, departure)
    source = asked.query.get("provider") or "direct"
    if len(source) > SOURCE_CHARS_MAX:
        raise invalid(f"provider is longer than {SOURCE_CHARS_MAX} characters")
    fields = _changes(asked, listing.currency)
    if not asked.flag("forceOverbooking"):
        store.refuse_overbooking(listing.id, arrival, departure)
    fields |= {"arrival": arrival, "departure": departure, "channel_id": channel or DIRECT}
    one = store.put_reservation(listing_id=listing.id, source=source, **fields)
    return Result(result=shapes.reservation(store, one))


def update(asked: Asked) -> Result:
    """`PUT /v1/reservations/{id}`: what is not said stays; the listing cannot be changed."""
    store, one = asked.store, _find(asked)
    if (listing_id := asked.whole("listingMapId")) not in {None, one.listing_id}:
        raise invalid(f"a reservation cannot be moved to listing {listing_id}")
    fields = _changes(asked, one.currency)
    arrival, departure = asked.on("arrivalDate"), asked.on("departureDate")
    first, last = arrival or one.arrival, departure or one.departure
    if (first, last) != (one.arrival, one.departure):
        _check_dates(first, last)
        if one.blocks and not asked.flag("forceOverbooking"):
            store.refuse_overbooking(one.listing_id, first, last, one.id)
        fields |= {"arrival": first, "departure": last}
        if one.status is Status.NEW:
            fields["status"] = Status.MODIFIED
    changed = store.change(one.id, **fields)
    return Result(result=shapes.reservation(store, changed))


def cancel(asked: Asked) -> Result:
    """`PUT /v1/reservations/{id}/statuses/cancelled`."""
    one = _find(asked)
    by = asked.text("cancelledBy")
    if by not in {"host", "guest"}:
        raise invalid("cancelledBy must be host or guest")
    if one.status is Status.CANCELLED:
        raise invalid("The reservation is already cancelled")
    return Result(result=shapes.reservation(asked.store, asked.store.cancel(one.id, by)))


def find(store: HostawayStore, reservation_id: int) -> Reservation:
    """A reservation, or 404."""
    if (one := store.reservations.get(reservation_id)) is None:
        raise missing("Reservation")
    return one


def _find(asked: Asked) -> Reservation:
    return find(asked.store, asked.path["id"])


def _ordered(asked: Asked) -> list[Reservation]:
    order = asked.query.get("sortOrder") or None
    if order is not None and order not in SORT_ORDERS:
        raise invalid(f"sortOrder must be one of {', '.join(sorted(SORT_ORDERS))}")
    rows = asked.store.newest_first()
    match order:
        case "updatedOn" | "latestActivity":
            return rows[::-1]
        case "arrivalDate" | "arrivalDateDesc":
            downwards = order == "arrivalDateDesc"
            return sorted(rows, key=lambda one: (one.arrival, one.id), reverse=downwards)
        case _:
            return rows


def _wanted(asked: Asked) -> Any:
    arrival = asked.day("arrivalStartDate"), asked.day("arrivalEndDate")
    departure = asked.day("departureStartDate"), asked.day("departureEndDate")
    active = asked.day("latestActivityStart"), asked.day("latestActivityEnd")
    listing, channel = asked.number("listingId"), asked.number("channelId")
    email, name = asked.query.get("guestEmail"), (asked.query.get("match") or "").casefold()

    def takes(one: Reservation) -> bool:
        full_name = f"{one.guest_first} {one.guest_last}".casefold()
        return (
            _within(one.arrival, *arrival)
            and _within(one.departure, *departure)
            and _within(_day(one), *active)
            and (listing is None or one.listing_id == listing)
            and (channel is None or one.channel_id == channel)
            and (not email or one.guest_email == email)
            and name in full_name
        )

    return takes


def _day(one: Reservation) -> date:
    # A parameter of type date: the time of day in it is not looked at.
    return date.fromordinal(date(1970, 1, 1).toordinal() + one.updated_s // 86_400)


def _within(found: date, first: date | None, last: date | None) -> bool:
    return (first is None or found >= first) and (last is None or found <= last)


def _check_dates(arrival: date, departure: date) -> None:
    if not 1 <= (departure - arrival).days <= NIGHTS_MAX:
        raise invalid("departureDate must be after arrivalDate")


def _changes(asked: Asked, currency: str) -> Json:
    changes: Json = {}
    for theirs, ours in _TEXTS.items():
        if asked.has(theirs):
            text = asked.text(theirs)
            changes[ours] = (text or "") if ours in _NEVER_NULL else text
    if asked.has("guestName") and not asked.has("guestFirstName"):
        first, _, last = (asked.text("guestName") or "").rpartition(" ")
        changes |= {"guest_first": first, "guest_last": last}
    for theirs, ours in (("adults", "adults"), ("children", "children")):
        if (count := asked.whole(theirs)) is not None:
            changes[ours] = min(count, 1000)
    for theirs, ours in (("checkInTime", "check_in_hour"), ("checkOutTime", "check_out_hour")):
        if (hour := asked.whole(theirs)) is not None:
            if hour > HOUR_MAX:
                raise invalid(f"{theirs} must be between 0 and {HOUR_MAX}")
            changes[ours] = hour
    if (total := asked.amount_minor("totalPrice", currency)) is not None:
        changes["total_minor"] = total
    if (paid := asked.zero_or_one("isPaid")) is not None:
        changes["is_paid"] = paid
    if asked.has("currency") and asked.text("currency") != currency:
        raise invalid(f"currency must be the listing's {currency}")
    return changes
