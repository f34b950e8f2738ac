"""Promises of how we ask Guesty: tokens, refusals, windows, pages."""

from __future__ import annotations

import asyncio
import logging

import pytest

from support.guesty_client import Asker
from sync.gate import Held
from sync.manners import Standing
from sync.outcome import NotSent, Refused, Unknown
from sync.pms.answers import Said
from sync.pms.guesty.client import PAGE, Fine, failure, id_of, rows_of
from sync.pms.guesty.tokens import ACCOUNT, Barred, tenant_of
from sync.pms.port import NotAskableError, NotFetchedError
from sync.transport import NoAnswer
from twin.clouds.faults import Fault
from twin.clouds.guesty import ACCOUNT_ID
from twin.line import Cut

ME = "GET /v1/accounts/me"
OAUTH = "POST /oauth2/token"
DAY_S = 86_400


def standing(asker: Asker) -> Standing:
    return asker.gate.breaker.standing


async def test_twenty_restarts_in_a_day_need_one_token(asker: Asker) -> None:
    for _ in range(20):
        assert isinstance(await asker.ask(), Fine)
        await asker.clock.advance(3600)
        asker.start()
    assert asker.tokens == 1
    assert asker.cloud.tokens.refused == 0


async def test_twenty_restarts_around_lost_token_answers_stay_within_the_quota(
    asker: Asker,
) -> None:
    for turn in range(20):
        if turn % 4 == 0:
            asker.cloud.faults.plan(OAUTH, Fault.LOST_ANSWER, times=2)
            asker.cloud.tokens.expire_all()
        await asker.ask()
        await asker.clock.advance(3600)
        asker.start()
    recent = list(asker.cloud.tokens.issued)
    for start_s in recent:
        assert sum(start_s <= at_s < start_s + DAY_S for at_s in recent) <= 5


async def test_eight_who_ask_at_once_share_one_token(asker: Asker) -> None:
    async def together() -> list[object]:
        return list(
            await asyncio.gather(*(asker.client.ask("GET", "/accounts/me") for _ in range(8)))
        )

    replies = await asker.run(together())
    assert all(isinstance(reply, Fine) for reply in replies)
    assert asker.tokens == 1


async def test_an_expired_token_is_replaced_once_and_the_question_answered(asker: Asker) -> None:
    await asker.ask()
    asker.cloud.tokens.expire_all()
    asked = asker.cloud.asked
    assert isinstance(await asker.ask("GET", "/listings"), Fine)
    assert asker.tokens == 2
    # The question, the cheap one that tells why, the token, the question again.
    assert asker.cloud.asked - asked == 4


async def test_a_token_is_renewed_before_its_end(asker: Asker) -> None:
    await asker.ask()
    await asker.clock.advance(DAY_S - 300)
    assert isinstance(await asker.ask(), Fine)
    assert asker.tokens == 2
    assert 403 not in asker.cloud.answers


async def test_a_renewal_that_cannot_be_had_does_not_stop_a_good_token(asker: Asker) -> None:
    await asker.ask()
    await asker.clock.advance(DAY_S - 300)
    asker.cloud.faults.plan(OAUTH, Fault.TOO_MANY)
    assert isinstance(await asker.ask(), Fine)
    assert asker.tokens == 1


async def test_a_second_refusal_is_a_persons_work_and_burns_no_more_tokens(asker: Asker) -> None:
    await asker.ask()
    asker.cloud.faults.plan("GET *", Fault.UNAUTHORIZED, times=None)
    reply = await asker.ask("GET", "/listings")
    assert isinstance(reply, Barred)
    assert "permissions" in reply.sentence
    assert standing(asker) is Standing.REFUSED
    for _ in range(50):
        await asker.clock.advance(61)
        await asker.run(asker.client.probe())
    assert asker.tokens <= 3
    asker.cloud.faults.clear()
    await asker.clock.advance(61)
    await asker.run(asker.client.probe())
    assert standing(asker) is Standing.OK
    assert isinstance(await asker.ask(), Fine)


async def test_a_permission_that_is_missing_for_one_route_costs_no_token(asker: Asker) -> None:
    asker.cloud.faults.plan("POST /v1/payments/recorded", Fault.UNAUTHORIZED, times=None)
    for _ in range(10):
        reply = await asker.ask("POST", "/payments/recorded", reservationId="x")
        assert isinstance(reply, Said)
        assert isinstance(failure(reply), Refused)
    assert asker.tokens == 1
    assert asker.gate.breaker.standing is Standing.OK


