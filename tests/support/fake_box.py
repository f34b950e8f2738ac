"""A box of canned answers on a real loopback port, with honest faults: down, slow, lost answer."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any, Self

from aiohttp import web

CANNED = Path(__file__).with_suffix(".json")  # Fri 20 Nov 2026, 18:02 UTC, four stays
NOW_MS = 1_795_197_720_000
# Small, so that the canned log has a second page.
LOG_PAGE = 4
PIN, DOOR_PIN, MANAGER_PIN = "4711", "830264", "9090"


def canned() -> tuple[dict[str, Any], dict[str, Any]]:
    """Stays by id, and what each root answers; a test changes what it needs."""
    told = json.loads(CANNED.read_text())
    stays, answers = told["stays"], told["answers"]
    for root in ("arrivals", "departures", "inHouse", "searchStays"):
        answers[root] = [stays[each] for each in answers[root]]
    return stays, answers


class FakeBox:
    """Serves from a thread of its own, so that tests with a loop and without one may use it."""

    def __init__(self) -> None:
        self.stays, self.answers = canned()
        self.refusals: dict[str, dict[str, Any]] = {}  # mutation -> Answer
        self.acts: list[tuple[str, dict[str, Any]]] = []  # what arrived, in order
        self.done: set[str] = set()  # command ids that took effect
        self.lose = 0  # so many acts are done and their answers never sent
        self.slow = asyncio.Event()
        self.stalled = False
        self.expire_next = False
        self.refreshes = 0
        self.sockets: list[web.WebSocketResponse] = []
        self.tokens = 0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self.slow.set)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def down(self) -> None:
        """Unplug the box: its port is closed when this returns."""
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._runner.cleanup())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_get("/staff-names", self._names)
        app.router.add_post("/sign-in/staff", self._sign_in)
        app.router.add_post("/sign-in/refresh", self._refresh)
        app.router.add_post("/sign-out", self._sign_out)
        app.router.add_post("/graphql", self._graphql)
        app.router.add_get("/graphql", self._news)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _names(self, _: web.Request) -> web.Response:
        names = [{"person": "ida", "name": "Ida"}, {"person": "mara", "name": "Mara Lindqvist"}]
        return web.json_response(names)

    def _token(self, person: str) -> web.Response:
        self.tokens += 1
        body = {
            "access": f"token-{self.tokens}",
            "person": person,
            "roles": ["FRONT_DESK"],
            "shift": None,
            "expires_s": 900,
        }
        return web.json_response(body)

    async def _sign_in(self, request: web.Request) -> web.Response:
        given = await request.json()
        if given["pin"] != PIN:
            return web.json_response({"sentence": "That did not fit. Try again."}, status=401)
        return self._token(given["person"])

    async def _refresh(self, _: web.Request) -> web.Response:
        self.refreshes += 1
        return self._token("ida")

    async def _sign_out(self, _: web.Request) -> web.Response:
        return web.json_response({})

    def tell(self, topic: str) -> None:
        """Say to every subscriber that something changed."""
        change = {"changes": {"topic": topic, "id": None, "position": 1}}
        news = {"id": "1", "type": "next", "payload": {"data": change}}
        for socket in self.sockets:
            asyncio.run_coroutine_threadsafe(socket.send_json(news), self._loop).result(10)

    async def _news(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("graphql-transport-ws",))
        await socket.prepare(request)
        async for message in socket:
            kind = message.json()["type"]
            if kind == "connection_init":
                await socket.send_json({"type": "connection_ack"})
            elif kind == "subscribe":
                self.sockets.append(socket)
        return socket

    async def _graphql(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer token-{self.tokens}":
            return web.json_response({"sentence": "Sign in."}, status=401)
        if self.expire_next:
            self.expire_next = False
            return web.json_response({"sentence": "Sign in."}, status=401)
        if self.stalled:
            await self.slow.wait()
        body = await request.json()
        text, variables = body["query"], body["variables"]
        if "id" in variables and text.startswith("mutation"):
            return self._act(request, body["operationName"], variables)
        roots = [root for root in self.answers if f" {root}" in text.partition("{")[2]]
        if body["operationName"] == "Stay":
            return web.json_response({"data": {"stay": self.stays.get(variables["id"])}})
        if body["operationName"] == "AccessLog":
            return web.json_response({"data": {"accessLog": self._log(variables)}})
        if body["operationName"] not in {"Standing", "Doors", "Money"}:
            roots = [root for root in roots if f"{{ {root}" in " ".join(text.split())][:1]
        return web.json_response({"data": {root: self.answers[root] for root in roots}})

    def _log(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        """The canned log as the box narrows it."""
        lines = self.answers["accessLog"]
        for key, wanted in (("doorId", asked["doorId"]), ("holder", asked["holderId"])):
            lines = [each for each in lines if wanted is None or each[key] == wanted]
        before = asked["before"]
        return [each for each in lines if before is None or each["position"] < before][:LOG_PAGE]

    def _act(self, request: web.Request, name: str, variables: dict[str, Any]) -> web.Response:
        self.acts.append((name, variables))
        self.done.add(variables["id"])
        if self.lose:
            self.lose -= 1
            assert request.transport is not None
            request.transport.close()
        yes = {"done": True, "engine": "stays", "code": None, "sentence": "", "result": {}}
        answer = self.answers.get(name) or self.refusals.get(name) or yes
        return web.json_response({"data": {name: answer}})
