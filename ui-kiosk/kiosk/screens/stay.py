"""One stay, whole, and everything a desk does for it."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Static

from kiosk import queries, say
from kiosk.desk import Desk
from kiosk.frame import Line
from kiosk.screens.stay_doors import DoorActs
from kiosk.screens.stay_moves import MoveActs
from kiosk.screens.stay_papers import PaperActs
from kiosk.stay_text import stay_text
from kiosk.words import Stay


class StayPage(MoveActs, DoorActs, PaperActs):
    """Guest, room, dates, balance, keys, notes, conflicts; acts by one letter each."""

    CSS_PATH = "stay.tcss"
    HELP = "One stay. 'Pending' money is asked for and not yet confirmed."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("i", "check_in", "Check in"),
        Binding("a", "assign", "Assign"),
        Binding("m", "move", "Move"),
        Binding("d", "departure", "Departure"),
        Binding("u", "undo", "Undo check-in"),
        Binding("o", "check_out", "Check out"),
        Binding("k", "cut_key", "Key"),
        Binding("j", "lost_key", "Lost key"),
        Binding("n", "end_key", "End a key"),
        Binding("p", "reveal_pin", "PIN"),
        Binding("g", "qr", "QR"),
        Binding("x", "open_door", "Open door"),
        Binding("e", "deposit", "Deposit"),
        Binding("c", "cash", "Cash"),
        Binding("s", "slip", "Slip"),
        Binding("plus", "pay_page", "Pay link", show=False),
        Binding("b", "charge", "Charge"),
        Binding("t", "note", "Note"),
        Binding("r", "request", "Request"),
        Binding("f", "conflict", "Conflict"),
        Binding("w", "no_show", "No-show"),
        Binding("z", "cancel", "Cancel"),
        Binding("escape", "app.back", "Back"),
    ]

    def __init__(self, desk: Desk, stay_id: str) -> None:
        super().__init__(desk)
        self.stay_id = stay_id
        self.stay: Stay | None = None
        self._as_of_ms: int | None = None

    def body(self) -> ComposeResult:
        """The name and the booking's code, then the lines."""
        with Horizontal(id="stay-top"):
            yield Line(id="stay-name")
            yield Line(id="stay-code", classes="masked")
        with VerticalScroll(id="stay-scroll"):
            yield Static("Asking the box ...", id="stay-lines", markup=False)

    def heading(self) -> str:
        """Which stay."""
        return "Stay"

    async def load(self) -> None:
        """The stay as it is, or as it was last known."""
        told = await self.desk.told(queries.STAY, id=self.stay_id)
        self.stay, self._as_of_ms = told.data, told.as_of_ms
        lines = self.query_one("#stay-lines", Static)
        if self.stay is None:
            known = told.as_of_ms is None
            lines.update("There is no such stay." if known else "Not known yet on this terminal.")
            return
        state = say.STAY_STATE.get(self.stay.state, self.stay.state.lower())
        due = " today" if self.stay.due and self.stay.state == "CONFIRMED" else ""
        name = say.clip(say.name_of(self.stay), 40)
        self.query_one("#stay-name", Line).write(f"{name} - {state}{due}")
        self.query_one("#stay-code", Line).write(self._code_line())
        lines.update(stay_text(self.stay, self.desk))

    def _code_line(self) -> str:
        assert self.stay is not None
        if self._as_of_ms:
            return f"{self.stay.code}, as of {say.moment(self._as_of_ms, self.desk.tz)}"
        return self.stay.code
