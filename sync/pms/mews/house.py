"""The property as Mews has it configured: pulled whole, kept, and refreshed."""

from __future__ import annotations

from typing import Any, Final

from sync.pms.mews.client import MewsClient
from sync.pms.mews.words import House, minutes_of
from sync.pms.port import NotFetchedError

# What a property without its own words gets: 15:00 and 11:00.
START_MINUTE: Final = 15 * 60
END_MINUTE: Final = 11 * 60


async def pull_house(client: MewsClient) -> House:
    """Read the configuration; raises NotFetchedError when a part of it is missing."""
    configuration = await client.read("configuration/get", {})
    enterprise = _part(configuration, "Enterprise")
    service = _pick(await client.all_of("services/getAll", {}, "Services"), _sells_nights)
    services = {"ServiceIds": [service["Id"]]}
    rate = _pick(await client.all_of("rates/getAll", services, "Rates"), _is_ours)
    ages = await client.all_of("ageCategories/getAll", services, "AgeCategories")
    adult = _pick(ages, lambda age: age.get("Classification") != "Child")
    child = next((age.get("Id") for age in ages if age.get("Classification") == "Child"), None)
    rooms = await client.all_of(
        "resources/getAll", {"Extent": {"Resources": True, "Inactive": False}}, "Resources"
    )
    types = await client.all_of("resourceCategories/getAll", services, "ResourceCategories")
    start_minute, end_minute = _hours(service)
    return House(
        service_id=service["Id"],
        rate_id=rate["Id"],
        adult_id=adult["Id"],
        child_id=child,
        time_zone=str(enterprise.get("TimeZoneIdentifier") or "UTC"),
        currency=_currency(enterprise),
        start_minute=start_minute,
        end_minute=end_minute,
        resources={room["Id"]: str(room.get("Name") or "") for room in _named(rooms)},
        categories={kind["Id"]: _names(kind) for kind in _named(types)},
    )


def _part(fields: dict[str, Any], name: str) -> dict[str, Any]:
    found = fields.get(name)
    return found if isinstance(found, dict) else {}


def _pick(rows: list[dict[str, Any]], wanted: Any) -> dict[str, Any]:
    active = [row for row in rows if row.get("IsActive", True) and isinstance(row.get("Id"), str)]
    found: dict[str, Any] | None = next(filter(wanted, active), None)
    if found is None:
        sentence = "Mews' configuration has no bookable service, rate or age category"
        raise NotFetchedError(sentence, answered=True)
    return found


def _named(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that say which they are; none at all is an odd answer and no property."""
    if not (found := [row for row in rows if isinstance(row.get("Id"), str)]):
        raise NotFetchedError("Mews' configuration has no room or no type of rooms", answered=True)
    return found


def _sells_nights(service: dict[str, Any]) -> bool:
    return _part(service, "Data").get("Discriminator") == "Bookable"


def _is_ours(rate: dict[str, Any]) -> bool:
    return bool(rate.get("IsEnabled", True))


def _hours(service: dict[str, Any]) -> tuple[int, int]:
    offsets = _part(_part(service, "Data"), "Value")
    start = offsets.get("StartOffset") or service.get("StartTime")
    end = offsets.get("EndOffset") or service.get("EndTime")
    return minutes_of(start, START_MINUTE), minutes_of(end, END_MINUTE)


def _currency(enterprise: dict[str, Any]) -> str:
    currencies = enterprise.get("Currencies") or []
    default: dict[str, Any] = next((each for each in currencies if each.get("IsDefault")), {})
    return str(default.get("Currency") or "EUR")


def _names(kind: dict[str, Any]) -> tuple[str, ...]:
    names = [*_part(kind, "Names").values(), *_part(kind, "ShortNames").values()]
    external = kind.get("ExternalIdentifier")
    return tuple(str(name) for name in [*names, external] if name)
