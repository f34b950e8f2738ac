"""Promises of the calendar's tables and questions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.engines.calendar import projection
from appliance.kernel.reader import open_reader
from support.hotel import Hotel, day


@pytest.fixture
def hotel(tmp_path: Path) -> Iterator[Hotel]:
    hotel = Hotel(tmp_path)
    yield hotel
    hotel.close()


def test_the_table_itself_refuses_a_second_holder(hotel: Hotel) -> None:
    hotel.learn(room_id="r101")
    with pytest.raises(sqlite3.IntegrityError):
        hotel.db.execute(
            "INSERT INTO calendar_claim VALUES ('room:r101', ?, 'thief')", (str(day(0)),)
        )


async def test_availability_counts_rooms_holds_and_what_the_box_may_sell(
    hotel: Hotel, tmp_path: Path
) -> None:
    hotel.learn("up-1")
    hotel.sell()
    async with open_reader(tmp_path / "log.db") as reader:
        lines = await projection.availability(reader, day(0), day(2))
        free = await projection.free_rooms(reader, day(0), day(1))
    doubles = [line for line in lines if line.room_type_id == "double"]
    assert [(line.free, line.sellable) for line in doubles] == [(1, 1), (2, 2)]
    assert free == ["r102", "r103", "r201"]


async def test_an_overbooked_night_is_below_zero_and_not_sellable(
    hotel: Hotel, tmp_path: Path
) -> None:
    for number in range(4):
        hotel.learn(f"up-{number}")
    async with open_reader(tmp_path / "log.db") as reader:
        [first, *_] = await projection.availability(reader, day(0), day(1))
    assert (first.free, first.sellable) == (-1, 0)


async def test_two_years_of_many_types_are_answered_whole(hotel: Hotel, tmp_path: Path) -> None:
    hotel.db.execute(
        "WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 729),"
        " t(k) AS (VALUES (0) UNION ALL SELECT k + 1 FROM t WHERE k < 14)"
        " INSERT INTO calendar_hold SELECT 'h' || k, date(?, '+' || i || ' days'), 'type-' || k,"
        " 1, 0 FROM n, t",
        (day(0).isoformat(),),
    )
    hotel.db.execute(
        "INSERT INTO calendar_room_type SELECT DISTINCT room_type_id, 0 FROM calendar_hold"
    )
    async with open_reader(tmp_path / "log.db") as reader:
        lines = await projection.availability(reader, day(0), day(730))
    assert len(lines) == 730 * 17
    assert sum(line.held for line in lines) == 730 * 15
