"""Money through GraphQL: a balance that says pending until money has arrived."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import strawberry

from appliance.asked import Info
from appliance.engines.payments import api
from appliance.engines.payments.messages import IntentState, NoteIntent, SaveCardReference
from appliance.engines.payments.room import ENGINE
from appliance.engines.payments.state import BLOCKING
from appliance.kernel.messages import Role, Who
from appliance.kernel.reader import open_reader
from appliance.web.texts import LANGUAGES, load_texts
from support.asked_desk import DeskAsked, schema, told
from support.desk import SYNC
from support.hotel import Hotel


@strawberry.type
class Query:
    """Enough of a root to ask for one balance."""

    @strawberry.field
    async def balance(self, info: Info, stay_id: strawberry.ID) -> api.Balance:
        return await api.load_balance(info.context, stay_id)


SCHEMA = schema(Query, api.Mutation)
BALANCE = (
    "query($stay: ID!) { balance(stayId: $stay) { chargesMinor paidMinor pendingMinor dueMinor"
    " currency savedCard lines { kind text amountMinor } intents { id state sentence } } }"
)


@dataclass
class Desk:
    hotel: Hotel
    asked: DeskAsked
    stay_id: str


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    hotel = Hotel(tmp_path, more=[ENGINE])
    stay_id = hotel.learned()
    hotel.done(SaveCardReference(stay_id=stay_id, customer_ref="cus_1", method_ref="pm_1"))
    async with open_reader(tmp_path / "log.db") as reader:
        yield Desk(hotel, DeskAsked(hotel, reader), stay_id)
    hotel.close()


async def test_a_deposit_is_pending_until_the_service_says_so(desk: Desk) -> None:
    take = 'mutation($s: ID!) { takeDeposit(id: "d1", stayId: $s, amountMinor: 5000)'
    take += " { done sentence result } }"
    answer = (await told(SCHEMA, desk.asked, take, s=desk.stay_id))["takeDeposit"]
    again = (await told(SCHEMA, desk.asked, take, s=desk.stay_id))["takeDeposit"]
    assert answer == again
    assert answer["done"]
    balance = (await told(SCHEMA, desk.asked, BALANCE, stay=desk.stay_id))["balance"]
    assert (balance["paidMinor"], balance["pendingMinor"]) == (0, 5_000)
    assert (balance["dueMinor"], balance["savedCard"]) == (20_000, True)
    [intent] = balance["intents"]
    assert intent["sentence"].startswith("Pending")
    note = NoteIntent(
        intent_id=answer["result"]["intent_id"],
        state=IntentState.DECLINED,
        code="insufficient_funds",
    )
    desk.hotel.done(note, SYNC)
    balance = (await told(SCHEMA, desk.asked, BALANCE, stay=desk.stay_id))["balance"]
    assert "insufficient_funds" in balance["intents"][0]["sentence"]
    assert balance["pendingMinor"] == 0


async def test_the_desk_alone_sees_the_page_that_waits(desk: Desk) -> None:
    take = 'mutation($s: ID!) { takeDeposit(id: "d1", stayId: $s, amountMinor: 5000)'
    answer = await told(SCHEMA, desk.asked, take + " { result } }", s=desk.stay_id)
    page = "https://pay.example/pay/stripe/pi_1/0123"
    note = NoteIntent(
        intent_id=answer["takeDeposit"]["result"]["intent_id"],
        state=IntentState.REQUIRES_ACTION,
        url=page,
    )
    desk.hotel.done(note, SYNC)
    ask = "query($stay: ID!) { balance(stayId: $stay) { intents { url sentence } } }"
    [intent] = (await told(SCHEMA, desk.asked, ask, stay=desk.stay_id))["balance"]["intents"]
    assert intent["url"] == page
    assert "Send them the link" in intent["sentence"]
    for role in (Role.GUEST, Role.HOUSEKEEPING):
        other = replace(desk.asked, who=Who(actor=f"stay:{desk.stay_id}", role=role))
        [intent] = (await told(SCHEMA, other, ask, stay=desk.stay_id))["balance"]["intents"]
        assert intent["url"] is None
    [(_, amount_minor, _, url)] = await api.load_pages(desk.asked, desk.stay_id)
    assert (amount_minor, url) == (5_000, page)
    desk.hotel.done(replace(note, state=IntentState.SUCCEEDED, url=None), SYNC)
    assert await api.load_pages(desk.asked, desk.stay_id) == []


async def test_cash_slips_and_charges_stand_on_the_folio(desk: Desk) -> None:
    acts = (
        'mutation($s: ID!) { a: recordCash(id: "c", stayId: $s, amountMinor: 3000) { done }'
        ' b: recordSlip(id: "s", stayId: $s, amountMinor: 2000, slipNumber: "TX-7") { done }'
        ' c: postCharge(id: "p", stayId: $s, amountMinor: 700, text: "Minibar") { done } }'
    )
    done = await told(SCHEMA, desk.asked, acts, s=desk.stay_id)
    assert [each["done"] for each in done.values()] == [True] * 3
    balance = (await told(SCHEMA, desk.asked, BALANCE, stay=desk.stay_id))["balance"]
    lines = [(line["kind"], line["amountMinor"]) for line in balance["lines"]]
    assert lines[:3] == [("night", 10_000), ("night", 10_000), ("charge", 700)]
    # Taken in the same millisecond: either may stand first.
    assert sorted(lines[3:]) == [("payment", -3_000), ("payment", -2_000)]
    cash = await api.load_cash(desk.asked, "shift-1")
    assert (cash.amount_minor, cash.currency) == (3_000, "EUR")


async def test_a_refusal_is_a_sentence_and_changes_nothing(desk: Desk) -> None:
    take = 'mutation($s: ID!) { recordCash(id: "c", stayId: $s, amountMinor: 0)'
    take += " { done engine code sentence } }"
    answer = (await told(SCHEMA, desk.asked, take, s=desk.stay_id))["recordCash"]
    assert (answer["done"], answer["engine"], answer["code"]) == (False, "payments", "bad_amount")
    assert answer["sentence"].endswith(".")
    guest = Who(actor=f"stay:{desk.stay_id}", role=Role.GUEST)
    as_guest = replace(desk.asked, who=guest)
    answer = (await told(SCHEMA, as_guest, take, s=desk.stay_id))["recordCash"]
    assert answer["code"] == "wrong_role"


@pytest.mark.parametrize("state", list(IntentState))
def test_paid_is_said_of_nothing_but_money_that_arrived(state: IntentState) -> None:
    texts = load_texts()
    words = {"en": ("Paid", "Pending"), "de": ("Bezahlt", "Ausstehend")}
    for language in LANGUAGES:
        said = texts.text(f"payments.intent.{state.value}", language)
        paid, pending = words[language]
        assert said.startswith(paid) is (state in {IntentState.SUCCEEDED, IntentState.CAPTURED})
        assert said.startswith(pending) is (state in BLOCKING)
