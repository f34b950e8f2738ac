"""The one API: who may ask what, once only, within its limits, and never an inside or a 5xx."""

from __future__ import annotations

import asyncio
import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
from graphql import build_schema as parse_sdl

from appliance.web.schema import build_schema, sdl
from support.house import ROOT
from support.whole_house import WholeHouse, terminal

STAY = """query ($id: ID!) { stay(id: $id) { id code state roomNumber roomReady due
  guests { given family } nights { date amountMinor } notes { text }
  balance { dueMinor pendingMinor lines { text kind } }
  keys { id live doorTitle reason pinAtLock } conflicts { id } unfinished guestPageUrl } }"""
CHECK_IN = """mutation ($id: String!, $stay: ID!, $room: ID) {
  checkIn(id: $id, stayId: $stay, roomId: $room) { done engine code sentence result position } }"""
CUT = "mutation ($id: String!, $stay: ID!) { cutKey(id: $id, stayId: $stay) { done result } }"
OPEN = """mutation ($id: String!, $stay: ID) { openDoor(id: $id, stayId: $stay) {
  id outcome refusal sentence doorTitle } }"""
WALK_IN = """mutation ($id: String!, $from: Date!, $to: Date!, $by: String, $pin: String) {
  sellWalkIn(id: $id, roomTypeId: "double", arrival: $from, departure: $to, adults: 1,
    guests: [{given: "Ana", family: "Lima"}], approvedBy: $by, approvedPin: $pin) {
    done code sentence result } }"""

EDIT_PARKED = """mutation ($id: String!, $item: ID!, $changes: [ParkedChange!]!) {
  editParked(id: $id, itemId: $item, changes: $changes) { done code sentence } }"""
PARKED = "{ handOver { parked { id asked askedMs said editable { field value } } } }"


async def test_a_clerk_checks_in_cuts_a_key_and_opens_the_door(house: WholeHouse) -> None:
    stay_id = await house.booked()
    async with terminal(house) as clerk:
        arrivals = await clerk.data("{ arrivals { id due guests { family } } }")
        assert arrivals["arrivals"] == [
            {"id": stay_id, "due": True, "guests": [{"family": "Weber"}]}
        ]
        said = (await clerk.data(CHECK_IN, id="c-1", stay=stay_id, room="101"))["checkIn"]
        assert said["done"], said
        stay = (await clerk.data(STAY, id=stay_id))["stay"]
        assert (stay["state"], stay["roomNumber"]) == ("IN_HOUSE", "101")
        assert stay["unfinished"] == ["Checked in, but no key was cut yet."]
        assert stay["balance"]["dueMinor"] == 24_000
        assert (await clerk.data(CUT, id="k-1", stay=stay_id))["cutKey"]["done"]
        stay = (await clerk.data(STAY, id=stay_id))["stay"]
        assert [key["live"] for key in stay["keys"]] == [True]
        assert stay["unfinished"] == []
        opened = (await clerk.data(OPEN, id="o-1", stay=stay_id))["openDoor"]
        assert opened["outcome"] == "DONE"
        again = (await clerk.data(OPEN, id="o-1", stay=stay_id))["openDoor"]
        assert again["id"] == opened["id"]
    assert house.unlocks() == 1


async def test_asking_twice_is_asking_once_and_another_body_is_refused(house: WholeHouse) -> None:
    stay_id = await house.booked()
    async with terminal(house) as clerk:
        answers = await asyncio.gather(
            *(clerk.data(CHECK_IN, id="same", stay=stay_id, room="101") for _ in range(5))
        )
        assert all(answer == answers[0] for answer in answers)
        assert answers[0]["checkIn"]["done"]
        other = (await clerk.data(CHECK_IN, id="same", stay=stay_id, room="102"))["checkIn"]
        assert (other["done"], other["code"]) == (False, "id_reused")
        assert other["result"] == {}
    assert await house.facts("stays.checked_in.v1") == 1


async def test_a_departure_asked_twice_is_changed_and_priced_once(house: WholeHouse) -> None:
    stay_id = await house.checked_in()
    today = await house.today()
    ask = """mutation ($stay: ID!, $to: Date!) { changeDeparture(id: "d1", stayId: $stay,
      departure: $to) { done code position } }"""
    async with terminal(house) as clerk:
        to = today.replace().toordinal() + 4
        day = type(today).fromordinal(to).isoformat()
        first = await clerk.data(ask, stay=stay_id, to=day)
        assert first["changeDeparture"]["done"], first
        assert await clerk.data(ask, stay=stay_id, to=day) == first
        stay = (await clerk.data(STAY, id=stay_id))["stay"]
        assert [night["amountMinor"] for night in stay["nights"]] == [12_000] * 4


