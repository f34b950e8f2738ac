"""The web of the box: every address, with its limits, in one application."""

from __future__ import annotations

import hashlib
import mimetypes
from importlib.resources import files
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from appliance.kernel.telemetry import CONTENT_TYPE
from appliance.web.console import Console
from appliance.web.context import Ports, Request
from appliance.web.documents import Documents
from appliance.web.door_pages import DoorPages
from appliance.web.graphql import Api
from appliance.web.limits import (
    BODY_BYTES_MAX,
    LIVE_PATH,
    LOOPBACK,
    Guard,
    Networks,
    Rates,
    refusal,
)
from appliance.web.live import Live
from appliance.web.pages import Pages
from appliance.web.schema import build_schema
from appliance.web.sessions import Sessions
from appliance.web.tunnel import Tunnels

# A day: the file's name in the page carries no version, and the box is near.
STATIC_CACHE: Final = "public, max-age=300"
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

PAGES_KEY: Final = web.AppKey("pages", Pages)
PORTS_KEY: Final = web.AppKey("ports", Ports)
LIVE_KEY: Final = web.AppKey("live", Live)
GUARD_KEY: Final = web.AppKey("guard", Guard)


def build_app(ports: Ports, *, dev: bool = False) -> web.Application:
    """Everything people reach over HTTP. `dev` shows the schema to whoever asks."""
    secure = ports.settings.tls_certificate_file is not None
    desk = Networks(ports.settings.desk_networks)
    guard = Guard(Rates(ports.clock), desk, ports.settings.allowed_hosts, secure=secure)
    sessions = Sessions(ports, desk, secure=secure)
    pages = Pages(ports, sessions, secure=secure)
    schema = build_schema()._schema  # noqa: SLF001 - graphql-core's, for parsing only once
    api = Api(schema, Documents(schema, open_to_look=dev))
    entrance = _Entrance(api, sessions, ports)
    app = web.Application(
        client_max_size=BODY_BYTES_MAX,
        middlewares=[guard.middleware(), _kind_not_found(pages)],
    )
    app[PORTS_KEY], app[PAGES_KEY], app[GUARD_KEY] = ports, pages, guard
    app[LIVE_KEY] = entrance.live
    app.add_routes(sessions.routes())
    app.add_routes(pages.routes())
    app.add_routes(DoorPages(ports, sessions, pages).routes())
    tunnels = Tunnels(ports, sessions)
    app.on_startup.append(tunnels.start)
    app.add_routes(tunnels.routes())
    app.add_routes(Console(ports, sessions, pages, desk).routes())
    if (calendars := ports.more.get("calendars")) is not None:
        app.add_routes(calendars.routes())
    static = _static()
    app.add_routes(
        [
            web.post(LIVE_PATH, entrance.post),
            web.get(LIVE_PATH, entrance.get),
            web.get("/healthz", _alive),
            web.get("/metrics", _metrics(ports)),
            web.get("/static/{name}", static),
            # Below /my/, so that it minds the door's pages and no others.
            web.get("/my/{name:worker\\.js}", static),
        ]
    )
    return app


class _Entrance:
    """The two ways into the API: a request, or a WebSocket."""

    def __init__(self, api: Api, sessions: Sessions, ports: Ports) -> None:
        self._api = api
        self._sessions = sessions
        self.live = Live(api, self._who_is, ports.nursery)

    async def post(self, request: web.Request) -> web.StreamResponse:
        asked = await self._sessions.of_api(request)
        if not isinstance(asked, Request):
            return asked
        return await self._api.answer(request, asked)

    async def get(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return refusal(405, "Send queries with POST, or open a WebSocket.")
        return await self.live.serve(request)

    async def _who_is(self, request: web.Request, header: str | None) -> Request | None:
        if header is None:
            signed = await self._sessions.guest(request)
        else:
            kind, _, token = header.partition(" ")
            bearer = kind.lower() == "bearer"
            signed = await self._sessions.of_bearer(token.strip()) if bearer else None
        return None if signed is None else self._sessions.context(request, signed)


def _kind_not_found(pages: Pages) -> Middleware:
    """A browser that is lost gets a page; anything else gets its JSON."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPNotFound:
            if "text/html" in request.headers.get("Accept", ""):
                return await pages.not_found(request)
            raise

    return middleware


async def _alive(_request: web.Request) -> web.StreamResponse:
    """GET /healthz: the process answers. How the box stands is another question: /health."""
    return web.Response(text="ok\n")


def _metrics(ports: Ports) -> Handler:
    async def metrics(request: web.Request) -> web.StreamResponse:
        """GET /metrics, on this machine only."""
        if not LOOPBACK.hold(request.remote):
            raise web.HTTPNotFound
        return web.Response(body=ports.metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    return metrics


def _static() -> Handler:
    """Our own files, read once; a name is looked up, never opened."""
    folder = files("appliance.web") / "static"
    kept = {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}
    tags = {name: f'"{hashlib.sha256(body).hexdigest()[:16]}"' for name, body in kept.items()}

    async def static(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in kept:
            raise web.HTTPNotFound
        headers = {"Cache-Control": STATIC_CACHE, "ETag": tags[name]}
        if request.headers.get("If-None-Match") == tags[name]:
            return web.Response(status=304, headers=headers)
        suffix = "." + name.rpartition(".")[2]
        kind = _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        return web.Response(
            body=kept[name],
            headers=headers,
            content_type=kind,
            charset="utf-8" if kind.startswith("text/") else None,
        )

    return static
