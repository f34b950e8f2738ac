"""Our driver, a real Zigbee2MQTT from npm, a simulated stick, and a bolt that is counted."""

from __future__ import annotations

import pytest

from support.z2m_chaos import try_z2m

# The gateway takes 5 to 15 s to start, and waits 10 s for each answer that is lost.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]


async def test_no_faulted_press_moves_a_bolt_twice_or_is_called_what_it_was_not() -> None:
    tally = await try_z2m(120, seed=11)
    assert tally.commands == 120
    assert tally.wrong == 0, tally
    assert tally.outcomes["done"] > 20
    assert tally.outcomes["unknown"] > 0
