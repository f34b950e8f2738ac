"""Sync between a box in memory and the twin's clouds in process, all on virtual time."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec

from appliance.engines.inventory.messages import RoomAdded, RoomTypeAdded
from appliance.engines.payments.messages import DepositAsked
from appliance.engines.stays.messages import Booked, Guest, Night, RoomAssigned
from appliance.kernel.clock import Reading
from appliance.kernel.tasks import Nursery
from appliance.kernel.virtual_clock import VirtualClock
from support.box_in_memory import BoxInMemory
from sync.money.stripe import StripeAccount
from sync.pms.mews.client import MewsAccount
from sync.pms.mews.stream import Dial
from sync.running import Running
from sync.settings import SyncSettings
from sync.transport import CallTransport, Transport
from twin.clouds.mews import ACCESS_TOKEN, CLIENT_TOKEN
from twin.clouds.serve import PAYMENTS_IN_PROCESS, PMS_IN_PROCESS, Clouds, build
from twin.clouds.stripe import SECRET_KEY
from twin.clouds.stripe.words import Card
from twin.journal import Journal
from twin.line import Line

# Friday, 2026-08-14, 16:00 UTC: 17:00 in the property's Lisbon.
FRIDAY_MS = int(datetime(2026, 8, 14, 16, tzinfo=UTC).timestamp() * 1000)
ARRIVAL, DEPARTURE = date(2026, 8, 14), date(2026, 8, 16)
ADA = Guest(given="Ada", family="Lovelace", email="ada@example.com")


class WrongClock:
    """The box's own clock: the vendors' clock and a mistake that a test may set."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.wrong_ms = 0
        self.doubt_ms = 0

    def read(self) -> Reading:
        """Off by the mistake, and unsure by so much more than the other."""
        reading = self._clock.read()
        return replace(
            reading,
            wall_ms=reading.wall_ms + self.wrong_ms,
            uncertainty_ms=reading.uncertainty_ms + self.doubt_ms,
        )

    def monotonic(self) -> float:
        """As the other."""
        return self._clock.monotonic()

    async def sleep_until(self, monotonic_s: float) -> None:
        """As the other."""
        await self._clock.sleep_until(monotonic_s)


