"""A hotel of real engines as sync sees it over the command socket, without the socket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from appliance.kernel import codec
from appliance.kernel.clock import sleep
from appliance.kernel.messages import Answer, Origin, Who
from support.desk import SYNC
from support.hotel import Hotel
from sync.home import Asked, ChainMismatchError, DoorCode, Fact, Page


class HotelHome:
    """Implements `sync.home.Home` on a `Hotel`."""

    def __init__(self, hotel: Hotel) -> None:
        self.hotel = hotel
        self.reports: list[Mapping[str, Any]] = []
        self.codes: dict[str, DoorCode] = {}

    async def ask(self, asked: Asked) -> Answer:
        """Ask as the process that sync is."""
        origin = None if asked.origin is None else msgspec.json.decode(asked.origin, type=Origin)
        command = codec.decode_command(asked.name, asked.body)
        return self.hotel.ask(command, SYNC, command_id=asked.command_id, origin=origin)

    async def feed(self, after: int, chain: str, limit: int, wait_s: float) -> Page:
        """Read the log as it is."""
        (head,) = self.hotel.db.execute("SELECT coalesce(max(position), 0) FROM event").fetchone()
        if after:
            row = self.hotel.db.execute(
                "SELECT chain FROM event WHERE position = ?", (after,)
            ).fetchone()
            if row is None or row[0].hex() != chain:
                raise ChainMismatchError
        if after == head and wait_s:
            await sleep(self.hotel.clock, 1.0)
            return await self.feed(after, chain, limit, 0.0)
        rows = self.hotel.db.execute(
            "SELECT position, stream, version, kind, body, command_id, who, origin, cause, trace,"
            " at_wall, chain FROM event WHERE position > ? ORDER BY position LIMIT ?",
            (after, limit),
        )
        return Page(facts=tuple(self._fact(row) for row in rows), head=head)

    async def door_code(self, stay_id: str) -> DoorCode | None:
        """What a test says the doors engine would derive."""
        return self.codes.get(stay_id)

    async def stay_doors(self, stay_id: str) -> tuple[str, ...]:
        """The doors of the room, where the hotel has an engine for them."""
        rows = self.hotel.rows(
            "SELECT d.door_id FROM doors_holder h JOIN doors_door d ON d.room_id = h.room_id"
            " WHERE h.kind = 'stay' AND h.holder_id = ? ORDER BY d.door_id",
            stay_id,
        )
        return tuple(str(row[0]) for row in rows)

    async def report(self, standing: Mapping[str, Any]) -> None:
        """Keep what sync says of itself."""
        self.reports.append(standing)

    def _fact(self, row: tuple[Any, ...]) -> Fact:
        event = codec.decode_event(row[3], row[4])
        return Fact(
            position=row[0],
            stream=row[1],
            version=row[2],
            kind=event.kind,
            body=codec.opened(event, self.hotel.vault),
            command_id=row[5],
            who=msgspec.json.decode(row[6], type=Who),
            origin=None if row[7] is None else msgspec.json.decode(row[7], type=Origin),
            cause=row[8],
            trace=row[9],
            at_wall_ms=row[10],
            chain=row[11].hex(),
        )
