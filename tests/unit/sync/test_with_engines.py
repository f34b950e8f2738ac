"""Promises between sync, the real engines of rooms, and the PMS cloud: no conflict with ourselves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest

from appliance.engines.inventory.messages import AddRoom
from appliance.engines.stays.messages import (
    AssignRoom,
    CancelStay,
    ChangeDeparture,
    CheckIn,
    CheckOut,
    MarkNoShow,
    MoveRoom,
)
from appliance.engines.stays.parked_messages import EditParked, ParkedChange, ParkedField
from appliance.kernel.tasks import Nursery
from support.desk import MANAGER
from support.hotel import FRIDAY, Hotel, day, priced
from support.hotel_home import HotelHome
from sync.pms.mews.client import MewsAccount
from sync.running import Running
from sync.settings import SyncSettings
from sync.transport import CallTransport
from twin.clouds.faults import Fault
from twin.clouds.mews import ACCESS_TOKEN, CLIENT_TOKEN, CancellationReason, MewsStore, State
from twin.clouds.serve import PMS_IN_PROCESS, build
from twin.journal import Journal
from twin.line import Cut, Line


class Property:
    """A hotel, its cloud, and sync between them."""

    def __init__(self, folder: Path) -> None:
        self.hotel = Hotel(folder)
        self.clock = self.hotel.clock
        self.nursery = Nursery(lambda name, error: None)
        self.journal = Journal(clock=self.clock)
        self.store = MewsStore(self.clock, self.journal, time_zone="Europe/Vienna")
        self.line = Line(self.journal, self.clock, self.nursery)
        self.clouds = build(self.journal, self.clock, self.line, mews_store=self.store)
        for title, numbers in (("Double", ("101", "102", "103")), ("Suite", ("201",))):
            category = self.store.add_category(title, short=title[:3].upper())
            for number in numbers:
                self.store.add_room(number, category)
        self.running = Running(
            SyncSettings(
                ledger_path=folder / "sync.db",
                pms=MewsAccount(
                    base_url=PMS_IN_PROCESS, client_token=CLIENT_TOKEN, access_token=ACCESS_TOKEN
                ),
            ),
            clock=self.clock,
            home=HotelHome(self.hotel),
            transport=CallTransport(self.clouds.in_process().send),
            nursery=self.nursery,
        )
        self.running.start()

    def sold_by_a_channel(self, nights: int = 2) -> str:
        """A double from today on; Mews' id."""
        guest = self.store.put_customer("Hopper", "Grace")
        return self.store.put_reservation(
            customer_id=guest.id,
            category_id=next(iter(self.store.categories)),
            start_s=self.store.arrival_s(FRIDAY),
            end_s=self.store.departure_s(day(nights)),
            nights_minor=[9_000] * nights,
            adults=2,
        ).id

    def stay_of(self, upstream_id: str) -> str:
        [(stay_id,)] = self.hotel.rows(
            "SELECT stay_id FROM stays_stay WHERE upstream_id = ?", upstream_id
        )
        return str(stay_id)

    def stays(self) -> int:
        [(number,)] = self.hotel.rows("SELECT count(*) FROM stays_stay")
        return int(number)

    def conflicts(self) -> list[str]:
        return [
            str(what)
            for (what,) in self.hotel.rows(
                "SELECT what FROM stays_conflict WHERE settled_at_ms IS NULL"
            )
        ]

    async def settle(self) -> None:
        """Everything told, both ways, with the echo."""
        await self.clock.run_until(self.running.quiet(), limit_s=900)
        await self.clock.advance(60)
        await self.clock.run_until(self.running.quiet(), limit_s=900)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Property]:
    found = Property(tmp_path)
    yield found
    await found.nursery.close()
    found.running.close()
    found.hotel.close()


