"""Promises of what the desk did and Hostaway hears: once, in order, whatever answer is lost."""

from __future__ import annotations

import logging
from datetime import date

import msgspec
import pytest

from appliance.engines.stays.messages import (
    CheckedIn,
    CheckedOut,
    NoShowMarked,
    StayCancelled,
)
from appliance.kernel.sealed import Sealed
from support.hostaway_bench import HostawayBench, code, extend, owe_code, pay
from support.sync_bench import ARRIVAL, DEPARTURE
from sync.ledger import Draft, EffectState, Priority
from twin.clouds.faults import Fault
from twin.clouds.hostaway import Status

WHY = Sealed(subject="stay_1", box=b"")
CREATE = "POST reservations"
CHARGE = "POST guestPayments/charges/{id}"
CHANGE = "PUT reservations/{id}"
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
SATURDAY, SUNDAY = date(2026, 8, 15), date(2026, 8, 16)


def check_out(hotel: HostawayBench, day: date, *, early: bool) -> None:
    hotel.box.say(
        CheckedOut(
            stay_id="stay_1", room_id="r101", business_date=day, departure=DEPARTURE, early=early
        )
    )


async def sold(hotel: HostawayBench) -> None:
    """A walk-in that Hostaway has taken."""
    hotel.sell()
    await hotel.turns(2)
    assert len(hotel.ours()) == 1


async def test_a_walk_in_is_taken_with_its_guest_price_and_our_reference(
    hotel: HostawayBench,
) -> None:
    await sold(hotel)
    (one,) = hotel.ours()
    assert (one.total_minor, one.adults, one.channel_reservation_id) == (24_000, 2, "stay_1")
    assert (one.guest_first, one.guest_last) == ("Ada", "Lovelace")
    assert (one.arrival, one.departure) == (ARRIVAL, DEPARTURE)
    assert "stay_1" in str(one.host_note)
    (link,) = hotel.box.of("stays.link_upstream")
    assert (link["stay_id"], link["upstream_id"]) == ("stay_1", str(one.id))


@pytest.mark.parametrize("fault", LOST)
async def test_a_sale_is_one_booking_whatever_answer_is_lost(
    hotel: HostawayBench, fault: Fault
) -> None:
    await hotel.turn()  # the listings are known
    hotel.sell()
    hotel.cloud.faults.plan(CREATE, fault)
    await hotel.settle()
    assert hotel.effect("pms.book").state is EffectState.SUCCEEDED
    assert len(hotel.ours()) == 1
    assert len(hotel.box.of("stays.link_upstream")) == 1


@pytest.mark.parametrize("reading", ["GET reservations", "GET reservations/{id}", "GET listings"])
@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.CUT_BODY, Fault.SERVER_ERROR])
async def test_a_search_that_fails_after_a_lost_answer_repeats_nothing_blindly(
    hotel: HostawayBench, reading: str, fault: Fault
) -> None:
    await hotel.turn()
    hotel.sell()
    hotel.cloud.faults.plan(CREATE, Fault.LOST_ANSWER)
    hotel.cloud.faults.plan(reading, fault, times=5, skip=1)
    await hotel.settle(14)
    assert hotel.effect("pms.book").state is EffectState.SUCCEEDED
    assert len(hotel.ours()) == 1


@pytest.mark.parametrize("dark_s", [60, 25 * 3600, 7 * 86_400])
async def test_an_answer_lost_before_a_long_dark_is_looked_up_after_it(
    hotel: HostawayBench, dark_s: int
) -> None:
    await hotel.turn()
    hotel.sell()
    hotel.cloud.faults.plan(CREATE, Fault.NO_ANSWER)
    await hotel.turn()
    await hotel.clock.advance(dark_s)
    hotel.start_again()
    await hotel.settle(4)
    assert hotel.effect("pms.book").state is EffectState.SUCCEEDED
    assert len(hotel.ours()) == 1


