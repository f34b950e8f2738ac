"""Endpoints that make and change reservations."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from twin.clouds.mews import shapes
from twin.clouds.mews.body import Body
from twin.clouds.mews.listing import Asked, Json
from twin.clouds.mews.records import Note, Reservation, minor_per_unit
from twin.clouds.mews.store import MewsStore
from twin.clouds.mews.words import STAY_S_MAX, Origin, State, forbidden, invalid, utc_text

# The other lists of the old answer; the twin never fills them.
EXTENT = (
    "ReservationGroups",
    "Customers",
    "Services",
    "Products",
    "Resources",
    "ResourceCategories",
    "ResourceCategoryAssignments",
    "BusinessSegments",
    "Rates",
    "RateGroups",
    "Items",
    "OrderItems",
    "Notes",
    "QrCodeData",
    "Companies",
    "ResourceAccessTokens",
    "Cursor",
)

# A night nobody priced; a rate of the twin's own.
NIGHT_MINOR = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sale:
    """One reservation of a request, checked before anything is changed."""

    body: Body
    customer_id: str
    category_id: str
    room_id: str | None
    start_s: int
    end_s: int
    state: State
    released_s: int | None
    adults: int
    children: int
    nights_minor: list[int]


def add(asked: Asked) -> Json:
    """`reservations/add`: all or none. `Identifier` is echoed, and not kept by the vendor."""
    store, body = asked.store, asked.body
    _our_service(store, body)
    group = body.maybe_id("GroupId")
    check = body.flag("CheckOverbooking", default=True)
    sales = [_sale(store, part) for part in body.parts("Reservations")]
    for index, sale in enumerate(sales):
        same = sum(
            other.category_id == sale.category_id
            and other.start_s < sale.end_s
            and other.end_s > sale.start_s
            for other in sales[:index]
        )
        if check and store.free_units(sale.category_id, sale.start_s, sale.end_s) <= same:
            name = store.categories[sale.category_id].name
            raise forbidden(f"The category {name} is not available in the given interval.")
    group = group or store.new_id()
    made = [(sale, _sell(store, sale, group)) for sale in sales]
    return {
        "Reservations": [
            {
                "Identifier": sale.body.maybe_text("Identifier"),
                "Reservation": shapes.old_reservation(store, one),
            }
            for sale, one in made
        ]
    }


def price(asked: Asked) -> Json:
    """`reservations/price`: what the nights would cost."""
    store, body = asked.store, asked.body
    _our_service(store, body)
    prices = []
    for part in body.parts("Reservations"):
        _interval(part)
        nights = _prices(store, part, _count_nights(store, part))
        prices.append(
            {
                "Identifier": part.maybe_text("Identifier"),
                "TotalAmount": shapes.amount(sum(nights), store.enterprise.currency),
            }
        )
    return {"ReservationPrices": prices}


def update(asked: Asked) -> Json:
    """`reservations/update`: absent keeps, `{"Value": null}` clears, all or none."""
    store = asked.store
    find(store, asked.body.id("ReservationId"))
    parts = asked.body.parts("ReservationUpdates")
    changes = [(find(store, part.id("ReservationId")), part) for part in parts]
    if any(part.has("TimeUnitPrices") for part in parts) and not asked.body.has("Reason"):
        raise invalid("Invalid Reason: it is required when the price is updated.")
    planned = [_planned(store, one, part) for one, part in changes]
    for one, after in zip((one for one, _ in changes), planned, strict=True):
        _apply(store, one, after)
    return dict.fromkeys(EXTENT) | {
        "Reservations": [shapes.old_reservation(store, one) for one, _ in changes]
    }


def update_interval(asked: Asked) -> Json:
    """`reservations/updateInterval`: new times, `{}` when it is done."""
    store, body = asked.store, asked.body
    one = find(store, body.id("ReservationId"))
    start_s, end_s = body.maybe_time_s("StartUtc"), body.maybe_time_s("EndUtc")
    after = _After(
        start_s=one.start_s if start_s is None else start_s,
        end_s=one.end_s if end_s is None else end_s,
        room_id=one.room_id,
        category_id=one.category_id,
    )
    _check(store, one, after)
    _apply(store, one, after)
    return {}


def add_notes(asked: Asked) -> Json:
    """`serviceOrderNotes/add`."""
    store = asked.store
    made = [
        (find(store, part.id("ServiceOrderId")), part.text("Text"))
        for part in asked.body.parts("ServiceOrderNotes")
    ]
    shaped = []
    for one, text in made:
        note = Note(id=store.new_id(), text=text, at_s=store.now_s())
        one.notes.append(note)
        at = utc_text(note.at_s)
        shaped.append(
            {
                "Id": note.id,
                "OrderId": one.id,
                "Text": text,
                "Type": "General",
                "CreatedUtc": at,
                "UpdatedUtc": at,
            }
        )
    return {"ServiceOrderNotes": shaped}


def find(store: MewsStore, reservation_id: str) -> Reservation:
    """The reservation, or the vendor's complaint."""
    one = store.reservations.get(reservation_id)
    if one is None:
        raise invalid("Invalid ReservationId: the reservation does not exist.")
    return one


