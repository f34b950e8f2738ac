"""The frame around every screen: title, banner, answer, status line, and every key."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import Static

from kiosk import say

WIDTH = 80
PRETTY = {
    "enter": "Enter",
    "escape": "Esc",
    "question_mark": "?",
    "ctrl+l": "^L",
    "ctrl+c": "^C",
    "space": "Space",
    "tab": "Tab",
    "up": "Up",
    "down": "Down",
    "upper_x": "X",
}


def bindings_of(kind: type) -> list[Binding]:
    """Every key of a screen that a person may press, own ones first."""
    seen: dict[str, Binding] = {}
    for place in kind.__mro__:
        if not place.__module__.startswith("kiosk."):
            continue
        for binding in _made(place.__dict__.get("BINDINGS", ())):
            seen.setdefault(binding.key, binding)
    return [binding for binding in seen.values() if binding.show]


def _made(bindings: Iterable[BindingType]) -> list[Binding]:
    return [each for each in bindings if isinstance(each, Binding)]


def keys_text(bindings: Iterable[Binding], width: int = WIDTH) -> Text:
    """The keys and their labels, wrapped between items and never inside one."""
    text, used = Text(no_wrap=True), 0
    for binding in bindings:
        key = PRETTY.get(binding.key, binding.key)
        size = len(key) + 1 + len(binding.description)
        if used and used + 2 + size > width:
            text.append("\n")
            used = 0
        elif used:
            text.append("  ")
            used += 2
        text.append(key, "bold reverse" if len(key) == 1 else "bold")
        text.append(f" {binding.description}")
        used += size
    return text


class Keys(Static):
    """All keys of the screen it stands on."""

    def on_mount(self) -> None:
        """Written once: a screen's keys do not change."""
        self.update(keys_text(bindings_of(type(self.screen))))


class Line(Static):
    """One or two lines of plain text; never markup, never more than fits."""

    def __init__(self, *, id: str, classes: str = "", rows: int = 1) -> None:  # noqa: A002 (Textual's own name)
        super().__init__("", id=id, classes=classes, markup=False)
        self._rows = rows
        self.text = ""

    def write(self, text: str, kind: str = "plain") -> None:
        """Replace the text. `kind` colours it; the words alone must say it all."""
        self.text = text
        self.set_class(kind == "done", "done")
        self.set_class(kind == "warn", "warn")
        self.set_class(bool(text), "said")
        self.update(Text(say.clip(text, WIDTH * self._rows - 2 * self._rows)))
