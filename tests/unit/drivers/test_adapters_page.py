"""The driver in docs/adapters.md is a driver: it runs as it stands on the page."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from appliance.bus.words import DeviceKind, Outcome, Verb
from appliance.kernel.clock import SystemClock
from drivers.mqtt.radio import DIALECTS
from drivers.radios import FACTORIES, Thing
from support.driver_house import HeardHouse
from support.foreign_house import order, setting
from support.house import ROOT

PAGE = (ROOT / "docs" / "adapters.md").read_text(encoding="utf-8")
CLOCK = SystemClock(floor_path=None)
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def _the_driver() -> dict[str, Any]:
    [source] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len([line for line in source.splitlines() if line.strip()]) <= 48
    names: dict[str, Any] = {}
    exec(compile(source, "docs/adapters.md", "exec"), names)  # noqa: S102 - our own page
    return names


async def _says(line: bytes | None, seen: list[bytes]) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readline())
        if line is not None:
            writer.write(line)
        writer.close()

    return talk


@pytest.mark.parametrize(
    ("line", "outcome"),
    [(b"OPENED\n", Outcome.DONE), (b"BUSY\n", Outcome.UNKNOWN), (None, Outcome.UNKNOWN)],
)
async def test_the_driver_on_the_page_opens_once_and_says_what_it_knows(
    line: bytes | None, outcome: Outcome
) -> None:
    seen: list[bytes] = []
    server = await asyncio.start_server(await _says(line, seen), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    thing = Thing(name="gate", kind=DeviceKind.LOCK, address=f"127.0.0.1:{port}")
    radio = _the_driver()["build"](setting((thing,), kind="doorbell", clock=CLOCK))
    house = HeardHouse()
    running = asyncio.ensure_future(radio.run(house))
    told = await radio.devices["gate"].carry_out(
        order(Verb.UNLOCK), deadline_s=CLOCK.monotonic() + 5
    )
    assert told.outcome is outcome
    assert seen == [b"OPEN\n"]
    server.close()
    await server.wait_closed()
    told = await radio.devices["gate"].carry_out(
        order(Verb.UNLOCK, 2), deadline_s=CLOCK.monotonic() + 5
    )
    assert told.outcome is Outcome.NOT_SENT
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert house.presences == [("gate", True)]


def test_every_dialect_has_its_row_on_the_page() -> None:
    for word in (*DIALECTS, "nuki", "shelly"):
        assert f"| `{word}` |" in PAGE
    assert {"mqtt", "http"} <= FACTORIES.keys()
