"""Cuts, stopped and killed processes, lost answers, in random order: both sides end alike."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from campaigns.__main__ import play
from campaigns.channels import CHANNELS
from campaigns.processes import (
    CALM_S,
    QUIET_S_MAX,
    STANDS_S_MAX,
    Draining,
    bookings_alike,
    money_alike,
)
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


def test_a_queue_is_waited_for_as_long_as_it_shrinks() -> None:
    draining = Draining(0.0)
    at_s = 0.0
    for queued in range(9, 0, -1):
        assert not draining.is_over(queued, at_s)
        at_s += STANDS_S_MAX
    assert not draining.is_over(0, at_s)
    assert draining.is_over(0, at_s + CALM_S)
    assert draining.broken is None
    assert (draining.most, draining.empty_s) == (9, at_s)


def test_a_queue_that_stands_is_told() -> None:
    draining = Draining(0.0)
    assert not draining.is_over(3, 0.0)
    assert not draining.is_over(3, STANDS_S_MAX)
    assert draining.is_over(None, STANDS_S_MAX + 1)
    assert draining.broken is not None


def test_a_queue_that_shrinks_for_ever_is_told() -> None:
    draining = Draining(0.0)
    at_s, queued = 0.0, 10_000
    while not draining.is_over(queued, at_s):
        at_s, queued = at_s + STANDS_S_MAX, queued - 1
    assert at_s > QUIET_S_MAX
    assert draining.broken is not None


def _settled(payment: str, intent: str) -> dict[str, Any]:
    body = {"payment_id": payment, "stay_id": "stay_1", "intent_id": intent, "amount_minor": 5_000}
    return {"kind": "payments.payment_settled.v1", "body": body}


def test_money_that_differs_between_the_sides_is_found() -> None:
    facts = [_settled("payment_1", "intent_1")]
    charged = [{"metadata": {"outbox_id": "intent_1"}, "amount_minor": 5_000}]
    posted = [{"external_identifier": "payment_1", "amount_minor": 5_000}]
    assert money_alike(facts, charged, posted, {}) == []
    assert len(money_alike(facts, [], posted, {})) == 1
    assert len(money_alike(facts, charged * 2, posted, {})) == 1
    assert len(money_alike([], charged, [], {})) == 1
    assert len(money_alike(facts, charged, posted * 2, {})) == 1
    assert len(money_alike(facts, charged, [], {})) == 1
    assert money_alike(facts, charged, [], {"stay:stay_1": "a person has it"}) == []


def test_bookings_that_differ_between_the_sides_are_found() -> None:
    booked = {"kind": "stays.booked.v1", "body": {"stay_id": "stay_1", "upstream_id": "one"}}
    left = {"kind": "stays.checked_out.v1", "body": {"stay_id": "stay_1"}}
    row = {"Id": "one", "State": "Processed", "ChannelNumber": "code", "Origin": "Connector"}
    told = {"stay:stay_1": "a person has it"}
    assert bookings_alike([booked, left], [row], {}) == []
    assert len(bookings_alike([booked], [row], {})) == 1
    assert bookings_alike([booked], [row], told) == []
    assert len(bookings_alike([booked], [], {})) == 1
    assert len(bookings_alike([], [row], {})) == 1
    twice = [row, row | {"Id": "two"}]
    assert len(bookings_alike([booked, left], twice, told)) == 2
