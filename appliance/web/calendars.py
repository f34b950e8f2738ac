"""Calendar files for booking channels: one unguessable address a feed, no name in any of them."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import web
from icalendar import Calendar, Event

from appliance.engines.calendar import queries as calendar
from appliance.engines.calendar.closing import CLOSURE
from appliance.engines.calendar.giving import Given, given
from appliance.engines.inventory import queries as inventory
from appliance.engines.stays import queries as stays
from appliance.kernel.clock import Clock
from appliance.kernel.reader import Reader
from appliance.kernel.settings import FeedSettings
from appliance.kernel.vault import Vault
from appliance.web.limits import Rates, too_many

# 160 bits of an HMAC: nobody guesses it, and it fits into every channel's form.
TOKEN_HEX_CHARS: Final = 40
# What the calendar of the box holds; no channel sells further ahead than two years.
DAYS_AHEAD: Final = 730
# A channel reads a file a few times an hour; whoever found the address may not keep us busy.
RATE_PER_S: Final = 0.2
RATE_BURST: Final = 20.0
PRODID: Final = "-//Nightporter//Calendar feed//EN"
ROOT: Final = "/calendars/"


class Calendars:
    """Every feed of the settings as a file, from the box's own log: the line may be down."""

    def __init__(
        self,
        reader: Reader,
        vault: Vault,
        clock: Clock,
        feeds: Mapping[str, FeedSettings],
        base: str,
    ) -> None:
        self._reader = reader
        self._clock = clock
        self._feeds = feeds
        self._base = base
        self._secret = vault.secret("calendar feeds", lambda: os.urandom(32))
        self._rates = Rates(clock, per_s=RATE_PER_S, burst=RATE_BURST)

    def routes(self) -> list[web.RouteDef]:
        """The one address pattern."""
        return [web.get(f"{ROOT}{{name}}-{{token:[0-9a-f]{{{TOKEN_HEX_CHARS}}}}}.ics", self.file)]

    def addresses(self) -> dict[str, str]:
        """Where a channel reads each feed; secrets, for managers only."""
        return {
            name: f"{self._base}{ROOT}{name}-{self._token(name)}.ics"
            for name in sorted(self._feeds)
        }

    async def file(self, request: web.Request) -> web.StreamResponse:
        """GET: the nights that this channel may not sell."""
        name, token = request.match_info["name"], request.match_info["token"]
        if name not in self._feeds or not hmac.compare_digest(token, self._token(name)):
            raise web.HTTPNotFound
        if wait_s := self._rates.wait_s(name):
            return too_many(wait_s)
        entries = await self._given(name)
        if entries is None:
            raise web.HTTPNotFound
        etag = f'"{hashlib.sha256(repr(entries).encode()).hexdigest()[:32]}"'
        headers = {"ETag": etag, "Cache-Control": "no-cache"}
        if etag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        return web.Response(
            body=self._render(entries),
            headers=headers,
            content_type="text/calendar",
            charset="utf-8",
        )

    async def _given(self, name: str) -> tuple[Given, ...] | None:
        """None where the settings name a room or type that is not here."""
        feed = self._feeds[name]
        type_id = await inventory.type_named(self._reader, feed.room_type)
        room_id = None
        if feed.room is not None:
            room_id = await inventory.room_named(self._reader, feed.room)
        if type_id is None or (feed.room is not None and room_id is None):
            return None
        today = await self._today()
        end = today + timedelta(days=DAYS_AHEAD)
        source = f"ical:{name}"
        own = [
            *await stays.sold_by(self._reader, source, today),
            *await calendar.closures(self._reader, f"{CLOSURE}{source}:"),
        ]
        claims: Sequence[tuple[date, str]] = ()
        if room_id is not None:
            claims = await calendar.claimed(self._reader, room_id, today, end)
        full = await calendar.sold_out(self._reader, type_id, today, end, own)
        salt = hashlib.sha256(self._secret + name.encode()).digest()
        return given(claims, full, own=frozenset(own), salt=salt)

    async def _today(self) -> date:
        zone = ZoneInfo(await inventory.time_zone(self._reader) or "UTC")
        return datetime.fromtimestamp(self._clock.read().wall_s, zone).date()

    def _render(self, entries: Sequence[Given]) -> bytes:
        """RFC 5545; DTEND is the morning of the departure, DTSTAMP the moment of asking (3.8.7.2)."""
        file = Calendar()
        file.add("prodid", PRODID)
        file.add("version", "2.0")
        file.add("calscale", "GREGORIAN")
        stamp = datetime.fromtimestamp(self._clock.read().wall_s, UTC)
        for each in entries:
            event = Event()
            event.add("uid", f"{each.uid}@nightporter")
            event.add("dtstamp", stamp)
            event.add("dtstart", each.start)
            event.add("dtend", each.end)
            event.add("summary", "Reserved" if each.reserved else "Not available")
            file.add_component(event)
        return bytes(file.to_ical())

    def _token(self, name: str) -> str:
        text = f"{name}\0{self._feeds[name].secret_number}".encode()
        return hmac.new(self._secret, text, hashlib.sha256).hexdigest()[:TOKEN_HEX_CHARS]
