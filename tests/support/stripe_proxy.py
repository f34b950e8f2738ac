"""What localstripe lacks, in front of it: idempotency keys that are forgotten, and lost answers.

localstripe (PyPI, GPL-3.0) runs as a process of its own in an environment of its own; nothing of
ours imports it and no requirement names it. It knows no idempotency keys, filters or order of
lists: the proxy adds them as docs.stripe.com/api/idempotent_requests says (cloud.md 2.1, 3).
`keys=False` leaves it bare: the peer that charges twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import aiohttp

from appliance.kernel.clock import Clock

VERSION: Final = "1.15.10"
KEY: Final = "sk_test_12345"
KEPT_S: Final = 24 * 3600
# A busy machine starts it within a few seconds.
STARTS_MAX: Final = 300
START_GAP_S: Final = 0.1
_RUN: Final = """
import sys
from aiohttp import web
from localstripe import resources, server
resources.Store.dump_to_disk = lambda self: None
resources.Store.try_load_from_disk = lambda self: None
web.run_app(server.app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
"""


class NotInstalledError(Exception):
    """There is no localstripe: pip install localstripe==1.15.10 into an environment of its own."""


def installed(folder: Path) -> Path:
    """The Python of localstripe's environment, made when it is not there yet."""
    python = folder / "env/bin/python"
    pip = [str(python), "-m", "pip", "install", "-q", f"localstripe=={VERSION}"]
    try:
        if not python.exists():
            make = [sys.executable, "-m", "venv", str(folder / "env")]
            subprocess.run(make, check=True, capture_output=True, timeout=120)
        known = subprocess.run([str(python), "-c", "import localstripe"], check=False)
        if known.returncode:
            subprocess.run(pip, check=True, capture_output=True, timeout=300)
    except (OSError, subprocess.SubprocessError) as error:
        raise NotInstalledError(" ".join(pip)) from error
    return python


@contextmanager
def localstripe(python: Path) -> Generator[str]:
    """A running localstripe on loopback; yields its address."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    process = subprocess.Popen([str(python), "-c", _RUN, str(port)], stderr=subprocess.DEVNULL)
    try:
        _until_it_listens(process, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(STARTS_MAX):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(START_GAP_S)
    raise NotInstalledError("localstripe did not start")


@dataclass(frozen=True, slots=True)
class Lost:
    """What becomes of the next post.

    `executed`: whether localstripe sees it. `status`: answered with this instead (500 is kept
    under its key). `cut`: how much of the answer arrives: a count of bytes from its start, below
    zero from its end, a share of its body, or None for all.
    """

    executed: bool = True
    status: int | None = None
    cut: int | float | None = None


@dataclass(slots=True)
class _Kept:
    asked: bytes
    at_s: int
    status: int
    body: bytes


@dataclass(slots=True)
class StripeProxy:
    """Speaks HTTP/1.1 by hand, so that an answer can end at any byte of it."""

    upstream: str
    clock: Clock
    keys: bool = True
    lost: list[Lost] = field(default_factory=list)
    forwarded: int = 0
    url: str = ""
    _kept: dict[str, _Kept] = field(default_factory=dict)
    _session: aiohttp.ClientSession | None = None

    async def ask(self, method: str, path: str, **fields: Any) -> Any:
        """Past the proxy's faults and keys: what a person sees in the vendor's pages."""
        body = urlencode(fields).encode() if method == "POST" else b""
        query = f"?{urlencode(fields)}" if fields and method == "GET" else ""
        status, answer = await self._forward(method, path + query, body)
        assert status == 200, answer
        return json.loads(answer)

    async def all_of(self, path: str) -> list[dict[str, Any]]:
        """Every object of a kind, newest first."""
        rows: list[dict[str, Any]] = []
        after: dict[str, str] = {}
        while True:
            page = await self.ask("GET", path, limit=100, **after)
            rows += page["data"]
            if not page["has_more"]:
                return rows[::-1]
            after = {"starting_after": rows[-1]["id"]}

    # -- one request -----------------------------------------------------------------------------

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode().split("\r\n")
            headers = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in lines if line)
            }
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            method, target, _ = first.split(" ")
            raw = await self._answer(method, target, headers.get("idempotency-key"), body)
            writer.write(raw)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, method: str, target: str, key: str | None, body: bytes) -> bytes:
        if method == "GET":
            return self._raw(200, await self._read(target))
        lost = self.lost.pop(0) if self.lost else Lost()
        if not lost.executed:
            return b"" if lost.status is None else self._raw(lost.status, _error(lost.status))
        asked = target.encode() + b"\n" + body
        kept = self._kept.get(key or "")
        now_s = self.clock.read().wall_s
        if self.keys and key and kept is not None and now_s - kept.at_s < KEPT_S:
            if kept.asked != asked:
                return self._raw(400, _error(400, kind="idempotency_error"))
            raw = self._raw(kept.status, kept.body, "Idempotent-Replayed: true\r\n")
            return _cut(raw, lost.cut)
        status, answer = await self._forward("POST", target, _known_to_it(body))
        if lost.status is not None:
            status, answer = lost.status, _error(lost.status)
        if key and status != 400:
            self._kept[key] = _Kept(asked, now_s, status, answer)
        return _cut(self._raw(status, answer), lost.cut)

    async def _read(self, target: str) -> bytes:
        """Lists newest first and filtered; single objects as they are."""
        path, _, query = target.partition("?")
        asked = dict(parse_qsl(query))
        if path != "/v1/payment_intents":
            kept = {name: value for name, value in asked.items() if name != "expand[]"}
            return json.dumps(await self.ask("GET", path, **kept)).encode()
        rows = await self.all_of(path)
        if (customer := asked.get("customer")) is not None:
            rows = [row for row in rows if row["customer"] == customer]
        rows = [row for row in rows if row["created"] >= int(asked.get("created[gte]", 0))]
        found = {"object": "list", "url": path, "has_more": False, "data": rows}
        return json.dumps(found).encode()

    async def _forward(self, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        assert self._session is not None, "used inside `stripe_proxy`"
        self.forwarded += 1
        headers = {
            "Authorization": f"Bearer {KEY}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        async with self._session.request(
            method, self.upstream + target, data=body or None, headers=headers
        ) as answer:
            return answer.status, await answer.read()

    def _raw(self, status: int, body: bytes, more: str = "") -> bytes:
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{more}"
            "Connection: close\r\n\r\n"
        )
        return head.encode() + body


def _known_to_it(body: bytes) -> bytes:
    # localstripe shows `latest_charge` whole without being asked, and stumbles when it is.
    fields = [pair for pair in parse_qsl(body.decode()) if pair[0] != "expand[]"]
    return urlencode(fields).encode()


def _cut(raw: bytes, cut: float | None) -> bytes:
    if cut is None:
        return raw
    if isinstance(cut, float):
        start = raw.index(b"\r\n\r\n") + 4
        return raw[: start + int((len(raw) - start) * cut)]
    return raw[:cut]


def _error(status: int, kind: str = "api_error") -> bytes:
    return json.dumps({"error": {"type": kind, "message": HTTPStatus(status).phrase}}).encode()


@asynccontextmanager
async def stripe_proxy(
    upstream: str, clock: Clock, *, keys: bool = True
) -> AsyncGenerator[StripeProxy]:
    """A listening proxy before a localstripe that may still be starting."""
    proxy = StripeProxy(upstream, clock, keys=keys)
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        proxy._session = session
        server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield proxy
        finally:
            server.close()
            await server.wait_closed()
