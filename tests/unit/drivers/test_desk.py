"""One press moves one bolt once, and what is said of it is written down before."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from typing import Any

import pytest

from appliance.bus.words import LockRefusal, LockState, Outcome, Verb, command_topic, encode
from drivers.office import CANCEL_S_MAX, CARRY_S_MAX, HUNG_S_MAX, SETTLE_S_MAX, WAITING_MAX
from drivers.port import Attempt, Evidence, RadioLostError, Told
from support.driver_bench import DONE, LOCK, NOT_SENT, UNKNOWN, Hand, driver_bench


def _never() -> asyncio.Future[Told]:
    return asyncio.get_running_loop().create_future()


async def test_a_press_is_carried_out_and_its_evidence_told() -> None:
    hand = Hand()
    async with driver_bench(hand) as house:
        told = await house.ask(house.order())
        assert told.outcome is Outcome.DONE
        assert told.answer is not None
        assert told.answer.evidence == ("answer",)
        assert len(hand.orders) == 1


async def test_asking_twice_opens_once_and_says_the_same() -> None:
    hand = Hand()
    async with driver_bench(hand) as house:
        order = house.order()
        await house.ask(order)
        await house.core.publish(command_topic(LOCK), encode(order))
        await house.clock.settle()
        assert len(hand.orders) == 1
        first, second = [answer for answer in house.answers if answer.id == order.id]
        assert (first.repeated, second.repeated) == (False, True)
        assert replace(second, repeated=False) == first


async def test_a_repeat_that_overtakes_the_answer_waits_for_it() -> None:
    doing = _never()
    hand = Hand(does=doing)
    async with driver_bench(hand) as house:
        order = house.order()
        for _ in range(3):
            await house.core.publish(command_topic(LOCK), encode(order))
        await house.clock.settle()
        doing.set_result(DONE)
        await house.clock.settle()
        assert len(hand.orders) == 1
        assert [answer.outcome for answer in house.answers] == [Outcome.DONE] * 3


async def test_a_known_id_with_another_verb_is_refused_and_moves_nothing() -> None:
    hand = Hand()
    async with driver_bench(hand) as house:
        order = house.order(Verb.LOCK)
        await house.ask(order)
        await house.core.publish(command_topic(LOCK), encode(replace(order, verb=Verb.UNLOCK)))
        await house.clock.settle()
        assert len(hand.orders) == 1
        assert house.answers[-1].refusal is LockRefusal.BAD_FRAME


async def test_a_late_order_is_refused_and_stays_refused() -> None:
    hand = Hand()
    async with driver_bench(hand) as house:
        order = house.order(expires_at_ms=house.clock.read().wall_ms)
        told = await house.ask(order)
        assert (told.outcome, hand.orders) == (Outcome.REFUSED, [])
        assert told.answer is not None
        assert told.answer.refusal is LockRefusal.EXPIRED


async def test_the_attempt_is_on_disk_before_the_radio_hears_of_it() -> None:
    seen: list[Attempt | None] = []
    hand = Hand()
    async with driver_bench(hand) as house:

        def look() -> Told:
            seen.append(house.driver.keep.attempt(LOCK, "order-1"))
            assert not house.db.in_transaction
            return DONE

        hand.does = look
        await house.ask(house.order())
        assert seen[0] is not None
        assert seen[0].told is None


async def test_the_outcome_is_on_disk_before_it_is_said() -> None:
    async with driver_bench(Hand()) as house:
        written: list[Any] = []
        publish = house.bus.publish

        async def watched(topic: str, payload: bytes, **more: Any) -> Any:
            if topic.endswith("/up/answer"):
                attempt = house.driver.keep.attempt(LOCK, "order-1")
                written.append(attempt and attempt.told)
            return await publish(topic, payload, **more)

        house.bus.publish = watched  # type: ignore[method-assign] # what is said is watched here
        await house.ask(house.order())
        assert written == [DONE]


async def test_two_orders_of_one_lock_are_never_in_the_air_together() -> None:
    futures = [_never(), _never()]
    waiting = list(futures)
    hand = Hand(does=lambda: waiting.pop(0))
    async with driver_bench(hand) as house:
        for _ in futures:
            await house.core.publish(command_topic(LOCK), encode(house.order()))
        await house.clock.settle()
        assert len(hand.orders) == 1
        futures[0].set_result(DONE)
        await house.clock.settle()
        assert len(hand.orders) == 2
        futures[1].set_result(DONE)


async def test_one_lock_does_not_wait_for_another() -> None:
    slow, quick = Hand(does=_never()), Hand(name="lock-102")
    async with driver_bench(slow, quick) as house:
        await house.core.publish(command_topic(LOCK), encode(house.order()))
        told = await house.ask(house.order(), device="lock-102")
        assert told.outcome is Outcome.DONE


@pytest.mark.parametrize("error", [RuntimeError("482913"), RadioLostError("gone")])
async def test_whatever_is_raised_after_the_start_is_unknown(error: Exception) -> None:
    async with driver_bench(Hand(does=error)) as house:
        told = await house.ask(house.order())
        assert told.outcome is Outcome.UNKNOWN
        assert told.answer is not None
        assert told.answer.evidence == ("broke",)


async def test_not_sent_is_passed_on_where_the_radio_proves_it() -> None:
    async with driver_bench(Hand(does=NOT_SENT)) as house:
        order = house.order()
        await house.core.publish(command_topic(LOCK), encode(order))
        await house.clock.settle()
        assert [answer.outcome for answer in house.answers] == [Outcome.NOT_SENT]


async def test_without_its_radio_a_press_is_not_sent_and_never_sent_later() -> None:
    hand = Hand()
    async with driver_bench(hand) as house:
        house.radio.fall(RadioLostError("pulled out"))
        await house.clock.settle()
        order = house.order()
        await house.core.publish(command_topic(LOCK), encode(order))
        await house.clock.advance(30)
        await house.core.publish(command_topic(LOCK), encode(order))
        await house.clock.settle()
        assert hand.orders == []
        assert [answer.outcome for answer in house.answers] == [Outcome.NOT_SENT] * 2
        assert house.answers[0].evidence == ("no_radio",)


async def test_the_radio_gets_six_seconds_and_less_where_the_order_has_less() -> None:
    hand = Hand()
    async with driver_bench(hand) as house:
        began_s = house.clock.monotonic()
        await house.ask(house.order())
        await house.ask(house.order(expires_at_ms=house.clock.read().wall_ms + 2_000))
        assert [round(one - began_s) for one in hand.deadlines] == [CARRY_S_MAX, 2]


async def test_a_call_that_does_not_return_is_unknown_in_time_and_settled_when_it_does() -> None:
    doing = _never()
    async with driver_bench(Hand(does=doing)) as house:
        order = house.order()
        told = await house.ask(order)
        assert told.outcome is Outcome.UNKNOWN
        assert house.clock.monotonic() <= CARRY_S_MAX + SETTLE_S_MAX + 0.1
        doing.set_result(DONE)
        await house.clock.settle()
        assert house.answers[-1].outcome is Outcome.DONE
        assert house.answers[-1].id == order.id


async def test_a_call_that_never_returns_has_the_radio_started_anew() -> None:
    hand = Hand(does=_never())
    async with driver_bench(hand) as house:
        await house.ask(house.order())
        await house.clock.advance(HUNG_S_MAX + CANCEL_S_MAX + 5)
        assert house.radio.runs == 2
        hand.does = DONE
        assert (await house.ask(house.order())).outcome is Outcome.DONE
        assert house.deaths == []


async def test_a_call_that_cannot_even_be_cancelled_ends_the_process() -> None:
    class Stubborn(Hand):
        async def carry_out(self, order: Any, *, deadline_s: float, pin: Any = None) -> Told:
            self.orders.append(order)
            while True:
                try:
                    return await asyncio.shield(stuck)
                except asyncio.CancelledError:
                    if stuck.done():
                        raise

    stuck = _never()
    hand = Stubborn()
    async with driver_bench(hand) as house:
        await house.ask(house.order())
        await house.clock.advance(HUNG_S_MAX + CANCEL_S_MAX + 5)
        assert [name for name in house.deaths if "stuck" in name]
        await house.core.publish(command_topic(LOCK), encode(house.order()))
        await house.clock.settle()
        assert len(hand.orders) == 1  # the second never meets the first
        stuck.set_result(DONE)


async def test_a_flood_of_orders_is_told_to_wait() -> None:
    async with driver_bench(Hand(does=_never())) as house:
        for _ in range(WAITING_MAX + 5):
            await house.core.publish(command_topic(LOCK), encode(house.order()))
        await house.clock.settle()
        busy = [answer for answer in house.answers if answer.refusal is LockRefusal.BUSY]
        assert len(busy) == 5


# -- after a death ---------------------------------------------------------------------------


async def test_a_killed_driver_sends_nothing_again_and_says_unknown() -> None:
    hand = Hand(does=_never())
    async with driver_bench(hand) as house:
        order = house.order()
        await house.core.publish(command_topic(LOCK), encode(order))
        await house.clock.settle()
        await house.die()
        hand.does = DONE
        await house.start()
        await house.core.publish(command_topic(LOCK), encode(order))
        await house.clock.settle()
        assert len(hand.orders) == 1
        mine = [answer for answer in house.answers if answer.id == order.id]
        assert {answer.outcome for answer in mine} == {Outcome.UNKNOWN}
        assert mine[-1].evidence == ("restart",)


async def test_after_a_death_the_end_is_found_by_reading_and_said() -> None:
    hand = Hand(does=_never())
    async with driver_bench(hand) as house:
        order = house.order()
        await house.core.publish(command_topic(LOCK), encode(order))
        await house.clock.settle()
        await house.die()
        hand.finds = Told(outcome=Outcome.DONE, evidence=(Evidence.STATE_READ,))
        await house.start()
        await house.clock.advance(5)
        assert (house.answers[-1].id, house.answers[-1].outcome) == (order.id, Outcome.DONE)
        assert len(hand.orders) == 1
        assert house.driver.keep.unknown_count() == 0


async def test_an_end_that_nobody_heard_is_said_after_the_next_connect() -> None:
    doing = _never()
    async with driver_bench(Hand(does=doing)) as house:
        order = house.order()
        await house.core.publish(command_topic(LOCK), encode(order))
        await house.clock.settle()
        await house.bus.cut()
        doing.set_result(DONE)
        await house.clock.settle()
        assert house.answers == []
        await house.bus.connect()
        await house.clock.settle()
        assert [(answer.id, answer.outcome) for answer in house.answers] == [
            (order.id, Outcome.DONE)
        ]


# -- evidence --------------------------------------------------------------------------------


async def test_late_evidence_settles_an_unknown_and_is_said() -> None:
    async with driver_bench(Hand(does=UNKNOWN)) as house:
        order = house.order()
        await house.ask(order)
        assert house.radio.house is not None
        late = Told(outcome=Outcome.DONE, evidence=(Evidence.LATE_ANSWER,))
        await house.radio.house.settled(LOCK, order.id, late)
        await house.clock.settle()
        assert house.answers[-1].outcome is Outcome.DONE
        assert house.answers[-1].evidence == ("late_answer",)


async def test_what_is_settled_is_never_unsettled() -> None:
    async with driver_bench(Hand()) as house:
        order = house.order()
        await house.ask(order)
        assert house.radio.house is not None
        for outcome in (Outcome.REFUSED, Outcome.NOT_SENT, Outcome.UNKNOWN):
            other = Told(outcome=outcome, evidence=(Evidence.LATE_ANSWER,))
            await house.radio.house.settled(LOCK, order.id, other)
        attempt = house.driver.keep.attempt(LOCK, order.id)
        assert attempt is not None
        assert attempt.told == DONE


async def test_evidence_that_comes_during_the_call_is_not_lost() -> None:
    doing = _never()
    async with driver_bench(Hand(does=doing)) as house:
        order = house.order()
        await house.core.publish(command_topic(LOCK), encode(order))
        await house.clock.settle()
        assert house.radio.house is not None
        await house.radio.house.settled(LOCK, order.id, DONE)
        doing.set_result(UNKNOWN)
        await house.clock.settle()
        assert [answer.outcome for answer in house.answers] == [Outcome.DONE]


async def test_evidence_that_comes_while_unknown_is_being_said_is_not_lost() -> None:
    async with driver_bench(Hand(does=UNKNOWN)) as house:
        publish, late = house.bus.publish, [DONE]

        async def watched(topic: str, payload: bytes, **more: Any) -> Any:
            if topic.endswith("/up/answer") and late:
                assert house.radio.house is not None
                await house.radio.house.settled(LOCK, "order-1", late.pop())
            return await publish(topic, payload, **more)

        house.bus.publish = watched  # type: ignore[method-assign] # what is said is watched here
        await house.ask(house.order())
        await house.clock.settle()
        assert [answer.outcome for answer in house.answers] == [Outcome.UNKNOWN, Outcome.DONE]
        attempt = house.driver.keep.attempt(LOCK, "order-1")
        assert attempt is not None
        assert attempt.told == DONE


async def test_an_order_that_the_disk_took_too_long_to_write_down_is_never_sent() -> None:
    hand = Hand()
    async with driver_bench(hand) as house:
        begin = house.driver.keep.begin

        def slow(attempt: Attempt) -> bool:
            house.clock._start_wall_ms += 9_000
            return begin(attempt)

        house.driver.keep.begin = slow  # type: ignore[method-assign] # a disk that takes 9 s
        told = await house.ask(house.order())
        assert (told.outcome, hand.orders) == (Outcome.NOT_SENT, [])


async def test_asked_about_an_order_it_says_the_end_it_knows() -> None:
    async with driver_bench(Hand()) as house:
        order = house.order()
        await house.ask(order)
        told = (await house.ask(house.order(Verb.READ, about=order.id))).answer
        assert told is not None
        assert (told.about, told.about_outcome) == (order.id, Outcome.DONE)


async def test_asked_about_an_unknown_it_looks_at_once() -> None:
    hand = Hand(does=UNKNOWN)
    async with driver_bench(hand) as house:
        order = house.order()
        await house.ask(order)
        hand.finds = DONE
        told = (await house.ask(house.order(Verb.READ, about=order.id))).answer
        assert told is not None
        assert told.about_outcome is Outcome.DONE
        assert len(hand.orders) == 1


async def test_what_is_called_never_begun_never_begins() -> None:
    hand = Hand()
    async with driver_bench(hand) as house:
        late = house.order()
        await house.clock.advance(9)
        told = (await house.ask(house.order(Verb.READ, about=late.id))).answer
        assert told is not None
        assert told.about_outcome is None
        assert (told.wall_ms or 0) > late.expires_at_ms
        # The next life knows the time no better than the year before.
        await house.die()
        house.clock._start_wall_ms -= 86_400_000
        await house.start()
        await house.core.publish(command_topic(LOCK), encode(late))
        await house.clock.settle()
        assert hand.orders == []
        assert house.answers[-1].refusal is LockRefusal.EXPIRED


async def test_of_orders_from_before_its_file_it_says_that_it_cannot_know() -> None:
    async with driver_bench(Hand()) as house:
        start_ms = house.clock.read().wall_ms
        await house.clock.advance(60)
        told = (await house.ask(house.order(Verb.READ, about="of-another-radio"))).answer
        assert told is not None
        assert (told.about_outcome, told.since_ms) == (None, start_ms)
        # The next life has the same file, and knows as much.
        await house.die()
        await house.start()
        told = (await house.ask(house.order(Verb.READ, about="of-another-radio"))).answer
        assert told is not None
        assert told.since_ms == start_ms


async def test_asked_how_it_stands_the_state_is_said() -> None:
    stands = LockState(bolt="locked", battery_pct=80, seq=0, generation=0, wall_ms=START)
    async with driver_bench(Hand(stands=stands)) as house:
        told = await house.ask(house.order(Verb.READ))
        assert told.outcome is Outcome.DONE
        assert house.said[f"np/{LOCK}/up/state"] == encode(stands)


async def test_a_lock_that_decides_is_visited_with_the_key_for_errands() -> None:
    hand = Hand()
    async with driver_bench(hand) as house:
        told = await house.ask(house.order(Verb.READ, errand_key=b"key"))
        assert told.outcome is Outcome.DONE
        assert [(o.verb, o.errand_key) for o in hand.orders] == [(Verb.READ, b"key")]
        # One that breaks leaves the desk free for the guest's press.
        hand.does = RuntimeError("the radio broke")
        assert (await house.ask(house.order(Verb.READ, errand_key=b"key"))).outcome is not (
            Outcome.DONE
        )
        hand.does = DONE
        assert (await house.ask(house.order())).outcome is Outcome.DONE


# -- time and disk -----------------------------------------------------------------------------


async def test_a_satellite_that_does_not_know_the_time_opens_nothing() -> None:
    hand = Hand()
    async with driver_bench(hand, shares_clock=False, uncertainty_ms=10**9) as house:
        told = await house.ask(house.order())
        assert told.answer is not None
        assert (told.answer.refusal, hand.orders) == (LockRefusal.NO_TIME, [])
        assert (await house.ask(house.order(Verb.DENY))).outcome is Outcome.DONE


async def test_a_box_that_does_not_know_the_time_still_opens_its_doors() -> None:
    async with driver_bench(Hand(), uncertainty_ms=10**9) as house:
        assert (await house.ask(house.order())).outcome is Outcome.DONE


async def test_what_cannot_be_written_down_is_not_sent_at_all() -> None:
    hand = Hand()
    async with driver_bench(hand) as house:
        house.driver.keep.db = Full(house.db)
        order = house.order()
        await house.core.publish(command_topic(LOCK), encode(order))
        await house.clock.settle()
        house.driver.keep.db = house.db
        await house.core.publish(command_topic(LOCK), encode(order))
        await house.clock.settle()
        # Not even once there is room again: somebody was told that it was not sent.
        assert hand.orders == []
        assert [answer.outcome for answer in house.answers] == [Outcome.NOT_SENT] * 2


class Full:
    """A disk that takes nothing more from a moment on."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.full = True

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        if self.full and sql.startswith("BEGIN"):
            raise sqlite3.OperationalError("database or disk is full")
        return self._db.execute(sql, parameters)


