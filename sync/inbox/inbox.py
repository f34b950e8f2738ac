"""The inbox: verify, store, acknowledge, in that order; what happens then is not the sender's."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, assert_never

import msgspec

from appliance.kernel.clock import Clock
from appliance.kernel.telemetry import new_traceparent, valid_traceparent
from sync.inbox.delivery import Delivery, Judged, Moment, Vendor, Verdict
from sync.inbox.store import Arrival, Kept, State, Store
from sync.inbox.words import Listener
from sync.inbox.writer import Connection, StoreAwayError

# Mews waits 5 s, the shortest of all (cloud.md 1.5): a store that takes longer says "come again".
STORE_S_MAX: Final = 4.0
# Items that nobody could act on yet. 50,000 are a week of a large property with every line down;
# at 2 KiB each they are 100 MiB of the card.
OPEN_MAX: Final = 50_000
# What waits for a clock or a key, for each source: a day of a busy property, and no more room
# than that for somebody who invents signatures that only the vendor can tell from its own.
QUARANTINED_MAX: Final = 1_000
# Time learned from a vendor's Date header: whole seconds, and the way here.
VENDOR_DOUBT_MS: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the sender is answered: an HTTP status and a plain sentence."""

    status: int
    sentence: str


class Inbox:
    """What comes in, for every source that has secrets here and somebody who listens."""

    def __init__(
        self,
        *,
        store: Store,
        vendors: Sequence[Vendor],
        clock: Clock,
        vendor_now_ms: Callable[[], int | None] = lambda: None,
    ) -> None:
        self.store = store
        self.vendors: Mapping[str, Vendor] = {vendor.source: vendor for vendor in vendors}
        self.listeners: dict[str, Listener] = {}
        self.open_items = 0  # as last counted, and what came since
        self.counts: Counter[tuple[str, str]] = Counter()  # (source, what became of it)
        self.news = asyncio.Event()
        self.quarantined = asyncio.Event()
        self._clock = clock
        self._vendor_now_ms = vendor_now_ms

    def listen(self, source: str, listener: Listener) -> None:
        """Hand this source's events to a listener; one for each source."""
        self.listeners[source] = listener

    def moment(self) -> Moment:
        """Now, by our own clock; by a vendor's where ours is unsure and one was heard."""
        now = self._clock.read()
        moment = Moment(
            wall_ms=now.wall_ms,
            doubt_ms=now.uncertainty_ms,
            boot_ms=now.boot_ms,
            boot_id=now.boot_id,
        )
        if not moment.sure and (vendor_ms := self._vendor_now_ms()) is not None:
            moment = Moment(
                wall_ms=vendor_ms,
                doubt_ms=VENDOR_DOUBT_MS,
                boot_ms=now.boot_ms,
                boot_id=now.boot_id,
            )
        return moment

    def unready(self, source: str) -> Receipt | None:
        """Why nothing can be taken from this source now; asked before its body is read.

        Always 503: a vendor that never retries a 4xx must not lose its webhook to our settings.
        """
        if source not in self.vendors:
            return Receipt(status=503, sentence=f"This box has no secret for {source} yet.")
        if source not in self.listeners:
            return Receipt(status=503, sentence=f"Nobody here acts on {source} yet.")
        if self.open_items >= OPEN_MAX or not self.store.room:
            return Receipt(status=503, sentence="Too much waits already. Please send it again.")
        return None

    async def receive(self, delivery: Delivery) -> Receipt:
        """Verify one delivery, store it durably, and say what to answer."""
        judged = self.vendors[delivery.source].judge(delivery)
        if (arrival := self.arrival(delivery, judged)) is None:
            return self._count(delivery.source, judged)
        try:
            async with asyncio.timeout(STORE_S_MAX):
                kept = await self.store.keep(arrival, quarantined_max=QUARANTINED_MAX)
        except (StoreAwayError, TimeoutError):
            self.counts[delivery.source, "away"] += 1
            return Receipt(status=503, sentence="It could not be stored. Please send it again.")
        self.noted(arrival, kept)
        return self._count(delivery.source, judged, kept)

    def arrival(self, delivery: Delivery, judged: Judged) -> Arrival | None:
        """What is written of it; None where nothing is proven and nothing may be kept."""
        vendor = self.vendors[delivery.source]
        match judged.verdict:
            case Verdict.GENUINE:
                state = State.WAITING
            case Verdict.AGE_DOUBTED | Verdict.AGE_WRONG | Verdict.KEY_UNKNOWN:
                state = State.QUARANTINED
            case Verdict.UNPROVEN | Verdict.MALFORMED:
                return None
            case _:
                assert_never(judged.verdict)
        proven = state is State.WAITING
        papers: dict[str, Any] = {} if proven else {"headers": vendor.papers(delivery)}
        if not proven:
            papers |= {
                "verdict": judged.verdict.value,
                "doubt_ms": delivery.moment.doubt_ms,
                "key_id": judged.key_id,
            }
        return Arrival(
            source=delivery.source,
            dedupe_id=judged.key,
            raw=delivery.body,
            papers=b"" if proven else msgspec.json.encode(papers),
            state=state,
            signed_ms=judged.signed_ms,
            moment=delivery.moment,
            trace=valid_traceparent(delivery.headers.get("traceparent")) or new_traceparent(),
            sentence=judged.sentence,
            repeats_are_news=vendor.repeats_are_news,
        )

    def noted(self, arrival: Arrival, kept: Kept) -> None:
        """Wake whoever goes on with it."""
        if kept is not Kept.NEW:
            return
        self.open_items += 1
        (self.news if arrival.state is State.WAITING else self.quarantined).set()

    def _count(self, source: str, judged: Judged, kept: Kept | None = None) -> Receipt:
        receipt = _receipt(judged, kept)
        what = kept.value if kept is not None and receipt.status == 200 else judged.verdict.value
        self.counts[source, what] += 1
        return receipt

    # -- for people ------------------------------------------------------------------------------

    async def parked(self, limit: int) -> list[dict[str, Any]]:
        """What waits for a person, oldest first."""
        rows = await self.store.do(lambda db: _parked(db, limit))
        return [
            {
                "id": f"inbox:{seq}",
                "entity": f"webhook:{source}",
                "sentence": sentence,
                "since_ms": received_ms,
            }
            for seq, source, sentence, received_ms in rows
        ]

    async def standing(self) -> list[dict[str, Any]]:
        """Each source: what waits, how old the oldest is, what was refused since the start."""
        rows = await self.store.do(_standing)
        found: dict[str, dict[str, Any]] = {
            source: {"source": source, "listening": source in self.listeners, "oldest_ms": None}
            for source in self.vendors
        }
        for source, state, number, oldest_ms in rows:
            each = found.setdefault(source, {"source": source, "listening": False})
            each[state] = number
            if state == State.WAITING.value:
                each["oldest_ms"] = oldest_ms
        for (source, what), number in self.counts.items():
            found.setdefault(source, {"source": source})[f"count_{what}"] = number
        return list(found.values())

    async def retry(self, seq: int) -> str:
        """Hand a parked item over again, because a person asked for it."""
        sql = (
            "UPDATE inbox SET state = 'waiting', tries = 0, next_at_ms = 0"
            " WHERE seq = ? AND state = 'parked'"
        )
        if await self.store.do(lambda db: db.execute(sql, (seq,)).rowcount):
            self.news.set()
            return "it is handed over again now"
        return f"no webhook {seq} is parked"

    async def settle_by_hand(self, seq: int) -> str:
        """Take a person's word that nothing more is to be done about a parked item."""
        now_ms = self._clock.read().wall_ms
        sql = (
            "UPDATE inbox SET state = 'handled', raw = x'', papers = x'', settled_ms = ?,"
            " sentence = 'a person said that it is done' WHERE seq = ? AND state = 'parked'"
        )
        if await self.store.do(lambda db: db.execute(sql, (now_ms, seq)).rowcount):
            return "noted: it is done"
        return f"no webhook {seq} is parked"


