"""Vendors' webhooks over real HTTP, from a process of their own: signed before the clock starts.

`python -m bench.webhook_flood PORT COUNT RATE` prints one JSON object. RATE 0 sends as fast as the
answers come. One in five is a repeat of an earlier one, one in five comes out of its turn.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from typing import Final

from appliance.kernel.clock import SystemClock, sleep
from support import webhooks
from support.webhooks import Posted

CONNECTIONS: Final = 64
REPEATED: Final = 0.2
MOVED: Final = 0.2
# How far one that is late falls behind.
MOVED_BY: Final = 50
CLOCK: Final = SystemClock(floor_path=None)


def made(count: int, chance: random.Random) -> list[bytes]:
    """Requests as bytes: two thirds signed by Stripe, the rest Mews' with a handful of bookings."""
    now_s, run = CLOCK.read().wall_s, chance.randrange(10**9)
    posts: list[Posted] = []
    while len(posts) < count:
        if posts and chance.random() < REPEATED:
            posts.append(chance.choice(posts[-500:]))
        elif chance.random() < 2 / 3:
            name = f"{run}x{len(posts)}"
            posts.append(webhooks.stripe(f"evt_{name}", f"pi_{name}", now_s))
        else:
            posts.append(webhooks.mews(*(f"booking-{chance.randrange(10**6)}" for _ in range(5))))
    for place in range(count - MOVED_BY):
        if chance.random() < MOVED:
            other = place + chance.randrange(1, MOVED_BY)
            posts[place], posts[other] = posts[other], posts[place]
    return [_bytes(each) for each in posts]


def _bytes(posted: Posted) -> bytes:
    lines = [f"POST {posted.path} HTTP/1.1", "Host: box", f"Content-Length: {len(posted.body)}"]
    lines += [f"{name}: {text}" for name, text in posted.headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + posted.body


class Flood:
    """Connections that are kept open, as vendors' are."""

    def __init__(self, port: int, requests: list[bytes], rate: float) -> None:
        self._port = port
        self._requests = requests
        self._rate = rate
        self._next = iter(enumerate(requests))
        self._started = 0.0
        self.times: list[float] = []
        self.statuses: dict[str, int] = {}

    async def run(self) -> float:
        """Send everything; the seconds it took."""
        self._started = time.perf_counter()
        await asyncio.gather(*(self._connection() for _ in range(CONNECTIONS)))
        return time.perf_counter() - self._started

    async def _connection(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        for number, request in self._next:
            due = self._started + number / self._rate if self._rate else 0.0
            if (early := due - time.perf_counter()) > 0:
                await sleep(CLOCK, early)
            # From when it was due: a sender that is late itself must not hide that we were slow.
            begun = due if self._rate else time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            self.times.append(time.perf_counter() - begun)
            status = head[9:12].decode()
            self.statuses[status] = self.statuses.get(status, 0) + 1
        writer.close()


def main() -> int:
    """Send, and say how it went."""
    port, count, rate = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    requests = made(count, random.Random())
    flood = Flood(port, requests, rate)
    print("ready", flush=True)
    sys.stdin.readline()
    seconds = asyncio.run(flood.run())
    said = {"seconds": seconds, "times": flood.times, "statuses": flood.statuses}
    print(json.dumps(said), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
