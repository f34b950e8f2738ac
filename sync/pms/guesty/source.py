"""Guesty's reservations as the puller reads them (cloud.md 1.1).

The newer search knows no time of change and leaves out what Booking.com sold; the newer read by
id leaves out nothing. So lists are where ids are found, and a record is what is read by its id.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, timedelta
from typing import Any, Final

from appliance.engines.stays.messages import LearnBooking
from appliance.kernel.clock import Clock
from sync.gate import Gate
from sync.ledger import Ledger
from sync.mirror import Mirror
from sync.pms.guesty.account import GuestyApi
from sync.pms.guesty.client import GuestyClient, NotPermittedError, Query, id_of, rows_of
from sync.pms.guesty.house import HOUSE, pull_house
from sync.pms.guesty.older_list import OlderList
from sync.pms.guesty.rows import Record, booking_of, counts, known_of, our_ref, record_of
from sync.pms.guesty.words import (
    BLOCKING,
    DAY_S,
    ENDED,
    LEGACY_STAYS,
    NO_BOOKING,
    SOURCE,
    TITLE,
    House,
    UnreadableError,
    moment,
)
from sync.pms.port import LOOKS, NotAskableError, NotFetchedError, Seen, Told

logger = logging.getLogger(__name__)

RESERVATIONS: Final = "/reservations-v3"
SEARCH: Final = "/reservations-v3/search"
LEGACY: Final = "/reservations"
# The vendor's: at most ten ids in one question.
IDS_MAX: Final = 10
# Of these questions so many are under way together; the vendor bears fifteen, effects are eight.
AT_ONCE: Final = 4
# The older list takes a filter of more; a page is what it can answer.
LEGACY_IDS_MAX: Final = 100
# How far back a full look reaches; what comes is read without an end.
BEHIND_DAYS: Final = 30
# Listings change rarely: four looks a day.
HOUSE_AGE_MS_MAX: Final = 6 * 3_600_000
# With the older list, which tells changes, the whole is read once a day for safety.
SWEEP_AGE_MS_MAX: Final = 86_400_000
# Without it nothing tells a change but the whole: some six pages of a 60-room house a minute.
SWEEP_AGE_MS_ALONE: Final = 60_000
# What was read by id is not read again while the list says the same of it; a house of 60 rooms
# has a few hundred bookings under way.
READ_MAX: Final = 2_000
STATUSES: Final = ",".join(sorted(BLOCKING | ENDED))
FIELDS: Final = (
    "status source integration listingId unitTypeId unitId checkInDateLocalized"
    " checkOutDateLocalized guestsCount numberOfGuests guestId guest confirmationCode originId"
    " origin createdAt lastUpdatedAt canceledAt money"
)
MOVE_IS_DUE: Final = "a move within the stay is due"
UNSHOWN: Final = "the older list names it, and reading it by id did not show it"
UNREADABLE: Final = "reservation {} at Guesty cannot be read: {}: correct it there, then retry"
KNOWN_STATUSES: Final = BLOCKING | ENDED | NO_BOOKING | LEGACY_STAYS


class GuestySource:
    """One account at Guesty, read."""

    name = SOURCE
    title = TITLE
    # The older list takes any time; after a quarter the whole is cheaper than what changed.
    mark_age_s_max = 90 * DAY_S
    ids_max = IDS_MAX

    def __init__(
        self, *, client: GuestyClient, ledger: Ledger, mirror: Mirror, clock: Clock
    ) -> None:
        self.gate: Gate = client.gate
        self._client = client.first()
        self._ledger = ledger
        self._mirror = mirror
        self._clock = clock
        self._older_list = OlderList(ledger, clock)
        self._read: dict[str, str] = {}  # id -> time of change under which it was read

    async def prepare(self) -> bool:
        """Read the listings where they are missing or old; remember moves whose day has come."""
        now_ms = self._clock.read().wall_ms
        age_ms = now_ms - self._ledger.kept("guesty.house_ms", int, 0)
        fresh = self._ledger.kept(HOUSE, House) is None or age_ms >= HOUSE_AGE_MS_MAX
        if fresh:
            fresh = await self._read_house(now_ms)
        self._hold_due_moves()
        return fresh

    async def _read_house(self, now_ms: int) -> bool:
        try:
            house = await pull_house(self._client)
        except NotFetchedError as error:
            if not error.answered or self._ledger.kept(HOUSE, House) is None:
                raise
            # What was read last still holds, and bookings do not wait for it.
            logger.warning("guesty: the listings cannot be read anew: %s", error)
            return False
        with self._ledger.transaction():
            self._ledger.keep(HOUSE, house)
            self._ledger.keep("guesty.house_ms", now_ms)
        return True

    async def changed(self, since_s: int) -> AsyncIterator[list[Seen]]:
        """By the older list's time of change; without it, what is new and then the whole."""
        wanted = _filters(("lastUpdatedAt", "$gte", moment(since_s * 1000)))
        async for page in self._by_legacy([*wanted, ("sort", "lastUpdatedAt")]):
            yield page
        alone = self._is_alone()
        if alone:
            query = [("filter[createdAt][gte]", moment(since_s * 1000)), ("sort", "_id")]
            async for page in self._search(query):
                yield page
        if self._sweep_is_due(alone=alone):
            async for page in self.everything(self._now_s()):
                yield page

    async def everything(self, now_s: int) -> AsyncIterator[list[Seen]]:
        """Who is in house or comes today first, then the rest by the day of arrival."""
        today = self._house().day(now_s)
        soon = (today + timedelta(days=1)).isoformat()
        since = ("filter[checkOut][gte]", (today - timedelta(days=BEHIND_DAYS)).isoformat())
        began_ms = self._clock.read().wall_ms
        found: set[str] = set()
        if self._client.account.api is GuestyApi.V3:
            for arrival in (("filter[checkIn][lte]", soon), ("filter[checkIn][gt]", soon)):
                query = [since, arrival, ("filter[status]", STATUSES), ("sort", "_id")]
                async for page in self._search(query):
                    found |= {seen.upstream_id for seen in page}
                    yield page
        left = _filters(("checkOutDateLocalized", "$gte", since[1]))
        async for page in self._by_legacy([*left, ("sort", "_id")], besides=found):
            yield page
        with self._ledger.transaction():
            self._ledger.keep("guesty.sweep_ms", began_ms)

    async def fetch(self, upstream_ids: Sequence[str]) -> list[Seen]:
        """By id, from where records are read."""
        if self._client.account.api is GuestyApi.LEGACY:
            query = [*_filters(("_id", "$in", list(upstream_ids))), ("fields", FIELDS)]
            return self._seen_all(rows_of(await self._client.read(LEGACY, query)))
        return self._seen_all(await self._read_by_id(upstream_ids))

    async def bookings(self, told: Sequence[Told]) -> list[LearnBooking]:
        """With the guests' profiles."""
        house, today = self._house(), self._today()
        records: list[Record] = [each.seen.raw for each in told]
        guests = await self._guests(records)
        return [
            booking_of(
                record,
                version=each.version,
                room_type_id=each.room_type_id,
                house=house,
                mirror=self._mirror,
                today=today,
                guest=guests.get(record.guest_id or ""),
            )
            for each, record in zip(told, records, strict=True)
        ]

    # -- lists -----------------------------------------------------------------------------------

    async def _search(self, query: Query) -> AsyncIterator[list[Seen]]:
        async for rows in self._client.pages(SEARCH, query):
            yield self._seen_all(rows)

    async def _by_legacy(
        self, query: Query, *, besides: AbstractSet[str] = frozenset()
    ) -> AsyncIterator[list[Seen]]:
        """What the older list finds: read by id, or taken as it is where that is the setting."""
        v3 = self._client.account.api is GuestyApi.V3
        if v3 and not self._older_list.may_be_asked():
            return
        fields = "lastUpdatedAt" if v3 else FIELDS
        try:
            async for rows in self._client.pages(LEGACY, [*query, ("fields", fields)]):
                if self._older_list.answered():
                    self._sweep_soon()
                if not v3:
                    yield self._seen_all(rows)
                    continue
                news = [
                    row
                    for row in rows
                    if id_of(row) not in besides and self._read.get(id_of(row)) != _told_at(row)
                ]
                async for some, found in self._read_all(news):
                    yield self._seen_all(found)
                    # Taken in by now: whoever asked for the next page has done with this one.
                    ids = {id_of(row) for row in found}
                    self._remember_read([row for row in some if id_of(row) in ids])
                    self._hold_unshown([each for row in some if (each := id_of(row)) not in ids])
        except (NotAskableError, NotPermittedError) as error:
            if not v3:
                raise
            self._older_list.refused(error)

    def _is_alone(self) -> bool:
        """Whether the newer search must do without the older list."""
        return self._client.account.api is GuestyApi.V3 and self._older_list.refuses

    def _sweep_soon(self) -> None:
        """What only the older list tells may have been missed: the whole is read with this look."""
        with self._ledger.transaction():
            self._ledger.keep("guesty.sweep_ms", 0)

    def _sweep_is_due(self, *, alone: bool) -> bool:
        swept_ms: int = self._ledger.kept("guesty.sweep_ms", int, 0)
        age_ms = self._clock.read().wall_ms - swept_ms
        return age_ms >= (SWEEP_AGE_MS_ALONE if alone else SWEEP_AGE_MS_MAX)

    def _remember_read(self, rows: Sequence[Mapping[str, Any]]) -> None:
        if len(self._read) > READ_MAX:
            self._read.clear()
        self._read.update({id_of(row): _told_at(row) for row in rows})

    # -- records ---------------------------------------------------------------------------------

    async def _read_all(
        self, rows: Sequence[Mapping[str, Any]]
    ) -> AsyncIterator[tuple[Sequence[Mapping[str, Any]], list[dict[str, Any]]]]:
        """Rows of a list, and what reading them by id brought, some questions at once."""
        for start in range(0, len(rows), IDS_MAX * AT_ONCE):
            some = rows[start : start + IDS_MAX * AT_ONCE]
            ids = [id_of(row) for row in some]
            tens = [ids[at : at + IDS_MAX] for at in range(0, len(ids), IDS_MAX)]
            found = await asyncio.gather(*(self._read_each(each) for each in tens))
            yield some, [row for each in found for row in each]

    async def _read_each(self, upstream_ids: Sequence[str]) -> list[dict[str, Any]]:
        """By id; one that cannot be asked for is found by halves. The list itself did answer."""
        try:
            return await self._read_by_id(upstream_ids)
        except NotAskableError as error:
            if len(upstream_ids) == 1:
                logger.info("guesty: what the older list names cannot be read: %s", error)
                return []
            half = len(upstream_ids) // 2
            first = await self._read_each(upstream_ids[:half])
            return [*first, *await self._read_each(upstream_ids[half:])]
        except NotPermittedError as error:
            raise NotFetchedError(str(error), answered=True) from error

    async def _read_by_id(self, upstream_ids: Sequence[str]) -> list[dict[str, Any]]:
        query = [("reservationIds[]", each) for each in upstream_ids]
        query.append(("mergeAccommodationFarePriceComponents", "true"))
        rows = rows_of(await self._client.read(RESERVATIONS, query))
        wanted = set(upstream_ids)
        return [row for row in rows if id_of(row) in wanted]

    def _seen_all(self, rows: Sequence[Mapping[str, Any]]) -> list[Seen]:
        found = []
        for row in rows:
            try:
                found.append(self._seen(row))
            except UnreadableError as error:
                self._park(row, str(error))
        return found

    def _seen(self, row: Mapping[str, Any]) -> Seen:
        upstream_id = id_of(row)
        if not upstream_id:
            raise UnreadableError("it has no id")
        house, today = self._house(), self._today()
        kept = self._mirror.booking(SOURCE, upstream_id)
        before = None if kept is None else kept.known
        record = record_of(row, before, house)
        if record.status not in KNOWN_STATUSES:
            raise UnreadableError(f"its status {record.status[:30]!r} is none that we know")
        version = record.version
        if kept is not None and not record.has_own_version:
            # A record that tells fewer times than it did before is no older for that.
            version = max(version, kept.version)
        type_id = record.part_on(today).type_id
        return Seen(
            upstream_id=upstream_id,
            version=version,
            digest=record.digest(today),
            # A date from the future would carry the mark there, and hide what changes until then.
            changed_ms=min(record.changed_ms, self._now_s() * 1000),
            counts=counts(record, known=kept is not None),
            type_refs=(type_id, *house.names(type_id)),
            number=record.code,
            our_ref=our_ref(record, self._mirror),
            by_us=record.by_us,
            known=known_of(record, before, house, today),
            raw=record,
        )

    def _park(self, row: Mapping[str, Any], why: str) -> None:
        upstream_id = id_of(row)
        logger.warning("guesty: a record cannot be read: %s", why)
        if not upstream_id:
            return
        sentence = UNREADABLE.format(row.get("confirmationCode") or upstream_id, why)
        now_ms = self._clock.read().wall_ms
        with self._ledger.transaction():
            self._mirror.hold(SOURCE, upstream_id, sentence, person=True, now_ms=now_ms)

    def _hold_unshown(self, upstream_ids: Sequence[str]) -> None:
        """One list names them and the read by id did not show them: asked for with the next look."""
        now_ms = self._clock.read().wall_ms
        with self._ledger.transaction():
            for upstream_id in filter(None, upstream_ids):
                self._mirror.hold_hinted(SOURCE, upstream_id, UNSHOWN, now_ms=now_ms)

    def _hold_due_moves(self) -> None:
        """A move within a stay changes nothing there, and the room here: looked at on its day."""
        today = self._today().isoformat()
        before = self._ledger.kept("guesty.moves_day", str, "")
        if before == today:
            return
        rows = self._ledger.db.execute(
            "SELECT upstream_id, json_extract(CAST(known AS TEXT), '$.extra.moves') AS moves"
            " FROM booking WHERE source = ? AND moves IS NOT NULL",
            (SOURCE,),
        ).fetchall()
        now_ms = self._clock.read().wall_ms
        with self._ledger.transaction():
            for upstream_id, moves in rows:
                if any(before < day <= today for day in moves.split(",")):
                    self._mirror.hold(SOURCE, upstream_id, MOVE_IS_DUE, person=False, now_ms=now_ms)
            self._ledger.keep("guesty.moves_day", today)

    # -- guests ----------------------------------------------------------------------------------

    async def _guests(self, records: Sequence[Record]) -> dict[str, Mapping[str, Any]]:
        """Profiles by id: from the record, a hundred at once from the older list, or one by one."""
        found = {r.guest_id: r.guest for r in records if r.guest_id and r.guest}
        missing = [record for record in records if record.guest_id not in found]
        if len(missing) > 1 and not self._is_alone():
            found |= await self._guests_by_legacy([record.upstream_id for record in missing])
        for guest_id in dict.fromkeys(record.guest_id for record in missing):
            if guest_id is None or guest_id in found:
                continue
            for _ in range(LOOKS):
                try:
                    found[guest_id] = await self._client.read(f"/guests-crud/{guest_id}")
                    break
                except (NotAskableError, NotPermittedError) as error:
                    # A booking without its guest's name is worth more than none.
                    logger.warning("guesty: a guest's profile cannot be had: %s", error)
        return {name: guest for name, guest in found.items() if isinstance(guest, dict)}

    async def _guests_by_legacy(self, upstream_ids: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for start in range(0, len(upstream_ids), LEGACY_IDS_MAX):
            some = list(upstream_ids[start : start + LEGACY_IDS_MAX])
            query = [
                *_filters(("_id", "$in", some)),
                ("fields", "guest guestId"),
                ("limit", str(LEGACY_IDS_MAX)),
            ]
            try:
                rows = rows_of(await self._client.read(LEGACY, query))
            except (NotAskableError, NotPermittedError):
                return found
            # One that is named and not told is asked for by itself.
            told = [row for row in rows if row.get("guestId") and row.get("guest")]
            found |= {str(row["guestId"]): row["guest"] for row in told}
        return found

    # -- what is kept ----------------------------------------------------------------------------

    def _house(self) -> House:
        house: House | None = self._ledger.kept(HOUSE, House)
        if house is None:
            raise NotFetchedError("Guesty's listings are not known yet")
        return house

    def _today(self) -> date:
        return self._house().day(self._now_s())

    def _now_s(self) -> int:
        return (self.gate.vendor_now_ms() or self._clock.read().wall_ms) // 1000


def _filters(*each: tuple[str, str, Any]) -> list[tuple[str, str]]:
    told = [{"field": name, "operator": word, "value": value} for name, word, value in each]
    return [("filters", json.dumps(told, separators=(",", ":")))]


def _told_at(row: Mapping[str, Any]) -> str:
    value = row.get("lastUpdatedAt")
    return value if isinstance(value, str) else ""
