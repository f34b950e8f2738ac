"""How the vendor writes its records down: the newer shape, the older one, and the small answers."""

from __future__ import annotations

from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from twin.clouds.guesty.records import Guest, Listing, Payment, Reservation, minor_per_unit
from twin.clouds.guesty.store import GuestyStore
from twin.clouds.guesty.words import ACCOUNT_ID, GuestStay, Status, maybe_moment, moment

Json = dict[str, Any]

# What the newer record may leave out without saying that it is empty (seen in the field).
OPTIONAL = ("notes", "keyCode", "guestStay", "money", "origin", "originId", "alteredAt")
CHECK_IN, CHECK_OUT = time(15), time(11)


def amount(minor: int, currency: str) -> float:
    """Minor units as the vendor's number."""
    return minor / minor_per_unit(currency)


def money(one: Reservation) -> Json:
    """The sums of a reservation; the vendor tells totals, not nights."""
    return {
        "currency": one.currency,
        "fareAccommodation": amount(one.fare_minor, one.currency),
        "hostPayout": amount(one.fare_minor, one.currency),
        "totalPaid": amount(one.paid_minor, one.currency),
        "balanceDue": amount(one.fare_minor - one.paid_minor, one.currency),
        "isFullyPaid": one.paid_minor >= one.fare_minor,
    }


def reservation(one: Reservation, *, sparse: bool) -> Json:
    """The newer record: what is not known is not there."""
    row: Json = {
        "_id": one.id,
        "accountId": ACCOUNT_ID,
        "status": str(one.status),
        "source": one.source,
        "platform": one.platform,
        "stay": [_segment(one, index, sparse=sparse) for index in range(len(one.stay))],
        "bookerId": one.guest_id,
        "confirmationCode": one.confirmation_code,
        "createdAt": moment(one.created_ms),
        "creationFlow": "OPEN_API" if one.origin_id else "INTERNAL",
        "origin": one.origin,
        "originId": one.origin_id,
        "confirmedAt": maybe_moment(one.confirmed_ms),
        "reservedAt": maybe_moment(one.reserved_ms),
        "reservedUntil": one.reserved_until,
        "alteredAt": maybe_moment(one.altered_ms),
        "canceledAt": maybe_moment(one.canceled_ms),
        "canceledBy": None if one.canceled_by is None else str(one.canceled_by),
        "cancellationReason": one.cancellation_reason,
        "guestStay": _guest_stay(one),
        "notes": dict(one.notes) or None,
        "keyCode": one.notes.get("keyCode"),
        "money": money(one),
    }
    if sparse:
        row = {name: value for name, value in row.items() if name not in OPTIONAL}
    return {name: value for name, value in row.items() if value is not None}


def _segment(one: Reservation, index: int, *, sparse: bool) -> Json:
    part = one.stay[index]
    row: Json = {
        "checkInDateLocalized": part.check_in.isoformat(),
        "checkOutDateLocalized": part.check_out.isoformat(),
        "guestsCount": part.adults + part.children,
        "numberOfGuests": {
            "numberOfAdults": part.adults,
            "numberOfChildren": part.children,
            "numberOfInfants": 0,
            "numberOfPets": 0,
        },
        "unitTypeId": part.unit_type_id,
        "unitId": part.unit_id,
    }
    if sparse:
        del row["numberOfGuests"]
    return {name: value for name, value in row.items() if value is not None}


def _guest_stay(one: Reservation) -> Json | None:
    if one.guest_stay_ms is None:
        return None
    at = moment(one.guest_stay_ms)
    return {"status": str(one.guest_stay), "createdAt": at, "updatedAt": at}


def legacy(store: GuestyStore, one: Reservation) -> Json:
    """The older record: one listing, one pair of days, the guest and the money inside."""
    last = one.stay[-1]
    listing = store.listings[last.unit_id or last.unit_type_id]
    zone = ZoneInfo(listing.time_zone)
    people = one.stay[0]
    status = str(one.status)
    if one.status is Status.CONFIRMED and one.guest_stay in {
        GuestStay.CHECKED_IN,
        GuestStay.CHECKED_OUT,
    }:
        status = str(one.guest_stay)
    person = store.guests.get(one.guest_id)
    return {
        "_id": one.id,
        "accountId": ACCOUNT_ID,
        "status": status,
        "source": one.source,
        "integration": {"platform": one.platform},
        "listingId": listing.id,
        "unitTypeId": last.unit_type_id,
        "unitId": last.unit_id,
        "checkInDateLocalized": one.check_in.isoformat(),
        "checkOutDateLocalized": one.check_out.isoformat(),
        "checkIn": _utc(datetime.combine(one.check_in, CHECK_IN, zone)),
        "checkOut": _utc(datetime.combine(one.check_out, CHECK_OUT, zone)),
        "nightsCount": (one.check_out - one.check_in).days,
        "guestsCount": people.adults + people.children,
        "numberOfGuests": {
            "numberOfAdults": people.adults,
            "numberOfChildren": people.children,
        },
        "guestId": one.guest_id,
        "guest": None if person is None else guest(person),
        "confirmationCode": one.confirmation_code,
        "originId": one.origin_id,
        "origin": one.origin,
        "createdAt": moment(one.created_ms),
        "lastUpdatedAt": moment(one.updated_ms),
        "canceledAt": maybe_moment(one.canceled_ms),
        "canceledBy": None if one.canceled_by is None else str(one.canceled_by),
        "money": money(one),
    }


def guest(one: Guest) -> Json:
    """A profile."""
    return {
        "_id": one.id,
        "firstName": one.first_name,
        "lastName": one.last_name,
        "fullName": f"{one.first_name} {one.last_name}".strip(),
        "email": one.email,
        "emails": [one.email] if one.email else [],
        "phone": one.phone,
        "phones": [one.phone] if one.phone else [],
        "updatedAt": moment(one.updated_ms),
    }


def listing(store: GuestyStore, one: Listing) -> Json:
    """A listing: a multi-unit type, one of its units, or a single one."""
    units = [each.id for each in store.listings.values() if each.parent_id == one.id]
    kind = "SINGLE"
    if one.parent_id is not None:
        kind = "MTL_CHILD"
    elif units:
        kind = "MTL"
    row: Json = {
        "_id": one.id,
        "accountId": ACCOUNT_ID,
        "title": one.title,
        "nickname": one.nickname,
        "type": kind,
        "timezone": one.time_zone,
        "defaultCheckInTime": f"{CHECK_IN:%H:%M}",
        "defaultCheckOutTime": f"{CHECK_OUT:%H:%M}",
        "prices": {"currency": one.currency, "basePrice": amount(one.night_minor, one.currency)},
        "isListed": True,
        "active": True,
    }
    if one.parent_id is not None:
        row["mtl"] = {"p": one.parent_id}
    if units:
        row["mtl"] = {"c": units}
    return row


def payment(one: Payment) -> Json:
    """A recorded payment."""
    return {
        "_id": one.id,
        "status": "SUCCEEDED",
        "amount": amount(one.amount_minor, one.currency),
        "currency": one.currency,
        "paidAt": moment(one.at_ms),
        "paymentMethod": {"method": one.method},
        "note": one.note,
        "isRefund": False,
    }


def _utc(at: datetime) -> str:
    return moment(int(at.timestamp() * 1000))
