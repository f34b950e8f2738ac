"""A radio that goes comes back; one that hangs is started anew; what it suffers from has an age."""

from __future__ import annotations

import pytest

from appliance.bus.words import (
    DeviceKind,
    EventKind,
    LockRefusal,
    LockState,
    Outcome,
    Presence,
    RadioState,
    TunnelFrame,
    command_topic,
    decode,
    encode,
    online_topic,
    radio_topic,
    tunnel_topic,
)
from drivers.port import Alarm, Happening, NeedsPersonError, RadioLostError
from drivers.supervisor import PAUSES_S, RUNS_S, SAY_S, SETTLED_S
from support.driver_bench import BRIDGE, LOCK, UNKNOWN, DriverBench, Hand, driver_bench

STATE = LockState(bolt="locked", battery_pct=80, seq=0, generation=0, wall_ms=1)


def _radio(bench: DriverBench) -> RadioState:
    state = decode(bench.said[radio_topic(BRIDGE)], RadioState)
    assert state is not None
    return state


def _online(bench: DriverBench, name: str = LOCK) -> bool:
    presence = decode(bench.said[online_topic(name)], Presence)
    assert presence is not None
    return presence.online


async def _here(bench: DriverBench) -> None:
    assert bench.radio.house is not None
    await bench.radio.house.present(LOCK, online=True)
    await bench.clock.settle()


async def test_a_thing_is_away_until_its_radio_has_heard_it() -> None:
    async with driver_bench(Hand()) as bench:
        assert not _online(bench)
        await _here(bench)
        assert _online(bench)
        assert _online(bench, BRIDGE)
        assert _radio(bench).names == (LOCK,)


async def test_a_lost_radio_takes_its_things_away_and_says_since_when() -> None:
    async with driver_bench(Hand()) as bench:
        await _here(bench)
        await bench.clock.advance(5)
        lost_ms = bench.clock.read().wall_ms
        bench.radio.fall(RadioLostError("pulled out"))
        await bench.clock.settle()
        state = _radio(bench)
        assert (state.up, state.since_ms, state.alarms) == (
            False,
            lost_ms,
            (("radio_lost", lost_ms),),
        )
        assert not _online(bench)


async def test_a_lost_radio_is_tried_again_with_growing_pauses() -> None:
    async with driver_bench(Hand()) as bench:
        pauses = []
        for _ in range(8):
            bench.radio.fall(RadioLostError("pulled out"))
            await bench.clock.settle()
            began_s, runs = bench.clock.monotonic(), bench.radio.runs
            while bench.radio.runs == runs:
                await bench.clock.advance(0.5)
            pauses.append(bench.clock.monotonic() - began_s)
        assert pauses == [*PAUSES_S[1:], PAUSES_S[-1], PAUSES_S[-1], PAUSES_S[-1]]
        assert bench.deaths == []


async def test_a_radio_that_served_comes_back_at_once() -> None:
    async with driver_bench(Hand()) as bench:
        await bench.clock.advance(SETTLED_S + 1)
        bench.radio.fall(RadioLostError("pulled out"))
        await bench.clock.advance(PAUSES_S[0] + 0.1)
        assert bench.radio.runs == 2


@pytest.mark.parametrize("heard", [True, False])
async def test_the_alarm_ends_when_the_radio_is_heard_or_simply_runs(heard: bool) -> None:  # noqa: FBT001 - a parameter
    async with driver_bench(Hand()) as bench:
        bench.radio.fall(RuntimeError("a bug"))
        await bench.clock.advance(PAUSES_S[1] + 0.1)
        assert [name for name, _ in _radio(bench).alarms] == ["radio_lost"]
        if heard:
            await _here(bench)
        else:
            await bench.clock.advance(RUNS_S)
        assert _radio(bench).alarms == ()
        assert _radio(bench).restarts == 1


async def test_a_foreign_stick_is_not_touched_again_and_the_process_lives() -> None:
    async with driver_bench(Hand()) as bench:
        bench.radio.fall(NeedsPersonError("another network"))
        await bench.clock.advance(3_600)
        assert bench.radio.runs == 1
        assert [name for name, _ in _radio(bench).alarms] == ["radio_foreign"]
        assert bench.deaths == []


