"""Promises of what Mews says and the box hears."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from support.sync_bench import ARRIVAL, DEPARTURE, SyncBench
from sync.ledger import EffectState
from sync.pms.mews.rows import known_of
from sync.pms.mews.source import MewsSource
from twin.clouds.faults import Fault
from twin.clouds.mews import CancellationReason, State

GET_ALL = "reservations/getAll/2023-06-06"


async def test_a_booking_is_learned_with_guest_price_room_and_version(bench: SyncBench) -> None:
    upstream = bench.book_upstream(room=True)
    await bench.turn()
    (body,) = bench.box.of("stays.learn_booking")
    assert body["upstream_id"] == upstream
    assert (body["arrival"], body["departure"]) == (ARRIVAL.isoformat(), DEPARTURE.isoformat())
    assert (body["room_type_id"], body["room_id"]) == ("double", "r101")
    assert body["guests"][0]["family"] == "Hopper"
    assert [night["amount_minor"] for night in body["nights"]] == [8_133, 9_000]
    assert (body["adults"], body["children"], body["channel"]) == (2, 0, "booking.com")


async def test_what_did_not_change_is_not_told_again(bench: SyncBench) -> None:
    bench.book_upstream()
    await bench.turns(4)
    assert len(bench.box.of("stays.learn_booking")) == 1


async def test_two_changes_within_one_second_are_both_told_in_order(bench: SyncBench) -> None:
    upstream = bench.book_upstream()
    await bench.turn()
    bench.clouds.mews.store.modify_reservation(upstream, adults=1)
    await bench.turn()
    told = bench.box.of("stays.learn_booking")
    assert [body["adults"] for body in told] == [2, 1]
    assert told[0]["upstream_version"] < told[1]["upstream_version"]


async def test_a_later_change_has_a_later_version(bench: SyncBench) -> None:
    upstream = bench.book_upstream()
    await bench.turns(1)
    bench.clouds.mews.store.cancel_reservation(upstream)
    await bench.turns(1)
    first, second = bench.box.of("stays.learn_booking")
    assert second["state"] == "cancelled"
    assert second["upstream_version"] > first["upstream_version"]


def _pages_of_ten(bench: SyncBench) -> None:
    assert bench.running.pull is not None
    source = bench.running.pull.source
    assert isinstance(source, MewsSource)
    source._client._page = 10


async def test_rows_that_move_between_pages_are_not_missed(bench: SyncBench) -> None:
    ids = {bench.book_upstream() for _ in range(25)}
    _pages_of_ten(bench)
    bench.clouds.mews.faults.plan(GET_ALL, Fault.MOVING_ROWS, times=8)
    await bench.turns(3)
    assert {body["upstream_id"] for body in bench.box.of("stays.learn_booking")} == ids


async def test_a_line_that_goes_half_way_loses_nothing(bench: SyncBench) -> None:
    """Anchors defect 3: what is marked as seen before it is kept is lost by a stop in between."""
    ids = {bench.book_upstream() for _ in range(25)}
    _pages_of_ten(bench)
    bench.clouds.mews.faults.plan(GET_ALL, Fault.LOST_ANSWER, skip=2)
    assert not await bench.running.look()
    bench.start_again()
    await bench.turns(2)
    told = [body["upstream_id"] for body in bench.box.of("stays.learn_booking")]
    assert sorted(told) == sorted(ids)


async def test_a_row_that_cannot_be_read_holds_up_no_other(
    bench: SyncBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    strange, other = bench.book_upstream(), bench.book_upstream()

    def picky(row: dict[str, Any], before: Any) -> Any:
        if row["Id"] == strange:
            raise KeyError("StartUtc")
        return known_of(row, before)

    with monkeypatch.context() as new_form:
        new_form.setattr("sync.pms.mews.source.known_of", picky)
        await bench.turn()
    assert [body["upstream_id"] for body in bench.box.of("stays.learn_booking")] == [other]
    [shown] = bench.running.report()["parked"]
    assert shown["entity"] == f"mews:{strange}"
    bench.running.retry(shown["id"])
    await bench.turn()
    learned = {body["upstream_id"] for body in bench.box.of("stays.learn_booking")}
    assert learned == {strange, other}
    assert bench.running.report()["parked"] == []


async def test_a_booking_that_vanishes_cancels_nothing(bench: SyncBench) -> None:
    upstream = bench.book_upstream()
    await bench.turns(1)
    del bench.clouds.mews.store.reservations[upstream]
    await bench.turns(3)
    assert [body["state"] for body in bench.box.of("stays.learn_booking")] == ["confirmed"]


async def test_more_than_three_months_offline_reads_everything_anew(bench: SyncBench) -> None:
    await bench.turn()
    await bench.clock.advance(100 * 86_400)
    upstream = bench.book_upstream()
    bench.clouds.mews.store.reservations[upstream].updated_s -= 95 * 86_400
    store = bench.clouds.mews.store
    one = store.reservations[upstream]
    one.scheduled_start_s = store.now_s() + 86_400
    await bench.turn()
    assert len(bench.box.of("stays.learn_booking")) == 1


async def test_a_page_too_heavy_is_asked_for_in_smaller_ones(bench: SyncBench) -> None:
    bench.book_upstream()
    bench.clouds.mews.faults.plan(GET_ALL, Fault.TOO_HEAVY, times=2)
    await bench.turn()
    assert len(bench.box.of("stays.learn_booking")) == 1


async def test_a_no_show_and_states_are_translated(bench: SyncBench) -> None:
    store = bench.clouds.mews.store
    gone, asked_for = bench.book_upstream(), bench.book_upstream()
    store.cancel_reservation(gone, CancellationReason.NO_SHOW)
    store.reservations[asked_for].state = State.REQUESTED
    await bench.turn()
    (body,) = bench.box.of("stays.learn_booking")
    assert (body["state"], body["no_show"]) == ("no_show", True)


async def test_an_unknown_room_type_is_shown_to_a_person_and_learned_when_known(
    bench: SyncBench,
) -> None:
    store = bench.clouds.mews.store
    suite = store.add_category("Suite", short="STE")
    guest = store.put_customer("Noether", "Emmy")
    one = store.put_reservation(
        customer_id=guest.id,
        category_id=suite.id,
        start_s=store.arrival_s(ARRIVAL),
        end_s=store.departure_s(date(2026, 8, 17)),
        nights_minor=[1, 2, 3],
    )
    bench.book_upstream()
    await bench.turn()
    assert len(bench.box.of("stays.learn_booking")) == 1  # the others flow
    (parked,) = bench.running.report()["parked"]
    assert "room type" in parked["sentence"]
    bench.running.mirror.put_room_type("suite", "Suite", None)
    bench.running.retry(f"mews:{one.id}")
    await bench.turn()
    assert bench.box.of("stays.learn_booking")[-1]["room_type_id"] == "suite"
    assert not bench.running.report()["parked"]


async def test_what_the_box_refuses_is_shown_and_keeps_no_name_here(bench: SyncBench) -> None:
    bench.book_upstream()
    bench.box.refusing["stays.learn_booking"] = "no_guests"
    await bench.turn()
    (parked,) = bench.running.report()["parked"]
    assert "no_guests" in parked["sentence"]
    for path in bench.settings.ledger_path.parent.glob("sync.db"):
        bench.running.ledger.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert b"Hopper" not in path.read_bytes()


async def test_a_change_waits_until_our_own_write_to_it_is_settled(bench: SyncBench) -> None:
    upstream = bench.book_upstream()
    await bench.turn()
    bench.box.say_booked(upstream)
    bench.box.say_checked_in()
    await bench.running.follower.turn()
    # It arrived, and nobody knows: what Mews shows now may be our own act.
    bench.clouds.mews.faults.plan("reservations/start", Fault.LOST_ANSWER)
    await bench.clock.run_until(bench.running.carrier.step(), limit_s=60)
    assert bench.effect("pms.start").state is EffectState.UNKNOWN
    bench.clouds.mews.store.modify_reservation(upstream, adults=1)
    assert await bench.running.look()
    await bench.running.deliverer.turn()
    assert len(bench.box.of("stays.learn_booking")) == 1  # held back
    await bench.turns(3)
    assert bench.effect("pms.start").state is EffectState.SUCCEEDED
    last = bench.box.of("stays.learn_booking")[-1]
    assert (last["state"], last["adults"]) == ("in_house", 1)


@pytest.mark.parametrize("hours", [5, -5])
async def test_a_wrong_clock_of_ours_hides_no_booking(bench: SyncBench, hours: int) -> None:
    """The mark is the vendor's time, and the window's end lies far ahead."""
    bench.own_clock.wrong_ms = hours * 3_600_000
    await bench.turns(1)
    bench.book_upstream()
    await bench.turns(2)
    assert len(bench.box.of("stays.learn_booking")) == 1


async def test_an_act_that_never_left_hides_nothing_that_mews_says(bench: SyncBench) -> None:
    upstream = bench.book_upstream()
    await bench.turn()
    bench.box.say_booked(upstream)
    bench.box.say_checked_in()
    await bench.running.follower.turn()
    store = bench.clouds.mews.store
    later = store.departure_s(DEPARTURE) + 86_400
    store.modify_reservation(upstream, end_s=later, nights_minor=[8_133, 9_000, 9_000])
    assert await bench.running.look()
    await bench.running.deliverer.turn()
    assert bench.effect("pms.start").state is EffectState.QUEUED
    told = [body["departure"] for body in bench.box.of("stays.learn_booking")]
    assert told == ["2026-08-16", "2026-08-17"]


async def test_our_own_act_is_not_told_back_while_the_next_one_waits(bench: SyncBench) -> None:
    """Two acts of the dark: the first one's echo would be a dispute with the second."""
    upstream = bench.book_upstream()
    await bench.turn()
    bench.box.say_booked(upstream)
    bench.box.say_checked_in()
    await bench.running.follower.turn()
    await bench.clock.run_until(bench.running.carrier.step(), limit_s=60)
    assert bench.effect("pms.start").state is EffectState.SUCCEEDED
    bench.say_assigned("stay_1", "r102")
    await bench.running.follower.turn()
    assert await bench.running.look()
    await bench.running.deliverer.turn()
    assert [body["state"] for body in bench.box.of("stays.learn_booking")] == ["confirmed"]
    await bench.turns(2)
    last = bench.box.of("stays.learn_booking")[-1]
    assert (last["state"], last["room_id"]) == ("in_house", "r102")


