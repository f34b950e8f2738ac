"""A list to choose one thing from."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from kiosk.frame import Keys

# What stands in one line of the dialog without being cut.
LINE_MAX = 68


class Choose(ModalScreen[str | None]):
    """Returns the key of the chosen line, or None."""

    CSS_PATH = "choose.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "none", "and"),
        Binding("down", "none", "choose"),
        Binding("enter", "none", "Take it"),
        Binding("escape", "leave", "Leave"),
    ]

    def __init__(self, title: str, lines: list[tuple[str, str]]) -> None:
        super().__init__()
        self._title = title
        self._lines = lines

    def compose(self) -> ComposeResult:
        """Title, lines, keys."""
        with Vertical(id="box", classes="box"):
            yield Static(self._title, id="question", markup=False)
            yield OptionList(
                *(Option(Text(text[:LINE_MAX], no_wrap=True), id=key) for key, text in self._lines)
            )
            yield Keys(id="keys")

    def on_mount(self) -> None:
        """Ready for the arrows."""
        self.query_one(OptionList).focus()

    @on(OptionList.OptionSelected)
    def chosen(self, event: OptionList.OptionSelected) -> None:
        """Enter."""
        self.dismiss(event.option.id)

    def action_leave(self) -> None:
        """Nothing chosen."""
        self.dismiss(None)

    def action_none(self) -> None:
        """The list itself takes this key while it has the focus."""
