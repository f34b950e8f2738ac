"""Promises of the one way out: who goes first, and what a client may decide for it."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from appliance.kernel.virtual_clock import VirtualClock
from sync.gate import URGENT_MS_MAX, Gate, Held, Turnstile
from sync.ledger import Ledger
from sync.manners import Rule, Standing
from sync.transport import Answer, NoAnswer, Request

RULES = (Rule(requests_max=2, window_ms=10_000),)


class Vendor:
    """Answers in order, and remembers who asked when."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.answers: list[Answer | NoAnswer] = []
        self.asked: list[tuple[str, float]] = []

    async def send(self, request: Request) -> Answer | NoAnswer:
        self.asked.append((request.url, self.clock.monotonic()))
        return self.answers.pop(0) if self.answers else Answer(status=200)

    @property
    def order(self) -> list[str]:
        return [url for url, _ in self.asked]


class House:
    def __init__(self, folder: Path) -> None:
        self.clock = VirtualClock(1_786_723_200_000)
        self.vendor = Vendor(self.clock)
        self.ledger = Ledger(folder / "sync.db")
        self.gate = Gate(
            name="vendor",
            rules=RULES,
            ledger=self.ledger,
            clock=self.clock,
            transport=self.vendor,
            chance=random.Random(1),
        )

    async def send(self, url: str, **how: Any) -> Answer | NoAnswer | Held:
        return await self.gate.send(Request(method="GET", url=url), **how)

    async def all(self, *asking: Any) -> None:
        await self.clock.run_until(asyncio.gather(*asking), limit_s=600)

    @property
    def standing(self) -> Standing:
        return self.gate.breaker.standing


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    found = House(tmp_path)
    yield found
    found.ledger.close()


async def test_what_is_urgent_passes_those_who_wait_for_the_limit(house: House) -> None:
    plain = [house.send(f"plain{n}") for n in range(5)]
    await house.all(*plain, house.send("new", urgent=True), house.send("newer", urgent=True))
    # Two were let through and one had its turn when the urgent came; they wait for no other.
    assert house.vendor.order == [
        *(f"plain{n}" for n in range(3)),
        "new",
        "newer",
        "plain3",
        "plain4",
    ]


async def test_the_rest_waits_while_one_urgent_request_follows_another(house: House) -> None:
    house.gate._limiter = type(house.gate._limiter)(rules=(Rule(requests_max=99, window_ms=1_000),))

    async def look() -> None:
        for number in range(5):
            await house.send(f"look{number}", urgent=True)
            await house.clock.sleep_until(house.clock.monotonic() + 0.5)

    await house.all(look(), house.send("plain"))
    assert house.vendor.order == [*(f"look{n}" for n in range(5)), "plain"]


async def test_nobody_waits_for_the_urgent_for_ever(house: House) -> None:
    house.gate._limiter = type(house.gate._limiter)(rules=(Rule(requests_max=99, window_ms=1_000),))

    async def storm() -> None:
        for _ in range(200):
            await house.send("look", urgent=True)
            await house.clock.sleep_until(house.clock.monotonic() + 0.5)

    await house.all(storm(), house.send("plain"))
    (at_s,) = [at_s for url, at_s in house.vendor.asked if url == "plain"]
    assert at_s <= URGENT_MS_MAX / 1000 + 1


@pytest.mark.parametrize("urgent", [False, True])
async def test_a_turnstile_is_passed_on_whoever_is_cancelled(*, urgent: bool) -> None:
    turnstile, done = Turnstile(), list[str]()

    async def want(name: str) -> None:
        async with turnstile.turn(urgent=urgent):
            done.append(name)

    async with turnstile.turn():
        first, second, third = (asyncio.ensure_future(want(name)) for name in "abc")
        await asyncio.sleep(0)  # noqa: TID251 - lets them begin to wait; no time passes
        first.cancel()
    second.cancel()  # it was given the turn, and has not taken it yet
    await asyncio.gather(first, second, third, return_exceptions=True)
    assert done == ["c"]
    await want("d")
    assert done == ["c", "d"]


