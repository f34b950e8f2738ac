"""A PIN in large type, for 20 seconds, to be read aloud."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from kiosk.clock import Clock
from kiosk.frame import Keys

# Long enough to read six digits twice, short enough for the next guest in the queue.
SHOWN_S = 20.0


class PinAloud(ModalScreen[None]):
    """Gone by itself; the digits are on no other screen and in no file."""

    CSS_PATH = "pin_aloud.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "hide", "Hide"),
        Binding("escape", "hide", "Hide"),
    ]

    def __init__(self, door: str, pin: str, clock: Clock) -> None:
        super().__init__()
        self._door = door
        self._pin = pin
        self._clock = clock
        self._until_s = clock.monotonic() + SHOWN_S

    def compose(self) -> ComposeResult:
        """Digits in groups, as they are spoken."""
        halves = " ".join(self._pin[at : at + 3] for at in range(0, len(self._pin), 3))
        with Vertical(id="box", classes="box"):
            yield Static(f"PIN of {self._door}", id="question", markup=False)
            yield Static(" ".join(halves), id="pin", classes="masked", markup=False)
            yield Static("Read it aloud. Hidden again after 20 s.", id="hint")
            yield Keys(id="keys")

    def on_mount(self) -> None:
        """Look at the time twice a second."""
        self.set_interval(0.5, self.look)

    def look(self) -> None:
        """Hide when the time is over."""
        if self._clock.monotonic() >= self._until_s:
            self.action_hide()

    def action_hide(self) -> None:
        """Forget the digits, then leave."""
        self._pin = ""
        self.query_one("#pin", Static).update("")
        if self.is_active:
            self.dismiss(None)
