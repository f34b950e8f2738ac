"""R60 of anchors.md section 4: sixty rooms, seventy-two hours without the line, then healing.

45 rooms taken by stays of two nights: 66 arrivals and 66 departures in the dark, 40 new, 15 changed
and 15 cancelled bookings at the channels, 10 walk-ins, 12 extensions, 8 moves, 405 folio lines,
70 payments at the desk and 10 charges to saved cards.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from appliance.engines.payments.messages import (
    PostCharge,
    RecordCash,
    SaveCardReference,
    TakeDeposit,
)
from appliance.engines.stays.messages import (
    ChangeDeparture,
    CheckIn,
    CheckOut,
    MoveRoom,
    RunNightAudit,
)
from appliance.kernel.messages import Command, Done
from campaigns.house import House
from campaigns.judging import judge
from support.desk import MANAGER
from support.hotel import FRIDAY, day, priced, walk_in
from twin.clouds.stripe.words import Card
from twin.line import Cut

ROOMS: Final = 60
A_DAY: Final = 22  # arrivals a day; two nights each: 44 of 60 rooms
DARK_DAYS: Final = 3
NEW, CHANGED, CANCELLED = 40, 15, 15
WALK_INS, EXTENSIONS, MOVES = 10, 12, 8
FOLIO_LINES, CASH, CARDS = 405, 70, 10
QUIET_S_MAX: Final = 3_600.0
LOOK_S: Final = 0.5


@dataclass(slots=True, kw_only=True)
class Reconciled:
    """How long what took after the line was back, seconds, and what was found at the end."""

    vendor: str
    sales_s: float = 0.0  # every sale of the box is there, every new booking of theirs is here
    conflicts_s: float = 0.0  # every conflict that there is in the end is listed
    all_s: float = 0.0
    steady_429: int = 0
    recovery_429: int = 0
    requests: int = 0
    conflicts: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)


class DarkDays:
    """One property through three dark days."""

    def __init__(self, folder: Path, vendor: str, seed: int = 60) -> None:
        self.chance = random.Random(seed)
        self.house = House(folder, vendor, self.chance, doubles=ROOMS, allotment=WALK_INS)
        self.found = Reconciled(vendor=vendor)
        self._expected: dict[date, list[str]] = {}  # the channels' bookings by arrival
        self._new: list[str] = []
        self._carded: set[str] = set()

    async def live(self) -> Reconciled:
        """From a full house to the judgement."""
        house = self.house
        try:
            await self._full_house()
            self.found.steady_429 = house.channel.too_many()
            house.line.cut(Cut.SILENT)
            for number in range(1, DARK_DAYS + 1):
                await self._dark_day(number)
            await self._heal()
            self.found.recovery_429 = house.channel.too_many() - self.found.steady_429
            self.found.broken += [*house.died, *judge(house, self.found.counts)]
        finally:
            await house.close()
        return self.found

    async def _full_house(self) -> None:
        house = self.house
        for number in range(-1, 11):
            count = A_DAY if number <= DARK_DAYS else 6
            arrival = day(number)
            self._expected[arrival] = [
                house.channel.sell("double", arrival, arrival + timedelta(days=2))
                for _ in range(count)
            ]
        house.start()
        await house.clock.run_until(house.quiet(), limit_s=QUIET_S_MAX)
        for arrival in (day(-1), FRIDAY):
            self._arrive(arrival)
        await house.clock.run_until(house.quiet(), limit_s=QUIET_S_MAX)

    # -- in the dark -----------------------------------------------------------------------------

    async def _dark_day(self, number: int) -> None:
        house, today = self.house, day(number)
        await house.clock.advance(12 * 3_600)
        self._done(RunNightAudit(closing=day(number - 1)))
        await house.clock.advance(6 * 3_600)
        self._desk_in_the_morning(today)
        self._channels(number)
        await house.clock.advance(6 * 3_600)
        self._arrive(today)
        self._desk_in_the_evening(number)

    def _desk_in_the_morning(self, today: date) -> None:
        rows = self.house.hotel.rows(
            "SELECT stay_id FROM stays_stay WHERE state = 'in_house' AND departure = ?",
            today.isoformat(),
        )
        for (stay_id,) in rows:
            self._done(CheckOut(stay_id=str(stay_id)))

    def _arrive(self, arrival: date) -> None:
        rows = self.house.hotel.rows(
            "SELECT stay_id FROM stays_stay WHERE state = 'confirmed' AND arrival = ?",
            arrival.isoformat(),
        )
        free = self._free_rooms()
        for (stay_id,) in rows:
            self._into_a_room(str(stay_id), free)

    def _into_a_room(self, stay_id: str, free: list[str]) -> None:
        while free:
            command = CheckIn(stay_id=stay_id, room_id=free.pop(), accept_not_ready=True)
            if isinstance(self.house.hotel.ask(command, MANAGER), Done):
                return

    def _free_rooms(self) -> list[str]:
        taken = {
            str(room)
            for (room,) in self.house.hotel.rows(
                "SELECT room_id FROM stays_stay WHERE state IN ('in_house', 'confirmed')"
                " AND room_id IS NOT NULL"
            )
        }
        return [f"r{101 + n}" for n in range(ROOMS) if f"r{101 + n}" not in taken]

    def _desk_in_the_evening(self, number: int) -> None:
        today = day(number)
        for _ in range(_share(WALK_INS, number)):
            until = today + timedelta(days=self.chance.randint(1, 2))
            sold = self._done(walk_in(arrival=today, departure=until, nights=priced(today, until)))
            self._into_a_room(sold["stay_id"], self._free_rooms())
        here = [
            (str(stay_id), date.fromisoformat(str(departure)))
            for stay_id, departure in self.house.hotel.rows(
                "SELECT stay_id, departure FROM stays_stay WHERE state = 'in_house'"
                " ORDER BY stay_id"
            )
        ]
        self.chance.shuffle(here)
        for stay_id, until in here[: _share(EXTENSIONS, number)]:
            more = until + timedelta(days=1)
            self._done(
                ChangeDeparture(stay_id=stay_id, departure=more, added_nights=priced(until, more))
            )
        for stay_id, _ in here[-_share(MOVES, number) :]:
            move = MoveRoom(
                stay_id=stay_id,
                room_id=self._free_rooms()[0],
                reason="noise",
                accept_not_ready=True,
            )
            self._done(move)
        self._money([stay_id for stay_id, _ in here], number)

    def _money(self, here: list[str], number: int) -> None:
        for _ in range(_share(FOLIO_LINES, number)):
            stay_id = self.chance.choice(here)
            self._done(
                PostCharge(stay_id=stay_id, amount_minor=450, currency="EUR", text="Minibar")
            )
        for _ in range(_share(CASH, number)):
            cash = RecordCash(stay_id=self.chance.choice(here), amount_minor=2_000, currency="EUR")
            self._done(cash)
        store = self.house.stripe.store
        # A deposit is asked once for a stay, and some are here for two evenings.
        without = [stay_id for stay_id in here if stay_id not in self._carded]
        for stay_id in without[: _share(CARDS, number)]:
            self._carded.add(stay_id)
            customer = store.add_customer("Ada", None, {})["id"]
            method = store.save_card(customer, Card.GOOD)
            self._done(SaveCardReference(stay_id=stay_id, customer_ref=customer, method_ref=method))
            self._done(TakeDeposit(stay_id=stay_id, amount_minor=1_000, currency="EUR"))

    def _channels(self, number: int) -> None:
        channel = self.house.channel
        for index in range(_share(NEW, number)):
            # Most of them want the first night after the dark: more than there is room for.
            wanted = DARK_DAYS + 1 if index else self.chance.randint(DARK_DAYS + 2, 12)
            nights = 1 if index else self.chance.randint(1, 3)
            until = day(wanted + nights)
            self._new.append(channel.sell("double", day(wanted), until))
        later = [
            name
            for arrival, names in self._expected.items()
            if arrival > day(DARK_DAYS)
            for name in names
        ]
        self.chance.shuffle(later)
        changed, cancelled = _share(CHANGED, number), _share(CANCELLED, number)
        for name in later[:changed]:
            one = next(each for each in channel.holds() if each.upstream_id == name)
            channel.modify(name, one.departure + timedelta(days=1))
        for name in later[changed : changed + cancelled]:
            channel.cancel(name)
        gone = set(later[: changed + cancelled])
        for names in self._expected.values():
            names[:] = [name for name in names if name not in gone]

    def _done(self, command: Command) -> dict[str, Any]:
        self.found.counts[command.name] += 1
        return self.house.hotel.done(command, MANAGER)

    # -- the line is back ------------------------------------------------------------------------

    async def _heal(self) -> None:
        house, found = self.house, self.found
        asked = house.channel.requests()
        house.line.heal()
        healed_s = house.clock.monotonic()
        conflicts: list[tuple[float, int]] = []
        quiet = house.nursery.mortal("quiet", house.quiet())
        while not quiet.done():
            await house.clock.advance(LOOK_S)
            passed_s = house.clock.monotonic() - healed_s
            conflicts.append((passed_s, self._conflicts()))
            if not found.sales_s and self._sold():
                found.sales_s = passed_s
            if passed_s > QUIET_S_MAX:
                found.broken.append("it never became quiet")
                quiet.cancel()
                return
        found.all_s = house.clock.monotonic() - healed_s
        found.conflicts = conflicts[-1][1]
        found.conflicts_s = min(at for at, number in conflicts if number == found.conflicts)
        found.requests = house.channel.requests() - asked
        if not found.sales_s:
            found.broken.append("a sale or a new booking never arrived")

    def _conflicts(self) -> int:
        [(number,)] = self.house.hotel.rows(
            "SELECT count(*) FROM stays_conflict WHERE settled_at_ms IS NULL"
        )
        return int(number)

    def _sold(self) -> bool:
        open_sales = self.house.sync.ledger.effects(
            "kind = 'pms.book' AND state NOT IN ('succeeded', 'expired')"
        )
        known = {
            str(name)
            for (name,) in self.house.hotel.rows(
                "SELECT upstream_id FROM stays_stay WHERE upstream_id IS NOT NULL"
            )
        }
        return not open_sales and known.issuperset(self._new)


def _share(total: int, number: int) -> int:
    """What of a total falls on one of the dark days."""
    return total // DARK_DAYS + (1 if number <= total % DARK_DAYS else 0)
