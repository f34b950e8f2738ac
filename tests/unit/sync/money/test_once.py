"""The big promise: lost at any point, tried again after any time, each thing is done once.

Virtual time over the payment cloud of the twin, which forgets keys after 24 hours as the real one
may. Each case: one act, one point where its answer is lost, one time in the dark before the next
try. What a case did is counted by the bank's own journal, not by ours.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import pytest

from support.money_bench import AMOUNT_MINOR, MoneyBench
from sync.ledger import EffectState
from twin.clouds.faults import Fault
from twin.line import Cut

HOUR_S = 3_600.0
WAITS_S = {"1 min": 60.0, "25 h": 25 * HOUR_S, "7 days": 7 * 24 * HOUR_S}


@dataclass(frozen=True, slots=True)
class Act:
    """One thing asked of the bank: how it is prepared and asked, and what the bank counts."""

    kind: str
    endpoint: str
    counted: str
    prepare: Callable[[MoneyBench], Awaitable[None]]
    ask: Callable[[MoneyBench], None]


async def nothing(_money: MoneyBench) -> None:
    return


async def held(money: MoneyBench) -> None:
    money.ask_hold()
    await money.turn()


async def charged(money: MoneyBench) -> None:
    money.sync.ask_deposit()
    await money.turn()


ACTS = {
    "charge": Act(
        "stripe.charge",
        "POST /v1/payment_intents",
        "charged",
        nothing,
        lambda money: money.sync.ask_deposit(),
    ),
    "hold": Act(
        "stripe.hold", "POST /v1/payment_intents", "authorized", nothing, MoneyBench.ask_hold
    ),
    "capture": Act(
        "stripe.capture",
        "POST /v1/payment_intents/{id}/capture",
        "captured",
        held,
        MoneyBench.ask_capture,
    ),
    "release": Act(
        "stripe.release",
        "POST /v1/payment_intents/{id}/cancel",
        "canceled",
        held,
        MoneyBench.ask_release,
    ),
    "refund": Act("stripe.refund", "POST /v1/refunds", "refunded", charged, MoneyBench.ask_refund),
}

Point = Callable[[MoneyBench, Act], Awaitable[None]]


def fault(which: Fault) -> Point:
    """The answer is lost on its way, or there is another one."""

    async def happens(money: MoneyBench, act: Act) -> None:
        money.sync.clouds.stripe.faults.plan(act.endpoint, which)
        await money.turn(look=False)

    return happens


async def no_line(money: MoneyBench, _act: Act) -> None:
    money.sync.clouds.line.cut(Cut.REFUSED)
    await money.turn(look=False)


async def killed_before_the_first_byte(money: MoneyBench, act: Act) -> None:
    await money.killed_in_push(act.kind, sent=False)
    money.sync.start_again()


async def killed_before_our_commit(money: MoneyBench, act: Act) -> None:
    await money.killed_in_push(act.kind, sent=True)
    money.sync.start_again()


async def killed_after_our_commit(money: MoneyBench, _act: Act) -> None:
    await money.killed_untold()
    money.sync.start_again()


async def lost_and_killed(money: MoneyBench, act: Act) -> None:
    await fault(Fault.LOST_ANSWER)(money, act)
    money.sync.start_again()


async def lost_and_lost_again(money: MoneyBench, act: Act) -> None:
    money.sync.clouds.stripe.faults.plan(act.endpoint, Fault.LOST_ANSWER, times=2)
    money.sync.clouds.stripe.faults.plan("GET *", Fault.CUT_BODY, times=2)
    await money.turn(look=False)


async def ledger_lost(money: MoneyBench, _act: Act) -> None:
    """Done, told, and then sync.db is gone: the log is all there is."""
    await money.turn(look=False)
    money.sync.running.close()
    money.sync.settings.ledger_path.unlink()
    money.sync.start_again(stop=False)


POINTS: Mapping[str, Point] = {
    "before send": no_line,
    "killed before the first byte": killed_before_the_first_byte,
    "after send": fault(Fault.LOST_REQUEST),
    "turned away, 503": fault(Fault.SERVER_ERROR),
    "turned away, 429": fault(Fault.TOO_MANY),
    "turned away, 429 bare": fault(Fault.TOO_MANY_BARE),
    "turned away, 409": fault(Fault.CONFLICT),
    "after their commit": fault(Fault.LOST_ANSWER),
    "after their commit, silent": fault(Fault.NO_ANSWER),
    "after their commit, a stored 500": fault(Fault.BROKEN_STORED),
    "in the body": fault(Fault.CUT_BODY),
    "twice, and the look-ups too": lost_and_lost_again,
    "after their commit, and killed": lost_and_killed,
    "killed before our commit": killed_before_our_commit,
    "killed after our commit": killed_after_our_commit,
    "sync.db lost": ledger_lost,
}
# Where nothing reached the bank before the dark: a hold runs out meanwhile, as banks' holds do.
NEVER_ARRIVED = {
    "before send",
    "killed before the first byte",
    "after send",
    *(point for point in POINTS if point.startswith("turned away")),
}


@pytest.mark.parametrize("wait", WAITS_S)
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize(
    "act",
    [
        "charge",
        "capture",
        "refund",
        pytest.param("hold", marks=pytest.mark.slow),
        pytest.param("release", marks=pytest.mark.slow),
    ],
)
async def test_each_is_done_once(money: MoneyBench, act: str, point: str, wait: str) -> None:
    one = ACTS[act]
    await one.prepare(money)
    one.ask(money)
    await POINTS[point](money, one)
    await dark(money, WAITS_S[wait])
    await money.turns(5)
    effect = money.sync.effect(one.kind)
    if act == "capture" and wait == "7 days" and point in NEVER_ARRIVED:
        assert (effect.state, money.done("captured")) == (EffectState.EXPIRED, 0)
        return
    assert effect.state is EffectState.SUCCEEDED, effect.sentence
    assert money.done(one.counted) == 1
    assert await told_once(money, act)


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize(
    ("lost", "state", "charged"),
    [
        (Fault.LOST_REQUEST, EffectState.EXPIRED, 0),
        (Fault.LOST_ANSWER, EffectState.SUCCEEDED, 1),
    ],
)
async def test_past_its_time_the_same_key_charges_nothing_that_never_arrived(
    money: MoneyBench, lost: Fault, state: EffectState, charged: int, *, restarted: bool
) -> None:
    money.sync.clouds.stripe.faults.plan("POST /v1/payment_intents", lost)
    money.sync.ask_deposit(not_after_s=money.now_s() + 3_600)
    await money.turn(look=False)
    await dark(money, 2 * HOUR_S)
    if restarted:
        money.sync.start_again()
    await money.turns(3)
    assert money.sync.effect("stripe.charge").state is state
    assert money.done("charged") == charged
    assert money.said("intent")[-1]["state"] == state.value


async def test_what_may_be_under_way_is_not_called_too_late(money: MoneyBench) -> None:
    money.sync.clouds.stripe.faults.plan("POST /v1/payment_intents", Fault.LOST_REQUEST)
    money.sync.ask_deposit(not_after_s=money.now_s() + 30)
    await money.turn(look=False)
    await money.sync.clock.advance(60)
    await money.turn(look=False)
    assert money.sync.effect("stripe.charge").state is EffectState.UNKNOWN
    await money.turns(14)
    assert money.sync.effect("stripe.charge").state is EffectState.EXPIRED
    assert money.done("charged") == 0


async def dark(money: MoneyBench, seconds: float) -> None:
    """The line is dead and the box runs on: it tries, and nothing leaves."""
    line = money.sync.clouds.line
    line.cut(Cut.REFUSED)
    await money.turn(look=False)
    await money.sync.clock.advance(seconds)
    await money.turn(look=False)
    line.heal()
    await money.probed()


async def told_once(money: MoneyBench, act: str) -> bool:
    """The box has heard of the end, and of no other end."""
    ends = {
        "charge": ("intent", "succeeded"),
        "hold": ("intent", "held"),
        "capture": ("capture", "succeeded"),
        "release": ("intent", "released"),
        "refund": ("refund", "succeeded"),
    }
    what, state = ends[act]
    told = {(each["state"], each["provider_ref"]) for each in money.said(what)}
    final = [each for each in told if each[0] not in {"sending", "unknown", "queued"}]
    wanted = [each for each in final if each[0] == state]
    assert len(wanted) == 1, told
    return final == wanted or act == "release"  # a release ends a hold that was told before


async def test_one_whole_stay_lost_at_every_step(money: MoneyBench) -> None:
    faults = money.sync.clouds.stripe.faults
    for act in ("hold", "capture", "refund"):
        one = ACTS[act]
        if act == "refund":
            await money.turns(2)
        faults.plan(one.endpoint, Fault.LOST_ANSWER)
        one.ask(money)
        await money.turn(look=False)
        await dark(money, 25 * HOUR_S)
        await money.turns(4)
    assert [money.done(what) for what in ("authorized", "captured", "refunded")] == [1, 1, 1]
    given = money.sync.journal.read("payments.refunded")
    assert [entry["amount_minor"] for entry in given] == [AMOUNT_MINOR]


@pytest.mark.parametrize("days_behind", [2, 300])
async def test_a_box_that_woke_in_the_past_charges_once_and_under_one_key(
    money: MoneyBench, days_behind: int
) -> None:
    """No battery in its clock, no time server: only the bank's own `Date` tells what day it is."""
    clock = money.sync.own_clock
    clock.wrong_ms = -days_behind * 86_400_000
    clock.doubt_ms = (days_behind + 10) * 86_400_000
    # The first request is still at the bank when the second try looks: nothing is to be seen.
    money.sync.clouds.stripe.faults.plan("POST /v1/payment_intents", Fault.LOST_REQUEST)
    money.sync.ask_deposit()
    await money.turns(4)
    effect = money.sync.effect("stripe.charge")
    assert (effect.state, effect.attempt) == (EffectState.SUCCEEDED, 1)
    assert money.done("charged") == 1
    # Once the key may be forgotten there, evidence goes first, by the bank's time as well.
    money.sync.clouds.stripe.faults.plan("POST /v1/payment_intents", Fault.LOST_ANSWER)
    money.sync.ask_deposit(intent_id="intent_2")
    await money.turn(look=False)
    await dark(money, 25 * HOUR_S)
    await money.turns(2)
    assert money.done("charged") == 2


@pytest.mark.parametrize("lost", [Fault.LOST_ANSWER, Fault.LOST_REQUEST])
@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("dark_s", [60.0, 25 * HOUR_S])
@pytest.mark.parametrize("restarted", [False, True])
async def test_a_clock_that_is_days_ahead_hides_no_charge(
    money: MoneyBench, lost: Fault, dark_s: float, *, corrected: bool, restarted: bool
) -> None:
    """A time server was wrong and believed; set right, our time goes on and knows its doubt."""
    clock = money.sync.own_clock
    clock.wrong_ms = 3 * 86_400_000
    money.sync.box.clock = clock
    if restarted:
        money.sync.start_again()  # Stripe has not told its time yet
    money.sync.clouds.stripe.faults.plan("POST /v1/payment_intents", lost)
    money.sync.ask_deposit()
    await money.turn(look=False)
    clock.doubt_ms = clock.wrong_ms if corrected else 0
    await dark(money, dark_s)
    # What was done is not learned from the events first.
    for _ in range(3):
        await money.sync.clock.advance(61)
        await money.turn(look=False)
    await money.turns(2)
    assert money.done("charged") == 1
    assert money.sync.effect("stripe.charge").state is EffectState.SUCCEEDED
