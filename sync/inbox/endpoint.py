"""The address that vendors post to: limits first, then the raw body, then the inbox.

aiohttp's low-level server: one handler, no routes, so that a flood costs as little as it can.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from aiohttp import web

from appliance.kernel.clock import Clock
from appliance.kernel.discreet import where
from sync.inbox.delivery import Delivery
from sync.inbox.inbox import Inbox, Receipt
from sync.inbox.words import SOURCES

logger = logging.getLogger(__name__)

ROOT: Final = "hooks"
# Hundreds of Mews events or one large Stripe object are 100 KiB; ten times that is a mistake.
BODY_BYTES_MAX: Final = 1024 * 1024
# Bodies in memory at one time, all senders together: a Pi has 1 GiB for everything.
BODIES_BYTES_MAX: Final = 32 * 1024 * 1024
# A vendor keeps a handful of connections; the rest are strangers who wait for something.
CONNECTIONS_MAX: Final = 256
# Headers within this after connecting or after the last answer, and the body within this again.
IDLE_S_MAX: Final = 15.0
BODY_S_MAX: Final = 5.0
# How long the rest of a refused body is read away, so that the sender sees the answer.
REST_S_MAX: Final = 0.5
LINE_BYTES_MAX: Final = 8_190
# For each source: twice what we promise to store, and a burst of two seconds of it.
RATE_PER_S: Final = 2_000.0
RATE_BURST: Final = 4_000.0
BACKLOG: Final = 128
STOP_S: Final = 2.0

_RETRY: Final = {"Retry-After": "5"}
_LOGIN: Final = {"WWW-Authenticate": 'Basic realm="nightporter"'}


@dataclass(slots=True)
class _Bucket:
    left: float
    at_s: float


class Buckets:
    """A measure of requests for each of a few names, filled again with time."""

    def __init__(self, clock: Clock, *, per_s: float, burst: float) -> None:
        self._clock = clock
        self._per_s = per_s
        self._burst = burst
        self._buckets: dict[str, _Bucket] = {}

    def take(self, name: str) -> bool:
        """Take one; False when there is none left."""
        now_s = self._clock.monotonic()
        bucket = self._buckets.setdefault(name, _Bucket(self._burst, now_s))
        refill = (now_s - bucket.at_s) * self._per_s
        bucket.left, bucket.at_s = min(self._burst, bucket.left + refill), now_s
        if bucket.left < 1.0:
            return False
        bucket.left -= 1.0
        return True


class Answering(Protocol):
    """What `listen` serves."""

    turned_away: int

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request; never raises."""
        ...


class Endpoint:
    """Answers POST /hooks/SOURCE and /hooks/SOURCE/TOKEN."""

    def __init__(self, inbox: Inbox, clock: Clock) -> None:
        self._inbox = inbox
        self._rates = Buckets(clock, per_s=RATE_PER_S, burst=RATE_BURST)
        self._bytes = 0
        self.turned_away = 0  # connections above the limit

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request; never raises."""
        source, token = _place(request.path)
        if source not in SOURCES:
            return say(Receipt(status=404, sentence="There is nothing here."), close=True)
        if request.method != "POST":
            return say(Receipt(status=405, sentence="Webhooks are posted."), close=True)
        try:
            return say(await self._take(request, source, token))
        except (TimeoutError, web.HTTPException, web.RequestPayloadError, ConnectionError):
            return say(Receipt(status=408, sentence="The body did not come in time."), close=True)
        except Exception as error:  # noqa: BLE001 - the last door: a vendor must send it again
            logger.error("a webhook broke here: %s", where(error))  # noqa: TRY400 - see `where`
            return say(Receipt(status=503, sentence="It broke here. Please send it again."))

    async def _take(self, request: web.BaseRequest, source: str, token: str) -> Receipt:
        if no := self._inbox.unready(source):
            return no
        if not self._rates.take(source):
            return Receipt(status=503, sentence="Too many at once. Please send it again.")
        # A body whose length is not said may be as long as any.
        size = BODY_BYTES_MAX if request.content_length is None else request.content_length
        if size > BODY_BYTES_MAX:
            return _too_large()
        if self._bytes + size > BODIES_BYTES_MAX:
            return Receipt(status=503, sentence="Too much at once. Please send it again.")
        self._bytes += size
        try:
            # Sockets live in real time, so their deadlines do.
            async with asyncio.timeout(BODY_S_MAX):
                body = await read_body(request)
            if len(body) > BODY_BYTES_MAX:
                return _too_large()
            headers = {name.lower(): text for name, text in request.headers.items()}
            moment = self._inbox.moment()
            return await self._inbox.receive(
                Delivery(source=source, token=token, headers=headers, body=body, moment=moment)
            )
        finally:
            self._bytes -= size


async def read_body(request: web.BaseRequest) -> bytes:
    """The raw bytes, one piece more than allowed at most."""
    parts = bytearray()
    while chunk := await request.content.readany():
        parts += chunk
        if len(parts) > BODY_BYTES_MAX:
            break
    return bytes(parts)


def _place(path: str) -> tuple[str, str]:
    parts = path.split("/")
    if len(parts) not in {3, 4} or parts[1] != ROOT:
        return "", ""
    return parts[2], parts[3] if len(parts) == 4 else ""


def _too_large() -> Receipt:
    return Receipt(status=413, sentence=f"At most {BODY_BYTES_MAX} bytes are taken.")


def say(receipt: Receipt, *, close: bool = False) -> web.Response:
    """An answer with its sentence."""
    headers = {503: _RETRY, 401: _LOGIN}.get(receipt.status, {})
    response = web.Response(
        status=receipt.status,
        body=json.dumps({"sentence": receipt.sentence}).encode(),
        content_type="application/json",
        headers=headers,
    )
    if close or receipt.status in {408, 413}:
        response.force_close()
    return response


class _Turned(asyncio.Protocol):
    """A connection too many: closed before it says a word."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hang up."""
        transport.close()


@asynccontextmanager
async def listen(endpoint: Answering, host: str, port: int) -> AsyncGenerator[int]:
    """Listen until the context ends; yields the port. Raises OSError where it is taken."""
    server = web.Server(
        endpoint.answer,
        access_log=None,
        keepalive_timeout=IDLE_S_MAX,
        lingering_time=REST_S_MAX,
        max_line_size=LINE_BYTES_MAX,
        max_field_size=LINE_BYTES_MAX,
        # The signature is over the bytes as they came.
        auto_decompress=False,
    )

    def connected() -> asyncio.Protocol:
        if len(server.connections) >= CONNECTIONS_MAX:
            endpoint.turned_away += 1
            return _Turned()
        return server()

    made: Callable[[], asyncio.Protocol] = connected
    sockets = await asyncio.get_running_loop().create_server(
        made, host, port, backlog=BACKLOG, reuse_address=True
    )
    try:
        yield sockets.sockets[0].getsockname()[1]
    finally:
        sockets.close()
        server.pre_shutdown()
        await server.shutdown(STOP_S)