async def test_a_cool_down_of_the_token_endpoint_survives_a_restart(asker: Asker) -> None:
    asker.cloud.faults.plan(OAUTH, Fault.TOO_MANY)
    asked = asker.cloud.asked
    for _ in range(5):
        reply = await asker.ask()
        assert isinstance(reply, Held)
        asker.start()
    assert asker.cloud.asked == asked + 2  # whether they are there, and for a token
    await asker.clock.advance(11)
    assert isinstance(await asker.ask(), Fine)


async def test_a_used_up_quota_is_known_without_asking(asker: Asker) -> None:
    for _ in range(5):
        await asker.ask()
        await asker.clock.advance(DAY_S / 10)
        # Expiry, not refusal: our clock says so as well.
        kept = asker.client.tokens._kept()
        asker.client.tokens._keep(type(kept)(credential=kept.credential, got_ms=kept.got_ms))
    asked = asker.cloud.asked
    reply = await asker.ask()
    assert isinstance(reply, Held)
    assert "5 tokens" in reply.sentence
    assert asker.cloud.asked == asked
    assert asker.cloud.tokens.refused == 0
    await asker.clock.advance(reply.wait_ms / 1000)
    assert isinstance(await asker.ask(), Fine)


async def test_another_tenants_credentials_are_refused_and_nothing_is_read(asker: Asker) -> None:
    await asker.ask()
    assert asker.client.tokens.account_id() == ACCOUNT_ID
    asker.cloud.tokens.account_id = "somebody-elses"
    asker.secret = asker.cloud.tokens.client_secret = "swapped"
    asker.start()
    asked = asker.cloud.answers.get(200, 0)
    reply = await asker.ask()
    assert isinstance(reply, Barred)
    assert "somebody-elses" in reply.sentence
    assert asker.cloud.answers[200] == asked + 1  # the token alone
    assert asker.gate.breaker.standing is Standing.REFUSED
    assert asker.ledger.kept(ACCOUNT, str) == ACCOUNT_ID


async def test_a_new_secret_of_the_same_tenant_is_taken(asker: Asker) -> None:
    await asker.ask()
    asker.secret = asker.cloud.tokens.client_secret = "rotated"
    asker.start()
    assert isinstance(await asker.ask(), Fine)
    assert asker.tokens == 2


async def test_a_wrong_secret_is_a_persons_work(asker: Asker) -> None:
    asker.secret = "wrong"
    asker.start()
    reply = await asker.ask()
    assert isinstance(reply, Barred)
    assert "client_id" in reply.sentence


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.CUT_BODY, Fault.BROKEN_STORED])
async def test_a_lost_token_answer_is_waited_for_and_asked_again(
    asker: Asker, fault: Fault
) -> None:
    asker.cloud.faults.plan(OAUTH, fault)
    assert isinstance(await asker.ask(), Held)
    await asker.clock.advance(6)
    assert isinstance(await asker.ask(), Fine)


@pytest.mark.parametrize("how", list(Cut))
async def test_three_dark_days_cost_no_token_and_no_wait_afterwards(asker: Asker, how: Cut) -> None:
    await asker.ask()
    asker.line.cut(how)
    for _ in range(200):
        await asker.run(asker.client.probe())
        await asker.clock.advance(1_300)
    assert asker.tokens == 1
    asker.line.heal()
    await asker.clock.advance(4)
    await asker.run(asker.client.probe())
    assert isinstance(await asker.ask(), Fine)
    assert asker.tokens == 2


