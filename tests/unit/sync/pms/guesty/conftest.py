"""The Guesty twin, and a client of ours that asks it on virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.guesty_client import Asker


@pytest.fixture
def asker(tmp_path: Path) -> Iterator[Asker]:
    found = Asker(tmp_path)
    yield found
    found.ledger.close()
