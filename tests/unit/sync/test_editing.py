"""Promises of editing a parked act: the vendor hears the change, the box's facts stay."""

from __future__ import annotations

import pytest

from support.sync_bench import SyncBench
from sync.editing import FIELDS_OF, NotEditableError, editable, edited
from sync.ledger import EffectState

DEPART = {
    "stay_id": "stay_1",
    "departure": "2026-08-17",
    "nights": [
        {"date": f"2026-08-{day}", "amount_minor": 9_000, "currency": "EUR"} for day in (14, 15, 16)
    ],
}


def rooms(number: str) -> str | None:
    return {"101": "r101"}.get(number)


@pytest.mark.parametrize(
    ("kind", "changes", "sentence"),
    [
        ("stripe.charge", {"amount_minor": "1"}, "frozen"),
        ("pms.cancel", {"reason": "x"}, "nothing to change"),
        ("pms.assign", {}, "say what to change: room="),
        ("pms.assign", {"departure": "2026-08-15"}, "only room"),
        ("pms.assign", {"room": "999"}, "there is no room '999'"),
        ("pms.depart", {"departure": "tomorrow"}, "written 2026-11-29"),
        ("pms.depart", {"departure": "2026-09-01"}, "no nights are agreed until 2026-09-01"),
        ("pms.depart", {"departure": "2026-08-14"}, "no nights are agreed until 2026-08-14"),
        ("pms.book", {"adults": "many"}, "a number from 0 to 99"),
        ("pms.book", {"adults": "00019999"}, "a number from 0 to 99"),
        ("pms.book", {"adults": "0"}, "needs a guest"),
    ],
)
def test_what_cannot_be_changed_is_said_in_a_sentence(
    kind: str, changes: dict[str, str], sentence: str
) -> None:
    told = {**DEPART, "adults": 1, "children": 0, "room_id": None}
    with pytest.raises(NotEditableError, match=sentence):
        edited(kind, told, changes, rooms)


@pytest.mark.parametrize(
    ("kind", "told", "found"),
    [
        (
            "pms.book",
            {"room_id": "r101", "adults": 2, "children": 0, "guests": [{"family": "Doe"}]},
            {"room": "101", "adults": "2", "children": "0"},
        ),
        ("pms.assign", {"room_id": None}, {"room": "none"}),
        ("pms.start", {"room_id": "gone"}, {"room": ""}),
        ("pms.depart", DEPART, {"departure": "2026-08-17"}),
        ("pms.process", {"left_on": "2026-08-17", "early": False}, {"left_on": "2026-08-17"}),
        ("pms.process", {}, {"left_on": ""}),
        ("pms.cancel", {"stay_id": "stay_1"}, {}),
        ("stripe.charge", {"amount_minor": 1}, {}),
    ],
)
def test_what_can_be_edited_is_shown_as_a_person_writes_it(
    kind: str, told: dict[str, object], found: dict[str, str]
) -> None:
    assert editable(kind, told, {"r101": "101"}.get) == found


@pytest.mark.parametrize("kind", FIELDS_OF)
def test_what_is_shown_may_be_sent_back_as_it_is(kind: str) -> None:
    told = {**DEPART, "adults": 1, "children": 0, "room_id": "r101", "left_on": "2026-08-17"}
    shown = editable(kind, told, {"r101": "101"}.get)
    assert edited(kind, told, shown, rooms) == told


def test_an_earlier_last_day_keeps_the_nights_before_it() -> None:
    after = edited("pms.depart", DEPART, {"departure": "2026-08-16"}, rooms)
    assert after["departure"] == "2026-08-16"
    assert [night["date"] for night in after["nights"]] == ["2026-08-14", "2026-08-15"]


async def test_a_parked_room_is_changed_and_tried_again(bench: SyncBench) -> None:
    bench.sell(room_id=None)
    await bench.turns(2)
    bench.running.mirror.put_room("r900", "900", None)
    bench.say_assigned("stay_1", "r900")
    await bench.turns(2)
    parked = bench.effect("pms.assign")
    assert parked.state is EffectState.PARKED
    carrier = bench.running.carrier
    numbered = bench.running.mirror.room_numbered
    assert carrier.edit(parked.id, {"room": "nowhere"}, numbered).startswith("there is no room")
    assert bench.effect("pms.assign").body == parked.body
    assert carrier.edit(parked.id, {"room": "101"}, numbered).startswith("it is queued again")
    await bench.turns(2)
    assert bench.effect("pms.assign").state is EffectState.SUCCEEDED
    assert "a person changed room to 101" in [
        sentence for _, _, sentence in bench.running.ledger.told(parked.id)
    ]
    assert bench.effect("pms.assign").takes_room == "r101"
    assert carrier.edit(parked.id, {"room": "102"}, numbered).startswith("it is succeeded")
