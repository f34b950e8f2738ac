"""No booking without money or a person's word, and no money without a booking."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.engines.payments import recovery
from appliance.engines.payments.messages import (
    AcceptUnpaid,
    CheckRecovery,
    DisputeState,
    Folio,
    HoldCard,
    IntentState,
    NoteDispute,
    NoteIntent,
    NoteRefund,
    NoteStrayPayment,
    PaymentRefunded,
    PaymentSettled,
    RecordCash,
    RecoveryDue,
    RefundAsked,
    RefundNoted,
    RefundPayment,
    Refusal,
    SaveCardReference,
    SettleStray,
    TakeDeposit,
    UnpaidAccepted,
)
from appliance.engines.payments.room import ENGINE
from appliance.engines.stays.messages import CancelStay, CheckIn, CheckOut
from support.desk import BOX, FRIDAY_18_MS, MANAGER, SYNC
from support.hotel import Hotel

EUROS: dict[str, Any] = {"amount_minor": 5_000, "currency": "EUR"}
S = IntentState
NOW_S = FRIDAY_18_MS // 1_000


@pytest.fixture
def hotel(tmp_path: Path) -> Iterator[Hotel]:
    hotel = Hotel(tmp_path, more=[ENGINE])
    yield hotel
    hotel.close()


@pytest.fixture
def stay(hotel: Hotel) -> str:
    stay_id = hotel.learned()
    hotel.done(SaveCardReference(stay_id=stay_id, customer_ref="cus_1", method_ref="pm_1"))
    return stay_id


def items(hotel: Hotel) -> list[recovery.Item]:
    now_s = hotel.clock.read().wall_ms // 1_000
    return recovery.items_from(hotel.rows(recovery.LIST, now_s))


def whats(hotel: Hotel) -> list[str]:
    return [each.what for each in items(hotel)]


def told(hotel: Hotel, kind: type[Any]) -> list[Any]:
    return [fact.event for fact in hotel.facts if isinstance(fact.event, kind)]


def deposit(hotel: Hotel, stay_id: str, state: IntentState, ref: str = "pi_1") -> str:
    intent_id = str(hotel.done(TakeDeposit(stay_id=stay_id, **EUROS))["intent_id"])
    hotel.done(NoteIntent(intent_id=intent_id, state=state, provider_ref=ref), SYNC)
    return intent_id


async def test_a_guarantee_that_failed_waits_for_money_or_a_word(hotel: Hotel, stay: str) -> None:
    deposit(hotel, stay, S.DECLINED)
    [item] = items(hotel)
    assert (item.what, item.stay_id, item.amount_minor) == ("guarantee_failed", stay, 5_000)
    assert recovery.ACTIONS[item.what] == ("retry", "pay_link", "take_cash", "accept")
    # Asked again: the first has no say any more, and the second takes its place.
    await hotel.clock.advance(1)
    deposit(hotel, stay, S.DECLINED, "pi_2")
    assert whats(hotel) == ["guarantee_failed"]
    await hotel.clock.advance(1)
    hotel.done(RecordCash(stay_id=stay, **EUROS))
    assert items(hotel) == []


def test_a_persons_word_is_on_the_record(hotel: Hotel, stay: str) -> None:
    deposit(hotel, stay, S.REQUIRES_ACTION)
    [item] = items(hotel)
    assert item.what == "guest_must_act"
    word = AcceptUnpaid(item_id=item.item_id, reason="an old guest of ours")
    assert hotel.refused(replace(word, item_id="look:x")) == Refusal.UNKNOWN_ITEM
    assert hotel.refused(replace(word, reason="4111111111111111")) == Refusal.CARD_NUMBER
    hotel.done(word)
    assert items(hotel) == []
    [accepted] = told(hotel, UnpaidAccepted)
    assert accepted.stay_id == stay
    assert "old guest" not in "".join(hotel.db.iterdump())


def test_each_is_told_once(hotel: Hotel, stay: str) -> None:
    deposit(hotel, stay, S.EXPIRED)
    for _ in range(3):
        hotel.done(CheckRecovery(), BOX)
    [due] = told(hotel, RecoveryDue)
    assert (due.what, due.stay_id, due.amount_minor) == ("guarantee_failed", stay, 5_000)


async def test_a_hold_is_told_of_before_it_runs_out(hotel: Hotel, stay: str) -> None:
    intent_id = hotel.done(HoldCard(stay_id=stay, **EUROS))["intent_id"]
    held = NoteIntent(intent_id=intent_id, state=S.HELD, capture_by_s=NOW_S + 48 * 3_600)
    hotel.done(held, SYNC)
    assert items(hotel) == []
    await hotel.clock.advance(13 * 3_600)
    [item] = items(hotel)
    assert (item.what, item.by_s) == ("hold_expiring", NOW_S + 48 * 3_600)


def test_a_second_charge_is_a_managers_note(hotel: Hotel, stay: str) -> None:
    intent_id = deposit(hotel, stay, S.SUCCEEDED)
    again = NoteIntent(intent_id=intent_id, state=S.SUCCEEDED, provider_ref="pi_2")
    hotel.done(again, SYNC)
    [item] = items(hotel)
    assert item.what == "second_charge"
    [refund] = told(hotel, RefundAsked)
    hotel.done(NoteRefund(refund_id=refund.refund_id, state=S.DECLINED), SYNC)
    assert sorted(whats(hotel)) == ["refund_failed", "second_charge"]


def test_a_refund_that_failed_is_told(hotel: Hotel, stay: str) -> None:
    deposit(hotel, stay, S.SUCCEEDED)
    [settled] = told(hotel, PaymentSettled)
    back = RefundPayment(payment_id=settled.payment_id, reason="ill", **EUROS)
    refund_id = hotel.done(back)["refund_id"]
    hotel.done(NoteRefund(refund_id=refund_id, state=S.DECLINED), SYNC)
    assert whats(hotel) == ["refund_failed"]


def test_what_a_person_must_look_up_waits(hotel: Hotel, stay: str) -> None:
    deposit(hotel, stay, S.MANUAL)
    assert whats(hotel) == ["look_up"]


def test_money_of_a_stay_that_is_off_is_told_until_it_went_back(hotel: Hotel, stay: str) -> None:
    payment = hotel.done(RecordCash(stay_id=stay, **EUROS))
    hotel.done(CancelStay(stay_id=stay, reason="ill"))
    [item] = items(hotel)
    assert (item.what, item.amount_minor, item.stay_id) == ("money_without_booking", 5_000, stay)
    hotel.done(RefundPayment(reason="ill", **payment, **EUROS))
    assert items(hotel) == []


async def test_a_companys_money_and_what_comes_after_a_persons_word_are_told_too(
    hotel: Hotel, stay: str
) -> None:
    hotel.done(RecordCash(stay_id=stay, folio=Folio.COMPANY, **EUROS))
    hotel.done(CancelStay(stay_id=stay, reason="ill"))
    [item] = items(hotel)
    assert (item.what, item.stay_id, item.amount_minor) == ("money_without_booking", stay, 5_000)
    word = AcceptUnpaid(item_id=item.item_id, reason="kept as agreed")
    hotel.done(word)
    assert items(hotel) == []
    await hotel.clock.advance(60)
    hotel.done(RecordCash(stay_id=stay, amount_minor=700, currency="EUR"))
    [item] = items(hotel)
    assert (item.what, item.amount_minor) == ("money_without_booking", 5_700)
    hotel.done(word)
    assert items(hotel) == []


def test_who_left_and_owes_is_told_of_our_own_sales_alone(hotel: Hotel, stay: str) -> None:
    sold = hotel.sell()["stay_id"]
    for stay_id, room_id in ((stay, "r102"), (sold, "r101")):
        hotel.done(CheckIn(stay_id=stay_id, room_id=room_id))
        hotel.done(CheckOut(stay_id=stay_id))
    [item] = items(hotel)
    assert (item.what, item.stay_id, item.amount_minor) == ("departed_unpaid", sold, 10_000)
    hotel.done(RecordCash(stay_id=sold, amount_minor=10_000, currency="EUR"))
    assert items(hotel) == []


def test_two_currencies_are_never_on_one_folio(hotel: Hotel, stay: str) -> None:
    stray = NoteStrayPayment(
        provider="stripe", provider_ref="pi_9", amount_minor=5_000, currency="USD"
    )
    stray_id = hotel.done(stray, SYNC)["stray_id"]
    settle = SettleStray(stray_id=stray_id, stay_id=stay, reason="theirs")
    assert hotel.refused(settle, MANAGER) == Refusal.BAD_CURRENCY
    hotel.done(replace(settle, stay_id=None), MANAGER)


def test_an_open_dispute_is_told_with_its_end(hotel: Hotel) -> None:
    opened = NoteDispute(
        dispute_id="dp",
        provider="stripe",
        provider_ref="pi",
        state=DisputeState.OPEN,
        due_s=NOW_S + 9,
        **EUROS,
    )
    hotel.done(opened, SYNC)
    [item] = items(hotel)
    assert (item.what, item.by_s) == ("dispute", NOW_S + 9)
    hotel.done(replace(opened, state=DisputeState.WON), SYNC)
    assert items(hotel) == []


@pytest.mark.parametrize("to_a_stay", [True, False])
def test_money_that_nobody_knew_is_somebodys_or_goes_back(
    hotel: Hotel, stay: str, *, to_a_stay: bool
) -> None:
    stray = NoteStrayPayment(provider="stripe", provider_ref="pi_9", **EUROS)
    stray_id = hotel.done(stray, SYNC)["stray_id"]
    assert whats(hotel) == ["stray_money"]
    settle = SettleStray(
        stray_id=stray_id, stay_id=stay if to_a_stay else None, reason="they called"
    )
    assert hotel.refused(replace(settle, stray_id="x"), MANAGER) == Refusal.UNKNOWN_STRAY
    assert hotel.refused(replace(settle, stay_id="x"), MANAGER) == Refusal.UNKNOWN_STAY
    word = AcceptUnpaid(item_id=f"stray:{stray_id}", reason="never mind")
    assert hotel.refused(word) == Refusal.UNKNOWN_ITEM
    hotel.done(settle, MANAGER)
    assert hotel.refused(settle, MANAGER) == Refusal.ALREADY_SETTLED
    assert items(hotel) == []
    if to_a_stay:
        [paid] = told(hotel, PaymentSettled)
        assert (paid.stay_id, paid.means, paid.provider_ref) == (stay, "stray", "pi_9")
        return
    [refund] = told(hotel, RefundAsked)
    assert (refund.provider_ref, refund.because) == ("pi_9", "stray")
    # It goes back for no stay: where that fails, none is named.
    other = NoteStrayPayment(provider="stripe", provider_ref="pi_8", **EUROS)
    other_id = hotel.done(other, SYNC)["stray_id"]
    hotel.done(replace(settle, stray_id=other_id), MANAGER)
    failed = NoteRefund(refund_id=told(hotel, RefundAsked)[-1].refund_id, state=S.DECLINED)
    hotel.done(failed, SYNC)
    [item] = items(hotel)
    assert (item.what, item.stay_id) == ("refund_failed", None)
    gone = NoteStrayPayment(provider="stripe", provider_ref="pi_8", **EUROS)
    assert hotel.done(gone, SYNC) == {}
    hotel.done(NoteRefund(refund_id=refund.refund_id, state=S.SUCCEEDED), SYNC)
    rows = hotel.rows(
        "SELECT account, balance_minor FROM payments_account WHERE balance_minor != 0"
    )
    # The other one's money is here still, and nobody's.
    assert sorted(rows) == [("clearing:stripe", 5_000), ("unallocated", -5_000)]


@pytest.mark.parametrize("provider", ["stripe", "ccavenue"])
def test_a_strays_money_that_is_on_a_folio_goes_back_by_its_provider(
    hotel: Hotel, stay: str, provider: str
) -> None:
    stray = NoteStrayPayment(provider=provider, provider_ref="pi_9", **EUROS)
    stray_id = hotel.done(stray, SYNC)["stray_id"]
    hotel.done(SettleStray(stray_id=stray_id, stay_id=stay, reason="theirs"), MANAGER)
    [paid] = told(hotel, PaymentSettled)
    back = RefundPayment(payment_id=paid.payment_id, reason="ill", **EUROS)
    refund_id = hotel.done(back)["refund_id"]
    assert told(hotel, PaymentRefunded) == [], "nothing has gone back before the provider says so"
    [refund] = told(hotel, RefundAsked)
    assert (refund.provider_ref, refund.stay_id) == ("pi_9", stay)
    hotel.done(NoteRefund(refund_id=refund_id, state=S.SUCCEEDED), SYNC)
    assert balances(hotel) == {}


def test_late_money_that_goes_back_leaves_nothing_in_the_books(hotel: Hotel, stay: str) -> None:
    intent_id = deposit(hotel, stay, S.DECLINED)
    hotel.done(NoteIntent(intent_id=intent_id, state=S.SUCCEEDED, provider_ref="pi_2"), SYNC)
    [item] = [each for each in items(hotel) if each.what == "stray_money"]
    hotel.done(SettleStray(stray_id=item.subject_id, stay_id=None, reason="not ours"), MANAGER)
    [refund] = told(hotel, RefundAsked)
    hotel.done(NoteRefund(refund_id=refund.refund_id, state=S.SUCCEEDED), SYNC)
    assert balances(hotel) == {}


def test_a_dispute_heard_before_its_payment_is_not_given_back_as_well(
    hotel: Hotel, stay: str
) -> None:
    intent_id = str(hotel.done(TakeDeposit(stay_id=stay, **EUROS))["intent_id"])
    dispute = NoteDispute(
        dispute_id="dp",
        provider="stripe",
        provider_ref="pi_1",
        state=DisputeState.OPEN,
        due_s=NOW_S + 9,
        **EUROS,
    )
    hotel.done(dispute, SYNC)
    hotel.done(NoteIntent(intent_id=intent_id, state=S.SUCCEEDED, provider_ref="pi_1"), SYNC)
    [paid] = told(hotel, PaymentSettled)
    back = RefundPayment(payment_id=paid.payment_id, reason="ill", **EUROS)
    assert hotel.refused(back) == Refusal.MORE_THAN_LEFT


def test_a_refund_refused_after_the_check_in_is_owed_on_the_folio(hotel: Hotel) -> None:
    sold = str(hotel.sell()["stay_id"])
    hotel.done(SaveCardReference(stay_id=sold, customer_ref="cus_1", method_ref="pm_1"))
    intent_id = str(
        hotel.done(TakeDeposit(stay_id=sold, amount_minor=10_000, currency="EUR"))["intent_id"]
    )
    hotel.done(NoteIntent(intent_id=intent_id, state=S.SUCCEEDED, provider_ref="pi_1"), SYNC)
    [paid] = told(hotel, PaymentSettled)
    back = RefundPayment(payment_id=paid.payment_id, reason="another card", **EUROS)
    refund_id = hotel.done(back)["refund_id"]
    hotel.done(CheckIn(stay_id=sold, room_id="r101"))
    hotel.done(NoteRefund(refund_id=refund_id, state=S.DECLINED), SYNC)
    hotel.done(CheckOut(stay_id=sold))
    # The whole price is paid: nobody is told that the guest left owing.
    assert whats(hotel) == ["refund_failed"]
    assert not any(account.startswith(("guest:", "deposits:")) for account in balances(hotel))


async def test_a_refund_that_comes_back_days_later_is_owed_again(hotel: Hotel, stay: str) -> None:
    """Stripe says succeeded at once, and failed when the guest's bank has sent it back."""
    deposit(hotel, stay, S.SUCCEEDED)
    before = balances(hotel)
    [paid] = told(hotel, PaymentSettled)
    back = RefundPayment(payment_id=paid.payment_id, reason="ill", **EUROS)
    refund_id = hotel.done(back)["refund_id"]
    hotel.done(NoteRefund(refund_id=refund_id, state=S.SUCCEEDED, provider_ref="re_1"), SYNC)
    assert balances(hotel) == {}
    for _ in range(2):
        failed = NoteRefund(
            refund_id=refund_id, state=S.DECLINED, provider_ref="re_1", code="expired_card"
        )
        hotel.done(failed, SYNC)
    assert balances(hotel) == before
    [noted] = [each for each in told(hotel, RefundNoted) if each.state is S.DECLINED]
    assert (noted.came_back_minor, noted.currency, noted.means) == (5_000, "EUR", "saved_card")
    assert whats(hotel) == ["refund_failed"]
    # It is there to be given back another time, and then nothing is left to do.
    await hotel.clock.advance(60)
    hotel.done(back)
    assert whats(hotel) == []