async def test_an_answer_left_to_the_client_opens_and_closes_nothing(house: House) -> None:
    house.gate.leave_to_client(401, 403)
    house.vendor.answers = [Answer(status=403), Answer(status=401)]
    await house.all(house.send("a"), house.send("b"))
    assert house.standing is Standing.OK
    assert house.gate.last_confirmed_ms is None
    assert house.gate.unanswered


async def test_a_client_may_refuse_for_us_and_may_know_that_we_wait(house: House) -> None:
    house.gate.refuse("they do not know us")
    assert isinstance(await house.send("a"), Held)
    assert house.standing is Standing.REFUSED
    await house.all(house.send("b", probe=True))
    house.gate.wait(60_000, "no token before noon")
    held = await house.send("c")
    assert isinstance(held, Held)
    assert (held.wait_ms, held.sentence) == (60_000, "no token before noon")
    await house.clock.advance(60)
    assert house.gate.closed_ms() == 0


async def test_what_is_sent_aside_spends_nothing_and_learns_of_the_line(house: House) -> None:
    house.vendor.answers = [Answer(status=429, headers={"retry-after": "9999"})]
    await house.gate.send_aside(Request(method="POST", url="token"))
    assert house.gate.closed_ms() == 0
    house.vendor.answers = [NoAnswer(sent=True, why="cut")] * 3
    for _ in range(3):
        await house.gate.send_aside(Request(method="POST", url="token"))
    assert house.standing is Standing.DOWN


async def test_what_the_vendor_says_is_left_is_waited_for(house: House) -> None:
    house.gate.heed((1,))
    began_s = house.clock.monotonic()
    await house.all(house.send("a"), house.send("b"))
    assert house.clock.monotonic() - began_s >= 10


def said_at(date_ms: int, **headers: str) -> Answer:
    text = format_datetime(datetime.fromtimestamp(date_ms / 1000, UTC), usegmt=True)
    return Answer(status=200, headers={"date": text, **headers})


async def test_a_date_that_jumps_is_believed_when_it_is_said_twice(house: House) -> None:
    now_ms, day_ms = house.clock.read().wall_ms, 86_400_000
    for date_ms, believed_ms in (
        (now_ms, now_ms),
        (now_ms + day_ms, now_ms),
        (now_ms + 1_000, now_ms + 1_000),
        (now_ms + day_ms, now_ms + 1_000),
        (now_ms - day_ms, now_ms + 1_000),
        (now_ms - day_ms + 1_000, now_ms - day_ms + 1_000),
    ):
        house.vendor.answers = [said_at(date_ms)]
        await house.gate.send_aside(Request(method="GET", url="x"))
        assert house.gate.vendor_now_ms() == believed_ms


async def test_until_when_to_wait_is_told_by_their_clock(house: House) -> None:
    theirs_ms = house.clock.read().wall_ms + 3 * 86_400_000
    until = format_datetime(datetime.fromtimestamp(theirs_ms / 1000 + 30, UTC), usegmt=True)
    answer = said_at(theirs_ms, **{"retry-after": until})
    house.vendor.answers = [replace(answer, status=429)]
    await house.send("x")
    assert house.gate.closed_ms() == 30_000


async def test_a_full_disk_ends_no_prober(house: House) -> None:
    house.vendor.answers = [NoAnswer(sent=True, why="cut")] * 3
    for _ in range(3):
        await house.gate.send_aside(Request(method="GET", url="x"))
    assert house.gate.closed_ms()
    full = [2]

    async def ask() -> None:
        if full[0]:
            full[0] -= 1
            raise sqlite3.OperationalError("database or disk is full")
        await house.send("probe", probe=True)

    probing = asyncio.ensure_future(house.gate.probe_for_ever(ask))
    await house.clock.advance(20)
    assert house.standing is Standing.OK
    assert not probing.done()
    probing.cancel()
