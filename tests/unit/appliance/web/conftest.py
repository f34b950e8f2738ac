"""The whole house for tests of the web."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from support.whole_house import (
    WholeHouse,
    copied,
    open_whole_house,
    property_folder,
)

__all__ = ["property_folder"]


@pytest.fixture
async def house(property_folder: Path, tmp_path: Path) -> AsyncGenerator[WholeHouse, None]:
    async with open_whole_house(copied(property_folder, tmp_path), tmp_path) as opened:
        yield opened
