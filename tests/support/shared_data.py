"""Real data that lies beside the repository: a skip where it is absent, a failure where CI=true."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.needs import in_ci

ROOT = Path(__file__).parents[2]
FOLDER = ROOT.parent / "shared" / "data"


def shared_data(name: str) -> Path:
    """The path of one file or folder under `../shared/data`, for example `contracts/mews`."""
    path = FOLDER / name
    if path.exists():
        return path
    reason = f"../shared/data/{name} is not beside this repository"
    if in_ci():
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
