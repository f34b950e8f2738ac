"""Endpoints beside the reservations: listings, calendar, offline charges, webhooks."""

from __future__ import annotations

from typing import Final

from twin.clouds.hostaway import shapes
from twin.clouds.hostaway.asked import Asked, Result
from twin.clouds.hostaway.records import Day, Listing, Webhook
from twin.clouds.hostaway.reservations import find
from twin.clouds.hostaway.words import (
    CHARGES_MAX,
    LIMIT_MAX,
    PAYMENT_METHODS,
    day_of,
    invalid,
    missing,
    utc_text,
)

# A calendar is asked for by the year at most; the vendor does not say where it ends.
CALENDAR_DAYS_MAX: Final = 1100
STAY_NIGHTS_MAX: Final = 1125


def get_listings(asked: Asked) -> Result:
    """`GET /v1/listings`."""
    limit, offset = asked.page()
    rows = list(asked.store.listings.values())
    found = [shapes.listing(one) for one in rows[offset : offset + limit]]
    return Result(result=found, limit=limit, offset=offset, count=len(rows), paged=True)


def get_listing(asked: Asked) -> Result:
    """`GET /v1/listings/{id}`."""
    return Result(result=shapes.listing(_listing(asked)))


def get_calendar(asked: Asked) -> Result:
    """`GET /v1/listings/{id}/calendar?startDate&endDate`, both days included."""
    listing = _listing(asked)
    first = asked.day("startDate") or asked.store.today()
    last = asked.day("endDate") or first
    if not 0 <= (last - first).days <= CALENDAR_DAYS_MAX:
        raise invalid("endDate must not be before startDate")
    resources = asked.query.get("includeResources") != "0"
    rows = [
        shapes.day(asked.store, listing, night, resources=resources)
        for night in shapes.nights(first, last)
    ]
    return Result(result=rows)


def put_calendar(asked: Asked) -> Result:
    """`PUT /v1/listings/{id}/calendar`; the documents call the first day `starDate` as well."""
    store, listing = asked.store, _listing(asked)
    first = asked.on("startDate") or asked.on("starDate")
    last = asked.on("endDate")
    if first is None or last is None or not 0 <= (last - first).days <= CALENDAR_DAYS_MAX:
        raise invalid("startDate and endDate are required, endDate not before startDate")
    desired, available = asked.whole("desiredUnitsToSell"), asked.zero_or_one("isAvailable")
    price_minor = asked.amount_minor("price", listing.currency)
    least, most = asked.whole("minimumStay"), asked.whole("maximumStay")
    if max(least or 1, most or 1) > STAY_NIGHTS_MAX:
        raise invalid(f"a stay has at most {STAY_NIGHTS_MAX} nights")
    closed = asked.zero_or_one("closedOnArrival"), asked.zero_or_one("closedOnDeparture")
    note = asked.text("note")
    rows = []
    for night in shapes.nights(first, last):
        day = store.days.setdefault((listing.id, night), Day())
        if available is not None:
            day.blocked = not available
        if desired is not None:
            day.desired_units = min(desired, listing.capacity)
        day.price_minor = day.price_minor if price_minor is None else price_minor
        day.minimum_stay = least or day.minimum_stay
        day.maximum_stay = most or day.maximum_stay
        day.closed_on_arrival = day.closed_on_arrival if closed[0] is None else closed[0]
        day.closed_on_departure = day.closed_on_departure if closed[1] is None else closed[1]
        day.note = note or day.note
        rows.append(shapes.day(store, listing, night, resources=False))
    return Result(result=rows)


def get_charges(asked: Asked) -> Result:
    """`GET /v1/guestPayments/charges?reservationId=`: `count` is of all that match."""
    limit, offset = asked.page(CHARGES_MAX)
    reservation_id, listing_id = asked.number("reservationId"), asked.number("listingMapId")
    rows = [
        one
        for one in asked.store.charges.values()
        if reservation_id in {None, one.reservation_id} and listing_id in {None, one.listing_id}
    ]
    found = [shapes.charge(one) for one in rows[offset : offset + limit]]
    return Result(result=found, limit=limit, offset=offset, count=len(rows), paged=True)