async def test_a_sale_moved_there_before_we_looked_is_still_found(hotel: HostawayBench) -> None:
    await hotel.turn()
    hotel.sell()
    hotel.cloud.faults.plan(CREATE, Fault.LOST_ANSWER)
    await hotel.running.follower.turn()
    await hotel.clock.run_until(hotel.running.carrier.step(), limit_s=60)
    (one,) = hotel.ours()
    hotel.store.change(one.id, arrival=SUNDAY, departure=date(2026, 8, 18))
    # Only the reconciling, no pull that would show it.
    for _ in range(3):
        await hotel.clock.advance(61)
        await hotel.clock.run_until(hotel.running.carrier.step(), limit_s=120)
    assert hotel.effect("pms.book").state is EffectState.SUCCEEDED
    assert len(hotel.ours()) == 1


@pytest.mark.parametrize("keeps_note", [True, False])
async def test_our_sale_is_known_also_where_they_dropped_our_reference(
    hotel: HostawayBench, *, keeps_note: bool
) -> None:
    await hotel.turn()
    hotel.sell()
    hotel.cloud.faults.plan(CREATE, Fault.LOST_ANSWER)
    await hotel.running.follower.turn()
    await hotel.clock.run_until(hotel.running.carrier.step(), limit_s=60)
    (one,) = hotel.ours()
    note = one.host_note if keeps_note else None
    hotel.store.change(one.id, channel_reservation_id=None, host_note=note)
    await hotel.settle()
    assert hotel.effect("pms.book").state is EffectState.SUCCEEDED
    assert len(hotel.ours()) == 1


async def test_a_kill_between_any_two_steps_leaves_one_booking(hotel: HostawayBench) -> None:
    await hotel.turn()
    hotel.sell()
    await hotel.running.follower.turn()
    hotel.start_again()  # after the intent, before anything was sent
    effect = hotel.effect("pms.book")
    assert hotel.running.carrier._commit_intent(effect.id) is not None
    hotel.start_again()  # said to be sending, nothing left the box
    assert hotel.effect("pms.book").state is EffectState.UNKNOWN
    ready = hotel.running.carrier._commit_intent(effect.id)
    assert ready is not None
    pusher = hotel.running.pushers["hostaway"]
    assert await hotel.clock.run_until(pusher.reconcile(ready), limit_s=60) is None
    await hotel.clock.run_until(
        pusher.push(ready), limit_s=60
    )  # taken, and we die before our commit
    hotel.start_again()
    await hotel.settle(3)
    hotel.start_again()  # done, and its letter home may be half way
    await hotel.turns(1)
    assert len(hotel.ours()) == 1
    assert len(hotel.box.of("stays.link_upstream")) == 1


async def test_a_booking_found_by_a_pull_settles_the_answer_that_never_came(
    hotel: HostawayBench,
) -> None:
    await hotel.turn()
    hotel.sell()
    hotel.cloud.faults.plan(CREATE, Fault.LOST_ANSWER)
    await hotel.turn()
    assert hotel.effect("pms.book").state is EffectState.UNKNOWN
    assert await hotel.clock.run_until(hotel.running.look(), limit_s=60)
    assert hotel.effect("pms.book").state is EffectState.SUCCEEDED
    await hotel.turns(2)
    names = [name for name, _ in hotel.box.asked if name.startswith("stays.")]
    assert names[0] == "stays.link_upstream"
    assert len(hotel.ours()) == 1


@pytest.mark.parametrize("fault", LOST)
async def test_cash_is_written_down_once_whatever_answer_is_lost(
    hotel: HostawayBench, fault: Fault
) -> None:
    await sold(hotel)
    hotel.cloud.faults.plan(CHARGE, fault)
    pay(hotel)
    await hotel.settle()
    assert hotel.effect("pms.payment").state is EffectState.SUCCEEDED
    (charge,) = hotel.store.charges.values()
    assert (charge.amount_minor, charge.method, charge.status) == (5_025, "cash", "paid")
    assert charge.title == "Nightporter pay_1"


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.SERVER_ERROR, Fault.UNAUTHORIZED])
async def test_cash_is_written_down_once_whatever_list_of_charges_is_lost(
    hotel: HostawayBench, fault: Fault
) -> None:
    await sold(hotel)
    hotel.cloud.faults.plan("GET guestPayments/charges", fault, times=2)
    hotel.cloud.faults.plan(CHARGE, Fault.LOST_ANSWER)
    pay(hotel)
    await hotel.settle(10)
    assert hotel.effect("pms.payment").state is EffectState.SUCCEEDED
    assert len(hotel.store.charges) == 1


