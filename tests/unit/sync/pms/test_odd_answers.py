"""One answer that is none of the contract's costs a little time, and hides or doubles nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.guesty_bench import GuestyBench, guesty_bench
from support.hostaway_bench import HostawayBench, hostaway_bench
from support.odd_answers import dated, once, put_between, rows_changed, said
from support.sync_bench import SyncBench, sync_bench
from sync.ledger import EffectState
from sync.manners import Standing
from sync.pms.hostaway.webhook_log import HAS_LOG
from sync.pms.mews.source import HOUSE
from sync.pms.mews.words import House
from sync.transport import Answer, Request
from twin.clouds.mews.words import State

RESERVATIONS = "reservations/getAll"
DAYS_3_S = 3 * 86_400


@pytest.fixture
async def mews(tmp_path: Path) -> AsyncIterator[SyncBench]:
    async with sync_bench(tmp_path) as found:
        yield found


@pytest.fixture
async def guesty(tmp_path: Path) -> AsyncIterator[GuestyBench]:
    async with guesty_bench(tmp_path) as found:
        yield found


@pytest.fixture
async def hostaway(tmp_path: Path) -> AsyncIterator[HostawayBench]:
    async with hostaway_bench(tmp_path) as found:
        yield found


def learned(bench: SyncBench) -> list[dict[str, Any]]:
    return bench.box.of("stays.learn_booking")


# -- a list that is none -------------------------------------------------------------------------


@pytest.mark.parametrize("odd", [{}, {"Reservations": None}, {"Message": "Try later"}, []])
async def test_mews_an_answer_without_a_list_is_not_its_end(mews: SyncBench, odd: Any) -> None:
    between = put_between(mews)
    await mews.turns(2)
    await mews.clock.advance(DAYS_3_S)
    mews.book_upstream()
    await mews.clock.advance(DAYS_3_S)
    between.change = once(RESERVATIONS, said(odd))
    await mews.turns(3)
    assert len(learned(mews)) == 1


@pytest.mark.parametrize("odd", [{}, {"results": None}, {"error": {"message": "Try later"}}, []])
@pytest.mark.parametrize("where", ["/v1/reservations?", "/v1/reservations-v3?"])
async def test_guesty_an_answer_without_rows_is_not_its_end(
    guesty: GuestyBench, odd: Any, where: str
) -> None:
    between = put_between(guesty)
    await guesty.turns(2)
    await guesty.clock.advance(DAYS_3_S)
    await guesty.turns(2)
    guesty.book_there()
    between.change = once(where, said(odd))
    await guesty.turns(8)
    assert len(learned(guesty)) == 1


async def test_an_empty_list_after_days_in_the_dark_is_asked_for_twice(mews: SyncBench) -> None:
    between = put_between(mews)
    await mews.turns(2)
    mews.book_upstream()
    await mews.clock.advance(DAYS_3_S)
    between.change = once(RESERVATIONS, said({"Reservations": [], "Cursor": None}))
    await mews.turns(3)
    assert len(learned(mews)) == 1


# -- the time ------------------------------------------------------------------------------------


async def test_one_date_far_ahead_moves_no_mark_past_what_changes_until_then(
    mews: SyncBench,
) -> None:
    between = put_between(mews)
    await mews.turns(2)
    between.change = once(RESERVATIONS, dated("Sat, 14 Aug 2027 16:00:00 GMT"))
    await mews.turns(2)
    between.change = None
    mews.book_upstream()
    await mews.turns(3)
    assert len(learned(mews)) == 1


async def test_the_first_date_after_a_start_may_be_wrong_too(mews: SyncBench) -> None:
    mews.own_clock.doubt_ms = 10**9
    between = put_between(mews)
    between.change = once("/api/", dated("Sat, 14 Aug 2027 16:00:00 GMT"), times=30)
    await mews.turn()
    between.change = None
    await mews.turns(2)
    mews.book_upstream()
    await mews.turns(3)
    assert len(learned(mews)) == 1


async def test_a_row_from_the_future_moves_no_mark(mews: SyncBench) -> None:
    between = put_between(mews)
    mews.book_upstream()
    between.change = once(
        RESERVATIONS,
        rows_changed("Reservations", lambda row: row.update(UpdatedUtc="2199-01-01T00:00:00Z")),
        times=2,
    )
    await mews.turn()
    between.change = None
    mews.book_upstream()
    await mews.turns(3)
    assert len({body["upstream_id"] for body in learned(mews)}) == 2


async def test_hostaway_a_row_from_the_future_moves_no_mark(hostaway: HostawayBench) -> None:
    between = put_between(hostaway)
    hostaway.book_upstream()
    between.change = once(
        "/v1/reservations?",
        rows_changed("result", lambda row: row.update(updatedOn="2199-01-01 00:00:00")),
        times=2,
    )
    await hostaway.turn()
    between.change = None
    hostaway.book_upstream()
    await hostaway.turns(3)
    assert len({body["upstream_id"] for body in learned(hostaway)}) == 2


async def test_a_page_that_came_short_is_made_up_for_within_a_week(mews: SyncBench) -> None:
    between = put_between(mews)
    mews.book_upstream()
    await mews.turns(2)
    mews.book_upstream()
    hidden = mews.book_upstream()

    def short(reply: Answer) -> Answer:
        fields = msgspec.json.decode(reply.body)
        rows = fields["Reservations"]
        fields["Reservations"] = [row for row in rows if row["Id"] != hidden]
        return replace(reply, body=msgspec.json.encode(fields))

    # Once the overlap is past, nothing but the whole knows of it.
    between.change = once(RESERVATIONS, short, times=1000)
    await mews.turns(8)
    between.change = None
    await mews.turns(3)
    assert len({body["upstream_id"] for body in learned(mews)}) == 2
    for _ in range(9):
        await mews.clock.advance(86_000)
        await mews.turns(4)
    assert hidden in {body["upstream_id"] for body in learned(mews)}


async def test_a_whole_that_cannot_be_read_keeps_no_look_from_going_on(mews: SyncBench) -> None:
    await mews.turns(2)
    between = put_between(mews)
    await mews.turns(2)
    asked_for: list[bytes] = []

    def no_windows(request: Request, reply: Answer) -> Answer:
        if b"ScheduledStartUtc" not in (request.body or b""):
            return reply
        asked_for.append(request.url.encode())
        return replace(reply, status=500, body=b"")

    between.change = no_windows
    for _ in range(8):
        await mews.clock.advance(86_400)
        await mews.turns(3)
    tried = len(asked_for)
    assert tried
    mews.book_upstream()
    await mews.turns(5)
    assert len(learned(mews)) == 1
    assert len(asked_for) == tried, "put off for an hour"
    between.change = None
    await mews.clock.advance(3_600)
    await mews.turns(3)
    whole_s = mews.running.ledger.kept("mews.whole_s", int)
    assert mews.clock.read().wall_s - whole_s < 3_600


# -- what is held to be fetched again ------------------------------------------------------------


async def test_one_answer_without_a_parked_booking_does_not_forget_it(mews: SyncBench) -> None:
    """It waits for a room type; the mark is past it, so nothing but the held row knows of it."""
    between = put_between(mews)
    store = mews.clouds.mews.store
    mews.book_upstream()
    category = store.add_category("Suite", short="STE")
    next(iter(store.reservations.values())).category_id = category.id
    await mews.turns(12)
    assert mews.running.mirror.held("mews", person=True)
    between.change = once(RESERVATIONS, said({"Reservations": [], "Cursor": None}))
    (waiting,) = mews.running.mirror.held("mews", person=True)
    mews.running.hint([waiting[0]])
    await mews.turns(2)
    (after,) = mews.running.mirror.held("mews", person=True)
    assert after[:2] == waiting[:2]


@pytest.mark.parametrize("status", [400, 403, 404, 410, 422])
async def test_a_hint_that_is_always_refused_holds_up_no_other(
    hostaway: HostawayBench, status: int
) -> None:
    between = put_between(hostaway)
    await hostaway.turns(2)
    good = hostaway.book_upstream()
    hostaway.running.hint(["999", good])
    between.change = once("/v1/reservations/999", said({"status": "fail"}, status), times=1000)
    await hostaway.turns(4)
    hostaway.book_upstream()
    await hostaway.turns(2)
    assert len({body["upstream_id"] for body in learned(hostaway)}) == 2


# -- one booking that nobody foresaw -------------------------------------------------------------


@pytest.mark.parametrize(
    "odd",
    [
        {"PersonCounts": [7]},
        {"PersonCounts": [{"AgeCategoryId": "x", "Count": "two"}]},
        {"AccountId": None, "AccountType": "Customer"},
        {"ScheduledStartUtc": "soon"},
    ],
)
async def test_a_row_that_cannot_be_told_hides_no_other(
    mews: SyncBench, odd: dict[str, Any]
) -> None:
    between = put_between(mews)
    spoilt = mews.book_upstream()
    good = [mews.book_upstream() for _ in range(3)]

    def spoil(row: dict[str, Any]) -> None:
        if row["Id"] == spoilt:
            row.update(odd)

    between.change = once(RESERVATIONS, rows_changed("Reservations", spoil), times=1000)
    await mews.turns(12)
    assert {body["upstream_id"] for body in learned(mews)} >= set(good)
    waiting = {each[0] for each in mews.running.mirror.held("mews", person=True)}
    assert waiting | {body["upstream_id"] for body in learned(mews)} == {spoilt, *good}
    between.change = None
    mews.running.retry(f"booking:mews:{spoilt}")
    mews.running.hint([spoilt])
    await mews.turns(2)
    assert {body["upstream_id"] for body in learned(mews)} == {spoilt, *good}


async def test_a_guest_who_cannot_be_read_hides_no_other_booking(guesty: GuestyBench) -> None:
    between = put_between(guesty)
    spoilt, good = guesty.book_there(), guesty.book_there()

    def changed(request: Request, reply: Answer) -> Answer:
        if "guest+guestId" in request.url:
            return said({"results": []})(reply)
        alone = f"/guests-crud/{spoilt.guest_id}" in request.url
        return said({}, 500)(reply) if alone else reply

    between.change = changed
    await guesty.turns(4)
    assert [body["upstream_id"] for body in learned(guesty)] == [good.id]
    between.change = None
    await guesty.turns(2)
    assert {body["upstream_id"] for body in learned(guesty)} == {good.id, spoilt.id}


async def test_mews_a_state_nobody_knows_is_shown(mews: SyncBench) -> None:
    between = put_between(mews)
    spoilt = mews.book_upstream()
    between.change = once(
        RESERVATIONS,
        rows_changed("Reservations", lambda row: row.update(State="Suspended")),
        times=1000,
    )
    await mews.turns(2)
    assert [each[0] for each in mews.running.mirror.held("mews", person=True)] == [spoilt]


# -- the configuration ---------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["services/getAll", "rates/getAll", "resources/getAll"])
async def test_mews_a_configuration_that_cannot_be_read_anew_hides_no_booking(
    mews: SyncBench, where: str
) -> None:
    between = put_between(mews)
    await mews.turns(2)
    await mews.clock.advance(DAYS_3_S)
    between.change = once(where, said({"Message": "no"}, 403), times=1000)
    mews.book_upstream(room=True)
    await mews.turns(3)
    (body,) = learned(mews)
    assert body["room_id"] == "r101"


async def test_mews_a_configuration_without_rooms_is_not_taken(mews: SyncBench) -> None:
    between = put_between(mews)
    await mews.turns(2)
    await mews.clock.advance(DAYS_3_S)
    between.change = once("resources/getAll", said({"Resources": [], "Cursor": None}))
    await mews.turns(2)
    assert mews.running.ledger.kept(HOUSE, House).resources


# -- ids as texts, and lists that say how long they are ------------------------------------------


async def test_hostaway_an_id_as_text_is_an_id(hostaway: HostawayBench) -> None:
    between = put_between(hostaway)
    upstream = hostaway.book_upstream()
    between.change = once(
        "/v1/reservations?",
        rows_changed("result", lambda row: row.update(id=str(row["id"]))),
        times=1000,
    )
    await hostaway.turns(2)
    assert [body["upstream_id"] for body in learned(hostaway)] == [upstream]


async def test_hostaway_an_empty_page_of_a_list_that_has_rows_is_not_its_end(
    hostaway: HostawayBench,
) -> None:
    between = put_between(hostaway)
    await hostaway.turns(2)
    hostaway.book_upstream()
    await hostaway.clock.advance(DAYS_3_S)
    between.change = once(
        "/v1/reservations?", said({"status": "success", "result": [], "count": 1}), times=2
    )
    await hostaway.turns(5)
    assert len(learned(hostaway)) == 1


# -- what one answer must not set for long -------------------------------------------------------


async def test_a_row_that_was_dated_ahead_is_still_followed(mews: SyncBench) -> None:
    between = put_between(mews)
    upstream = mews.book_upstream()
    between.change = once(
        RESERVATIONS,
        rows_changed("Reservations", lambda row: row.update(UpdatedUtc="2199-01-01T00:00:00Z")),
        times=1000,
    )
    await mews.turn()
    between.change = None
    store = mews.clouds.mews.store
    store.reservations[upstream].state = State.CANCELED
    store.touch(store.reservations[upstream])
    await mews.turns(3)
    told = learned(mews)
    assert [body["state"] for body in told] == ["confirmed", "cancelled"]
    versions = [str(body["upstream_version"]) for body in told]
    assert versions == sorted(versions)


async def test_guesty_a_guest_whom_the_older_list_only_names_is_read(guesty: GuestyBench) -> None:
    between = put_between(guesty)
    both = [guesty.book_there(), guesty.book_there()]

    def nameless(request: Request, reply: Answer) -> Answer:
        if "guest+guestId" not in request.url:
            return reply
        return rows_changed("results", lambda row: row.update(guest=None))(reply)

    between.change = nameless
    await guesty.turns(2)
    assert [body["guests"][0]["family"] for body in learned(guesty)] == ["Hopper"] * len(both)


async def test_guesty_a_guest_who_is_not_there_once_is_named_all_the_same(
    guesty: GuestyBench,
) -> None:
    between = put_between(guesty)
    guesty.book_there()
    between.change = once("/guests-crud/", said({}, 404))
    await guesty.turns(2)
    (body,) = learned(guesty)
    assert body["guests"][0]["family"] == "Hopper"


@pytest.mark.parametrize("expires", ["15897600", None, 0, 15897600.5])
async def test_hostaway_a_token_whose_end_is_told_otherwise_is_used(
    hostaway: HostawayBench, expires: object
) -> None:
    between = put_between(hostaway)

    def told(reply: Answer) -> Answer:
        fields = msgspec.json.decode(reply.body)
        return said({**fields, "expires_in": expires})(reply)

    between.change = once("/accessTokens", told, times=1000)
    hostaway.book_upstream()
    await hostaway.turns(3)
    assert len(learned(hostaway)) == 1
    assert hostaway.source._client.tokens.asked_in_a_day() == 1


@pytest.mark.parametrize("status", [200, 400, 404, 422])
async def test_hostaway_an_answer_without_a_token_is_shown_and_not_asked_for_in_a_rush(
    hostaway: HostawayBench, status: int
) -> None:
    between = put_between(hostaway)
    between.change = once("/accessTokens", said({"error": "x"}, status), times=1000)
    hostaway.sell()
    await hostaway.turns(20, seconds=2)
    assert hostaway.source._client.tokens.asked_in_a_day() <= 2
    assert hostaway.running.gates["hostaway"].breaker.standing is Standing.REFUSED
    between.change = None
    await hostaway.heal()
    assert hostaway.effect("pms.book").state is EffectState.SUCCEEDED


async def test_hostaway_one_odd_answer_takes_no_hints_of_the_log_away(
    hostaway: HostawayBench,
) -> None:
    between = put_between(hostaway)
    hostaway.register_webhook()
    await hostaway.turns(2)
    await hostaway.clock.advance(DAYS_3_S)
    between.change = once("/webhooks/unifiedWebhooks", said({"status": "fail"}, 500))
    await hostaway.turns(2)
    assert hostaway.running.ledger.kept(HAS_LOG, bool, default=False)


async def test_guesty_a_house_that_may_not_read_guests_has_its_bookings(
    guesty: GuestyBench,
) -> None:
    between = put_between(guesty)
    both = {guesty.book_there().id, guesty.book_there().id}

    def refused(request: Request, reply: Answer) -> Answer:
        guests = "/guests-crud/" in request.url or "guest+guestId" in request.url
        return said({}, 403)(reply) if guests else reply

    between.change = refused
    await guesty.turns(3)
    assert {body["upstream_id"] for body in learned(guesty)} == both
