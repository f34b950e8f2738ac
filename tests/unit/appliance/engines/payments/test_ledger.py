"""The books: every entry adds up, nothing is changed, and folio and books agree on what is due."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from appliance.engines.payments import journal
from appliance.engines.payments.drawer_messages import CloseDrawer, OpenDrawer
from appliance.engines.payments.journal import Leg, UnbalancedError
from appliance.engines.payments.messages import (
    AskPayLink,
    BillFolio,
    CaptureHold,
    CorrectCharge,
    DisputeState,
    Folio,
    HoldCard,
    IntentState,
    NoteCapture,
    NoteDispute,
    NoteIntent,
    NotePayLink,
    NoteRefund,
    NoteStrayPayment,
    PostCharge,
    RecordCash,
    RecordSlip,
    RefundPayment,
    Refusal,
    Routed,
    RouteFolio,
    SaveCardReference,
    SettleStray,
    TakeDeposit,
    TransferCharge,
)
from appliance.engines.payments.projection import PROJECTION
from appliance.engines.payments.queries import CHARGES, PAID
from appliance.engines.payments.room import ENGINE
from appliance.engines.rules.room import ENGINE as RULES
from appliance.engines.stays.messages import (
    CancelStay,
    ChangeDeparture,
    CheckIn,
    CheckOut,
    RunNightAudit,
    UndoCheckIn,
)
from appliance.kernel import rebuild
from appliance.kernel.messages import Command, Done, Who
from appliance.kernel.reader import ROWS_MAX, open_reader
from support.desk import CLERK, MANAGER, SYNC
from support.hotel import FRIDAY, Hotel, day, priced

EUROS: dict[str, Any] = {"amount_minor": 5_000, "currency": "EUR"}
S = IntentState


@pytest.fixture
def hotel(tmp_path: Path) -> Any:
    hotel = Hotel(tmp_path, more=[ENGINE, RULES])
    yield hotel
    hotel.close()


@pytest.fixture
def stay(hotel: Hotel) -> str:
    """Two nights at 100.00 from today, with a card kept at the provider."""
    stay_id = hotel.learned()
    hotel.done(SaveCardReference(stay_id=stay_id, customer_ref="cus_1", method_ref="pm_1"))
    return stay_id


def books(hotel: Hotel) -> dict[str, int]:
    """What stands on each account in euros."""
    rows = hotel.rows(
        "SELECT account, balance_minor FROM payments_account WHERE balance_minor != 0"
    )
    return {str(row[0]): int(row[1]) for row in rows}


def audit(hotel: Hotel, closing: date) -> None:
    hotel.done(RunNightAudit(closing=closing, no_shows=()))


def charge(stay_id: str, amount_minor: int = 700, **more: Any) -> PostCharge:
    return PostCharge(
        stay_id=stay_id, amount_minor=amount_minor, currency="EUR", text="Minibar", **more
    )


def test_an_entry_that_does_not_add_up_is_never_written() -> None:
    with pytest.raises(UnbalancedError):
        journal.check([Leg(account="a", amount_minor=1, currency="EUR")])
    with pytest.raises(UnbalancedError):  # two currencies never make up for each other
        journal.check(
            [
                Leg(account="a", amount_minor=1, currency="EUR"),
                Leg(account="b", amount_minor=-1, currency="USD"),
            ]
        )


def test_nothing_changes_an_entry_or_a_leg() -> None:
    """Corrections only by reversal: no statement of the engine updates or deletes the books."""
    room = Path(journal.__file__).parent
    for path in room.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = " ".join(node.value.split())
                for table in ("payments_entry", "payments_leg"):
                    for verb in ("UPDATE", "DELETE FROM", "REPLACE INTO"):
                        assert f"{verb} {table}" not in text


def test_nights_are_posted_at_the_audit_and_the_rest_at_the_check_out(
    hotel: Hotel, stay: str
) -> None:
    hotel.done(RecordCash(stay_id=stay, **EUROS))
    assert books(hotel) == {"cash:loose/desk-1": 5_000, f"deposits:{stay}": -5_000}
    hotel.done(CheckIn(stay_id=stay, room_id="r101"))
    assert books(hotel) == {"cash:loose/desk-1": 5_000, f"guest:{stay}": -5_000}
    audit(hotel, FRIDAY)
    assert books(hotel)["revenue:rooms"] == -10_000
    assert books(hotel)[f"guest:{stay}"] == 5_000
    audit(hotel, day(1))
    hotel.done(CheckOut(stay_id=stay))
    assert books(hotel)[f"guest:{stay}"] == 15_000


def test_a_price_that_changes_later_is_reversed_and_posted_anew(hotel: Hotel, stay: str) -> None:
    hotel.done(CheckIn(stay_id=stay, room_id="r101"))
    audit(hotel, FRIDAY)
    hotel.learn(upstream_version="2", nights=priced(FRIDAY, day(2), 9_000))
    assert books(hotel)["revenue:rooms"] == -9_000
    kinds = hotel.rows("SELECT what FROM payments_entry ORDER BY entry_id")
    assert [what for (what,) in kinds] == ["night", "correction", "night"]


def test_a_check_in_that_was_a_mistake_leaves_no_revenue(hotel: Hotel, stay: str) -> None:
    hotel.done(RecordCash(stay_id=stay, **EUROS))
    hotel.done(CheckIn(stay_id=stay, room_id="r101"))
    hotel.done(UndoCheckIn(stay_id=stay, reason="wrong guest"), MANAGER)
    assert books(hotel) == {"cash:loose/desk-1": 5_000, f"deposits:{stay}": -5_000}


def test_a_charge_is_taken_back_once_by_a_manager_with_a_reason(hotel: Hotel, stay: str) -> None:
    charge_id = hotel.done(charge(stay))["charge_id"]
    back = CorrectCharge(charge_id=charge_id, reason="not theirs")
    assert hotel.refused(back, CLERK) == "wrong_role"
    assert hotel.refused(replace(back, reason=" "), MANAGER) == Refusal.EMPTY
    hotel.done(back, MANAGER)
    assert books(hotel) == {}
    assert hotel.refused(back, MANAGER) == Refusal.ALREADY_CORRECTED
    assert hotel.refused(replace(back, charge_id="x"), MANAGER) == Refusal.UNKNOWN_CHARGE
    assert hotel.rows("SELECT count(*) FROM payments_entry") == [(2,)]


def test_a_charge_moves_whole_and_is_corrected_where_it_stands(hotel: Hotel, stay: str) -> None:
    other = hotel.learned("up-2")
    charge_id = hotel.done(charge(stay))["charge_id"]
    to = TransferCharge(
        charge_id=charge_id, to_stay_id=other, to_folio=Folio.COMPANY, reason="their firm pays"
    )
    assert hotel.refused(replace(to, to_stay_id="x")) == Refusal.UNKNOWN_STAY
    same = replace(to, to_stay_id=stay, to_folio=Folio.GUEST)
    assert hotel.refused(same) == Refusal.SAME_FOLIO
    hotel.done(to)
    assert books(hotel) == {f"guest:{other}/company": 700, "revenue:extras": -700}
    hotel.done(CorrectCharge(charge_id=charge_id, reason="a gift"), MANAGER)
    assert books(hotel) == {}


def test_a_company_pays_what_is_routed_to_it(hotel: Hotel, stay: str) -> None:
    hotel.done(RouteFolio(stay_id=stay, kinds=(Routed.NIGHT,), payer="A firm"))
    hotel.done(CheckIn(stay_id=stay, room_id="r101"))
    audit(hotel, FRIDAY)
    hotel.done(charge(stay))
    bill = BillFolio(
        stay_id=stay, folio=Folio.COMPANY, amount_minor=10_000, currency="EUR", payer="A firm"
    )
    assert hotel.refused(replace(bill, amount_minor=99_999)) == Refusal.MORE_THAN_LEFT
    hotel.done(bill)
    assert books(hotel) == {
        f"city:{stay}": 10_000,
        f"guest:{stay}": 700,
        "revenue:extras": -700,
        "revenue:rooms": -10_000,
    }


def test_a_refund_is_owed_from_the_moment_it_is_asked_for(hotel: Hotel, stay: str) -> None:
    intent_id = hotel.done(TakeDeposit(stay_id=stay, **EUROS))["intent_id"]
    hotel.done(NoteIntent(intent_id=intent_id, state=S.SUCCEEDED, provider_ref="pi_1"), SYNC)
    [(payment_id,)] = hotel.rows("SELECT payment_id FROM payments_payment")
    refund = RefundPayment(payment_id=payment_id, reason="ill", **EUROS)
    refund_id = hotel.done(refund)["refund_id"]
    assert books(hotel) == {"clearing:stripe": 5_000, "refunds_payable": -5_000}
    hotel.done(NoteRefund(refund_id=refund_id, state=S.DECLINED), SYNC)
    assert books(hotel) == {"clearing:stripe": 5_000, f"deposits:{stay}": -5_000}
    refund_id = hotel.done(refund)["refund_id"]
    hotel.done(NoteRefund(refund_id=refund_id, state=S.SUCCEEDED), SYNC)
    assert books(hotel) == {}


@pytest.mark.parametrize(("ref", "holder"), [("pi_1", "stripe"), ("113012345678", "ccavenue")])
def test_a_paid_link_lies_with_whoever_took_it(
    hotel: Hotel, stay: str, ref: str, holder: str
) -> None:
    link_id = hotel.done(AskPayLink(stay_id=stay, **EUROS))["link_id"]
    paid = NotePayLink(link_id=link_id, state=S.SUCCEEDED, provider_ref=ref, **EUROS)
    hotel.done(paid, SYNC)
    assert books(hotel) == {f"clearing:{holder}": 5_000, f"deposits:{stay}": -5_000}
    [(payment_id,)] = hotel.rows("SELECT payment_id FROM payments_payment")
    refund = RefundPayment(payment_id=payment_id, reason="ill", **EUROS)
    hotel.done(NoteRefund(refund_id=hotel.done(refund)["refund_id"], state=S.SUCCEEDED), SYNC)
    assert books(hotel) == {}


def test_a_second_charge_never_touches_the_folio(hotel: Hotel, stay: str) -> None:
    intent_id = hotel.done(TakeDeposit(stay_id=stay, **EUROS))["intent_id"]
    for ref in ("pi_1", "pi_2"):
        hotel.done(NoteIntent(intent_id=intent_id, state=S.SUCCEEDED, provider_ref=ref), SYNC)
    assert books(hotel) == {
        "clearing:stripe": 10_000,
        f"deposits:{stay}": -5_000,
        "refunds_payable": -5_000,
    }
    [(refund_id,)] = hotel.rows("SELECT refund_id FROM payments_second")
    hotel.done(NoteRefund(refund_id=refund_id, state=S.SUCCEEDED), SYNC)
    assert books(hotel) == {"clearing:stripe": 5_000, f"deposits:{stay}": -5_000}


@pytest.mark.parametrize(
    ("end", "stands"),
    [
        (DisputeState.WON, {}),
        (DisputeState.LOST, {"clearing:stripe": -5_000, "losses:disputes": 5_000}),
    ],
)
def test_a_dispute_takes_money_at_once(
    hotel: Hotel, end: DisputeState, stands: dict[str, int]
) -> None:
    opened = NoteDispute(
        dispute_id="dp", provider="stripe", provider_ref="pi", state=DisputeState.OPEN, **EUROS
    )
    hotel.done(opened, SYNC)
    assert books(hotel) == {"clearing:stripe": -5_000, "disputes": 5_000}
    hotel.done(replace(opened, state=end), SYNC)
    assert books(hotel) == stands


async def test_what_is_in_the_books_can_be_read(hotel: Hotel, tmp_path: Path, stay: str) -> None:
    charge_id = hotel.done(charge(stay))["charge_id"]
    hotel.done(CorrectCharge(charge_id=charge_id, reason="no"), MANAGER)
    hotel.done(charge(stay, 900))
    async with open_reader(tmp_path / "log.db") as reader:
        rows = await journal.trial_balance(reader)
        assert [(row.account, row.balance_minor) for row in rows] == [
            (f"guest:{stay}", 900),
            ("revenue:extras", -900),
        ]
        entries = await journal.entries_of(reader, f"guest:{stay}")
        assert [entry.what for entry in entries] == ["charge", "correction", "charge"]
        assert entries[1].reverses == entries[2].entry_id
        assert entries[1].by_whom == "staff:manager"
        older = await journal.entries_of(reader, f"guest:{stay}", entries[1].entry_id)
        assert older == entries[2:]


async def test_a_trial_balance_is_read_however_many_accounts_there_are(
    hotel: Hotel, tmp_path: Path
) -> None:
    """Every night that was paid at the PMS leaves a folio open here: some ten thousand a year."""
    hotel.db.executemany(
        "INSERT INTO payments_account VALUES (?, 'EUR', 100, 0)",
        ((f"guest:stay_{number:06}",) for number in range(ROWS_MAX + 1)),
    )
    hotel.db.execute(
        "INSERT INTO payments_account VALUES ('revenue:rooms', 'EUR', ?, 0)",
        (-100 * (ROWS_MAX + 1),),
    )
    hotel.db.commit()
    async with open_reader(tmp_path / "log.db") as reader:
        found = [
            (row.account, row.currency, row.balance_minor)
            for row in await journal.trial_balance(reader)
        ]
    total = 100 * (ROWS_MAX + 1)
    assert found == [("guest:*", "EUR", total), ("revenue:rooms", "EUR", -total)]


# -- random histories --------------------------------------------------------------------------

_AMOUNTS = st.sampled_from([1, 700, 3_333, 5_000, 20_000])
_PICKS = st.integers(0, 5)


@dataclass
class Story:
    """A hotel and what happened in it so far, by the ids that came of it."""

    hotel: Hotel
    stays: list[str] = field(default_factory=list)
    drawers: list[str] = field(default_factory=list)
    today: date = FRIDAY
    learned: int = 0

    def pick(self, query: str, number: int, *parameters: Any) -> str | None:
        rows = self.hotel.rows(query, *parameters)
        return str(rows[number % len(rows)][0]) if rows else None

    def ask(self, command: Command, who: Who = CLERK) -> dict[str, Any]:
        """The result, or nothing where it was refused by a rule; never broken."""
        answer = self.hotel.ask(command, who)
        if isinstance(answer, Done):
            return answer.result
        assert answer.engine != "kernel", answer
        assert answer.code != "broken", answer
        return {}

    def stay(self, number: int) -> str:
        return self.stays[number % len(self.stays)] if self.stays else "nobody"


Act = Callable[[Story, int, int], None]


def _book(story: Story, amount: int, _pick: int) -> None:
    story.learned += 1
    stay_id = story.hotel.learned(
        f"u{story.learned}",
        arrival=story.today,
        departure=story.today + timedelta(days=2),
        nights=priced(story.today, story.today + timedelta(days=2), amount),
    )
    story.stays.append(stay_id)
    story.ask(SaveCardReference(stay_id=stay_id, customer_ref="cus_1", method_ref="pm_1"))


def _check_in(story: Story, _amount: int, pick: int) -> None:
    rooms = ("r101", "r102", "r103")
    story.ask(CheckIn(stay_id=story.stay(pick), room_id=rooms[pick % 3]))


def _undo(story: Story, _amount: int, pick: int) -> None:
    story.ask(UndoCheckIn(stay_id=story.stay(pick), reason="wrong"), MANAGER)


def _check_out(story: Story, _amount: int, pick: int) -> None:
    story.ask(CheckOut(stay_id=story.stay(pick)))


def _cancel(story: Story, _amount: int, pick: int) -> None:
    story.ask(CancelStay(stay_id=story.stay(pick), reason="ill"))


def _extend(story: Story, amount: int, pick: int) -> None:
    end = story.today + timedelta(days=1 + pick)
    added = priced(story.today, end, amount)
    story.ask(ChangeDeparture(stay_id=story.stay(pick), departure=end, added_nights=added))


def _close_the_day(story: Story, _amount: int, _pick: int) -> None:
    if story.ask(RunNightAudit(closing=story.today, no_shows=())):
        story.today += timedelta(days=1)


def _cash(story: Story, amount: int, pick: int) -> None:
    story.ask(RecordCash(stay_id=story.stay(pick), amount_minor=amount, currency="EUR"))


def _slip(story: Story, amount: int, pick: int) -> None:
    command = RecordSlip(
        stay_id=story.stay(pick), amount_minor=amount, currency="EUR", slip_number="TX-1"
    )
    story.ask(command)


def _charge(story: Story, amount: int, pick: int) -> None:
    story.ask(charge(story.stay(pick), amount, folio=Folio.COMPANY if pick == 5 else Folio.GUEST))


def _correct(story: Story, _amount: int, pick: int) -> None:
    found = story.pick("SELECT charge_id FROM payments_charge ORDER BY charge_id", pick)
    story.ask(CorrectCharge(charge_id=found or "x", reason="no"), MANAGER)


def _transfer(story: Story, _amount: int, pick: int) -> None:
    found = story.pick("SELECT charge_id FROM payments_charge ORDER BY charge_id", pick)
    folio = Folio.COMPANY if pick % 2 else Folio.GUEST
    to = TransferCharge(
        charge_id=found or "x", to_stay_id=story.stay(pick + 1), to_folio=folio, reason="theirs"
    )
    story.ask(to)


def _route(story: Story, _amount: int, pick: int) -> None:
    kinds = (Routed.NIGHT, Routed.FEE, Routed.CHARGE)[: pick % 4]
    story.ask(RouteFolio(stay_id=story.stay(pick), kinds=kinds, payer="A firm"))


def _bill(story: Story, amount: int, pick: int) -> None:
    folio = Folio.COMPANY if pick % 2 else Folio.GUEST
    bill = BillFolio(
        stay_id=story.stay(pick), folio=folio, amount_minor=amount, currency="EUR", payer="A firm"
    )
    story.ask(bill)


def _deposit(story: Story, amount: int, pick: int) -> None:
    story.ask(TakeDeposit(stay_id=story.stay(pick), amount_minor=amount, currency="EUR"))


def _hold(story: Story, amount: int, pick: int) -> None:
    story.ask(HoldCard(stay_id=story.stay(pick), amount_minor=amount, currency="EUR"))


def _capture(story: Story, amount: int, pick: int) -> None:
    found = story.pick(
        "SELECT intent_id FROM payments_intent WHERE kind = 'hold' ORDER BY intent_id", pick
    )
    story.ask(CaptureHold(intent_id=found or "x", amount_minor=amount, currency="EUR"))


def _refund(story: Story, amount: int, pick: int) -> None:
    found = story.pick("SELECT payment_id FROM payments_payment ORDER BY payment_id", pick)
    story.ask(
        RefundPayment(payment_id=found or "x", amount_minor=amount, currency="EUR", reason="no")
    )


def _news(story: Story, amount: int, pick: int) -> None:
    states = list(S)
    state = states[(amount + pick) % len(states)]
    ref = f"pi_{pick % 3}"
    for kind, command, id_field in (
        ("deposit", NoteIntent, "intent_id"),
        ("hold", NoteIntent, "intent_id"),
        ("capture", NoteCapture, "capture_id"),
        ("refund", NoteRefund, "refund_id"),
    ):
        found = story.pick(
            "SELECT intent_id FROM payments_intent WHERE kind = ? ORDER BY intent_id", pick, kind
        )
        if found is not None:
            told: Any = {id_field: found, "state": state, "provider_ref": f"{found}:{ref}"}
            story.ask(command(**told), SYNC)


def _dispute(story: Story, amount: int, pick: int) -> None:
    states = list(DisputeState)
    told = NoteDispute(
        dispute_id=f"dp{pick % 2}",
        provider="stripe",
        provider_ref=f"pi_{pick}",
        amount_minor=amount,
        currency="EUR",
        state=states[(amount + pick) % len(states)],
    )
    story.ask(told, SYNC)


def _stray(story: Story, amount: int, pick: int) -> None:
    told = NoteStrayPayment(
        provider="stripe", provider_ref=f"stray_{pick}", amount_minor=amount, currency="EUR"
    )
    found = story.ask(told, SYNC).get("stray_id")
    if pick % 3 and found:
        to = story.stay(pick) if pick % 2 else None
        story.ask(SettleStray(stray_id=found, stay_id=to, reason="asked them"), MANAGER)


def _drawer(story: Story, amount: int, pick: int) -> None:
    opened = story.ask(OpenDrawer(float_minor=amount, currency="EUR")).get("drawer_id")
    if opened:
        story.drawers.append(opened)
    elif story.drawers:
        count = CloseDrawer(
            drawer_id=story.drawers[-1], counted_minor=amount, slips_minor=pick, currency="EUR"
        )
        story.ask(count)


ACTS: list[Act] = [
    _book,
    _check_in,
    _undo,
    _check_out,
    _cancel,
    _extend,
    _close_the_day,
    _cash,
    _slip,
    _charge,
    _correct,
    _transfer,
    _route,
    _bill,
    _deposit,
    _hold,
    _capture,
    _refund,
    _news,
    _news,
    _dispute,
    _stray,
    _drawer,
]


def _audit_the_books(story: Story) -> None:
    """Zero over everything, entry by entry, account by account, and equal to every folio."""
    hotel = story.hotel
    assert hotel.rows("SELECT coalesce(sum(balance_minor), 0) FROM payments_account") == [(0,)]
    wrong = hotel.rows(
        "SELECT entry_id FROM payments_leg GROUP BY entry_id, currency HAVING sum(amount_minor) != 0"
    )
    assert wrong == []
    summed = hotel.rows(
        "SELECT account, currency, sum(amount_minor) FROM payments_leg GROUP BY account, currency"
    )
    assert sorted(summed) == sorted(
        hotel.rows("SELECT account, currency, balance_minor FROM payments_account")
    )
    for stay_id in story.stays:
        [(phase,)] = hotel.rows("SELECT phase FROM payments_stay WHERE stay_id = ?", stay_id)
        [(charged,)] = hotel.rows(CHARGES, stay_id)
        [(paid,)] = hotel.rows(PAID, stay_id)
        [(unposted,)] = hotel.rows(
            "SELECT coalesce(sum(l.amount_minor), 0) FROM payments_line l JOIN payments_stay s"
            " ON s.stay_id = l.stay_id WHERE l.stay_id = ? AND l.kind IN ('night', 'fee')"
            " AND s.on_folio = 1 AND NOT EXISTS (SELECT 1 FROM payments_posted p"
            " WHERE p.stay_id = l.stay_id AND p.line_id = l.line_id)",
            stay_id,
        )
        [(stands,)] = hotel.rows(
            "SELECT coalesce(sum(balance_minor), 0) FROM payments_account"
            " WHERE account IN ('guest:' || ?1, 'guest:' || ?1 || '/company', 'deposits:' || ?1)",
            stay_id,
        )
        assert stands == charged - paid - unposted
        if phase == "departed":
            assert unposted == 0


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
@given(history=st.lists(st.tuples(st.sampled_from(ACTS), _AMOUNTS, _PICKS), max_size=40))
def test_whatever_happens_the_books_add_up_and_agree_with_every_folio(
    history: list[tuple[Act, int, int]],
) -> None:
    with TemporaryDirectory() as folder:
        story = Story(Hotel(Path(folder), more=[ENGINE, RULES]))
        try:
            _book(story, 10_000, 0)
            for act, amount, pick in history:
                act(story, amount, pick)
            _audit_the_books(story)
            tables = PROJECTION.tables
            before = {table: story.hotel.rows(f"SELECT * FROM {table}") for table in tables}  # noqa: S608
            story.hotel.db.execute("UPDATE read_model SET ddl_hash = 'x' WHERE name = 'payments'")
            rebuild.settle_forms(story.hotel.db, [ENGINE])
            after = {table: story.hotel.rows(f"SELECT * FROM {table}") for table in tables}  # noqa: S608
            assert after == before
        finally:
            story.hotel.close()
