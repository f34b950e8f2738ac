"""Endpoints that make and change reservations; none of them knows an idempotency key."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from twin.clouds.guesty import shapes
from twin.clouds.guesty.asked import Asked, Json
from twin.clouds.guesty.records import Listing, Reservation, minor_per_unit
from twin.clouds.guesty.words import (
    CODE_LENGTH_MAX,
    ENDS,
    GUESTS_MAX,
    NIGHTS_MAX,
    RESERVED_UNTIL,
    CanceledBy,
    GuestStay,
    GuestyError,
    Status,
    invalid,
    missing,
    refused,
)

MADE: Final = frozenset({Status.CONFIRMED, Status.RESERVED, Status.INQUIRY})
# Where a status may go; a booking that ended stays as it is.
NEXT: Final = {
    Status.INQUIRY: set(Status) - {Status.INQUIRY},
    Status.RESERVED: set(Status) - {Status.RESERVED, Status.INQUIRY},
    Status.AWAITING_PAYMENT: {Status.CONFIRMED, Status.CANCELED, Status.EXPIRED},
    Status.CONFIRMED: {Status.CANCELED},
}


def create(asked: Asked) -> Json:
    """`POST /reservations-v3`; a night that is taken is refused as 401, as the vendor does."""
    store = asked.store
    first, last = _days(asked)
    listing = store.listing(asked.text("listingId"))
    source, status = asked.text("source"), asked.word("status", Status)
    if status not in MADE:
        raise invalid("status must be confirmed, reserved or inquiry.")
    count = asked.count("guestsCount", most=GUESTS_MAX)
    people = asked.part("numberOfGuests")
    adults = people.count("numberOfAdults", max(count, 1), GUESTS_MAX)
    children = people.count("numberOfChildren", 0, GUESTS_MAX)
    code = asked.maybe_text("confirmationCode", CODE_LENGTH_MAX)
    origin = asked.maybe_text("origin", CODE_LENGTH_MAX)
    origin_id = asked.maybe_text("originId", CODE_LENGTH_MAX)
    until = asked.amount("reservedUntil") if asked.fields.get("reservedUntil") != -1 else None
    if until is not None and float(until) not in RESERVED_UNTIL:
        raise invalid("reservedUntil is not one of its values.")
    fare = asked.amount("accommodationFare")
    guest_id = _guest(asked)
    if not asked.flag("ignoreCalendar") and not store.is_free(listing, first, last):
        raise GuestyError(401, "The listing is not available for these dates.", "UNAVAILABLE")
    if guest_id is None:
        guest = asked.part("guest")
        guest_id = store.put_guest(
            guest.maybe_text("firstName") or "",
            guest.maybe_text("lastName") or "",
            email=guest.maybe_text("email") or "",
            phone=_first_phone(guest),
        ).id
    one = store.put_reservation(
        guest_id=guest_id,
        check_in=first,
        check_out=last,
        listing_id=listing.id,
        status=status,
        adults=adults,
        children=children,
        source=source,
        platform="direct",
        fare_minor=None if fare is None else minor_of(fare, listing.currency),
        confirmation_code=code,
        origin=origin,
        origin_id=origin_id,
        legacy=False,
        by="open_api",
    )
    return {
        "reservationId": one.id,
        "confirmationCode": one.confirmation_code,
        "status": str(one.status),
        "guestId": guest_id,
    }


def put_status(asked: Asked) -> Json:
    """`PUT /reservations-v3/{id}/status`; of the channels only Vrbo lets itself be cancelled."""
    one = asked.store.find(asked.names["id"])
    status = asked.word("status", Status)
    by, reason = asked.maybe_word("canceledBy", CanceledBy), asked.maybe_text("cancellationReason")
    if status is one.status:
        return _short(one)
    if one.status in ENDS or status not in NEXT[one.status]:
        raise refused(f"The reservation is {one.status}, it cannot become {status}.")
    if status is Status.CANCELED and one.platform not in {"direct", "manual", "homeaway"}:
        raise refused("This channel's reservation can be cancelled in its extranet only.")
    asked.store.set_status(one, status, by="open_api", canceled_by=by, reason=reason)
    return _short(one)


def put_dates(asked: Asked) -> Json:
    """`PUT /reservations-v3/{id}/dates`; the price is reckoned anew, whatever is asked."""
    store, one = asked.store, _open(asked)
    first, last = _days(asked)
    listing = store.listings[one.stay[-1].unit_id or one.stay[-1].unit_type_id]
    if not asked.flag("ignoreCalendar") and not store.is_free(listing, first, last, besides=one.id):
        raise refused("The listing is not available for these dates.")
    one.fare_minor = listing.night_minor * (last - first).days
    store.move_dates(one, first, last, by="open_api")
    return _short(one)


def put_guests(asked: Asked) -> Json:
    """`PUT /reservations-v3/{id}/guests`."""
    one, people = _open(asked), asked.part("numberOfGuests")
    adults = people.count("numberOfAdults", most=GUESTS_MAX)
    children = people.count("numberOfChildren", 0, GUESTS_MAX)
    asked.store.set_people(one, adults, children, by="open_api")
    return _short(one)


def put_relocate(asked: Asked) -> Json:
    """`PUT /reservations-v3/{id}/relocate`: the whole stay on another listing."""
    one = _open(asked)
    listing = asked.store.listing(asked.text("listingId"))
    _fits(asked, one, listing)
    asked.store.relocate(one, listing, by="open_api")
    last = one.stay[-1]
    return {**_short(one), "unitId": last.unit_id, "unitTypeId": last.unit_type_id}


def put_source(asked: Asked) -> Json:
    """`PUT /reservations-v3/{id}/source`."""
    one = asked.store.find(asked.names["id"])
    one.source = asked.text("source")
    asked.store.touch(one)
    return _short(one)


def put_code(asked: Asked) -> Json:
    """`PUT /reservations-v3/{id}/confirmation-code`."""
    one = asked.store.find(asked.names["id"])
    one.confirmation_code = asked.text("confirmationCode", CODE_LENGTH_MAX)
    asked.store.touch(one)
    return _short(one)


def put_notes(asked: Asked) -> Json:
    """`PUT /reservations-v3/{id}/notes`; not for what lives in the older store."""
    one = asked.store.find(asked.names["id"])
    if one.legacy:
        raise missing("Cannot PUT notes of this reservation.")
    notes = asked.part("notes")
    given = {name: text for name in notes.fields if (text := notes.maybe_text(name)) is not None}
    one.notes.update(given)
    asked.store.touch(one)
    return {"reservationId": one.id, "notes": dict(one.notes)}


def put_guest_stay(asked: Asked) -> Json:
    """`PUT /reservations-v3/guest-stay`: the second machine, which asks nothing of the first."""
    one = asked.store.find(asked.text("reservationId"))
    status = asked.word("status", GuestStay)
    if one.status is not Status.CONFIRMED:
        raise refused(f"The reservation is {one.status}, not confirmed.")
    asked.store.set_guest_stay(one, status, by="open_api")
    return {}


def legacy_update(asked: Asked) -> Json:
    """`PUT /reservations/{id}`: any field at once; a nested note is taken and forgotten."""
    one = asked.store.find(asked.names["id"])
    code = asked.maybe_text("keyCode")
    if code is not None and asked.store.legacy_update_sets_key_code:
        one.notes["keyCode"] = code
        asked.store.touch(one)
    return shapes.legacy(asked.store, one)


def minor_of(amount: Decimal, currency: str) -> int:
    """A number of the vendor as minor units."""
    return int((amount * minor_per_unit(currency)).quantize(Decimal(1), ROUND_HALF_EVEN))


def _days(asked: Asked) -> tuple[date, date]:
    first, last = asked.day("checkInDateLocalized"), asked.day("checkOutDateLocalized")
    if not 0 < (last - first).days <= NIGHTS_MAX:
        raise invalid("checkOutDateLocalized must be after checkInDateLocalized.")
    return first, last


def _guest(asked: Asked) -> str | None:
    guest_id = asked.maybe_text("guestId")
    if guest_id is not None and guest_id not in asked.store.guests:
        raise missing("Guest not found.")
    asked.part("guest")
    return guest_id


def _first_phone(guest: Asked) -> str:
    phones = guest.fields.get("phones")
    if isinstance(phones, list) and phones and isinstance(phones[0], str):
        return phones[0][:50]
    return guest.maybe_text("phone") or ""


def _open(asked: Asked) -> Reservation:
    one = asked.store.find(asked.names["id"])
    if one.status in ENDS:
        raise refused(f"The reservation is {one.status}.")
    return one


def _fits(asked: Asked, one: Reservation, listing: Listing) -> None:
    free = asked.store.is_free(listing, one.check_in, one.check_out, besides=one.id)
    if not free and not asked.flag("ignoreCalendar"):
        raise refused("The listing is not available for these dates.")


def _short(one: Reservation) -> Json:
    return {"reservationId": one.id, "status": str(one.status)}
