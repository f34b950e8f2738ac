"""Drawers: one at a terminal, counted blind, closed once, over and short in the books."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.engines.payments.drawer_messages import CloseDrawer, DrawerClosed, OpenDrawer
from appliance.engines.payments.drawers import drawers
from appliance.engines.payments.messages import RecordCash, RecordSlip, RefundPayment, Refusal
from appliance.engines.payments.queries import cash_of_shift
from appliance.engines.payments.room import ENGINE
from appliance.kernel.reader import open_reader
from support.desk import CLERK
from support.hotel import Hotel

OPEN = OpenDrawer(float_minor=10_000, currency="EUR")


@pytest.fixture
def hotel(tmp_path: Path) -> Iterator[Hotel]:
    hotel = Hotel(tmp_path, more=[ENGINE])
    yield hotel
    hotel.close()


@pytest.fixture
def drawer_id(hotel: Hotel) -> str:
    return str(hotel.done(OPEN)["drawer_id"])


def counted(drawer_id: str, cash_minor: int, slips_minor: int = 0) -> CloseDrawer:
    return CloseDrawer(
        drawer_id=drawer_id, counted_minor=cash_minor, slips_minor=slips_minor, currency="EUR"
    )


def books(hotel: Hotel) -> dict[str, int]:
    rows = hotel.rows(
        "SELECT account, balance_minor FROM payments_account WHERE balance_minor != 0"
    )
    return {str(row[0]): int(row[1]) for row in rows}


def test_a_terminal_has_one_open_drawer(hotel: Hotel, drawer_id: str) -> None:
    assert hotel.refused(OPEN) == Refusal.DRAWER_OPEN
    assert hotel.refused(OPEN, replace(CLERK, terminal=None)) == Refusal.NO_TERMINAL
    assert hotel.refused(replace(OPEN, currency="USD")) == Refusal.BAD_CURRENCY
    elsewhere = replace(CLERK, terminal="desk-2")
    assert hotel.refused(replace(OPEN, float_minor=-1), elsewhere) == Refusal.BAD_AMOUNT
    assert hotel.done(OPEN, elsewhere)["drawer_id"] != drawer_id


async def test_what_is_over_or_short_is_said_after_the_count_and_stays(
    hotel: Hotel, drawer_id: str, tmp_path: Path
) -> None:
    stay_id = hotel.learned()
    payment = hotel.done(RecordCash(stay_id=stay_id, amount_minor=5_000, currency="EUR"))
    slip = RecordSlip(stay_id=stay_id, amount_minor=2_000, currency="EUR", slip_number="TX-1")
    hotel.done(slip)
    back = RefundPayment(amount_minor=1_000, currency="EUR", reason="too much", **payment)
    hotel.done(back)
    # Another terminal's cash lies elsewhere.
    elsewhere = replace(CLERK, terminal="desk-2", shift="shift-2")
    hotel.done(RecordCash(stay_id=stay_id, amount_minor=700, currency="EUR"), elsewhere)
    told = hotel.done(counted(drawer_id, 13_900, 2_000))
    assert told == {"over_short_minor": -100, "slips_over_short_minor": 0}
    assert books(hotel) == {
        "cash:loose/desk-2": 700,
        "clearing:terminal": 2_000,
        f"deposits:{stay_id}": -6_700,
        "over_short": 100,
        "safe": 3_900,
    }
    async with open_reader(tmp_path / "log.db") as reader:
        [row] = await drawers(reader, open_only=False)
        assert (row.terminal, row.opened_by, row.closed_by) == ("desk-1", CLERK.actor, CLERK.actor)
        assert (row.counted_minor, row.expected_minor) == (13_900, 14_000)
        assert await drawers(reader, open_only=True) == []
        assert await cash_of_shift(reader, "shift-1") == 4_000


def test_a_drawer_is_not_closed_twice(hotel: Hotel, drawer_id: str) -> None:
    assert hotel.refused(counted(drawer_id, -1)) == Refusal.BAD_AMOUNT
    assert hotel.refused(replace(counted(drawer_id, 1), currency="USD")) == Refusal.BAD_CURRENCY
    assert hotel.refused(counted("drawer_x", 1)) == Refusal.UNKNOWN_DRAWER
    hotel.ask(counted(drawer_id, 10_000), command_id="once")
    hotel.ask(counted(drawer_id, 10_000), command_id="once")
    assert hotel.refused(counted(drawer_id, 10_000)) == Refusal.ALREADY_CLOSED
    assert len([f for f in hotel.facts if isinstance(f.event, DrawerClosed)]) == 1
    hotel.done(OPEN)


async def test_an_open_drawer_can_be_read_at_any_time(
    hotel: Hotel, drawer_id: str, tmp_path: Path
) -> None:
    stay_id = hotel.learned()
    hotel.done(RecordCash(stay_id=stay_id, amount_minor=5_000, currency="EUR"))
    async with open_reader(tmp_path / "log.db") as reader:
        [row] = await drawers(reader, open_only=True)
    assert (row.drawer_id, row.float_minor, row.expected_minor) == (drawer_id, 10_000, 15_000)
    assert (row.counted_minor, row.slips_expected_minor) == (None, 0)
