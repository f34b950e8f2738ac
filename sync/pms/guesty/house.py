"""The account's listings: unit types and units, pulled whole, kept, and refreshed."""

from __future__ import annotations

from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sync.pms.guesty.client import GuestyClient, id_of
from sync.pms.guesty.words import House, Listing, minute_of
from sync.pms.port import NotFetchedError

HOUSE: Final = "guesty.house"
FIELDS: Final = (
    "title nickname type mtl timezone defaultCheckInTime defaultCheckOutTime prices.currency"
)
# What a listing without its own words gets: 15:00 and 11:00.
START_MINUTE: Final = 15 * 60
END_MINUTE: Final = 11 * 60


async def pull_house(client: GuestyClient) -> House:
    """Read every listing; raises NotFetchedError when there is none."""
    listings: dict[str, Listing] = {}
    async for page in client.pages("/listings", [("fields", FIELDS), ("sort", "_id")]):
        listings |= {id_of(row): _listing(row) for row in page if id_of(row)}
    if not listings:
        raise NotFetchedError("Guesty's account has no listing", answered=True)
    return House(listings=listings)


def _listing(row: dict[str, Any]) -> Listing:
    prices, multi = row.get("prices"), row.get("mtl")
    parent = multi.get("p") if isinstance(multi, dict) else None
    names = [row.get("title"), row.get("nickname")]
    return Listing(
        names=tuple(dict.fromkeys(str(name) for name in names if name)),
        parent_id=parent if isinstance(parent, str) else None,
        time_zone=_zone(row.get("timezone")),
        currency=str(prices.get("currency") or "") if isinstance(prices, dict) else "",
        start_minute=minute_of(row.get("defaultCheckInTime"), START_MINUTE),
        end_minute=minute_of(row.get("defaultCheckOutTime"), END_MINUTE),
    )


def _zone(value: Any) -> str:
    try:
        return ZoneInfo(str(value)).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "UTC"
