"""The console: how the box stands, and the settings in force, without a script."""

from __future__ import annotations

from aiohttp import web

from appliance.engines.rules import api as rules
from appliance.web import desk
from appliance.web.context import Ports
from appliance.web.limits import Networks
from appliance.web.pages import Pages
from appliance.web.sessions import Sessions


class Console:
    """Pages of the desk's own network; acts go through the API, with a person behind them."""

    def __init__(self, ports: Ports, sessions: Sessions, pages: Pages, desk_net: Networks) -> None:
        self._ports = ports
        self._sessions = sessions
        self._pages = pages
        self._desk = desk_net

    def routes(self) -> list[web.RouteDef]:
        """The addresses."""
        return [web.get("/health", self.health), web.get("/console", self.console)]

    async def health(self, request: web.Request) -> web.StreamResponse:
        """GET /health: every part with the age of what it rests on (law 7)."""
        return await self._page(request, "health.html")

    async def console(self, request: web.Request) -> web.StreamResponse:
        """GET /console: health, followers that stand still, and the settings in force."""
        return await self._page(request, "console.html")

    async def _page(self, request: web.Request, template: str) -> web.StreamResponse:
        if not self._desk.hold(request.remote):
            raise web.HTTPNotFound
        asked = self._sessions.context(request, None)
        health = await desk.health_of(asked)
        return await self._pages.page(
            asked,
            request,
            template,
            vitals=health.vitals,
            line_down=health.line_down_since_ms,
            clock_sure=self._ports.clock.read().sure,
            settings=await rules.load_settings(asked),
            still=[
                standing
                for standing in self._ports.followers.standings()
                if standing.quarantined is not None
            ],
        )
