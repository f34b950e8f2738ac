"""The Guesty twin, and a client of ours that asks it on virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from support.guesty_bench import GuestyBench, guesty_bench
from support.guesty_client import Asker
from sync.pms.guesty.account import GuestyApi


@pytest.fixture
def asker(tmp_path: Path) -> Iterator[Asker]:
    found = Asker(tmp_path)
    yield found
    found.ledger.close()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[GuestyBench]:
    async with guesty_bench(tmp_path) as found:
        yield found


@pytest.fixture(params=list(GuestyApi))
async def both(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[GuestyBench]:
    """The same promises, whichever generation is read."""
    async with guesty_bench(tmp_path, request.param) as found:
        yield found
