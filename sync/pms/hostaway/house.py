"""The account's listings: what is sold, in which currency, on which clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sync.pms.hostaway.client import HostawayClient
from sync.pms.hostaway.words import IN_HOUR, OUT_HOUR
from sync.pms.port import LIST_TIMEOUT_S, NotFetchedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One listing: a flat, or a type with several units. Hours are listing-local, 0 to 23."""

    names: tuple[str, ...]
    currency: str
    time_zone: str
    in_hour: int
    out_hour: int
    units: dict[str, str]  # unit id -> number on the door


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Every listing by its id."""

    listings: dict[str, Listing]

    def names(self, listing_id: str) -> tuple[str, ...]:
        """What a listing is called; nothing where we do not know it."""
        found = self.listings.get(listing_id)
        return () if found is None else found.names

    def unit_name(self, unit_id: str) -> str | None:
        """The number of a unit of any listing."""
        for listing in self.listings.values():
            if unit_id in listing.units:
                return listing.units[unit_id]
        return None


async def pull_house(client: HostawayClient) -> House:
    """Read all listings; raises NotFetchedError."""
    wanted = {"includeResources": 1}
    rows = await client.listed("listings", wanted, timeout_s=LIST_TIMEOUT_S)
    if not rows:
        raise NotFetchedError("the account has no listing", answered=True)
    return House(listings={str(row["id"]): _listing(row) for row in rows})


def _listing(row: Mapping[str, Any]) -> Listing:
    names = (row.get(name) for name in ("internalListingName", "name", "externalListingName"))
    return Listing(
        names=tuple(dict.fromkeys(name for name in names if isinstance(name, str) and name)),
        currency=str(row.get("currencyCode") or "EUR"),
        time_zone=str(row.get("timeZoneName") or "UTC"),
        in_hour=_hour(row.get("checkInTimeStart"), IN_HOUR),
        out_hour=_hour(row.get("checkOutTime"), OUT_HOUR),
        units=_units(row.get("listingUnits")),
    )


def _hour(value: object, default: int) -> int:
    is_hour = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 23
    return value if is_hour and isinstance(value, int) else default


def _units(rows: object) -> dict[str, str]:
    if not isinstance(rows, list):
        return {}
    return {
        str(row["id"]): str(row.get("unitNumber") or row.get("name") or row["id"])
        for row in rows
        if isinstance(row, dict) and row.get("id") is not None
    }
