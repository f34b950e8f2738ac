"""The appliance as sync sees it: a log with a chain, commands answered once. No engine inside."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date
from typing import Any

import msgspec

from appliance.engines.stays.messages import Booked, CheckedIn
from appliance.kernel.clock import Clock, sleep
from appliance.kernel.messages import Answer, Done, Event, KernelRefusal, Refused, Role, Who
from sync.home import Asked, ChainMismatchError, DoorCode, Fact, HomeAwayError, Page

DESK = Who(actor="staff:1", role=Role.FRONT_DESK)


class BoxInMemory:
    """Implements `sync.home.Home`. `say` appends what the desk did."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.facts: list[Fact] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.ids: dict[str, Answer] = {}
        self.bodies: dict[str, bytes] = {}
        self.refusing: dict[str, str] = {}  # command name -> code
        self.reports: list[Mapping[str, Any]] = []
        self.codes: dict[str, DoorCode] = {}
        self.doors: dict[str, tuple[str, ...]] = {}
        self.refusing_doors: dict[str, str] = {}  # door id -> code
        self.away = False
        self.away_for: set[str] = set()  # commands during which the box restarts

    def say(self, *events: Event, **plain: Any) -> None:
        """One command's facts; `plain` replaces sealed fields by readable text."""
        for event in events:
            body = {**msgspec.to_builtins(event), **plain}
            position = len(self.facts) + 1
            before = self.facts[-1].chain if self.facts else ""
            chain = hashlib.sha256(f"{before}{event.kind}{body}".encode()).hexdigest()
            self.facts.append(
                Fact(
                    position=position,
                    stream="test/1",
                    version=position,
                    kind=event.kind,
                    body=body,
                    command_id=f"c{position}",
                    who=DESK,
                    origin=None,
                    cause=None,
                    trace=None,
                    at_wall_ms=self.clock.read().wall_ms,
                    chain=chain,
                )
            )

    def restore_to(self, position: int) -> None:
        """Lose what came later, and everything that was asked."""
        del self.facts[position:]
        self.ids.clear()

    def of(self, name: str) -> list[dict[str, Any]]:
        """The bodies of one command, in the order they took effect."""
        return [body for told, body in self.asked if told == name]

    async def ask(self, asked: Asked) -> Answer:
        """Once for each id."""
        if self.away or asked.name in self.away_for:
            raise HomeAwayError("away")
        if asked.command_id in self.ids:
            first, body = self.ids[asked.command_id], self.bodies[asked.command_id]
            if body != asked.body:
                return Refused(engine="kernel", code=KernelRefusal.ID_REUSED.value, detail={})
            return first
        self.bodies[asked.command_id] = asked.body
        door_id = msgspec.json.decode(asked.body).get("door_id", "none")
        code = self.refusing.get(asked.name) or self.refusing_doors.get(door_id)
        if code is not None:
            return Refused(engine="test", code=code, detail={})
        self.asked.append((asked.name, msgspec.json.decode(asked.body)))
        answer = Done(position=len(self.facts), result={})
        self.ids[asked.command_id] = answer
        return answer

    async def feed(self, after: int, chain: str, limit: int, wait_s: float) -> Page:
        """As the socket does it."""
        if self.away:
            raise HomeAwayError("away")
        if after > len(self.facts) or (after and self.facts[after - 1].chain != chain):
            raise ChainMismatchError
        if after == len(self.facts) and wait_s:
            await sleep(self.clock, min(wait_s, 1.0))
            return await self.feed(after, chain, limit, 0.0)
        return Page(facts=tuple(self.facts[after : after + limit]), head=len(self.facts))

    async def door_code(self, stay_id: str) -> DoorCode | None:
        """What a test says is the code by now."""
        if self.away:
            raise HomeAwayError("away")
        return self.codes.get(stay_id)

    async def stay_doors(self, stay_id: str) -> tuple[str, ...]:
        """The doors that a test gave the stay."""
        if self.away:
            raise HomeAwayError("away")
        return self.doors.get(stay_id, ())

    async def report(self, standing: Mapping[str, Any]) -> None:
        """Keep what sync says of itself."""
        if self.away:
            raise HomeAwayError("away")
        self.reports.append(standing)

    def say_booked(self, upstream_id: str, stay_id: str = "stay_1") -> None:
        """The fact that a booking of Mews is a stay here; learned, so with an origin."""
        self.say(
            Booked(
                stay_id=stay_id,
                source="mews",
                upstream_id=upstream_id,
                upstream_version="1",
                code="1",
                room_type_id="double",
                room_id=None,
                arrival=date(2026, 8, 14),
                departure=date(2026, 8, 16),
                guests=(),
                adults=2,
                children=0,
                nights=(),
                fees=(),
                channel="booking.com",
            )
        )

    def say_checked_in(self, stay_id: str = "stay_1", room_id: str = "r101") -> None:
        """The guest is here."""
        self.say(
            CheckedIn(
                stay_id=stay_id,
                room_id=room_id,
                arrival=date(2026, 8, 14),
                departure=date(2026, 8, 16),
                business_date=date(2026, 8, 14),
            )
        )
