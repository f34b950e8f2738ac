"""From Mews' key cutter to a real key, and from a real key to its code at Mews, with every engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.bus.words import DeviceKind
from appliance.door_codes import DoorCodes
from appliance.engines.doors.credentials import Locksmith
from appliance.engines.doors.room import ENGINE as DOORS
from appliance.engines.inventory.messages import AddDevice, AddDoor
from appliance.engines.stays.messages import CheckIn, CheckOut, MoveRoom
from appliance.kernel.deciding import Asking
from appliance.kernel.messages import Admission, Answer
from appliance.kernel.tasks import Nursery
from support.desk import MANAGER
from support.doors_house import LoopReader
from support.hotel import FRIDAY, Hotel, day
from support.hotel_home import HotelHome
from support.lock_bench import ISSUER
from support.mews_stream import DialInProcess
from sync.home import Asked, DoorCode, HomeAwayError
from sync.pms.mews.client import MewsAccount
from sync.pms.mews.cutting import KEY_AGE_S_MAX
from sync.running import Running
from sync.settings import SyncSettings
from sync.transport import CallTransport
from twin.clouds.faults import Fault
from twin.clouds.mews import ACCESS_TOKEN, CLIENT_TOKEN, MewsStore
from twin.clouds.mews.records import AccessToken
from twin.clouds.mews.words import CommandState
from twin.clouds.serve import PMS_IN_PROCESS, build
from twin.journal import Journal
from twin.line import Cut, Line


class _HotelAsker:
    """The asker's port on the hotel itself."""

    def __init__(self, hotel: Hotel) -> None:
        self._hotel = hotel

    async def ask(self, asking: Asking, admission: Admission | None = None) -> Answer:
        del admission
        [decided] = self._hotel.deciding.carry_out([asking])
        self._hotel.facts.extend(decided.facts)
        return decided.answer


class DoorsHome(HotelHome):
    """A hotel with a doors engine.

    `losing` loses so many answers after they were given; `deaf` hears no cut at all.
    """

    def __init__(self, hotel: Hotel) -> None:
        super().__init__(hotel)
        self.losing = 0
        self.deaf = False
        self._codes = DoorCodes(
            asker=_HotelAsker(hotel),  # type: ignore[arg-type]
            reader=LoopReader(hotel),  # type: ignore[arg-type]
            locksmith=Locksmith(vault=hotel.vault, issuer=ISSUER),
            clock=hotel.clock,
        )

    async def ask(self, asked: Asked) -> Answer:
        if self.deaf and asked.name == "doors.cut_key":
            raise HomeAwayError("away")
        answer = await super().ask(asked)
        if self.losing and asked.name == "doors.cut_key":
            self.losing -= 1
            raise HomeAwayError("away")
        return answer

    async def door_code(self, stay_id: str) -> DoorCode | None:
        code = await self._codes.take({"stay_id": stay_id})
        return None if code is None else DoorCode(**code)


class Property:
    """A hotel with doors, Mews with a key cutter, and sync between them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hotel = Hotel(folder, more=[DOORS])
        for number in ("101", "102"):
            self.hotel.done(
                AddDevice(
                    device_id=f"lock-{number}",
                    kind=DeviceKind.LOCK,
                    room_id=f"r{number}",
                    vendor="t",
                ),
                MANAGER,
            )
            self.hotel.done(
                AddDoor(
                    door_id=f"door-{number}",
                    room_id=f"r{number}",
                    device_id=f"lock-{number}",
                    title=f"Door {number}",
                    number=int(number),
                ),
                MANAGER,
            )
        self.clock = self.hotel.clock
        self.nursery = Nursery(lambda name, error: None)
        self.journal = Journal(clock=self.clock)
        self.store = MewsStore(self.clock, self.journal, time_zone="Europe/Vienna")
        self.line = Line(self.journal, self.clock, self.nursery)
        self.clouds = build(self.journal, self.clock, self.line, mews_store=self.store)
        category = self.store.add_category("Double", short="DBL")
        self.rooms = {name: self.store.add_room(name, category).id for name in ("101", "102")}
        self.cutter = self.store.add_device()
        self.home = DoorsHome(self.hotel)
        self.running = Running(
            SyncSettings(
                ledger_path=folder / "sync.db",
                door_codes=True,
                pms=MewsAccount(
                    base_url=PMS_IN_PROCESS,
                    client_token=CLIENT_TOKEN,
                    access_token=ACCESS_TOKEN,
                    stream_url="wss://stream.twin",
                ),
            ),
            clock=self.clock,
            home=self.home,
            transport=CallTransport(self.clouds.in_process().send),
            nursery=self.nursery,
            dial=DialInProcess(self.clouds.mews.streams),
        )
        self.running.start()

    def sold(self) -> str:
        """Two nights in room 101 from today on; Mews' id."""
        guest = self.store.put_customer("Hopper", "Grace")
        return self.store.put_reservation(
            customer_id=guest.id,
            category_id=next(iter(self.store.categories)),
            start_s=self.store.arrival_s(FRIDAY),
            end_s=self.store.departure_s(day(2)),
            nights_minor=[9_000] * 2,
            adults=2,
            room_id=self.rooms["101"],
        ).id

    def stay_of(self, upstream_id: str) -> str:
        [(stay_id,)] = self.hotel.rows(
            "SELECT stay_id FROM stays_stay WHERE upstream_id = ?", upstream_id
        )
        return str(stay_id)

    def keys(self) -> int:
        """Keys that nobody revoked, prepared ones too."""
        [(number,)] = self.hotel.rows("SELECT count(*) FROM doors_key WHERE revoked_at_ms IS NULL")
        return int(number)

    def tokens(self) -> list[AccessToken]:
        return [one for one in self.store.access_tokens.values() if one.active]

    async def settle(self, seconds: float = 30.0) -> None:
        await self.clock.run_until(self.running.quiet(), limit_s=900)
        await self.clock.advance(seconds)
        await self.clock.run_until(self.running.quiet(), limit_s=900)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Property]:
    found = Property(tmp_path)
    yield found
    await found.nursery.close()
    found.running.close()
    found.hotel.close()


