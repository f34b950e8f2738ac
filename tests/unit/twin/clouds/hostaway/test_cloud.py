"""The twin's Hostaway keeps the vendor's manners: tokens, envelope, limits, failures."""

from __future__ import annotations

import pytest

from support.hostaway import FORM, FRIDAY, Stranger
from twin.clouds.faults import Fault
from twin.clouds.hostaway import Status
from twin.clouds.hostaway.records import Listing
from twin.clouds.wire import Delivery, Request


async def test_a_token_counts_only_one_second_after_it_was_given() -> None:
    stranger = Stranger()
    said = await stranger.post("accessTokens", FORM)
    assert (said.body["token_type"], said.body["expires_in"]) == ("Bearer", 15_897_600)
    stranger.token = said.body["access_token"]
    early = await stranger.get("listings")
    assert (early.status, early.body["status"]) == (403, "fail")
    await stranger.clock.advance(0.9)
    assert (await stranger.get("listings")).status == 403
    await stranger.clock.advance(0.1)
    assert (await stranger.get("listings")).status == 200


async def test_a_bad_an_old_and_a_revoked_token_are_403(stranger: Stranger) -> None:
    good, stranger.token = stranger.token, "nobody"
    assert (await stranger.get("listings")).status == 403
    stranger.token = good
    assert (await stranger.ask("DELETE", "accessTokens", f"token={good}")).result == []
    assert (await stranger.get("listings")).status == 403
    stranger.cloud.tokens.expires_in_s = 60
    await stranger.log_in()
    assert (await stranger.get("listings")).status == 200
    await stranger.clock.advance(60)
    assert (await stranger.get("listings")).status == 403


async def test_wrong_credentials_give_no_token(stranger: Stranger) -> None:
    wrong = FORM.replace(b"twin-hostaway-client", b"guess")
    assert (await stranger.post("accessTokens", wrong)).status == 401
    assert (await stranger.post("accessTokens", b"grant_type=password")).status == 400


@pytest.mark.parametrize("path", ["reservation", "reservations/x", "reservations/1/", "", "//"])
async def test_an_unknown_path_is_404_in_the_envelope(stranger: Stranger, path: str) -> None:
    said = await stranger.get(path)
    assert (said.status, said.body["status"]) == (404, "fail")


async def test_request_16_of_ten_seconds_is_429_without_a_word_when_to_come_again(
    stranger: Stranger,
) -> None:
    for _ in range(15):
        assert (await stranger.get("listings")).status == 200
    refused = await stranger.get("listings")
    assert (refused.status, refused.body["status"]) == (429, "fail")
    assert isinstance(refused.body["message"], str)
    assert not [name for name in refused.headers if "retry" in name.lower() or "rate" in name]
    await stranger.clock.advance(10)
    assert (await stranger.get("listings")).status == 200


async def test_an_account_has_20_in_ten_seconds_whatever_the_address(stranger: Stranger) -> None:
    statuses = []
    for index in range(22):
        headers = {
            "authorization": f"Bearer {stranger.token}",
            "x-forwarded-for": f"10.0.0.{index % 2}",
        }
        request = Request(method="GET", path="/v1/listings", headers=headers)
        statuses.append((await stranger.cloud.answer(request)).status)
    assert statuses == [200] * 20 + [429] * 2


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault.SERVER_ERROR, 503),
        (Fault.TOO_MANY, 429),
        (Fault.TOO_MANY_BARE, 429),
        (Fault.UNAUTHORIZED, 403),
        (Fault.CONFLICT, 409),
        (Fault.TOO_HEAVY, 408),
        (Fault.BROKEN_STORED, 500),
    ],
)
async def test_a_planned_failure_is_answered_in_the_envelope(
    stranger: Stranger, flat: Listing, fault: Fault, status: int
) -> None:
    one = stranger.store.sell(flat, FRIDAY)
    stranger.cloud.faults.plan("PUT reservations/{id}/statuses/cancelled", fault)
    said = await stranger.put(f"reservations/{one.id}/statuses/cancelled", {"cancelledBy": "host"})
    assert (said.status, said.body["status"]) == (status, "fail")
    assert ("Retry-After" in said.headers) is (fault is Fault.TOO_MANY)
    done = stranger.store.reservations[one.id].status is Status.CANCELLED
    assert done is (fault is Fault.BROKEN_STORED)


@pytest.mark.parametrize(
    ("fault", "delivery", "executed"),
    [
        (Fault.LOST_REQUEST, Delivery.DROPPED, False),
        (Fault.LOST_ANSWER, Delivery.DROPPED, True),
        (Fault.NO_ANSWER, Delivery.SILENT, True),
        (Fault.CUT_BODY, Delivery.CUT, True),
    ],
)
async def test_a_lost_answer_was_executed_and_a_lost_request_was_not(
    stranger: Stranger, flat: Listing, *, fault: Fault, delivery: Delivery, executed: bool
) -> None:
    one = stranger.store.sell(flat, FRIDAY)
    stranger.cloud.faults.plan("PUT reservations/*", fault)
    reply = await stranger.raw("PUT", f"reservations/{one.id}", "", {"hostNote": "late"})
    assert reply.delivery is delivery
    assert (stranger.store.reservations[one.id].host_note == "late") is executed
