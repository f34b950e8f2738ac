"""A hotel of real engines, a channel's calendars, and sync between them, on virtual time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from appliance.bus.words import DeviceKind
from appliance.engines.climate.room import ENGINE as CLIMATE
from appliance.engines.concierge.room import ENGINE as CONCIERGE
from appliance.engines.doors.messages import CutKey, HolderKind, KeyCut, KeyReason, KeyRevoked
from appliance.engines.doors.room import ENGINE as DOORS
from appliance.engines.identity.room import ENGINE as IDENTITY
from appliance.engines.inventory.messages import AddDevice, AddDoor
from appliance.engines.payments.room import ENGINE as PAYMENTS
from appliance.engines.rules.room import ENGINE as RULES
from appliance.engines.stays.messages import CheckIn
from appliance.kernel.clock import sleep
from appliance.kernel.tasks import Nursery
from support.desk import MANAGER
from support.hotel import FRIDAY, Hotel
from support.hotel_home import HotelHome
from sync.feeds.entries import Entry, Kind
from sync.feeds.feed import FeedAccount, Looked
from sync.home import Page
from sync.running import Running
from sync.settings import SyncSettings
from sync.transport import CallTransport
from twin.clouds.ical import ICalCloud, ICalStore, Style, Taken
from twin.clouds.serve import build, in_process_url
from twin.journal import Journal
from twin.line import Line

HOUR_S = 3_600.0


class PatientHome(HotelHome):
    """A home whose log is asked once in a while, not every second: months pass in these tests."""

    _known = -1

    async def feed(self, after: int, chain: str, limit: int, wait_s: float) -> Page:
        """Read the log as it is; where there is nothing, wait the whole time."""
        page = await super().feed(after, chain, limit, 0.0)
        known, self._known = self._known, page.head
        if not page.facts and known == page.head:
            await sleep(self.hotel.clock, HOUR_S)
        return page


class FeedHouse:
    """Doubles 101, 102, .. with a door each; `feeds` maps a feed's name to its room, or to None."""

    def __init__(
        self,
        folder: Path,
        feeds: dict[str, str | None],
        *,
        doubles: int = 3,
        style: Style = Style.AIRBNB,
    ) -> None:
        more = [RULES, IDENTITY, DOORS, CLIMATE, PAYMENTS, CONCIERGE]
        self.hotel = Hotel(folder, doubles=doubles, more=more)
        self.clock = self.hotel.clock
        for number in range(101, 101 + doubles):
            lock = AddDevice(device_id=f"lock-{number}", kind=DeviceKind.LOCK, room_id=f"r{number}")
            self.hotel.done(lock, MANAGER)
            door = AddDoor(
                door_id=f"d{number}",
                number=number,
                title=f"Room {number}",
                device_id=f"lock-{number}",
                room_id=f"r{number}",
            )
            self.hotel.done(door, MANAGER)
        self.hotel.facts.clear()
        self.nursery = Nursery(lambda _name, _error: None)
        self.journal = Journal(clock=self.clock)
        self.line = Line(self.journal, self.clock, self.nursery)
        self.store = ICalStore(self.clock)
        self.cloud = ICalCloud(self.clock, self.journal, self.store)
        self.clouds = build(self.journal, self.clock, self.line, others={"ical": self.cloud})
        for name in feeds:
            self.store.add(name, style)
        self._folder = folder
        self._accounts = tuple(
            FeedAccount(
                name=name,
                url=f"{in_process_url('ical')}/{name}.ics",
                channel="airbnb",
                room_type="Double",
                room=room,
                interval_s=86_400.0,  # tests look themselves
            )
            for name, room in feeds.items()
        )
        self.running = self._run()

    def _run(self) -> Running:
        running = Running(
            SyncSettings(
                ledger_path=self._folder / "sync.db",
                feeds=self._accounts,
                report_interval_s=HOUR_S,
            ),
            clock=self.clock,
            home=PatientHome(self.hotel),
            transport=CallTransport(self.clouds.in_process().send),
            nursery=self.nursery,
        )
        running.start()
        return running

    async def restart(self) -> None:
        """Sync dies and comes back with its file."""
        await self.nursery.close()
        self.running.close()
        self.nursery = Nursery(lambda _name, _error: None)
        self.running = self._run()
        await self.settle()

    async def close(self) -> None:
        """End everything."""
        await self.nursery.close()
        self.running.close()
        self.line.close()
        self.hotel.close()

    async def settle(self) -> None:
        """Until everything is told home."""
        await self.clock.run_until(self.running.quiet(), limit_s=900)

    async def look(self, *names: str, after_s: float = 0.0) -> list[Looked]:
        """Some time passes, then one look at each feed; all of it is told home."""
        await self.clock.advance(after_s)
        found = [
            await self.clock.run_until(self.running.feeds.look(name), limit_s=120)
            for name in names or [account.name for account in self._accounts]
        ]
        await self.settle()
        return found

    def stays(self) -> dict[str, str]:
        """The state of every stay by the id that the feed gave it."""
        rows = self.hotel.rows("SELECT upstream_id, state FROM stays_stay ORDER BY upstream_id")
        return {str(upstream_id): str(state) for upstream_id, state in rows}

    def stay_of(self, upstream_id: str) -> str:
        """Our id of a booking."""
        [(stay_id,)] = self.hotel.rows(
            "SELECT stay_id FROM stays_stay WHERE upstream_id = ?", upstream_id
        )
        return str(stay_id)

    def nights(self) -> list[tuple[Any, ...]]:
        """Every held night and every claimed room-night, whoever has it."""
        return [
            *self.hotel.rows("SELECT holder_id, night, room_type_id FROM calendar_hold"),
            *self.hotel.rows("SELECT holder_id, night, resource FROM calendar_claim"),
        ]

    def closed(self) -> list[str]:
        """The nights that no stay holds and nobody may sell."""
        rows = self.hotel.rows(
            "SELECT night FROM calendar_hold WHERE holder_id LIKE 'closure:%' ORDER BY night"
        )
        return [str(night) for (night,) in rows]

    def key_in(self, stay_id: str, room: str) -> None:
        """The guest is here and has a key."""
        self.hotel.done(CheckIn(stay_id=stay_id, room_id=f"r{room}", accept_not_ready=True))
        self.hotel.done(
            CutKey(
                holder_kind=HolderKind.STAY,
                holder_id=stay_id,
                door_id=f"d{room}",
                reason=KeyReason.FIRST,
            )
        )

    def revoked(self) -> int:
        """How many keys were killed since the start."""
        return sum(isinstance(each.event, KeyRevoked) for each in self.hotel.facts)

    def cut(self) -> int:
        """How many keys were cut since the start."""
        return sum(isinstance(each.event, KeyCut) for each in self.hotel.facts)

    def parked(self) -> list[str]:
        """What waits for a person."""
        return [each["sentence"] for each in self.running.report()["parked"]]


def taken(entries: Iterable[Entry], *, listing: str = "", days: int = 0) -> Sequence[Taken]:
    """Entries of a real file as the twin serves them, moved by some days."""
    return [
        Taken(
            uid=each.uid,
            start=each.start + timedelta(days=days),
            end=each.end + timedelta(days=days),
            reserved=each.kind is Kind.RESERVED,
            listing=listing or each.uid.partition("-")[0],
        )
        for each in entries
    ]


def stretch(uid: str, first: int, last: int, *, reserved: bool = True, listing: str = "") -> Taken:
    """Nights from the hotel's Friday on."""
    return Taken(
        uid=uid,
        start=FRIDAY + timedelta(days=first),
        end=FRIDAY + timedelta(days=last),
        reserved=reserved,
        listing=listing,
    )


def moved(day: date) -> int:
    """How many days lie between a real day and the hotel's Friday."""
    return (FRIDAY - day).days