def _our_service(store: MewsStore, body: Body) -> None:
    if body.id("ServiceId") != store.enterprise.service_id:
        raise invalid("Invalid ServiceId: the service does not exist.")


def _sale(store: MewsStore, part: Body) -> _Sale:
    customer_id, category_id = part.id("CustomerId"), part.id("RequestedCategoryId")
    if customer_id not in store.customers:
        raise invalid(f"Invalid {part.name('CustomerId')}: the customer does not exist.")
    if category_id not in store.categories:
        raise invalid(f"Invalid {part.name('RequestedCategoryId')}: it does not exist.")
    if part.id("RateId") != store.enterprise.rate_id:
        raise invalid(f"Invalid {part.name('RateId')}: the rate does not exist.")
    start_s, end_s = _interval(part)
    room_id = part.maybe_id("AssignedResourceId")
    if room_id is not None and room_id not in store.rooms:
        raise invalid(f"Invalid {part.name('AssignedResourceId')}: it does not exist.")
    if room_id and (other := store.in_the_way(room_id, start_s, end_s, None)):
        raise _taken(store, room_id, other)
    adults, children = _guests(store, part)
    return _Sale(
        body=part,
        customer_id=customer_id,
        category_id=category_id,
        room_id=room_id,
        start_s=start_s,
        end_s=end_s,
        state=_first_state(part),
        released_s=part.maybe_time_s("ReleasedUtc"),
        adults=adults,
        children=children,
        nights_minor=_prices(store, part, _count_nights(store, part)),
    )


def _first_state(part: Body) -> State:
    text = part.maybe_text("State") or "Confirmed"
    allowed = {"Optional": State.OPTIONAL, "Enquired": State.INQUIRED, "Confirmed": State.CONFIRMED}
    if text not in allowed:
        raise invalid(f"Invalid {part.name('State')}: Optional, Enquired or Confirmed is expected.")
    if text == "Optional" and not part.has("ReleasedUtc"):
        raise invalid(f"Invalid {part.name('ReleasedUtc')}: an optional reservation needs one.")
    return allowed[text]


def _sell(store: MewsStore, sale: _Sale, group: str) -> Reservation:
    return store.put_reservation(
        customer_id=sale.customer_id,
        category_id=sale.category_id,
        start_s=sale.start_s,
        end_s=sale.end_s,
        nights_minor=sale.nights_minor,
        adults=sale.adults,
        children=sale.children,
        state=sale.state,
        origin=Origin.CONNECTOR,
        channel_number=sale.body.maybe_text("ChannelNumber"),
        room_id=sale.room_id,
        group_id=group,
        booker_id=sale.body.maybe_id("BookerId"),
        released_s=sale.released_s,
        notes=sale.body.maybe_text("Notes"),
        identifier=sale.body.maybe_text("Identifier"),
    )


def _interval(part: Body) -> tuple[int, int]:
    start_s, end_s = part.time_s("StartUtc"), part.time_s("EndUtc")
    if end_s <= start_s:
        raise invalid(f"Invalid {part.name('EndUtc')}: it must be after StartUtc.")
    if end_s - start_s > STAY_S_MAX:
        raise invalid(f"Invalid {part.name('EndUtc')}: the stay is too long.")
    return start_s, end_s


def _count_nights(store: MewsStore, part: Body) -> int:
    start_s, end_s = _interval(part)
    return max((store.local_day(end_s) - store.local_day(start_s)).days, 1)


def _guests(store: MewsStore, part: Body) -> tuple[int, int]:
    adults = children = 0
    for count in part.parts("PersonCounts"):
        if (people := count.number("Count")) < 0:
            raise invalid(f"Invalid {count.name('Count')}: it cannot be negative.")
        if count.id("AgeCategoryId") == store.enterprise.child_id:
            children += people
        else:
            adults += people
    if adults + children == 0:
        raise invalid(f"Invalid {part.name('PersonCounts')}: at least one person is expected.")
    return adults, children


def _prices(store: MewsStore, part: Body, nights: int) -> list[int]:
    one = part.maybe_part("TimeUnitAmount")
    prices = [NIGHT_MINOR if one is None else money(store, one)] * nights
    if part.has("TimeUnitPrices"):
        for unit in part.parts("TimeUnitPrices"):
            index = unit.number("Index")
            if not 0 <= index < nights:
                raise invalid(f"Invalid {unit.name('Index')}: the stay has {nights} nights.")
            prices[index] = money(store, unit.part("Amount"))
    return prices


def money(store: MewsStore, part: Body) -> int:
    """Minor units of an amount in the property's currency, gross before net."""
    currency = part.text("Currency")
    if currency != store.enterprise.currency:
        raise forbidden(f"The currency {currency} is not accepted by the property.")
    value = part.decimal("GrossValue")
    value = part.decimal("NetValue") if value is None else value
    if value is None:
        raise invalid(f"Invalid {part.name('GrossValue')}: GrossValue or NetValue is expected.")
    return int((value * minor_per_unit(currency)).quantize(Decimal(1), ROUND_HALF_EVEN))


