"""Promises of what the desk did and Mews hears: once, in order, whatever answer is lost."""

from __future__ import annotations

from datetime import date

import pytest

from appliance.engines.payments.messages import PaymentSettled
from appliance.engines.stays.messages import (
    CheckedIn,
    CheckedOut,
    CheckInUndone,
    DepartureChanged,
    Night,
    NoShowMarked,
    RoomMoved,
    StayCancelled,
)
from appliance.kernel.sealed import Sealed
from support.sync_bench import ARRIVAL, DEPARTURE, FRIDAY_MS, SyncBench
from sync.ledger import EffectState
from twin.clouds.faults import Fault
from twin.clouds.mews import State

WHY = Sealed(subject="stay_1", box=b"")
LOST = [
    Fault.LOST_REQUEST,
    Fault.LOST_ANSWER,
    Fault.NO_ANSWER,
    Fault.CUT_BODY,
    Fault.SERVER_ERROR,
    Fault.BROKEN_STORED,
    Fault.TOO_MANY,
    Fault.TOO_MANY_BARE,
    Fault.CONFLICT,
    Fault.TOO_HEAVY,
    Fault.UNAUTHORIZED,
]


def check_in(bench: SyncBench, room_id: str = "r101") -> None:
    bench.box.say(
        CheckedIn(
            stay_id="stay_1",
            room_id=room_id,
            arrival=ARRIVAL,
            departure=DEPARTURE,
            business_date=ARRIVAL,
        )
    )


def check_out(bench: SyncBench, day: date, *, early: bool = False) -> None:
    bench.box.say(
        CheckedOut(
            stay_id="stay_1", room_id="r101", business_date=day, departure=DEPARTURE, early=early
        )
    )


def theirs(bench: SyncBench) -> list[State]:
    return [one.state for one in bench.clouds.mews.store.reservations.values()]


async def heal(bench: SyncBench) -> None:
    """Probe until the way is free, as the prober does."""
    for gate_name, gate in bench.running.gates.items():
        if gate.closed_ms():
            await bench.clock.advance(61)
            pusher = bench.running.pushers[gate_name]
            probe = getattr(pusher, "probe", None) or pusher._client.probe  # type: ignore[attr-defined]
            await bench.clock.run_until(probe(), limit_s=60)


async def test_a_walk_in_is_taken_with_its_guest_price_and_room(bench: SyncBench) -> None:
    bench.sell()
    await bench.turn()
    (one,) = bench.clouds.mews.store.reservations.values()
    assert (one.nights_minor, one.adults, one.channel_number) == ([12_000] * 2, 2, "stay_1")
    assert bench.clouds.mews.store.room_name(one.room_id) == "101"
    assert bench.clouds.mews.store.customers[one.customer_id].last_name == "Lovelace"
    (link,) = bench.box.of("stays.link_upstream")
    assert (link["stay_id"], link["upstream_id"], link["code"]) == ("stay_1", one.id, one.number)


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("endpoint", ["customers/add", "reservations/add"])
async def test_a_sale_is_one_booking_whatever_answer_is_lost(
    bench: SyncBench, endpoint: str, fault: Fault
) -> None:
    await bench.turn()  # the configuration is known
    bench.sell()
    bench.clouds.mews.faults.plan(endpoint, fault)
    for _ in range(4):
        await bench.turn()
        await heal(bench)
        await bench.clock.advance(61)
    assert bench.effect("pms.book").state is EffectState.SUCCEEDED
    assert bench.bookings() == 1
    assert bench.journal.count("pms.customer.added") == 1
    assert len(bench.box.of("stays.link_upstream")) == 1


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize(
    "endpoint", ["reservations/update", "reservations/start", "reservations/process"]
)
async def test_check_in_and_out_reach_mews_once_whatever_answer_is_lost(
    bench: SyncBench, endpoint: str, fault: Fault
) -> None:
    bench.sell(room_id=None)
    await bench.turn()
    bench.clouds.mews.faults.plan(endpoint, fault)
    check_in(bench)
    check_out(bench, ARRIVAL, early=True)
    for _ in range(8):
        await bench.turn()
        await heal(bench)
        await bench.clock.advance(61)
    assert theirs(bench) == [State.PROCESSED]
    assert bench.journal.count("pms.reservation.started") == 1
    assert bench.journal.count("pms.reservation.processed") == 1


async def test_a_kill_between_any_two_steps_leaves_one_booking(bench: SyncBench) -> None:
    await bench.turn()
    bench.sell()
    await bench.running.follower.turn()
    bench.start_again()  # after the intent, before anything was sent
    effect = bench.effect("pms.book")
    ready = bench.running.carrier._commit_intent(effect.id)
    assert ready is not None
    bench.start_again()  # said to be sending, nothing left the box
    assert bench.effect("pms.book").state is EffectState.UNKNOWN
    ready = bench.running.carrier._commit_intent(effect.id)
    assert ready is not None
    await bench.running.pushers["mews"].push(ready)  # taken there, and we die before our commit
    bench.start_again()
    await bench.turns(2)
    bench.start_again()  # done, and its letter home may be half way
    await bench.turns(1)
    assert bench.bookings() == 1
    assert bench.journal.count("pms.customer.added") == 1
    assert len(bench.box.of("stays.link_upstream")) == 1


