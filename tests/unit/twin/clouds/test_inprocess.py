"""Without sockets the clouds and the line behave as they do with them."""

from __future__ import annotations

import asyncio
import json

import pytest

from appliance.kernel.virtual_clock import VirtualClock
from twin.clouds.faults import Fault
from twin.clouds.inprocess import CutShort, InProcess
from twin.clouds.mews import ACCESS_TOKEN, CLIENT_TOKEN, PREFIX
from twin.clouds.serve import PMS_IN_PROCESS, Clouds
from twin.line import Cut, Line

TOKENS = {"ClientToken": CLIENT_TOKEN, "AccessToken": ACCESS_TOKEN, "Client": "Nightporter 1.0.0"}
URL = f"{PMS_IN_PROCESS}{PREFIX}configuration/get"
BODY = json.dumps(TOKENS).encode()


@pytest.fixture
def calls(clouds: Clouds) -> InProcess:
    return clouds.in_process()


async def test_a_call_is_answered(calls: InProcess) -> None:
    reply = await calls.send("POST", URL, body=BODY)
    assert reply.status == 200
    assert b"TimeZoneIdentifier" in reply.body


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.LOST_REQUEST, ConnectionResetError),
        (Fault.LOST_ANSWER, ConnectionResetError),
        (Fault.CUT_BODY, CutShort),
    ],
)
async def test_a_broken_delivery_is_the_error_a_socket_would_give(
    calls: InProcess, clouds: Clouds, fault: Fault, error: type[Exception]
) -> None:
    clouds.mews.faults.plan("*", fault)
    with pytest.raises(error):
        await calls.send("POST", URL, body=BODY)


async def test_a_silent_line_costs_the_callers_whole_patience_in_virtual_time(
    calls: InProcess, clouds: Clouds, line: Line, clock: VirtualClock
) -> None:
    line.cut(Cut.SILENT)
    before_s = clock.monotonic()
    with pytest.raises(TimeoutError):
        await clock.run_until(calls.send("POST", URL, body=BODY, timeout_s=30), limit_s=60)
    assert clock.monotonic() - before_s == 30
    assert clouds.mews.asked == 0


async def test_a_refusing_line_refuses_at_once(
    calls: InProcess, clouds: Clouds, line: Line
) -> None:
    line.cut(Cut.REFUSED)
    with pytest.raises(ConnectionRefusedError):
        await calls.send("POST", URL, body=BODY)
    assert clouds.mews.asked == 0
    line.heal()
    assert (await calls.send("POST", URL, body=BODY)).status == 200


async def test_a_cut_while_the_cloud_works_loses_the_answer_of_what_was_done(
    calls: InProcess, clouds: Clouds, line: Line, clock: VirtualClock
) -> None:
    clouds.mews.faults.plan("*", Fault.SLOW, delay_s=5)
    asking = asyncio.ensure_future(calls.send("POST", URL, body=BODY))
    await clock.advance(1)
    line.cut(Cut.REFUSED)
    await clock.advance(10)
    with pytest.raises(ConnectionResetError):
        await asking


async def test_a_slow_line_takes_its_time(
    calls: InProcess, line: Line, clock: VirtualClock
) -> None:
    line.slow(delay_s=2)
    await clock.run_until(calls.send("POST", URL, body=BODY), limit_s=60)
    assert clock.monotonic() == 4


async def test_an_address_of_nobody_is_refused(calls: InProcess) -> None:
    with pytest.raises(ConnectionRefusedError):
        await calls.send("GET", "https://elsewhere.example/")
