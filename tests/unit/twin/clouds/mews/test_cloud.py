"""The PMS cloud keeps the vendor's manners: paths, tokens, limits, and failures on command."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest

from appliance.kernel.virtual_clock import VirtualClock
from support.clouds import House, Pms
from twin.clouds.faults import Fault
from twin.clouds.mews import ACCESS_TOKEN, CLIENT_TOKEN, PREFIX
from twin.clouds.serve import Clouds

TOKENS = {"ClientToken": CLIENT_TOKEN, "AccessToken": ACCESS_TOKEN, "Client": "Nightporter 1.0.0"}


@pytest.mark.parametrize(
    "path",
    [
        PREFIX + "configuration/get/",
        PREFIX + "Configuration/Get",
        PREFIX + "configuration/forget",
        "/api/connector/v2/configuration/get",
        "/",
    ],
)
async def test_a_path_that_is_not_exact_is_not_found(pms: Pms, path: str) -> None:
    answer = await pms.post(path, json.dumps(TOKENS).encode())
    assert answer.status == 404
    assert set(answer.body) == {"Message", "RequestId", "Details"}


async def test_only_post_is_spoken(pms: Pms) -> None:
    answer = await pms.post(PREFIX + "configuration/get", b"", method="GET")
    assert answer.status == 405


async def test_a_wrong_token_is_401_and_a_missing_one_is_400(pms: Pms) -> None:
    assert (await pms.ask("configuration/get", AccessToken="nobody")).status == 401
    assert (await pms.ask("configuration/get", AccessToken=None)).status == 400
    assert (await pms.ask("configuration/get", Client="")).status == 400
    assert (await pms.ask("configuration/get")).status == 200


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 50_000, b'"text"'])
async def test_a_body_that_is_no_object_is_400(pms: Pms, body: bytes) -> None:
    assert (await pms.post(PREFIX + "configuration/get", body)).status == 400


async def test_too_large_a_body_is_413(pms: Pms) -> None:
    body = json.dumps(TOKENS | {"Padding": "x" * 4_200_000}).encode()
    assert (await pms.post(PREFIX + "configuration/get", body)).status == 413


async def test_request_201_of_a_burst_waits_for_the_window_to_end(
    pms: Pms, clock: VirtualClock, clouds: Clouds
) -> None:
    for _ in range(200):
        await pms.good("configuration/get")
    await clock.advance(12)
    refused = await pms.ask("configuration/get")
    assert refused.status == 429
    assert refused.headers["Retry-After"] == "18"
    await clock.advance(18)
    await pms.good("configuration/get")
    assert clouds.mews.limits.refused == 1


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault.SERVER_ERROR, 503),
        (Fault.TOO_MANY, 429),
        (Fault.TOO_MANY_BARE, 429),
        (Fault.UNAUTHORIZED, 401),
        (Fault.CONFLICT, 409),
        (Fault.TOO_HEAVY, 408),
    ],
)
async def test_a_planned_refusal_comes_once_and_executes_nothing(
    pms: Pms, house: House, clouds: Clouds, fault: Fault, status: int
) -> None:
    one = house.sell()
    clouds.mews.faults.plan("reservations/cancel", fault)
    fields = {"ReservationIds": [one.id], "Notes": "asked by the guest"}
    answer = await pms.ask("reservations/cancel", **fields)
    assert answer.status == status
    assert ("Retry-After" in answer.headers) == (fault is Fault.TOO_MANY)
    assert one.state == "Confirmed"
    await pms.good("reservations/cancel", **fields)
    assert one.state == "Canceled"


@pytest.mark.parametrize(
    ("fault", "executed"),
    [(Fault.LOST_REQUEST, False), (Fault.LOST_ANSWER, True), (Fault.CUT_BODY, True)],
)
async def test_a_lost_request_is_not_executed_and_a_lost_answer_is(
    pms: Pms, house: House, clouds: Clouds, fault: Fault, *, executed: bool
) -> None:
    one = house.sell()
    clouds.mews.faults.plan("reservations/cancel", fault)
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await pms.ask("reservations/cancel", ReservationIds=[one.id], Notes="asked by the guest")
    assert (one.state == "Canceled") is executed


async def test_an_answer_that_never_comes_was_executed(
    pms: Pms, house: House, clouds: Clouds
) -> None:
    one = house.sell()
    clouds.mews.faults.plan("reservations/cancel", Fault.NO_ANSWER)
    asking = asyncio.ensure_future(
        pms.ask("reservations/cancel", ReservationIds=[one.id], Notes="asked by the guest")
    )
    # Another request that is answered later proves that the first one has been worked on.
    for _ in range(3):
        await pms.good("configuration/get")
    assert one.state == "Canceled"
    assert not asking.done()
    asking.cancel()


async def test_a_slow_endpoint_takes_its_time_on_the_twins_clock(
    pms: Pms, clock: VirtualClock, clouds: Clouds
) -> None:
    clouds.mews.faults.plan("*", Fault.SLOW, delay_s=20)
    asking = asyncio.ensure_future(pms.ask("configuration/get"))
    while clouds.mews.asked == 0:
        await clock.advance(0)
    assert not asking.done()
    await clock.advance(20)
    assert (await asking).status == 200


async def test_a_storm_of_5xx_lasts_until_it_is_cleared(pms: Pms, clouds: Clouds) -> None:
    clouds.mews.faults.plan("*", Fault.SERVER_ERROR, times=None)
    assert [(await pms.ask("configuration/get")).status for _ in range(3)] == [503] * 3
    clouds.mews.faults.clear()
    await pms.good("configuration/get")
