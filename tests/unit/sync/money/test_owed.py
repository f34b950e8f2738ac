"""What a fact about money asks of the provider: nothing that goes back is forgotten."""

from __future__ import annotations

import pytest

from appliance.engines.payments.messages import RefundAsked
from appliance.kernel.messages import Role, Surface, Who
from sync.home import Fact
from sync.ledger import EffectState
from sync.money.owed import CCAVENUE, STRIPE, drafts_of


def refund(means: str) -> Fact:
    return Fact(
        position=7,
        stream="payments/stay",
        version=1,
        kind=RefundAsked.kind,
        body={
            "refund_id": "refund_1",
            "payment_id": "payment_1",
            "intent_id": None,
            "provider_ref": "ref_1",
            "amount_minor": 5_000,
            "means": means,
        },
        command_id="c1",
        who=Who(actor="eva", role=Role.MANAGER, surface=Surface.KIOSK),
        origin=None,
        cause=None,
        trace=None,
        at_wall_ms=1,
        chain="",
    )


@pytest.mark.parametrize("means", ["pay_link", "stray"])
def test_what_goes_back_at_ccavenue_is_a_persons(means: str) -> None:
    [draft] = drafts_of(refund(means), CCAVENUE)
    assert (draft.counterparty, draft.state) == (CCAVENUE, EffectState.MANUAL)
    assert "own pages" in draft.sentence


@pytest.mark.parametrize("means", ["saved_card", "hold", "pay_link", "stray"])
def test_stripe_gives_back_whatever_came_by_it(means: str) -> None:
    [draft] = drafts_of(refund(means), STRIPE)
    assert (draft.counterparty, draft.state) == (STRIPE, EffectState.QUEUED)