async def test_a_wrong_role_is_refused_and_nobody_is_anonymous(house: WholeHouse) -> None:
    stay_id = await house.booked()
    async with terminal(house, "mara") as maid:
        said = (await maid.data(CHECK_IN, id="m1", stay=stay_id, room="101"))["checkIn"]
        assert (said["done"], said["code"]) == (False, "wrong_role")
        assert said["sentence"].startswith("Your role")
    async with terminal(house, None) as nobody:
        answer = await nobody.ask(CHECK_IN, id="n1", stay=stay_id, room="101")
        assert answer["errors"][0]["extensions"]["code"] == "NEEDS_SIGN_IN"
        for question in (
            "arrivals { id }",
            "health { vitals { name } }",
            "handOver { cashMinor }",
            "settings { key }",
            "roomBoard { id }",
            "accessLog { event }",
        ):
            answer = await nobody.ask("{ " + question + " }")
            assert answer["errors"][0]["extensions"]["code"] == "NEEDS_SIGN_IN"
            assert answer["data"] is None
    assert await house.facts("stays.checked_in.v1") == 0


async def test_a_guest_sees_their_own_stay_and_no_note_and_nobody_elses(house: WholeHouse) -> None:
    stay_id = await house.checked_in()
    other = await house.checked_in("Kahn", room="102", code="AAAAABBBBB")
    note = 'mutation ($s: ID!) { addNote(id: "n", stayId: $s, text: "difficult") { done } }'
    async with terminal(house) as clerk:
        assert (await clerk.data(note, s=stay_id))["addNote"]["done"]
    async with house.browser() as browser:
        await browser.sign_in()
        own = {"X-Nightporter": "1"}

        async def ask(query: str, **variables: Any) -> dict[str, Any]:
            body = {"query": query, "variables": variables}
            async with browser.session.post(
                house.url + "/graphql", json=body, headers=own
            ) as answer:
                found: dict[str, Any] = await answer.json()
                return found

        mine = "query ($id: ID!) { stay(id: $id) { id code notes { text } } }"
        assert (await ask(mine, id=stay_id))["data"]["stay"]["notes"] == []
        assert (await ask(mine, id=other))["data"]["stay"] is None
        denied = await ask("{ inHouse { id } }")
        assert denied["errors"][0]["extensions"]["code"] == "NOT_FOR_YOU"
        opened = (await ask(OPEN, id="guest-1", stay=other))["data"]["openDoor"]
        assert (opened["outcome"], opened["refusal"]) == ("REFUSED", "not_yours")
        async with browser.session.post(house.url + "/graphql", json={"query": mine}) as forged:
            assert forged.status == 403
    assert house.unlocks() == 0


async def test_beyond_the_allotment_a_managers_pin_decides(house: WholeHouse) -> None:
    today = await house.today()
    to = type(today).fromordinal(today.toordinal() + 1)
    days = {"from": today.isoformat(), "to": to.isoformat()}
    async with terminal(house) as clerk:
        assert (await clerk.data(WALK_IN, id="w1", **days))["sellWalkIn"]["done"]
        spent = (await clerk.data(WALK_IN, id="w2", **days))["sellWalkIn"]
        assert (spent["done"], spent["code"]) == (False, "allotment_spent")
        wrong = await clerk.ask(WALK_IN, id="w3", by="max", pin="0001", **days)
        assert wrong["errors"][0]["extensions"]["code"] == "NOT_FOR_YOU"
        not_a_manager = await clerk.ask(WALK_IN, id="w4", by="mara", pin="2975", **days)
        assert not_a_manager["errors"][0]["extensions"]["code"] == "NOT_FOR_YOU"
        sold = (await clerk.data(WALK_IN, id="w5", by="max", pin="8642", **days))["sellWalkIn"]
        assert sold["done"], sold
        free = await clerk.data(
            "query ($a: Date!, $d: Date!) { free(arrival: $a, departure: $d) {"
            " roomTypeId freeCount allotmentLeft rooms { number } } }",
            a=days["from"],
            d=days["to"],
        )
        assert free["free"][0]["freeCount"] == 2
        assert free["free"][0]["allotmentLeft"] <= 0


