"""The Guesty twin keeps the vendor's manners: tokens, limits, and failures on command."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest

from support.guesty import Account
from twin.clouds.faults import Fault
from twin.clouds.guesty import ACCOUNT_ID

DAY_S = 86_400


async def test_a_token_names_its_tenant_and_lasts_a_day(account: Account) -> None:
    heard = await account.sign_in()
    assert (heard.body["token_type"], heard.body["expires_in"]) == ("Bearer", DAY_S)
    claims = heard.body["access_token"].split(".")[1]
    told = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert told["accountId"] == ACCOUNT_ID
    await account.good("GET", "/accounts/me")


async def test_the_sixth_token_of_a_day_is_refused_for_long(account: Account) -> None:
    for _ in range(5):
        assert (await account.sign_in()).status == 200
        await account.clock.advance(60)
    heard = await account.sign_in()
    assert heard.status == 429
    assert int(heard.headers["Retry-After"]) == DAY_S - 300 + 1
    await account.clock.advance(int(heard.headers["Retry-After"]))
    assert (await account.sign_in()).status == 200


async def test_an_expired_token_is_403_and_one_never_given_401(account: Account) -> None:
    await account.good("GET", "/accounts/me")
    await account.clock.advance(DAY_S)
    assert (await account.ask("GET", "/accounts/me")).status == 403
    account.token = "somebody's"
    assert (await account.ask("GET", "/accounts/me")).status == 401
    assert (await account.sign_in("wrong")).status == 401


async def test_three_windows_are_counted_and_said(account: Account) -> None:
    await account.sign_in()
    heard = await account.ask("GET", "/accounts/me")
    assert heard.headers["X-RateLimit-Remaining-Second"] == "14"
    assert heard.headers["X-RateLimit-Remaining-Minute"] == "119"
    assert heard.headers["X-RateLimit-Remaining-Hour"] == "4999"
    for _ in range(14):
        await account.good("GET", "/accounts/me")
    refused = await account.ask("GET", "/accounts/me")
    assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
    for _ in range(7):
        await account.clock.advance(1)
        for _ in range(15):
            await account.good("GET", "/accounts/me")
    await account.clock.advance(1)
    refused = await account.ask("GET", "/accounts/me")
    assert (refused.status, refused.headers["Retry-After"]) == (429, "52")
    assert account.cloud.limits.refused == 2


async def test_sixteen_at_once_are_one_too_many(account: Account) -> None:
    await account.sign_in()
    account.cloud.faults.plan("*", Fault.SLOW, times=None, delay_s=5)
    asking = [asyncio.ensure_future(account.ask("GET", "/accounts/me")) for _ in range(16)]
    await account.clock.advance(0)
    await account.clock.advance(6)
    statuses = [heard.status for heard in await asyncio.gather(*asking)]
    assert statuses.count(429) >= 1


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault.SERVER_ERROR, 503),
        (Fault.TOO_MANY, 429),
        (Fault.TOO_MANY_BARE, 429),
        (Fault.UNAUTHORIZED, 403),
        (Fault.CONFLICT, 409),
        (Fault.TOO_HEAVY, 408),
    ],
)
async def test_a_planned_refusal_comes_once_and_executes_nothing(
    account: Account, fault: Fault, status: int
) -> None:
    account.cloud.faults.plan("POST /v1/reservations-v3", fault)
    heard = await account.ask("POST", "/reservations-v3", **account.booking())
    assert heard.status == status
    assert ("Retry-After" in heard.headers) == (fault is Fault.TOO_MANY)
    assert not account.store.reservations
    await account.good("POST", "/reservations-v3", **account.booking())
    assert len(account.store.reservations) == 1


@pytest.mark.parametrize(
    ("fault", "executed"),
    [
        (Fault.LOST_REQUEST, 0),
        (Fault.LOST_ANSWER, 1),
        (Fault.NO_ANSWER, 1),
        (Fault.CUT_BODY, 1),
        (Fault.BROKEN_STORED, 1),
    ],
)
async def test_a_lost_request_is_not_executed_and_a_lost_answer_is(
    account: Account, fault: Fault, executed: int
) -> None:
    account.cloud.faults.plan("POST /v1/reservations-v3", fault)
    heard = await account.ask("POST", "/reservations-v3", **account.booking())
    assert heard.status not in {200, 201} or not heard.whole
    assert len(account.store.reservations) == executed


async def test_faults_of_an_endpoint_with_an_id_have_one_name(account: Account) -> None:
    one = account.sell()
    account.cloud.faults.plan("PUT /v1/reservations-v3/{id}/dates", Fault.SERVER_ERROR)
    days = {"checkInDateLocalized": "2026-08-14", "checkOutDateLocalized": "2026-08-15"}
    assert (await account.ask("PUT", f"/reservations-v3/{one.id}/dates", **days)).status == 503
    await account.good("PUT", f"/reservations-v3/{one.id}/dates", **days)


async def test_the_vendors_clock_may_be_wrong(account: Account) -> None:
    account.cloud.skew_s = 3600
    heard = await account.ask("GET", "/accounts/me")
    assert heard.headers["Date"] == "Fri, 14 Aug 2026 17:00:00 GMT"


async def test_what_is_not_there_is_404_and_too_large_is_413(account: Account) -> None:
    assert (await account.ask("GET", "/nothing")).status == 404
    assert (await account.ask("POST", "/reservations-v3", x="y" * 1_100_000)).status == 413
    account.cloud.legacy_is_gone = True
    assert (await account.ask("GET", "/reservations")).status == 404
    assert (await account.ask("GET", "/reservations-v3/search")).status == 200
