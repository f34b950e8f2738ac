"""A question before something that cannot be undone."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from kiosk.frame import Keys


class Confirm(ModalScreen[bool]):
    """Yes or no; Escape is no."""

    CSS_PATH = "confirm.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n", "answer(False)", "No"),
        Binding("escape", "answer(False)", "No"),
    ]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        """The question and its two keys."""
        with Vertical(id="box", classes="box"):
            yield Static(self._question, id="question", markup=False)
            yield Keys(id="keys")

    def action_answer(self, yes: bool) -> None:  # noqa: FBT001 (an action's argument)
        """Close with the answer."""
        self.dismiss(yes)