async def test_the_whole_desk_can_be_asked_in_one_request(house: WholeHouse) -> None:
    await house.checked_in()
    async with terminal(house, "max") as manager:
        found = await manager.data(
            """{ me { actor name roles terminal } house { title businessDate clockSure currency }
            health { vitals { name state sentence lastConfirmedMs queued } lineDownSinceMs }
            roomBoard { number status occupiedBy dueIn lock { kind online bolt ageMs batteryPct }
              thermostat { measuredC10 } } roomTypes { id rateMinor }
            departures { id } inHouse { id roomNumber } conflicts { id }
            handOver { unknownOpenings { id } pendingIntents { id } parked { id }
              unfinished { id } openRequests { id } cashMinor currency }
            requests { id } cleaningList { roomNumber } settings { key value }
            accessLog { event } searchStays(text: "web") { id guests { family } } }"""
        )
        assert found["me"]["name"] == "Max"
        assert found["house"]["title"] == "Hotel Marina"
        assert all(vital["sentence"] for vital in found["health"]["vitals"])
        board = {room["number"]: room for room in found["roomBoard"]}
        assert board["101"]["lock"]["kind"] == "lock"
        assert board["101"]["occupiedBy"] is not None
        assert found["searchStays"][0]["guests"][0]["family"] == "Weber"
        assert found["settings"]


async def test_a_manager_edits_what_a_vendor_is_told_of_a_parked_act(house: WholeHouse) -> None:
    # A field of a newer sync is left out.
    editable = {"room": "101", "adults": "2", "pets": "1"}
    item = {"id": "eff_1", "entity": "stay:s1", "sentence": "no", "since_ms": 1}
    plain = {**item, "id": "inbox:7"}
    report = {"parked": [{**item, "editable": editable}, plain]}
    assert await house.box.counterparties.take(report) == {"ok": True}
    change = [{"field": "ROOM", "value": "102"}, {"field": "ADULTS", "value": "1"}]
    async with terminal(house) as clerk, terminal(house, "max") as manager:
        edited, webhook = (await clerk.data(PARKED))["handOver"]["parked"]
        assert edited["editable"] == [
            {"field": "ROOM", "value": "101"},
            {"field": "ADULTS", "value": "2"},
        ]
        assert webhook["editable"] == []
        said = (await clerk.data(EDIT_PARKED, id="e-1", item="eff_1", changes=change))["editParked"]
        assert (said["done"], said["code"]) == (False, "wrong_role")
        nowhere = [{"field": "ROOM", "value": "999"}]
        told = await manager.data(EDIT_PARKED, id="e-2", item="eff_1", changes=nowhere)
        assert told["editParked"]["sentence"] == "There is no such room."
        many = [{"field": "ADULTS", "value": "many"}]
        told = await manager.data(EDIT_PARKED, id="e-3", item="eff_1", changes=many)
        assert told["editParked"]["sentence"].startswith("This does not fit (adults)")
        told = await manager.data(EDIT_PARKED, id="e-4", item="eff_1", changes=change)
        assert told["editParked"]["done"]
        edited, _ = (await clerk.data(PARKED))["handOver"]["parked"]
        assert (edited["asked"], edited["said"]) == ("edit", "")
        answered = {**item, "said": "it is queued again", "said_of_ms": edited["askedMs"]}
        await house.box.counterparties.take({"parked": [answered]})
        [edited] = (await clerk.data(PARKED))["handOver"]["parked"]
        assert edited["said"] == "it is queued again"
    [(body,)] = await house.box.reader.rows(
        "SELECT body FROM event WHERE kind = 'stays.parked_decided.v1'"
    )
    assert json.loads(body)["changes"] == [
        {"field": "room", "value": "102"},
        {"field": "adults", "value": "1"},
    ]


async def test_a_pin_is_read_aloud_only_to_staff_of_the_desk_and_is_in_no_answer(
    house: WholeHouse,
) -> None:
    stay_id = await house.checked_in()
    ask = "mutation ($s: ID!, $k: ID!) { revealPin(stayId: $s, keyId: $k) }"
    async with terminal(house) as clerk, terminal(house, "mara") as maid:
        stay = (await clerk.data(STAY, id=stay_id))["stay"]
        key_id = stay["keys"][0]["id"]
        pin = (await clerk.data(ask, s=stay_id, k=key_id))["revealPin"]
        assert re.fullmatch(r"\d{6}", pin)
        assert (await maid.ask(ask, s=stay_id, k=key_id))["data"]["revealPin"] is None
        assert pin not in str(await clerk.data(STAY, id=stay_id))
    rows = await house.box.reader.rows(
        "SELECT body FROM event UNION ALL SELECT answer FROM answered"
    )
    assert not any(pin in str(row) for row in rows)


DEEP = "{ handOver { unfinished { balance { lines { text } } conflicts { id } } } }"


