"""Promises of parked items: a clerk may ask for another try, only a manager ends or edits one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.engines.stays.messages import Refusal
from appliance.engines.stays.parked_messages import (
    EditParked,
    MarkParkedDone,
    ParkedAct,
    ParkedChange,
    ParkedDecided,
    ParkedField,
    RetryParked,
)
from appliance.engines.stays.parking import ITEM_ID_CHARS_MAX, LAST_ASKED, VALUE_CHARS_MAX
from appliance.kernel import codec
from appliance.kernel.messages import KernelRefusal
from support.desk import CLERK, MANAGER
from support.hotel import Hotel


@pytest.fixture
def hotel(tmp_path: Path) -> Iterator[Hotel]:
    hotel = Hotel(tmp_path)
    yield hotel
    hotel.close()


def test_what_was_asked_last_is_kept_with_its_time(hotel: Hotel) -> None:
    hotel.done(RetryParked(item_id="eff_1"), CLERK)
    hotel.done(MarkParkedDone(item_id="eff_1"), MANAGER)
    [(item_id, act, asked_ms)] = hotel.rows(LAST_ASKED)
    assert (item_id, act, asked_ms) == ("eff_1", "done", hotel.clock.read().wall_ms)
    assert hotel.last_kinds(2) == ["parked_decided"] * 2


def test_a_clerk_may_not_say_that_it_is_done(hotel: Hotel) -> None:
    assert hotel.refused(MarkParkedDone(item_id="eff_1"), CLERK) == KernelRefusal.WRONG_ROLE


@pytest.mark.parametrize(
    ("item_id", "refusal"),
    [(" ", Refusal.EMPTY), ("x" * (ITEM_ID_CHARS_MAX + 1), Refusal.TOO_LONG)],
)
def test_what_names_no_item_is_refused(hotel: Hotel, item_id: str, refusal: Refusal) -> None:
    assert hotel.refused(RetryParked(item_id=item_id), CLERK) == refusal


def test_a_card_number_is_no_item(hotel: Hotel) -> None:
    item = RetryParked(item_id="4111 1111 1111 1111")
    assert hotel.refused(item, CLERK) == KernelRefusal.CARD_NUMBER


def edit(*changes: tuple[ParkedField, str], item_id: str = "eff_1") -> EditParked:
    told = tuple(ParkedChange(field=field, value=value) for field, value in changes)
    return EditParked(item_id=item_id, changes=told)


def test_a_manager_edits_and_the_fact_says_what_the_vendor_is_told(hotel: Hotel) -> None:
    wish = edit(
        (ParkedField.ROOM, "102"),
        (ParkedField.ADULTS, "2"),
        (ParkedField.CHILDREN, "0"),
        (ParkedField.DEPARTURE, "2026-11-29"),
        (ParkedField.LEFT_ON, "2026-11-28"),
    )
    hotel.done(wish, MANAGER)
    fact = hotel.facts[-1].event
    assert fact == ParkedDecided(item_id="eff_1", act=ParkedAct.EDIT, changes=wish.changes)
    assert [row[1] for row in hotel.rows(LAST_ASKED)] == ["edit"]


def test_a_clerk_may_not_edit(hotel: Hotel) -> None:
    assert hotel.refused(edit((ParkedField.ROOM, "102")), CLERK) == KernelRefusal.WRONG_ROLE


@pytest.mark.parametrize(
    ("wish", "refusal"),
    [
        (edit(), Refusal.EMPTY),
        (edit((ParkedField.ROOM, "102"), item_id=" "), Refusal.EMPTY),
        (
            edit((ParkedField.ROOM, "102"), item_id="x" * (ITEM_ID_CHARS_MAX + 1)),
            Refusal.TOO_LONG,
        ),
        (edit((ParkedField.ROOM, "102"), (ParkedField.ROOM, "103")), Refusal.FIELD_TWICE),
        (edit((ParkedField.ROOM, "1" * (VALUE_CHARS_MAX + 1))), Refusal.TOO_LONG),
        (edit((ParkedField.ROOM, "Weber")), Refusal.UNKNOWN_ROOM),
        (edit((ParkedField.ROOM, "")), Refusal.UNKNOWN_ROOM),
        (edit((ParkedField.ADULTS, "100")), Refusal.BAD_VALUE),
        (edit((ParkedField.ADULTS, "-1")), Refusal.BAD_VALUE),
        (edit((ParkedField.CHILDREN, "\u0663")), Refusal.BAD_VALUE),
        (edit((ParkedField.CHILDREN, "")), Refusal.BAD_VALUE),
        (edit((ParkedField.DEPARTURE, "tomorrow")), Refusal.BAD_VALUE),
        (edit((ParkedField.LEFT_ON, "20261129")), Refusal.BAD_VALUE),
    ],
)
def test_nothing_but_rooms_numbers_and_days_is_written_down(
    hotel: Hotel, wish: EditParked, refusal: Refusal
) -> None:
    assert hotel.refused(wish, MANAGER) == refusal
    assert hotel.rows(LAST_ASKED) == []


def test_the_vendor_may_be_told_of_no_room(hotel: Hotel) -> None:
    hotel.done(edit((ParkedField.ROOM, "none")), MANAGER)


def test_a_decision_of_before_there_was_editing_reads_the_same() -> None:
    old = '{"item_id":"eff_1","act":"retry"}'
    fact = codec.decode_event(ParkedDecided.kind, old)
    assert fact == ParkedDecided(item_id="eff_1", act=ParkedAct.RETRY, changes=())