def _receipt(judged: Judged, kept: Kept | None) -> Receipt:
    if kept is Kept.FULL and judged.verdict is not Verdict.AGE_WRONG:
        return Receipt(status=503, sentence="Too much waits to be verified. Please send it again.")
    match judged.verdict:
        case Verdict.GENUINE:
            return Receipt(status=200, sentence="Stored." if kept is Kept.NEW else "Known already.")
        case Verdict.AGE_DOUBTED | Verdict.KEY_UNKNOWN:
            return Receipt(status=200, sentence=f"Stored. {judged.sentence}")
        case Verdict.AGE_WRONG | Verdict.MALFORMED:
            return Receipt(status=400, sentence=judged.sentence)
        case Verdict.UNPROVEN:
            return Receipt(status=401, sentence=judged.sentence)
        case _:
            assert_never(judged.verdict)


def _parked(db: Connection, limit: int) -> list[Any]:
    return db.execute(
        "SELECT seq, source, sentence, received_ms FROM inbox"
        " WHERE state = 'parked' AND settled_ms IS NULL ORDER BY seq LIMIT ?",
        (limit,),
    ).fetchall()


def _standing(db: Connection) -> list[Any]:
    return db.execute(
        "SELECT source, state, count(*), min(received_ms) FROM inbox WHERE settled_ms IS NULL"
        " GROUP BY source, state"
    ).fetchall()
