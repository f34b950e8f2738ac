"""A relay: takes vendors' webhooks where the internet can reach it, and keeps them for the boxes.

It knows no vendor's secret and verifies nothing: that is done on the box, on the raw bytes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

import msgspec
from aiohttp import web

from appliance.kernel.clock import Clock, sleep, within
from appliance.kernel.discreet import where
from sync.inbox.endpoint import BODY_BYTES_MAX, Buckets, read_body, say
from sync.inbox.inbox import Receipt
from sync.inbox.vendors import basic_login, token_proof
from sync.inbox.words import SOURCES
from sync.inbox.writer import StoreAwayError
from sync.relay.mailboxes import Mailboxes
from sync.relay.wire import WAIT_S_MAX, Hint, Pairing, equal, kept_headers, pull_proof

logger = logging.getLogger(__name__)

# One mailbox: a property's vendors send a handful a second, and a burst after an outage.
RATE_PER_S: Final = 200.0
RATE_BURST: Final = 1_000.0
BODY_S_MAX: Final = 5.0
# Mews waits 5 s for its answer.
STORE_S_MAX: Final = 4.0
FORGET_S: Final = 3_600.0
SEQ_DIGITS_MAX: Final = 18
EPOCH_CHARS_MAX: Final = 64

_CLOSED: Final = Receipt(status=404, sentence="There is nothing here.")


class Relay:
    """POST /to/MAILBOX/SOURCE[/TOKEN] from vendors, GET /from/MAILBOX from boxes."""

    def __init__(self, mailboxes: Mailboxes, pairings: Mapping[str, Pairing], clock: Clock) -> None:
        self._mailboxes = mailboxes
        self._pairings = pairings
        self._clock = clock
        self._buckets = Buckets(clock, per_s=RATE_PER_S, burst=RATE_BURST)
        self._news = {name: asyncio.Event() for name in pairings}
        self.turned_away = 0

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request; never raises."""
        try:
            return await self._answered(request)
        except (TimeoutError, StoreAwayError):
            no = Receipt(status=503, sentence="It could not be stored. Please send it again.")
        except (web.HTTPException, web.RequestPayloadError, ConnectionError):
            no = Receipt(status=408, sentence="The body did not come whole.")
        except Exception as error:  # noqa: BLE001 - the last door: a vendor must send it again
            logger.error("relay: a request broke: %s", where(error))  # noqa: TRY400 - see `where`
            no = Receipt(status=503, sentence="It broke here. Please send it again.")
        return say(no, close=True)

    async def _answered(self, request: web.BaseRequest) -> web.StreamResponse:
        parts = request.path.split("/")
        pairing = self._pairings.get(parts[2]) if len(parts) > 2 else None
        if pairing is None:
            return say(_CLOSED, close=True)
        if request.method == "POST" and parts[1] == "to" and 4 <= len(parts) <= 5:
            return say(await self._take(request, pairing, parts[3], "".join(parts[4:])))
        if request.method == "GET" and parts[1] == "from" and len(parts) == 3:
            return await self._give(request, pairing)
        return say(_CLOSED, close=True)

    async def forget_for_ever(self) -> None:
        """Drop what no box fetched in time."""
        while True:
            try:
                while await self._mailboxes.forget(self._clock.read().wall_ms):
                    pass
            except StoreAwayError as error:
                logger.warning("relay: %s", error)
            await sleep(self._clock, FORGET_S)

    async def _take(
        self, request: web.BaseRequest, pairing: Pairing, source: str, token: str
    ) -> Receipt:
        if source not in SOURCES:
            return _CLOSED
        if not self._buckets.take(pairing.mailbox):
            return Receipt(status=503, sentence="Too many at once. Please send it again.")
        async with asyncio.timeout(BODY_S_MAX):
            body = await read_body(request)
        if len(body) > BODY_BYTES_MAX:
            return Receipt(status=413, sentence=f"At most {BODY_BYTES_MAX} bytes are taken.")
        login = basic_login(request.headers.get("Authorization", ""))
        hint = Hint(
            seq=0,
            received_ms=self._clock.read().wall_ms,
            source=source,
            # The address' secret part and the login pass through; only their digest is kept.
            proof=token_proof(token, login) if token or login else "",
            headers=kept_headers(request.headers),
            body=body,
        )
        async with asyncio.timeout(STORE_S_MAX):
            kept = await self._mailboxes.keep(pairing.mailbox, hint)
        if not kept:
            return Receipt(status=503, sentence="This mailbox is full. Please send it again.")
        self._news[pairing.mailbox].set()
        return Receipt(status=200, sentence="Stored.")

    async def _give(self, request: web.BaseRequest, pairing: Pairing) -> web.StreamResponse:
        query = request.rel_url.query
        after, epoch = query.get("after", "0"), query.get("epoch", "")
        wait = query.get("wait", "0")
        if not _number(after) or not _number(wait) or len(epoch) > EPOCH_CHARS_MAX:
            return say(Receipt(status=400, sentence="after and wait are whole numbers."))
        given = request.headers.get("Authorization", "").removeprefix("Nightporter ")
        if not equal(given, pull_proof(pairing, epoch, int(after))):
            return say(Receipt(status=401, sentence="This is not the key of this mailbox."))
        cursor = int(after) if epoch == self._mailboxes.epoch else 0
        news = self._news[pairing.mailbox]
        news.clear()
        page = await self._mailboxes.page(pairing, cursor)
        if not page.hints and (seconds := min(int(wait), WAIT_S_MAX)):
            waiting = asyncio.ensure_future(news.wait())
            try:
                await within(self._clock, seconds, waiting)
                page = await self._mailboxes.page(pairing, cursor)
            except TimeoutError:
                pass
            finally:
                waiting.cancel()
        return web.Response(body=msgspec.json.encode(page), content_type="application/json")


def _number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= SEQ_DIGITS_MAX
