"""Mews' reservations as the puller reads them (cloud.md 1.3, `reservations/getAll/2023-06-06`)."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from appliance.engines.stays.messages import LearnBooking
from appliance.kernel.clock import Clock
from sync.gate import Gate
from sync.ledger import Ledger
from sync.mirror import Mirror
from sync.pms.mews.client import MewsClient
from sync.pms.mews.house import pull_house
from sync.pms.mews.rows import Around, booking_of, known_of
from sync.pms.mews.words import (
    DAY_S,
    IDS_MAX,
    NOT_YET,
    SOURCE,
    STATE_OF,
    WINDOW_S_MAX,
    House,
    utc_ms,
    version_of,
    window,
    windows,
)
from sync.pms.port import LIST_TIMEOUT_S, NotFetchedError, Seen, Told, digest_of

logger = logging.getLogger(__name__)

RESERVATIONS: Final = "reservations/getAll/2023-06-06"
HOUSE: Final = "mews.house"
# How far a full look reaches: half a year of stays behind us, two years of bookings ahead.
BEHIND_S: Final = 180 * DAY_S
AHEAD_S: Final = 730 * DAY_S
# Configuration changes rarely: four looks a day.
HOUSE_AGE_MS_MAX: Final = 6 * 3_600_000
UNREADABLE: Final = "Mews' reservation {} was left out ({}): look at it there, then retry"


class MewsSource:
    """One property at Mews, read."""

    name = SOURCE
    title = "Mews"
    mark_age_s_max = WINDOW_S_MAX
    ids_max = IDS_MAX

    def __init__(self, *, client: MewsClient, ledger: Ledger, mirror: Mirror, clock: Clock) -> None:
        self.gate: Gate = client.gate
        self._client = client
        self._ledger = ledger
        self._mirror = mirror
        self._clock = clock

    async def prepare(self) -> bool:
        """Read the configuration where it is missing or old."""
        now_ms = self._clock.read().wall_ms
        age_ms = now_ms - self._ledger.kept("mews.house_ms", int, 0)
        if self._ledger.kept(HOUSE, House) is not None and age_ms < HOUSE_AGE_MS_MAX:
            return False
        try:
            house = await pull_house(self._client)
        except NotFetchedError as error:
            if not error.answered or self._ledger.kept(HOUSE, House) is None:
                raise
            # What was read last still holds, and bookings do not wait for it.
            logger.warning("mews: the configuration cannot be read anew: %s", error)
            return False
        with self._ledger.transaction():
            self._ledger.keep(HOUSE, house)
            self._ledger.keep("mews.house_ms", now_ms)
        return True

    async def changed(self, since_s: int) -> AsyncIterator[list[Seen]]:
        """By `UpdatedUtc`; the end lies far ahead, so that a wrong clock of ours hides nothing."""
        async for page in self._pages({"UpdatedUtc": window(since_s, since_s + WINDOW_S_MAX)}):
            yield page

    async def everything(self, now_s: int) -> AsyncIterator[list[Seen]]:
        """Who is in house first, then by the day of arrival, in windows that Mews accepts."""
        wanted = [{"CollidingUtc": window(now_s - DAY_S, now_s + DAY_S)}]
        wanted += [
            {"ScheduledStartUtc": window(first_s, last_s)}
            for first_s, last_s in windows(now_s - BEHIND_S, now_s + AHEAD_S)
        ]
        for each in wanted:
            async for page in self._pages(each):
                yield page

    async def fetch(self, upstream_ids: Sequence[str]) -> list[Seen]:
        """By `ReservationIds`."""
        body = {"ReservationIds": list(upstream_ids)}
        rows = await self._client.all_of(RESERVATIONS, body, "Reservations")
        return self._all_seen(rows, self._house())

    async def bookings(self, told: Sequence[Told]) -> list[LearnBooking]:
        """With the guests' profiles and what each night costs."""
        house = self._house()
        around = await self._around([each.seen.raw for each in told])
        return [
            booking_of(
                each.seen.raw,
                version=each.version,
                room_type_id=each.room_type_id,
                house=house,
                mirror=self._mirror,
                known=each.seen.known,
                around=around,
            )
            for each in told
        ]

    async def _pages(self, wanted: dict[str, Any]) -> AsyncIterator[list[Seen]]:
        house = self._house()
        body = {**wanted, "ServiceIds": [house.service_id]}
        async for rows in self._client.pages(RESERVATIONS, body, "Reservations"):
            yield self._all_seen(rows, house)

    def _house(self) -> House:
        house: House | None = self._ledger.kept(HOUSE, House)
        if house is None:
            raise NotFetchedError("Mews' configuration is not known yet")
        return house

    def _all_seen(self, rows: Sequence[dict[str, Any]], house: House) -> list[Seen]:
        """Rows that can be read; the others wait for a person and hold up nobody."""
        found = []
        for row in rows:
            try:
                found.append(self._seen(row, house))
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                name, kind = str(row.get("Id")), type(error).__name__
                logger.warning("mews: reservation %s was left out: %s", name, kind)
                why = UNREADABLE.format(row.get("Number") or name, kind)
                now_ms = self._clock.read().wall_ms
                with self._ledger.transaction():
                    self._mirror.hold(SOURCE, name, why, person=True, now_ms=now_ms)
        return found

    def _seen(self, row: dict[str, Any], house: House) -> Seen:
        upstream_id, state = str(row["Id"]), str(row["State"])
        if state not in NOT_YET and state not in STATE_OF:
            raise ValueError(f"its state {state[:30]!r} is none that we know")
        category = str(row.get("RequestedResourceCategoryId"))
        channel_number = row.get("ChannelNumber")
        before = self._mirror.booking(SOURCE, upstream_id)
        return Seen(
            upstream_id=upstream_id,
            version=version_of(row["UpdatedUtc"]),
            digest=digest_of(row),
            changed_ms=utc_ms(row["UpdatedUtc"]),
            counts=state in STATE_OF,
            type_refs=(category, *house.categories.get(category, ())),
            number=str(row.get("Number") or ""),
            our_ref=channel_number if isinstance(channel_number, str) else None,
            by_us=row.get("Origin") == "Connector",
            known=known_of(row, None if before is None else before.known),
            raw=row,
        )

    async def _around(self, rows: list[dict[str, Any]]) -> Around:
        customers: dict[str, dict[str, Any]] = {}
        items: dict[str, list[dict[str, Any]]] = {}
        people = sorted({row["AccountId"] for row in rows if row.get("AccountType") == "Customer"})
        for start in range(0, len(people), IDS_MAX):
            body = {"CustomerIds": people[start : start + IDS_MAX], "Extent": {"Customers": True}}
            for found in await self._client.all_of(
                "customers/getAll", body, "Customers", timeout_s=LIST_TIMEOUT_S
            ):
                customers[found["Id"]] = found
        ids = [row["Id"] for row in rows]
        for start in range(0, len(ids), IDS_MAX):
            body = {"ServiceOrderIds": ids[start : start + IDS_MAX], "Types": ["SpaceOrder"]}
            for item in await self._client.all_of(
                "orderItems/getAll", body, "OrderItems", timeout_s=LIST_TIMEOUT_S
            ):
                items.setdefault(item["ServiceOrderId"], []).append(item)
        return Around(customers=customers, items=items)