async def test_a_restored_ledger_looks_before_it_writes_money_down_again(
    hotel: HostawayBench,
) -> None:
    """The row says queued, and Hostaway has it: listed before posting, always."""
    await sold(hotel)
    pay(hotel)
    await hotel.turns(2)
    effect = hotel.effect("pms.payment")
    fields = {"payment_id": "pay_1", "amount_minor": 5_025, "currency": "EUR", "means": "cash"}
    body = msgspec.json.encode({"stay_id": "stay_1", **fields})
    hotel.running.ledger.db.execute(
        "UPDATE effect SET state = 'queued', tries = 0, first_sent_ms = NULL, body = ?"
        " WHERE id = ?",
        (body, effect.id),
    )
    await hotel.turns(2)
    assert hotel.effect("pms.payment").state is EffectState.SUCCEEDED
    assert len(hotel.store.charges) == 1


async def test_two_payments_of_one_amount_are_two(hotel: HostawayBench) -> None:
    await sold(hotel)
    pay(hotel, "pay_1")
    pay(hotel, "pay_2")
    await hotel.settle(3)
    assert sorted(one.title for one in hotel.store.charges.values()) == [
        "Nightporter pay_1",
        "Nightporter pay_2",
    ]


async def test_what_cannot_be_written_down_is_parked_with_a_sentence_and_others_flow(
    hotel: HostawayBench,
) -> None:
    await sold(hotel)
    pay(hotel, "pay_back", amount_minor=-500)
    hotel.box.say(NoShowMarked(stay_id="stay_1", by_upstream=False, business_date=ARRIVAL))
    await hotel.settle(3)
    parked = hotel.effect("pms.payment")
    assert parked.state is EffectState.PARKED
    assert "money that was given back" in parked.sentence
    assert hotel.effect("pms.no_show").state is EffectState.SUCCEEDED


@pytest.mark.parametrize("fault", LOST)
async def test_an_early_check_out_frees_the_nights_once(hotel: HostawayBench, fault: Fault) -> None:
    await sold(hotel)
    hotel.cloud.faults.plan(CHANGE, fault)
    hotel.box.say(
        CheckedIn(
            stay_id="stay_1",
            room_id="r101",
            arrival=ARRIVAL,
            departure=DEPARTURE,
            business_date=ARRIVAL,
        )
    )
    check_out(hotel, SATURDAY, early=True)
    await hotel.settle()
    (one,) = hotel.ours()
    assert (one.departure, one.total_minor) == (SATURDAY, 24_000)
    assert hotel.effect("pms.start").state is EffectState.SUCCEEDED
    assert hotel.effect("pms.process").state is EffectState.SUCCEEDED


async def test_an_ordinary_check_out_and_a_room_need_no_request(hotel: HostawayBench) -> None:
    await sold(hotel)
    asked = hotel.cloud.asked
    check_out(hotel, SUNDAY, early=False)
    await hotel.running.follower.turn()
    await hotel.running.carrier.step()
    assert hotel.effect("pms.process").state is EffectState.SUCCEEDED
    assert hotel.cloud.asked == asked