@pytest.mark.parametrize("dark", [False, True])
async def test_a_whole_stay_reaches_mews_and_its_echo_is_no_conflict(
    house: Property, *, dark: bool
) -> None:
    upstream = house.sold_by_a_channel()
    await house.settle()
    stay_id = house.stay_of(upstream)
    if dark:
        house.line.cut(Cut.SILENT)
    house.hotel.done(CheckIn(stay_id=stay_id, room_id="r101"))
    await house.clock.advance(600)
    house.hotel.done(MoveRoom(stay_id=stay_id, room_id="r102", reason="noise"))
    house.hotel.done(
        ChangeDeparture(stay_id=stay_id, departure=day(3), added_nights=priced(day(2), day(3)))
    )
    walk_in = house.hotel.sell(room_id="r103")["stay_id"]
    house.hotel.done(CheckIn(stay_id=walk_in))
    await house.clock.advance(600)
    house.hotel.done(CheckOut(stay_id=stay_id))
    house.line.heal()
    await house.settle()
    one = house.store.reservations[upstream]
    assert one.state is State.PROCESSED
    assert house.store.room_name(one.room_id) == "102"
    (sold,) = [each for key, each in house.store.reservations.items() if key != upstream]
    assert sold.state is State.STARTED
    assert house.stays() == 2
    assert house.conflicts() == []
    assert house.running.report()["parked"] == []
    assert house.hotel.state_of(stay_id) == "departed"
    assert house.hotel.state_of(walk_in) == "in_house"


@pytest.mark.parametrize(
    "fault", [Fault.LOST_REQUEST, Fault.LOST_ANSWER, Fault.BROKEN_STORED, Fault.CUT_BODY]
)
async def test_a_sale_whose_answer_is_lost_is_one_stay_and_one_booking(
    house: Property, fault: Fault
) -> None:
    await house.settle()
    house.clouds.mews.faults.plan("reservations/add", fault)
    house.hotel.sell()
    await house.settle()
    assert house.journal.count("pms.reservation.added") == 1
    assert house.stays() == 1
    assert house.conflicts() == []


async def test_no_show_and_cancellation_end_alike_on_both_sides(house: Property) -> None:
    upstream, other = house.sold_by_a_channel(), house.sold_by_a_channel()
    await house.settle()
    house.hotel.done(MarkNoShow(stay_id=house.stay_of(upstream)))
    house.hotel.done(CancelStay(stay_id=house.stay_of(other), reason="flight"))
    await house.settle()
    reasons = {
        name: house.store.reservations[name].cancellation_reason for name in (upstream, other)
    }
    assert reasons[upstream] is CancellationReason.NO_SHOW
    assert house.hotel.state_of(house.stay_of(upstream)) == "no_show"
    assert house.hotel.state_of(house.stay_of(other)) == "cancelled"
    assert house.conflicts() == []


async def test_a_channel_that_cancels_a_guest_in_house_asks_a_person(house: Property) -> None:
    upstream = house.sold_by_a_channel()
    await house.settle()
    stay_id = house.stay_of(upstream)
    house.hotel.done(CheckIn(stay_id=stay_id, room_id="r101"))
    await house.settle()
    house.store.cancel_reservation(upstream)
    await house.settle()
    assert house.hotel.state_of(stay_id) == "in_house"
    assert house.conflicts() == ["cancelled_in_house"]


async def test_a_cancellation_in_the_dark_and_a_check_in_in_the_dark_meet_at_a_person(
    house: Property,
) -> None:
    upstream = house.sold_by_a_channel()
    await house.settle()
    stay_id = house.stay_of(upstream)
    house.line.cut(Cut.SILENT)
    house.hotel.done(CheckIn(stay_id=stay_id, room_id="r101"))
    house.store.cancel_reservation(upstream)
    await house.clock.advance(3600)
    house.line.heal()
    await house.settle()
    assert house.hotel.state_of(stay_id) == "in_house"
    assert house.conflicts() == ["cancelled_in_house"]
    assert len(house.running.report()["parked"]) == 1


async def test_a_changed_booking_changes_the_stay(house: Property) -> None:
    upstream = house.sold_by_a_channel()
    await house.settle()
    house.store.modify_reservation(
        upstream, end_s=house.store.departure_s(day(4)), nights_minor=[9_000] * 4
    )
    await house.settle()
    [(departure,)] = house.hotel.rows("SELECT departure FROM stays_stay")
    assert date.fromisoformat(str(departure)) == day(4)


