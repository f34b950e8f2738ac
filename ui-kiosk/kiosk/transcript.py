"""The current screen as plain lines, with everything masked that differs between two honest runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from textual.app import App
from textual.geometry import Region
from textual.screen import Screen

MASK = "·"
# Moments of the day and spans of time, wherever a sentence has them; a span's own length differs
# too, so it takes its blanks with it and leaves six dots.
TIMES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b\d{2}:\d{2}\b"), MASK * 5),
    (re.compile(r"\b(?:\d+ h \d+ m|\d+ (?:s|min|d))\b *"), MASK * 6),
)
Masks = Sequence[tuple[re.Pattern[str], str]]


def lines(app: App[Any], *, masks: Masks = TIMES, covering: bool = True) -> list[str]:
    """The screen as the person sees it, one string per row, trailing blanks cut.

    Widgets of class `masked` and what `masks` match are replaced by dots; without
    `covering` the widgets stay readable.
    """
    rows = [strip.text for strip in app.screen._compositor.render_strips()]  # noqa: SLF001 (no public way to the drawn cells)
    for region in _masked(app) if covering else ():
        _cover(rows, region)
    for pattern, dots in masks:
        rows = [pattern.sub(dots, row) for row in rows]
    return [row.rstrip() for row in rows]


def text(app: App[Any], *, masks: Masks = TIMES, covering: bool = True) -> str:
    """The lines as one text."""
    return "\n".join(lines(app, masks=masks, covering=covering)) + "\n"


def _masked(app: App[Any]) -> Iterable[Region]:
    seen: list[Screen[Any]] = []
    for screen in reversed(app.screen_stack):
        seen.append(screen)
        if not screen.is_modal or screen.styles.background.a == 1:
            break  # a dialog lets the page below it shine through, and no other
    for screen in seen:
        for widget in screen.query(".masked"):
            if widget.display:
                yield widget.region


def _cover(rows: list[str], region: Region) -> None:
    for y in range(max(0, region.y), min(len(rows), region.bottom)):
        row, left, right = rows[y], max(0, region.x), region.right
        rows[y] = row[:left] + MASK * (min(right, len(row)) - left) + row[right:]
