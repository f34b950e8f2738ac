"""Rent day: ten thousand lines of the bank at once, and a door that must not notice."""

from __future__ import annotations

import asyncio
import tempfile
import time
from datetime import date
from pathlib import Path
from uuid import uuid4

from appliance.engines.doors.messages import HolderKind, OpenDoor, RenewLease
from appliance.engines.doors.room import ENGINE as DOORS
from appliance.engines.payments.messages import NoteBankLine
from appliance.engines.payments.rent_messages import AgreeRent, ChargeRents
from appliance.engines.payments.room import ENGINE as PAYMENTS
from appliance.engines.rules.room import ENGINE as RULES
from appliance.kernel.ask import Asker
from appliance.kernel.clock import SystemClock, sleep
from appliance.kernel.deciding import Asking
from appliance.kernel.messages import Answer, Command, Done, Who
from bench.figures import Figure, quantile
from support import news
from support.desk import BOX, CLERK, MANAGER, SYNC, Desk

LEASES = 10_000
PRESSES = 400
WARM_UP = 50
RENT_MINOR = 90_000
DAY = date(2026, 11, 1)
WALL = SystemClock(floor_path=None)


def _ready(folder: Path) -> Desk:
    """A house with a flat that has a key, and ten thousand leases whose rent is due today."""
    desk = Desk(folder, [news.NEWS, RULES, DOORS, PAYMENTS])
    for event in (news.property_set_up(), news.door_added(204)):
        desk.done(news.Happen(event=event))
    flat = RenewLease(lease_id="flat", room_id=news.ROOM(204), until=date(2027, 6, 30))
    desk.done(flat, BOX)
    for start in range(0, LEASES, 500):
        batch = [
            Asking(command=_agreement(number), command_id=f"a{number}", who=MANAGER)
            for number in range(start, start + 500)
        ]
        desk.deciding.carry_out(batch)
    after = ""
    while True:
        told = desk.done(ChargeRents(on=DAY, after=after), BOX)
        if not told["more"]:
            return desk
        after = desk.facts[-1].event.through  # type: ignore[attr-defined]


def _agreement(number: int) -> AgreeRent:
    return AgreeRent(
        lease_id=f"l{number:05}",
        monthly_minor=RENT_MINOR,
        currency="EUR",
        starts=DAY,
        due_day=1,
        reference=f"FLAT{number:05}",
    )


def _line(number: int) -> NoteBankLine:
    return NoteBankLine(
        line_id=f"line-{number}",
        account_ref="house",
        amount_minor=RENT_MINOR,
        currency="EUR",
        booked_on=DAY,
        reference=f"rent november FLAT{number:05}",
    )


async def _ask(asker: Asker, command: Command, who: Who, command_id: str) -> Answer:
    return await asker.ask(Asking(command=command, command_id=command_id, who=who))


async def _presses(asker: Asker, count: int) -> list[float]:
    press = OpenDoor(door_id="door-204", holder_kind=HolderKind.LEASE, holder_id="flat")
    times = []
    for number in range(count):
        started = time.perf_counter()
        answer = await _ask(asker, press, CLERK, f"p{uuid4()}")
        times.append(time.perf_counter() - started)
        assert isinstance(answer, Done), answer
        await sleep(WALL, 0.001 * (number % 5))
    return times


async def _rent_day(folder: Path) -> tuple[list[float], list[float], float, int]:
    desk = _ready(folder)
    asker = Asker(desk.deciding)
    asker.start()
    await _presses(asker, WARM_UP)
    quiet = await _presses(asker, PRESSES)
    started = time.perf_counter()
    lines = [
        asyncio.ensure_future(_ask(asker, _line(number), SYNC, f"n{number}"))
        for number in range(LEASES)
    ]
    await sleep(WALL, 0)
    busy: list[float] = []
    while not lines[-1].done() and len(busy) < PRESSES:
        busy += await _presses(asker, 1)
    answers = await asyncio.gather(*lines)
    rate = LEASES / (time.perf_counter() - started)
    assert all(isinstance(answer, Done) for answer in answers)
    await asker.stop()
    [(owed,)] = desk.rows(
        "SELECT count(*) FROM payments_account WHERE account LIKE 'rent:%' AND balance_minor != 0"
    )
    desk.close()
    return quiet, busy, rate, int(owed)


def measure() -> list[Figure]:
    """Every figure of this file."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as scratch:
        quiet, busy, rate, owed = asyncio.run(_rent_day(Path(scratch)))
    ratio = quantile(busy, 0.99) / quantile(quiet, 0.99)
    return [
        Figure(
            what="rent day: a door command behind 10,000 postings, p99 over its quiet p99",
            measured=f"{ratio:.2f}x",
            goal="<= 2x",
            met=ratio <= 2 and owed == 0,
            note=f"quiet {quantile(quiet, 0.99) * 1e3:.2f} ms, busy"
            f" {quantile(busy, 0.99) * 1e3:.2f} ms, {len(busy)} presses,"
            f" {rate:,.0f} postings/s, {owed} rents left open",
        )
    ]
