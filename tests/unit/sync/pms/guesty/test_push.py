"""Promises of what the desk did and Guesty hears: once, in order, whatever answer is lost."""

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
from support.guesty_bench import GuestyBench
from support.sync_bench import ARRIVAL, DEPARTURE
from sync.ledger import EffectState
from twin.clouds.faults import Fault
from twin.clouds.guesty import GuestStay, Status
from twin.clouds.guesty.records import Reservation

WHY = Sealed(subject="stay_1", box=b"")
CREATE = "POST /v1/reservations-v3"
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


def check_in(bench: GuestyBench, room_id: str = "r101", stay_id: str = "stay_1") -> None:
    bench.box.say(
        CheckedIn(
            stay_id=stay_id,
            room_id=room_id,
            arrival=ARRIVAL,
            departure=DEPARTURE,
            business_date=ARRIVAL,
        )
    )


def check_out(bench: GuestyBench, day: date, *, early: bool = False) -> None:
    bench.box.say(
        CheckedOut(
            stay_id="stay_1", room_id="r101", business_date=day, departure=DEPARTURE, early=early
        )
    )


async def known(bench: GuestyBench, one: Reservation) -> None:
    """A booking of theirs that is a stay here."""
    await bench.turn()
    bench.sell(room_id=None, source="guesty", upstream_id=one.id)


def pay(bench: GuestyBench, amount_minor: int = 27_050, currency: str = "EUR") -> None:
    bench.box.say(
        PaymentSettled(
            payment_id="pay_1",
            stay_id="stay_1",
            intent_id=None,
            means="cash",
            amount_minor=amount_minor,
            currency=currency,
            provider_ref=None,
        )
    )


async def test_a_walk_in_is_taken_with_its_guest_price_and_room(bench: GuestyBench) -> None:
    bench.sell()
    await bench.turn()
    (one,) = bench.store.reservations.values()
    assert (one.origin_id, one.confirmation_code) == ("stay_1", "stay_1")
    assert (one.fare_minor, one.stay[0].unit_id) == (24_000, bench.units[0].id)
    assert bench.store.guests[one.guest_id].last_name == "Lovelace"
    (link,) = bench.box.of("stays.link_upstream")
    assert (link["stay_id"], link["upstream_id"]) == ("stay_1", one.id)


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("times", [1, 2, 3])
async def test_a_sale_is_one_booking_whatever_answer_is_lost(
    bench: GuestyBench, fault: Fault, times: int
) -> None:
    await bench.turn()  # the listings are known
    bench.sell()
    bench.cloud.faults.plan(CREATE, fault, times=times)
    await bench.heal()
    if fault is Fault.UNAUTHORIZED and times > 1:
        # It looks like a permission of this route: a person's work, and nothing was made.
        assert bench.effect("pms.book").state is EffectState.PARKED
        bench.running.retry(bench.effect("pms.book").id)
        await bench.heal()
        bench.running.retry(bench.effect("pms.book").id)
        await bench.heal()
        bench.running.retry(bench.effect("pms.book").id)
        await bench.heal()
    assert bench.effect("pms.book").state is EffectState.SUCCEEDED
    assert bench.bookings() == 1
    assert len(bench.box.of("stays.link_upstream")) == 1


@pytest.mark.parametrize("lost", [1, 2, 3, 4])
@pytest.mark.parametrize("looked", ["GET /v1/reservations-v3/search", "GET /v1/reservations"])
async def test_a_look_up_that_is_lost_too_makes_no_second_booking(
    bench: GuestyBench, lost: int, looked: str
) -> None:
    await bench.turn()
    bench.sell()
    bench.cloud.faults.plan(CREATE, Fault.LOST_ANSWER)
    bench.cloud.faults.plan(looked, Fault.LOST_ANSWER, times=lost)
    await bench.heal()
    assert bench.effect("pms.book").state is EffectState.SUCCEEDED
    assert bench.bookings() == 1


