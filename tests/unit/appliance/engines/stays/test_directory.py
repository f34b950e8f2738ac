"""Promises of the directory of names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.engines.stays.directory import Directory
from appliance.engines.stays.messages import (
    CheckIn,
    CheckOut,
    Guest,
    MarkNoShow,
    RunNightAudit,
    StayState,
)
from appliance.engines.stays.rules import person_id_of
from appliance.kernel.reader import open_reader
from support.hotel import GUEST, Hotel, day


class Book:
    """A hotel and its directory, kept up as the box does it."""

    def __init__(self, hotel: Hotel, directory: Directory) -> None:
        self.hotel = hotel
        self.directory = directory

    def catch_up(self) -> None:
        """Hand the committed facts over, once."""
        self.directory.notice(self.hotel.facts)
        self.hotel.facts.clear()

    def found(self, typed: str) -> list[str]:
        """Stay ids that a search meets."""
        self.catch_up()
        return [found.stay_id for found in self.directory.search(typed)]


@pytest.fixture
async def book(tmp_path: Path) -> AsyncIterator[Book]:
    hotel = Hotel(tmp_path)
    async with open_reader(tmp_path / "log.db") as reader:
        directory = Directory(reader, hotel.vault)
        await directory.load()
        yield Book(hotel, directory)
    hotel.close()


@pytest.mark.parametrize("typed", ["gar", "LÓP", "lop", "maria", "garcia-l", "mar lop", " gar  "])
async def test_a_guest_is_found_by_the_beginning_of_any_part_of_the_name(
    book: Book, typed: str
) -> None:
    guest = Guest(given="María José", family="García-López")
    stay_id = book.hotel.learned(guests=(guest,))
    assert book.found(typed) == [stay_id]


@pytest.mark.parametrize("typed", ["", "  ", "arcia", "gar web", "%", "1"])
async def test_what_begins_no_name_finds_nobody(book: Book, typed: str) -> None:
    book.hotel.learned(guests=(Guest(given="María", family="García"),))
    assert book.found(typed) == []


async def test_every_guest_of_a_stay_counts(book: Book) -> None:
    second = replace(GUEST, given="Ida", family="Huber")
    stay_id = book.hotel.learned(guests=(GUEST, second))
    assert book.found("huber") == [stay_id]
    assert [person.guest.family for person in book.directory.names(stay_id)] == ["Weber", "Huber"]


async def test_namesakes_are_all_found_in_one_order(book: Book) -> None:
    stays = [book.hotel.learned(f"up-{number}", room_id=None) for number in range(3)]
    assert book.found("weber") == sorted(stays)


async def test_names_are_open_only_near_the_day(book: Book) -> None:
    far = book.hotel.learned(arrival=day(4))
    assert book.found("weber") == []
    book.hotel.done(RunNightAudit(closing=day(0)))
    assert book.found("weber") == [far]


async def test_a_guest_who_has_left_or_never_came_is_closed_again(book: Book) -> None:
    left = book.hotel.learned("up-1")
    absent = book.hotel.learned("up-2")
    book.hotel.done(CheckIn(stay_id=left, room_id="r101"))
    assert len(book.found("weber")) == 2
    book.hotel.done(CheckOut(stay_id=left))
    book.hotel.done(MarkNoShow(stay_id=absent))
    assert book.found("weber") == []
    book.hotel.learn("up-2", upstream_version="2", state=StayState.NO_SHOW)
    book.hotel.learn("up-2", upstream_version="3")
    assert book.found("weber") == [absent]


async def test_a_renamed_guest_is_found_by_the_new_name_only(book: Book) -> None:
    stay_id = book.hotel.learned()
    renamed = (replace(GUEST, family="Huber"),)
    book.hotel.learn(upstream_version="2", guests=renamed, guests_version="g2")
    assert book.found("huber") == [stay_id]
    assert book.found("weber") == []


async def test_a_forgotten_guest_is_gone_from_memory_at_once(book: Book) -> None:
    stay_id = book.hotel.learned()
    assert book.found("weber") == [stay_id]
    person = person_id_of(stay_id, 0)
    book.hotel.vault.forget(person, 0)
    book.directory.drop(person)
    assert book.found("weber") == []


async def test_after_a_restart_the_directory_knows_what_it_knew(book: Book, tmp_path: Path) -> None:
    stays = [book.hotel.learned("up-1"), book.hotel.learned("up-2", arrival=day(2))]
    book.hotel.done(CheckIn(stay_id=stays[0], room_id="r101"))
    async with open_reader(tmp_path / "log.db") as reader:
        again = Directory(reader, book.hotel.vault)
        await again.load()
    assert [found.stay_id for found in again.search("web")] == sorted(stays)
    assert "Weber" not in repr(again.__dict__["_entries"])
