"""Some hundred presses under every trouble of a gateway; `make chaos-doors` has thousands."""

from __future__ import annotations

from twin.mqtt.chaos import try_gateway


async def test_no_bolt_contradicts_what_was_said_of_it() -> None:
    tally = await try_gateway(300, seed=4)
    assert tally.commands == 300
    assert tally.wrong == 0, tally
    assert set(tally.outcomes) == {"done", "not_sent", "unknown"}
