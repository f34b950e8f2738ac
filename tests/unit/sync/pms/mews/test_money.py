"""Money of the desk at Mews: each sum once, also what was given back, to its last minor unit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from appliance.engines.payments.messages import (
    IntentState,
    PaymentRefunded,
    PaymentSettled,
    RefundNoted,
)
from support.sync_bench import SyncBench, sync_bench
from sync.ledger import EffectState
from twin.clouds.faults import Fault

LOST = [
    Fault.LOST_REQUEST,
    Fault.LOST_ANSWER,
    Fault.NO_ANSWER,
    Fault.CUT_BODY,
    Fault.BROKEN_STORED,
    Fault.SERVER_ERROR,
]


async def stay(bench: SyncBench) -> None:
    upstream = bench.book_upstream(room=True)
    await bench.turn()
    bench.box.say_booked(upstream)
    await bench.turn()


def settle(
    bench: SyncBench, amount_minor: int, currency: str = "EUR", *, means: str = "cash"
) -> None:
    bench.box.say(
        PaymentSettled(
            payment_id="pay_1",
            stay_id="stay_1",
            intent_id=None,
            means=means,
            amount_minor=amount_minor,
            currency=currency,
            provider_ref=None,
        )
    )


def refund(bench: SyncBench, amount_minor: int) -> None:
    bench.box.say(
        PaymentRefunded(
            refund_id="refund_1",
            payment_id="pay_1",
            stay_id="stay_1",
            means="cash",
            amount_minor=amount_minor,
            currency="EUR",
        )
    )


def booked(bench: SyncBench) -> list[tuple[str | None, int, str]]:
    return [
        (pay.external_identifier, pay.amount_minor, pay.type)
        for pay in bench.clouds.mews.store.payments.values()
    ]


@pytest.mark.parametrize("fault", LOST)
async def test_a_payment_and_its_refund_are_each_there_once(bench: SyncBench, fault: Fault) -> None:
    await stay(bench)
    bench.clouds.mews.faults.plan("payments/addExternal", fault)
    settle(bench, 12_000)
    await bench.heal(3)
    bench.clouds.mews.faults.plan("payments/addExternal", fault)
    refund(bench, 4_550)
    await bench.heal(3)
    assert booked(bench) == [("pay_1", 12_000, "Cash"), ("refund_1", -4_550, "Cash")]


async def test_a_refund_that_came_back_is_taken_back_at_mews(bench: SyncBench) -> None:
    await stay(bench)
    settle(bench, 12_000, means="saved_card")
    refund(bench, 4_550)
    await bench.turns(2)
    noted = RefundNoted(
        refund_id="refund_1",
        payment_id="pay_1",
        stay_id="stay_1",
        state=IntentState.DECLINED,
        provider_ref="re_1",
        code="expired_card",
        evidence="event",
    )
    # One that never went is no news there, nor is a log of before.
    bench.box.say(replace(noted, refund_id="refund_2"), noted)
    came_back = replace(noted, came_back_minor=4_550, currency="EUR", means="cash")
    bench.box.say(came_back, replace(came_back, refund_id="refund_2"))
    await bench.turns(2)
    assert booked(bench) == [
        ("pay_1", 12_000, "CreditCard"),
        ("refund_1", -4_550, "Cash"),
        ("refund_1.back", 4_550, "Cash"),
    ]


async def test_what_mews_never_heard_of_does_not_go_back_there(bench: SyncBench) -> None:
    """A second charge, or a stray: its refund would make the bill look unpaid."""
    await stay(bench)
    settle(bench, 12_000)
    for payment_id, stay_id in (("pay_second", "stay_1"), ("stray_1", "stray_1")):
        bench.box.say(
            PaymentRefunded(
                refund_id=f"refund_of_{payment_id}",
                payment_id=payment_id,
                stay_id=stay_id,
                means="saved_card",
                amount_minor=12_000,
                currency="EUR",
            )
        )
    await bench.turns(2)
    assert booked(bench) == [("pay_1", 12_000, "Cash")]
    assert bench.running.report()["parked"] == []


@pytest.mark.parametrize(
    ("means", "theirs"),
    [
        ("cash", "Cash"),
        ("slip", "CreditCard"),
        ("saved_card", "CreditCard"),
        ("hold", "CreditCard"),
        ("pay_link", "OnlinePayment"),
        ("something new", "Unspecified"),
    ],
)
async def test_mews_hears_how_it_came(bench: SyncBench, means: str, theirs: str) -> None:
    await stay(bench)
    settle(bench, 100, means=means)
    await bench.turns(2)
    assert booked(bench) == [("pay_1", 100, theirs)]


@pytest.mark.parametrize(
    ("currency", "minor"), [("JPY", 12_001), ("KWD", 12_345), ("EUR", 1), ("EUR", 9_007_199_254)]
)
async def test_no_minor_unit_is_lost_whatever_the_currency(
    tmp_path: Path, currency: str, minor: int
) -> None:
    async with sync_bench(tmp_path) as bench:
        bench.clouds.mews.store.configure(currency=currency)
        await stay(bench)
        settle(bench, minor, currency)
        await bench.turns(2)
        assert booked(bench) == [("pay_1", minor, "Cash")]


async def test_a_currency_that_mews_does_not_take_waits_for_a_person_with_their_words(
    bench: SyncBench,
) -> None:
    await stay(bench)
    settle(bench, 12_000, "USD")
    await bench.turns(2)
    effect = bench.effect("pms.payment")
    assert effect.state is EffectState.PARKED
    assert effect.sentence == "Mews says: The currency USD is not accepted by the property."
    assert booked(bench) == []
