"""One record of Guesty, in either of its shapes, as a booking of the box. Pure.

A record may leave out what it does not care to say. What is missing is unknown, never empty: it
is taken from what was last known of the same booking.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

from appliance.engines.stays.messages import Guest, LearnBooking, Night, StayState
from sync.mirror import Known, Mirror
from sync.pms.guesty.client import id_of
from sync.pms.guesty.words import (
    BLOCKING,
    ENDED,
    LEGACY_STAYS,
    NO_BOOKING,
    ORIGIN,
    SOURCE,
    STAY_OF,
    House,
    UnreadableError,
    day_of,
    minor_of,
    moment,
    moment_ms,
)
from sync.pms.port import digest_of

# Every time in a record that grows with a change; the newest of them is the record's version.
MOMENTS: Final = (
    "createdAt",
    "confirmedAt",
    "reservedAt",
    "alteredAt",
    "canceledAt",
    "lastUpdatedAt",
    "updatedAt",
)
PARTS_MAX: Final = 50
NIGHTS_MAX: Final = 5 * 366
PEOPLE_MAX: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a stay, on one unit."""

    first: date
    last: date
    type_id: str
    unit_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is known of one reservation now; None: nobody ever said."""

    upstream_id: str
    status: str
    guest_stay: str
    parts: tuple[Part, ...]
    adults: int
    children: int
    guest_id: str | None
    code: str
    origin: str | None
    origin_id: str | None
    by_us: bool
    channel: str
    platform: str
    fare_minor: int | None
    currency: str
    version: str
    changed_ms: int
    has_own_version: bool  # False: the version is only the newest time that the record tells
    guest: Mapping[str, Any] | None = field(default=None, repr=False)  # the older shape's

    @property
    def arrival(self) -> date:
        """The first day."""
        return self.parts[0].first

    @property
    def departure(self) -> date:
        """The last day, not slept."""
        return self.parts[-1].last

    def part_on(self, today: date) -> Part:
        """Where the guest sleeps today; the first part before the stay, the last one after."""
        begun = [part for part in self.parts if part.first <= today]
        return begun[-1] if begun else self.parts[0]

    def digest(self, today: date) -> bytes:
        """Of everything that the box is told, so that a sparse echo is no news.

        A move within the stay is news on its day although the record did not change.
        """
        return digest_of(
            {
                "status": self.status,
                "guest_stay": self.guest_stay,
                "parts": [
                    [part.first.isoformat(), part.last.isoformat(), part.type_id, part.unit_id]
                    for part in self.parts
                ],
                "now": self.parts.index(self.part_on(today)),
                "people": [self.adults, self.children],
                "guest_id": self.guest_id,
                "code": self.code,
                "channel": self.channel,
                "fare": [self.fare_minor, self.currency],
            }
        )


def record_of(row: Mapping[str, Any], before: Known | None, house: House) -> Record:
    """Read a record, with what was known before where it says nothing; raises UnreadableError."""
    had = {} if before is None else before.extra
    status = row.get("status")
    if not isinstance(status, str):
        raise UnreadableError("it has no status")
    stay = _dict(row, "guestStay")
    guest_stay = stay.get("status") or had.get("guest_stay") or "not_set"
    if status in LEGACY_STAYS:
        status, guest_stay = "confirmed", status
    parts = _parts(row)
    adults, children = _people(row, had)
    listing = house.listings.get(parts[-1].unit_id or parts[-1].type_id)
    fare_minor, currency = _fare(row, had, "" if listing is None else listing.currency)
    moments = [moment_ms(row.get(name)) for name in MOMENTS]
    moments += [moment_ms(stay.get("updatedAt"))]
    newest_ms = max((each for each in moments if each is not None), default=0)
    own_ms = moment_ms(row.get("lastUpdatedAt"))
    integration = _dict(row, "integration")
    platform = _text(row, "platform") or _text(integration, "platform") or had.get("platform", "")
    origin, flow = _text(row, "origin"), _text(row, "creationFlow")
    return Record(
        upstream_id=id_of(row),
        status=status,
        guest_stay=str(guest_stay),
        parts=parts,
        adults=adults,
        children=children,
        guest_id=_text(row, "bookerId") or _text(row, "guestId") or _customer(before),
        code=_text(row, "confirmationCode") or had.get("code", ""),
        origin=origin,
        origin_id=_text(row, "originId") or had.get("origin_id"),
        by_us=origin == ORIGIN or flow == "OPEN_API",
        channel=(_text(row, "source") or platform or had.get("channel", "") or SOURCE).lower(),
        platform=platform,
        fare_minor=fare_minor,
        currency=currency,
        version=moment(newest_ms if own_ms is None else own_ms),
        changed_ms=newest_ms if own_ms is None else own_ms,
        has_own_version=own_ms is not None,
        guest=_dict(row, "guest") or None,
    )


def known_of(record: Record, before: Known | None, house: House, today: date) -> Known:
    """What pushes need of it, and what a later sparse record may leave out."""
    part = record.part_on(today)
    moves = [each.first.isoformat() for each in record.parts[1:]]
    extra = {
        "guest_stay": record.guest_stay,
        "check_in": record.arrival.isoformat(),
        "check_out": record.departure.isoformat(),
        "unit_type": part.type_id,
        "adults": str(record.adults),
        "children": str(record.children),
        "code": record.code,
        "channel": record.channel,
        "platform": record.platform,
        "currency": record.currency,
        "fare_minor": "" if record.fare_minor is None else str(record.fare_minor),
        "origin_id": record.origin_id or "",
        "moves": ",".join(moves),
    }
    listing = part.unit_id or part.type_id
    return Known(
        state=record.status,
        start_s=house.start_s(listing, record.arrival),
        end_s=house.end_s(listing, record.departure),
        room_upstream_id=_unit(part, house),
        customer_id=record.guest_id,
        no_show_by_us=before is not None and before.no_show_by_us,
        extra={name: text for name, text in extra.items() if text},
    )


def counts(record: Record, *, known: bool) -> bool:
    """Whether it is a booking; what ends before we ever held it is none of ours."""
    if record.status in BLOCKING or record.status == "canceled":
        return True
    return known and record.status in ENDED | NO_BOOKING


def state_of(record: Record) -> StayState:
    """Both machines as the box's one."""
    if record.status in BLOCKING:
        return STAY_OF.get(record.guest_stay, StayState.CONFIRMED)
    return StayState.NO_SHOW if record.guest_stay == "no_show" else StayState.CANCELLED


