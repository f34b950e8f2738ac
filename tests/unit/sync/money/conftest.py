"""The fixture of every test of money."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.money_bench import MoneyBench, money_bench


@pytest.fixture
async def money(tmp_path: Path) -> AsyncIterator[MoneyBench]:
    async with money_bench(tmp_path) as bench:
        yield bench
