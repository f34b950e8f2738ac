"""The room board: every room's status by letter and word, who is in it, its lock."""

from __future__ import annotations

from typing import ClassVar

from kiosk import queries, say
from kiosk.page import ListPage
from kiosk.screens.room_status import RoomActs
from kiosk.words import Device, Room


class Rooms(RoomActs, ListPage):
    """One line per room; a status is one key away."""

    CSS_PATH = "rooms.tcss"
    HEADING = "Rooms"
    HELP = "Every room. C clean, D dirty, I inspected, X out of order."
    COLUMNS: ClassVar[tuple[tuple[str, int], ...]] = (
        ("Room", 6),
        ("Type", 16),
        ("Status", 14),
        ("Now", 12),
        ("Lock", 20),
    )
    EMPTY = "This property has no rooms yet."

    async def load(self) -> None:
        """The board, or the last one known."""
        told = await self.desk.told(queries.ROOM_BOARD)
        rooms = sorted(told.data or [], key=lambda room: (room.floor, room.number))
        self.show([(room.id, self._cells(room)) for room in rooms], told.as_of_ms)

    def _cells(self, room: Room) -> tuple[str, ...]:
        now = "in house" if room.occupied_by else "due in" if room.due_in else "free"
        return (
            room.number,
            self.desk.type_title(room.room_type_id),
            say.ROOM_STATUS.get(room.status, room.status),
            now,
            lock_word(room.lock),
        )


def lock_word(lock: Device | None) -> str:
    """A lock's standing with its age; "no word yet" before it ever spoke."""
    if lock is None:
        return "no lock"
    if lock.age_ms is None:
        return "no word yet"
    heard = f"{say.age(lock.age_ms)} ago"
    if lock.online is False:
        return f"SILENT, {heard}"
    battery = f", {lock.battery_pct} %" if lock.battery_pct is not None else ""
    return f"{heard}{battery}"