async def test_how_the_radio_stands_is_said_again_though_nothing_changed() -> None:
    async with driver_bench(Hand()) as bench:
        before = _radio(bench).wall_ms
        await bench.clock.advance(SAY_S + 1)
        assert _radio(bench).wall_ms >= before + SAY_S * 1_000


async def test_everything_retained_is_said_again_after_a_connect() -> None:
    async with driver_bench(Hand()) as bench:
        await _here(bench)
        assert bench.radio.house is not None
        await bench.radio.house.stated(LOCK, STATE)
        await bench.clock.settle()
        await bench.bus.cut()
        bench.said.clear()
        await bench.bus.connect()
        await bench.clock.settle()
        topics = {radio_topic(BRIDGE), online_topic(BRIDGE), online_topic(LOCK)}
        assert topics | {f"np/{LOCK}/up/state"} <= set(bench.said)
        assert _online(bench)


async def test_a_driver_that_dies_is_seen_by_its_will() -> None:
    async with driver_bench(Hand()) as bench:
        await _here(bench)
        await bench.die()
        await bench.clock.settle()
        assert not _online(bench, BRIDGE)


async def test_the_last_state_is_said_by_the_next_life() -> None:
    async with driver_bench(Hand()) as bench:
        assert bench.radio.house is not None
        await bench.radio.house.stated(LOCK, STATE)
        await bench.clock.advance(SAY_S + 1)
        await bench.die()
        bench.said.clear()
        await bench.start()
        assert bench.said[f"np/{LOCK}/up/state"] == encode(STATE)


# -- events ------------------------------------------------------------------------------------


async def test_an_event_is_on_disk_when_its_device_may_forget_it() -> None:
    async with driver_bench(Hand()) as bench:
        await bench.bus.cut()
        assert bench.radio.house is not None
        await bench.radio.house.happened(LOCK, Happening(kind=EventKind.TAMPER))
        await bench.die()
        assert bench.events == []
        await bench.start()
        assert [(name, event.kind) for name, event in bench.events] == [(LOCK, EventKind.TAMPER)]


async def test_an_event_that_names_its_order_settles_it() -> None:
    hand = Hand(does=UNKNOWN)
    async with driver_bench(hand) as bench:
        order = bench.order()
        await bench.ask(order)
        assert bench.radio.house is not None
        what = Happening(kind=EventKind.UNLOCKED, own_seq=9, order_id=order.id)
        await bench.radio.house.happened(LOCK, what)
        await bench.clock.settle()
        answer = bench.answers[-1]
        assert (answer.outcome, answer.evidence, answer.seq) == (Outcome.DONE, ("event",), 9)


async def test_a_jam_proves_that_it_did_not_open() -> None:
    async with driver_bench(Hand(does=UNKNOWN)) as bench:
        order = bench.order()
        await bench.ask(order)
        assert bench.radio.house is not None
        await bench.radio.house.happened(LOCK, Happening(kind=EventKind.JAMMED, order_id=order.id))
        await bench.clock.settle()
        assert (bench.answers[-1].outcome, bench.answers[-1].refusal) == (
            Outcome.REFUSED,
            LockRefusal.JAMMED,
        )


async def test_an_event_of_another_act_proves_nothing() -> None:
    async with driver_bench(Hand(does=UNKNOWN)) as bench:
        order = bench.order()
        await bench.ask(order)
        assert bench.radio.house is not None
        for kind in (EventKind.LOCKED, EventKind.DOOR_OPENED):
            await bench.radio.house.happened(LOCK, Happening(kind=kind, order_id=order.id))
        assert bench.driver.keep.unknown_count() == 1


async def test_a_lock_that_does_not_decide_has_its_events_numbered_here() -> None:
    async with driver_bench(Hand(decides=False)) as bench:
        assert bench.radio.house is not None
        what = Happening(kind=EventKind.UNLOCKED, own_seq=4_711)
        for _ in range(2):
            await bench.radio.house.happened(LOCK, what)
        await bench.radio.house.stated(LOCK, STATE)
        await bench.clock.settle()
        assert [event.seq for _, event in bench.events] == [1]
        state = decode(bench.said[f"np/{LOCK}/up/state"], LockState)
        assert state is not None
        assert state.seq == 1


