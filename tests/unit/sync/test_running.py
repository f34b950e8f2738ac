"""Promises of the whole role between a box and two clouds, on virtual time."""

from __future__ import annotations

import pytest

from appliance.engines.stays.messages import CheckedIn
from support.sync_bench import ARRIVAL, DEPARTURE, SyncBench
from sync.ledger import Draft, EffectState
from twin.clouds.faults import Fault
from twin.clouds.mews import State
from twin.line import Cut

GET_ALL = "reservations/getAll/2023-06-06"


async def until_quiet(bench: SyncBench, limit_s: float = 600.0) -> None:
    await bench.clock.run_until(bench.running.quiet(), limit_s=limit_s)


async def test_what_was_done_in_the_dark_is_there_after_the_line_heals(bench: SyncBench) -> None:
    bench.running.start()
    await until_quiet(bench)
    bench.clouds.line.cut(Cut.SILENT)
    bench.sell()
    bench.ask_deposit()
    await bench.clock.advance(3_600)
    assert bench.running.gates["mews"].breaker.standing == "down"
    assert bench.bookings() == 0
    upstream = bench.book_upstream()
    bench.clouds.line.heal()
    await bench.clock.advance(15)
    await until_quiet(bench, 15)
    assert bench.bookings() == 2
    assert bench.charges() == 1
    assert upstream in {body["upstream_id"] for body in bench.box.of("stays.learn_booking")}


async def test_nothing_is_pulled_before_the_log_has_told_which_rooms_there_are(
    bench: SyncBench,
) -> None:
    upstream = bench.book_upstream(room=True)
    bench.box.away = True
    bench.running.start()
    await bench.clock.advance(30)
    assert bench.running.mirror.held("mews", person=True) == []
    bench.box.away = False
    await bench.clock.advance(10)
    [learned] = bench.box.of("stays.learn_booking")
    assert (learned["upstream_id"], learned["room_id"]) == (upstream, "r101")


@pytest.mark.parametrize("cut", [Cut.SILENT, Cut.REFUSED])
async def test_progress_resumes_within_ten_seconds_of_healing(bench: SyncBench, cut: Cut) -> None:
    bench.running.start()
    await until_quiet(bench)
    for number in range(3):
        bench.clouds.line.cut(cut)
        bench.sell(f"stay_{number}", room_id=None)
        await bench.clock.advance(400 + 7 * number)
        bench.clouds.line.heal()
        before = bench.bookings()
        await bench.clock.advance(10)
        assert bench.bookings() == before + 1


async def test_nothing_is_asked_of_a_line_that_is_down_but_probes(bench: SyncBench) -> None:
    bench.running.start()
    await until_quiet(bench)
    bench.clouds.line.cut(Cut.REFUSED)
    for number in range(20):
        bench.sell(f"stay_{number}", room_id=None)
    await bench.clock.advance(600)
    tries = [effect.tries for effect in bench.running.ledger.effects("kind = 'pms.book'")]
    assert sum(tries) <= 8
    bench.clouds.line.heal()
    await until_quiet(bench)
    assert bench.bookings() == 20


async def test_a_429_is_obeyed_and_then_everything_flows(bench: SyncBench) -> None:
    bench.running.start()
    await until_quiet(bench)
    bench.clouds.mews.faults.plan("customers/add", Fault.TOO_MANY)
    bench.sell()
    asked = bench.clouds.mews.asked
    await bench.clock.advance(25)
    assert bench.running.gates["mews"].breaker.standing == "limited"
    assert bench.clouds.mews.asked == asked + 1
    await until_quiet(bench)
    assert bench.bookings() == 1


async def test_a_429_without_a_word_is_backed_off_from(bench: SyncBench) -> None:
    bench.running.start()
    await until_quiet(bench)
    bench.clouds.mews.faults.plan("customers/add", Fault.TOO_MANY_BARE, times=3)
    bench.sell()
    await bench.clock.advance(300)
    await until_quiet(bench)
    assert bench.bookings() == 1


async def test_the_vendors_limit_is_kept_without_a_single_429(bench: SyncBench) -> None:
    bench.running.start()
    for number in range(150):
        bench.sell(f"stay_{number}", room_id=None)
    await until_quiet(bench)
    assert bench.bookings() == 150
    assert bench.clouds.mews.limits.refused == 0


