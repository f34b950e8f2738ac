"""Every key of every screen."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from kiosk.desk import Desk
from kiosk.frame import bindings_of, keys_text
from kiosk.page import NavPage, Page

WIDTH = 76


class Help(NavPage):
    """Written from the screens themselves, so that it cannot be out of date."""

    CSS_PATH = "help.tcss"
    AUTO_FOCUS = "#help-scroll"
    HEADING = "Help"
    HELP = "Every key. Up and Down scroll."
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "app.back", "Back")]

    def __init__(self, desk: Desk, pages: list[type[Page]]) -> None:
        super().__init__(desk)
        self._pages = pages

    def body(self) -> ComposeResult:
        """One paragraph per screen."""
        with VerticalScroll(id="help-scroll"):
            yield Static(self._text(), id="help-text")

    def _text(self) -> Text:
        text = Text()
        text.append("On every list: Up and Down choose a line. Statuses have letters:\n", "bold")
        text.append("C clean  D dirty  I inspected  X out of order\n\n")
        for page in self._pages:
            text.append(f"{page.HEADING or 'Stay'}: ", "bold")
            text.append(f"{page.HELP}\n")
            own = [each for each in bindings_of(page) if each not in bindings_of(NavPage)]
            text.append_text(keys_text(own, WIDTH))
            text.append("\n\n")
        text.append("Everywhere: ", "bold")
        text.append("the other screens\n")
        text.append_text(keys_text(bindings_of(NavPage), WIDTH))
        return text
