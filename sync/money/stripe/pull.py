"""What happened at Stripe since we last looked: an event says where to look, the object says what.

The box is behind a router that no webhook passes, so events are asked for (cloud.md 2.1). They are
kept for thirty days; a box that was dark for longer lists the objects instead. Neither the order
nor the number of events matters: each names an object, and the object is fetched by its id.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

from appliance.kernel.clock import Clock
from sync.inbox.words import Normalised, NotYetError
from sync.ledger import Ledger
from sync.money.stripe.client import PAGE_MAX, Row, StripeClient, TooManyRowsError, Unread
from sync.money.stripe.frozen import INTENTS, REFUNDS, SET_UPS
from sync.money.stripe.learning import Learning

logger = logging.getLogger(__name__)

CURSOR: Final = "stripe.events.cursor"
LOOKED_S: Final = "stripe.looked_s"
# Events of a page are handled together; more pages than this in one look are the next look's.
EVENT_PAGES_MAX: Final = 50
# How long Stripe keeps events. Objects are listed from the last look, and at least so far back.
KEPT_S: Final = 30 * 86_400
# Two clocks, and what was under way at the last look.
OVERLAP_S: Final = 86_400
# A look that brought nothing is written down this often: it is only for after a long dark.
LOOKED_GAP_S: Final = 3_600
TYPES: Final = (
    "payment_intent.amount_capturable_updated",
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.succeeded",
    "charge.refunded",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "setup_intent.succeeded",
    "setup_intent.setup_failed",
    "setup_intent.canceled",
)
# An object's own word for its kind, and where it is read.
PATHS: Final = {
    "payment_intent": INTENTS,
    "refund": REFUNDS,
    "dispute": "/v1/disputes",
    "setup_intent": SET_UPS,
    "charge": "/v1/charges",
}

Named = tuple[str, str]  # kind, id


class StripePull:
    """The pull cursor of money: the last event whose object was read and told home."""

    name = "stripe"
    title = "Stripe"

    def __init__(
        self, *, client: StripeClient, ledger: Ledger, clock: Clock, learning: Learning
    ) -> None:
        self.gate = client.gate
        self._client = client
        self._ledger = ledger
        self._clock = clock
        self._learning = learning
        self._one_at_a_time = asyncio.Lock()
        self._generation = 0  # of the log, when the look began

    async def look(self) -> bool:
        """Everything since the cursor; False when the way was cut and nothing moved.

        Until the box's log is read no payment is known, and each would be nobody's: the look waits.
        """
        async with self._one_at_a_time:
            if not self._ledger.log_is_read():
                return False
            self._generation = self._ledger.generation()
            cursor = self._ledger.kept(CURSOR, str | None)
            if cursor is None:
                return await self._look_at_everything()
            return await self._look_since(cursor)

    async def heard(self, event: Normalised) -> None:
        """A webhook says where to look. Raises NotYetError when it could not be looked at."""
        named = [(each.kind, each.id) for each in event.aggregates if each.kind in PATHS]
        async with self._one_at_a_time:
            rows = await self._fetch(named)
            if rows is None:
                raise NotYetError("Stripe could not be asked yet")
            with self._ledger.transaction():
                self._learning.take(rows)

    def start_over(self) -> None:
        """The log or this ledger was restored: what was told may have been forgotten."""
        self._ledger.db.execute("DELETE FROM kept WHERE name = ?", (CURSOR,))

    # -- events ----------------------------------------------------------------------------------

    async def _look_since(self, cursor: str) -> bool:
        for _ in range(EVENT_PAGES_MAX):
            page = await self._events(cursor, PAGE_MAX)
            if isinstance(page, Unread):
                if page.missing:
                    logger.info("stripe: dark for longer than events are kept; objects are listed")
                    return await self._look_at_everything()
                return False
            events = page["data"]
            rows = await self._fetch(named_in(events))
            if rows is None:
                return False
            if events:
                cursor = str(events[0]["id"])
            if self._began_anew():
                return False
            with self._ledger.transaction():
                self._learning.take(rows)
                if events:
                    self._ledger.keep(CURSOR, cursor)
            if not page.get("has_more") or not events:
                break
        self._note_look()
        return True

    def _began_anew(self) -> bool:
        """Whether the log was restored while we looked: the mark is gone, and must stay so."""
        return self._generation != self._ledger.generation()

    def _note_look(self) -> None:
        now_s = self._clock.read().wall_s
        if now_s - self._ledger.kept(LOOKED_S, int, 0) >= LOOKED_GAP_S:
            with self._ledger.transaction():
                self._ledger.keep(LOOKED_S, now_s)

    async def _events(self, cursor: str, limit: int) -> Row | Unread:
        query = [("types[]", kind) for kind in TYPES] + [("limit", str(limit))]
        if cursor:
            query.append(("ending_before", cursor))
        return await self._client.page("/v1/events", query)

    # -- everything ------------------------------------------------------------------------------

    async def _look_at_everything(self) -> bool:
        # The cursor first: what happens while the lists are read comes with the next look.
        newest = await self._events("", 1)
        if isinstance(newest, Unread):
            return False
        events = newest["data"]
        cursor = str(events[0]["id"]) if events else None
        rows: list[Row] = []
        named: list[Named] = self._learning.open_ones()
        now_ms = await self._client.sure_now_ms()
        now_s = (now_ms or self._clock.read().wall_ms) // 1000
        since_s = min(self._ledger.kept(LOOKED_S, int, now_s) - OVERLAP_S, now_s - KEPT_S)
        for path in (INTENTS, REFUNDS, "/v1/disputes", SET_UPS):
            try:
                found = await self._client.rows(path, **{"created[gte]": str(since_s)})
            except TooManyRowsError as error:
                # A busy account: what is ours and open is read by its id all the same.
                logger.warning("stripe: %s; only our own open ones are read", error)
                continue
            if isinstance(found, Unread):
                return False
            rows += found
        strays = self._learning.strays_among(rows)
        rows = [row for row in rows if ("payment_intent", str(row.get("id"))) not in strays]
        known = {str(row.get("id")) for row in rows}
        fetched = await self._fetch([*strays, *(each for each in named if each[1] not in known)])
        if fetched is None or self._began_anew():
            return False
        with self._ledger.transaction():
            self._learning.take([*rows, *fetched])
            self._ledger.keep(LOOKED_S, now_s)
            if cursor is not None:
                self._ledger.keep(CURSOR, cursor)
        return True

    # -- objects ---------------------------------------------------------------------------------

    async def _fetch(self, named: Iterable[Named]) -> list[Row] | None:
        """Each object once, as it is now; None when one could not be read."""
        rows: list[Row] = []
        wanted = list(dict.fromkeys(named))
        for kind, name in wanted:
            query = {"expand[]": "latest_charge"} if kind == "payment_intent" else {}
            row = await self._client.get(f"{PATHS[kind]}/{name}", **query)
            if isinstance(row, Unread):
                if row.missing:
                    continue
                return None
            if row.get("object") != "charge":
                rows.append(row)
                continue
            # `charge.refunded` names no refund: all of this charge are read.
            refunds = await self._client.rows(REFUNDS, charge=name)
            if isinstance(refunds, Unread):
                return None
            rows += refunds
        return rows


def named_in(events: Iterable[Row]) -> list[Named]:
    """The objects that events speak of, oldest first."""
    found: list[Named] = []
    for event in reversed(list(events)):
        data = event.get("data")
        thing = data.get("object") if isinstance(data, dict) else None
        if isinstance(thing, dict) and thing.get("object") in PATHS and thing.get("id"):
            found.append((str(thing["object"]), str(thing["id"])))
    return found
