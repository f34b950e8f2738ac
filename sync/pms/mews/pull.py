"""Pulls Mews' reservations: by change time with an overlap, durable mark, dedupe by content.

Pull is the truth. What is missing from a list changes nothing here: absence is no cancellation.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from appliance.kernel.clock import Clock
from appliance.kernel.messages import Origin
from appliance.kernel.values import derived_id
from sync.ledger import EffectState, Ledger, Priority
from sync.mirror import Booking, Mirror, Newness
from sync.outcome import Homeward
from sync.pms.mews.client import MewsClient, NotFetchedError
from sync.pms.mews.house import pull_house
from sync.pms.mews.linking import adopt
from sync.pms.mews.rows import Around, booking_of, digest_of, known_of
from sync.pms.mews.words import (
    DAY_S,
    IDS_MAX,
    NOT_YET,
    SOURCE,
    STATE_OF,
    WINDOW_S_MAX,
    House,
    utc_ms,
    utc_text,
    version_of,
    window,
    windows,
)

logger = logging.getLogger(__name__)

RESERVATIONS: Final = "reservations/getAll/2023-06-06"
MARK: Final = "mews.mark_s"
HOUSE: Final = "mews.house"
# Changes may become visible late, and rows move while we page (cloud.md 1.3): reach back this far.
OVERLAP_S: Final = 300
# How far a full look reaches: half a year of stays behind us, two years of bookings ahead.
BEHIND_S: Final = 180 * DAY_S
AHEAD_S: Final = 730 * DAY_S
# Configuration changes rarely: four looks a day.
HOUSE_AGE_MS_MAX: Final = 6 * 3_600_000


class MewsPull:
    """Learns what Mews says, and puts it on its way home."""

    def __init__(
        self,
        *,
        client: MewsClient,
        ledger: Ledger,
        mirror: Mirror,
        clock: Clock,
        overlap_s: int = OVERLAP_S,
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._mirror = mirror
        self._clock = clock
        self._overlap_s = overlap_s

    def house(self) -> House | None:
        """The configuration as last pulled."""
        found: House | None = self._ledger.kept(HOUSE, House)
        return found

    async def look(self) -> bool:
        """Look once for everything that changed; False when the line or the vendor did not let us.

        Whatever was learned before the line went stays learned; the mark moves only at the end.
        """
        try:
            house = await self._fresh_house()
            await self._fetch_held(house)
            mark_s = self._ledger.kept(MARK, int)
            began_s = self._vendor_now_s()
            # A mark ahead of a doubtful clock is no reason to read everything.
            far = mark_s is None or (self._sure_s() or 0) - mark_s > WINDOW_S_MAX
            newest_s = await (self._all(house) if far else self._changed(house, mark_s or 0))
        except NotFetchedError as error:
            logger.info("mews: not everything could be read: %s", error)
            return False
        mark = max(newest_s, mark_s or 0, began_s or 0)
        if mark != mark_s:
            with self._ledger.transaction():
                self._ledger.keep(MARK, mark)
        return True

    def start_over(self) -> None:
        """Read and tell everything anew; call inside a transaction."""
        self._ledger.db.execute("DELETE FROM kept WHERE name = ?", (MARK,))
        self._mirror.forget_versions(SOURCE)

    # -- reading ---------------------------------------------------------------------------------

    async def _fresh_house(self) -> House:
        house = self.house()
        now_ms = self._clock.read().wall_ms
        if house is not None and now_ms - self._ledger.kept("mews.house_ms", int, 0) < (
            HOUSE_AGE_MS_MAX
        ):
            return house
        house = await pull_house(self._client)
        with self._ledger.transaction():
            self._ledger.keep(HOUSE, house)
            self._ledger.keep("mews.house_ms", now_ms)
            # What could not be translated may be known by now.
            self._ledger.db.execute("UPDATE held SET needs_person = 0 WHERE source = ?", (SOURCE,))
        return house

    async def _changed(self, house: House, mark_s: int) -> int:
        # The end lies far ahead, so that a wrong clock of ours hides nothing.
        start_s = mark_s - self._overlap_s
        wanted = {"UpdatedUtc": window(start_s, start_s + WINDOW_S_MAX)}
        return await self._take_all(house, wanted)

    async def _all(self, house: House) -> int:
        now_s = self._sure_s() or self._clock.read().wall_s
        wanted = [{"CollidingUtc": window(now_s - DAY_S, now_s + DAY_S)}]
        wanted += [
            {"ScheduledStartUtc": window(first_s, last_s)}
            for first_s, last_s in windows(now_s - BEHIND_S, now_s + AHEAD_S)
        ]
        newest_s = 0
        for each in wanted:
            newest_s = max(newest_s, await self._take_all(house, each))
        return newest_s

    async def _take_all(self, house: House, wanted: dict[str, Any]) -> int:
        body = {**wanted, "ServiceIds": [house.service_id]}
        newest_s = 0
        async for rows in self._client.pages(RESERVATIONS, body, "Reservations"):
            newest_s = max([newest_s, *(utc_ms(row["UpdatedUtc"]) // 1000 for row in rows)])
            await self._take(rows, house)
        return newest_s

    async def _fetch_held(self, house: House) -> None:
        held = [each[0] for each in self._mirror.held(SOURCE, person=False)]
        ready = [each for each in held if not self._our_write_is_open(each)]
        for start in range(0, len(ready), IDS_MAX):
            some = ready[start : start + IDS_MAX]
            body = {"ReservationIds": some}
            await self._take(await self._client.all_of(RESERVATIONS, body, "Reservations"), house)
            with self._ledger.transaction():
                for upstream_id in some:
                    # Not in the answer: it no longer exists there, which cancels nothing here.
                    self._ledger.db.execute(
                        "DELETE FROM held WHERE source = ? AND upstream_id = ?"
                        " AND needs_person = 0 AND why != ?",
                        (SOURCE, upstream_id, WAITS_FOR_OURS),
                    )

    # -- taking rows in --------------------------------------------------------------------------

    async def _take(self, rows: list[dict[str, Any]], house: House) -> None:
        news = self._sift(rows, house)
        if not news:
            return
        around = await self._around([row for row, _ in news])
        with self._ledger.transaction():
            for row, room_type_id in news:
                self._learn(row, room_type_id, house, around)

    def _sift(self, rows: list[dict[str, Any]], house: House) -> list[tuple[dict[str, Any], str]]:
        """Rows that say something new and may be told now, each with its room type here."""
        news: dict[str, tuple[dict[str, Any], str]] = {}
        with self._ledger.transaction():
            for row in rows:
                upstream_id, state = str(row["Id"]), str(row["State"])
                if state in NOT_YET or state not in STATE_OF:
                    continue
                version, digest = version_of(row["UpdatedUtc"]), digest_of(row)
                newness = self._mirror.newness(SOURCE, upstream_id, version, digest)
                if newness in {Newness.SAME, Newness.OLDER}:
                    self._mirror.let_go(SOURCE, upstream_id)
                    continue
                if newness is Newness.OTHER_CONTENT:
                    logger.info("mews: %s changed twice within one second", upstream_id)
                if self._must_wait(row, upstream_id):
                    continue
                room_type_id = self._type_of(row, house)
                if room_type_id is None:
                    self._hold(upstream_id, NO_TYPE.format(row.get("Number")), person=True)
                    continue
                news[upstream_id] = (row, room_type_id)
        return list(news.values())

    def _must_wait(self, row: dict[str, Any], upstream_id: str) -> bool:
        """Whether the row may be an echo of a write of ours that is not settled yet.

        Told now, the box would hear its own half-done act as somebody else's opinion.
        """
        stay_id = row.get("ChannelNumber")
        if isinstance(stay_id, str) and (stay := self._mirror.stay(stay_id)) is not None:
            adopt(self._ledger, self._mirror, stay, row, self._clock.read().wall_ms)
        waits = self._our_write_is_open(upstream_id)
        if not waits and self._mirror.stay_of(SOURCE, upstream_id) is None:
            waits = row.get("Origin") == "Connector" and self._sale_is_open()
        if waits:
            self._hold(upstream_id, WAITS_FOR_OURS, person=False)
        return waits

    def _our_write_is_open(self, upstream_id: str) -> bool:
        stay = self._mirror.stay_of(SOURCE, upstream_id)
        if stay is None:
            return False
        found = self._ledger.effects(
            "counterparty = 'mews' AND lane = ?"
            " AND state IN ('queued', 'sending', 'unknown', 'reconciling')",
            f"stay:{stay.stay_id}",
        )
        return bool(found)

    def _sale_is_open(self) -> bool:
        found = self._ledger.effects(
            "kind = 'mews.book' AND priority = ? AND state IN (?, ?, ?)",
            Priority.SALE,
            EffectState.SENDING,
            EffectState.UNKNOWN,
            EffectState.RECONCILING,
        )
        return bool(found)

    def _type_of(self, row: dict[str, Any], house: House) -> str | None:
        category = str(row.get("RequestedResourceCategoryId"))
        return self._mirror.type_by(category, *house.categories.get(category, ()))

    def _hold(self, upstream_id: str, why: str, *, person: bool) -> None:
        now_ms = self._clock.read().wall_ms
        self._mirror.hold(SOURCE, upstream_id, why, person=person, now_ms=now_ms)

    async def _around(self, rows: list[dict[str, Any]]) -> Around:
        customers: dict[str, dict[str, Any]] = {}
        items: dict[str, list[dict[str, Any]]] = {}
        people = sorted({row["AccountId"] for row in rows if row.get("AccountType") == "Customer"})
        for start in range(0, len(people), IDS_MAX):
            body = {"CustomerIds": people[start : start + IDS_MAX], "Extent": {"Customers": True}}
            for found in await self._client.all_of("customers/getAll", body, "Customers"):
                customers[found["Id"]] = found
        ids = [row["Id"] for row in rows]
        for start in range(0, len(ids), IDS_MAX):
            body = {"ServiceOrderIds": ids[start : start + IDS_MAX], "Types": ["SpaceOrder"]}
            for item in await self._client.all_of("orderItems/getAll", body, "OrderItems"):
                items.setdefault(item["ServiceOrderId"], []).append(item)
        return Around(customers=customers, items=items)

    def _learn(self, row: dict[str, Any], room_type_id: str, house: House, around: Around) -> None:
        upstream_id, version = str(row["Id"]), version_of(row["UpdatedUtc"])
        before = self._mirror.booking(SOURCE, upstream_id)
        same_version = before is not None and before.version == version
        booking = Booking(
            source=SOURCE,
            upstream_id=upstream_id,
            version=version,
            repeats=before.repeats + 1 if before is not None and same_version else 0,
            hash=digest_of(row),
            known=known_of(row, None if before is None else before.known),
        )
        command = booking_of(
            row,
            version=booking.full_version,
            room_type_id=room_type_id,
            house=house,
            mirror=self._mirror,
            known=booking.known,
            around=around,
        )
        generation = self._ledger.kept("home.generation", int, 0)
        told = (SOURCE, upstream_id, booking.full_version, booking.hash.hex(), str(generation))
        self._mirror.put_booking(booking)
        self._mirror.let_go(SOURCE, upstream_id)
        self._ledger.post(
            Homeward(
                command_id=derived_id("learn", *told),
                lane=f"{SOURCE}:{upstream_id}",
                command=command,
                origin=Origin(
                    source=SOURCE,
                    upstream_id=upstream_id,
                    version=booking.full_version,
                    occurred_at_ms=utc_ms(row["UpdatedUtc"]),
                ),
            ),
            self._clock.read().wall_ms,
        )

    # -- time ------------------------------------------------------------------------------------

    def _vendor_now_s(self) -> int | None:
        now_ms = self._client.gate.vendor_now_ms()
        return None if now_ms is None else now_ms // 1000

    def _sure_s(self) -> int | None:
        """The vendor's time, else ours when it is sure."""
        reading = self._clock.read()
        return self._vendor_now_s() or (reading.wall_s if reading.sure else None)

    def mark_text(self) -> str:
        """How far we have read, for a person."""
        mark_s = self._ledger.kept(MARK, int)
        return "nothing yet" if mark_s is None else utc_text(mark_s)


WAITS_FOR_OURS: Final = "a write of ours to this booking is under way"
NO_TYPE: Final = (
    "Mews' reservation {} is of a room type that this box does not know: "
    "give the type its upstream id"
)
