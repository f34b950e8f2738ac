"""One reservation of Mews as a booking of the box: pure translation, nothing invented silently."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from appliance.engines.stays.messages import Guest, LearnBooking, Night, StayState
from appliance.kernel.money import exponent
from sync.mirror import Known, Mirror
from sync.pms.mews.words import SOURCE, STATE_OF, House, days_between, utc_s, version_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What belongs to some reservations: guests by id, priced nights by reservation."""

    customers: Mapping[str, dict[str, Any]]
    items: Mapping[str, list[dict[str, Any]]]


def known_of(row: Mapping[str, Any], before: Known | None) -> Known:
    """What pushes need of a row; a sparse row keeps what was known."""
    room = row.get("AssignedResourceId")
    if "AssignedResourceId" not in row and before is not None:
        room = before.room_upstream_id
    return Known(
        state=str(row["State"]),
        start_s=utc_s(row["StartUtc"]),
        end_s=utc_s(row["EndUtc"]),
        room_upstream_id=room,
        customer_id=row.get("AccountId") if row.get("AccountType") == "Customer" else None,
        no_show_by_us=before is not None and before.no_show_by_us,
    )


def booking_of(  # noqa: PLR0913 - one row and what it takes to read it, all by name
    row: Mapping[str, Any],
    *,
    version: str,
    room_type_id: str,
    house: House,
    mirror: Mirror,
    known: Known,
    around: Around,
) -> LearnBooking:
    """The command that tells the box what Mews says of one booking now."""
    upstream_id = str(row["Id"])
    # A started reservation's StartUtc may be when the guest came; the sold nights do not move.
    arrival = house.day(utc_s(row.get("ScheduledStartUtc") or row["StartUtc"]))
    departure = house.day(utc_s(row["EndUtc"]))
    no_show = row.get("CancellationReason") == "NoShow" or known.no_show_by_us
    state = STATE_OF[str(row["State"])]
    if state is StayState.CANCELLED and no_show:
        state = StayState.NO_SHOW
    room_id = None
    if known.room_upstream_id is not None:
        name = house.resources.get(known.room_upstream_id)
        room_id = mirror.room_by(known.room_upstream_id, name)
    adults, children = _people(row, house)
    nights = []
    prices = _prices(around.items.get(upstream_id, []), house)
    for day in days_between(arrival, departure):
        amount_minor, currency = prices.get(day, (0, house.currency))
        nights.append(
            Night(date=day, amount_minor=amount_minor, currency=currency, price_source="upstream")
        )
    return LearnBooking(
        source=SOURCE,
        upstream_id=upstream_id,
        upstream_version=version,
        code=str(row.get("Number") or upstream_id),
        state=state,
        room_type_id=room_type_id,
        room_id=room_id,
        arrival=arrival,
        departure=departure,
        guests=_guests(around.customers.get(str(row.get("AccountId")))),
        adults=adults,
        children=children,
        nights=tuple(nights),
        channel=str(row.get("OriginDetails") or row.get("Origin") or SOURCE).lower(),
        account_ref=row.get("PartnerCompanyId") or row.get("TravelAgencyId"),
        no_show=state is StayState.NO_SHOW,
        guests_version=_guests_version(around.customers.get(str(row.get("AccountId")))),
        our_ref=row.get("ChannelNumber") if row.get("Origin") == "Connector" else None,
    )


def _guests_version(customer: dict[str, Any] | None) -> str:
    updated = None if customer is None else customer.get("UpdatedUtc")
    return version_of(updated) if isinstance(updated, str) else ""


def _guests(customer: dict[str, Any] | None) -> tuple[Guest, ...]:
    if customer is None:
        return ()
    return (
        Guest(
            given=str(customer.get("FirstName") or ""),
            family=str(customer.get("LastName") or ""),
            email=str(customer.get("Email") or ""),
            phone=str(customer.get("Phone") or ""),
        ),
    )


def _people(row: Mapping[str, Any], house: House) -> tuple[int, int]:
    adults = children = 0
    for count in row.get("PersonCounts") or []:
        if count.get("AgeCategoryId") == house.child_id:
            children += int(count.get("Count") or 0)
        else:
            adults += int(count.get("Count") or 0)
    return adults, children


def _prices(items: list[dict[str, Any]], house: House) -> dict[Any, tuple[int, str]]:
    """What each local day's night costs, minor units and currency; several items add up."""
    prices: dict[Any, tuple[int, str]] = {}
    for item in items:
        at = item.get("ConsumedUtc") or item.get("StartUtc")
        value = item.get("Amount")
        if not isinstance(at, str) or not isinstance(value, dict):
            continue
        currency = str(value.get("Currency") or house.currency)
        day = house.day(utc_s(at))
        before, _ = prices.get(day, (0, currency))
        # Through text: a JSON number such as 81.33 is not exact, its shortest text is.
        gross = Decimal(str(value.get("GrossValue") or 0)).scaleb(exponent(currency))
        prices[day] = (before + int(gross.quantize(Decimal(1), ROUND_HALF_EVEN)), currency)
    return prices
