"""A reservation moves through its life only on the vendor's conditions, told as sentences."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from appliance.kernel.virtual_clock import VirtualClock
from support.clouds import FRIDAY, House, Pms
from twin.clouds.mews import CancellationReason, RoomState, State
from twin.journal import Journal


async def refused(pms: Pms, action: str, **fields: Any) -> str:
    answer = await pms.ask(action, **fields)
    assert answer.status == 403
    return answer.message


async def test_a_stay_is_checked_in_and_out(
    pms: Pms, house: House, clock: VirtualClock, journal: Journal
) -> None:
    one = house.sell(room_id=house.room("101"), paid_elsewhere=True)
    await pms.good("reservations/start", ReservationId=one.id)
    await clock.advance(2 * 24 * 3600)
    await pms.good("reservations/process", ReservationId=one.id)
    assert one.state == "Processed"
    assert house.store.rooms[house.room("101")].state is RoomState.DIRTY
    kinds = [entry["kind"] for entry in journal.read()]
    assert kinds == [
        "pms.reservation.added",
        "pms.reservation.started",
        "pms.reservation.processed",
    ]


async def test_check_in_wants_a_confirmed_stay_that_has_begun_and_a_room(
    pms: Pms, house: House
) -> None:
    roomless, later = house.sell(), house.sell(FRIDAY + timedelta(days=1))
    gone = house.sell()
    house.store.cancel_reservation(gone.id)
    assert "no space" in await refused(pms, "reservations/start", ReservationId=roomless.id)
    assert "future" in await refused(pms, "reservations/start", ReservationId=later.id)
    assert "Canceled" in await refused(pms, "reservations/start", ReservationId=gone.id)


async def test_check_in_wants_an_inspected_room_where_the_property_says_so(
    pms: Pms, house: House
) -> None:
    house.store.inspected_rooms_only = True
    one = house.sell(room_id=house.room("101"))
    state = {"ResourceId": house.room("101"), "State": {"Value": "Dirty"}}
    await pms.good("resources/update", ResourceUpdates=[state])
    assert "Dirty" in await refused(pms, "reservations/start", ReservationId=one.id)
    await pms.good("resources/update", ResourceUpdates=[state | {"State": {"Value": "Inspected"}}])
    await pms.good("reservations/start", ReservationId=one.id)


async def test_check_out_wants_the_last_day_and_nothing_open(
    pms: Pms, house: House, clock: VirtualClock
) -> None:
    one = house.sell(room_id=house.room("101"))
    assert "not Started" in await refused(pms, "reservations/process", ReservationId=one.id)
    await pms.good("reservations/start", ReservationId=one.id)
    assert "last day" in await refused(pms, "reservations/process", ReservationId=one.id)
    await clock.advance(2 * 24 * 3600)
    assert "balance" in await refused(pms, "reservations/process", ReservationId=one.id)
    allowed = {"ReservationId": one.id, "AllowOpenBalance": True}
    assert "Notes" in await refused(pms, "reservations/process", **allowed)
    await pms.good("reservations/process", Notes="pays by transfer", **allowed)


async def test_what_was_paid_counts_towards_the_balance(
    pms: Pms, house: House, clock: VirtualClock
) -> None:
    one = house.sell(room_id=house.room("101"))
    await pms.good("reservations/start", ReservationId=one.id)
    await clock.advance(2 * 24 * 3600)
    await pms.good(
        "payments/addExternal",
        AccountId=house.guest.id,
        ReservationId=one.id,
        Amount={"Currency": "EUR", "GrossValue": 200},
        Type="Cash",
    )
    await pms.good("reservations/process", ReservationId=one.id)


async def test_only_an_optional_reservation_is_confirmed(pms: Pms, house: House) -> None:
    held, sold = house.sell(state=State.OPTIONAL), house.sell()
    both = {"ReservationIds": [held.id, sold.id]}
    assert "Confirmed" in await refused(pms, "reservations/confirm", **both)
    assert held.state is State.OPTIONAL
    await pms.good("reservations/confirm", ReservationIds=[held.id])
    assert house.store.reservations[held.id].state == "Confirmed"


async def test_a_cancellation_says_why_and_is_all_or_none(
    pms: Pms, house: House, journal: Journal
) -> None:
    one, two = house.sell(), house.sell(state=State.STARTED)
    assert (await pms.ask("reservations/cancel", ReservationIds=[one.id])).status == 400
    fields = {"Notes": "did not come", "CancellationReason": "NoShow"}
    both = [one.id, two.id]
    assert "Started" in await refused(pms, "reservations/cancel", ReservationIds=both, **fields)
    assert one.state is State.CONFIRMED
    await pms.good("reservations/cancel", ReservationIds=[one.id], **fields)
    assert one.cancellation_reason is CancellationReason.NO_SHOW
    assert journal.count("pms.reservation.canceled", reason="NoShow", by="connector") == 1
    assert "Canceled" in await refused(
        pms, "reservations/cancel", ReservationIds=[one.id], **fields
    )


async def test_a_channel_cancels_a_guest_who_is_in_house(house: House, journal: Journal) -> None:
    one = house.sell(state=State.STARTED)
    house.store.cancel_reservation(one.id)
    assert one.state == "Canceled"
    assert journal.count("pms.reservation.canceled", by="channel") == 1


@pytest.mark.parametrize(
    "action", ["reservations/start", "reservations/process", "reservations/updateInterval"]
)
async def test_a_reservation_nobody_knows_is_400(pms: Pms, action: str) -> None:
    unknown = "0f515589-99b4-423d-b83a-b237009f0509"
    answer = await pms.ask(action, ReservationId=unknown)
    assert answer.status == 400
    assert "does not exist" in answer.message
