"""A whole kernel on one loop, with the toy engine: writer thread, readers, followers, socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from appliance.kernel.ask import Asker
from appliance.kernel.deciding import Asking
from appliance.kernel.followers import Followers
from appliance.kernel.messages import Admission, Answer, Command
from appliance.kernel.reader import Reader, open_reader
from appliance.kernel.socket import LINE_BYTES_MAX, CommandSocket
from appliance.kernel.tasks import Nursery
from support.desk import CLERK, Desk
from support.toy import TOY

if TYPE_CHECKING:
    from appliance.kernel.engine import Engine
    from appliance.kernel.telemetry import Metrics, Tracer


@dataclass(slots=True)
class House:
    """A desk with everything of the kernel running."""

    desk: Desk
    asker: Asker
    reader: Reader
    followers: Followers
    nursery: Nursery
    folder: Path
    number: int = 0

    async def ask(
        self, command: Command, admission: Admission | None = None, trace: str | None = None
    ) -> Answer:
        """Ask as the clerk, under an id of its own."""
        self.number += 1
        asking = Asking(command=command, command_id=f"h{self.number}", who=CLERK, trace=trace)
        return await self.asker.ask(asking, admission)


@asynccontextmanager
async def open_house(
    folder: Path,
    engines: Sequence[Engine] = (TOY,),
    *,
    start: bool = True,
    metrics: Metrics | None = None,
    tracer: Tracer | None = None,
) -> AsyncGenerator[House, None]:
    """Everything of the kernel; `start=False` leaves writer and followers to the test."""
    desk = Desk(folder, engines)
    asker = Asker(desk.deciding, metrics=metrics, tracer=tracer)
    nursery = Nursery(lambda name, error: pytest.fail(f"{name} died: {error}"))
    try:
        async with open_reader(folder / "log.db") as reader:
            followers = Followers(asker, reader, metrics)
            followers.enrol(engines)
            if start:
                asker.start()
                await followers.start(nursery)
            yield House(desk, asker, reader, followers, nursery, folder)
            await nursery.close()
            await asker.stop()
    finally:
        desk.close()


@asynccontextmanager
async def open_line(house: House) -> AsyncGenerator[Line, None]:
    """The house's command socket, and one who speaks on it."""
    desk = house.desk
    server = CommandSocket(
        asker=house.asker,
        reader=house.reader,
        vault=desk.vault,
        clock=desk.clock,
        nursery=house.nursery,
    )
    path = house.folder / "s"
    async with server.serve(path):
        reader, writer = await asyncio.open_unix_connection(path, limit=LINE_BYTES_MAX)
        try:
            yield Line(server, path, reader, writer)
        finally:
            writer.close()


@dataclass(slots=True)
class Line:
    """One connection to the command socket."""

    server: CommandSocket
    path: Path
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, line: bytes) -> dict[str, Any]:
        """One line as it is, and the answer to it."""
        self.writer.write(line + b"\n")
        answer: dict[str, Any] = msgspec.json.decode(await self.reader.readline())
        return answer

    async def request(self, **fields: Any) -> dict[str, Any]:
        """One well-formed request, and its answer."""
        return await self.say(msgspec.json.encode({"n": 1, **fields}))
