"""What providers say: holds, captures, refunds, links, cards, disputes, strays, bank lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.engines.payments import news
from appliance.engines.payments.messages import (
    AskCardSetUp,
    AskPayLink,
    BankLineNoted,
    BankLineRemoved,
    CaptureAsked,
    CaptureHold,
    CardReferenceSaved,
    CardSetUpAsked,
    DepositAsked,
    DisputeNoted,
    DisputeState,
    HoldAsked,
    HoldCard,
    HoldReleaseAsked,
    IntentNoted,
    IntentState,
    NoteBankLine,
    NoteCapture,
    NoteCardSetUp,
    NoteDispute,
    NoteIntent,
    NotePayLink,
    NoteRefund,
    NoteStrayPayment,
    PayLinkAsked,
    PaymentRefunded,
    PaymentSettled,
    RecordCash,
    RefundAsked,
    RefundPayment,
    Refusal,
    ReleaseHold,
    SaveCardReference,
    SecondChargeFound,
    StrayMoneyFound,
    TakeDeposit,
)
from appliance.engines.payments.room import ENGINE
from appliance.engines.payments.state import FINAL, Money, fold
from appliance.engines.rules.room import ENGINE as RULES
from appliance.kernel.engine import No, Yes
from appliance.kernel.messages import Event
from support.desk import FRIDAY_18_MS, SYNC
from support.hotel import Hotel

S = IntentState
NOW_S = FRIDAY_18_MS // 1_000
EUROS: dict[str, Any] = {"amount_minor": 5_000, "currency": "EUR"}


@pytest.fixture
def hotel(tmp_path: Path) -> Iterator[Hotel]:
    hotel = Hotel(tmp_path, more=[ENGINE, RULES])
    yield hotel
    hotel.close()


@pytest.fixture
def stay(hotel: Hotel) -> str:
    stay_id = hotel.learned()
    card = SaveCardReference(stay_id=stay_id, customer_ref="cus_1", method_ref="pm_1")
    hotel.done(card)
    return stay_id


def held(hotel: Hotel, stay_id: str, capture_by_s: int | None = None) -> str:
    """A hold of 50.00 that the provider keeps."""
    intent_id = str(hotel.done(HoldCard(stay_id=stay_id, **EUROS))["intent_id"])
    kept = NoteIntent(
        intent_id=intent_id, state=S.HELD, provider_ref="pi_h", capture_by_s=capture_by_s
    )
    hotel.done(kept, SYNC)
    return intent_id


def paid(hotel: Hotel, stay_id: str) -> str:
    """A deposit of 50.00 that arrived; gives its payment."""
    intent_id = hotel.done(TakeDeposit(stay_id=stay_id, **EUROS))["intent_id"]
    hotel.done(NoteIntent(intent_id=intent_id, state=S.SUCCEEDED, provider_ref="pi_1"), SYNC)
    return str([each.payment_id for each in told(hotel, PaymentSettled)][-1])


def told(hotel: Hotel, kind: type[Any]) -> list[Any]:
    return [fact.event for fact in hotel.facts if isinstance(fact.event, kind)]


def take(intent_id: str, amount_minor: int = 5_000) -> CaptureHold:
    return CaptureHold(intent_id=intent_id, amount_minor=amount_minor, currency="EUR")


def give_back(payment_id: str, amount_minor: int = 5_000, reason: str = "broken") -> RefundPayment:
    return RefundPayment(
        payment_id=payment_id, amount_minor=amount_minor, currency="EUR", reason=reason
    )


# -- holds -------------------------------------------------------------------------------------


def test_a_hold_is_asked_for_once_and_pays_nothing(hotel: Hotel, stay: str) -> None:
    held(hotel, stay)
    [asked] = told(hotel, HoldAsked)
    assert (asked.customer_ref, asked.method_ref, asked.amount_minor) == ("cus_1", "pm_1", 5_000)
    assert asked.not_after_s == NOW_S + 72 * 3_600
    assert hotel.refused(HoldCard(stay_id=stay, **EUROS)) == Refusal.HOLD_EXISTS
    assert told(hotel, PaymentSettled) == []
    # What is set aside keeps no deposit away.
    hotel.done(TakeDeposit(stay_id=stay, **EUROS))


def test_part_of_a_hold_is_taken_once(hotel: Hotel, stay: str) -> None:
    intent_id = held(hotel, stay, NOW_S + 1_000)
    assert hotel.refused(take(intent_id, 5_001)) == Refusal.MORE_THAN_LEFT
    assert hotel.refused(take(intent_id, 0)) == Refusal.BAD_AMOUNT
    capture_id = hotel.done(take(intent_id, 3_000))["capture_id"]
    [asked] = told(hotel, CaptureAsked)
    assert (asked.provider_ref, asked.capture_by_s) == ("pi_h", NOW_S + 1_000)
    assert hotel.refused(take(intent_id, 2_000)) == Refusal.NOT_HELD
    assert hotel.refused(ReleaseHold(intent_id=intent_id)) == Refusal.NOT_HELD
    for _ in range(2):
        hotel.done(NoteCapture(capture_id=capture_id, state=S.SUCCEEDED), SYNC)
        hotel.done(NoteIntent(intent_id=intent_id, state=S.SUCCEEDED, provider_ref="pi_h"), SYNC)
    [settled] = told(hotel, PaymentSettled)
    assert (settled.means, settled.amount_minor, settled.provider_ref) == ("hold", 3_000, "pi_h")


def test_the_providers_own_word_may_come_before_the_captures_answer(
    hotel: Hotel, stay: str
) -> None:
    intent_id = held(hotel, stay)
    capture_id = hotel.done(take(intent_id, 3_000))["capture_id"]
    hotel.done(NoteIntent(intent_id=intent_id, state=S.SUCCEEDED, provider_ref="pi_h"), SYNC)
    hotel.done(NoteCapture(capture_id=capture_id, state=S.SUCCEEDED), SYNC)
    [settled] = told(hotel, PaymentSettled)
    assert settled.amount_minor == 3_000


def test_what_somebody_took_at_the_provider_is_paid_too(hotel: Hotel, stay: str) -> None:
    intent_id = held(hotel, stay)
    taken = NoteIntent(
        intent_id=intent_id, state=S.SUCCEEDED, provider_ref="pi_h", amount_minor=1_200
    )
    hotel.done(taken, SYNC)
    [settled] = told(hotel, PaymentSettled)
    assert settled.amount_minor == 1_200


async def test_a_hold_that_ran_out_is_not_taken(hotel: Hotel, stay: str) -> None:
    intent_id = held(hotel, stay)
    await hotel.clock.advance(144 * 3_600)
    assert hotel.refused(take(intent_id)) == Refusal.TOO_LATE
    hotel.done(NoteIntent(intent_id=intent_id, state=S.EXPIRED), SYNC)
    assert hotel.refused(take(intent_id)) == Refusal.NOT_HELD


def test_a_hold_is_let_go_once(hotel: Hotel, stay: str) -> None:
    intent_id = held(hotel, stay)
    hotel.done(ReleaseHold(intent_id=intent_id))
    hotel.done(ReleaseHold(intent_id=intent_id))
    [asked] = told(hotel, HoldReleaseAsked)
    assert asked.provider_ref == "pi_h"
    assert hotel.refused(take(intent_id)) == Refusal.NOT_HELD
    hotel.done(NoteIntent(intent_id=intent_id, state=S.RELEASED), SYNC)
    held(hotel, stay)


def test_a_deposit_is_no_hold(hotel: Hotel, stay: str) -> None:
    intent_id = hotel.done(TakeDeposit(stay_id=stay, **EUROS))["intent_id"]
    assert hotel.refused(take(intent_id)) == Refusal.UNKNOWN_INTENT
    assert hotel.refused(ReleaseHold(intent_id="intent_x")) == Refusal.UNKNOWN_INTENT
    kept = NoteIntent(intent_id=intent_id, state=S.HELD)
    assert hotel.refused(kept, SYNC) == Refusal.WRONG_NEWS


# -- refunds -----------------------------------------------------------------------------------


def test_never_more_goes_back_than_came(hotel: Hotel, stay: str) -> None:
    payment_id = paid(hotel, stay)
    assert hotel.refused(give_back(payment_id, 5_001)) == Refusal.MORE_THAN_LEFT
    refund_id = hotel.done(give_back(payment_id, 3_000))["refund_id"]
    assert hotel.refused(give_back(payment_id, 2_001)) == Refusal.MORE_THAN_LEFT
    # What the bank refuses is there to be given back again, under another id.
    hotel.done(NoteRefund(refund_id=refund_id, state=S.DECLINED), SYNC)
    again = hotel.done(give_back(payment_id, 5_000))["refund_id"]
    assert again != refund_id
    for _ in range(2):
        hotel.done(NoteRefund(refund_id=again, state=S.SUCCEEDED, provider_ref="re_1"), SYNC)
    [gone] = told(hotel, PaymentRefunded)
    assert (gone.amount_minor, gone.payment_id, gone.provider_ref) == (5_000, payment_id, "re_1")


def test_nothing_is_refunded_before_it_is_known_to_have_arrived(hotel: Hotel, stay: str) -> None:
    hotel.done(TakeDeposit(stay_id=stay, **EUROS))
    assert hotel.refused(give_back("payment_x")) == Refusal.UNKNOWN_PAYMENT


def test_cash_goes_back_from_the_drawer_at_once(hotel: Hotel, stay: str) -> None:
    payment_id = hotel.done(RecordCash(stay_id=stay, **EUROS))["payment_id"]
    assert hotel.refused(give_back(payment_id, 0)) == Refusal.BAD_AMOUNT
    assert hotel.refused(give_back(payment_id, reason="")) == Refusal.EMPTY
    assert hotel.refused(replace(give_back(payment_id), currency="USD")) == Refusal.BAD_CURRENCY
    hotel.done(give_back(payment_id, 2_000))
    assert told(hotel, RefundAsked) == []
    assert hotel.refused(give_back(payment_id, 3_001)) == Refusal.MORE_THAN_LEFT
    [gone] = told(hotel, PaymentRefunded)
    assert (gone.means, gone.amount_minor) == ("cash", 2_000)


# -- a second charge, and money that nobody knows -------------------------------------------------


def test_of_two_charges_one_goes_back_by_itself(hotel: Hotel, stay: str) -> None:
    """Anchors U4: if the provider says two, one is refunded automatically."""
    paid(hotel, stay)
    [deposit] = told(hotel, DepositAsked)
    second = NoteIntent(intent_id=deposit.intent_id, state=S.SUCCEEDED, provider_ref="pi_2")
    for _ in range(3):
        hotel.done(second, SYNC)
    [found], [refund] = told(hotel, SecondChargeFound), told(hotel, RefundAsked)
    assert (refund.provider_ref, refund.amount_minor, refund.because) == (
        "pi_2",
        5_000,
        "second_charge",
    )
    assert found.refund_id == refund.refund_id
    assert len(told(hotel, PaymentSettled)) == 1
    hotel.done(NoteRefund(refund_id=refund.refund_id, state=S.SUCCEEDED), SYNC)
    assert hotel.refused(give_back(found.payment_id)) == Refusal.UNKNOWN_PAYMENT


def test_money_after_a_no_is_for_a_person(hotel: Hotel, stay: str) -> None:
    intent_id = hotel.done(TakeDeposit(stay_id=stay, **EUROS))["intent_id"]
    hotel.done(NoteIntent(intent_id=intent_id, state=S.DECLINED, provider_ref="pi_1"), SYNC)
    for _ in range(2):
        hotel.done(NoteIntent(intent_id=intent_id, state=S.SUCCEEDED, provider_ref="pi_1"), SYNC)
    [stray] = told(hotel, StrayMoneyFound)
    assert (stray.stay_id, stray.our_ref, stray.amount_minor) == (stay, intent_id, 5_000)
    assert told(hotel, PaymentSettled) == []


def test_a_stray_is_one_however_often_it_is_told(hotel: Hotel, stay: str) -> None:
    paid(hotel, stay)
    stray = NoteStrayPayment(provider="stripe", provider_ref="pi_9", **EUROS)
    for _ in range(2):
        hotel.done(stray, SYNC)
    assert len(told(hotel, StrayMoneyFound)) == 1
    hotel.done(replace(stray, provider_ref="pi_1"), SYNC)  # on the folio: no stray
    assert len(told(hotel, StrayMoneyFound)) == 1
    assert hotel.refused(replace(stray, amount_minor=0), SYNC) == Refusal.BAD_AMOUNT
    assert hotel.refused(replace(stray, our_ref="4111111111111111"), SYNC) == Refusal.CARD_NUMBER


# -- links and cards ---------------------------------------------------------------------------


def test_a_link_is_paid_once_and_only_as_asked(hotel: Hotel, stay: str) -> None:
    link_id = hotel.done(AskPayLink(stay_id=stay, **EUROS))["link_id"]
    [asked] = told(hotel, PayLinkAsked)
    assert len(asked.order_ref) <= 30
    assert asked.expires_s == NOW_S + 48 * 3_600
    page = NotePayLink(link_id=link_id, state=S.REQUIRES_ACTION, url="https://pay.example/1")
    hotel.done(page, SYNC)
    other = NotePayLink(link_id=link_id, state=S.SUCCEEDED, amount_minor=4_999, currency="EUR")
    for _ in range(2):
        hotel.done(other, SYNC)
    assert told(hotel, PaymentSettled) == []
    [(state, code)] = hotel.rows(
        "SELECT state, code FROM payments_intent WHERE intent_id = ?", link_id
    )
    assert (state, code) == ("manual", "other_amount")
    hotel.done(replace(other, amount_minor=5_000, provider_ref="track-1"), SYNC)
    [settled] = told(hotel, PaymentSettled)
    assert (settled.means, settled.provider_ref) == ("pay_link", "track-1")
    assert hotel.refused(replace(page, url="x" * 2_049), SYNC) == Refusal.TOO_LONG


def test_a_card_left_with_the_provider_is_saved(hotel: Hotel) -> None:
    stay_id = hotel.learned("up-7")
    set_up_id = hotel.done(AskCardSetUp(stay_id=stay_id))["set_up_id"]
    assert hotel.done(AskCardSetUp(stay_id=stay_id))["set_up_id"] == set_up_id
    assert len(told(hotel, CardSetUpAsked)) == 1
    without = NoteCardSetUp(set_up_id=set_up_id, state=S.SUCCEEDED)
    assert hotel.refused(without, SYNC) == Refusal.WRONG_NEWS
    kept = replace(without, customer_ref="cus_2", method_ref="pm_2")
    for _ in range(2):
        hotel.done(kept, SYNC)
    [saved] = told(hotel, CardReferenceSaved)
    assert (saved.stay_id, saved.customer_ref) == (stay_id, "cus_2")
    hotel.done(TakeDeposit(stay_id=stay_id, **EUROS))


# -- pages ---------------------------------------------------------------------------------------


PAGE = "https://pay.example/pay/stripe/pi_1/0123456789abcdef01234567"


@pytest.mark.parametrize("ask", [TakeDeposit, HoldCard])
def test_a_page_waits_for_the_guest_until_the_end_is_known(
    hotel: Hotel, stay: str, ask: type[Any]
) -> None:
    intent_id = hotel.done(ask(stay_id=stay, **EUROS))["intent_id"]
    without = NoteIntent(intent_id=intent_id, state=S.REQUIRES_ACTION, provider_ref="pi_1")
    hotel.done(without, SYNC)
    for _ in range(2):
        hotel.done(replace(without, url=PAGE), SYNC)
    assert [each.url for each in told(hotel, IntentNoted)] == [None, PAGE]
    page = "SELECT url FROM payments_intent WHERE intent_id = ?"
    assert hotel.rows(page, intent_id) == [(PAGE,)]
    hotel.done(replace(without, state=S.DECLINED, url=PAGE), SYNC)
    assert hotel.rows(page, intent_id) == [(None,)]
    assert told(hotel, IntentNoted)[-1].url is None


def test_a_page_that_nobody_may_be_sent_to_is_refused(hotel: Hotel, stay: str) -> None:
    intent_id = hotel.done(TakeDeposit(stay_id=stay, **EUROS))["intent_id"]
    note = NoteIntent(intent_id=intent_id, state=S.REQUIRES_ACTION, url="http://pay.example/1")
    assert hotel.refused(note, SYNC) == Refusal.BAD_PAGE
    assert hotel.refused(replace(note, url=PAGE + "x" * 2_000), SYNC) == Refusal.TOO_LONG
    assert told(hotel, IntentNoted) == []


# -- disputes ----------------------------------------------------------------------------------


def test_a_dispute_finds_its_payment_and_ends_once(hotel: Hotel, stay: str) -> None:
    payment_id = paid(hotel, stay)
    opened = NoteDispute(
        dispute_id="dp_1",
        provider="stripe",
        provider_ref="pi_1",
        state=DisputeState.OPEN,
        reason="fraudulent",
        due_s=NOW_S + 86_400,
        **EUROS,
    )
    for state in (DisputeState.OPEN, DisputeState.OPEN, DisputeState.LOST, DisputeState.OPEN):
        hotel.done(replace(opened, state=state), SYNC)
    facts = told(hotel, DisputeNoted)
    assert [fact.state for fact in facts] == [DisputeState.OPEN, DisputeState.LOST]
    assert (facts[0].payment_id, facts[0].stay_id) == (payment_id, stay)
    # The cardholder has it already: nothing is left to give back.
    assert hotel.refused(give_back(payment_id, 1)) == Refusal.MORE_THAN_LEFT
    won = replace(opened, state=DisputeState.WON)
    assert hotel.refused(won, SYNC) == Refusal.ALREADY_FINAL


# -- bank lines --------------------------------------------------------------------------------


def test_a_line_is_one_however_often_the_feed_tells_it(hotel: Hotel) -> None:
    line = NoteBankLine(
        line_id="l1",
        account_ref="acc",
        booked_on=date(2026, 11, 1),
        reference="rent 4111 1111 1111 1111",
        pending=True,
        **EUROS,
    )
    posted = replace(line, line_id="l2", pending=False, pending_line_id="l1")
    for each in (line, line, posted, posted):
        hotel.done(each, SYNC)
    assert [fact.line_id for fact in told(hotel, BankLineNoted)] == ["l1", "l2"]
    assert [fact.line_id for fact in told(hotel, BankLineRemoved)] == ["l1"]
    for _ in range(2):
        hotel.done(replace(posted, removed=True), SYNC)
    assert [fact.line_id for fact in told(hotel, BankLineRemoved)] == ["l1", "l2"]
    # Four digits may stand in any digest.
    assert "4111 1111" not in "".join(hotel.db.iterdump())


# -- in any order ------------------------------------------------------------------------------

REFS = st.sampled_from([None, "pi_1", "pi_2"])


@given(said=st.lists(st.tuples(st.sampled_from(list(S)), REFS)))
def test_in_whatever_order_news_comes_money_arrives_at_most_once(
    said: list[tuple[IntentState, str | None]],
) -> None:
    asked = DepositAsked(
        intent_id="i1",
        stay_id="s1",
        amount_minor=1,
        currency="EUR",
        customer_ref="c",
        method_ref="m",
        not_after_s=1,
    )
    money: Money = fold(None, [asked])
    facts: list[Event] = []
    for state, ref in said:
        scene = news.NewsScene(stay_id="s1", money=money)
        was = money.asks["i1"].state
        command = NoteIntent(intent_id="i1", state=state, provider_ref=ref)
        decided = news.note_intent(scene, command, None)  # type: ignore[arg-type]
        if not isinstance(decided, Yes):
            assert decided is Refusal.WRONG_NEWS or isinstance(decided, No)
            continue
        money = fold(money, decided.events)
        facts += decided.events
        assert was not in FINAL or money.asks["i1"].state is was
    arrived = [each for each in facts if isinstance(each, PaymentSettled)]
    assert len(arrived) <= 1
    assert bool(arrived) is (money.asks["i1"].state is S.SUCCEEDED)
    refunds = [each.provider_ref for each in facts if isinstance(each, RefundAsked)]
    assert len(refunds) == len(set(refunds))
    assert not {each.provider_ref for each in arrived} & set(refunds)
