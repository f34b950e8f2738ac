"""A fake box for each test of the kiosk."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.fake_box import FakeBox
from support.front_desk import StillClock


@pytest.fixture
def box() -> Iterator[FakeBox]:
    with FakeBox() as running:
        yield running


@pytest.fixture
def clock() -> StillClock:
    return StillClock()
