"""Endpoints about listings, guests, the calendar and recorded money."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from twin.clouds.guesty import shapes
from twin.clouds.guesty.asked import Asked, Json
from twin.clouds.guesty.records import Listing
from twin.clouds.guesty.selling import minor_of
from twin.clouds.guesty.words import ACCOUNT_ID, NOTE_LENGTH_MAX, day_of, invalid, missing

# The vendor answers for so many days at once and no more.
CALENDAR_DAYS_MAX: Final = 400
# The methods of a payment that only records (changelog 2026-03-23: CASH alone is refused).
METHODS: Final = frozenset({"RECORDED_CASH", "BANK_TRANSFER", "CHECK", "OTHER"})


def get_account(asked: Asked) -> Json:
    """`GET /accounts/me`."""
    return {"_id": ACCOUNT_ID, "currency": asked.store.currency}


def get_listings(asked: Asked) -> Json:
    """`GET /listings`."""
    skip, limit = asked.page()
    rows = sorted(asked.store.listings.values(), key=lambda one: one.id)
    page = rows[skip : skip + limit]
    return {
        "results": [shapes.listing(asked.store, one) for one in page],
        "count": len(rows),
        "limit": limit,
        "skip": skip,
    }


def get_listing(asked: Asked) -> Json:
    """`GET /listings/{id}`."""
    return shapes.listing(asked.store, asked.store.listing(asked.names["id"]))


def get_guest(asked: Asked) -> Json:
    """`GET /guests-crud/{id}`."""
    found = asked.store.guests.get(asked.names["id"])
    if found is None:
        raise missing("Guest not found.")
    return shapes.guest(found)


def get_calendar(asked: Asked) -> Json:
    """`GET /availability-pricing/api/calendar/listings/{id}`, both days included."""
    listing = asked.store.listing(asked.names["id"])
    first = day_of(asked.param("startDate"), "startDate")
    last = day_of(asked.param("endDate"), "endDate")
    return {"data": {"days": [_day(asked, listing, day) for day in _days(first, last)]}}


def put_calendar(asked: Asked) -> Json:
    """`PUT` of the same: `startDate` to `endDate` both included, `status` closes or opens."""
    store, listing = asked.store, asked.store.listing(asked.names["id"])
    days = _days(asked.day("startDate"), asked.day("endDate"))
    status, note = asked.maybe_text("status"), asked.maybe_text("note", NOTE_LENGTH_MAX) or ""
    if status not in {"available", "unavailable"}:
        raise invalid("status must be available or unavailable.")
    for day in days:
        if status == "unavailable":
            store.blocked[(listing.id, day)] = note
        else:
            store.blocked.pop((listing.id, day), None)
    return {"status": 200, "message": "OK"}


def record_payment(asked: Asked) -> Json:
    """`POST /payments/recorded`: money that came another way; no key makes two of these one."""
    one = asked.store.find(asked.text("reservationId"))
    return _record(asked, one.id)


def record_legacy_payment(asked: Asked) -> Json:
    """`POST /reservations/{id}/payments`: as the newer one, and answers with all of them."""
    _record(asked, asked.names["id"])
    one = asked.store.find(asked.names["id"])
    return {"_id": one.id, "money": {"payments": [shapes.payment(each) for each in one.payments]}}


def get_payments(asked: Asked) -> Json:
    """`GET /payments?reservationId=`: the way to find a payment again."""
    one = asked.store.find(asked.param("reservationId") or "")
    return {
        "payments": [shapes.payment(each) for each in one.payments],
        "totalPaid": shapes.amount(one.paid_minor, one.currency),
    }


def _record(asked: Asked, reservation_id: str) -> Json:
    one = asked.store.find(reservation_id)
    amount, method = asked.amount("amount"), asked.part("paymentMethod").text("method")
    note = asked.maybe_text("note", NOTE_LENGTH_MAX) or ""
    if amount is None or amount < 1:
        raise invalid("amount must be at least 1.")
    if method not in METHODS:
        raise invalid("paymentMethod.method is not one of its values.")
    payment = asked.store.add_payment(one, minor_of(amount, one.currency), method=method, note=note)
    return shapes.payment(payment)


def _day(asked: Asked, listing: Listing, day: date) -> Json:
    store = asked.store
    kind_id = listing.parent_id or listing.id
    free = store.free_units(kind_id, day)
    blocked = (listing.id, day) in store.blocked or (kind_id, day) in store.blocked
    if listing.parent_id is None and len(store.units_of(kind_id)) > 1:
        # Of a type with units only the allotment tells, its status stays available.
        is_free = True
    else:
        is_free = listing in free or (listing.parent_id is None and bool(free))
    row: Json = {
        "date": day.isoformat(),
        "listingId": listing.id,
        "currency": listing.currency,
        "price": shapes.amount(listing.night_minor, listing.currency),
        "minNights": 1,
        "status": "unavailable" if blocked else ("available" if is_free else "booked"),
        "blocks": {"m": blocked, "r": False, "b": not is_free and not blocked},
        "blockRefs": [],
        "cta": False,
        "ctd": False,
    }
    if listing.parent_id is None and len(store.units_of(kind_id)) > 1:
        row["allotment"] = len(free)
    return row


def _days(first: date, last: date) -> list[date]:
    if not 0 <= (last - first).days < CALENDAR_DAYS_MAX:
        raise invalid(f"endDate must be at most {CALENDAR_DAYS_MAX - 1} days after startDate.")
    return [first + timedelta(days=index) for index in range((last - first).days + 1)]
