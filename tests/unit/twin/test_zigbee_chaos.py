"""Randomly faulted presses through real zigpy: the lock's own motor is the judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from appliance.bus.words import Outcome
from twin.zigbee_chaos import campaign, try_zigbee

if TYPE_CHECKING:
    from pathlib import Path


async def test_sixty_faulted_presses_break_no_promise(tmp_path: Path) -> None:
    found = await campaign(tmp_path, presses=60, seed=20)
    assert found.broken == []
    assert found.tally.wrong == 0
    assert found.tally.commands == 60
    # It is no campaign where everything fails, or nothing does.
    assert found.tally.outcomes[Outcome.DONE] > 20
    assert found.tally.outcomes[Outcome.UNKNOWN] > 0
    assert len(found.tally.weather) > 8


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_thousand_faulted_presses_break_no_promise() -> None:
    tally = await try_zigbee(1_000, 7)
    assert tally.commands == 1_000
    assert tally.wrong == 0