async def test_neither_token_nor_secret_is_in_a_log_or_a_representation(
    asker: Asker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await asker.ask()
    kept = asker.client.tokens._kept()
    told = caplog.text + repr(kept) + repr(asker.client.account)
    assert kept.token not in told
    assert asker.secret not in told


async def test_a_night_that_is_taken_is_an_answer_and_no_expired_token(asker: Asker) -> None:
    account = asker.account
    for _ in range(2):
        account.sell()
    reply = await asker.ask("POST", "/reservations-v3", **account.booking())
    assert isinstance(reply, Said)
    assert reply.status == 401
    assert asker.tokens == 1
    assert asker.gate.breaker.standing is Standing.OK


async def test_an_hours_worth_of_questions_meets_no_429(asker: Asker) -> None:
    """All three windows bind, one after the other."""

    async def storm() -> None:
        for _ in range(5_100):
            assert isinstance(await asker.client.ask("GET", "/accounts/me"), Fine)

    began_s = asker.clock.monotonic()
    await asker.run(storm(), limit_s=2 * 3600)
    assert 429 not in asker.cloud.answers
    assert asker.clock.monotonic() - began_s > 3600


async def test_what_others_ask_in_our_name_is_heeded(asker: Asker) -> None:
    await asker.ask()
    asker.cloud.limits.spend_elsewhere(100)
    await asker.clock.advance(2)
    for _ in range(30):
        assert isinstance(await asker.ask(), Fine)
    assert 429 not in asker.cloud.answers


async def test_a_restart_forgets_no_window(asker: Asker) -> None:
    for _ in range(12):
        for _ in range(20):
            await asker.ask()
        asker.start()
    assert 429 not in asker.cloud.answers


async def test_a_429_is_obeyed(asker: Asker) -> None:
    await asker.ask()
    asker.cloud.faults.plan(ME, Fault.TOO_MANY)
    assert isinstance(await asker.ask(), Said)
    asked = asker.cloud.asked
    assert isinstance(await asker.ask(), Held)
    assert asker.cloud.asked == asked
    await asker.clock.advance(10)
    assert isinstance(await asker.ask(), Fine)


async def listed(asker: Asker, query: list[tuple[str, str]]) -> list[str]:
    async def read() -> list[str]:
        return [
            id_of(row)
            async for page in asker.client.pages("/reservations-v3/search", query)
            for row in page
        ]

    return await asker.run(read())


@pytest.mark.parametrize("moving", [0, 1, 3])
async def test_a_list_is_read_whole_although_rows_move_between_pages(
    asker: Asker, moving: int
) -> None:
    ids = sorted(asker.account.sell(platform="direct").id for _ in range(2 * PAGE + 30))
    if moving:
        where = "GET /v1/reservations-v3/search"
        asker.cloud.faults.plan(where, Fault.MOVING_ROWS, times=moving)
    assert await listed(asker, [("sort", "_id")]) == ids


async def test_many_rows_that_leave_the_list_hide_no_other(asker: Asker) -> None:
    """Twenty reservations of the first page are cancelled while the second is on its way."""
    ones = sorted(
        (asker.account.sell(platform="direct") for _ in range(2 * PAGE)), key=lambda one: one.id
    )
    found: list[str] = []

    async def read() -> None:
        query = [("sort", "_id"), ("filter[status]", "confirmed")]
        first = True
        async for page in asker.client.pages("/reservations-v3/search", query):
            found.extend(id_of(row) for row in page)
            if first:
                for one in ones[:20]:
                    del asker.account.store.reservations[one.id]
            first = False

    await asker.run(read())
    assert found == [one.id for one in ones]


async def test_a_list_that_repeats_itself_is_not_believed(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def same(path: str, query: object = ()) -> object:
        del path, query
        return {"results": [{"_id": "a"}, {"_id": "b"}], "pagination": {"hasMore": True}}

    monkeypatch.setattr(asker.client, "read", same)
    with pytest.raises(NotFetchedError, match="repeats"):
        await listed(asker, [])


async def test_a_question_they_cannot_read_is_told_apart_from_a_line_that_went(
    asker: Asker,
) -> None:
    with pytest.raises(NotAskableError):
        await asker.run(asker.client.read("/guests-crud/nobody"))
    asker.cloud.faults.plan("*", Fault.SERVER_ERROR)
    with pytest.raises(NotFetchedError) as caught:
        await asker.run(asker.client.read("/listings"))
    assert not isinstance(caught.value, NotAskableError)


def test_rows_and_ids_are_found_in_every_shape() -> None:
    row = {"_id": "a"}
    assert [rows_of(each) for each in ([row, 1], row, {"results": [row]}, [])] == [
        [row],
        [row],
        [row],
        [],
    ]
    assert [id_of({name: "a"}) for name in ("_id", "reservationId", "id")] == ["a"] * 3
    assert [id_of({"_id": each}) for each in (17, True, None, "")] == ["17", "", "", ""]


@pytest.mark.parametrize("found", [{}, None, "x", {"results": None}, {"error": {}}])
def test_what_is_no_list_is_no_empty_list(found: object) -> None:
    with pytest.raises(NotFetchedError):
        rows_of(found)


def test_what_an_answer_means_for_a_write() -> None:
    meant: dict[Said | NoAnswer | Held | Barred, type] = {
        Said(status=503, message=""): Unknown,
        Said(status=408, message=""): Unknown,
        Said(status=422, message="no"): Refused,
        Said(status=429, message=""): NotSent,
        NoAnswer(sent=True, why=""): Unknown,
        NoAnswer(sent=False, why=""): NotSent,
        Held(wait_ms=1, sentence=""): NotSent,
        Barred(sentence=""): NotSent,
    }
    for reply, kind in meant.items():
        assert isinstance(failure(reply), kind), reply


@pytest.mark.parametrize("token", ["", "a.b", "a.!!.c", "a.bm90anNvbg.c", "a.e30.c", "...."])
def test_a_token_that_names_no_tenant_is_taken_as_it_is(token: str) -> None:
    assert tenant_of(token) is None
