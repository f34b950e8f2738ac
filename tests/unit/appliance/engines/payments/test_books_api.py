"""The books through GraphQL: each list for those whose work it is, each refusal a sentence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from strawberry.tools import merge_types

from appliance.asked import NotForYouError
from appliance.engines.payments import api, books_api
from appliance.engines.payments.messages import (
    DisputeState,
    IntentState,
    NoteBankLine,
    NoteDispute,
    NoteIntent,
    NoteStrayPayment,
    RecordCash,
    SaveCardReference,
)
from appliance.engines.payments.recovery import ACTIONS
from appliance.engines.payments.rent_messages import ChargeRents
from appliance.engines.payments.room import ENGINE
from appliance.engines.payments.state import Kind
from appliance.kernel.messages import Role, Who
from appliance.kernel.reader import open_reader
from appliance.web.texts import LANGUAGES, load_texts
from support.asked_desk import DeskAsked, denied, schema, told
from support.desk import BOX, MANAGER, SYNC
from support.hotel import Hotel

SCHEMA = schema(
    merge_types("Query", (api.Query, books_api.Query)),
    merge_types("Mutation", (api.Mutation, books_api.Mutation)),
)
EUROS: dict[str, Any] = {"amount_minor": 5_000, "currency": "EUR"}
HOUSEKEEPER = Who(actor="staff:mara", role=Role.HOUSEKEEPING)
GUEST = Who(actor="stay:s1", role=Role.GUEST)


@dataclass
class Desk:
    hotel: Hotel
    asked: DeskAsked
    stay_id: str

    @property
    def manager(self) -> DeskAsked:
        return replace(self.asked, who=MANAGER)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    hotel = Hotel(tmp_path, more=[ENGINE])
    stay_id = hotel.learned()
    hotel.done(SaveCardReference(stay_id=stay_id, customer_ref="cus_1", method_ref="pm_1"))
    async with open_reader(tmp_path / "log.db") as reader:
        yield Desk(hotel, DeskAsked(hotel, reader), stay_id)
    hotel.close()


@pytest.mark.parametrize(
    ("query", "roles"),
    [
        ("{ drawers { id } }", {Role.FRONT_DESK, Role.MANAGER, Role.ADMIN}),
        ("{ recovery { id } }", {Role.FRONT_DESK, Role.MANAGER, Role.ADMIN}),
        ("{ disputes { id } }", {Role.FRONT_DESK, Role.MANAGER, Role.ADMIN}),
        ('{ arrears(on: "2026-11-01") { leaseId } }', {Role.MANAGER, Role.ADMIN, Role.OWNER}),
        ('{ rent(leaseId: "x") { dueDay } }', {Role.FRONT_DESK, Role.MANAGER, Role.OWNER}),
        ("{ unmatchedLines { id } }", {Role.MANAGER, Role.ADMIN}),
        ("{ trialBalance { balanced } }", {Role.MANAGER, Role.ADMIN, Role.OWNER}),
        ('{ accountEntries(account: "safe") { id } }', {Role.MANAGER, Role.ADMIN, Role.OWNER}),
    ],
)
async def test_the_books_are_for_those_whose_work_they_are(
    desk: Desk, query: str, roles: set[Role]
) -> None:
    for role in roles:
        await told(SCHEMA, replace(desk.asked, who=replace(MANAGER, role=role)), query)
    for who in (HOUSEKEEPER, GUEST):
        assert await denied(SCHEMA, replace(desk.asked, who=who), query) is NotForYouError


async def test_a_count_is_blind_until_it_is_made(desk: Desk) -> None:
    opened = 'mutation { openDrawer(id: "o", floatMinor: 10000) { done result } }'
    drawer_id = (await told(SCHEMA, desk.asked, opened))["openDrawer"]["result"]["drawer_id"]
    desk.hotel.done(RecordCash(stay_id=desk.stay_id, **EUROS))
    read = "{ drawers(openOnly: false) { countedMinor expectedMinor overShortMinor terminal } }"
    [seen] = (await told(SCHEMA, desk.asked, read))["drawers"]
    assert (seen["expectedMinor"], seen["terminal"]) == (None, "desk-1")
    [seen] = (await told(SCHEMA, desk.manager, read))["drawers"]
    assert seen["expectedMinor"] == 15_000
    close = 'mutation($d: ID!) { closeDrawer(id: "c", drawerId: $d, countedMinor: 14000,'
    close += " slipsMinor: 0) { done result } }"
    said = (await told(SCHEMA, desk.asked, close, d=drawer_id))["closeDrawer"]
    assert said["result"]["over_short_minor"] == -1_000
    [seen] = (await told(SCHEMA, desk.asked, read))["drawers"]
    assert (seen["countedMinor"], seen["expectedMinor"]) == (14_000, 15_000)
    assert seen["overShortMinor"] == -1_000
    again = close.replace('"c"', '"c2"').replace("done result", "code sentence")
    said = (await told(SCHEMA, desk.asked, again, d=drawer_id))["closeDrawer"]
    assert said["code"] == "already_closed"
    assert said["sentence"].endswith(".")


async def test_what_is_left_over_says_what_can_be_done(desk: Desk) -> None:
    hold = 'mutation($s: ID!) { holdCard(id: "h", stayId: $s, amountMinor: 5000) { result } }'
    said = await told(SCHEMA, desk.asked, hold, s=desk.stay_id)
    intent_id = said["holdCard"]["result"]["intent_id"]
    desk.hotel.done(NoteIntent(intent_id=intent_id, state=IntentState.DECLINED), SYNC)
    read = "{ recovery { id what sentence actions amountMinor } }"
    [item] = (await told(SCHEMA, desk.asked, read))["recovery"]
    assert (item["what"], item["amountMinor"]) == ("guarantee_failed", 5_000)
    assert "link" in item["sentence"]
    assert item["actions"] == ["retry", "pay_link", "take_cash", "accept"]
    accept = 'mutation($i: ID!) { acceptUnpaid(id: "a", itemId: $i, reason: "known") { done } }'
    assert (await told(SCHEMA, desk.asked, accept, i=item["id"]))["acceptUnpaid"]["done"]
    assert (await told(SCHEMA, desk.asked, read))["recovery"] == []
    stray = NoteStrayPayment(provider="stripe", provider_ref="pi_9", **EUROS)
    stray_id = desk.hotel.done(stray, SYNC)["stray_id"]
    settle = 'mutation($i: ID!, $s: ID) { settleStray(id: "s", strayId: $i, stayId: $s,'
    settle += ' reason: "theirs") { done code } }'
    by_clerk = await told(SCHEMA, desk.asked, settle, i=stray_id, s=desk.stay_id)
    assert by_clerk["settleStray"]["code"] == "wrong_role"
    done = await told(SCHEMA, desk.manager, settle, i=stray_id, s=desk.stay_id)
    assert done["settleStray"]["done"]


async def test_a_stays_money_is_asked_for_and_given_back(desk: Desk) -> None:
    hotel, stay_id = desk.hotel, desk.stay_id
    ask = """mutation($s: ID!) {
        hold: holdCard(id: "h", stayId: $s, amountMinor: 5000) { result }
        link: askPayLink(id: "l", stayId: $s, amountMinor: 4000) { done }
        card: askCardSetUp(id: "c", stayId: $s) { done }
        cash: recordCash(id: "p", stayId: $s, amountMinor: 900) { result }
        charge: postCharge(id: "e", stayId: $s, amountMinor: 700, text: "Wine") { result }
        route: routeFolio(id: "r", stayId: $s, kinds: [NIGHT], payer: "A firm") { done }
        bill: billFolio(id: "b", stayId: $s, folio: COMPANY, amountMinor: 100, payer: "A firm")
            { done }
    }"""
    said = await told(SCHEMA, desk.asked, ask, s=stay_id)
    assert all(each.get("done", True) for each in said.values())
    hold_id = said["hold"]["result"]["intent_id"]
    held = NoteIntent(intent_id=hold_id, state=IntentState.HELD, provider_ref="pi_h")
    hotel.done(held, SYNC)
    more = """mutation($h: ID!, $p: ID!, $c: ID!, $s: ID!) {
        take: captureHold(id: "t", intentId: $h, amountMinor: 1000) { done }
        free: releaseHold(id: "f", intentId: $h) { code }
        back: refundPayment(id: "k", paymentId: $p, amountMinor: 100, reason: "ill") { done }
        move: transferCharge(id: "m", chargeId: $c, toStayId: $s, toFolio: COMPANY, reason: "firm")
            { done }
        undo: correctCharge(id: "u", chargeId: $c, reason: "no") { code }
    }"""
    said = await told(
        SCHEMA,
        desk.asked,
        more,
        h=hold_id,
        p=said["cash"]["result"]["payment_id"],
        c=said["charge"]["result"]["charge_id"],
        s=stay_id,
    )
    assert [said[each]["done"] for each in ("take", "back", "move")] == [True] * 3
    assert (said["free"]["code"], said["undo"]["code"]) == ("not_held", "wrong_role")
    read = """query($s: ID!) {
        all: folio(stayId: $s) { dueMinor intents { kind state sentence captureByS ofId } }
        firm: folio(stayId: $s, name: COMPANY) { dueMinor lines { kind amountMinor folio } }
        guest: folio(stayId: $s, name: GUEST) { dueMinor }
    }"""
    found = await told(SCHEMA, desk.asked, read, s=stay_id)
    assert found["all"]["dueMinor"] == 20_000 + 700 - 100 - 900 + 100
    assert found["firm"]["dueMinor"] == 20_000 + 700 - 100
    assert found["firm"]["dueMinor"] + found["guest"]["dueMinor"] == found["all"]["dueMinor"]
    kinds = {each["kind"]: each for each in found["all"]["intents"]}
    assert set(kinds) == {"hold", "link", "card", "capture"}
    assert kinds["capture"]["ofId"] == hold_id
    assert kinds["hold"]["captureByS"] > 0


async def test_rents_and_arrears_are_told_with_the_banks_word(desk: Desk) -> None:
    agree = """mutation { agreeRent(id: "a", leaseId: "flat-1", monthlyMinor: 90000,
        starts: "2026-11-01", dueDay: 1, reference: "FLAT-1") { done } }"""
    assert (await told(SCHEMA, desk.manager, agree))["agreeRent"]["done"]
    desk.hotel.done(ChargeRents(on=date(2026, 11, 1)), BOX)
    line = NoteBankLine(
        line_id="l1",
        account_ref="acc",
        amount_minor=1_234,
        currency="EUR",
        booked_on=date(2026, 11, 2),
        reference="thank you",
    )
    desk.hotel.done(line, SYNC)
    lines = "{ unmatchedLines { id reference amountMinor bookedOn } }"
    [unmatched] = (await told(SCHEMA, desk.manager, lines))["unmatchedLines"]
    assert (unmatched["reference"], unmatched["amountMinor"]) == ("thank you", 1_234)
    acts = """mutation {
        match: matchBankLine(id: "m", lineId: "l1", leaseId: "flat-1") { done }
        cash: recordRent(id: "r", leaseId: "flat-1", amountMinor: 766, means: "cash") { done }
        end: endRent(id: "e", leaseId: "flat-1", ends: "2026-12-31") { done }
    }"""
    said = await told(SCHEMA, desk.manager, acts)
    assert [each["done"] for each in said.values()] == [True] * 3
    read = """{ arrears(on: "2026-11-11") { owedMinor daysLate sentence charges { openMinor } }
        rent(leaseId: "flat-1") { owedMinor reference ends }
        trialBalance { balanced accounts { account balanceMinor } }
        accountEntries(account: "rent:flat-1") { what legs { amountMinor } } }"""
    found = await told(SCHEMA, desk.manager, read)
    [late] = found["arrears"]
    assert (late["owedMinor"], late["daysLate"]) == (88_000, 10)
    assert late["sentence"] == "Late for 10 days."
    assert found["rent"] == {"owedMinor": 88_000, "reference": "FLAT1", "ends": "2026-12-31"}
    assert found["trialBalance"]["balanced"]
    whats = [each["what"] for each in found["accountEntries"]]
    assert whats == ["rent_payment", "bank_matched", "rent"]


async def test_a_dispute_is_told_with_its_end(desk: Desk) -> None:
    opened = NoteDispute(
        dispute_id="dp",
        provider="stripe",
        provider_ref="pi",
        state=DisputeState.OPEN,
        due_s=9,
        **EUROS,
    )
    desk.hotel.done(opened, SYNC)
    [found] = (await told(SCHEMA, desk.asked, "{ disputes { state dueS amountMinor } }"))[
        "disputes"
    ]
    assert found == {"state": "open", "dueS": 9, "amountMinor": 5_000}


def test_every_state_and_every_item_has_words() -> None:
    texts = load_texts()
    for language in LANGUAGES:
        for part in ("intent", "refund", "link", "card"):
            for state in IntentState:
                assert texts.text(f"payments.{part}.{state.value}", language)
        for what in ACTIONS:
            assert texts.text(f"payments.recovery.{what}", language)
    assert {Kind.DEPOSIT, Kind.HOLD, Kind.CAPTURE} == set(Kind) - {
        Kind.REFUND,
        Kind.LINK,
        Kind.CARD,
    }
