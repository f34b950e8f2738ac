"""Promises of the event stream: nothing is lost by a reconnect, and a storm is one read."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.kernel.clock import ClockTrust, SystemClock
from appliance.kernel.tasks import Nursery
from support.clouds import House
from support.mews_stream import DialInProcess
from support.sync_bench import SyncBench, sync_bench
from sync.pms.mews.client import MewsAccount
from sync.pms.mews.dial import Dialler
from sync.pms.mews.stream import AGE_S_MAX, PATH, Hints, Stream, StreamAwayError, hints_of
from twin.clouds.mews import ACCESS_TOKEN, CLIENT_TOKEN, RoomState
from twin.clouds.serve import PMS_IN_PROCESS, Clouds

ONE, TWO = str(UUID(int=1)), str(UUID(int=2))
FETCH = "reservations/getAll/2023-06-06"


class Streaming:
    """A property whose sync runs by itself, with the stream and without looks of its own."""

    def __init__(self, bench: SyncBench) -> None:
        self.bench = bench
        self.streams = bench.clouds.mews.streams
        self.dial = DialInProcess(self.streams)
        bench.settings = replace(
            bench.settings,
            pull_interval_s=86_400.0,
            pms=MewsAccount(
                base_url=PMS_IN_PROCESS,
                client_token=CLIENT_TOKEN,
                access_token=ACCESS_TOKEN,
                stream_url="wss://stream.twin",
            ),
        )
        bench.dial = self.dial
        bench.start_again()
        bench.running.start()

    def learned(self) -> list[str]:
        return [body["upstream_id"] for body in self.bench.box.of("stays.learn_booking")]

    def reads(self) -> int:
        return self.bench.clouds.mews.counted(FETCH)


@pytest.fixture
async def streaming(tmp_path: Path) -> AsyncIterator[Streaming]:
    async with sync_bench(tmp_path) as bench:
        found = Streaming(bench)
        await bench.clock.advance(10)
        assert found.streams.listeners == 1
        yield found


async def test_a_booking_reaches_the_box_when_mews_tells_of_it(streaming: Streaming) -> None:
    upstream = streaming.bench.book_upstream()
    await streaming.bench.clock.advance(2)
    assert streaming.learned() == [upstream]


async def test_five_times_the_same_events_in_any_order_are_one_read(streaming: Streaming) -> None:
    before = streaming.reads()
    streaming.streams.faults.copies, streaming.streams.faults.hold = 5, 3
    upstream = [streaming.bench.book_upstream() for _ in range(3)]
    await streaming.bench.clock.advance(5)
    assert sorted(streaming.learned()) == sorted(upstream)
    assert streaming.reads() - before == 1


async def test_what_happened_while_nobody_listened_is_found_after_the_reconnect(
    streaming: Streaming,
) -> None:
    streaming.streams.drop()
    upstream = streaming.bench.book_upstream()  # told to nobody
    assert streaming.streams.listeners == 0
    await streaming.bench.clock.advance(10)
    assert streaming.streams.listeners == 1
    assert streaming.learned() == [upstream]


async def test_a_silent_line_is_given_up_and_what_it_hid_is_found(streaming: Streaming) -> None:
    streaming.streams.faults.silent = True
    upstream = streaming.bench.book_upstream()
    await streaming.bench.clock.advance(40)
    assert streaming.learned() == []
    streaming.streams.faults.silent = False
    await streaming.bench.clock.advance(60)
    assert streaming.dial.calls >= 1
    assert streaming.learned() == [upstream]


async def test_a_quiet_but_living_line_is_kept_and_made_anew_after_an_hour(
    streaming: Streaming,
) -> None:
    calls = streaming.dial.calls
    await streaming.bench.clock.advance(AGE_S_MAX - 60)
    assert streaming.dial.calls == calls
    await streaming.bench.clock.advance(180)
    assert streaming.dial.calls == calls + 1
    assert streaming.streams.listeners == 1


async def test_a_refused_handshake_is_tried_ever_more_rarely(streaming: Streaming) -> None:
    streaming.streams.faults.refuse = True
    streaming.streams.drop()
    calls = streaming.dial.calls
    await streaming.bench.clock.advance(3_600)
    assert 60 <= streaming.dial.calls - calls <= 400  # full jitter up to a minute
    streaming.streams.faults.refuse = False
    await streaming.bench.clock.advance(90)
    assert streaming.streams.listeners == 1


async def test_rooms_and_prices_start_no_read(streaming: Streaming) -> None:
    before = streaming.bench.clouds.mews.asked
    for room_id in list(streaming.bench.clouds.mews.store.rooms):
        streaming.bench.clouds.mews.store.set_room_state(room_id, RoomState.DIRTY)
    await streaming.bench.clock.advance(5)
    assert streaming.bench.clouds.mews.asked == before


def test_a_message_is_read_for_ids_only_and_each_counts_once() -> None:
    events = [
        {"Type": "Reservation", "Id": ONE, "State": "Canceled"},
        {"Type": "Reservation", "Id": ONE, "State": "Confirmed"},
        {"Type": "DeviceCommand", "Id": TWO, "State": "Pending"},
        {"Type": "PriceUpdate", "Id": TWO},
        {"Type": "Reservation", "Id": "'; DROP TABLE"},
        {"Type": "Reservation"},
        "what",
    ]
    assert hints_of(json.dumps({"Events": events})) == Hints(reservations=(ONE,), commands=(TWO,))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"Events": {}}', "null"])
def test_what_is_no_message_of_theirs_is_no_hint(text: str) -> None:
    assert hints_of(text) is None


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.sampled_from(["Events", "Type", "Id", "x"]), x),
    )
)
def test_any_json_is_read_without_raising(value: object) -> None:
    hints = hints_of(json.dumps(value))
    assert hints is None or isinstance(hints, Hints)


# -- the real socket ------------------------------------------------------------------------------


@pytest.fixture
async def dialler(clouds: Clouds) -> AsyncIterator[Dialler]:
    account = MewsAccount(
        base_url=clouds.pms_url,
        client_token=CLIENT_TOKEN,
        access_token=ACCESS_TOKEN,
        stream_url=clouds.pms_url.replace("http", "ws", 1),
    )
    found = Dialler(account)
    yield found
    await found.close()


async def test_over_a_real_socket_events_arrive_and_pings_are_answered(
    clouds: Clouds,
    house: House,
    dialler: Dialler,
) -> None:
    line_to_mews = await dialler()
    await line_to_mews.ping()
    assert await line_to_mews.heard() == ""
    sold = house.sell()
    assert hints_of(await line_to_mews.heard()) == Hints(reservations=(sold.id,))
    clouds.mews.streams.drop()
    with pytest.raises(StreamAwayError, match="hung up"):
        await line_to_mews.heard()
    await line_to_mews.close()


async def test_no_token_is_in_any_error_or_log_of_a_refused_or_broken_line(
    clouds: Clouds,
    house: House,
    dialler: Dialler,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    clouds.mews.streams.faults.refuse = True
    told: list[str] = []
    with pytest.raises(StreamAwayError, match="401") as refused:
        await dialler()
    told.append(repr(refused.value))
    assert refused.value.__suppress_context__
    clouds.mews.streams.faults.refuse = False
    nursery = Nursery(lambda _name, error: told.append(repr(error)))
    heard: list[Hints] = []
    connected: list[None] = []
    stream = Stream(
        dial=dialler,
        clock=SystemClock(floor_path=None, trust=ClockTrust.SYSTEM),
        on_connect=lambda: connected.append(None),
        on_hints=heard.append,
    )
    nursery.deadly("stream", stream.run())
    try:
        while not clouds.mews.streams.listeners:
            await stream_turn()
        house.sell()
        while not heard:
            await stream_turn()
        clouds.mews.streams.drop()
        while len(connected) < 2:
            await stream_turn()
    finally:
        await nursery.close()
    said = caplog.text + "".join(told) + repr(dialler) + PATH
    assert CLIENT_TOKEN not in said
    assert ACCESS_TOKEN not in said


async def stream_turn() -> None:
    """A little real time for real sockets."""
    clock_of_this_machine = SystemClock(floor_path=None, trust=ClockTrust.SYSTEM)
    await clock_of_this_machine.sleep_until(clock_of_this_machine.monotonic() + 0.01)