async def test_an_end_is_said_once_the_disk_takes_it() -> None:
    doing = _never()
    async with driver_bench(Hand(does=doing)) as house:
        await house.core.publish(command_topic(LOCK), encode(house.order()))
        await house.clock.settle()
        full = house.driver.keep.db = Full(house.db)
        doing.set_result(DONE)
        await house.clock.settle()
        assert house.answers == []
        full.full = False
        await house.clock.advance(1)
        assert [answer.outcome for answer in house.answers] == [Outcome.DONE]


async def test_an_end_that_the_disk_never_takes_is_unknown_and_not_done_again() -> None:
    doing = _never()
    hand = Hand(does=doing)
    async with driver_bench(hand) as house:
        order = house.order()
        await house.core.publish(command_topic(LOCK), encode(order))
        await house.clock.settle()
        full = house.driver.keep.db = Full(house.db)
        doing.set_result(DONE)
        await house.clock.advance(30)
        full.full = False
        await house.core.publish(command_topic(LOCK), encode(order))
        await house.clock.settle()
        assert len(hand.orders) == 1
        assert [answer.outcome for answer in house.answers] == [Outcome.UNKNOWN]


async def test_a_full_disk_does_not_end_the_driver() -> None:
    async with driver_bench(Hand()) as house:
        full = house.driver.keep.db = Full(house.db)
        house.radio.fall(RadioLostError("and on top of it"))
        await house.clock.advance(600)
        assert house.deaths == []
        assert house.driver.supervisor.state().up
        full.full = False
        assert (await house.ask(house.order())).outcome is Outcome.DONE


START = 1_800_000_000_000
