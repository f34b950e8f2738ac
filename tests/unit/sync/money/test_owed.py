"""What a fact about money asks of the provider: nothing that goes back is forgotten."""

from __future__ import annotations

import pytest

from appliance.engines.payments.messages import RefundAsked
from appliance.kernel.messages import Role, Surface, Who
from sync.home import Fact
from sync.ledger import EffectState
from sync.money.owed import CCAVENUE, STRIPE, drafts_of
from sync.money.stripe.amounts import ours, theirs
from sync.money.stripe.frozen import thaw


def refund(means: str, amount_minor: int = 5_000, currency: str = "EUR") -> Fact:
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
            "amount_minor": amount_minor,
            "currency": currency,
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


# 5,000 of each currency's units at Stripe (docs.stripe.com/currencies: zero-decimal, special cases).
@pytest.mark.parametrize(
    ("amount_minor", "currency", "asked"),
    [
        (500_000, "EUR", 500_000),
        (5_000, "JPY", 5_000),
        (5_000_000, "KWD", 5_000_000),
        (5_000, "ISK", 500_000),
        (5_000, "UGX", 500_000),
        (500_000, "MGA", 5_000),
    ],
)
def test_stripe_is_asked_in_its_own_minor_units(
    amount_minor: int, currency: str, asked: int
) -> None:
    [draft] = drafts_of(refund("hold", amount_minor, currency), STRIPE)
    assert thaw(draft.body).fields["amount"] == str(asked)
    assert ours({"amount": asked, "currency": currency.lower()}, "amount") == amount_minor


def test_a_fraction_that_stripe_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="no fractions of MGA"):
        theirs(500_050, "MGA")
