"""A property for the promises of sync."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.sync_bench import SyncBench, sync_bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[SyncBench]:
    async with sync_bench(tmp_path) as found:
        yield found
