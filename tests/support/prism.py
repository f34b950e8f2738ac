"""Stoplight's Prism from npm: a vendor's OpenAPI as a server that says what is wrong with a request.

One server for the parts of several files that a test needs. The specification's own security is
left out: Mews' tokens are in the body. Answers are not judged: some of the vendor's own examples
fail their own enumerations.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from support.house import ROOT
from support.npm import fetched, plain_env
from support.own_property import free_port

VERSION = "5.16.0"
CACHED = ROOT / ".run" / "npm" / f"prism-{VERSION}"
# 8 s for one of Mews' files on two cores; four times that beside other tests.
START_S_MAX = 60.0


class Prism:
    """A running server."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def judge(self, path: str, body: object) -> set[tuple[str, str]]:
        """Where and by which rules a request differs from the contract."""
        async with self._session.post(self._url + path, json=body) as answer:
            said = json.loads(answer.headers.get("sl-violations", "[]"))
            assert answer.status != 404, f"no such path: {path}"
        return {
            (".".join(map(str, each["location"])), str(each.get("code")))
            for each in said
            if each["location"][:1] == ["request"]
        }


def merged(files: Collection[Path], paths: Collection[str]) -> dict[str, Any]:
    """One document with these paths, each file's components under names of their own."""
    found: dict[str, Any] = {
        "openapi": "3.0.4",
        "info": {"title": "merged", "version": "1"},
        "paths": {},
        "components": {"schemas": {}},
    }
    for number, file in enumerate(sorted(files)):
        spec = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        text = json.dumps(
            {"paths": spec["paths"], "schemas": spec["components"]["schemas"]}, default=str
        )
        own = f"#/components/schemas/f{number}."
        spec = json.loads(text.replace("#/components/schemas/", own))
        wanted = {path: spec["paths"][path] for path in paths if path in spec["paths"]}
        for path in wanted.values():
            path["post"].pop("security", None)
        found["paths"] |= wanted
        schemas = spec["schemas"].items()
        found["components"]["schemas"] |= {f"f{number}.{name}": one for name, one in schemas}
    return found


@asynccontextmanager
async def running_prism(spec: dict[str, Any], folder: Path) -> AsyncGenerator[Prism, None]:
    """Prism on a free loopback port until the context ends."""
    bin_folder = await fetched(CACHED, (f"@stoplight/prism-cli@{VERSION}",)) / ".bin"
    file, port = folder / "openapi.json", free_port()
    await asyncio.to_thread(file.write_text, json.dumps(spec))
    process = await asyncio.create_subprocess_exec(
        bin_folder / "prism", "mock", "--host", "127.0.0.1", "--port", str(port), str(file),
        env=plain_env(),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    reading = asyncio.ensure_future(_until_listening(process))
    try:
        async with asyncio.timeout(START_S_MAX):
            await reading
        draining = asyncio.ensure_future(_drain(process))
        async with aiohttp.ClientSession() as session:
            yield Prism(session, f"http://127.0.0.1:{port}")
        draining.cancel()
    finally:
        reading.cancel()
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _until_listening(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    said = []
    while line := await process.stdout.readline():
        said.append(line.decode(errors="replace"))
        if "Prism is listening" in said[-1]:
            return
    raise AssertionError("Prism ended: " + "".join(said[-20:]))


async def _drain(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    while await process.stdout.readline():
        pass