BEYOND: list[tuple[str, str]] = [
    ("{ a { b { c { d { e { f } } } } } }", "levels deep"),
    ("{" + " ".join(f"a{n}: me {{ name }}" for n in range(31)) + "}", "aliases"),
    ("{" + "me { name } " * 1_000 + "}", "token"),
    ("{ inHouse { nights { date } " + "guests { given } " * 200 + "} }", "costs"),
    ("{ me " * 400 + "{ x }" + " }" * 400, "deep"),
    ("{ __schema { types { name } } }", "introspection"),
    ("{ _service { sdl } }", "not shown"),
    ("query { ...A } fragment A on Query { ...A }", "circle"),
    ("query { nonsense }", "nonsense"),
    ("query {", "Syntax"),
    ("", "no query"),
    ("subscription { changes { topic } }", "WebSocket"),
    ("query A { me { name } } query B { me { name } }", "Name one"),
    ("x" * 20_000, "characters"),
]


async def test_a_query_beyond_a_limit_is_refused_with_its_reason(house: WholeHouse) -> None:
    async with aiohttp.ClientSession() as session:
        for query, part in BEYOND * 2:  # the second time from memory
            async with session.post(house.url + "/graphql", json={"query": query}) as answer:
                body = await answer.json()
                assert answer.status == 400, (query[:80], body)
                assert part.lower() in body["sentence"].lower(), query[:80]
                assert "Did you mean" not in str(body)


async def test_the_deepest_question_of_the_desk_is_within_the_limits(house: WholeHouse) -> None:
    async with terminal(house) as clerk:
        assert (await clerk.data(DEEP))["handOver"] == {"unfinished": []}


BAD_BODIES: list[tuple[str, bytes]] = [
    ("application/json", b""),
    ("application/json", b"{"),
    ("application/json", b"[]"),
    ("application/json", b"null"),
    ("application/json", b'"query"'),
    ("application/json", b"\xff\xfe\x00"),
    ("application/json", b"[" * 60_000),
    ("application/json", b'{"query": 1}'),
    ("application/json", b'{"query": "{me{name}}", "variables": []}'),
    ("application/json", b'{"query": "{me{name}}", "operationName": {}}'),
    ("application/json", b'{"extensions": {"persistedQuery": {"sha256Hash": "ff"}}}'),
    ("application/json", b'{"query": "{ stay(id: 1.5) { id } }"}'),
    (
        "application/json",
        b'{"query": "query($a: Date!) { arrivals(on: $a) { id } }", "variables": {"a": "yesterday"}}',
    ),
    ("application/json", b'{"query": "query($a: ID!) { stay(id: $a) { id } }", "variables": {}}'),
    ("text/plain", b'{"query": "{ me { name } }"}'),
    ("application/x-www-form-urlencoded", b"query={me{name}}"),
    ("multipart/form-data; boundary=x", b"--x--"),
]


async def test_a_bad_body_is_a_clear_no_and_never_a_crash(house: WholeHouse) -> None:
    async with aiohttp.ClientSession() as session:
        for kind, body in BAD_BODIES:
            headers = {"Content-Type": kind}
            async with session.post(house.url + "/graphql", data=body, headers=headers) as answer:
                assert answer.status == 400, (kind, body[:80], await answer.text())
                said = await answer.json()
                assert said["sentence"]
                assert "Traceback" not in str(said)


async def test_an_unpriced_quote_and_odd_arguments_are_errors_without_insides(
    house: WholeHouse,
) -> None:
    questions = [
        'quote(roomTypeId: "none", arrival: "2026-01-01", departure: "2026-01-02") { currency }',
        'quote(roomTypeId: "double", arrival: "2026-01-02", departure: "2026-01-01") { currency }',
        'free(arrival: "2026-01-02", departure: "2026-01-01") { freeCount }',
        'free(arrival: "0001-01-01", departure: "9999-12-31") { freeCount }',
        'arrivals(on: "9999-12-31") { id }',
        'searchStays(text: "", limit: -5) { id }',
        'searchStays(text: "%_\\\\\'\\"", limit: 2147483647) { id }',
        'stay(id: "\\u0000") { id }',
        'opening(id: "x") { id }',
        "accessLog(limit: -1) { event }",
        "accessLog(limit: 2147483647) { event }",
        'cleaningList(on: "2026-02-28") { why }',
    ]
    async with terminal(house, "max") as manager:
        for question in questions:
            answer = await manager.ask("{ " + question + " }")
            for error in answer.get("errors", ()):
                assert error["extensions"]["code"] == "BAD_REQUEST", (question, error)


