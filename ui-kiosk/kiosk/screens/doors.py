"""Doors: keys that may not open, masters that were seen, and what locks say happened."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from kiosk import queries
from kiosk.desk import Desk
from kiosk.door_text import DoorBook, DoorLine
from kiosk.page import ListPage, OpenStay
from kiosk.words import Doors as Told


class Doors(ListPage):
    """What is urgent stands before the log's first page; the log goes back page by page."""

    CSS_PATH = "doors.tcss"
    HEADING = "Doors"
    HELP = "Keys at risk, masters seen, and the log by each lock's own clock and its doubt."
    COLUMNS: ClassVar[tuple[tuple[str, int], ...]] = (
        ("When", 20),
        ("What", 20),
        ("Door", 12),
        ("Who", 18),
    )
    EMPTY = "No key is at risk, no master was seen, no lock has told anything here."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "none", "Read it"),
        Binding("o", "open", "Open the stay"),
        Binding("d", "one_door", "This door / all"),
        Binding("w", "one_holder", "This person / all"),
        Binding("n", "older", "Older"),
        Binding("b", "newer", "Newer"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._door_id: str | None = None
        self._holder_id: str | None = None
        self._pages: list[int] = []  # the position each older page lies before
        self._last: int | None = None
        self._lines: dict[str, DoorLine] = {}
        self._narrowed = ""

    def heading(self) -> str:
        """Which door or person, and how far back."""
        page = f"page {len(self._pages) + 1}" if self._pages else ""
        return " ".join(part for part in (self.HEADING, self._narrowed, page) if part)

    async def load(self) -> None:
        """Both answers, or the last ones known; the older of the two gives the age."""
        on_date = self.desk.today + dt.timedelta(days=1)
        doors = await self.desk.told(queries.DOORS, on=on_date)
        log = await self.desk.told(
            queries.ACCESS_LOG,
            doorId=self._door_id,
            holderId=self._holder_id,
            before=self._pages[-1] if self._pages else None,
        )
        book, told = DoorBook(doors.data or Told(), self.desk.tz), log.data or []
        whole = not (self._pages or self._door_id or self._holder_id)
        lines = [*(book.urgent() if whole else []), *book.log(told)]
        self._lines = {line.key: line for line in lines}
        self._last = told[-1].position if told else None
        ages = [at_ms for at_ms in (doors.as_of_ms, log.as_of_ms) if at_ms is not None]
        rows = [(line.key, line.cells) for line in lines]
        self.show(rows, min(ages) if ages else None)

    @on(DataTable.RowSelected)
    def read(self, event: DataTable.RowSelected) -> None:
        """The whole line under the cursor as a sentence."""
        if (line := self._lines.get(event.row_key.value or "")) is not None:
            self.say(line.sentence)

    def action_none(self) -> None:
        """The table itself takes this key while it has the focus."""

    def action_open(self) -> None:
        """The stay whose key it is."""
        line = self._lines.get(self.chosen())
        if line is None or line.stay_id is None:
            self.say("This line belongs to no stay of today or tomorrow.", "warn")
        else:
            self.post_message(OpenStay(line.stay_id))

    def action_one_door(self) -> None:
        """Only the door under the cursor; again: all."""
        line = self._lines.get(self.chosen())
        narrow = line is not None and self._door_id is None
        self._narrow(line if narrow else None, door=True)

    def action_one_holder(self) -> None:
        """Only whose key is under the cursor; again: all."""
        line = self._lines.get(self.chosen())
        narrow = line is not None and line.holder is not None and self._holder_id is None
        self._narrow(line if narrow else None, door=False)

    def _narrow(self, line: DoorLine | None, *, door: bool) -> None:
        self._door_id = line.door_id if line is not None and door else None
        self._holder_id = line.holder if line is not None and not door else None
        self._narrowed = "" if line is None else line.cells[2 if door else 3]
        self._pages = []
        self.reload()

    def action_older(self) -> None:
        """The page before the last line."""
        if self._last is None:
            self.say("There is nothing older.")
        else:
            self._pages.append(self._last)
            self.reload()

    def action_newer(self) -> None:
        """One page back towards now."""
        if self._pages:
            self._pages.pop()
            self.reload()
