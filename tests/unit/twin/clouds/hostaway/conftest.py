"""A caller of the twin's Hostaway who has a token."""

from __future__ import annotations

import pytest

from support.hostaway import Stranger
from twin.clouds.hostaway.records import Listing


@pytest.fixture
async def stranger() -> Stranger:
    found = Stranger()
    await found.log_in()
    await found.clock.advance(10)
    return found


@pytest.fixture
def flat(stranger: Stranger) -> Listing:
    return stranger.store.add_listing("Rua do Ouro 12")


@pytest.fixture
def double(stranger: Stranger) -> Listing:
    return stranger.store.add_listing("Double", units=("101", "102"))
