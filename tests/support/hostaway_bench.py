"""Sync between a box in memory and the twin's Hostaway in process, all on virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from appliance.engines.inventory.messages import RoomAdded, RoomTypeAdded
from appliance.engines.payments.messages import PaymentSettled
from appliance.engines.stays.messages import DepartureChanged, Night
from appliance.kernel.tasks import Nursery
from appliance.kernel.virtual_clock import VirtualClock
from support.sync_bench import ARRIVAL, DEPARTURE, FRIDAY_MS, SyncBench
from sync.home import DoorCode
from sync.ledger import Draft, Priority
from sync.pms.hostaway.source import HostawaySource
from sync.pms.hostaway.token import HostawayAccount
from twin.clouds.hostaway import ACCOUNT_ID, CLIENT_SECRET, HostawayCloud
from twin.clouds.hostaway.records import Listing, Reservation, Webhook
from twin.clouds.serve import build, in_process_url
from twin.line import Line

BASE_URL = in_process_url("hostaway")


class HostawayBench(SyncBench):
    """One property whose bookings are at Hostaway; `start_again` is a kill."""

    def __init__(self, folder: Path, clock: VirtualClock, nursery: Nursery) -> None:
        super().__init__(folder, clock, nursery)
        self.cloud = HostawayCloud(clock, self.journal)
        self.store = self.cloud.store
        line = Line(self.journal, clock, nursery)
        self.clouds = build(self.journal, clock, line, others={"hostaway": self.cloud})
        account = HostawayAccount(
            base_url=BASE_URL, client_id=str(ACCOUNT_ID), client_secret=CLIENT_SECRET
        )
        self.settings = replace(self.settings, pms=account, stripe=None)
        self.double: Listing
        self.start_again()

    @property
    def source(self) -> HostawaySource:
        """The adapter that reads."""
        assert self.running.pull is not None
        source = self.running.pull.source
        assert isinstance(source, HostawaySource)
        return source

    def register_webhook(self) -> None:
        """A relay is told of everything, so there is a log of that; found with the listings."""
        webhook = Webhook(id=1, enabled=True, url="https://relay.example/h", login=None)
        self.store.webhooks[webhook.id] = webhook

    def furnish(self) -> None:
        """One type with two rooms, here and at Hostaway."""
        self.double = self.store.add_listing("Double", units=("101", "102"))
        rooms = [
            RoomAdded(
                room_id=f"r{number}",
                building_id="main",
                room_type_id="double",
                number=number,
                floor=1,
                upstream_id=str(unit),
            )
            for unit, number in self.double.units.items()
        ]
        self.box.say(
            RoomTypeAdded(
                room_type_id="double",
                title="Double",
                sleeps=2,
                rate_minor=10_000,
                currency="EUR",
                offline_allotment=2,
                upstream_id=str(self.double.id),
            ),
            *rooms,
        )

    def book_upstream(self, **fields: Any) -> str:
        """A channel sells two nights of 100.00; returns Hostaway's id."""
        return str(self.store.sell(self.double, fields.pop("arrival", ARRIVAL), **fields).id)

    def theirs(self, upstream_id: str) -> Reservation:
        """A reservation as it is there."""
        return self.store.reservations[int(upstream_id)]

    def ours(self) -> list[Reservation]:
        """What was made through the interface."""
        return [one for one in self.store.reservations.values() if one.source == "nightporter"]

    def learned(self) -> list[dict[str, Any]]:
        """What the box was told of bookings, in order."""
        return self.box.of("stays.learn_booking")

    async def probe(self) -> None:
        """Probe until the way is free, as the prober does."""
        gate = self.running.gates["hostaway"]
        if gate.closed_ms():
            await self.clock.advance(61)
            probe = self.running._probes["hostaway"]
            await self.clock.run_until(probe(), limit_s=60)

    async def settle(self, rounds: int = 6) -> None:
        """Turns with time between them, until every back-off has passed."""
        for _ in range(rounds):
            await self.turn()
            await self.probe()
            await self.clock.advance(61)


@asynccontextmanager
async def hostaway_bench(folder: Path) -> AsyncIterator[HostawayBench]:
    """A furnished property whose sync stands still until it is told to take a turn."""
    clock = VirtualClock(FRIDAY_MS)
    bench = HostawayBench(folder, clock, Nursery(lambda name, error: None))
    bench.furnish()
    try:
        yield bench
    finally:
        await bench.nursery.close()
        bench.running.close()


def pay(
    hotel: HostawayBench,
    payment_id: str = "pay_1",
    *,
    stay_id: str = "stay_1",
    amount_minor: int = 5_025,
) -> None:
    """The desk takes cash."""
    hotel.box.say(
        PaymentSettled(
            payment_id=payment_id,
            stay_id=stay_id,
            intent_id=None,
            means="cash",
            amount_minor=amount_minor,
            currency="EUR",
            provider_ref=None,
        )
    )


def extend(hotel: HostawayBench, stay_id: str = "stay_1") -> None:
    """One night more, at the price of the others."""
    nights = tuple(
        Night(
            date=ARRIVAL + timedelta(days=index),
            amount_minor=12_000,
            currency="EUR",
            price_source="rate:double",
        )
        for index in range(3)
    )
    hotel.box.say(
        DepartureChanged(
            stay_id=stay_id,
            room_id="r101",
            previous=DEPARTURE,
            departure=DEPARTURE + timedelta(days=1),
            nights=nights,
        )
    )


def code(digits: str, stay_id: str = "stay_1") -> DoorCode:
    """What the box says opens the room."""
    return DoorCode(
        stay_id=stay_id,
        room_id="r101",
        generation=1,
        valid_from_s=FRIDAY_MS // 1000,
        valid_until_s=FRIDAY_MS // 1000 + 2 * 86_400,
        digits=digits,
    )


def owe_code(hotel: HostawayBench, key: str, stay_id: str = "stay_1") -> None:
    """A fact of the box asks for the door code to be told."""
    hotel.running.ledger.owe(
        Draft(
            natural_key=key,
            counterparty="hostaway",
            lane=f"stay:{stay_id}",
            kind="pms.door_code",
            body=msgspec.json.encode({"stay_id": stay_id, "room_id": "r101"}),
            priority=Priority.STAY,
            made_ms=FRIDAY_MS,
        ),
        FRIDAY_MS,
    )