async def test_the_limit_survives_a_restart(bench: SyncBench) -> None:
    await bench.turn()
    gate = bench.running.gates["mews"]
    while not gate._limiter.wait_ms(gate._now_ms()):
        gate._limiter = gate._limiter.spend(gate._now_ms())
    bench.running.ledger.keep("limiter.mews", gate._limiter.used)
    again = bench.start_again().gates["mews"]
    assert again._limiter.wait_ms(again._now_ms()) > 20_000


async def test_a_cool_down_survives_a_restart(bench: SyncBench) -> None:
    await bench.turn()
    bench.clouds.mews.faults.plan("*", Fault.TOO_MANY)
    assert not await bench.running.look()
    asked = bench.clouds.mews.asked
    bench.start_again()
    assert not await bench.running.look()
    assert bench.clouds.mews.asked == asked


async def test_a_refused_token_is_said_and_work_goes_on_when_it_is_taken_again(
    bench: SyncBench,
) -> None:
    bench.running.start()
    await until_quiet(bench)
    bench.clouds.mews.faults.plan("*", Fault.UNAUTHORIZED, times=3)
    bench.sell()
    await bench.clock.advance(20)
    (mews,) = [each for each in bench.running.report()["counterparties"] if each["name"] == "mews"]
    assert (mews["state"], mews["queued"]) == ("refused", 1)
    assert "credentials" in mews["sentence"]
    await bench.clock.advance(300)
    await until_quiet(bench)
    assert bench.bookings() == 1


async def test_a_restored_log_is_reconciled_before_anything_is_sent(bench: SyncBench) -> None:
    bench.running.start()
    bench.sell()
    bench.ask_deposit()
    upstream = bench.book_upstream()
    await until_quiet(bench)
    bench.box.restore_to(len(bench.box.facts) - 1)  # the deposit is lost there
    bench.sell("stay_2", room_id=None)
    bench.box.asked.clear()
    bench.ask_deposit()  # and asked again, under the same intent
    await bench.clock.advance(5)
    await until_quiet(bench)
    assert bench.charges() == 1
    assert bench.bookings() == 3
    # What the box had forgotten is told again.
    assert "stay_1" in {body["stay_id"] for body in bench.box.of("stays.link_upstream")}
    assert upstream in {body["upstream_id"] for body in bench.box.of("stays.learn_booking")}
    assert bench.box.of("payments.note_intent")[-1]["state"] == "succeeded"


async def test_a_restored_ledger_is_reconciled_before_anything_is_sent(bench: SyncBench) -> None:
    await bench.turn()
    bench.sell()
    bench.ask_deposit()
    await bench.running.follower.turn()
    bench.running.ledger.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    backup = bench.settings.ledger_path.read_bytes()
    await bench.turns(2)
    assert (bench.bookings(), bench.charges()) == (1, 1)
    bench.running.close()
    for path in bench.settings.ledger_path.parent.glob("sync.db*"):
        path.unlink()
    bench.settings.ledger_path.write_bytes(backup)  # both effects are queued in it
    bench.settings.restored_marker.touch()
    await bench.clock.advance(7 * 86_400)
    bench.start_again(stop=False)
    assert not bench.settings.restored_marker.exists()
    await bench.turns(4)
    assert (bench.bookings(), bench.charges()) == (1, 1)
    assert bench.effect("stripe.charge").state is EffectState.SUCCEEDED
    assert bench.effect("pms.book").state is EffectState.SUCCEEDED


async def test_the_box_may_be_away_and_nothing_is_lost(bench: SyncBench) -> None:
    bench.running.start()
    await until_quiet(bench)
    bench.box.away = True
    upstream = bench.book_upstream()
    await bench.clock.advance(120)
    bench.box.away = False
    await until_quiet(bench)
    assert upstream in {body["upstream_id"] for body in bench.box.of("stays.learn_booking")}


async def test_the_standing_is_told_at_least_every_few_seconds_and_never_lies(
    bench: SyncBench,
) -> None:
    bench.running.start()
    await until_quiet(bench)
    bench.clouds.line.cut(Cut.REFUSED)
    bench.sell()
    await bench.clock.advance(60)
    told = bench.box.reports[-1]
    mews = next(each for each in told["counterparties"] if each["name"] == "mews")
    assert mews["state"] == "down"
    assert mews["unanswered"]
    assert mews["queued"] == 1
    assert mews["last_confirmed_ms"] <= bench.clock.read().wall_ms - 55_000
    assert mews["oldest_ms"] <= bench.clock.read().wall_ms - 55_000


