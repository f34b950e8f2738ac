"""Some hundred presses under every fault of a bridge; `make chaos-doors` has thousands."""

from __future__ import annotations

from twin.http.chaos import try_nuki


async def test_no_bolt_contradicts_what_was_said_of_it() -> None:
    tally = await try_nuki(400, seed=20)
    assert tally.commands == 400
    assert tally.wrong == 0, tally
    assert set(tally.outcomes) == {"done", "refused", "not_sent", "unknown"}