def booking_of(  # noqa: PLR0913 - one record and what it takes to tell it, all by name
    record: Record,
    *,
    version: str,
    room_type_id: str,
    house: House,
    mirror: Mirror,
    today: date,
    guest: Mapping[str, Any] | None,
) -> LearnBooking:
    """The command that tells the box what Guesty says of one booking now."""
    part = record.part_on(today)
    unit_id = _unit(part, house)
    room_id = None
    if unit_id is not None:
        room_id = next(
            (
                found
                for name in house.names(unit_id) or (None,)
                if (found := mirror.room_by(unit_id, name)) is not None
            ),
            None,
        )
    state = state_of(record)
    return LearnBooking(
        source=SOURCE,
        upstream_id=record.upstream_id,
        upstream_version=version,
        code=record.code or record.upstream_id,
        state=state,
        room_type_id=room_type_id,
        room_id=room_id,
        arrival=record.arrival,
        departure=record.departure,
        guests=_guests(guest),
        adults=record.adults,
        children=record.children,
        nights=_nights(record),
        channel=record.channel,
        note=_note(record, house),
        no_show=state is StayState.NO_SHOW,
        guests_version=_guests_version(guest),
        our_ref=our_ref(record, mirror),
    )


def our_ref(record: Record, mirror: Mirror) -> str | None:
    """Our stay id in a reservation that we made; by the confirmation code where only that is told."""
    if record.origin_id and (record.origin in {None, ORIGIN}):
        return record.origin_id
    return record.code if record.code and mirror.stay(record.code) is not None else None


def _parts(row: Mapping[str, Any]) -> tuple[Part, ...]:
    told = row.get("stay")
    if isinstance(told, dict):
        told = [told]
    if not isinstance(told, list) or not told:
        told = [row]  # the older shape: one part, its fields beside the others
    if len(told) > PARTS_MAX:
        raise UnreadableError("it has more parts than a stay can have")
    parts = sorted((_part(each) for each in told), key=lambda part: part.first)
    nights = (parts[-1].last - parts[0].first).days
    if not 0 <= nights <= NIGHTS_MAX:
        raise UnreadableError("its departure is before its arrival")
    return tuple(parts)


