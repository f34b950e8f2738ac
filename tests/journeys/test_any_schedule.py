"""Cuts, stopped and killed processes, lost answers, in random order: both sides end alike."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from campaigns.__main__ import play
from campaigns.channels import CHANNELS
from campaigns.schedule import Schedule
from sync.carrier import Carrier
from sync.pms.mews.push import MewsPush

# Killed processes leave coroutines behind that nobody will ever run.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

# The short version of `make chaos-sync`: some seconds for each vendor.
SCHEDULES = 12
# An adversary doubles something in one schedule of twenty or thirty.
SEEDS_MAX = 200


@pytest.mark.parametrize("vendor", sorted(CHANNELS))
async def test_any_schedule_ends_alike_on_both_sides_and_nothing_is_doubled(
    vendor: str, tmp_path: Path
) -> None:
    for seed in range(1, SCHEDULES + 1):
        folder = tmp_path / str(seed)
        folder.mkdir()
        ended = await Schedule(folder, vendor, seed).play()
        assert ended.broken == [], f"{vendor}, seed {seed}"


def test_a_seed_tells_the_same_story_twice() -> None:
    first, again = (play("mews", 7) for _ in range(2))
    assert first == again
    assert first.counts["weather: killed"], "with kills in it"


def _found(words: str) -> bool:
    for seed in range(1, SEEDS_MAX):
        if any(words in sentence for sentence in play("mews", seed).broken):
            return True
    return False


def test_the_campaign_sees_a_pusher_that_resends_blindly(monkeypatch: pytest.MonkeyPatch) -> None:
    async def blind(self: MewsPush, effect: Any) -> None:
        return None

    monkeypatch.setattr(MewsPush, "reconcile", blind)
    monkeypatch.setattr(MewsPush, "late_ms", 0)
    assert _found("bookings at the PMS")


def test_the_campaign_sees_a_ledger_that_makes_a_key_for_each_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    commit = Carrier._commit_intent

    def forgetful(self: Carrier, effect_id: str) -> Any:
        effect = commit(self, effect_id)
        if effect is None or effect.counterparty != "stripe":
            return effect
        key = f"{effect.id}.{effect.tries}"
        return dataclasses.replace(effect, idempotency_key=key, look_first=False)

    monkeypatch.setattr(Carrier, "_commit_intent", forgetful)
    assert _found("was charged")
