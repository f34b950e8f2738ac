"""Sync with Guesty as its PMS, before the twin in process, all on virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

from appliance.engines.inventory.messages import RoomAdded, RoomTypeAdded
from appliance.kernel.tasks import Nursery
from appliance.kernel.virtual_clock import VirtualClock
from support.sync_bench import ARRIVAL, DEPARTURE, FRIDAY_MS, SyncBench
from sync.ledger import Effect
from sync.pms.guesty.account import GuestyAccount, GuestyApi
from sync.pms.guesty.source import GuestySource
from twin.clouds.guesty import CLIENT_ID, CLIENT_SECRET, GuestyCloud, Status
from twin.clouds.guesty.records import Listing, Reservation
from twin.clouds.serve import build, in_process_url
from twin.line import Line


class GuestyBench(SyncBench):
    """The property of the other promises, at Guesty: one type, two units."""

    def __init__(self, folder: Path, clock: VirtualClock, nursery: Nursery, api: GuestyApi) -> None:
        super().__init__(folder, clock, nursery)
        self.cloud = GuestyCloud(clock, self.journal)
        self.store = self.cloud.store
        self.kind: Listing = self.store.add_type("Double", nickname="DBL")
        self.units = [self.store.add_unit(number, self.kind) for number in ("101", "102")]
        line = Line(self.journal, clock, nursery)
        self.clouds = build(self.journal, clock, line, others={"guesty": self.cloud})
        account = GuestyAccount(
            base_url=in_process_url("guesty"),
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            api=api,
        )
        self.settings = replace(self.settings, pms=account, door_codes=True)
        self.start_again()

    @property
    def source(self) -> GuestySource:
        """The adapter's reading half."""
        assert self.running.pull is not None
        found = self.running.pull.source
        assert isinstance(found, GuestySource)
        return found

    def furnish(self) -> None:
        """One type with two rooms, here and there."""
        self.box.say(
            RoomTypeAdded(
                room_type_id="double",
                title="Double",
                sleeps=2,
                rate_minor=10_000,
                currency="EUR",
                offline_allotment=2,
                upstream_id=self.kind.id,
            ),
            *(
                RoomAdded(
                    room_id=f"r{unit.title}",
                    building_id="main",
                    room_type_id="double",
                    number=unit.title,
                    floor=1,
                    upstream_id=unit.id,
                )
                for unit in self.units
            ),
        )

    def book_there(  # noqa: PLR0913 - the facts of one sale, all by name
        self,
        *,
        unit: int | None = None,
        arrival: date = ARRIVAL,
        departure: date = DEPARTURE,
        platform: str = "bookingCom",
        status: Status = Status.CONFIRMED,
        legacy: bool = True,
        fare_minor: int = 17_133,
    ) -> Reservation:
        """A channel sells two nights to Grace Hopper."""
        guest = self.store.put_guest("Grace", "Hopper", email="grace@example.com")
        listing = self.kind if unit is None else self.units[unit]
        return self.store.put_reservation(
            guest_id=guest.id,
            check_in=arrival,
            check_out=departure,
            listing_id=listing.id,
            source="Booking.com" if platform == "bookingCom" else platform,
            platform=platform,
            status=status,
            legacy=legacy,
            fare_minor=fare_minor,
        )

    def bookings(self) -> int:
        """How many reservations the twin's own journal has."""
        return self.journal.count("guesty.reservation.added")

    def learned(self) -> list[dict[str, object]]:
        """What the box was told of bookings, in order."""
        return self.box.of("stays.learn_booking")

    def effects(self, kind: str) -> list[Effect]:
        """Every effect of a kind."""
        return self.running.ledger.effects("kind = ?", kind)


@asynccontextmanager
async def guesty_bench(folder: Path, api: GuestyApi = GuestyApi.V3) -> AsyncIterator[GuestyBench]:
    """A furnished property whose sync stands still until it is told to take a turn."""
    clock = VirtualClock(FRIDAY_MS)
    nursery = Nursery(lambda name, error: None)
    bench = GuestyBench(folder, clock, nursery, api)
    bench.furnish()
    try:
        yield bench
    finally:
        await bench.nursery.close()
        bench.running.close()
