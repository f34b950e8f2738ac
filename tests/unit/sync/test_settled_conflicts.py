"""Promises about a settled conflict: both sides end alike, whichever of them was kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from appliance.engines.stays.messages import (
    ChangeDeparture,
    CheckIn,
    ItemField,
    SettleConflict,
    StayState,
    UndoDecision,
)
from support.desk import SYNC
from support.hotel import booking, day, priced
from twin.clouds.mews import State
from twin.line import Cut
from unit.sync.test_with_engines import Property


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Property]:
    found = Property(tmp_path)
    yield found
    await found.nursery.close()
    found.running.close()
    found.hotel.close()


def decide(house: Property, stay_id: str, *, accept: tuple[ItemField, ...] = ()) -> None:
    [(conflict_id,)] = house.hotel.rows(
        "SELECT conflict_id FROM stays_conflict WHERE settled_at_ms IS NULL"
    )
    house.hotel.done(
        SettleConflict(
            stay_id=stay_id, conflict_id=str(conflict_id), take_upstream=False, accept=accept
        )
    )


async def in_house(house: Property) -> tuple[str, str]:
    upstream = house.sold_by_a_channel()
    await house.settle()
    stay_id = house.stay_of(upstream)
    house.hotel.done(CheckIn(stay_id=stay_id, room_id="r101"))
    await house.settle()
    return upstream, stay_id


def departure(house: Property) -> str:
    [(found,)] = house.hotel.rows("SELECT departure FROM stays_stay")
    return str(found)


def effects(house: Property) -> list[tuple[Any, ...]]:
    rows = house.running.ledger.db.execute("SELECT kind, state FROM effect ORDER BY seq")
    return [tuple(row) for row in rows]


async def test_a_kept_departure_is_told_and_its_echo_is_no_conflict(house: Property) -> None:
    upstream, stay_id = await in_house(house)
    house.store.modify_reservation(
        upstream, end_s=house.store.departure_s(day(4)), nights_minor=[9_000] * 4
    )
    await house.settle()
    assert house.conflicts() == ["dates_in_house"]
    decide(house, stay_id)
    await house.settle()
    assert house.store.reservations[upstream].end_s == house.store.departure_s(day(2))
    assert departure(house) == day(2).isoformat()
    assert house.conflicts() == []
    assert house.running.report()["parked"] == []


async def test_a_taken_departure_is_told_to_nobody(house: Property) -> None:
    upstream, stay_id = await in_house(house)
    house.store.modify_reservation(
        upstream, end_s=house.store.departure_s(day(4)), nights_minor=[9_000] * 4
    )
    await house.settle()
    before = effects(house)
    decide(house, stay_id, accept=(ItemField.DEPARTURE,))
    await house.settle()
    assert effects(house) == before
    assert departure(house) == day(4).isoformat()
    assert house.store.reservations[upstream].end_s == house.store.departure_s(day(4))
    assert house.conflicts() == []


async def test_a_kept_room_is_told(house: Property) -> None:
    upstream, stay_id = await in_house(house)
    (other,) = [room.id for room in house.store.rooms.values() if room.name == "102"]
    house.store.modify_reservation(upstream, room_id=other)
    await house.settle()
    assert house.conflicts() == ["room_in_house"]
    decide(house, stay_id)
    await house.settle()
    assert house.store.room_name(house.store.reservations[upstream].room_id) == "101"
    assert house.hotel.room_of(stay_id) == "r101"
    assert house.conflicts() == []


async def test_a_guest_kept_in_house_is_called_back_by_hand(house: Property) -> None:
    upstream, stay_id = await in_house(house)
    house.store.cancel_reservation(upstream)
    await house.settle()
    decide(house, stay_id)
    await house.settle()
    (parked,) = house.running.report()["parked"]
    assert "call it back at the PMS" in parked["sentence"]
    # Asked again, it stays a person's work; the rest of the stay goes on.
    house.running.carrier.retry(parked["id"])
    await house.settle()
    (again,) = house.running.report()["parked"]
    assert "call it back at the PMS" in again["sentence"]
    house.running.carrier.settle_by_hand(parked["id"])
    assert house.running.report()["parked"] == []
    assert house.conflicts() == []


async def test_a_taken_cancellation_is_told_to_nobody(house: Property) -> None:
    upstream, stay_id = await in_house(house)
    house.store.cancel_reservation(upstream)
    await house.settle()
    before = effects(house)
    decide(house, stay_id, accept=(ItemField.STATE,))
    await house.settle()
    assert effects(house) == before
    assert house.hotel.state_of(stay_id) == "departed"
    assert house.store.reservations[upstream].state is State.CANCELED


async def test_a_decision_taken_back_in_the_dark_tells_nothing(house: Property) -> None:
    """What waits to be told goes with the decision; decided again, it is told once."""
    upstream, stay_id = await in_house(house)
    house.store.modify_reservation(
        upstream, end_s=house.store.departure_s(day(4)), nights_minor=[9_000] * 4
    )
    await house.settle()
    before = effects(house)
    house.line.cut(Cut.SILENT)
    decide(house, stay_id)
    [(decision_id,)] = house.hotel.rows(
        "SELECT decision_id FROM stays_decision WHERE kind = 'settled'"
    )
    house.hotel.done(UndoDecision(stay_id=stay_id, decision_id=str(decision_id)))
    await house.clock.advance(5)
    assert house.conflicts() == ["dates_in_house"]
    house.line.heal()
    await house.settle()
    assert house.store.reservations[upstream].end_s == house.store.departure_s(day(4))
    decide(house, stay_id)
    await house.settle()
    new = effects(house)[len(before) :]
    assert [state for kind, state in new if kind == "pms.depart"] == ["expired", "succeeded"]
    assert house.store.reservations[upstream].end_s == house.store.departure_s(day(2))
    assert house.conflicts() == []


async def test_an_act_that_waits_does_not_decide_a_conflict(house: Property) -> None:
    """The PMS's change came home while the desk's waited to be sent: a person decides first."""
    upstream, stay_id = await in_house(house)
    house.line.cut(Cut.SILENT)
    house.store.modify_reservation(
        upstream, end_s=house.store.departure_s(day(4)), nights_minor=[9_000] * 4
    )
    house.hotel.done(
        ChangeDeparture(stay_id=stay_id, departure=day(3), added_nights=priced(day(2), day(3)))
    )
    says = booking(
        upstream,
        source="mews",
        upstream_version="2099-01-01T00:00:00Z",
        state=StayState.IN_HOUSE,
        room_id="r101",
        departure=day(4),
    )
    house.hotel.done(says, SYNC)
    await house.clock.advance(5)
    assert house.conflicts() == ["dates_in_house"]
    house.line.heal()
    await house.settle()
    assert house.store.reservations[upstream].end_s == house.store.departure_s(day(4))
    decide(house, stay_id)
    await house.settle()
    assert house.store.reservations[upstream].end_s == house.store.departure_s(day(3))
    assert departure(house) == day(3).isoformat()
    assert house.conflicts() == []


@pytest.mark.parametrize("keep", [True, False])
async def test_what_both_changed_in_the_dark_is_a_persons_to_decide(
    house: Property, *, keep: bool
) -> None:
    """The desk's act waits in the queue while the PMS has another opinion: nothing overwrites it."""
    upstream, stay_id = await in_house(house)
    house.line.cut(Cut.SILENT)
    await house.clock.advance(120)
    house.store.modify_reservation(
        upstream, end_s=house.store.departure_s(day(4)), nights_minor=[9_000] * 4
    )
    house.hotel.done(
        ChangeDeparture(stay_id=stay_id, departure=day(3), added_nights=priced(day(2), day(3)))
    )
    await house.clock.advance(3_600)
    house.line.heal()
    await house.settle()
    assert house.conflicts() == ["dates_in_house"]
    assert house.store.reservations[upstream].end_s == house.store.departure_s(day(4))
    decide(house, stay_id, accept=() if keep else (ItemField.DEPARTURE,))
    await house.settle()
    decided = day(3) if keep else day(4)
    assert departure(house) == decided.isoformat()
    assert house.store.reservations[upstream].end_s == house.store.departure_s(decided)
    assert house.conflicts() == []