async def test_alarms_of_devices_are_shown_with_their_age() -> None:
    async with driver_bench(Hand()) as bench:
        assert bench.radio.house is not None
        since_ms = bench.clock.read().wall_ms
        await bench.radio.house.alarm(Alarm.DEVICE_SILENT, device=LOCK)
        await bench.clock.advance(100)
        await bench.radio.house.alarm(Alarm.DEVICE_SILENT, device=LOCK)
        await bench.clock.settle()
        assert _radio(bench).alarms == ((f"device_silent:{LOCK}", since_ms),)


# -- what comes in that is nothing -------------------------------------------------------------


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"id":1}', b"\xff" * 20_000])
async def test_what_is_no_order_changes_nothing_and_stops_nothing(payload: bytes) -> None:
    hand = Hand()
    async with driver_bench(hand) as bench:
        await bench.core.publish(command_topic(LOCK), payload)
        await bench.core.publish(tunnel_topic(LOCK, down=True), payload)
        await bench.clock.settle()
        assert (hand.orders, bench.answers) == ([], [])
        assert (await bench.ask(bench.order())).outcome is Outcome.DONE


async def test_an_order_that_the_broker_kept_for_everybody_is_none() -> None:
    hand = Hand()
    async with driver_bench(hand) as bench:
        await bench.die()
        await bench.core.publish(command_topic(LOCK), encode(bench.order()), retain=True)
        # A new session: the kept word comes as one, not as what was owed.
        bench.hub._members.pop(BRIDGE)
        await bench.start()
        assert hand.orders == []


# -- tunnels -------------------------------------------------------------------------------------


class Tunnelled(Hand):
    """A lock that lets frames through."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[TunnelFrame] = []

    async def tunnel(self, frame: TunnelFrame) -> None:
        if frame.frame == b"break":
            raise ConnectionError
        self.frames.append(frame)


async def _send(bench: DriverBench, *frames: TunnelFrame) -> None:
    for frame in frames:
        await bench.core.publish(tunnel_topic(LOCK, down=True), encode(frame))
    await bench.clock.settle()


def _back(bench: DriverBench) -> TunnelFrame | None:
    return decode(bench.said.get(tunnel_topic(LOCK, down=False), b""), TunnelFrame)


async def test_frames_go_to_the_lock_in_order_and_come_back() -> None:
    lock = Tunnelled()
    async with driver_bench(lock) as bench:
        frames = [TunnelFrame(session="s", number=n, frame=bytes([n])) for n in range(40)]
        await _send(bench, *frames)
        assert lock.frames == frames
        assert bench.radio.house is not None
        answer = TunnelFrame(session="s", number=0, frame=b"lock")
        await bench.radio.house.tunnelled(LOCK, answer)
        await bench.clock.settle()
        assert _back(bench) == answer


async def test_a_tunnel_to_a_lock_without_one_is_hung_up_with_a_word() -> None:
    async with driver_bench(Hand()) as bench:
        await _send(bench, TunnelFrame(session="s", number=0, frame=b"x"))
        assert _back(bench) == TunnelFrame(session="s", number=0, end=True, why="not_supported")
        bench.radio.fall(RadioLostError("pulled out"))
        await bench.clock.settle()
        await _send(bench, TunnelFrame(session="t", number=0, frame=b"x"))
        assert _back(bench) == TunnelFrame(session="t", number=0, end=True, why="no_radio")


async def test_a_tunnel_that_breaks_is_hung_up_and_the_next_works() -> None:
    lock = Tunnelled()
    async with driver_bench(lock) as bench:
        await _send(bench, TunnelFrame(session="s", number=0, frame=b"break"))
        assert _back(bench) == TunnelFrame(session="s", number=0, end=True, why="broke")
        await _send(bench, TunnelFrame(session="t", number=0, frame=b"x"))
        assert [frame.session for frame in lock.frames] == ["t"]


async def test_things_of_any_kind_take_orders() -> None:
    async with driver_bench(Hand(name="switch-1", kind=DeviceKind.SWITCH)) as bench:
        assert (await bench.ask(bench.order(), device="switch-1")).outcome is Outcome.DONE