def _part(row: Any) -> Part:
    if not isinstance(row, dict):
        raise UnreadableError("its stay is no list of parts")
    listing = _text(row, "listingId")
    type_id = _text(row, "unitTypeId") or listing
    unit_id = _text(row, "unitId")
    if unit_id is None and listing is not None and listing != type_id:
        unit_id = listing
    if type_id is None:
        raise UnreadableError("it names no listing")
    return Part(
        first=day_of(row.get("checkInDateLocalized"), "check-in"),
        last=day_of(row.get("checkOutDateLocalized"), "check-out"),
        type_id=type_id,
        unit_id=unit_id,
    )


def _unit(part: Part, house: House) -> str | None:
    """The unit that is the room; a listing without units is its own."""
    if part.unit_id is not None:
        return part.unit_id
    return None if house.has_units(part.type_id) else part.type_id


def _people(row: Mapping[str, Any], had: Mapping[str, str]) -> tuple[int, int]:
    told = row.get("stay")
    first = told[0] if isinstance(told, list) and told and isinstance(told[0], dict) else row
    people = _dict(first, "numberOfGuests") or _dict(row, "numberOfGuests")
    children = _count(people.get("numberOfChildren"))
    infants = _count(people.get("numberOfInfants")) or 0
    adults = _count(people.get("numberOfAdults"))
    if adults is None:
        total = _count(first.get("guestsCount"))
        had_adults, had_children = (int(had.get(name) or 0) for name in ("adults", "children"))
        if total is None or total == had_adults + had_children:
            return max(had_adults, 0 if had_children else 1), had_children
        return max(total - had_children, 1), min(had_children, max(total - 1, 0))
    return adults, (children or 0) + infants


def _fare(row: Mapping[str, Any], had: Mapping[str, str], currency: str) -> tuple[int | None, str]:
    money = _dict(row, "money")
    known, currency = had.get("fare_minor"), had.get("currency") or currency
    said = _text(money, "currency") or currency
    fare = minor_of(money.get("fareAccommodation"), said)
    if fare is not None:
        return fare, said
    return (int(known) if known else None), currency


def _nights(record: Record) -> tuple[Night, ...]:
    """The vendor tells one sum: it is spread evenly, odd cents on the first nights."""
    days = [
        record.arrival + timedelta(days=index)
        for index in range((record.departure - record.arrival).days)
    ]
    if record.fare_minor is None or not days or not record.currency:
        return ()
    each, odd = divmod(record.fare_minor, len(days))
    return tuple(
        Night(
            date=day,
            amount_minor=each + (index < odd),
            currency=record.currency,
            price_source="upstream:average",
        )
        for index, day in enumerate(days)
    )


def _note(record: Record, house: House) -> str:
    moves = [
        f"{part.first.isoformat()}: to {' '.join(house.names(part.unit_id)[:1]) or 'another unit'}"
        for part in record.parts[1:]
    ]
    return "Guesty plans a move, " + "; ".join(moves) if moves else ""


def _guests(guest: Mapping[str, Any] | None) -> tuple[Guest, ...]:
    if guest is None:
        return ()
    given, family = _text(guest, "firstName") or "", _text(guest, "lastName") or ""
    if not given and not family:
        given, _, family = (_text(guest, "fullName") or "").rpartition(" ")
    return (
        Guest(
            given=given,
            family=family,
            email=_text(guest, "email") or "",
            phone=_text(guest, "phone") or "",
        ),
    )


def _guests_version(guest: Mapping[str, Any] | None) -> str:
    at_ms = None if guest is None else moment_ms(guest.get("updatedAt"))
    return "" if at_ms is None else moment(at_ms)


def _customer(before: Known | None) -> str | None:
    return None if before is None else before.customer_id


def _count(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:  # noqa: PLR0124 - not a number
        return None
    return int(min(max(value, 0), PEOPLE_MAX))


def _text(row: Mapping[str, Any], name: str) -> str | None:
    value = row.get(name)
    return value if isinstance(value, str) and value else None


def _dict(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = row.get(name)
    return value if isinstance(value, dict) else {}
