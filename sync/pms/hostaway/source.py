"""Hostaway's reservations as the puller reads them (cloud.md 1.2, `GET /v1/reservations`).

Read newest change first, which is their default order: a row that is changed meanwhile moves to
the front, where it is looked for again, and a cursor that moves to the front only shows rows
twice. In the other order (`sortOrder=updatedOn`) a cursor that moves hides everything behind it.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from appliance.engines.stays.messages import LearnBooking
from appliance.kernel.clock import Clock
from sync.gate import Gate
from sync.ledger import Ledger
from sync.mirror import Mirror
from sync.pms.hostaway.client import HostawayClient, rows_of
from sync.pms.hostaway.house import House, pull_house
from sync.pms.hostaway.rows import Row, UnreadableError, booking_of, seen_of, trimmed
from sync.pms.hostaway.webhook_log import WebhookLog
from sync.pms.hostaway.words import DAY_S, LIMIT, SOURCE, TITLE, utc_day, utc_ms, utc_text
from sync.pms.port import NotFetchedError, Seen, Told, digest_of

logger = logging.getLogger(__name__)

RESERVATIONS: Final = "reservations"
HOUSE: Final = f"{SOURCE}.house"
HOUSE_MS: Final = f"{SOURCE}.house_ms"
GUEST_KEY: Final = f"{SOURCE}.guest_key"
# Listings change rarely: four looks a day.
HOUSE_AGE_MS_MAX: Final = 6 * 3_600_000
# After a month in the dark everything that matters is read; changes alone would be as many rows.
MARK_AGE_S_MAX: Final = 30 * DAY_S
# Stays that ended this long ago are still asked for: a guest may have stayed on at the desk.
BEHIND_S: Final = 3 * DAY_S
# How often the front is looked at again for rows that moved there while we paged. Each round is
# one request unless more than a page moved; a desk does not change rows that fast.
ROUNDS_MAX: Final = 8
# Each id is a request of its own.
IDS_MAX: Final = 10
UNREADABLE: Final = "Hostaway's reservation {} was left out: {}. Look at it there, then retry"


class HostawaySource:
    """One account at Hostaway, read."""

    name = SOURCE
    title = TITLE
    mark_age_s_max = MARK_AGE_S_MAX
    ids_max = IDS_MAX

    def __init__(
        self, *, client: HostawayClient, ledger: Ledger, mirror: Mirror, clock: Clock
    ) -> None:
        self.gate: Gate = client.gate
        self._client = client
        self._ledger = ledger
        self._mirror = mirror
        self._clock = clock
        self._log = WebhookLog(client, ledger)

    async def prepare(self) -> bool:
        """Read the listings where they are missing or old."""
        now_ms = self._clock.read().wall_ms
        age_ms = now_ms - self._ledger.kept(HOUSE_MS, int, 0)
        if self._ledger.kept(HOUSE, House) is not None and age_ms < HOUSE_AGE_MS_MAX:
            return False
        try:
            house = await pull_house(self._client)
        except NotFetchedError as error:
            if not error.answered or self._ledger.kept(HOUSE, House) is None:
                raise
            # What was read last still holds, and bookings do not wait for it.
            logger.warning("hostaway: the listings cannot be read anew: %s", error)
            return False
        await self._log.look_whether_there_is_one()
        with self._ledger.transaction():
            self._ledger.keep(HOUSE, house)
            self._ledger.keep(HOUSE_MS, now_ms)
            if self._ledger.kept(GUEST_KEY, str) is None:
                self._ledger.keep(GUEST_KEY, secrets.token_hex(32))
        return True

    async def changed(self, since_s: int) -> AsyncIterator[list[Seen]]:
        """Oldest change first: a cancelled booking frees its nights before another takes them."""
        rows: dict[tuple[int, bytes], Row] = {}
        async for page in self._settled({}, since_s):
            rows |= {_key(row): row for row in page if _changed_s(row) >= since_s}
        ordered = sorted(rows.values(), key=lambda row: (str(row.get("updatedOn")), row["id"]))
        for start in range(0, len(ordered), LIMIT):
            yield self._seen(ordered[start : start + LIMIT])
        async for hinted in self._hinted({str(row["id"]) for row in ordered}):
            yield hinted

    async def everything(self, now_s: int) -> AsyncIterator[list[Seen]]:
        """Who is here and who is expected, as it comes: much of it is new to the box anyway."""
        wanted = {"departureStartDate": utc_day(now_s - BEHIND_S)}
        read: set[str] = set()
        async for page in self._settled(wanted, 0):
            read |= {str(row["id"]) for row in page}
            yield self._seen(page)
        async for hinted in self._hinted(read):
            yield hinted

    async def fetch(self, upstream_ids: Sequence[str]) -> list[Seen]:
        """One by one; what is not there is left out."""
        rows: list[Row] = []
        for upstream_id in upstream_ids:
            if upstream_id.isascii() and upstream_id.isdigit():  # a hint may be anything
                row = await self._client.read(f"{RESERVATIONS}/{upstream_id}")
                rows += map(trimmed, rows_of([row]))
        return self._seen(rows)

    async def bookings(self, told: Sequence[Told]) -> list[LearnBooking]:
        """Everything is in the row itself; nothing more is asked."""
        key = bytes.fromhex(self._ledger.kept(GUEST_KEY, str, ""))
        house = self.house()
        return [booking_of(each, house, self._mirror, key) for each in told]

    def house(self) -> House:
        """The listings as last read; raises NotFetchedError."""
        house: House | None = self._ledger.kept(HOUSE, House)
        if house is None:
            raise NotFetchedError("Hostaway's listings are not known yet")
        return house

    async def _hinted(self, read: set[str]) -> AsyncIterator[list[Seen]]:
        async for ids in self._log.news(read):
            yield await self.fetch(ids)

    # -- paging ----------------------------------------------------------------------------------

    async def _settled(self, wanted: dict[str, Any], since_s: int) -> AsyncIterator[list[Row]]:
        """Pages back to a moment, and the front again until nothing moved there meanwhile."""
        seen: set[tuple[int, bytes]] = set()
        front_s = since_s
        for _ in range(ROUNDS_MAX):
            pages, newest_s, moved = 0, 0, False
            async for page in self._walk(wanted, front_s):
                pages += 1
                newest_s = max([newest_s, *map(_changed_s, page)]) if pages == 1 else newest_s
                fresh = [row for row in page if _key(row) not in seen]
                seen.update(map(_key, fresh))
                if fresh:
                    moved = True
                    yield fresh
            # Rows move only between pages: one page is one moment. So is a walk that met nothing
            # new: more rows than a page holds may well have changed within one second.
            if pages <= 1 or not moved:
                return
            front_s = newest_s
        raise NotFetchedError("the reservations change faster than they can be read")

    async def _walk(self, wanted: dict[str, Any], since_s: int) -> AsyncIterator[list[Row]]:
        async for page in self._client.pages(RESERVATIONS, wanted):
            yield [trimmed(row) for row in page]
            if _changed_s(page[-1]) < since_s:
                return

    def _seen(self, rows: Sequence[Row]) -> list[Seen]:
        """Rows that can be read; the others wait for a person and hold up nobody."""
        house, now_ms = self.house(), self._clock.read().wall_ms
        today = utc_day((self.gate.vendor_now_ms() or now_ms) // 1000 - DAY_S)
        found = []
        for row in rows:
            try:
                found.append(seen_of(row, house, self._mirror, today))
            except UnreadableError as error:
                logger.warning("hostaway: reservation %s was left out: %s", row["id"], error)
                why = UNREADABLE.format(row["id"], error)
                with self._ledger.transaction():
                    self._mirror.hold(SOURCE, str(row["id"]), why, person=True, now_ms=now_ms)
        return found


def _key(row: Row) -> tuple[int, bytes]:
    """Whole seconds are coarse: a row is the same only with the same content."""
    return row["id"], digest_of(row)


def _changed_s(row: Row) -> int:
    """When a row was changed; one that does not say is taken as new, so that nothing is missed."""
    try:
        return utc_ms(row.get("updatedOn")) // 1000
    except (ValueError, OverflowError):
        return 2**40


def mark_text(mark_s: int | None) -> str:
    """How far we have read, for a person."""
    return "nothing yet" if mark_s is None else utc_text(mark_s)
