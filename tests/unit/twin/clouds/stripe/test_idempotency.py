"""One key is one charge, for a day, and only for what was executed."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from appliance.kernel.virtual_clock import VirtualClock
from support.clouds import Payments
from twin.clouds.faults import Fault
from twin.clouds.serve import Clouds
from twin.journal import Journal

CREATE = "POST /v1/payment_intents"
DAY_S = 24 * 3600


async def test_the_same_key_charges_once_and_says_that_it_repeats(
    payments: Payments, journal: Journal
) -> None:
    first, again = await payments.charge("key-1"), await payments.charge("key-1")
    assert (first.status, again.status) == (200, 200)
    assert first.body == again.body
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert journal.count("payments.charged") == 1


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.CUT_BODY])
async def test_a_lost_answer_was_a_charge_and_the_key_finds_it(
    payments: Payments, clouds: Clouds, journal: Journal, fault: Fault
) -> None:
    clouds.stripe.faults.plan(CREATE, fault)
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await payments.charge("key-1")
    again = await payments.charge("key-1")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert journal.count("payments.charged") == 1


async def test_without_the_key_a_lost_answer_charges_twice(
    payments: Payments, clouds: Clouds, journal: Journal
) -> None:
    clouds.stripe.faults.plan(CREATE, Fault.LOST_ANSWER)
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await payments.charge("key-1")
    await payments.charge("key-2")
    assert journal.count("payments.charged") == 2


async def test_an_answer_that_never_comes_is_found_again(
    payments: Payments, clouds: Clouds, journal: Journal
) -> None:
    clouds.stripe.faults.plan(CREATE, Fault.NO_ANSWER)
    asking = asyncio.ensure_future(payments.charge("key-1"))
    while not journal.count("payments.charged"):
        await payments.get("/v1/events")
    assert not asking.done()
    asking.cancel()
    assert (await payments.charge("key-1")).body["status"] == "succeeded"
    assert journal.count("payments.charged") == 1


async def test_a_lost_request_is_no_charge_until_it_is_sent_again(
    payments: Payments, clouds: Clouds, journal: Journal
) -> None:
    clouds.stripe.faults.plan(CREATE, Fault.LOST_REQUEST)
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await payments.charge("key-1")
    assert journal.count("payments.charged") == 0
    assert "Idempotent-Replayed" not in (await payments.charge("key-1")).headers
    assert journal.count("payments.charged") == 1


async def test_a_stored_500_is_repeated_although_the_card_was_charged(
    payments: Payments, clouds: Clouds, journal: Journal
) -> None:
    clouds.stripe.faults.plan(CREATE, Fault.BROKEN_STORED)
    answers = [await payments.charge("key-1") for _ in range(2)]
    assert [answer.status for answer in answers] == [500, 500]
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    assert journal.count("payments.charged") == 1


async def test_a_decline_is_final_for_its_key(payments: Payments, journal: Journal) -> None:
    card = "pm_card_chargeDeclined"
    answers = [await payments.charge("key-1", payment_method=card) for _ in range(2)]
    assert [answer.status for answer in answers] == [402, 402]
    assert answers[0].body == answers[1].body
    assert journal.count("payments.declined") == 1


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault.TOO_MANY, 429),
        (Fault.TOO_MANY_BARE, 429),
        (Fault.UNAUTHORIZED, 401),
        (Fault.SERVER_ERROR, 503),
        (Fault.CONFLICT, 409),
    ],
)
async def test_what_was_not_executed_is_not_kept(
    payments: Payments, clouds: Clouds, fault: Fault, status: int
) -> None:
    clouds.stripe.faults.plan(CREATE, fault)
    assert (await payments.charge("key-1")).status == status
    good = await payments.charge("key-1")
    assert good.status == 200
    assert "Idempotent-Replayed" not in good.headers


async def test_a_validation_error_is_not_kept(payments: Payments) -> None:
    assert (await payments.charge("key-1", amount=1)).status == 400
    assert (await payments.charge("key-1")).status == 200


@pytest.mark.parametrize("change", [{"amount": 1}, {"metadata[outbox_id]": "7"}])
async def test_the_same_key_with_other_parameters_is_refused(
    payments: Payments, journal: Journal, change: dict[str, object]
) -> None:
    await payments.charge("key-1")
    refused = await payments.charge("key-1", **change)
    assert refused.status == 400
    assert refused.body["error"]["type"] == "idempotency_error"
    elsewhere = await payments.post("/v1/customers", {"name": "Wei"}, key="key-1")
    assert elsewhere.status == 400
    assert journal.count("payments.charged") == 1


async def test_while_the_first_is_in_progress_its_twins_are_409(
    payments: Payments, clouds: Clouds, clock: VirtualClock, journal: Journal
) -> None:
    clouds.stripe.faults.plan(CREATE, Fault.SLOW, delay_s=5)
    first = asyncio.ensure_future(payments.charge("key-1"))
    while clouds.stripe.asked == 0:
        await clock.advance(0)
    twins = await asyncio.gather(*(payments.charge("key-1") for _ in range(4)))
    assert [twin.status for twin in twins] == [409] * 4
    assert twins[0].body["error"]["code"] == "idempotency_key_in_use"
    await clock.advance(5)
    assert (await first).status == 200
    assert (await payments.charge("key-1")).headers["Idempotent-Replayed"] == "true"
    assert journal.count("payments.charged") == 1


async def test_after_a_day_the_key_is_forgotten_and_the_card_is_charged_again(
    payments: Payments, clock: VirtualClock, journal: Journal
) -> None:
    await payments.charge("key-1")
    await clock.advance(DAY_S - 1)
    await payments.charge("key-1")
    assert journal.count("payments.charged") == 1
    await clock.advance(1)
    again = await payments.charge("key-1")
    assert "Idempotent-Replayed" not in again.headers
    assert journal.count("payments.charged") == 2


async def test_a_key_of_256_characters_is_refused(payments: Payments) -> None:
    assert (await payments.charge("k" * 255)).status == 200
    assert (await payments.charge("k" * 256)).status == 400
