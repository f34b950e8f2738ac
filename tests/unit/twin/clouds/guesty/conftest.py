"""A furnished account for the promises of the Guesty twin."""

from __future__ import annotations

import pytest

from support.guesty import Account


@pytest.fixture
def account() -> Account:
    return Account()
