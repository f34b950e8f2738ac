"""A small socket of sync itself: status, explain, retry, done, feeds. Its file has one process only."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from appliance.engines.stays.parked_messages import ParkedAct
from sync.running import Running
from sync.standing import explain

LINE_BYTES_MAX: Final = 64 * 1024
ANSWER_S_MAX: Final = 10.0


class SyncAwayError(Exception):
    """Sync is not running: start it with `nightporter up` or look at its journal."""


@asynccontextmanager
async def serve(running: Running, path: Path) -> AsyncGenerator[None]:
    """Answer one line for each line, until the context ends; mode 0600."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(msgspec.json.encode(await _answer(running, line)) + b"\n")
                await writer.drain()
        except (ValueError, ConnectionError):
            pass  # a line without an end, or a peer that went
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    _remove(path)
    server = await asyncio.start_unix_server(connected, path, limit=LINE_BYTES_MAX)
    os.chmod(path, 0o600)  # noqa: PTH101 - the mode is the access control
    try:
        yield
    finally:
        server.close()
        _remove(path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


async def _answer(running: Running, line: bytes) -> dict[str, Any]:  # noqa: PLR0911 - one a word
    try:
        words = msgspec.json.decode(line, type=list[str])
    except msgspec.MsgspecError:
        return {"error": 'say a list of words, such as ["status"]'}
    match words:
        case ["status"]:
            found = {**running.report(), "now_ms": running.clock.read().wall_ms}
            if (reception := running.reception) is not None:
                found["webhooks"] = await reception.standing()
            return {"status": found}
        case ["explain", name]:
            return {"lines": explain(running.ledger, name)}
        case ["retry" | "done" as act, name]:
            return {"lines": [await running.act(ParkedAct(act), name, {})]}
        case ["edit", name, *changes]:
            told = dict(each.split("=", 1) for each in changes if "=" in each)
            return {"lines": [running.edit(name, told)]}
        case ["feeds", *more]:
            return {"lines": running.feeds.answer(more)}
        case _:
            return {
                "error": "say one of: status, explain ID, retry ID, edit ID FIELD=VALUE, done ID,"
                " feeds, feeds accept NAME"
            }


def ask(path: Path, words: list[str]) -> dict[str, Any]:
    """Ask a running sync, from a command; raises SyncAwayError."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            peer.settimeout(ANSWER_S_MAX)
            peer.connect(str(path))
            peer.sendall(msgspec.json.encode(words) + b"\n")
            with peer.makefile("rb") as lines:
                line = lines.readline()
    except OSError as error:
        raise SyncAwayError(f"nobody listens at {path}: is sync running?") from error
    found: dict[str, Any] = msgspec.json.decode(line)
    return found