async def test_a_person_reads_the_whole_story_and_may_retry(bench: SyncBench) -> None:
    await bench.turn()
    bench.sell()
    store = bench.clouds.mews.store
    bench.running.mirror.put_room_type("double", "Double", None)
    await bench.running.follower.turn()
    name, category = next(iter(store.categories.items()))
    await park_the_sale(bench)
    effect = bench.effect("pms.book")
    assert effect.state is EffectState.PARKED
    bench.running.mirror.put_room_type("double", category.name, name)
    assert "queued again" in bench.running.retry(effect.id)
    await bench.turns(2)
    assert bench.bookings() == 1
    assert "no effect" in bench.running.retry("eff_unknown")


async def park_the_sale(bench: SyncBench) -> None:
    """Let the box's type be one that Mews does not have: it says so twice."""
    bench.running.mirror.put_room_type("double", "Double", "not an id of theirs")
    for _ in range(2):
        await bench.running.carrier.step()
        await bench.clock.advance(2)


async def _back_with_a_check_in_waiting(bench: SyncBench) -> str:
    """A guest came in the dark and another was sold by a channel; the list is slow to answer."""
    due = bench.book_upstream(room=True)
    bench.running.start()
    await until_quiet(bench)
    bench.clouds.line.cut(Cut.REFUSED)
    bench.box.say_booked(due, "due_1")
    bench.box.say(
        CheckedIn(
            stay_id="due_1",
            room_id="r101",
            arrival=ARRIVAL,
            departure=DEPARTURE,
            business_date=ARRIVAL,
        )
    )
    bench.sell("stay_9", room_id=None)
    await bench.clock.advance(60)
    return due


async def test_after_the_dark_sales_and_new_bookings_go_before_check_ins(bench: SyncBench) -> None:
    due = await _back_with_a_check_in_waiting(bench)
    store = bench.clouds.mews.store
    bench.clouds.mews.faults.plan(GET_ALL, Fault.SLOW, times=None, delay_s=15.0)
    bench.clouds.line.heal()
    await bench.clock.advance(12)
    assert bench.bookings() == 2, "the sale did not wait for the list"
    assert store.reservations[due].state is State.CONFIRMED, "the check-in did"
    bench.clouds.mews.faults.clear()
    await bench.clock.advance(30)
    assert store.reservations[due].state is State.STARTED


async def test_a_list_that_is_broken_holds_a_check_in_back_for_a_minute_not_for_ever(
    bench: SyncBench,
) -> None:
    due = await _back_with_a_check_in_waiting(bench)
    # The list of changes is refused for good; single bookings can be read.
    bench.clouds.mews.faults.plan("orderItems/getAll", Fault.CONFLICT, times=None)
    bench.book_upstream()
    bench.clouds.line.heal()
    await bench.clock.advance(150)
    assert bench.clouds.mews.store.reservations[due].state is State.STARTED


async def test_a_row_that_nobody_foresaw_stops_one_look_and_no_charge(
    bench: SyncBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken() -> bool:
        raise KeyError("UpdatedUtc of Ms Doe")

    pull = bench.running.pull
    assert pull is not None
    with monkeypatch.context() as strange:
        strange.setattr(pull, "look", broken)
        bench.running.start()
        bench.ask_deposit()
        await bench.clock.advance(60)
        assert bench.charges() == 1
        [shown] = bench.running.report()["parked"]
        assert (shown["entity"], "Doe" in shown["sentence"]) == ("mews", False)
    await bench.clock.advance(60)
    assert bench.running.report()["parked"] == []


async def test_what_a_vendor_of_before_is_owed_is_shown_and_holds_up_nobody(
    bench: SyncBench,
) -> None:
    bench.running.ledger.owe(
        Draft(
            natural_key="guesty.book:stay_1",
            counterparty="guesty",
            lane="stay:stay_1",
            kind="pms.book",
            body=b"{}",
            priority=0,
            made_ms=1,
        ),
        1,
    )
    bench.sell(room_id=None)
    await bench.turns(2)
    assert bench.bookings() == 1
    left = bench.running.report()["counterparties"][-1]
    assert (left["name"], left["queued"]) == ("guesty", 1)
    assert "not in the settings any more" in left["sentence"]
