"""A link as a QR code of half blocks, for the guest's camera."""

from __future__ import annotations

from typing import ClassVar

import segno
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from kiosk.frame import Keys

# Two modules of quiet are enough for every phone tried on a dark terminal; four do not fit.
QUIET = 2
# A screen of 24 lines holds 48 half blocks.
MODULES_MAX = 48
WI_FI = "Scan it with the guest's phone on the hotel Wi-Fi."


def half_blocks(url: str) -> list[str] | None:
    """Rows of half blocks, dark modules as blanks on light; None when it would not fit."""
    rows = [list(row) for row in segno.make(url, error="l", micro=False).matrix]
    wide = len(rows[0]) + 2 * QUIET
    if wide > MODULES_MAX:
        return None
    blank = [0] * wide
    grid = [blank] * QUIET + [[0] * QUIET + row + [0] * QUIET for row in rows] + [blank] * QUIET
    if len(grid) % 2:
        grid.append(blank)
    pairs = zip(grid[::2], grid[1::2], strict=True)
    shapes = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}
    return [
        "".join(shapes[bool(up), bool(low)] for up, low in zip(*pair, strict=True))
        for pair in pairs
    ]


class Qr(ModalScreen[None]):
    """The code at the left, what it is for at the right."""

    CSS_PATH = "qr.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "leave", "Leave"),
        Binding("escape", "leave", "Leave"),
    ]

    def __init__(self, guest: str, url: str, hint: str = WI_FI, *, spelled: bool = False) -> None:
        super().__init__()
        self._guest = guest
        self._url = url
        self._hint = hint
        self._spelled = spelled  # the link stands beside its code, to be read or sent

    def compose(self) -> ComposeResult:
        """Code and words."""
        rows = half_blocks(self._url)
        with Horizontal(id="sheet"):
            if rows is not None:
                yield Static(Text("\n".join(rows), no_wrap=True), id="code", classes="masked")
            with Vertical(id="words"):
                yield Static(self._guest, id="question", markup=False)
                yield Static(self._hint, id="hint")
                if rows is None:
                    yield Static("The link is too long to draw. It is:")
                if rows is None or self._spelled:
                    yield Static(self._url, id="link", classes="masked", markup=False)
                yield Keys(id="keys")

    def action_leave(self) -> None:
        """Back to the stay."""
        self.dismiss(None)