async def test_a_booking_found_by_a_pull_settles_the_answer_that_never_came(
    bench: SyncBench,
) -> None:
    await bench.turn()
    bench.sell()
    bench.clouds.mews.faults.plan("reservations/add", Fault.LOST_ANSWER)
    await bench.turn()
    assert bench.effect("pms.book").state is EffectState.UNKNOWN
    asked = bench.clouds.mews.asked
    assert await bench.running.look()
    assert bench.effect("pms.book").state is EffectState.SUCCEEDED
    assert bench.clouds.mews.asked - asked < 5
    await bench.turns(2)
    assert bench.bookings() == 1


async def test_the_echo_of_our_sale_is_told_after_the_link_and_never_before(
    bench: SyncBench,
) -> None:
    await bench.turn()
    bench.sell()
    bench.clouds.mews.faults.plan("reservations/add", Fault.LOST_ANSWER)
    bench.clouds.mews.faults.plan("reservations/getAll/2023-06-06", Fault.SPARSE, times=3)
    await bench.turns(5)
    names = [name for name, _ in bench.box.asked if name.startswith("stays.")]
    assert names[0] == "stays.link_upstream"
    assert bench.bookings() == 1
    learned = bench.box.of("stays.learn_booking")
    assert {body["upstream_id"] for body in learned} == {
        bench.box.of("stays.link_upstream")[0]["upstream_id"]
    }


