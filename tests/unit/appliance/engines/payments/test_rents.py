"""Rents: charged once a month, paid oldest first, late only when the bank was heard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.engines.payments import rents
from appliance.engines.payments.messages import BankLineNoted, NoteBankFeed, NoteBankLine, Refusal
from appliance.engines.payments.projection import PROJECTION
from appliance.engines.payments.queries import cash_of_shift
from appliance.engines.payments.rent_messages import (
    AgreeRent,
    BankFeedRead,
    ChargeRents,
    EndRent,
    LateFeeCharged,
    MatchBankLine,
    RecordRent,
    RentCharged,
)
from appliance.engines.payments.renting import LEASES_MAX, prorated
from appliance.engines.payments.rents import Charge, arrears, rent_of, still_open, words_of
from appliance.engines.payments.room import ENGINE
from appliance.engines.rules.messages import ChangeSetting, Scope
from appliance.engines.rules.room import ENGINE as RULES
from appliance.kernel import rebuild
from appliance.kernel.reader import open_reader
from support.desk import BOX, CLERK, MANAGER, SYNC
from support.hotel import Hotel

RENT = AgreeRent(
    lease_id="flat-1",
    monthly_minor=90_000,
    currency="EUR",
    starts=date(2026, 11, 1),
    due_day=3,
    reference="NP flat 01",
)
LINE = NoteBankLine(
    line_id="l1",
    account_ref="acc",
    amount_minor=90_000,
    currency="EUR",
    booked_on=date(2026, 11, 5),
    reference="rent november npflat01 thank you",
)


@pytest.fixture
def hotel(tmp_path: Path) -> Iterator[Hotel]:
    hotel = Hotel(tmp_path, more=[ENGINE, RULES])
    yield hotel
    hotel.close()


def told(hotel: Hotel, kind: type[Any]) -> list[Any]:
    return [fact.event for fact in hotel.facts if isinstance(fact.event, kind)]


def owed(hotel: Hotel, lease_id: str = "flat-1") -> int:
    rows = hotel.rows(
        "SELECT balance_minor FROM payments_account WHERE account = ?", f"rent:{lease_id}"
    )
    return int(rows[0][0]) if rows else 0


def books(hotel: Hotel) -> dict[str, int]:
    rows = hotel.rows(
        "SELECT account, balance_minor FROM payments_account WHERE balance_minor != 0"
    )
    return {str(row[0]): int(row[1]) for row in rows}


def charge(hotel: Hotel, on: date) -> None:
    hotel.done(ChargeRents(on=on), BOX)


def fee(hotel: Hotel, amount_minor: int = 1_500) -> None:
    rule = ChangeSetting(
        key="payments.rent_late_fee_minor", scope=Scope.PROPERTY, value=amount_minor
    )
    hotel.done(rule, MANAGER)


def test_a_month_is_charged_once_on_its_day(hotel: Hotel) -> None:
    hotel.done(RENT, MANAGER)
    charge(hotel, date(2026, 11, 2))
    assert told(hotel, RentCharged) == []
    for _ in range(3):
        charge(hotel, date(2026, 11, 3))
    [charged] = told(hotel, RentCharged)
    assert (charged.amount_minor, charged.days, charged.due_on) == (90_000, 30, date(2026, 11, 3))
    # A box that was away catches up.
    charge(hotel, date(2027, 1, 20))
    assert [each.month.month for each in told(hotel, RentCharged)] == [11, 12, 1]
    assert books(hotel) == {"rent:flat-1": 270_000, "revenue:rent": -270_000}


def test_part_of_a_month_is_charged_by_its_days(hotel: Hotel) -> None:
    hotel.done(replace(RENT, starts=date(2026, 11, 16)), MANAGER)
    charge(hotel, date(2026, 11, 15))
    assert told(hotel, RentCharged) == []
    charge(hotel, date(2026, 11, 16))
    hotel.done(EndRent(lease_id="flat-1", ends=date(2026, 12, 10)), MANAGER)
    charge(hotel, date(2027, 3, 1))
    assert [(each.amount_minor, each.days) for each in told(hotel, RentCharged)] == [
        (45_000, 15),
        (29_032, 10),
    ]


@given(monthly=st.integers(1, 10_000_000), of_days=st.integers(28, 31), data=st.data())
def test_the_parts_of_a_month_are_the_month(monthly: int, of_days: int, data: Any) -> None:
    days = data.draw(st.integers(0, of_days))
    parts = prorated(monthly, days, of_days) + prorated(monthly, of_days - days, of_days)
    assert parts in {monthly, monthly + 1}
    assert prorated(monthly, of_days, of_days) == monthly


def test_a_rent_that_makes_no_sense_is_refused(hotel: Hotel) -> None:
    hotel.done(RENT, MANAGER)
    for wrong, refusal in (
        (replace(RENT, currency="USD"), Refusal.BAD_CURRENCY),
        (replace(RENT, monthly_minor=0), Refusal.BAD_AMOUNT),
        (replace(RENT, due_day=29), Refusal.BAD_DATES),
        (replace(RENT, ends=date(2026, 10, 1)), Refusal.BAD_DATES),
        (replace(RENT, reference="a"), Refusal.EMPTY),
        (replace(RENT, reference="4111 1111 1111 1111"), Refusal.CARD_NUMBER),
        (replace(RENT, lease_id="flat-2"), Refusal.RENT_AGREED),
    ):
        assert hotel.refused(wrong, MANAGER) == refusal
    assert hotel.refused(RENT, CLERK) == "wrong_role"
    end = EndRent(lease_id="flat-9", ends=date(2026, 12, 1))
    assert hotel.refused(end, MANAGER) == Refusal.UNKNOWN_LEASE
    before = replace(end, lease_id="flat-1", ends=date(2026, 1, 1))
    assert hotel.refused(before, MANAGER) == Refusal.BAD_DATES


def test_money_is_taken_for_the_oldest_first_and_the_rest_is_a_credit(hotel: Hotel) -> None:
    hotel.done(RENT, MANAGER)
    charge(hotel, date(2026, 12, 3))
    desk = RecordRent(lease_id="flat-1", amount_minor=100_000, currency="EUR", means="cash")
    hotel.done(desk)
    assert owed(hotel) == 80_000
    hotel.done(replace(desk, means="slip", slip_number="TX-9"))
    assert owed(hotel) == -20_000
    charge(hotel, date(2027, 1, 3))
    assert owed(hotel) == 70_000
    assert hotel.refused(replace(desk, lease_id="x")) == Refusal.UNKNOWN_LEASE
    assert hotel.refused(replace(desk, amount_minor=0)) == Refusal.BAD_AMOUNT
    assert hotel.refused(replace(desk, currency="USD")) == Refusal.BAD_CURRENCY
    assert hotel.refused(replace(desk, means="cheque")) == Refusal.WRONG_NEWS
    assert hotel.refused(replace(desk, means="slip")) == Refusal.EMPTY


@given(amounts=st.lists(st.integers(1, 100_000), max_size=12), paid=st.integers(0, 1_500_000))
def test_what_is_open_is_what_is_owed(amounts: list[int], paid: int) -> None:
    charges = [
        Charge(charge_id=str(n), kind="rent", due_on=date(2026, 1, 1), amount_minor=amount)
        for n, amount in enumerate(amounts)
    ]
    owed_minor = sum(amounts) - paid
    found = still_open(charges, owed_minor)
    assert sum(each.open_minor for each in found) == max(0, owed_minor)
    # Only the oldest of what is open may be paid in part, and all after it is open whole.
    assert all(each.open_minor == each.amount_minor for each in found[1:])
    assert [each.charge_id for each in found] == [c.charge_id for c in charges][-len(found) :][
        : len(found)
    ]


async def test_rent_in_cash_is_counted_by_the_shift_that_took_it(
    hotel: Hotel, tmp_path: Path
) -> None:
    hotel.done(RENT, MANAGER)
    for means, slip_number in (("cash", ""), ("slip", "TX-77")):
        hotel.done(
            RecordRent(
                lease_id="flat-1",
                amount_minor=40_000,
                currency="EUR",
                means=means,
                slip_number=slip_number,
            )
        )
    async with open_reader(tmp_path / "log.db") as reader:
        assert await cash_of_shift(reader, CLERK.shift) == 40_000


@pytest.mark.parametrize(
    ("text", "matched"),
    [
        ("rent november NPFLAT01", "reference"),
        ("RENT np-flat01/11", "reference"),
        ("thank you", "amount"),
    ],
)
def test_a_line_finds_its_lease(hotel: Hotel, text: str, matched: str) -> None:
    hotel.done(RENT, MANAGER)
    charge(hotel, date(2026, 11, 3))
    hotel.done(replace(LINE, reference=text), SYNC)
    [noted] = told(hotel, BankLineNoted)
    assert (noted.lease_id, noted.matched) == ("flat-1", matched)
    assert owed(hotel) == 0


def test_two_that_owe_alike_are_not_guessed_at_and_a_person_says(hotel: Hotel) -> None:
    hotel.done(RENT, MANAGER)
    hotel.done(replace(RENT, lease_id="flat-2", reference="NPFLAT02"), MANAGER)
    charge(hotel, date(2026, 11, 3))
    hotel.done(replace(LINE, reference="rent"), SYNC)
    assert books(hotel)["unallocated"] == -90_000
    match = MatchBankLine(line_id="l1", lease_id="flat-2")
    assert hotel.refused(replace(match, line_id="x"), MANAGER) == Refusal.UNKNOWN_LINE
    assert hotel.refused(replace(match, lease_id="x"), MANAGER) == Refusal.UNKNOWN_LEASE
    hotel.done(replace(LINE, line_id="l9", currency="USD", reference="rent"), SYNC)
    assert hotel.refused(replace(match, line_id="l9"), MANAGER) == Refusal.BAD_CURRENCY
    for _ in range(2):
        hotel.done(match, MANAGER)
    assert (owed(hotel), owed(hotel, "flat-2")) == (90_000, 0)
    other = replace(match, lease_id="flat-1")
    assert hotel.refused(other, MANAGER) == Refusal.ALREADY_SETTLED
    # What the bank takes back is owed again, by whoever it was said to be from.
    hotel.done(replace(LINE, reference="rent", removed=True), SYNC)
    assert (owed(hotel, "flat-2"), books(hotel).get("unallocated")) == (90_000, -90_000)


def test_one_posting_each_however_the_feed_repeats(hotel: Hotel) -> None:
    """Anchors P6: when the feed returns, one posting each; posted takes the place of pending."""
    hotel.done(RENT, MANAGER)
    charge(hotel, date(2026, 11, 3))
    pending = replace(LINE, pending=True)
    posted = replace(LINE, line_id="l2", pending_line_id="l1")
    for each in (pending, pending, posted, posted, pending, posted):
        hotel.done(each, SYNC)
        assert owed(hotel) == 0
    stands = books(hotel)
    assert stands["bank:acc"] == 90_000
    assert "bank_pending:acc" not in stands
    hotel.done(replace(posted, removed=True), SYNC)
    assert books(hotel) == {"rent:flat-1": 90_000, "revenue:rent": -90_000}


async def test_until_the_bank_is_heard_it_is_expected_and_not_late(
    hotel: Hotel, tmp_path: Path
) -> None:
    hotel.done(RENT, MANAGER)
    fee(hotel)
    read = NoteBankFeed(account_ref="acc", through_s=_seconds(date(2026, 11, 2)))
    hotel.done(read, SYNC)
    charge(hotel, date(2026, 11, 3))
    charge(hotel, date(2026, 11, 20))
    async with open_reader(tmp_path / "log.db") as reader:
        [late] = await arrears(reader, date(2026, 11, 20))
        assert (late.unconfirmed, late.days_late, late.owed_minor) == (True, 17, 90_000)
        assert told(hotel, LateFeeCharged) == []
        hotel.done(replace(read, through_s=_seconds(date(2026, 11, 20))), SYNC)
        for _ in range(2):
            charge(hotel, date(2026, 11, 20))
        [late] = await arrears(reader, date(2026, 11, 20))
        assert (late.unconfirmed, late.owed_minor) == (False, 91_500)
        assert len(told(hotel, LateFeeCharged)) == 1
        row = await rent_of(reader, "flat-1")
        assert row is not None
        assert (row.owed_minor, row.reference) == (91_500, "NPFLAT01")
        assert await rent_of(reader, "flat-9") is None
        assert await arrears(reader, date(2026, 11, 1)) == []


async def test_of_more_debts_than_are_read_the_oldest_are(
    hotel: Hotel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rents, "ROWS_MAX", 2)
    for lease_id, starts in (("a", 11), ("b", 9), ("c", 11), ("y", 8), ("z", 10)):
        terms = replace(
            RENT, lease_id=lease_id, reference=f"FLAT{lease_id}", starts=date(2026, starts, 1)
        )
        hotel.done(terms, MANAGER)
    charge(hotel, date(2026, 11, 3))
    # What came is taken for the oldest: of the four months one is open, and of the three none.
    for lease_id, months in (("y", 3), ("b", 3)):
        paid = RecordRent(
            lease_id=lease_id, amount_minor=months * 90_000, currency="EUR", means="cash"
        )
        hotel.done(paid)
    async with open_reader(tmp_path / "log.db") as reader:
        found = await arrears(reader, date(2026, 11, 20))
        assert [(each.lease_id, each.oldest_due, each.owed_minor) for each in found] == [
            ("z", date(2026, 10, 3), 180_000),
            ("a", date(2026, 11, 3), 90_000),
        ]
        assert [each.lease_id for each in await arrears(reader, date(2026, 10, 20))] == ["z"]
        monkeypatch.setattr(rents, "ROWS_MAX", 9)
        assert [each.lease_id for each in await arrears(reader, date(2026, 11, 20))] == list("zacy")


def test_within_its_grace_nothing_is_late(hotel: Hotel) -> None:
    hotel.done(RENT, MANAGER)
    fee(hotel)
    charge(hotel, date(2026, 11, 3))
    charge(hotel, date(2026, 11, 8))
    assert told(hotel, LateFeeCharged) == []
    charge(hotel, date(2026, 11, 9))
    assert len(told(hotel, LateFeeCharged)) == 1


def test_a_feed_is_noted_by_the_hour(hotel: Hotel) -> None:
    for through_s in (10_000, 10_500, 13_599, 13_600, 9_000):
        hotel.done(NoteBankFeed(account_ref="acc", through_s=through_s), SYNC)
    assert [each.through_s for each in told(hotel, BankFeedRead)] == [10_000, 13_600]
    bad = NoteBankFeed(account_ref="", through_s=1)
    assert hotel.refused(bad, SYNC) == Refusal.EMPTY


def test_a_rent_day_goes_through_all_leases_in_shares(hotel: Hotel) -> None:
    count = 2 * LEASES_MAX + 1
    for number in range(count):
        lease = replace(RENT, lease_id=f"flat-{number:03}", reference=f"FLAT{number:04}")
        hotel.done(lease, MANAGER)
    after, rounds = "", 0
    while True:
        command = ChargeRents(on=date(2026, 11, 3), after=after)
        result = hotel.done(command, BOX)
        rounds += 1
        if not result["more"]:
            break
        [*_, last] = [f.event for f in hotel.facts if f.event.kind == "payments.rents_charged.v1"]
        after = last.through  # type: ignore[attr-defined]
    assert rounds == 3
    assert len(told(hotel, RentCharged)) == count


def test_the_tables_are_the_same_after_a_rebuild(hotel: Hotel) -> None:
    hotel.done(RENT, MANAGER)
    fee(hotel)
    charge(hotel, date(2026, 11, 3))
    charge(hotel, date(2026, 11, 30))
    hotel.done(replace(LINE, pending=True), SYNC)
    hotel.done(replace(LINE, line_id="l2", pending_line_id="l1"), SYNC)
    before = {table: hotel.rows(f"SELECT * FROM {table}") for table in PROJECTION.tables}  # noqa: S608
    hotel.db.execute("UPDATE read_model SET ddl_hash = 'x' WHERE name = 'payments'")
    rebuild.settle_forms(hotel.db, [ENGINE])
    after = {table: hotel.rows(f"SELECT * FROM {table}") for table in PROJECTION.tables}  # noqa: S608
    assert after == before


def test_a_line_of_any_length_has_few_words() -> None:
    assert len(words_of("abcd " * 1_000)) <= 80


def _seconds(day: date) -> int:
    return (day - date(1970, 1, 1)) // timedelta(seconds=1)
