"""Promises of what Guesty says and the box hears."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from support.guesty_bench import GuestyBench
from support.sync_bench import ARRIVAL, DEPARTURE
from sync.pms.guesty import client as asking
from twin.clouds.faults import Fault
from twin.clouds.guesty import CanceledBy, GuestStay, Status

BY_ID = "GET /v1/reservations-v3"
SEARCH = "GET /v1/reservations-v3/search"
LEGACY = "GET /v1/reservations"
OLDER = "GET /v1/reservations"


def day(offset: int) -> Any:
    return ARRIVAL + timedelta(days=offset)


async def test_a_booking_is_learned_with_guest_price_room_and_version(both: GuestyBench) -> None:
    one = both.book_there(unit=0)
    await both.turn()
    (body,) = both.learned()
    assert body["upstream_id"] == one.id
    assert (body["arrival"], body["departure"]) == (ARRIVAL.isoformat(), DEPARTURE.isoformat())
    assert (body["room_type_id"], body["room_id"]) == ("double", "r101")
    assert body["guests"][0]["family"] == "Hopper"  # type: ignore[index]
    assert [night["amount_minor"] for night in body["nights"]] == [8_567, 8_566]  # type: ignore[attr-defined]
    assert (body["adults"], body["children"], body["channel"]) == (2, 0, "booking.com")
    assert body["code"] == one.confirmation_code


async def test_what_did_not_change_is_not_told_again(both: GuestyBench) -> None:
    both.book_there()
    both.book_there(platform="direct", legacy=False)
    await both.turns(5)
    assert len(both.learned()) == 2


async def test_every_kind_of_change_is_told_once_and_in_order(both: GuestyBench) -> None:
    one = both.book_there()
    await both.turns(1)
    store = both.store
    store.set_people(one, 1, 1, by="channel")
    await both.turns(1)
    store.move_dates(one, ARRIVAL, day(3), by="channel")
    await both.turns(1)
    store.relocate(one, both.units[1], by="desk")
    await both.turns(1)
    store.set_guest_stay(one, GuestStay.CHECKED_IN, by="desk")
    await both.turns(1)
    store.set_guest_stay(one, GuestStay.CHECKED_OUT, by="desk")
    await both.turns(2)
    told = [
        (body["state"], body["adults"], body["departure"], body["room_id"])
        for body in both.learned()
    ]
    two, three = DEPARTURE.isoformat(), day(3).isoformat()
    assert told == [
        ("confirmed", 2, two, None),
        ("confirmed", 1, two, None),
        ("confirmed", 1, three, None),
        ("confirmed", 1, three, "r102"),
        ("in_house", 1, three, "r102"),
        ("departed", 1, three, "r102"),
    ]
    versions = [str(body["upstream_version"]) for body in both.learned()]
    assert versions == sorted(versions)
    assert len(set(versions)) == len(versions)


@pytest.mark.parametrize("status", [Status.RESERVED, Status.AWAITING_PAYMENT])
async def test_whatever_blocks_nights_is_a_booking(both: GuestyBench, status: Status) -> None:
    both.book_there(status=status)
    await both.turn()
    assert [body["state"] for body in both.learned()] == ["confirmed"]


@pytest.mark.parametrize("end", [Status.CANCELED, Status.EXPIRED, Status.DECLINED, Status.CLOSED])
async def test_what_was_held_and_ended_is_cancelled(both: GuestyBench, end: Status) -> None:
    one = both.book_there(status=Status.RESERVED)
    await both.turns(1)
    both.store.set_status(one, end, by="channel", canceled_by=CanceledBy.GUEST)
    await both.turns(2)
    assert [body["state"] for body in both.learned()] == ["confirmed", "cancelled"]


async def test_an_inquiry_and_what_ended_before_we_knew_it_are_no_bookings(
    both: GuestyBench,
) -> None:
    both.book_there(status=Status.INQUIRY)
    both.book_there(status=Status.EXPIRED)
    await both.turns(2)
    assert not both.learned()
    assert not both.running.report()["parked"]


async def test_a_no_show_is_told_as_one(bench: GuestyBench) -> None:
    one = bench.book_there()  # the older list has no word for it, the record has
    await bench.turns(1)
    bench.store.set_guest_stay(one, GuestStay.NO_SHOW, by="desk")
    await bench.turns(1)
    assert [body["state"] for body in bench.learned()] == ["confirmed", "no_show"]


async def test_what_the_search_hides_is_found_by_the_older_list(bench: GuestyBench) -> None:
    hidden, shown = bench.book_there(), bench.book_there(platform="direct")
    await bench.turn()
    assert {body["upstream_id"] for body in bench.learned()} == {hidden.id, shown.id}
    later = bench.book_there()
    await bench.turn()
    assert bench.learned()[-1]["upstream_id"] == later.id


async def test_after_the_end_of_the_older_list_the_search_goes_on_alone(
    bench: GuestyBench,
) -> None:
    bench.cloud.legacy_is_gone = True
    one = bench.book_there(platform="direct")
    await bench.turns(2)
    assert len(bench.learned()) == 1
    bench.store.set_people(one, 1, 0, by="channel")
    new = bench.book_there(platform="direct")
    await bench.turns(2)
    told = {body["upstream_id"]: body["adults"] for body in bench.learned()}
    assert told == {one.id: 1, new.id: 2}
    await bench.turns(3)
    assert len(bench.learned()) == 3
    # A booking that the search hides is still read by id, when a webhook names it.
    hidden = bench.book_there()
    bench.running.hint([hidden.id])
    await bench.turn()
    assert bench.learned()[-1]["upstream_id"] == hidden.id


@pytest.mark.parametrize("dark_s", [60, 900, 3 * 86_400])
async def test_an_older_list_that_comes_back_tells_what_was_sold_meanwhile(
    bench: GuestyBench, dark_s: int
) -> None:
    await bench.turns(2)
    bench.cloud.legacy_is_gone = True
    hidden = bench.book_there()
    await bench.turn()
    await bench.clock.advance(dark_s)
    await bench.turn()
    assert not bench.learned()
    bench.cloud.legacy_is_gone = False
    await bench.clock.advance(3_600)
    await bench.turns(2)
    assert [body["upstream_id"] for body in bench.learned()] == [hidden.id]


async def test_one_refusal_of_the_older_list_hides_nothing(bench: GuestyBench) -> None:
    await bench.turns(2)
    bench.cloud.faults.plan(LEGACY, Fault.UNAUTHORIZED, times=1)
    hidden = bench.book_there()
    await bench.turn()
    await bench.clock.advance(30)
    await bench.turn()
    assert [body["upstream_id"] for body in bench.learned()] == [hidden.id]


async def test_a_sparse_record_is_unknown_and_not_empty(bench: GuestyBench) -> None:
    one = bench.book_there(unit=0, platform="direct")
    bench.store.set_people(one, 1, 1, by="channel")
    bench.store.set_guest_stay(one, GuestStay.CHECKED_IN, by="desk")
    await bench.turns(1)
    for where in (BY_ID, SEARCH):
        bench.cloud.faults.plan(where, Fault.SPARSE, times=None)
    bench.running.hint([one.id])
    await bench.turns(2)
    assert len(bench.learned()) == 1  # nothing was said, so nothing changed
    bench.store.move_dates(one, ARRIVAL, day(3), by="channel")
    await bench.turns(2)
    first, second = bench.learned()
    assert second["departure"] == day(3).isoformat()
    for name in ("state", "adults", "children", "room_id", "code"):
        assert second[name] == first[name], name
    assert [night["amount_minor"] for night in second["nights"]] == [5_711] * 3  # type: ignore[attr-defined]


@pytest.mark.parametrize("api", ["newer", "older"])
async def test_rows_that_move_between_pages_lose_nothing(
    bench: GuestyBench, monkeypatch: pytest.MonkeyPatch, api: str
) -> None:
    monkeypatch.setattr(asking, "PAGE", 10)
    platform = "direct" if api == "newer" else "bookingCom"
    ids = {bench.book_there(platform=platform).id for _ in range(45)}
    where = SEARCH if api == "newer" else OLDER
    bench.cloud.faults.plan(where, Fault.MOVING_ROWS, times=12)
    await bench.turns(3)
    assert {body["upstream_id"] for body in bench.learned()} == ids


@pytest.mark.parametrize("where", [BY_ID, SEARCH, OLDER, "GET /v1/guests-crud/{id}"])
@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.CUT_BODY, Fault.SERVER_ERROR])
async def test_a_line_that_goes_half_way_loses_nothing(
    bench: GuestyBench, where: str, fault: Fault
) -> None:
    ids = {bench.book_there().id for _ in range(12)}
    ids |= {bench.book_there(platform="direct").id for _ in range(12)}
    bench.cloud.faults.plan(where, fault, times=2)
    for _ in range(4):
        await bench.turn()
        bench.start_again()
        await bench.heal(1)
    assert sorted(str(body["upstream_id"]) for body in bench.learned()) == sorted(ids)


async def test_a_booking_that_vanishes_cancels_nothing(both: GuestyBench) -> None:
    one = both.book_there()
    await both.turns(1)
    del both.store.reservations[one.id]
    both.running.hint([one.id])
    await both.turns(3)
    assert [body["state"] for body in both.learned()] == ["confirmed"]


async def test_a_move_within_the_stay_is_told_ahead_and_again_on_its_day(
    bench: GuestyBench,
) -> None:
    one = bench.book_there(unit=0, departure=day(4))
    bench.store.relocate(one, bench.units[1], by="desk", on=day(2))
    await bench.turns(1)
    (body,) = bench.learned()
    assert (body["room_id"], body["departure"]) == ("r101", day(4).isoformat())
    assert "102" in str(body["note"])
    await bench.clock.advance(86_400)
    await bench.turns(1)
    assert len(bench.learned()) == 1
    await bench.clock.advance(86_400)
    await bench.turns(2)
    assert [body["room_id"] for body in bench.learned()] == ["r101", "r102"]


async def test_a_record_that_cannot_be_read_is_shown_with_a_sentence_and_the_others_flow(
    bench: GuestyBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from twin.clouds.guesty import shapes  # noqa: PLC0415 - the twin's pen is bent here

    poison, good = bench.book_there(platform="direct"), bench.book_there(platform="direct")
    write = shapes.reservation

    def bent(one: Any, *, sparse: bool) -> dict[str, Any]:
        row = write(one, sparse=sparse)
        if one.id == poison.id:
            row["stay"][0]["checkInDateLocalized"] = "soon"
        return row

    monkeypatch.setattr(shapes, "reservation", bent)
    await bench.turns(2)
    assert [body["upstream_id"] for body in bench.learned()] == [good.id]
    (parked,) = bench.running.report()["parked"]
    assert "check-in is no date" in parked["sentence"]
    assert poison.confirmation_code in parked["sentence"]
    monkeypatch.setattr(shapes, "reservation", write)
    bench.running.retry(f"guesty:{poison.id}")
    await bench.turn()
    assert len(bench.learned()) == 2
    assert not bench.running.report()["parked"]


async def test_a_status_nobody_knows_is_shown_and_cancels_nothing(
    bench: GuestyBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from twin.clouds.guesty import shapes  # noqa: PLC0415 - the twin's pen is bent here

    one = bench.book_there(platform="direct")
    await bench.turns(1)
    write = shapes.reservation
    monkeypatch.setattr(
        shapes, "reservation", lambda one, *, sparse: {**write(one, sparse=sparse), "status": "odd"}
    )
    bench.running.hint([one.id])
    await bench.turn()
    assert len(bench.learned()) == 1
    (parked,) = bench.running.report()["parked"]
    assert "'odd'" in parked["sentence"]


async def test_an_unknown_room_type_is_shown_to_a_person(bench: GuestyBench) -> None:
    suite = bench.store.add_type("Suite")
    guest = bench.store.put_guest("Emmy", "Noether")
    bench.store.put_reservation(
        guest_id=guest.id, check_in=ARRIVAL, check_out=DEPARTURE, listing_id=suite.id
    )
    bench.book_there()
    await bench.turns(1)
    assert len(bench.learned()) == 1
    (parked,) = bench.running.report()["parked"]
    assert "room type" in parked["sentence"]


async def test_hints_are_followed_by_id_ten_at_once(bench: GuestyBench) -> None:
    await bench.turns(1)
    ones = [bench.book_there() for _ in range(23)]
    asked = bench.cloud.asked
    bench.running.hint([one.id for one in ones] + ["nothing", "x y"])
    assert bench.running.pull is not None
    await bench.clock.run_until(bench.running.pull.look_at_hinted(), limit_s=60)
    await bench.turn()
    assert len(bench.learned()) == 23
    assert bench.cloud.asked - asked < 15


async def test_a_steady_day_meets_no_429_and_uses_one_token(bench: GuestyBench) -> None:
    """A look every ten seconds, sixty bookings that change now and then, an hour of each."""
    ones = [bench.book_there(platform="direct" if n % 2 else "bookingCom") for n in range(60)]
    for minute in range(60):
        bench.store.set_people(ones[minute], 1, 0, by="channel")
        for _ in range(6):
            await bench.turn()
            await bench.clock.advance(10)
    assert 429 not in bench.cloud.answers
    assert len(bench.cloud.tokens.issued) == 1
    assert bench.cloud.asked < 3_600
    assert len(bench.learned()) >= 115


async def test_a_quarter_without_the_older_list_meets_no_429(bench: GuestyBench) -> None:
    bench.cloud.legacy_is_gone = True
    for _ in range(250):
        bench.book_there(platform="direct")
    began = bench.cloud.asked
    for _ in range(15 * 6):
        await bench.turn()
        await bench.clock.advance(10)
    assert 429 not in bench.cloud.answers
    assert bench.cloud.asked - began < 15 * 5_000 / 60


async def test_nothing_of_a_guest_is_kept_here(bench: GuestyBench) -> None:
    bench.book_there()
    bench.box.refusing["stays.learn_booking"] = "no_guests"
    await bench.turn()
    bench.running.ledger.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert b"Hopper" not in bench.settings.ledger_path.read_bytes()