async def test_a_check_in_before_the_hour_is_taken(bench: SyncBench) -> None:
    upstream = bench.book_upstream()
    store = bench.clouds.mews.store
    store.modify_reservation(upstream, start_s=FRIDAY_MS // 1000 + 3 * 3600)
    await bench.turn()
    learn(bench, upstream)
    check_in(bench)
    await bench.turns(2)
    assert store.reservations[upstream].state is State.STARTED


async def test_a_move_an_extension_and_cash_reach_mews(bench: SyncBench) -> None:
    upstream = bench.book_upstream(room=True)
    await bench.turn()
    learn(bench, upstream)
    check_in(bench)
    bench.box.say(
        RoomMoved(
            stay_id="stay_1",
            from_room_id="r101",
            to_room_id="r102",
            to_room_type_id="double",
            from_date=ARRIVAL,
            departure=DEPARTURE,
            reason=WHY,
        )
    )
    nights = tuple(
        Night(date=date(2026, 8, day), amount_minor=9_000, currency="EUR", price_source="x")
        for day in (14, 15, 16)
    )
    bench.box.say(
        DepartureChanged(
            stay_id="stay_1",
            room_id="r102",
            previous=DEPARTURE,
            departure=date(2026, 8, 17),
            nights=nights,
        )
    )
    bench.box.say(
        PaymentSettled(
            payment_id="pay_1",
            stay_id="stay_1",
            intent_id=None,
            means="cash",
            amount_minor=27_050,
            currency="EUR",
            provider_ref=None,
        )
    )
    bench.clouds.mews.faults.plan("payments/addExternal", Fault.LOST_ANSWER)
    await bench.turns(6)
    store = bench.clouds.mews.store
    one = store.reservations[upstream]
    assert store.room_name(one.room_id) == "102"
    assert store.local_day(one.end_s) == date(2026, 8, 17)
    assert one.nights_minor == [9_000] * 3
    assert [pay.amount_minor for pay in store.payments.values()] == [27_050]


async def test_a_no_show_and_a_cancellation_are_told_apart(bench: SyncBench) -> None:
    upstream = bench.book_upstream()
    await bench.turn()
    learn(bench, upstream)
    bench.box.say(NoShowMarked(stay_id="stay_1", by_upstream=False, business_date=ARRIVAL))
    await bench.turns(3)
    assert bench.journal.count("pms.reservation.canceled", reason="NoShow") == 1
    assert bench.box.of("stays.learn_booking")[-1]["state"] == "no_show"


async def test_what_mews_cancelled_itself_is_not_cancelled_again(bench: SyncBench) -> None:
    upstream = bench.book_upstream()
    await bench.turn()
    learn(bench, upstream)
    bench.clouds.mews.store.cancel_reservation(upstream)
    bench.box.say(StayCancelled(stay_id="stay_1", by_upstream=False, reason=WHY))
    await bench.turns(2)
    assert bench.effect("pms.cancel").state is EffectState.SUCCEEDED
    assert bench.journal.count("pms.reservation.canceled") == 1


async def test_a_rule_of_mews_parks_with_their_words_and_the_others_flow(
    bench: SyncBench,
) -> None:
    upstream = bench.book_upstream()
    await bench.turn()
    learn(bench, upstream)
    bench.clouds.mews.store.cancel_reservation(upstream)
    check_in(bench)
    bench.sell("stay_2", room_id="r102")
    await bench.turns(2)
    assert bench.effect("pms.start").state is EffectState.PARKED
    assert "cancelled" in bench.effect("pms.start").sentence
    assert bench.effect("pms.book").state is EffectState.SUCCEEDED
    (parked,) = bench.running.report()["parked"]
    assert parked["id"] == bench.effect("pms.start").id
    # The cancellation itself was told home: a person decides there.
    assert bench.box.of("stays.learn_booking")[-1]["state"] in {"cancelled", "confirmed"}


async def test_an_undone_check_in_that_was_never_sent_is_forgotten(bench: SyncBench) -> None:
    upstream = bench.book_upstream()
    await bench.turn()
    learn(bench, upstream)
    check_in(bench)
    bench.box.say(CheckInUndone(stay_id="stay_1", room_id="r101", reason=WHY))
    await bench.turns(2)
    assert bench.effect("pms.start").state is EffectState.EXPIRED
    assert bench.clouds.mews.store.reservations[upstream].state is State.CONFIRMED


async def test_an_undone_check_in_that_mews_has_is_a_persons_work(bench: SyncBench) -> None:
    upstream = bench.book_upstream()
    await bench.turn()
    learn(bench, upstream)
    check_in(bench)
    await bench.turn()
    bench.box.say(CheckInUndone(stay_id="stay_1", room_id="r101", reason=WHY))
    await bench.turns(2)
    undo = bench.effect("pms.undo_start")
    assert undo.state is EffectState.MANUAL
    assert "open the reservation in Mews" in undo.sentence


def learn(bench: SyncBench, upstream_id: str) -> None:
    """The box's own fact about a booking that came from Mews."""
    bench.box.say_booked(upstream_id)


async def test_a_look_that_is_always_answered_otherwise_is_shown_at_last(bench: SyncBench) -> None:
    upstream = bench.book_upstream()
    await bench.turn()
    learn(bench, upstream)
    check_in(bench)
    await bench.turns(3)
    bench.clouds.mews.faults.plan("payments/addExternal", Fault.LOST_ANSWER)
    bench.clouds.mews.faults.plan("payments/getAll", Fault.CONFLICT, times=1_000)
    bench.box.say(
        PaymentSettled(
            payment_id="pay_1",
            stay_id="stay_1",
            intent_id=None,
            means="cash",
            amount_minor=27_050,
            currency="EUR",
            provider_ref=None,
        )
    )
    await bench.turns(16)
    assert bench.effect("pms.payment").state is EffectState.PARKED
    # What a person says then is looked up first, as ever.
    bench.clouds.mews.faults.clear()
    bench.running.carrier.retry(bench.effect("pms.payment").id)
    await bench.turns(2)
    assert bench.effect("pms.payment").state is EffectState.SUCCEEDED
    assert len(bench.clouds.mews.store.payments) == 1


def move(bench: SyncBench, before: str, after: str) -> None:
    bench.box.say(
        RoomMoved(
            stay_id="stay_1",
            from_room_id=before,
            to_room_id=after,
            to_room_type_id="double",
            from_date=ARRIVAL,
            departure=DEPARTURE,
            reason=WHY,
        )
    )


@pytest.mark.parametrize("between", [True, False])
async def test_a_guest_who_moved_twice_in_the_dark_lets_the_next_one_in(
    bench: SyncBench, *, between: bool
) -> None:
    store = bench.clouds.mews.store
    room = store.add_room("303", next(iter(store.categories.values())))
    bench.running.mirror.put_room("r303", room.name, room.id)
    first, second = bench.book_upstream(), bench.book_upstream()
    await bench.turn()
    bench.box.say_booked(first, "stay_1")
    bench.box.say_booked(second, "stay_2")
    check_in(bench)
    await bench.turns(3)
    arrives = CheckedIn(
        stay_id="stay_2",
        room_id="r101",
        arrival=ARRIVAL,
        departure=DEPARTURE,
        business_date=ARRIVAL,
    )
    # Nothing is told meanwhile: the first move is needless, but it empties the room.
    move(bench, "r101", "r102")
    if between:
        bench.box.say(arrives)
    move(bench, "r102", "r303")
    if not between:
        bench.box.say(arrives)
    await bench.turns(4)
    states = {each.state for each in bench.running.ledger.effects("counterparty = 'mews'")}
    assert states <= {EffectState.SUCCEEDED, EffectState.EXPIRED}
    names = [store.room_name(store.reservations[each].room_id) for each in (first, second)]
    assert names == ["303", "101"]
    waited = bench.running.ledger.effects("frees_room = 'r101' AND state = 'succeeded'")
    assert len(waited) == 1
