"""The cleaning list of the business date."""

from __future__ import annotations

from typing import ClassVar

from kiosk import queries, say
from kiosk.screens.room_status import RoomActs
from kiosk.words import CleaningRow


class Cleaning(RoomActs):
    """Rooms to clean and why; a status is one key away."""

    CSS_PATH = "cleaning.tcss"
    HEADING = "Cleaning"
    HELP = "Rooms to clean and why. A changed arrival or departure changes it."
    COLUMNS: ClassVar[tuple[tuple[str, int], ...]] = (
        ("Room", 6),
        ("Status", 14),
        ("Why", 30),
        ("Today", 18),
    )
    EMPTY = "Nothing is to be cleaned."

    async def load(self) -> None:
        """The list, or the last one known."""
        told = await self.desk.told(queries.CLEANING)
        self.show([(row.room_id, _cells(row)) for row in told.data or []], told.as_of_ms)


def _cells(row: CleaningRow) -> tuple[str, ...]:
    today = [
        word for word, is_so in (("leaving", row.leaving), ("arriving", row.arriving)) if is_so
    ]
    status = say.ROOM_STATUS.get(row.status, row.status)
    return row.room_number, status, row.why, ", ".join(today) or "-"