@dataclass(slots=True, kw_only=True)
class _After:
    """A reservation as it will be, None for what an update does not touch."""

    start_s: int
    end_s: int
    room_id: str | None
    category_id: str
    guests: tuple[int, int] | None = None
    nights_minor: list[int] | None = None
    channel_number: str | None = None
    locked: bool | None = None
    checked_in: bool | None = None
    released_s: int | None = None


def _planned(store: MewsStore, one: Reservation, part: Body) -> _After:
    after = _After(
        start_s=one.start_s, end_s=one.end_s, room_id=one.room_id, category_id=one.category_id
    )
    if (change := part.change("StartUtc")) is not None:
        after.start_s = change.time_s("Value")
    if (change := part.change("EndUtc")) is not None:
        after.end_s = change.time_s("Value")
    if (change := part.change("AssignedResourceId")) is not None:
        after.room_id = change.maybe_id("Value")
    if (change := part.change("RequestedCategoryId")) is not None:
        after.category_id = change.id("Value")
    _planned_rest(store, part, after)
    _check(store, one, after)
    after.nights_minor = _planned_prices(store, one, part, after)
    return after


def _planned_prices(
    store: MewsStore, one: Reservation, part: Body, after: _After
) -> list[int] | None:
    change = part.change("TimeUnitPrices")
    if change is None or not change.has("Value"):
        return None
    nights = max((store.local_day(after.end_s) - store.local_day(after.start_s)).days, 1)
    prices = _fitted(one.nights_minor, nights)
    for unit in change.parts("Value"):
        if not 0 <= (index := unit.number("Index")) < nights:
            raise invalid(f"Invalid {unit.name('Index')}: the stay has {nights} nights.")
        prices[index] = money(store, unit.part("Amount"))
    return prices


def _planned_rest(store: MewsStore, part: Body, after: _After) -> None:
    if (change := part.change("ReleasedUtc")) is not None:
        after.released_s = change.maybe_time_s("Value")
    if (change := part.change("PersonCounts")) is not None:
        after.guests = _guests(store, Body({"PersonCounts": _raw(change)}, part.name("")))
    if (change := part.change("ChannelNumber")) is not None:
        after.channel_number = change.maybe_text("Value") or ""
    if (change := part.change("AssignedResourceLocked")) is not None:
        after.locked = change.flag("Value", default=False)
    if (options := part.maybe_part("Options")) is not None:
        owner = options.change("OwnerCheckedIn")
        after.checked_in = None if owner is None else owner.flag("Value", default=False)


def _raw(change: Body) -> list[Json]:
    return [dict(count.fields) for count in change.parts("Value")]


def _check(store: MewsStore, one: Reservation, after: _After) -> None:
    if one.state in {State.CANCELED, State.PROCESSED}:
        raise forbidden(f"The reservation {one.number} is {one.state} and cannot be changed.")
    if after.end_s <= after.start_s:
        raise invalid("Invalid EndUtc: it must be after StartUtc.")
    if after.end_s - after.start_s > STAY_S_MAX:
        raise invalid("Invalid EndUtc: the stay is too long.")
    if after.category_id not in store.categories:
        raise invalid("Invalid RequestedCategoryId: it does not exist.")
    if one.state is State.STARTED and after.room_id is None:
        raise forbidden(f"The reservation {one.number} is checked in and needs a room.")
    if after.room_id is None:
        return
    if after.room_id not in store.rooms:
        raise invalid("Invalid AssignedResourceId: it does not exist.")
    if other := store.in_the_way(after.room_id, after.start_s, after.end_s, one.id):
        raise _taken(store, after.room_id, other)


def _taken(store: MewsStore, room_id: str, other: Reservation) -> Exception:
    name = store.room_name(room_id)
    return forbidden(f"The space {name} is occupied by the reservation {other.number}.")


def _apply(store: MewsStore, one: Reservation, after: _After) -> None:
    moved = (one.start_s, one.end_s) != (after.start_s, after.end_s)
    one.start_s, one.end_s = after.start_s, after.end_s
    one.scheduled_end_s = after.end_s
    if one.state is not State.STARTED:
        one.scheduled_start_s = after.start_s
    one.room_id, one.category_id = after.room_id, after.category_id
    if after.guests is not None:
        one.adults, one.children = after.guests
    if after.nights_minor is not None:
        one.nights_minor = after.nights_minor
    elif moved:
        one.nights_minor = _fitted(one.nights_minor, len(store.nights(one)))
    if after.channel_number is not None:
        one.channel_number = after.channel_number or None
    one.room_locked = one.room_locked if after.locked is None else after.locked
    if after.checked_in is not None:
        one.owner_checked_in = after.checked_in
    one.released_s = after.released_s or one.released_s
    store.touch(one)
    store.note("updated", one, by="connector")


def _fitted(nights_minor: list[int], nights: int) -> list[int]:
    # An extension costs what the last night cost until somebody prices it.
    last = nights_minor[-1] if nights_minor else NIGHT_MINOR
    return (nights_minor + [last] * nights)[:nights]
