"""Search by a part of a name, a room or a booking code, as you type."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.timer import Timer
from textual.widgets import Input

from kiosk import queries
from kiosk.desk import Told
from kiosk.screens.stays import StayList

# A clerk types about six letters a second: one question per pause, not per letter.
PAUSE_S = 0.2
TEXT_MAX = 60


class Search(StayList):
    """Letters go into the field; Down goes to the list, where the other keys work."""

    CSS_PATH = "search.tcss"
    AUTO_FOCUS = "#search"
    HEADING = "Search"
    HELP = "Type a part of a name, a room number or a code. Down: to the list."
    EMPTY = "Nobody found."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "to_list", "List"),
        Binding("escape", "back_to_text", "Name"),
    ]

    _timer: Timer | None = None

    def body(self) -> ComposeResult:
        """The field above the table."""
        yield Input(
            value=self.desk.search_text,
            placeholder="part of a name, room or code",
            id="search",
            max_length=TEXT_MAX,
            select_on_focus=False,
        )
        yield from super().body()

    @on(Input.Changed, "#search")
    def typed(self, event: Input.Changed) -> None:
        """Ask after a pause."""
        self.desk.search_text = event.value
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(PAUSE_S, self.reload)

    @on(Input.Submitted, "#search")
    def entered(self) -> None:
        """Enter: to the list."""
        self.action_to_list()

    async def load(self) -> None:
        """Ask for what stands in the field now."""
        text = self.desk.search_text.strip()
        if not text:
            self.fill(Told(data=[]))
            return
        self.fill(await self.desk.told(queries.SEARCH, text=text))

    def action_to_list(self) -> None:
        """Down, from the field."""
        self.table.focus()

    def action_back_to_text(self) -> None:
        """Back to the field."""
        self.query_one("#search", Input).focus()
