"""A Nuki lock behind its bridge: one move for one order, and no claim without a proof."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.bus.words import EventKind, LockRefusal, LockState, Outcome, Verb
from appliance.kernel.clock import SystemClock
from appliance.kernel.tasks import Nursery
from drivers.facts import Facts
from drivers.http import nuki
from drivers.http.radio import build
from drivers.port import Alarm, Attempt, Evidence
from drivers.radios import NoSuchRadioError
from support.driver_house import HeardHouse
from support.foreign_house import order, setting
from support.http_house import Hosts, HttpHouse, nuki_thing, open_http_house
from twin.bolt import LOCKED, UNLOCKED
from twin.http.answers import Served
from twin.http.nuki import NukiBridgeTwin, NukiFault, NukiLockTwin
from twin.journal import Journal

if TYPE_CHECKING:
    from twin.http.answers import Handle

TOKEN = "bridge-token"
UNLOCK = order(Verb.UNLOCK)


class Bridge:
    """Hands the twin to the house and to the test."""

    def __init__(self, *locks: NukiLockTwin) -> None:
        self.locks = list(locks) or [NukiLockTwin("lock-9", 9)]
        self.twin: NukiBridgeTwin

    def hosts(self, clock: Any, nursery: Any, journal: Journal) -> dict[str, Handle]:
        self.twin = NukiBridgeTwin(TOKEN, self.locks, clock=clock, nursery=nursery, journal=journal)
        return {"http://nuki:8080": self.twin.handle}


def moves(at: HttpHouse, name: str = "lock-9") -> int:
    return at.journal.count("bolt", device=name, to=UNLOCKED)


def test_the_hashed_token_is_the_documents_own_example() -> None:
    made = nuki.proof("123456", "2019-03-05T01:06:53Z", 4711)
    assert made["hash"] == "f52eb5ce382e356c4239f8fb4d0a87402bb95b7b3124f0762b806ad7d0d01cb6"


async def test_an_unlock_moves_the_bolt_once_and_says_so() -> None:
    bridge = Bridge()
    async with open_http_house(bridge.hosts, nuki_thing()) as at:
        told = await at.told(UNLOCK)
        assert (told.outcome, told.evidence) == (Outcome.DONE, (Evidence.ANSWER,))
        await at.clock.settle()
        assert moves(at) == 1
        [(_, event)] = at.house.happenings
        assert (event.kind, event.order_id) == (EventKind.UNLOCKED, "o1")
        _, state = at.house.states[-1]
        assert isinstance(state, LockState)
        assert (state.bolt, state.battery_pct) == ("unlocked", 80)


PROVEN = [
    NukiFault.DROP_ANSWER,
    NukiFault.CUT_BODY,
    NukiFault.SILENT_DONE,
    NukiFault.SLOW,
    NukiFault.ERROR_DONE,
    NukiFault.BUSY_DONE,
    NukiFault.GARBAGE_DONE,
    NukiFault.HUGE_DONE,
]
NOT_DONE = [
    NukiFault.DROP_REQUEST,
    NukiFault.SILENT,
    NukiFault.ERROR,
    NukiFault.BUSY,
    NukiFault.GARBAGE,
    NukiFault.REDIRECT,
]


@pytest.mark.parametrize("fault", PROVEN)
async def test_a_lost_answer_is_settled_by_the_bolt_and_never_asked_again(fault: NukiFault) -> None:
    bridge = Bridge()
    async with open_http_house(bridge.hosts, nuki_thing()) as at:
        bridge.twin.faults.append(fault)
        told = await at.told(UNLOCK)
        assert told.outcome is Outcome.DONE
        assert told.evidence[-1] is Evidence.STATE_READ
        assert (moves(at), bridge.twin.actions) == (1, 1)


@pytest.mark.parametrize("fault", NOT_DONE)
async def test_an_order_that_may_have_been_heard_is_unknown_and_not_sent_again(
    fault: NukiFault,
) -> None:
    bridge = Bridge()
    async with open_http_house(bridge.hosts, nuki_thing()) as at:
        bridge.twin.faults.append(fault)
        assert (await at.told(UNLOCK)).outcome is Outcome.UNKNOWN
        await at.clock.advance(600)
        assert (moves(at), bridge.twin.actions) == (0, 1)


async def test_a_move_that_comes_late_settles_the_order_and_no_second_one_meets_it() -> None:
    bridge = Bridge()
    async with open_http_house(bridge.hosts, nuki_thing()) as at:
        bridge.twin.faults.append(NukiFault.LATE)
        assert (await at.told(UNLOCK, seconds=2.0)).outcome is Outcome.UNKNOWN
        again = await at.told(order(Verb.UNLOCK, 2))
        assert (again.outcome, again.refusal) == (Outcome.REFUSED, LockRefusal.BUSY)
        await at.clock.advance(31)
        assert moves(at) == 1
        [(_, order_id, told)] = at.house.ends
        assert (order_id, told.outcome) == ("o1", Outcome.DONE)
        assert [e.order_id for _, e in at.house.happenings] == ["o1"]


async def test_an_open_bolt_proves_nothing_of_an_order_that_was_lost() -> None:
    bridge = Bridge(NukiLockTwin("lock-9", 9, position=UNLOCKED))
    async with open_http_house(bridge.hosts, nuki_thing()) as at:
        bridge.twin.faults.append(NukiFault.DROP_REQUEST)
        assert (await at.told(UNLOCK)).outcome is Outcome.UNKNOWN


async def test_an_end_is_found_later_by_reading() -> None:
    bridge = Bridge()
    async with open_http_house(bridge.hosts, nuki_thing()) as at:
        bridge.twin.faults.append(NukiFault.LATE)
        await at.told(UNLOCK, seconds=2.0)
        begun = Attempt(device="lock-9", order_id="o1", verb="unlock", begun_ms=0, expires_at_ms=0)
        assert await at.clock.run_until(at.thing.find_out(begun), 20) is None
        await at.clock.advance(5)
        told = await at.clock.run_until(at.thing.find_out(begun), 20)
        assert told is not None
        assert told.outcome is Outcome.DONE
        assert bridge.twin.actions == 1


async def test_a_later_orders_doing_is_no_proof_of_an_earlier_one() -> None:
    """Found by the campaign: an order that was lost became DONE when the next guest came in."""
    bridge = Bridge()
    async with open_http_house(bridge.hosts, nuki_thing()) as at:
        bridge.twin.faults.append(NukiFault.ERROR)
        await at.told(UNLOCK)
        begun = Attempt(device="lock-9", order_id="o1", verb="unlock", begun_ms=0, expires_at_ms=0)
        await at.clock.advance(40)
        assert (await at.told(order(Verb.UNLOCK, 2))).outcome is Outcome.DONE
        assert await at.clock.run_until(at.thing.find_out(begun), 20) is None
        assert (moves(at), bridge.twin.actions) == (1, 2)


async def test_after_minutes_an_open_bolt_may_be_anybodys_doing() -> None:
    bridge = Bridge()
    async with open_http_house(bridge.hosts, nuki_thing()) as at:
        bridge.twin.faults.append(NukiFault.ERROR)
        await at.told(UNLOCK)
        begun = Attempt(device="lock-9", order_id="o1", verb="unlock", begun_ms=0, expires_at_ms=0)
        await at.clock.advance(130)
        bridge.twin.turn_by_hand(9, UNLOCKED)
        assert await at.clock.run_until(at.thing.find_out(begun), 20) is None


@pytest.mark.parametrize("fault", [NukiFault.UNAUTHORISED])
async def test_what_the_bridge_did_not_take_was_not_sent(fault: NukiFault) -> None:
    bridge = Bridge()
    async with open_http_house(bridge.hosts, nuki_thing()) as at:
        bridge.twin.faults.append(fault)
        assert (await at.told(UNLOCK)).outcome is Outcome.NOT_SENT
        assert moves(at) == 0


async def test_a_bridge_that_is_away_is_an_alarm_and_nothing_is_sent() -> None:
    bridge = Bridge()
    async with open_http_house(bridge.hosts, nuki_thing()) as at:
        at.wires["http://nuki:8080"].handle = None
        assert (await at.told(UNLOCK)).outcome is Outcome.NOT_SENT
        await at.clock.advance(31)
        assert at.house.alarms[Alarm.RADIO_LOST, "nuki:8080"] is True
        assert at.house.presences[-1] == ("lock-9", False)
        at.wires["http://nuki:8080"].handle = bridge.twin.handle
        await at.clock.advance(31)
        assert at.house.alarms[Alarm.RADIO_LOST, "nuki:8080"] is False
        assert at.house.presences[-1] == ("lock-9", True)


async def test_a_wrong_token_is_an_alarm_for_a_person() -> None:
    bridge = Bridge()
    async with open_http_house(bridge.hosts, nuki_thing(token="another")) as at:
        await at.clock.settle()
        assert at.house.alarms[Alarm.RADIO_FOREIGN, "lock-9"] is True
        assert (await at.told(UNLOCK)).outcome is Outcome.NOT_SENT


async def test_a_jam_is_a_refusal_by_the_locks_own_word() -> None:
    bridge = Bridge()
    async with open_http_house(bridge.hosts, nuki_thing()) as at:
        bridge.twin.faults.append(NukiFault.JAM)
        told = await at.told(UNLOCK)
        assert (told.outcome, told.refusal) == (Outcome.REFUSED, LockRefusal.JAMMED)
        await at.clock.advance(31)
        assert EventKind.JAMMED in [e.kind for _, e in at.house.happenings]


async def test_a_hand_at_the_knob_and_a_low_cell_are_told() -> None:
    lock = NukiLockTwin("lock-9", 9)
    bridge = Bridge(lock)
    async with open_http_house(bridge.hosts, nuki_thing()) as at:
        bridge.twin.turn_by_hand(9, UNLOCKED)
        await at.clock.advance(31)
        lock.keypad_critical, lock.door = True, 3
        bridge.twin.turn_by_hand(9, LOCKED)
        await at.clock.advance(31)
        kinds = [e.kind for _, e in at.house.happenings]
        assert kinds == [
            EventKind.UNLOCKED,
            EventKind.LOCKED,
            EventKind.DOOR_OPENED,
            EventKind.BATTERY_CRITICAL,
        ]


async def test_two_locks_of_one_bridge_are_asked_one_after_the_other() -> None:
    bridge = Bridge(NukiLockTwin("lock-9", 9), NukiLockTwin("lock-8", 8))
    busy: list[int] = []

    def hosts(clock: Any, nursery: Any, journal: Journal) -> dict[str, Handle]:
        handle = bridge.hosts(clock, nursery, journal)["http://nuki:8080"]
        inside = 0

        async def counted(request: Any) -> Any:
            nonlocal inside
            inside += 1
            busy.append(inside)
            try:
                return await handle(request)
            finally:
                inside -= 1

        return {"http://nuki:8080": counted}

    counting: Hosts = hosts
    things = (nuki_thing(), nuki_thing("lock-8", 8))
    async with open_http_house(counting, *things) as at:
        works = [
            at.nursery.mortal(
                name,
                at.radio.devices[name].carry_out(
                    order(Verb.UNLOCK, n), deadline_s=at.clock.monotonic() + 6
                ),
            )
            for n, name in enumerate(("lock-9", "lock-8"))
        ]
        for work in works:
            assert (await at.clock.run_until(work, 60)).outcome is Outcome.DONE
        assert max(busy) == 1
        assert (moves(at), moves(at, "lock-8")) == (1, 1)


async def test_who_waits_too_long_for_the_bridge_was_not_sent() -> None:
    bridge = Bridge(NukiLockTwin("lock-9", 9), NukiLockTwin("lock-8", 8))
    async with open_http_house(bridge.hosts, nuki_thing(), nuki_thing("lock-8", 8)) as at:
        bridge.twin.faults.append(NukiFault.SILENT)
        works = [
            at.nursery.mortal(
                name,
                at.radio.devices[name].carry_out(
                    order(Verb.UNLOCK, n), deadline_s=at.clock.monotonic() + seconds
                ),
            )
            for n, (name, seconds) in enumerate((("lock-9", 6.0), ("lock-8", 3.0)))
        ]
        first, second = [await at.clock.run_until(work, 60) for work in works]
        assert first.outcome is Outcome.UNKNOWN
        assert second.outcome is Outcome.NOT_SENT
        assert bridge.twin.actions == 1


@pytest.mark.parametrize("verb", [Verb.PUT_PIN, Verb.CLEAR_PIN, Verb.SET_CLOCK, Verb.BLINK])
async def test_what_the_bridge_has_no_word_for_is_not_supported(verb: Verb) -> None:
    bridge = Bridge()
    async with open_http_house(bridge.hosts, nuki_thing()) as at:
        told = await at.told(order(verb, slot=1))
        assert told.refusal is LockRefusal.NOT_SUPPORTED
        assert bridge.twin.actions == 0


@pytest.mark.parametrize(
    ("options", "action"),
    [({}, "1"), ({"unlatch": True}, "3"), ({"device_type": 2}, "3")],
)
async def test_the_latch_is_drawn_only_where_the_sheet_says_so(
    options: dict[str, Any], action: str
) -> None:
    lock = NukiLockTwin("lock-9", 9, device_type=int(options.get("device_type", 0)))
    bridge, seen = Bridge(lock), []

    def hosts(clock: Any, nursery: Any, journal: Journal) -> dict[str, Handle]:
        handle = bridge.hosts(clock, nursery, journal)["http://nuki:8080"]

        async def watched(request: Any) -> Any:
            seen.append(request.query.get("action"))
            return await handle(request)

        return {"http://nuki:8080": watched}

    async with open_http_house(hosts, nuki_thing(**options)) as at:
        await at.told(UNLOCK)
        assert action in seen


async def test_on_a_real_socket_a_call_of_the_bridge_is_a_hint_and_the_list_is_the_word() -> None:
    clock, journal = SystemClock(floor_path=None), Journal()
    nursery = Nursery(lambda _n, _e: None)
    bridge = NukiBridgeTwin(
        TOKEN, [NukiLockTwin("lock-9", 9)], clock=clock, nursery=nursery, journal=journal
    )
    served = Served(bridge.handle, clock)
    thing = nuki_thing()

    thing = replace(thing, address=await served.start())
    options = {"listen": "127.0.0.1:0"}
    radio = build(setting((thing,), kind="http", clock=clock, nursery=nursery, options=options))
    house = Heard()
    running = nursery.mortal("radio", radio.run(house))
    try:
        await house.there.wait()
        assert bridge.callbacks, "the address is given before the first look"
        bridge.turn_by_hand(9, UNLOCKED)
        async with aiohttp.ClientSession() as session:
            # A stranger's lie in the body: thrown away unread.
            lie = {"nukiId": 9, "state": 254}
            async with session.post(bridge.callbacks[0], json=lie) as response:
                assert response.status == 204
            base = bridge.callbacks[0].rpartition("/")[0]
            async with session.post(f"{base}/guess", json=lie) as response:
                assert response.status == 404
        await house.heard.wait()
        assert [e.kind for _, e in house.happenings] == [EventKind.UNLOCKED]
    finally:
        running.cancel()
        await nursery.close()
        await served.close()


class Heard(HeardHouse):
    """Rings when the first event was heard."""

    def __init__(self) -> None:
        super().__init__()

        self.heard = asyncio.Event()
        self.there = asyncio.Event()

    async def happened(self, device: str, what: Any) -> None:
        await super().happened(device, what)
        self.heard.set()

    async def present(self, device: str, *, online: bool) -> None:
        await super().present(device, online=online)
        self.there.set()


def test_a_thing_that_cannot_be_reached_says_what_is_missing() -> None:
    nameless = replace(nuki_thing(), options={"token": TOKEN})
    for wrong_thing, cure in (
        (nuki_thing(token=""), "token"),
        (nameless, "nuki_id"),
        (replace(nuki_thing(), protocol="saltos"), "nuki or shelly"),
        (replace(nuki_thing(), address="nuki:8080"), "http://host:port"),
    ):
        with pytest.raises(NoSuchRadioError, match=cure):
            build(setting((wrong_thing,), kind="http"))


@pytest.mark.parametrize(
    ("state", "facts"),
    [
        ({"state": 1, "batteryCritical": False}, Facts(bolt="locked", battery_pct=100)),
        ({"state": 5, "batteryCritical": True}, Facts(bolt="unlocked", battery_pct=5)),
        ({"state": 2, "batteryChargePercent": 46}, Facts(battery_pct=46)),
        ({"state": 254, "doorsensorState": 3}, Facts(bolt="jammed", ajar=True)),
        ({"state": 3, "keypadBatteryCritical": True}, Facts(bolt="unlocked", battery_pct=5)),
        ({"state": 255, "doorsensorState": 4}, Facts()),
    ],
)
def test_a_documented_state_is_read(state: dict[str, Any], facts: Facts) -> None:
    body = msgspec.json.encode([{"deviceType": 0, "nukiId": 9, "lastKnownState": state}])
    words = nuki.read_list(body)
    assert words is not None
    assert words[0].facts == facts


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=80)
    | st.sampled_from(
        [
            b"[" * 60_000,
            b'[{"nukiId": true, "lastKnownState": {"state": 1}}]',
            b'[{"nukiId": 1, "lastKnownState": {"state": "1"}}]',
            b'[{"nukiId": 1, "lastKnownState": {"state": 1, "doorsensorState": []}}]',
            b'{"success": 1}',
            b'{"callbacks": [{"url": 5}, 3]}',
            b"[1, null]",
        ]
    )
)
def test_no_body_raises_anything(body: bytes) -> None:
    nuki.read_list(body)
    nuki.read_state(body, 1, 0)
    nuki.read_callbacks(body)
    assert nuki.read_success(body) in {None, True, False}
