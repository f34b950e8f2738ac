"""Promises of money: intents first, one outcome, and doors that never hear of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

import appliance.engines.doors
from appliance.engines.payments.messages import (
    DepositAsked,
    IntentState,
    NoteBankLine,
    NoteIntent,
    PaymentSettled,
    PostCharge,
    RecordCash,
    RecordSlip,
    Refusal,
    SaveCardReference,
    TakeDeposit,
)
from appliance.engines.payments.projection import PROJECTION
from appliance.engines.payments.queries import BalanceRow, balance, cash_of_shift
from appliance.engines.payments.room import ENGINE
from appliance.engines.rules.messages import ChangeSetting, Scope
from appliance.engines.rules.room import ENGINE as RULES
from appliance.engines.stays.messages import CancelStay, ChangeDeparture
from appliance.kernel import rebuild
from appliance.kernel.messages import Command, Role, Who
from appliance.kernel.reader import open_reader
from support.desk import CLERK, FRIDAY_18_MS, MANAGER, SYNC, Desk
from support.hotel import FRIDAY, Hotel, priced

GUEST = Who(actor="stay:s1", role=Role.GUEST)
CARD = "4111 1111 1111 1111"
S = IntentState
OF_A_HOLD = (S.HELD, S.CAPTURED, S.RELEASED)


@pytest.fixture
def hotel(tmp_path: Path) -> Iterator[Hotel]:
    hotel = Hotel(tmp_path, more=[ENGINE, RULES])
    yield hotel
    hotel.close()


@pytest.fixture
def stay(hotel: Hotel) -> str:
    """Two nights at 100.00, with a card kept at the provider."""
    stay_id = hotel.learned()
    hotel.done(card(stay_id))
    return stay_id


def card(stay_id: str) -> SaveCardReference:
    return SaveCardReference(stay_id=stay_id, customer_ref="cus_1", method_ref="pm_1")


def deposit(stay_id: str, amount_minor: int = 5_000) -> TakeDeposit:
    return TakeDeposit(stay_id=stay_id, amount_minor=amount_minor, currency="EUR")


def cash(stay_id: str, amount_minor: int = 3_000) -> RecordCash:
    return RecordCash(stay_id=stay_id, amount_minor=amount_minor, currency="EUR")


def slip(stay_id: str, number: str = "TX-77") -> RecordSlip:
    return RecordSlip(stay_id=stay_id, amount_minor=2_000, currency="EUR", slip_number=number)


def charge(stay_id: str, text: str = "Minibar", amount_minor: int = 700) -> PostCharge:
    return PostCharge(stay_id=stay_id, amount_minor=amount_minor, currency="EUR", text=text)


def note(intent_id: str, state: IntentState, ref: str | None = None) -> NoteIntent:
    return NoteIntent(intent_id=intent_id, state=state, provider_ref=ref, evidence="answer")


def asked(hotel: Hotel, stay_id: str) -> str:
    return str(hotel.done(deposit(stay_id))["intent_id"])


def payments(hotel: Desk) -> list[PaymentSettled]:
    return [f.event for f in hotel.facts if isinstance(f.event, PaymentSettled)]


async def folio(hotel: Hotel, tmp_path: Path, stay_id: str) -> BalanceRow:
    async with open_reader(tmp_path / "log.db") as reader:
        return await balance(reader, hotel.vault, stay_id)


def test_the_intent_is_a_fact_before_anything_can_be_sent(hotel: Hotel, stay: str) -> None:
    """Anchors defect 4: the row of the intent is committed first, with its key and its end."""
    intent_id = asked(hotel, stay)
    event = hotel.facts[-1].event
    assert isinstance(event, DepositAsked)
    assert (event.intent_id, event.customer_ref, event.method_ref) == (intent_id, "cus_1", "pm_1")
    assert event.not_after_s == FRIDAY_18_MS // 1000 + 72 * 3_600
    assert payments(hotel) == []


def test_a_failed_intent_does_not_answer_processing_for_ever(hotel: Hotel, stay: str) -> None:
    """Anchors defect 4: a declined charge ends, says so, and makes room for another."""
    first = asked(hotel, stay)
    assert hotel.refused(deposit(stay)) == Refusal.DEPOSIT_EXISTS
    hotel.done(note(first, S.SENDING), SYNC)
    hotel.done(note(first, S.UNKNOWN), SYNC)
    assert hotel.refused(deposit(stay)) == Refusal.DEPOSIT_EXISTS
    hotel.done(note(first, S.DECLINED), SYNC)
    assert asked(hotel, stay) != first


def test_no_code_of_doors_hears_of_money() -> None:
    """Anchors defect 6: a key never depends on a payment."""
    room = Path(appliance.engines.doors.__file__).parent
    words = {
        node.module
        for path in room.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module
    }
    text = "".join(path.read_text() for path in room.rglob("*.py"))
    assert not {word for word in words if word.startswith("appliance.engines.payments")}
    assert "PaymentSettled" not in text


def test_asking_twice_takes_one_deposit(hotel: Hotel, stay: str) -> None:
    first = hotel.ask(deposit(stay), command_id="one")
    assert hotel.ask(deposit(stay), command_id="one") == first
    assert hotel.refused(deposit(stay, 6_000), command_id="one") == "id_reused"
    assert len([f for f in hotel.facts if isinstance(f.event, DepositAsked)]) == 1


def test_money_that_arrives_is_settled_once_however_often_it_is_told(
    hotel: Hotel, stay: str
) -> None:
    intent_id = asked(hotel, stay)
    hotel.done(note(intent_id, S.UNKNOWN), SYNC)
    hotel.done(note(intent_id, S.SUCCEEDED, "pi_1"), SYNC)
    hotel.done(note(intent_id, S.SUCCEEDED, "pi_1"), SYNC)
    hotel.done(note(intent_id, S.SUCCEEDED), SYNC)
    [settled] = payments(hotel)
    assert (settled.intent_id, settled.provider_ref) == (intent_id, "pi_1")
    assert (settled.amount_minor, settled.means) == (5_000, "saved_card")


@pytest.mark.parametrize("final", [S.SUCCEEDED, S.DECLINED, S.EXPIRED])
def test_a_final_word_is_not_taken_back(hotel: Hotel, stay: str, final: IntentState) -> None:
    intent_id = asked(hotel, stay)
    hotel.done(note(intent_id, final, "pi_1"), SYNC)
    for other in set(S) - {final, S.SUCCEEDED, *OF_A_HOLD}:
        assert hotel.refused(note(intent_id, other), SYNC) == Refusal.ALREADY_FINAL
    for other in OF_A_HOLD:
        assert hotel.refused(note(intent_id, other), SYNC) == Refusal.WRONG_NEWS


def test_a_card_that_wants_its_guest_blocks_nothing_and_may_still_pay(
    hotel: Hotel, stay: str
) -> None:
    first = asked(hotel, stay)
    hotel.done(note(first, S.REQUIRES_ACTION), SYNC)
    asked(hotel, stay)
    hotel.done(note(first, S.SUCCEEDED, "pi_1"), SYNC)
    assert len(payments(hotel)) == 1


def test_news_of_a_strange_intent_is_refused(hotel: Hotel) -> None:
    assert hotel.refused(note("intent_x", S.SUCCEEDED), SYNC) == Refusal.UNKNOWN_INTENT


def test_a_deposit_needs_a_card_at_the_provider(hotel: Hotel) -> None:
    assert hotel.refused(deposit(hotel.learned())) == Refusal.NO_SAVED_CARD


@pytest.mark.parametrize("amount_minor", [0, -1, 100_001])
def test_a_deposit_is_above_zero_and_within_the_live_rule(
    hotel: Hotel, stay: str, amount_minor: int
) -> None:
    assert hotel.refused(deposit(stay, amount_minor)) == Refusal.BAD_AMOUNT


def test_the_live_rule_of_the_largest_deposit_is_in_force_at_once(hotel: Hotel, stay: str) -> None:
    rule = ChangeSetting(key="payments.deposit_minor_max", scope=Scope.PROPERTY, value=4_000)
    hotel.done(rule, MANAGER)
    assert hotel.refused(deposit(stay)) == Refusal.BAD_AMOUNT


def test_who_owes_nothing_is_not_charged(hotel: Hotel, stay: str) -> None:
    hotel.done(cash(stay, 20_000))
    assert hotel.refused(deposit(stay)) == Refusal.NOTHING_DUE


def test_a_cancelled_stay_owes_only_what_was_posted(hotel: Hotel, stay: str) -> None:
    hotel.done(CancelStay(stay_id=stay, reason="ill"))
    assert hotel.refused(deposit(stay)) == Refusal.NOTHING_DUE
    hotel.done(charge(stay, "Cancellation fee", 5_000))
    asked(hotel, stay)


@pytest.mark.parametrize("make", [card, deposit, cash, slip, charge])
def test_money_of_a_strange_stay_is_refused(hotel: Hotel, make: type[Command]) -> None:
    assert hotel.refused(make("stay_x")) == Refusal.UNKNOWN_STAY  # type: ignore[call-arg]


def test_a_night_in_rupiah_is_taken_and_a_telephone_number_is_not(hotel: Hotel, stay: str) -> None:
    cash = RecordCash(stay_id=stay, amount_minor=250_000_000, currency="EUR")  # 2,500,000.00
    hotel.done(cash)
    typed = replace(cash, amount_minor=170_123_456_700)
    assert hotel.refused(typed) == Refusal.BAD_AMOUNT


def test_a_line_of_the_bank_is_noted_whatever_it_is(hotel: Hotel) -> None:
    line = NoteBankLine(
        line_id="l1",
        account_ref="acc",
        amount_minor=170_123_456_700,
        currency="EUR",
        booked_on=date(2026, 11, 5),
        reference="payout",
    )
    hotel.done(line, SYNC)
    hotel.done(replace(line, line_id="l2", amount_minor=-170_123_456_700), SYNC)


def test_amounts_are_in_the_propertys_currency(hotel: Hotel, stay: str) -> None:
    for each in (deposit(stay), cash(stay), slip(stay), charge(stay)):
        assert hotel.refused(replace(each, currency="USD")) == Refusal.BAD_CURRENCY


def test_no_card_number_enters_the_box(hotel: Hotel, stay: str) -> None:
    for each in (
        replace(card(stay), customer_ref=CARD),
        replace(card(stay), method_ref=CARD.replace(" ", "")),
        slip(stay, CARD),
        charge(stay, f"card {CARD} thanks"),
    ):
        assert hotel.refused(each) == Refusal.CARD_NUMBER
    written = "".join(hotel.db.iterdump())
    # Longer than any run of ones that a hash may have in it by chance.
    assert CARD not in written
    assert CARD.replace(" ", "") not in written


def test_texts_have_words_and_an_end(hotel: Hotel, stay: str) -> None:
    assert hotel.refused(charge(stay, "  ")) == Refusal.EMPTY
    assert hotel.refused(slip(stay, "")) == Refusal.EMPTY
    assert hotel.refused(charge(stay, "x" * 201)) == Refusal.TOO_LONG


def test_only_a_manager_takes_a_charge_back(hotel: Hotel, stay: str) -> None:
    assert hotel.refused(charge(stay, "Wrong", -700)) == Refusal.BAD_AMOUNT
    hotel.done(charge(stay, "Wrong", -700), MANAGER)


def test_guests_and_clerks_do_not_say_what_the_provider_said(hotel: Hotel, stay: str) -> None:
    intent_id = asked(hotel, stay)
    assert hotel.refused(note(intent_id, S.SUCCEEDED), CLERK) == "wrong_role"
    assert hotel.refused(cash(stay), GUEST) == "wrong_role"


def test_a_charges_words_are_sealed(hotel: Hotel, stay: str) -> None:
    hotel.done(charge(stay, "Champagne"))
    assert "Champagne" not in "".join(hotel.db.iterdump())


async def test_pending_money_is_not_paid(hotel: Hotel, tmp_path: Path, stay: str) -> None:
    intent_id = asked(hotel, stay)
    hotel.done(cash(stay, 3_000))
    hotel.done(charge(stay))
    found = await folio(hotel, tmp_path, stay)
    assert (found.charges_minor, found.paid_minor, found.pending_minor) == (20_700, 3_000, 5_000)
    assert (found.due_minor, found.currency, found.saved_card) == (17_700, "EUR", True)
    hotel.done(note(intent_id, S.SUCCEEDED), SYNC)
    found = await folio(hotel, tmp_path, stay)
    assert (found.paid_minor, found.pending_minor, found.due_minor) == (8_000, 0, 12_700)
    assert [line.kind for line in found.lines] == ["night", "night", "charge", "payment", "payment"]
    assert "Minibar" in {line.text for line in found.lines}


async def test_a_longer_stay_owes_its_nights(hotel: Hotel, tmp_path: Path, stay: str) -> None:
    until = FRIDAY + timedelta(days=3)
    added = priced(FRIDAY + timedelta(days=2), until, 9_000)
    hotel.done(ChangeDeparture(stay_id=stay, departure=until, added_nights=added))
    assert (await folio(hotel, tmp_path, stay)).charges_minor == 29_000


async def test_cash_is_counted_by_the_shift_that_took_it(
    hotel: Hotel, tmp_path: Path, stay: str
) -> None:
    hotel.done(cash(stay, 3_000))
    hotel.done(slip(stay))
    hotel.done(cash(stay, 500), replace(CLERK, shift="shift-2"))
    async with open_reader(tmp_path / "log.db") as reader:
        assert await cash_of_shift(reader, "shift-1") == 3_000
        assert await cash_of_shift(reader, "shift-2") == 500
        assert await cash_of_shift(reader, None) == 0


def test_the_tables_are_the_same_after_a_rebuild(hotel: Hotel, stay: str) -> None:
    hotel.done(note(asked(hotel, stay), S.SUCCEEDED, "pi_1"), SYNC)
    hotel.done(cash(stay))
    hotel.done(charge(stay))
    hotel.done(CancelStay(stay_id=hotel.learned("up-2"), reason="ill"))
    before = {table: hotel.rows(f"SELECT * FROM {table}") for table in PROJECTION.tables}  # noqa: S608
    hotel.db.execute("UPDATE read_model SET ddl_hash = 'x' WHERE name = 'payments'")
    rebuild.settle_forms(hotel.db, [ENGINE])
    after = {table: hotel.rows(f"SELECT * FROM {table}") for table in PROJECTION.tables}  # noqa: S608
    assert after == before