async def test_a_refund_that_failed_is_not_hidden_by_one_that_was_asked_before(
    hotel: Hotel, stay: str
) -> None:
    deposit(hotel, stay, S.SUCCEEDED)
    [paid] = told(hotel, PaymentSettled)
    refunds = []
    for amount_minor in (3_000, 2_000):
        back = RefundPayment(
            payment_id=paid.payment_id, amount_minor=amount_minor, currency="EUR", reason="ill"
        )
        refunds.append(hotel.done(back)["refund_id"])
        await hotel.clock.advance(60)
    hotel.done(NoteRefund(refund_id=refunds[1], state=S.SUCCEEDED), SYNC)
    hotel.done(NoteRefund(refund_id=refunds[0], state=S.DECLINED), SYNC)
    [item] = items(hotel)
    assert (item.what, item.amount_minor) == ("refund_failed", 3_000)


def balances(hotel: Hotel) -> dict[str, int]:
    rows = hotel.rows(
        "SELECT account, balance_minor FROM payments_account WHERE balance_minor != 0"
    )
    return {str(row[0]): int(row[1]) for row in rows}


def test_a_look_begins_at_what_is_open(hotel: Hotel) -> None:
    """On the writer beside the doors, years of stays and intents are none of its work."""
    plan = hotel.rows(f"EXPLAIN QUERY PLAN {recovery.UNTOLD}", NOW_S)
    steps = [str(row[3]) for row in plan]
    # What was found, what is open on an account, and what is rare in any house.
    small = {"i", "x", "payments_second", "payments_stray", "payments_dispute"}
    by_index = "SCAN payments_account USING INDEX payments_account_owed"
    scans = {each for each in steps if each.startswith("SCAN ")} - {by_index}
    assert scans <= {f"SCAN {each}" for each in small}
    assert not [each for each in steps if each.endswith("payments_stay_phase (phase=?)")]
