"""What a stranger may ask of the web server: how often, how much, how long, and under which name."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from appliance.kernel.clock import Clock
from appliance.kernel.discreet import where

logger = logging.getLogger(__name__)


# 64 KiB: a hundred times the largest form or GraphQL request of ours.
BODY_BYTES_MAX: Final = 65_536
# 8,190 bytes: what a line or a header of a real browser stays far below.
LINE_BYTES_MAX: Final = 8_190
# 15 s: a door waits 8 s at most; what takes longer is stuck.
REQUEST_S_MAX: Final = 15.0
# 75 s between two requests on one connection: browsers give up at about that.
KEEP_ALIVE_S: Final = 75.0
# 20 a second with 120 at once: a page with its files is 4, a family behind one address is five.
RATE_PER_S: Final = 20.0
RATE_BURST: Final = 120.0
# Addresses remembered: 65,536 is a whole /16 of guests; each is two numbers.
ADDRESSES_MAX: Final = 65_536
# WebSockets in all and from one address: 60 rooms with three devices, and a lobby.
SOCKETS_MAX: Final = 512
SOCKETS_PER_ADDRESS_MAX: Final = 16

# No inline script, no foreign host: a text that slipped through would still be only text.
SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self';"
        " frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
STRICT_TRANSPORT: Final = "max-age=31536000"


@dataclass(slots=True)
class _Bucket:
    left: float
    at_s: float


class Rates:
    """A bucket of requests per address, refilled with time; the oldest address is forgotten."""

    def __init__(
        self, clock: Clock, *, per_s: float = RATE_PER_S, burst: float = RATE_BURST
    ) -> None:
        self._clock = clock
        self._per_s = per_s
        self._burst = burst
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Take one; 0.0 when there was one, else the seconds until there will be."""
        now_s = self._clock.monotonic()
        bucket = self._buckets.pop(address, None) or _Bucket(self._burst, now_s)
        self._buckets[address] = bucket
        if len(self._buckets) > ADDRESSES_MAX:
            self._buckets.popitem(last=False)
        bucket.left = min(self._burst, bucket.left + (now_s - bucket.at_s) * self._per_s)
        bucket.at_s = now_s
        if bucket.left < 1.0:
            return (1.0 - bucket.left) / self._per_s
        bucket.left -= 1.0
        return 0.0


class Networks:
    """Which addresses are the desk's own."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [ipaddress.ip_network(each) for each in networks]

    def hold(self, address: str | None) -> bool:
        """Whether an address lies in one of them."""
        try:
            place = ipaddress.ip_address(address or "")
        except ValueError:
            return False
        if isinstance(place, ipaddress.IPv6Address) and place.ipv4_mapped is not None:
            place = place.ipv4_mapped
        return any(place in network for network in self._networks)


LOOPBACK: Final = Networks(["127.0.0.0/8", "::1/128"])


class Guard:
    """The outermost middleware: name, rate and time of a request, and the headers of its answer."""

    def __init__(
        self, rates: Rates, desk: Networks, allowed_hosts: Iterable[str], *, secure: bool
    ) -> None:
        self._rates = rates
        self._desk = desk
        self._names = frozenset(name.lower() for name in allowed_hosts)
        self._secure = secure
        self.request_s_max = REQUEST_S_MAX

    def middleware(self) -> Middleware:
        """What aiohttp calls."""

        @web.middleware
        async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
            response = self._unwelcome(request) or await self._answered(request, handler)
            if not response.prepared:
                self._finish(response)
            return response

        return guarded

    def _unwelcome(self, request: web.Request) -> web.StreamResponse | None:
        if host_name(request) not in self._names:
            return refusal(421, "This box is not called that. Use the address on the card.")
        if self._desk.hold(request.remote):
            return None
        wait_s = self._rates.wait_s(request.remote or "")
        return too_many(wait_s) if wait_s > 0.0 else None

    async def _answered(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        live = is_socket(request) and (
            request.path == LIVE_PATH or request.path.startswith(TUNNEL_ROOT)
        )
        try:
            # Sockets live in real time, so their deadlines do.
            async with asyncio.timeout(None if live else self.request_s_max):
                return await handler(request)
        except TimeoutError:
            return refusal(503, "This took too long. Please try again.")
        except web.HTTPException as answer:
            return _from_aiohttp(answer)
        except UnicodeDecodeError:
            return refusal(400, "This text cannot be read: it is not UTF-8.")
        except Exception as error:  # noqa: BLE001 - the last door: nobody else catches it
            logger.error("a request broke: %s", where(error))  # noqa: TRY400 - see `where`
            return refusal(500, "Something broke here. Please ask the front desk.")

    def _finish(self, response: web.StreamResponse) -> None:
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Cache-Control", "no-store")
        if self._secure:
            response.headers["Strict-Transport-Security"] = STRICT_TRANSPORT


LIVE_PATH: Final = "/graphql"
TUNNEL_ROOT: Final = "/my/doors/"


def is_socket(request: web.Request) -> bool:
    """Whether a request wants to become a WebSocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


def host_name(request: web.Request) -> str:
    """The name a browser called the box by, without the port."""
    host = request.headers.get("Host", "").strip().lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host


def refusal(status: int, sentence: str) -> web.Response:
    """A sentence instead of a page, for whoever is no browser of ours."""
    return web.json_response({"sentence": sentence}, status=status)


def too_many(wait_s: float, sentence: str = "Too many requests. Please wait.") -> web.Response:
    """429 with the seconds to wait."""
    whole_s = max(1, int(-(-wait_s // 1)))
    return web.json_response(
        {"sentence": sentence, "wait_s": whole_s},
        status=429,
        headers={"Retry-After": str(whole_s)},
    )


_SENTENCES: Final = {
    400: "This request cannot be read.",
    404: "There is nothing here.",
    405: "This cannot be asked in this way.",
    413: "This is too large.",
    417: "This cannot be expected here.",
}


def _from_aiohttp(answer: web.HTTPException) -> web.StreamResponse:
    if answer.status < 400:
        return web.Response(status=answer.status, headers=answer.headers)
    sentence = _SENTENCES.get(answer.status, "This cannot be done.")
    response = refusal(answer.status, sentence)
    if "Allow" in answer.headers:
        response.headers["Allow"] = answer.headers["Allow"]
    return response


def is_own_origin(request: web.Request) -> bool:
    """Whether a form or script of this very site sent the request.

    Browsers without either header (captive mini-browsers) are told from others by SameSite.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in {"same-origin", "none"}:
        return False
    origin = request.headers.get("Origin")
    if origin is None or origin == "null":
        return origin is None or site == "same-origin"
    return origin.partition("://")[2].lower() == request.headers.get("Host", "").lower()