def get_charge(asked: Asked) -> Result:
    """`GET /v1/guestPayments/charges/{id}`."""
    one = asked.store.charges.get(asked.path["id"])
    if one is None:
        raise missing("Charge")
    return Result(result=shapes.charge(one))


def add_charge(asked: Asked) -> Result:
    """`POST /v1/guestPayments/charges/{reservationId}`: written down as often as it is asked."""
    store = asked.store
    one = find(store, asked.path["id"])
    title, method = asked.text("title"), asked.text("paymentMethod")
    status, scheduled = asked.text("status"), asked.text("scheduledDate")
    amount_minor = asked.amount_minor("amount", one.currency)
    if title is None or scheduled is None or amount_minor is None:
        raise invalid("title, amount, paymentMethod, status and scheduledDate are required")
    day_of(scheduled, "scheduledDate")
    if amount_minor <= 0:
        raise invalid("amount must be greater than 0")
    if method not in PAYMENT_METHODS:
        raise invalid(f"paymentMethod must be one of {', '.join(sorted(PAYMENT_METHODS))}")
    if status not in {"awaiting", "paid"}:
        raise invalid("status must be awaiting or paid")
    charge = store.put_charge(
        listing_id=one.listing_id,
        reservation_id=one.id,
        title=title,
        description=asked.text("description"),
        amount_minor=amount_minor,
        currency=one.currency,
        method=method,
        status=status,
        scheduled=scheduled,
        charged=utc_text(store.now_s()) if status == "paid" else None,
    )
    store.touch(one.id)
    return Result(result=shapes.charge(charge))


def get_webhooks(asked: Asked) -> Result:
    """`GET /v1/webhooks/unifiedWebhooks`."""
    return Result(result=[shapes.webhook(one) for one in asked.store.webhooks.values()])


def get_webhook(asked: Asked) -> Result:
    """`GET /v1/webhooks/unifiedWebhooks/{id}`."""
    return Result(result=shapes.webhook(_webhook(asked)))


def add_webhook(asked: Asked) -> Result:
    """`POST /v1/webhooks/unifiedWebhooks`."""
    webhook = Webhook(id=asked.store.new_id(), enabled=True, url="", login=None)
    _write(asked, webhook)
    if not webhook.url:
        raise invalid("url is required")
    asked.store.webhooks[webhook.id] = webhook
    return Result(result=shapes.webhook(webhook))


def put_webhook(asked: Asked) -> Result:
    """`PUT /v1/webhooks/unifiedWebhooks/{id}`; enabled again it starts without a past."""
    webhook = _webhook(asked)
    _write(asked, webhook)
    return Result(result=shapes.webhook(webhook))


def delete_webhook(asked: Asked) -> Result:
    """`DELETE /v1/webhooks/unifiedWebhooks/{id}`."""
    del asked.store.webhooks[_webhook(asked).id]
    return Result(result=[])


def get_logs(asked: Asked) -> Result:
    """`GET /v1/unifiedWebhookLogs`, the newest attempt first."""
    limit, offset = asked.page(LIMIT_MAX)
    rows = asked.store.logs[::-1]
    found = [shapes.logged(one) for one in rows[offset : offset + limit]]
    return Result(result=found, limit=limit, offset=offset, count=len(rows), paged=True)


def _write(asked: Asked, webhook: Webhook) -> None:
    url = asked.text("url")
    if url is not None and not url.startswith(("https://", "http://")):
        raise invalid("url must be a URL")
    enabled = asked.zero_or_one("isEnabled")
    login, password = asked.text("login"), asked.text("password")
    alerting = asked.text("alertingEmailAddress")
    webhook.url = url or webhook.url
    if enabled is not None:
        webhook.enabled = enabled
        webhook.failing_since_s = None
    webhook.login = login if asked.has("login") else webhook.login
    webhook.password = password if asked.has("password") else webhook.password
    webhook.alerting = alerting if asked.has("alertingEmailAddress") else webhook.alerting


def _listing(asked: Asked) -> Listing:
    listing = asked.store.listings.get(asked.path["id"])
    if listing is None:
        raise missing("Listing")
    return listing


def _webhook(asked: Asked) -> Webhook:
    webhook = asked.store.webhooks.get(asked.path["id"])
    if webhook is None:
        raise missing("Webhook")
    return webhook
