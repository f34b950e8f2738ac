"""The room that gateway, valves and watch are tried in."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from support.warm_room import Warmth, open_warmth


@pytest.fixture
async def warmth(tmp_path: Path) -> AsyncGenerator[Warmth, None]:
    async with open_warmth(tmp_path) as opened:
        yield opened
