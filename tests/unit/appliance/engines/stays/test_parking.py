"""Promises of parked items: a clerk may ask for another try, only a manager's word ends one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.engines.stays.messages import Refusal
from appliance.engines.stays.parked_messages import MarkParkedDone, RetryParked
from appliance.engines.stays.parking import ITEM_ID_CHARS_MAX, LAST_ASKED
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