@pytest.mark.parametrize("fault", LOST)
async def test_an_extension_reaches_hostaway_with_the_agreed_price(
    hotel: HostawayBench, fault: Fault
) -> None:
    await sold(hotel)
    hotel.cloud.faults.plan(CHANGE, fault)
    extend(hotel)
    await hotel.settle()
    (one,) = hotel.ours()
    assert (one.departure, one.total_minor) == (date(2026, 8, 17), 36_000)
    assert hotel.effect("pms.depart").state is EffectState.SUCCEEDED


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("no_show", [False, True])
async def test_a_cancellation_and_a_no_show_reach_hostaway_once(
    hotel: HostawayBench, fault: Fault, *, no_show: bool
) -> None:
    await sold(hotel)
    hotel.cloud.faults.plan(f"{CHANGE}/statuses/cancelled", fault)
    if no_show:
        hotel.box.say(NoShowMarked(stay_id="stay_1", by_upstream=False, business_date=ARRIVAL))
    else:
        hotel.box.say(
            StayCancelled(stay_id="stay_1", by_upstream=False, reason=WHY, upstream_version=None)
        )
    await hotel.settle()
    (one,) = hotel.ours()
    assert (one.status, one.cancelled_by) == (Status.CANCELLED, "guest" if no_show else "host")
    assert hotel.journal.count("hostaway.reservation.cancelled") == 1
    states = {body["state"] for body in hotel.learned() if body["upstream_id"] == str(one.id)}
    assert states <= {"confirmed", "no_show" if no_show else "cancelled"}


async def test_a_rooms_state_has_no_place_at_hostaway(hotel: HostawayBench) -> None:
    await hotel.turn()
    draft = Draft(
        natural_key="hostaway.room_state:r101:1",
        counterparty="hostaway",
        lane="room:r101",
        kind="pms.room_state",
        body=b'{"room_id":"r101","status":"clean"}',
        priority=Priority.REST,
        made_ms=0,
    )
    hotel.running.ledger.owe(draft, 0)
    await hotel.turns(1)
    assert hotel.effect("pms.room_state").state is EffectState.SUCCEEDED


# -- the door code ---------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", LOST)
async def test_a_door_code_is_written_and_read_back_and_never_kept(
    hotel: HostawayBench, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    await sold(hotel)
    hotel.box.codes["stay_1"] = code("482915")
    hotel.cloud.faults.plan(CHANGE, fault)
    with caplog.at_level(logging.DEBUG):
        owe_code(hotel, "hostaway.door_code:1")
        await hotel.settle()
    (one,) = hotel.ours()
    assert (one.door_code, one.door_code_vendor) == ("482915", "Nightporter")
    assert hotel.effect("pms.door_code").state is EffectState.SUCCEEDED
    assert "482915" not in caplog.text
    dump = "\n".join(hotel.running.ledger.db.iterdump())
    assert "482915" not in dump
    assert b"482915".hex() not in dump.lower()


async def test_a_withdrawn_code_is_taken_out_and_a_strange_one_is_left(
    hotel: HostawayBench,
) -> None:
    await sold(hotel)
    (one,) = hotel.ours()
    hotel.box.codes["stay_1"] = code("482915")
    owe_code(hotel, "hostaway.door_code:1")
    await hotel.turns(2)
    del hotel.box.codes["stay_1"]
    owe_code(hotel, "hostaway.door_code:2")
    await hotel.turns(2)
    assert hotel.store.reservations[one.id].door_code is None
    hotel.store.change(one.id, door_code="1111", door_code_vendor="Someone")
    owe_code(hotel, "hostaway.door_code:3")
    await hotel.turns(2)
    assert hotel.store.reservations[one.id].door_code == "1111"


async def test_a_yes_that_changed_nothing_is_not_believed(
    hotel: HostawayBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sold(hotel)
    hotel.box.codes["stay_1"] = code("482915")
    monkeypatch.setitem(_texts(), "doorCode", "comment")
    owe_code(hotel, "hostaway.door_code:1")
    await hotel.turns(2)
    effect = hotel.effect("pms.door_code")
    assert effect.state is EffectState.RECONCILING
    assert "shows another door code" in effect.sentence
    monkeypatch.undo()
    await hotel.turns(2)
    assert hotel.effect("pms.door_code").state is EffectState.SUCCEEDED


def _texts() -> dict[str, str]:
    from twin.clouds.hostaway.reservations import _TEXTS  # noqa: PLC0415 - a wrong vendor

    return _TEXTS


async def test_our_own_writes_do_not_rename_the_guest(hotel: HostawayBench) -> None:
    await sold(hotel)
    hotel.box.codes["stay_1"] = code("482915")
    owe_code(hotel, "hostaway.door_code:1")
    await hotel.turns(3)
    versions = {body["guests_version"] for body in hotel.learned()}
    assert len(versions) == 1
