"""The guest's link as half blocks."""

from __future__ import annotations

import segno

from kiosk.screens.qr import MODULES_MAX, QUIET, half_blocks

URL = "http://10.0.0.2:8080/k/" + "a" * 60
DARK = {"█": (0, 0), "▀": (0, 1), "▄": (1, 0), " ": (1, 1)}


def test_the_blocks_are_the_code() -> None:
    rows = half_blocks(URL)
    assert rows is not None
    grid = [list(bits) for row in rows for bits in zip(*(DARK[cell] for cell in row), strict=True)]
    code = [[int(bool(m)) for m in row] for row in segno.make(URL, error="l", micro=False).matrix]
    size = len(code)
    assert [row[QUIET : QUIET + size] for row in grid[QUIET : QUIET + size]] == code


def test_it_fits_a_terminal_of_24_lines() -> None:
    rows = half_blocks(URL)
    assert rows is not None
    assert len(rows) <= 24
    assert all(len(row) <= MODULES_MAX for row in rows)


def test_a_link_too_long_to_draw_is_not_drawn() -> None:
    assert half_blocks("http://10.0.0.2/" + "a" * 400) is None