class SyncBench:
    """One property. `running` may be dropped and made again on the same sync.db: a kill."""

    # What a test may put between sync and the clouds, before it starts again.
    dial: Dial | None = None
    wrap: Callable[[Transport], Transport] = staticmethod(lambda transport: transport)

    def __init__(self, folder: Path, clock: VirtualClock, nursery: Nursery) -> None:
        self.clock = clock
        self.nursery = nursery
        self.own_clock = WrongClock(clock)
        self.journal = Journal(clock=clock)
        self.clouds: Clouds = build(self.journal, clock, Line(self.journal, clock, nursery))
        self.box = BoxInMemory(clock)
        self.settings = SyncSettings(
            ledger_path=folder / "sync.db",
            pms=MewsAccount(
                base_url=PMS_IN_PROCESS, client_token=CLIENT_TOKEN, access_token=ACCESS_TOKEN
            ),
            stripe=StripeAccount(base_url=PAYMENTS_IN_PROCESS, secret_key=SECRET_KEY),
        )
        self.running = self.start_again(stop=False)

    # -- the role --------------------------------------------------------------------------------

    def start_again(self, *, stop: bool = True) -> Running:
        """A new process on the same file."""
        if stop:
            self.running.close()
        self.running = Running(
            self.settings,
            clock=self.own_clock,
            home=self.box,
            transport=self.wrap(CallTransport(self.clouds.in_process().send)),
            nursery=self.nursery,
            chance=random.Random(7),
            dial=self.dial,
        )
        return self.running

    def fresh_nursery(self) -> None:
        """Another owner of tasks, after the old one was closed: a new process."""
        self.nursery = Nursery(lambda name, error: None)

    async def turn(self) -> None:
        """Everything once: follow the log, look at the PMS, carry effects, tell home."""
        running = self.running
        while await running.follower.turn():
            pass
        await self.clock.run_until(self._turn(), limit_s=600)

    async def _turn(self) -> None:
        await self.running.look()
        await self.running.carrier.step()
        while await self.running.deliverer.turn():
            pass

    async def turns(self, number: int = 4, seconds: float = 61.0) -> None:
        """Several turns with time between them, so that every back-off has passed."""
        for _ in range(number):
            await self.turn()
            await self.clock.advance(seconds)

    async def heal(self, rounds: int = 6) -> None:
        """Turns with time between them, and probes as the prober asks them, until all is said."""
        for _ in range(rounds):
            for name, gate in self.running.gates.items():
                if gate.closed_ms():
                    await self.clock.advance(61)
                    probe = self.running._probes[name]
                    await self.clock.run_until(probe(), limit_s=60)
            await self.turns(2)

    def effect(self, kind: str) -> Any:
        """The one effect of a kind."""
        (found,) = self.running.ledger.effects("kind = ?", kind)
        return found

    # -- the property ----------------------------------------------------------------------------

    def furnish(self) -> None:
        """One type with two rooms, here and at Mews."""
        category = self.clouds.mews.store.add_category("Double", short="DBL")
        upstream = {
            number: self.clouds.mews.store.add_room(number, category).id
            for number in ("101", "102")
        }
        self.box.say(
            RoomTypeAdded(
                room_type_id="double",
                title="Double",
                sleeps=2,
                rate_minor=10_000,
                currency="EUR",
                offline_allotment=2,
                upstream_id=category.id,
            ),
            *(
                RoomAdded(
                    room_id=f"r{number}",
                    building_id="main",
                    room_type_id="double",
                    number=number,
                    floor=1,
                    upstream_id=name,
                )
                for number, name in upstream.items()
            ),
        )

    def sell(
        self,
        stay_id: str = "stay_1",
        room_id: str | None = "r101",
        *,
        source: str | None = None,
        upstream_id: str | None = None,
    ) -> None:
        """A walk-in for two nights, or what a source sold."""
        nights = tuple(
            Night(date=day, amount_minor=12_000, currency="EUR", price_source="rate:double")
            for day in (ARRIVAL, date(2026, 8, 15))
        )
        self.box.say(
            Booked(
                stay_id=stay_id,
                source=source,
                upstream_id=upstream_id,
                upstream_version=None if source is None else "1",
                code="K7Q2M9X4TB",
                room_type_id="double",
                room_id=room_id,
                arrival=ARRIVAL,
                departure=DEPARTURE,
                guests=(),
                adults=2,
                children=0,
                nights=nights,
                fees=(),
                channel="walk_in",
            ),
            guests=[msgspec.json.encode(replace(ADA, email=f"{stay_id}@example.com")).decode()],
        )

    def say_assigned(self, stay_id: str, room_id: str) -> None:
        """The desk gives a room."""
        self.box.say(
            RoomAssigned(
                stay_id=stay_id,
                room_id=room_id,
                room_type_id="double",
                previous_room_id=None,
                arrival=ARRIVAL,
                departure=DEPARTURE,
            )
        )

    def book_upstream(self, *, room: bool = False) -> str:
        """A channel sells the same two nights; returns Mews' id."""
        store = self.clouds.mews.store
        guest = store.put_customer("Hopper", "Grace", email="grace@example.com")
        return store.put_reservation(
            customer_id=guest.id,
            category_id=next(iter(store.categories)),
            start_s=store.arrival_s(ARRIVAL),
            end_s=store.departure_s(DEPARTURE),
            nights_minor=[8_133, 9_000],
            adults=2,
            channel="Booking.com",
            room_id=next(iter(store.rooms)) if room else None,
        ).id

    def ask_deposit(
        self, *, card: Card = Card.GOOD, intent_id: str = "intent_1", not_after_s: int = 0
    ) -> None:
        """The desk asks for 50.00 from a saved card."""
        store = self.clouds.stripe.store
        customer = store.add_customer("Ada", None, {})["id"]
        self.box.say(
            DepositAsked(
                intent_id=intent_id,
                stay_id="stay_1",
                amount_minor=5_000,
                currency="EUR",
                customer_ref=customer,
                method_ref=store.save_card(customer, card),
                not_after_s=not_after_s or FRIDAY_MS // 1000 + 30 * 86_400,
            )
        )

    def charges(self) -> int:
        """How many charges the twin's own journal has."""
        return self.journal.count("payments.charged")

    def bookings(self) -> int:
        """How many reservations the twin's own journal has."""
        return self.journal.count("pms.reservation.added")


@asynccontextmanager
async def sync_bench(folder: Path) -> AsyncIterator[SyncBench]:
    """A furnished property whose sync stands still until it is told to take a turn."""
    clock = VirtualClock(FRIDAY_MS)
    nursery = Nursery(lambda name, error: None)
    bench = SyncBench(folder, clock, nursery)
    bench.furnish()
    try:
        yield bench
    finally:
        await bench.nursery.close()
        bench.running.close()