async def test_a_hint_is_followed_by_id_and_carries_nothing_itself(bench: SyncBench) -> None:
    await bench.turn()
    upstream_id = bench.book_upstream()
    assert bench.running.pull is not None
    bench.running.pull.hint([upstream_id, "no-such-booking"])
    for _ in range(2):  # what is not there is asked for once more
        assert await bench.clock.run_until(bench.running.pull.look_at_hinted(), limit_s=60)
    while await bench.running.deliverer.turn():
        pass
    (learned,) = bench.box.of("stays.learn_booking")
    assert learned["upstream_id"] == upstream_id
    assert bench.running.mirror.held("mews", person=False) == []


async def test_the_same_hint_a_hundred_times_is_one_read(bench: SyncBench) -> None:
    await bench.turn()
    upstream_id = bench.book_upstream()
    assert bench.running.pull is not None
    for _ in range(100):
        bench.running.pull.hint([upstream_id])
    asked = bench.clouds.mews.asked
    assert await bench.clock.run_until(bench.running.pull.look_at_hinted(), limit_s=60)
    assert bench.clouds.mews.asked - asked <= 3, "the booking, its guest, its nights"


async def test_a_stay_that_another_source_sold_is_not_told_to_the_pms(bench: SyncBench) -> None:
    bench.sell("stay_feed", source="ical:airbnb-204", upstream_id="uid-1")
    await bench.turn()
    assert bench.running.ledger.effects("true") == []
