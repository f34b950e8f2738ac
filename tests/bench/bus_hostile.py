"""One hostile or broken client of the bus, as a process of its own: KIND PORT NAME TOKEN.

It prints a line when it is at work and goes on until it is ended.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

from appliance.bus.broker.packets import Publish, encode_publish
from support.mqtt_probe import ANSWER_S_MAX, Hello, Probe, frame, probe

# Eight at a time: as many sockets as one satellite could reasonably open.
STORM = 8


async def _enter(port: int, name: str, token: str) -> Probe:
    connection = await probe(port)
    await connection.hello(Hello(client_id=name, username=name, password=token))
    return connection


async def stalled(port: int, name: str, token: str) -> None:
    """Subscribe to everything and never read; come back whenever cut."""
    while True:
        connection = await _enter(port, name, token)
        await connection.subscribe("np/+/up/#", 1)
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
        try:
            # A stalled process does not even notice that it was cut, for a while.
            async with asyncio.timeout(ANSWER_S_MAX):
                await asyncio.Event().wait()
        except TimeoutError:
            connection.writer.transport.abort()


async def flood(port: int, name: str, token: str) -> None:
    """Publish without a pause, on a topic that is rightly its own."""
    packet = encode_publish(Publish(topic=f"np/{name}/up/telemetry", payload=bytes(512)))
    connection = await _enter(port, name, token)
    while True:
        connection.send(packet * 16)
        await connection.writer.drain()


async def guesses(port: int, name: str, token: str) -> None:
    """Knock with a wrong password, again and again, from several sockets."""

    async def knock() -> None:
        while True:
            with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                connection = await _enter(port, name, token[:-1] + "!")
                connection.writer.close()
                await connection.writer.wait_closed()

    await asyncio.gather(*(knock() for _ in range(STORM)))


async def garbage(port: int, name: str, token: str) -> None:
    """Break the protocol in a proven name, come back, break it again."""

    async def break_in() -> None:
        while True:
            with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                connection = await _enter(port, name, token)
                connection.send(frame(0x36, b"\0\1x\0\1"))
                await connection.gone()
                connection.writer.close()

    await asyncio.gather(*(break_in() for _ in range(STORM)))


KINDS: dict[str, Callable[[int, str, str], Awaitable[None]]] = {
    "stalled": stalled,
    "flood": flood,
    "guesses": guesses,
    "garbage": garbage,
}


if __name__ == "__main__":
    kind, port, name, token = sys.argv[1:]
    print("at work", flush=True)
    asyncio.run(KINDS[kind](int(port), name, token))  # type: ignore[arg-type]