async def test_acts_with_odd_values_are_refused_and_change_nothing(house: WholeHouse) -> None:
    stay_id = await house.booked()
    head = house.box.asker.head()
    long = "x" * 20_000
    acts = [
        'checkIn(id: "a1", stayId: "nobody")',
        f'checkIn(id: "{"i" * 500}", stayId: "{stay_id}")',
        'addNote(id: "a2", stayId: "nobody", text: "")',
        f'cutKey(id: "a3", stayId: "{stay_id}", reason: "first")',
        'setRoomStatus(id: "a4", roomId: "999", status: DIRTY)',
        'setRoomClimate(id: "a5", roomId: "101", setPointC10: 2147483647)',
        f'takeDeposit(id: "a6", stayId: "{stay_id}", amountMinor: -5)',
        f'takeDeposit(id: "a7", stayId: "{stay_id}", amountMinor: 9007199254740991)',
        f'recordCash(id: "a8", stayId: "{stay_id}", amountMinor: 0)',
        'changeSetting(id: "a9", key: "no.such", value: {deep: [1]})',
        'makeRequest(id: "b1", type: "bribe", text: "x")',
        'setRequestStatus(id: "b2", requestId: "x", status: "gone")',
        'settleConflict(id: "b3", stayId: "x", conflictId: "y", takeUpstream: true)',
        'resumeFollower(id: "b4", name: "nobody")',
    ]
    async with terminal(house, "max") as manager:
        start = house.box.asker.head()
        for act in acts:
            answer = await manager.ask("mutation { " + act + " { done code sentence } }")
            data = answer.get("data") or {}
            for said in data.values():
                assert said["done"] is False, (act, said)
                assert said["sentence"]
                assert not said["sentence"].startswith("This cannot be done ("), (act, said)
            for error in answer.get("errors", ()):
                assert error["extensions"]["code"] == "BAD_REQUEST", (act, error)
        note = f'addNote(id: "c1", stayId: "{stay_id}", text: "{long[:12_000]}")'
        said = (await manager.data("mutation { " + note + " { done code } }"))["addNote"]
        assert said["done"] is False
        assert house.box.asker.head() == start
    assert start > head


def test_the_written_schema_is_the_one_in_force() -> None:
    kept = (ROOT / "docs" / "schema.graphql").read_text()
    assert kept == sdl(), "run scripts/write-schema"


CONTRACT = Path(__file__).with_name("contract.graphql")


def test_every_name_of_the_contract_is_in_the_schema() -> None:
    ours = build_schema()._schema
    theirs = parse_sdl(CONTRACT.read_text())
    missing = []
    for name, kind in theirs.type_map.items():
        if name.startswith("__"):
            continue
        if name not in ours.type_map:
            missing.append(name)
            continue
        for field, definition in getattr(kind, "fields", {}).items():
            if field not in ours.type_map[name].fields:  # type: ignore[attr-defined]
                missing.append(f"{name}.{field}")
                continue
            found = ours.type_map[name].fields[field]  # type: ignore[attr-defined]
            missing += [
                f"{name}.{field}({argument})"
                for argument in getattr(definition, "args", {})
                if argument not in found.args
            ]
        for value in getattr(kind, "values", {}):
            if value not in ours.type_map[name].values:  # type: ignore[attr-defined]
                missing.append(f"{name}.{value}")
    assert not missing


async def test_our_own_clients_may_send_a_hash_instead_of_a_document(house: WholeHouse) -> None:
    stay_id = await house.checked_in()
    text = (ROOT / "appliance" / "web" / "queries" / "my-stay.graphql").read_text().strip()
    known = {"persistedQuery": {"version": 1, "sha256Hash": sha256(text.encode()).hexdigest()}}
    async with (
        terminal(house) as clerk,
        clerk.session.post(
            house.url + "/graphql",
            json={"extensions": known, "variables": {"id": stay_id}},
            headers={"Authorization": f"Bearer {clerk.access}"},
        ) as answer,
    ):
        body = await answer.json()
    assert body["data"]["stay"]["roomNumber"] == "101"


async def test_only_the_desk_sees_the_link_that_opens_a_guests_pages(house: WholeHouse) -> None:
    stay_id = await house.checked_in()
    query = "query ($id: ID!) { stay(id: $id) { id guestPageUrl } }"
    async with terminal(house, "mara") as housekeeper:
        answer = await housekeeper.ask(query, id=stay_id)
    # With it a housekeeper could sign in as the guest and open the door in the guest's name.
    assert answer["data"]["stay"]["guestPageUrl"] is None
    assert answer["errors"][0]["extensions"]["code"] == "NOT_FOR_YOU"
    async with terminal(house) as clerk:
        assert "/k/" in (await clerk.data(query, id=stay_id))["stay"]["guestPageUrl"]
