"""Promises of the questions asked of stays."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

from appliance.engines.housekeeping.messages import RoomStatus, SetRoomStatus
from appliance.engines.stays import queries
from appliance.engines.stays.directory import Directory
from appliance.engines.stays.messages import AddNote, CheckIn, CheckOut, Guest, StayState
from appliance.kernel.reader import Reader, open_reader
from support.hotel import GUEST, Hotel, day


@pytest.fixture
def hotel(tmp_path: Path) -> Iterator[Hotel]:
    hotel = Hotel(tmp_path)
    yield hotel
    hotel.close()


@pytest.fixture
async def reader(hotel: Hotel, tmp_path: Path) -> AsyncIterator[Reader]:
    async with open_reader(tmp_path / "log.db") as reader:
        yield reader


async def test_arrivals_are_who_is_expected_also_from_days_before(
    hotel: Hotel, reader: Reader
) -> None:
    today = hotel.learned("up-1")
    tomorrow = hotel.learned("up-2", arrival=day(1))
    assert [line.stay_id for line in await queries.arrivals(reader, day(0))] == [today]
    assert [line.stay_id for line in await queries.arrivals(reader, day(1))] == [today, tomorrow]
    hotel.done(CheckIn(stay_id=today, room_id="r101"))
    assert [line.stay_id for line in await queries.arrived(reader, day(0))] == [today]
    assert [line.room_number for line in await queries.in_house(reader)] == ["101"]


async def test_departures_are_who_should_leave_and_has_not(hotel: Hotel, reader: Reader) -> None:
    stay_id = hotel.learned(departure=day(1))
    hotel.done(CheckIn(stay_id=stay_id, room_id="r101"))
    assert await queries.departures(reader, day(0)) == []
    assert [line.stay_id for line in await queries.departures(reader, day(1))] == [stay_id]
    hotel.done(CheckOut(stay_id=stay_id))
    assert await queries.departures(reader, day(1)) == []


async def test_one_stay_tells_its_nights_guests_notes_and_conflicts(
    hotel: Hotel, reader: Reader
) -> None:
    stay_id = hotel.learned(room_id="r999")
    hotel.done(AddNote(stay_id=stay_id, text="cot"))
    line = await queries.stay(reader, stay_id)
    assert line is not None
    assert (line.nights_total_minor, line.currency, line.conflicts_open) == (20_000, "EUR", 1)
    assert [night.date for night in await queries.nights(reader, stay_id)] == [day(0), day(1)]
    assert await queries.fees(reader, stay_id) == []
    [guest] = (await queries.guests(reader, [stay_id]))[stay_id]
    opened = hotel.vault.open(guest.sealed, guest.place)
    assert opened is not None
    assert msgspec.json.decode(opened, type=Guest) == GUEST
    [note] = await queries.notes(reader, stay_id)
    assert hotel.vault.open(note.text.sealed, note.text.place) == "cot"
    [conflict] = await queries.conflicts(reader, stay_id=stay_id)
    assert (conflict.what, conflict.upstream_says) == ("unknown_room", "r999")
    assert await queries.stay(reader, "stay_nobody") is None


async def test_a_room_is_ready_when_it_is_clean_and_empty(hotel: Hotel, reader: Reader) -> None:
    stay_id = hotel.learned(room_id="r101")
    line = await queries.stay(reader, stay_id)
    assert line is not None
    assert line.room_ready is True
    hotel.done(SetRoomStatus(room_id="r101", status=RoomStatus.DIRTY))
    line = await queries.stay(reader, stay_id)
    assert line is not None
    assert line.room_ready is False


async def test_a_stay_is_found_by_either_code_and_by_the_number_on_the_door(
    hotel: Hotel, reader: Reader
) -> None:
    sold = hotel.sell()
    assert [line.stay_id for line in await queries.by_code(reader, sold["code"])] == [
        sold["stay_id"]
    ]
    assert await queries.in_room(reader, "101") is None
    hotel.done(CheckIn(stay_id=sold["stay_id"]))
    found = await queries.in_room(reader, "101")
    assert found is not None
    assert found.stay_id == sold["stay_id"]


async def test_the_board_shows_who_is_in_a_room_and_who_is_due_in_it(
    hotel: Hotel, reader: Reader
) -> None:
    due = hotel.learned("up-1", room_id="r101")
    inside = hotel.learned("up-2", room_id="r102")
    hotel.done(CheckIn(stay_id=inside))
    board = {line.number: line for line in await queries.room_board(reader)}
    assert board["101"].due_in == due
    assert board["102"].occupied_by == inside
    assert board["103"].occupied_by is None


async def test_every_stay_is_counted_in_exactly_one_state(hotel: Hotel, reader: Reader) -> None:
    hotel.learned("up-1")
    hotel.learned("up-2", state=StayState.CANCELLED)
    assert await queries.count_by_state(reader) == {
        StayState.CONFIRMED: 1,
        StayState.CANCELLED: 1,
    }


async def test_a_quote_prices_every_night_at_the_rate_of_the_type(
    hotel: Hotel, reader: Reader
) -> None:
    quoted = await queries.quote(reader, "double", day(0), day(2))
    assert quoted is not None
    assert [(night.amount_minor, night.price_source) for night in quoted] == [
        (10_000, "rate:double")
    ] * 2
    assert await queries.quote(reader, "cave", day(0), day(2)) is None


def copies(hotel: Hotel, stay_id: str, count: int) -> None:
    """As many stays more, each as this one is, with its guests and an open conflict."""
    more = f"SELECT i + 1 FROM n WHERE i < {count}"  # noqa: S608 - a number
    numbers = f"WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL {more})"
    for table in ("stays_stay", "stays_guest"):
        columns = [name for _, name, *_ in hotel.rows(f"PRAGMA table_info({table})")]
        others = ", ".join(name for name in columns if name != "stay_id")
        hotel.db.execute(
            f"{numbers} INSERT INTO {table} (stay_id, {others})"  # noqa: S608 - two names
            f" SELECT s.stay_id || i, {others.replace(', ', ', s.')} FROM n, {table} s"
            " WHERE s.stay_id = ?",
            (stay_id,),
        )
    hotel.db.execute(
        f"{numbers} INSERT INTO stays_conflict (conflict_id, stay_id, what, box_says,"  # noqa: S608 - numbers from above
        " upstream_says, raised_at_ms, items)"
        " SELECT 'c' || i, ? || i, 'overbooked', '', '', i, '[]' FROM n",
        (stay_id,),
    )


async def test_a_house_with_more_bookings_than_one_answer_holds_still_answers(
    hotel: Hotel, reader: Reader
) -> None:
    stay_id = hotel.learned("up-1")
    copies(hotel, stay_id, 10_001)
    directory = Directory(reader, hotel.vault)
    await directory.load()
    assert directory.names(f"{stay_id}10001")[0].guest == GUEST
    arrivals = await queries.arrivals(reader, day(0))
    assert len(arrivals) == queries.ARRIVALS_MAX
    named = await queries.guests(reader, [line.stay_id for line in arrivals])
    assert all(len(people) == 1 for people in named.values())


async def test_the_conflict_inbox_shows_the_oldest_open_ones_first_and_has_an_end(
    hotel: Hotel, reader: Reader
) -> None:
    stay_id = hotel.learned("up-1")
    copies(hotel, stay_id, 10_001)
    hotel.db.execute("UPDATE stays_conflict SET settled_at_ms = 1 WHERE conflict_id = 'c1'")
    open_ones = await queries.conflicts(reader)
    assert len(open_ones) == queries.CONFLICTS_MAX
    assert open_ones[0].conflict_id == "c2"
    assert (await queries.conflicts(reader, only_open=False))[0].conflict_id == "c2"
    [closed] = await queries.conflicts(reader, stay_id=f"{stay_id}1", only_open=False)
    assert closed.settled_at_ms == 1
