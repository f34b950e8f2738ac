"""A small furnished hotel on a `Desk`: three doubles and a suite, with the four engines of rooms."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from appliance.engines.calendar.room import ENGINE as CALENDAR
from appliance.engines.housekeeping.room import ENGINE as HOUSEKEEPING
from appliance.engines.inventory.messages import AddBuilding, AddRoom, AddRoomType, SetUpProperty
from appliance.engines.inventory.room import ENGINE as INVENTORY
from appliance.engines.stays.messages import Guest, LearnBooking, Night, SellWalkIn, StayState
from appliance.engines.stays.room import ENGINE as STAYS
from appliance.kernel.engine import Engine
from appliance.kernel.messages import Command, Who
from support.desk import CLERK, MANAGER, SYNC, Desk

ENGINES = [INVENTORY, STAYS, CALENDAR, HOUSEKEEPING]
# The desk's clock stands at Friday 18:00 UTC, 19:00 in Vienna.
FRIDAY = date(2026, 10, 30)
GUEST = Guest(given="Jonas", family="Weber", email="jonas@example.com", phone="+43 1 2345678")


def day(number: int) -> date:
    """The business date of the set-up plus some days."""
    return FRIDAY + timedelta(days=number)


def priced(start: date, end: date, amount_minor: int = 10_000) -> tuple[Night, ...]:
    """Nights [start, end) at one price in euros."""
    return tuple(
        Night(
            date=start + timedelta(days=number),
            amount_minor=amount_minor,
            currency="EUR",
            price_source="rate:double",
        )
        for number in range(max(0, (end - start).days))
    )


class Hotel(Desk):
    """A desk with rooms 101 to 103 (double) and 201 (suite)."""

    def __init__(
        self,
        folder: Path,
        *,
        doubles: int = 3,
        allotment: int = 2,
        more: Sequence[Engine] = (),
    ) -> None:
        super().__init__(folder, [*ENGINES, *more])
        commands: list[Command] = [
            SetUpProperty(
                account_id="acc",
                property_id="prop",
                title="Hotel",
                time_zone="Europe/Vienna",
                currency="EUR",
            ),
            AddBuilding(building_id="main", title="Main"),
        ]
        for room_type_id, free in (("double", allotment), ("suite", 0)):
            added = AddRoomType(
                room_type_id=room_type_id,
                title=room_type_id.title(),
                sleeps=2,
                rate_minor=10_000,
                offline_allotment=free,
            )
            commands.append(added)
        numbers = [(str(101 + number), "double") for number in range(doubles)]
        for number, room_type_id in [*numbers, ("201", "suite")]:
            room = AddRoom(
                room_id=f"r{number}", building_id="main", room_type_id=room_type_id, number=number
            )
            commands.append(room)
        for command in commands:
            self.done(command, MANAGER)
        self.facts.clear()

    def learn(self, upstream_id: str = "up-1", **more: Any) -> dict[str, Any]:
        """Learn a booking (by default a double for two nights from today) and insist on yes."""
        return self.done(booking(upstream_id, **more), SYNC)

    def learned(self, upstream_id: str = "up-1", **more: Any) -> str:
        """Learn a booking; gives the stay's id."""
        return str(self.learn(upstream_id, **more)["stay_id"])

    def sell(self, who: Who = CLERK, **more: Any) -> dict[str, Any]:
        """Sell a walk-in and insist on yes."""
        return self.done(walk_in(**more), who)

    def state_of(self, stay_id: str) -> str:
        """The state in the read model."""
        [(state,)] = self.rows("SELECT state FROM stays_stay WHERE stay_id = ?", stay_id)
        return str(state)

    def room_of(self, stay_id: str) -> str | None:
        """The room in the read model."""
        [(room_id,)] = self.rows("SELECT room_id FROM stays_stay WHERE stay_id = ?", stay_id)
        return None if room_id is None else str(room_id)

    def claims(self, stay_id: str) -> list[tuple[str, str]]:
        """Room and night of every claim, by night."""
        return [
            (str(resource).removeprefix("room:"), str(night))
            for resource, night in self.rows(
                "SELECT resource, night FROM calendar_claim WHERE holder_id = ? ORDER BY night",
                stay_id,
            )
        ]

    def held(self, stay_id: str) -> list[tuple[str, str]]:
        """Room type and night of every held night."""
        return [
            (str(room_type), str(night))
            for room_type, night in self.rows(
                "SELECT room_type_id, night FROM calendar_hold WHERE holder_id = ? ORDER BY night",
                stay_id,
            )
        ]

    def conflicts(self, stay_id: str) -> list[tuple[str, str]]:
        """Id and name of every open conflict of a stay."""
        return [
            (str(conflict_id), str(what))
            for conflict_id, what in self.rows(
                "SELECT conflict_id, what FROM stays_conflict"
                " WHERE stay_id = ? AND settled_at_ms IS NULL ORDER BY conflict_id",
                stay_id,
            )
        ]

    def last_kinds(self, count: int) -> list[str]:
        """Kinds of the last facts without the engine's name and the version."""
        return [kind.split(".")[1] for kind in self.events()[-count:]]


def booking(upstream_id: str = "up-1", **more: Any) -> LearnBooking:
    """A booking as sync tells it."""
    arrival = more.pop("arrival", FRIDAY)
    departure = more.pop("departure", arrival + timedelta(days=2))
    fields: dict[str, Any] = {
        "source": "pms",
        "upstream_id": upstream_id,
        "upstream_version": "1",
        "code": f"CODE{upstream_id}",
        "state": StayState.CONFIRMED,
        "room_type_id": "double",
        "room_id": None,
        "arrival": arrival,
        "departure": departure,
        "guests": (GUEST,),
        "adults": 2,
        "children": 0,
        "nights": priced(arrival, departure),
        "guests_version": "g1",
    }
    return LearnBooking(**{**fields, **more})


def walk_in(**more: Any) -> SellWalkIn:
    """A walk-in for tonight, in any room of the type."""
    arrival = more.pop("arrival", FRIDAY)
    departure = more.pop("departure", arrival + timedelta(days=1))
    fields: dict[str, Any] = {
        "room_type_id": "double",
        "room_id": None,
        "arrival": arrival,
        "departure": departure,
        "guests": (GUEST,),
        "adults": 1,
        "children": 0,
        "nights": priced(arrival, departure),
    }
    return SellWalkIn(**{**fields, **more})