async def test_who_moves_into_a_room_in_the_dark_waits_for_whoever_left_it(
    house: Property,
) -> None:
    """Two lanes, one room: Mews refuses a second guest until the first one is checked out."""
    first, second = house.sold_by_a_channel(), house.sold_by_a_channel()
    await house.settle()
    leaves, comes = house.stay_of(first), house.stay_of(second)
    house.hotel.done(CheckIn(stay_id=leaves, room_id="r101"))
    await house.settle()
    house.line.cut(Cut.SILENT)
    house.hotel.done(CheckOut(stay_id=leaves))
    house.hotel.done(CheckIn(stay_id=comes, room_id="r101", accept_not_ready=True))
    # The check-out is hard to tell: the check-in must not overtake it.
    house.clouds.mews.faults.plan("reservations/process", Fault.SERVER_ERROR, times=2)
    house.line.heal()
    await house.settle()
    assert house.store.reservations[first].state is State.PROCESSED
    assert house.store.reservations[second].state is State.STARTED
    assert house.running.report()["parked"] == []


async def test_a_check_out_makes_up_for_a_check_in_that_mews_would_not_take(
    house: Property,
) -> None:
    upstream, store = house.sold_by_a_channel(), house.store
    (room_id,) = [room.id for room in store.rooms.values() if room.name == "101"]
    attic = store.add_category("Attic", short="ATT")
    unknown = store.put_reservation(
        customer_id=store.put_customer("Bell").id,
        category_id=attic.id,
        start_s=store.arrival_s(FRIDAY),
        end_s=store.departure_s(day(1)),
        nights_minor=[9_000],
        adults=1,
        room_id=room_id,
        state=State.STARTED,
    )
    await house.settle()
    stay_id = house.stay_of(upstream)
    house.hotel.done(CheckIn(stay_id=stay_id, room_id="r101"))
    await house.settle()
    (kept, refused) = [each["sentence"] for each in house.running.report()["parked"]]
    assert "room type" in kept
    assert refused.startswith("pms.start: Mews says")
    unknown.state = State.PROCESSED
    house.hotel.done(CheckOut(stay_id=stay_id))
    await house.settle()
    assert store.reservations[upstream].state is State.PROCESSED
    assert [each["sentence"] for each in house.running.report()["parked"]] == [kept]


async def test_a_manager_tells_mews_of_another_room_than_the_one_it_does_not_have(
    house: Property,
) -> None:
    upstream = house.sold_by_a_channel()
    number = AddRoom(room_id="r104", building_id="main", room_type_id="double", number="104")
    house.hotel.done(number, MANAGER)
    await house.settle()
    stay_id = house.stay_of(upstream)
    house.hotel.done(AssignRoom(stay_id=stay_id, room_id="r104"))
    await house.settle()
    [parked] = house.running.report()["parked"]
    assert parked["editable"] == {"room": "104"}
    change = ParkedChange(field=ParkedField.ROOM, value="103")
    house.hotel.done(EditParked(item_id=parked["id"], changes=(change,)), MANAGER)
    await house.settle()
    assert house.store.room_name(house.store.reservations[upstream].room_id) == "103"
    assert house.running.report()["parked"] == []
    # The box's own room stands, and that the two differ is a person's to settle.
    assert house.hotel.room_of(stay_id) == "r104"
    assert house.conflicts() == ["room_changed_here"]


@pytest.mark.parametrize("delay_s", [8.0, 25.0, 45.0])
async def test_a_sale_that_mews_carries_out_after_we_gave_it_up_is_one_booking(
    house: Property, delay_s: float
) -> None:
    """Mews has no keys: looked for before it was carried out, it would be sent a second time."""
    await house.settle()
    house.clouds.mews.faults.plan("reservations/add", Fault.SLOW, delay_s=delay_s)
    house.hotel.sell()
    await house.clock.advance(180)
    await house.settle()
    assert house.journal.count("pms.reservation.added") == 1
    assert house.stays() == 1
    assert house.conflicts() == []