async def test_a_create_that_lands_after_the_first_look_up_is_still_found(
    bench: GuestyBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search lags: what was made is shown to it only some seconds later."""
    await bench.turn()
    bench.sell()
    made_ms = bench.clock.read().wall_ms
    rows = bench.store.reservations

    class Lagging(dict[str, Reservation]):
        def values(self) -> object:  # type: ignore[override]
            late = bench.clock.read().wall_ms - made_ms < 5_000
            return [] if late else super().values()

    bench.store.reservations = Lagging(rows)
    bench.cloud.faults.plan(CREATE, Fault.LOST_ANSWER)
    for _ in range(20):
        await bench.clock.run_until(bench.running.carrier.step(), limit_s=60)
        while await bench.running.follower.turn():
            pass
        await bench.clock.advance(1)
    await bench.turns(2)
    assert bench.effect("pms.book").state is EffectState.SUCCEEDED
    assert bench.bookings() == 1


async def test_a_kill_between_any_two_steps_leaves_one_booking(bench: GuestyBench) -> None:
    await bench.turn()
    bench.sell()
    await bench.running.follower.turn()
    bench.start_again()  # after the intent, before anything was sent
    effect = bench.effect("pms.book")
    assert bench.running.carrier._commit_intent(effect.id) is not None
    bench.start_again()  # said to be sending, nothing left the box
    assert bench.effect("pms.book").state is EffectState.UNKNOWN
    ready = bench.running.carrier._commit_intent(effect.id)
    assert ready is not None
    pusher = bench.running.pushers["guesty"]
    await bench.clock.run_until(pusher.push(ready), limit_s=60)  # taken there, and we die
    bench.start_again()
    await bench.turns(4)
    bench.start_again()  # done, and its letter home may be half way
    await bench.turns(1)
    assert bench.bookings() == 1
    assert len(bench.box.of("stays.link_upstream")) == 1


async def test_a_sale_found_by_a_pull_settles_the_answer_that_never_came(
    bench: GuestyBench,
) -> None:
    await bench.turn()
    bench.sell()
    bench.cloud.faults.plan(CREATE, Fault.LOST_ANSWER)
    await bench.turn()
    assert bench.effect("pms.book").state is EffectState.UNKNOWN
    assert await bench.clock.run_until(bench.running.look(), limit_s=60)
    assert bench.effect("pms.book").state is EffectState.SUCCEEDED
    await bench.turns(2)
    names = [name for name, _ in bench.box.asked if name.startswith("stays.")]
    assert names[0] == "stays.link_upstream"
    assert bench.bookings() == 1


async def test_nights_that_somebody_else_sold_do_not_lose_the_guest(bench: GuestyBench) -> None:
    bench.book_there(unit=0)
    bench.sell()  # into the same room
    await bench.turns(2)
    ours = next(one for one in bench.store.reservations.values() if one.origin_id)
    assert ours.stay[0].unit_id is None  # the type had another unit free
    bench.sell("stay_2", room_id="r102")
    await bench.turns(2)
    assert bench.bookings() == 3
    last = bench.effects("pms.book")[-1]
    assert last.state is EffectState.SUCCEEDED
    assert "over nights" in last.sentence
    assert len(bench.cloud.tokens.issued) == 1


async def test_a_type_that_guesty_does_not_have_parks_with_a_sentence_and_others_flow(
    bench: GuestyBench,
) -> None:
    one = bench.book_there()
    await known(bench, one)
    bench.running.ledger.db.execute("DELETE FROM room_type")
    bench.sell("stay_2")
    check_in(bench)
    await bench.turns(2)
    (parked,) = bench.effects("pms.book")
    assert parked.state is EffectState.PARKED
    assert "upstream id" in parked.sentence
    assert bench.effect("pms.start").state is EffectState.SUCCEEDED
    assert parked.id in {each["id"] for each in bench.running.report()["parked"]}


@pytest.mark.parametrize("fault", [each for each in LOST if each is not Fault.UNAUTHORIZED])
@pytest.mark.parametrize(
    "endpoint",
    [
        "PUT /v1/reservations-v3/{id}/relocate",
        "PUT /v1/reservations-v3/{id}/dates",
        "PUT /v1/reservations-v3/guest-stay",
    ],
)
async def test_check_in_and_out_reach_guesty_whatever_answer_is_lost(
    bench: GuestyBench, endpoint: str, fault: Fault
) -> None:
    bench.sell(room_id=None)
    await bench.turn()
    bench.cloud.faults.plan(endpoint, fault)
    check_in(bench)
    check_out(bench, ARRIVAL, early=True)
    await bench.heal(4)
    (one,) = bench.store.reservations.values()
    assert one.guest_stay is GuestStay.CHECKED_OUT
    assert one.stay[0].unit_id == bench.units[0].id
    assert one.check_out == date(2026, 8, 15)  # a night is the least there is
    assert bench.journal.count("guesty.reservation.checked_in") >= 1
    for kind in ("pms.start", "pms.process"):
        assert bench.effect(kind).state is EffectState.SUCCEEDED


async def test_a_reserved_booking_is_confirmed_by_its_guest(bench: GuestyBench) -> None:
    one = bench.book_there(status=Status.RESERVED)
    await known(bench, one)
    check_in(bench)
    await bench.turns(2)
    assert (one.status, one.guest_stay) == (Status.CONFIRMED, GuestStay.CHECKED_IN)


@pytest.mark.parametrize("status", [Status.AWAITING_PAYMENT, Status.CANCELED])
async def test_money_that_is_awaited_or_a_cancellation_is_a_persons_work(
    bench: GuestyBench, status: Status
) -> None:
    one = bench.book_there(status=status)
    await known(bench, one)
    check_in(bench)
    bench.sell("stay_2", room_id="r102")
    await bench.turns(2)
    parked = bench.effect("pms.start")
    assert parked.state is EffectState.PARKED
    assert str(status) in parked.sentence or "payment" in parked.sentence
    assert bench.effect("pms.book").state is EffectState.SUCCEEDED  # the others flow
    assert one.guest_stay is GuestStay.NOT_SET


async def test_an_undone_check_in_is_undone_there_too(bench: GuestyBench) -> None:
    one = bench.book_there()
    await known(bench, one)
    check_in(bench)
    await bench.turn()
    bench.box.say(CheckInUndone(stay_id="stay_1", room_id="r101", reason=WHY))
    await bench.turns(2)
    assert bench.effect("pms.undo_start").state is EffectState.SUCCEEDED
    assert one.guest_stay is GuestStay.NOT_SET
    for what in ("checked_in", "not_set"):
        assert bench.journal.count(f"guesty.reservation.{what}") == 1


async def test_a_move_an_extension_and_cash_reach_guesty_once(bench: GuestyBench) -> None:
    one = bench.book_there(unit=0)
    await known(bench, one)
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
    pay(bench)
    bench.cloud.faults.plan("POST /v1/payments/recorded", Fault.LOST_ANSWER)
    await bench.turns(6)
    assert one.stay[0].unit_id == bench.units[1].id
    assert one.check_out == date(2026, 8, 17)
    assert [each.amount_minor for each in one.payments] == [27_050]
    assert one.payments[0].method == "RECORDED_CASH"
    assert bench.effect("pms.payment").state is EffectState.SUCCEEDED


@pytest.mark.parametrize("fault", [each for each in LOST if each is not Fault.UNAUTHORIZED])
async def test_cash_is_recorded_once_whatever_answer_is_lost(
    bench: GuestyBench, fault: Fault
) -> None:
    one = bench.book_there()
    await known(bench, one)
    pay(bench)
    bench.cloud.faults.plan("POST /v1/payments/recorded", fault, times=2)
    await bench.heal(4)
    assert [each.amount_minor for each in one.payments] == [27_050]


@pytest.mark.parametrize(("amount_minor", "currency"), [(99, "EUR"), (5_000, "USD")])
async def test_money_that_guesty_cannot_record_is_a_persons_work(
    bench: GuestyBench, amount_minor: int, currency: str
) -> None:
    one = bench.book_there()
    await known(bench, one)
    pay(bench, amount_minor, currency)
    await bench.turns(2)
    assert bench.effect("pms.payment").state is EffectState.PARKED
    assert not one.payments


async def test_a_no_show_and_a_cancellation_are_told_apart(bench: GuestyBench) -> None:
    one = bench.book_there()
    await known(bench, one)
    bench.box.say(NoShowMarked(stay_id="stay_1", by_upstream=False, business_date=ARRIVAL))
    await bench.turns(2)
    assert (one.status, one.guest_stay) == (Status.CONFIRMED, GuestStay.NO_SHOW)
    assert bench.learned()[-1]["state"] == "no_show"


@pytest.mark.parametrize(
    ("platform", "state"),
    [
        ("direct", EffectState.SUCCEEDED),
        ("homeaway", EffectState.SUCCEEDED),
        ("bookingCom", EffectState.PARKED),
    ],
)
async def test_of_the_channels_only_vrbo_can_be_cancelled_from_here(
    bench: GuestyBench, platform: str, state: EffectState
) -> None:
    one = bench.book_there(platform=platform)
    await known(bench, one)
    bench.box.say(StayCancelled(stay_id="stay_1", by_upstream=False, reason=WHY))
    await bench.turns(2)
    effect = bench.effect("pms.cancel")
    assert effect.state is state
    assert (one.status is Status.CANCELED) == (state is EffectState.SUCCEEDED)
    if state is EffectState.PARKED:
        assert "extranet" in effect.sentence


async def test_what_guesty_cancelled_itself_is_not_cancelled_again(bench: GuestyBench) -> None:
    one = bench.book_there()
    await known(bench, one)
    bench.store.set_status(one, Status.CANCELED, by="channel")
    bench.box.say(StayCancelled(stay_id="stay_1", by_upstream=False, reason=WHY))
    await bench.turns(2)
    assert bench.effect("pms.cancel").state is EffectState.SUCCEEDED
    assert bench.journal.count("guesty.reservation.canceled") == 1


async def test_after_a_restore_everything_is_looked_up_first(bench: GuestyBench) -> None:
    bench.sell()
    await bench.turns(2)
    assert bench.bookings() == 1
    bench.running.close()
    bench.settings.ledger_path.unlink()
    bench.start_again(stop=False)
    bench.settings.restored_marker.touch()
    bench.start_again()
    await bench.turns(6)
    assert bench.bookings() == 1
    assert bench.effect("pms.book").state is EffectState.SUCCEEDED
