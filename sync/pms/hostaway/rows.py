"""One reservation of Hostaway as a booking of the box: pure translation, nothing invented silently."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from appliance.engines.stays.messages import Guest, LearnBooking, Night, StayState
from appliance.kernel.money import AMOUNT_MINOR_MAX
from sync.mirror import Known, Mirror
from sync.pms.hostaway.house import House
from sync.pms.hostaway.words import (
    IN_HOUR,
    LIFE_OF,
    OUT_HOUR,
    PROVIDER,
    REQUESTS,
    SOURCE,
    Life,
    at_hour_s,
    day_of,
    days_between,
    minor_of,
    our_ref,
    utc_ms,
    version_of,
)
from sync.pms.port import Seen, Told, digest_of

Row = dict[str, Any]
# What the box reads of a row. The rest (a hundred fields of channels, payout sums, the door code
# that we wrote ourselves) is no news here, is not digested, and is not kept while paging.
READ: Final = (
    "id",
    "listingMapId",
    "channelId",
    "channelName",
    "source",
    "channelReservationId",
    "confirmationCode",
    "status",
    "arrivalDate",
    "departureDate",
    "isDatesUnspecified",
    "checkInTime",
    "checkOutTime",
    "numberOfGuests",
    "adults",
    "children",
    "guestName",
    "guestFirstName",
    "guestLastName",
    "guestEmail",
    "phone",
    "totalPrice",
    "currency",
    "hostNote",
    "comment",
    "cancelledBy",
    "cancellationDate",
    "reservationUnit",
    "updatedOn",
)
# No stay is sold for more than five years, nor to more people than a house holds.
NIGHTS_MAX: Final = 5 * 366
PEOPLE_MAX: Final = 1_000
REQUEST_NOTE: Final = "A request to book at Hostaway, not accepted there yet"


class UnreadableError(Exception):
    """A row that cannot be a booking; the text says why, for a person."""


def trimmed(row: Mapping[str, Any]) -> Row:
    """What is read of a row; a field that is missing stays missing, nonsense becomes nothing."""
    found = {name: _scalar(row[name]) for name in READ if name in row}
    if isinstance(units := row.get("reservationUnit"), list):
        ids = [unit.get("listingUnitId") for unit in units if isinstance(unit, dict)]
        found["reservationUnit"] = [each for each in ids if isinstance(each, int | str)]
    return found


def _scalar(value: object) -> Any:
    if isinstance(value, int) and abs(value) > AMOUNT_MINOR_MAX:
        return None
    return value if value is None or isinstance(value, str | int | float) else None


def seen_of(row: Row, house: House, mirror: Mirror, today: str) -> Seen:
    """A trimmed row before anything is asked about it; raises UnreadableError."""
    upstream_id = str(row["id"])
    before = mirror.booking(SOURCE, upstream_id)
    life = LIFE_OF.get(str(row.get("status")))
    if life is None:
        raise UnreadableError(f"its status {str(row.get('status'))[:40]!r} is not known here")
    try:
        known = known_of(row, house, None if before is None else before.known)
        version, changed_ms = version_of(row["updatedOn"]), utc_ms(row["updatedOn"])
        _nights(row, known.extra["currency"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UnreadableError(f"a field of it cannot be read ({error})") from error
    listing_id = str(row.get("listingMapId"))
    past = str(known.extra["departure"]) < today
    known_here = before is not None and bool(before.version)
    return Seen(
        upstream_id=upstream_id,
        version=version,
        digest=digest_of({name: row[name] for name in row if name != "updatedOn"}),
        changed_ms=changed_ms,
        counts=_counts(
            life, known_here=known_here or mirror.stay_of(SOURCE, upstream_id) is not None
        )
        # Nobody tells us of a stay that is long over: the box was not there.
        and (known_here or not past)
        and row.get("isDatesUnspecified") != 1,
        type_refs=(listing_id, *house.names(listing_id)),
        number=str(row.get("confirmationCode") or upstream_id),
        our_ref=our_ref(row),
        by_us=row.get("source") == PROVIDER,
        known=known,
        raw=row,
    )


def _counts(life: Life, *, known_here: bool) -> bool:
    match life:
        case Life.BOOKED | Life.CANCELLED:
            return True
        case Life.ENDED:
            return known_here
        case Life.NOTHING:
            return False


def known_of(row: Mapping[str, Any], house: House, before: Known | None) -> Known:
    """What pushes need of a row; a sparse row keeps what was known. Raises ValueError."""
    listing_id = str(row.get("listingMapId"))
    listing = house.listings.get(listing_id)
    zone = "UTC" if listing is None else listing.time_zone
    arrival, departure = day_of(row.get("arrivalDate")), day_of(row.get("departureDate"))
    in_hour = row.get("checkInTime")
    out_hour = row.get("checkOutTime")
    if not isinstance(in_hour, int):
        in_hour = IN_HOUR if listing is None else listing.in_hour
    if not isinstance(out_hour, int):
        out_hour = OUT_HOUR if listing is None else listing.out_hour
    units = row.get("reservationUnit")
    room = str(units[0]) if isinstance(units, list) and units else None
    if "reservationUnit" not in row and before is not None:
        room = before.room_upstream_id
    currency = row.get("currency") or ("EUR" if listing is None else listing.currency)
    return Known(
        state=str(row.get("status")),
        start_s=at_hour_s(arrival, in_hour, zone),
        end_s=at_hour_s(departure, out_hour, zone),
        room_upstream_id=room,
        customer_id=None,
        no_show_by_us=before is not None and before.no_show_by_us,
        extra={
            "listing": listing_id,
            "arrival": arrival.isoformat(),
            "departure": departure.isoformat(),
            "currency": str(currency),
        },
    )


def booking_of(told: Told, house: House, mirror: Mirror, guest_key: bytes) -> LearnBooking:
    """The command that tells the box what Hostaway says of one booking now.

    Days are the listing's own and are taken as they are; there is no stay state upstream, so
    whoever booked is `confirmed` until it is cancelled, and the box says who is in house.
    """
    row, known = told.seen.raw, told.seen.known
    arrival, departure = day_of(row.get("arrivalDate")), day_of(row.get("departureDate"))
    over = LIFE_OF[known.state] is not Life.BOOKED
    no_show = over and known.no_show_by_us
    state = StayState.CONFIRMED
    if over:
        state = StayState.NO_SHOW if no_show else StayState.CANCELLED
    room = known.room_upstream_id
    guests = _guests(row, known_here=mirror.booking(SOURCE, told.seen.upstream_id) is not None)
    adults, children = _people(row)
    return LearnBooking(
        source=SOURCE,
        upstream_id=told.seen.upstream_id,
        upstream_version=told.version,
        code=told.seen.number,
        state=state,
        room_type_id=told.room_type_id,
        room_id=None if room is None else mirror.room_by(room, house.unit_name(room)),
        arrival=arrival,
        departure=departure,
        guests=guests,
        adults=adults,
        children=children,
        nights=_nights(row, known.extra["currency"]),
        channel=str(row.get("channelName") or row.get("source") or SOURCE).lower(),
        note=REQUEST_NOTE if known.state in REQUESTS else "",
        no_show=no_show,
        guests_version=_fingerprint(guests, guest_key),
        our_ref=told.seen.our_ref,
    )


def _nights(row: Mapping[str, Any], currency: str) -> tuple[Night, ...]:
    """The total over the nights, to the last cent: Hostaway prices stays, not nights."""
    nights = days_between(day_of(row.get("arrivalDate")), day_of(row.get("departureDate")))
    if len(nights) > NIGHTS_MAX:
        raise ValueError(f"it has {len(nights)} nights")
    priced = row.get("totalPrice") is not None
    total = minor_of(row["totalPrice"], currency) if priced else 0
    share, rest = divmod(total, max(len(nights), 1))
    return tuple(
        Night(
            date=night,
            amount_minor=share + (rest if index == 0 else 0),
            currency=currency,
            price_source="upstream" if priced else "upstream:missing",
        )
        for index, night in enumerate(nights)
    )


def _guests(row: Mapping[str, Any], *, known_here: bool) -> tuple[Guest, ...]:
    if known_here and "guestEmail" not in row:
        return ()  # a sparse row: what it leaves out is not known, rather than empty
    given, family = str(row.get("guestFirstName") or ""), str(row.get("guestLastName") or "")
    if not given and not family:
        given, _, family = str(row.get("guestName") or "").rpartition(" ")
    if not given and not family:
        return ()
    return (
        Guest(
            given=given,
            family=family,
            email=str(row.get("guestEmail") or ""),
            phone=str(row.get("phone") or ""),
        ),
    )


def _fingerprint(guests: tuple[Guest, ...], key: bytes) -> str:
    """Tells a renamed guest from an echo; keyed, so that it says nothing of a name to others."""
    if not guests:
        return ""
    return hmac.new(key, msgspec.json.encode(guests), hashlib.sha256).hexdigest()[:16]


def _people(row: Mapping[str, Any]) -> tuple[int, int]:
    adults, children = _count(row.get("adults")), _count(row.get("children")) or 0
    if adults is None:
        adults = max((_count(row.get("numberOfGuests")) or 1) - children, 1)
    return adults, children


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return min(max(value, 0), PEOPLE_MAX)