async def test_a_key_asked_for_at_mews_is_cut_and_its_code_is_in_the_booking(
    house: Property,
) -> None:
    upstream = house.sold()
    await house.settle()
    stay_id = house.stay_of(upstream)
    house.hotel.done(CheckIn(stay_id=stay_id, room_id="r101"))
    await house.settle()
    command = house.store.ask_for_keys(upstream, house.cutter.id)
    await house.settle()
    assert command.state is CommandState.PROCESSED
    assert house.keys() == 1
    [token] = house.tokens()
    assert (token.reservation_id, token.room_id) == (upstream, house.rooms["101"])
    assert len(token.value) == 6
    house.hotel.done(MoveRoom(stay_id=stay_id, room_id="r102", reason="noise"))
    await house.settle()
    [moved] = house.tokens()
    assert moved.room_id == house.rooms["102"]
    assert moved.value != token.value
    house.hotel.done(CheckOut(stay_id=stay_id))
    await house.settle()
    assert house.tokens() == []
    assert house.running.report()["parked"] == []
    kept = b"".join(path.read_bytes() for path in house.folder.glob("*.db*"))
    for secret in (token.value, moved.value):
        assert secret.encode() not in kept


async def test_a_lost_answer_of_the_box_and_a_long_silence_leave_one_key(house: Property) -> None:
    upstream = house.sold()
    await house.settle()
    house.hotel.done(CheckIn(stay_id=house.stay_of(upstream), room_id="r101"))
    await house.settle()
    house.home.losing = 1
    command = house.store.ask_for_keys(upstream, house.cutter.id)
    await house.clock.advance(1.5)
    assert house.keys() == 1
    house.line.cut(Cut.SILENT)
    await house.clock.advance(2 * KEY_AGE_S_MAX)
    house.line.heal()
    await house.settle(120)
    assert house.keys() == 1
    assert command.state is CommandState.PROCESSED


async def test_an_intent_that_the_box_never_heard_of_is_not_carried_out_late(
    house: Property,
) -> None:
    upstream = house.sold()
    await house.settle()
    house.hotel.done(CheckIn(stay_id=house.stay_of(upstream), room_id="r101"))
    await house.settle()
    house.home.deaf = True
    command = house.store.ask_for_keys(upstream, house.cutter.id)
    await house.clock.advance(KEY_AGE_S_MAX + 60)
    house.home.deaf = False
    await house.settle(120)
    assert house.keys() == 0
    assert command.state is CommandState.CANCELLED


async def test_the_kernel_never_cuts_a_key_that_was_asked_for_too_late(house: Property) -> None:
    upstream = house.sold()
    await house.settle()
    house.hotel.done(CheckIn(stay_id=house.stay_of(upstream), room_id="r101"))
    await house.settle()
    house.clouds.mews.faults.plan("commands/update", Fault.TOO_MANY)
    command = house.store.ask_for_keys(upstream, house.cutter.id)
    await asyncio.wait_for(house.clock.advance(1), 10)
    house.line.cut(Cut.SILENT)
    await house.clock.advance(2 * KEY_AGE_S_MAX)
    house.line.heal()
    await house.settle(120)
    assert house.keys() == 0
    assert command.state is CommandState.CANCELLED


async def test_a_guest_who_is_due_today_has_a_key_that_waits(house: Property) -> None:
    upstream = house.sold()
    await house.settle()
    command = house.store.ask_for_keys(upstream, house.cutter.id)
    await house.settle()
    assert command.state is CommandState.PROCESSED
    assert house.keys() == 1
    [token] = house.tokens()
    assert token.from_s == house.store.arrival_s(FRIDAY)
