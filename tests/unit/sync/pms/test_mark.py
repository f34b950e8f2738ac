"""The mark of a look is never later than its beginning, however long it took."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from appliance.kernel.clock import sleep
from appliance.kernel.virtual_clock import VirtualClock
from support.guesty_bench import GuestyBench, guesty_bench
from sync.transport import Answer, NoAnswer, Request, Transport

# Longer than the overlap with which a look reaches back.
STOPPED_S = 700.0


@pytest.fixture
async def guesty(tmp_path: Path) -> AsyncIterator[GuestyBench]:
    async with guesty_bench(tmp_path) as found:
        yield found


class StoppedAfter:
    """The process stands still between an answer and what it does with it (SIGSTOP)."""

    def __init__(self, inner: Transport, clock: VirtualClock) -> None:
        self._inner = inner
        self._clock = clock
        self.where: str | None = None
        self.at_once: Callable[[], object] = lambda: None
        self.at_the_end: Callable[[], object] = lambda: None

    async def send(self, request: Request) -> Answer | NoAnswer:
        """As the other; once something happens behind it, and it comes a long time later."""
        reply = await self._inner.send(request)
        if self.where is not None and self.where in request.url:
            self.where = None
            self.at_once()
            await sleep(self._clock, STOPPED_S)
            self.at_the_end()
        return reply


async def test_what_was_sold_while_a_look_stood_still_is_found(guesty: GuestyBench) -> None:
    made: list[StoppedAfter] = []

    def wrap(inner: Transport) -> Transport:
        made.append(StoppedAfter(inner, guesty.clock))
        return made[-1]

    guesty.wrap = wrap
    guesty.start_again()
    known = guesty.book_there()
    await guesty.turns(2)
    guesty.store.set_people(known, 1, 0, by="channel")
    # The list names only the known one; its record is read by id after it changed once more.
    sold: list[str] = []
    made[-1].where = "/v1/reservations?filters"
    made[-1].at_once = lambda: sold.append(guesty.book_there().id)
    made[-1].at_the_end = lambda: guesty.store.set_people(known, 2, 1, by="channel")
    await guesty.clock.run_until(guesty.running.look(), limit_s=2 * STOPPED_S)
    assert made[-1].where is None
    await guesty.turns(2)
    assert sold[0] in {body["upstream_id"] for body in guesty.learned()}
