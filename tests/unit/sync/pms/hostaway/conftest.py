"""A property at Hostaway for the promises of its adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.hostaway_bench import HostawayBench, hostaway_bench


@pytest.fixture
async def hotel(tmp_path: Path) -> AsyncIterator[HostawayBench]:
    async with hostaway_bench(tmp_path) as found:
        yield found
