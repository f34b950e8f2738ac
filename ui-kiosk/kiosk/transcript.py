"""The current screen as plain lines, with everything masked that differs between two honest runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from textual.app import App
from textual.geometry import Region
from textual.screen import Screen

MASK = "·"
# Moments of the day and spans of time, wherever a sentence has them.
TIMES: tuple[re.Pattern[str], ...] = (re.compile(r"\b\d{2}:\d{2}\b"),)


def lines(app: App[object], *, masks: Sequence[re.Pattern[str]] = TIMES) -> list[str]:
    """The screen as the person sees it, one string per row, trailing blanks cut.

    Widgets of class `masked` and what `masks` match are replaced by as many dots.
    """
    rows = [strip.text for strip in app.screen._compositor.render_strips()]  # noqa: SLF001 (no public way to the drawn cells)
    for region in _masked(app):
        _cover(rows, region)
    for mask in masks:
        rows = [mask.sub(lambda found: MASK * len(found[0]), row) for row in rows]
    return [row.rstrip() for row in rows]


def text(app: App[object], *, masks: Sequence[re.Pattern[str]] = TIMES) -> str:
    """The lines as one text."""
    return "\n".join(lines(app, masks=masks)) + "\n"


def _masked(app: App[object]) -> Iterable[Region]:
    seen: list[Screen[object]] = []
    for screen in reversed(app.screen_stack):
        seen.append(screen)
        if not screen.is_modal:
            break  # a dialog lets the page below it shine through, and no other
    for screen in seen:
        for widget in screen.query(".masked"):
            if widget.display:
                yield widget.region


def _cover(rows: list[str], region: Region) -> None:
    for y in range(max(0, region.y), min(len(rows), region.bottom)):
        row, left, right = rows[y], max(0, region.x), region.right
        rows[y] = row[:left] + MASK * (min(right, len(row)) - left) + row[right:]
