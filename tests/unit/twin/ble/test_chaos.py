"""A short run of the campaign over the virtual air; `make chaos-doors` runs the long one."""

from __future__ import annotations

import pytest

from appliance.bus.words import Outcome
from twin.ble.chaos import try_air


@pytest.mark.parametrize("seed", [3, 4])
async def test_whatever_the_air_does_a_bolt_moves_once_and_is_told_truly(seed: int) -> None:
    tally = await try_air(15, seed)
    assert tally.commands >= 15
    assert tally.wrong == 0, tally
    assert tally.outcomes[Outcome.DONE] > tally.commands // 2


async def test_a_seed_tells_the_same_story_twice() -> None:
    first, second = await try_air(4, 5), await try_air(4, 5)
    assert first.weather == second.weather
    assert first.commands == second.commands
