"""Pulls a PMS's bookings: by change time with an overlap, a durable mark, dedupe by content.

Pull is the truth. What is missing from a list changes nothing here: absence is no cancellation.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from appliance.engines.stays.messages import LearnBooking
from appliance.kernel.clock import Clock
from appliance.kernel.messages import Origin
from appliance.kernel.values import derived_id
from sync.ledger import OPEN, Effect, EffectState, Ledger, Priority
from sync.mirror import Booking, Mirror, Newness
from sync.outcome import Homeward
from sync.pms.linking import adopt
from sync.pms.port import BookingSource, NotAskableError, NotFetchedError, Seen, Told

logger = logging.getLogger(__name__)

# Changes may become visible late, and rows move while we page (cloud.md 1.2, 1.3): reach back.
OVERLAP_S: Final = 300
# A page that came short within a list cannot be told from a true one: once a week, on a quiet look,
# the whole is read. Where that fails it is put off for an hour, and the looks go on.
WHOLE_AGE_S: Final = 7 * 86_400
WHOLE_AGAIN_S: Final = 3_600
WAITS_FOR_OURS: Final = "a write of ours to this booking is under way"
# A version of a later day than this is no time of theirs; a day for every zone and clock.
AHEAD_S: Final = 86_400
HINTED: Final = "the vendor said that it changed"
# What one answer does not show is asked for again: a hint once, what was seen before for so long.
HINTED_ABSENT: Final = "the vendor said that it changed, and does not show it"
ABSENT: Final = "the vendor does not show it any more"
ABSENT_MS: Final = 600_000
# What belongs to a booking and cannot be had is asked for so long before a person is told.
UNTOLD_MS: Final = 600_000
# Bookings of one look that may fail each for itself; of more of them the reason is not the booking.
FAILURES_MAX: Final = 20


class Puller:
    """Learns what one PMS says, and puts it on its way home."""

    def __init__(
        self,
        *,
        source: BookingSource,
        ledger: Ledger,
        mirror: Mirror,
        clock: Clock,
        overlap_s: int = OVERLAP_S,
    ) -> None:
        self.source = source
        self._ledger = ledger
        self._mirror = mirror
        self._clock = clock
        self._overlap_s = overlap_s
        self._looking = asyncio.Lock()
        self._mark = f"{source.name}.mark_s"
        self._found_nothing = False  # the last look over a long time, whose end is in doubt
        self._failures = 0  # bookings that failed in this look

    async def look(self) -> bool:
        """Look once for everything that changed; False when the line or the vendor did not let us.

        Whatever was learned before the line went stays learned; the mark moves only at the end.
        """
        async with self._looking:
            try:
                await self._look()
            except NotFetchedError as error:
                logger.info("%s: not everything could be read: %s", self.source.name, error)
                return False
        return True

    async def look_at_hinted(self) -> bool:
        """Fetch only what a vendor hinted at; much cheaper than a look, and as true."""
        async with self._looking:
            try:
                await self._prepare()
                await self._fetch_held()
            except NotFetchedError as error:
                logger.info("%s: a hint could not be followed: %s", self.source.name, error)
                return False
        return True

    def hint(self, upstream_ids: Iterable[str]) -> None:
        """The vendor says that these changed: fetched by id with the next look. Joins a transaction.

        A hint moves no mark and carries no content: a forged one costs one read.
        """
        now_ms = self._now_ms()
        with self._ledger.transaction():
            for upstream_id in upstream_ids:
                self._mirror.hold_hinted(self.source.name, upstream_id, HINTED, now_ms=now_ms)

    def start_over(self) -> None:
        """Read and tell everything anew; call inside a transaction."""
        self._ledger.db.execute("DELETE FROM kept WHERE name = ?", (self._mark,))
        self._mirror.forget_versions(self.source.name)

    # -- reading ---------------------------------------------------------------------------------

    async def _look(self) -> None:
        await self._prepare()
        await self._fetch_held()
        mark_s, sure_s = self._ledger.kept(self._mark, int), self._sure_s()
        if mark_s is not None and sure_s is not None:
            # A mark ahead of a doubtful clock is no reason to read everything. Ahead of a sure one
            # it was carried there by a time that was none, and what changed meanwhile is not known.
            ahead_s = mark_s - sure_s
            if ahead_s > self._overlap_s or -ahead_s > self.source.mark_age_s_max:
                mark_s = None
        began_s = self._clock.monotonic()
        if mark_s is None:
            pages = self.source.everything(sure_s or self._clock.read().wall_s)
        else:
            pages = self.source.changed(mark_s - self._overlap_s)
        newest_s = await self._take_all(pages)
        if newest_s is None and self._is_long(mark_s) and not self._found_nothing:
            # A list that was served empty once would take days with it: asked for once more.
            self._found_nothing = True
            return
        self._found_nothing = False
        # A record may be read long after the list that named it (we were stopped in between), and
        # its own change is no word about those that happened since the list: so never later than
        # when this look began. Told by the time after it: then the clocks are set.
        took_s = math.ceil(self._clock.monotonic() - began_s)
        mark = max((newest_s or 0), self._vendor_now_s() or 0) - took_s
        if (now_s := self._sure_s()) is not None:
            mark = min(mark, now_s - took_s)  # rows may be dated ahead
        mark = max(mark, mark_s or 0)
        if mark != mark_s:
            with self._ledger.transaction():
                self._ledger.keep(self._mark, mark)
        if mark_s is None or not self._is_long(mark_s):
            await self._sweep(read=mark_s is None)

    async def _sweep(self, *, read: bool) -> None:
        """The whole, where it was not read for a week; `read`: this look has just done it."""
        name, now_s = f"{self.source.name}.whole_s", self._sure_s()
        if now_s is None:
            return
        swept_s = self._ledger.kept(name, int)
        if not read and swept_s is not None:
            if now_s - swept_s < WHOLE_AGE_S:
                return
            try:
                await self._take_all(self.source.everything(now_s))
            except NotFetchedError as error:
                logger.info("%s: the weekly look was put off: %s", self.source.name, error)
                now_s += WHOLE_AGAIN_S - WHOLE_AGE_S
        with self._ledger.transaction():
            self._ledger.keep(name, now_s)

    def _is_long(self, mark_s: int | None) -> bool:
        """Whether the overlap of the next look does not reach all that this one looked at."""
        now_s = self._sure_s() or self._clock.read().wall_s
        return mark_s is None or now_s - mark_s > self._overlap_s

    async def _prepare(self) -> None:
        self._failures = 0
        if await self.source.prepare():
            # What could not be translated may be known by now.
            with self._ledger.transaction():
                self._ledger.db.execute(
                    "UPDATE held SET needs_person = 0 WHERE source = ?", (self.source.name,)
                )

    async def _take_all(self, pages: AsyncIterator[list[Seen]]) -> int | None:
        """The newest change, seconds of the vendor's time; None: there was no row at all."""
        newest_s = None
        async for page in pages:
            if page:
                newest_s = max([newest_s or 0, *(seen.changed_ms // 1000 for seen in page)])
            await self._take(page)
        return newest_s

    async def _fetch_held(self) -> None:
        held = [each[0] for each in self._mirror.held(self.source.name, person=False)]
        ready = [each for each in held if not self._our_writes(each)]
        for start in range(0, len(ready), self.source.ids_max):
            if self._failures >= FAILURES_MAX:
                logger.info("%s: the rest of what is held waits", self.source.name)
                return
            absent = await self._fetch(ready[start : start + self.source.ids_max])
            with self._ledger.transaction():
                self._doubt(absent)

    async def _fetch(self, some: Sequence[str]) -> set[str]:
        """Take these in; those that are not there.

        An id whose question fails is found by halves, and holds up no other.
        """
        try:
            page = await self.source.fetch(some)
        except NotFetchedError as error:
            if not error.answered:
                raise
            if len(some) > 1 and self._failures < FAILURES_MAX:
                half = len(some) // 2
                return await self._fetch(some[:half]) | await self._fetch(some[half:])
            if isinstance(error, NotAskableError):
                logger.info("%s: a hint names nothing there: %s", self.source.name, error)
                return set(some)
            for upstream_id in some:
                self._put_off(upstream_id, upstream_id, str(error))
            return set()
        await self._take(page)
        return set(some) - {seen.upstream_id for seen in page}

    def _doubt(self, absent: AbstractSet[str]) -> None:
        """Not in the answer: perhaps it no longer exists there, which cancels nothing here.

        One answer may leave out anything, so it is asked for again before it is let go.
        """
        now_ms = self._now_ms()
        for upstream_id, why, since_ms in self._mirror.held(self.source.name, person=False):
            if upstream_id not in absent or why == WAITS_FOR_OURS:
                continue
            if why == HINTED_ABSENT or (why == ABSENT and now_ms - since_ms >= ABSENT_MS):
                self._mirror.let_go(self.source.name, upstream_id)
            elif why != ABSENT:
                self._mirror.let_go(self.source.name, upstream_id)
                doubt = HINTED_ABSENT if why == HINTED else ABSENT
                self._hold(upstream_id, doubt, person=False)

    def _put_off(self, upstream_id: str, number: str, why: str) -> None:
        """Ask again with the next look, and after a while show it to a person."""
        self._failures += 1
        now_ms, sentence = self._now_ms(), UNTOLD.format(number, self.source.title, why)
        logger.warning("%s: a booking is put off: %s", self.source.name, why)
        with self._ledger.transaction():
            since_ms = self._mirror.held_since_ms(self.source.name, upstream_id)
            person = since_ms is not None and now_ms - since_ms >= UNTOLD_MS
            self._hold(upstream_id, sentence, person=person)

    # -- taking rows in --------------------------------------------------------------------------

    async def _take(self, page: Sequence[Seen]) -> None:
        if news := self._sift(page):
            await self._tell(news)

    async def _tell(self, news: Sequence[tuple[Seen, Booking, str]]) -> None:
        """Put them on their way; one whose guest or price cannot be had holds up no other."""
        told = [
            Told(seen=seen, version=booking.full_version, room_type_id=room_type_id)
            for seen, booking, room_type_id in news
        ]
        try:
            commands = await self.source.bookings(told)
        except sqlite3.Error:
            raise
        except Exception as error:
            if isinstance(error, NotFetchedError) and not error.answered:
                raise
            if self._failures >= FAILURES_MAX:
                raise
            if len(news) > 1:
                half = len(news) // 2
                await self._tell(news[:half])
                await self._tell(news[half:])
                return
            # A row that nobody foresaw is one booking's matter.
            why = str(error) if isinstance(error, NotFetchedError) else type(error).__name__
            seen = news[0][0]
            self._put_off(seen.upstream_id, seen.number or seen.upstream_id, why)
            return
        with self._ledger.transaction():
            for (seen, booking, _), command in zip(news, commands, strict=True):
                self._learn(seen, booking, command)

    def _sift(self, page: Sequence[Seen]) -> list[tuple[Seen, Booking, str]]:
        """Rows that say something new and may be told now, each with its room type here."""
        news: dict[str, tuple[Seen, Booking, str]] = {}
        with self._ledger.transaction():
            for seen in page:
                if not seen.counts:
                    # A hint was followed, and it is no booking.
                    self._mirror.let_go(self.source.name, seen.upstream_id)
                    continue
                seen = self._after_a_wrong_date(seen)  # noqa: PLW2901 - the same row, told anew
                newness = self._newness(seen)
                if newness in {Newness.SAME, Newness.OLDER}:
                    self._mirror.let_go(self.source.name, seen.upstream_id)
                    continue
                if newness is Newness.OTHER_CONTENT:
                    logger.info(
                        "%s: %s changed twice within one version",
                        self.source.name,
                        seen.upstream_id,
                    )
                if self._must_wait(seen):
                    continue
                room_type_id = self._mirror.type_by(*(seen.type_refs or ("",)))
                if room_type_id is None:
                    why = NO_TYPE.format(seen.number or seen.upstream_id, self.source.title)
                    self._hold(seen.upstream_id, why, person=True)
                    continue
                news[seen.upstream_id] = (seen, self._booking(seen), room_type_id)
        return list(news.values())

    def _newness(self, seen: Seen) -> Newness:
        return self._mirror.newness(self.source.name, seen.upstream_id, seen.version, seen.digest)

    def _after_a_wrong_date(self, seen: Seen) -> Seen:
        """A row that once said a time far ahead: all that comes until then counts as later.

        Versions are times as text and begin with their day, at every vendor.
        """
        before, sure_s = self._mirror.booking(self.source.name, seen.upstream_id), self._sure_s()
        if before is None or sure_s is None or seen.version >= before.version:
            return seen
        ahead = datetime.fromtimestamp(sure_s + AHEAD_S, UTC).date().isoformat()
        return replace(seen, version=before.version) if before.version[:10] > ahead else seen

    def _must_wait(self, seen: Seen) -> bool:
        """Whether the row may be an echo of a write of ours that is not settled yet.

        Told now, the box would hear its own half-done act as somebody else's opinion.
        """
        name = self.source.name
        if seen.our_ref is not None and (stay := self._mirror.stay(seen.our_ref)) is not None:
            adopt(
                self._ledger,
                self._mirror,
                stay,
                seen,
                source=name,
                title=self.source.title,
                now_ms=self._now_ms(),
            )
        waits = self._may_be_ours(seen)
        if not waits and self._mirror.stay_of(name, seen.upstream_id) is None:
            waits = seen.by_us and self._sale_is_open()
        if waits:
            self._hold(seen.upstream_id, WAITS_FOR_OURS, person=False)
        return waits

    def _may_be_ours(self, seen: Seen) -> bool:
        """Whether the row may show a write of ours, while another one is still to be told.

        What is only queued must not hide what somebody else did there: the two may be a person's
        to decide. So it waits for what may have arrived, and for its own echo.
        """
        ours = self._our_writes(seen.upstream_id)
        if any(effect.first_sent_ms is not None or effect.kind == "pms.book" for effect in ours):
            return True
        booking = self._mirror.booking(self.source.name, seen.upstream_id)
        return bool(ours) and booking is not None and booking.known.same_stay(seen.known)

    def _our_writes(self, upstream_id: str) -> list[Effect]:
        stay = self._mirror.stay_of(self.source.name, upstream_id)
        if stay is None:
            return []
        return self._ledger.effects(
            f"counterparty = ? AND lane = ? AND state IN ({', '.join('?' * len(OPEN))})",
            self.source.name,
            f"stay:{stay.stay_id}",
            *OPEN,
        )

    def _sale_is_open(self) -> bool:
        found = self._ledger.effects(
            "kind = 'pms.book' AND counterparty = ? AND priority = ? AND state IN (?, ?, ?)",
            self.source.name,
            Priority.SALE,
            EffectState.SENDING,
            EffectState.UNKNOWN,
            EffectState.RECONCILING,
        )
        return bool(found)

    def _hold(self, upstream_id: str, why: str, *, person: bool) -> None:
        self._mirror.hold(self.source.name, upstream_id, why, person=person, now_ms=self._now_ms())

    def _booking(self, seen: Seen) -> Booking:
        before = self._mirror.booking(self.source.name, seen.upstream_id)
        same_version = before is not None and before.version == seen.version
        return Booking(
            source=self.source.name,
            upstream_id=seen.upstream_id,
            version=seen.version,
            repeats=before.repeats + 1 if before is not None and same_version else 0,
            hash=seen.digest,
            known=seen.known,
        )

    def _learn(self, seen: Seen, booking: Booking, command: LearnBooking) -> None:
        name = self.source.name
        generation = self._ledger.kept("home.generation", int, 0)
        told = (name, seen.upstream_id, booking.full_version, booking.hash.hex(), str(generation))
        self._mirror.put_booking(booking)
        self._mirror.let_go(name, seen.upstream_id)
        self._ledger.post(
            Homeward(
                command_id=derived_id("learn", *told),
                lane=f"{name}:{seen.upstream_id}",
                command=command,
                origin=Origin(
                    source=name,
                    upstream_id=seen.upstream_id,
                    version=booking.full_version,
                    occurred_at_ms=seen.changed_ms,
                ),
            ),
            self._now_ms(),
        )

    # -- time ------------------------------------------------------------------------------------

    def _now_ms(self) -> int:
        return self._clock.read().wall_ms

    def _vendor_now_s(self) -> int | None:
        now_ms = self.source.gate.vendor_now_ms()
        return None if now_ms is None else now_ms // 1000

    def _sure_s(self) -> int | None:
        """The vendor's time, else ours when it is sure."""
        reading = self._clock.read()
        return self._vendor_now_s() or (reading.wall_s if reading.sure else None)


UNTOLD: Final = "reservation {} at {} cannot be read whole ({}): look at it there, then retry"
NO_TYPE: Final = (
    "reservation {} at {} is of a room type that this box does not know: "
    "give the type its upstream id"
)
