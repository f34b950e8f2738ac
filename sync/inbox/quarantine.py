"""What could not be judged when it came: looked at again once the clock or the key is there.

A webhook with a good signature is not lost because this box did not know the time, and one whose
key lay behind a cut line is verified when the line is back (cloud.md 2.2 f, 2.4).
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from appliance.kernel.clock import Clock, sleep, within
from appliance.kernel.discreet import where
from sync.inbox.delivery import (
    TOLERANCE_MS,
    Delivery,
    Judged,
    Moment,
    Stored,
    Verdict,
    judge_age,
)
from sync.inbox.inbox import Inbox
from sync.inbox.plaid import Jwk, KeyService, Plaid
from sync.inbox.store import count_open
from sync.inbox.words import PLAID, NotYetError
from sync.inbox.writer import Connection, StoreAwayError

logger = logging.getLogger(__name__)

# A key is remembered at least seven days after it was handled (the word); the longest
# any vendor repeats itself is three.
REMEMBERED_MS: Final = 7 * 86_400_000
# An item that nobody could judge or decide on is given up after a month, with its body.
GIVEN_UP_MS: Final = 30 * 86_400_000
LOOK_S: Final = 30.0
# Looked at in one turn; a full quarantine is a few turns.
TURN_MAX: Final = 200
# Rows forgotten in one commit: some 5 ms, so that a webhook never waits for our tidying.
FORGOTTEN_MAX: Final = 500
FORGET_S: Final = 3_600.0
# Keys asked of the vendor in one turn; a stranger can invent names, but not make us ask often.
KEYS_ASKED_MAX: Final = 3
# A name that the vendor does not know is not asked again for an hour.
STRANGE_MS: Final = 3_600_000
STRANGE_MAX: Final = 1_000


class _Papers(msgspec.Struct):
    headers: dict[str, str]
    verdict: str
    doubt_ms: int
    key_id: str = ""


class Quarantine:
    """Judges again. `turn` is one round, for tests too."""

    def __init__(self, inbox: Inbox, clock: Clock, keys: KeyService | None = None) -> None:
        self._inbox = inbox
        self._clock = clock
        self._keys = keys
        self._strange: dict[str, int] = {}
        plaid = [vendor for vendor in inbox.vendors.values() if isinstance(vendor, Plaid)]
        self._plaid = plaid[0] if plaid else None

    async def take_up(self) -> None:
        """Read the keys that were learned before."""
        if self._plaid is None:
            return
        rows = await self._inbox.store.do(
            lambda db: db.execute(
                "SELECT jwk, asked_ms FROM inbox_key WHERE source = ?", (PLAID,)
            ).fetchall()
        )
        for jwk, asked_ms in rows:
            self._plaid.learn(msgspec.json.decode(jwk, type=Jwk), asked_ms)

    async def run(self) -> None:
        """Look for ever."""
        taken_up = False
        while True:
            self._inbox.quarantined.clear()
            try:
                if not taken_up:
                    await self.take_up()
                    taken_up = True
                await self.turn()
            except StoreAwayError as error:
                logger.warning("inbox: %s", error)
            except Exception as error:  # noqa: BLE001 - what waits here stops nothing else
                logger.error("inbox: the quarantine broke: %s", where(error))  # noqa: TRY400 - see `where`
            waiting = asyncio.ensure_future(self._inbox.quarantined.wait())
            try:
                await within(self._clock, LOOK_S, waiting)
            except TimeoutError:
                pass
            finally:
                waiting.cancel()

    async def forget_for_ever(self) -> None:
        """Forget keys whose time is over, an hour between two looks."""
        while True:
            try:
                while await self.forget() >= FORGOTTEN_MAX:
                    pass
            except StoreAwayError as error:
                logger.warning("inbox: %s", error)
            await sleep(self._clock, FORGET_S)

    async def turn(self) -> int:
        """Judge what can be judged now; how many were let go on."""
        rows = await self._inbox.store.do(_quarantined)
        await self._ask_for_keys(rows)
        now = self._inbox.moment()
        judged = [(stored, self._judge(stored, now)) for stored in rows]
        released = await self._inbox.store.do(lambda db: _settle(db, judged, now.wall_ms))
        if released:
            self._inbox.news.set()
        return released

    async def forget(self) -> int:
        """Forget some of what is over; nothing while the clock is unsure, it may be years ahead."""
        now = self._clock.read()
        if not now.sure:
            return 0
        gone = await self._inbox.store.do(lambda db: _forget(db, now.wall_ms))
        # What was given up makes room again, also where nothing is left to hand over.
        self._inbox.open_items = await self._inbox.store.do(count_open)
        return gone

    def _judge(self, stored: Stored, now: Moment) -> Judged | None:
        papers = msgspec.json.decode(stored.papers, type=_Papers)
        same_boot = stored.boot_id == now.boot_id
        # The time since boot runs on whatever was done to the time of day.
        came_ms = now.wall_ms - (now.boot_ms - stored.received_boot_ms)
        verdict = Verdict(papers.verdict)
        if verdict is Verdict.KEY_UNKNOWN:
            came = Moment(
                wall_ms=came_ms if same_boot and now.sure else stored.received_ms,
                doubt_ms=now.doubt_ms if same_boot else papers.doubt_ms,
                boot_ms=stored.received_boot_ms,
                boot_id=stored.boot_id,
            )
            return self._judge_by_key(stored, papers, came, now)
        assert stored.signed_ms is not None, "only a signature with a time is kept for its time"
        if not now.sure:
            return None
        if same_boot:
            came = Moment(
                wall_ms=came_ms, doubt_ms=now.doubt_ms, boot_ms=now.boot_ms, boot_id=now.boot_id
            )
            judged = judge_age(stored.dedupe_id, stored.signed_ms, came)
            # Our clock was not moved since: it was the sender's time that was wrong.
            return judged if judged.verdict is Verdict.GENUINE else None
        # The boot that could prove when it came is over. A clock that was unsure then must not
        # cost us what the vendor signed: as long as a repeat would be known, it is taken.
        age_ms = now.wall_ms - stored.signed_ms
        if verdict is Verdict.AGE_DOUBTED and -TOLERANCE_MS <= age_ms < REMEMBERED_MS:
            return Judged(verdict=Verdict.GENUINE, key=stored.dedupe_id)
        return None

    def _judge_by_key(
        self, stored: Stored, papers: _Papers, came: Moment, now: Moment
    ) -> Judged | None:
        vendor = self._inbox.vendors.get(stored.source)
        if vendor is None:
            return None
        if papers.key_id in self._strange:
            sentence = "the vendor knows no such key"
            return Judged(verdict=Verdict.UNPROVEN, sentence=sentence)
        delivery = Delivery(
            source=stored.source, headers=papers.headers, body=stored.raw, moment=came
        )
        judged = vendor.judge(delivery)
        if judged.verdict is Verdict.AGE_DOUBTED and now.sure:
            return Judged(verdict=Verdict.GENUINE, key=judged.key, signed_ms=judged.signed_ms)
        return judged

    async def _ask_for_keys(self, rows: Sequence[Stored]) -> None:
        if self._keys is None or self._plaid is None:
            return
        now_ms = self._clock.read().wall_ms
        self._strange = {k: at for k, at in self._strange.items() if at + STRANGE_MS > now_ms}
        wanted = dict.fromkeys(
            papers.key_id
            for papers in (msgspec.json.decode(row.papers, type=_Papers) for row in rows)
            if papers.key_id
            and papers.key_id not in self._strange
            and not self._plaid.knows(papers.key_id, now_ms)
        )
        for key_id in list(wanted)[:KEYS_ASKED_MAX]:
            try:
                key = await self._keys.look_up(key_id)
            except NotYetError:
                return
            if key is None:
                if len(self._strange) < STRANGE_MAX:
                    self._strange[key_id] = now_ms
                continue
            self._plaid.learn(key, now_ms)
            row = (PLAID, key.kid, msgspec.json.encode(key), now_ms)
            await self._inbox.store.do(functools.partial(_keep_key, row=row))


def _quarantined(db: Connection) -> list[Stored]:
    names = ", ".join(Stored.__dataclass_fields__)
    rows = db.execute(
        f"SELECT {names} FROM inbox WHERE state = 'quarantined' AND settled_ms IS NULL"  # noqa: S608 - field names
        " ORDER BY tries, seq LIMIT ?",
        (TURN_MAX,),
    )
    return [Stored(**dict(zip(Stored.__dataclass_fields__, row, strict=True))) for row in rows]


def _keep_key(db: Connection, row: tuple[Any, ...]) -> None:
    db.execute("INSERT OR REPLACE INTO inbox_key VALUES (?, ?, ?, ?)", row)


def _settle(db: Connection, judged: Sequence[tuple[Stored, Judged | None]], now_ms: int) -> int:
    released = 0
    for stored, found in judged:
        if found is not None and found.verdict is Verdict.GENUINE:
            released += db.execute(
                "UPDATE inbox SET state = 'waiting', verified = 1, papers = x'', tries = 0,"
                " sentence = '' WHERE seq = ? AND state = 'quarantined'",
                (stored.seq,),
            ).rowcount
        elif found is not None and found.verdict in {
            Verdict.UNPROVEN,
            Verdict.MALFORMED,
            Verdict.AGE_WRONG,
        }:
            db.execute(
                "UPDATE inbox SET state = 'dropped', raw = x'', papers = x'', settled_ms = ?,"
                " sentence = ? WHERE seq = ? AND state = 'quarantined'",
                (now_ms, found.sentence, stored.seq),
            )
        else:
            # Those looked at least come first next time.
            db.execute("UPDATE inbox SET tries = tries + 1 WHERE seq = ?", (stored.seq,))
    return released


def _forget(db: Connection, now_ms: int) -> int:
    db.execute(
        "UPDATE inbox SET state = 'dropped', raw = x'', papers = x'', settled_ms = ?,"
        " sentence = 'nobody could judge it in time: ' || sentence WHERE seq IN"
        " (SELECT seq FROM inbox WHERE settled_ms IS NULL AND state IN ('quarantined', 'parked')"
        " AND received_ms < ? LIMIT ?)",
        (now_ms, now_ms - GIVEN_UP_MS, FORGOTTEN_MAX),
    )
    return db.execute(
        "DELETE FROM inbox WHERE seq IN"
        " (SELECT seq FROM inbox WHERE settled_ms < ? ORDER BY settled_ms LIMIT ?)",
        (now_ms - REMEMBERED_MS, FORGOTTEN_MAX),
    ).rowcount
