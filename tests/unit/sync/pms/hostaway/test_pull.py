"""Promises of what Hostaway says and the box hears."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest

from support.hostaway_bench import HostawayBench
from support.sync_bench import ARRIVAL, DEPARTURE
from sync.pms.hostaway.words import LIFE_OF
from twin.clouds.faults import Fault
from twin.clouds.hostaway import Status, shapes

LIST = "GET reservations"


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.pms.hostaway.client.LIMIT", 10)


async def test_a_booking_is_learned_with_guest_price_room_and_version(hotel: HostawayBench) -> None:
    unit = next(iter(hotel.double.units))
    upstream = hotel.book_upstream(unit_id=unit, total_minor=20_001, adults=2, children=1)
    await hotel.turn()
    (body,) = hotel.learned()
    assert body["upstream_id"] == upstream
    assert (body["arrival"], body["departure"]) == (ARRIVAL.isoformat(), DEPARTURE.isoformat())
    assert (body["room_type_id"], body["room_id"]) == ("double", "r101")
    assert body["guests"][0]["family"] == "Hopper"
    assert [night["amount_minor"] for night in body["nights"]] == [10_001, 10_000]
    assert (body["adults"], body["children"], body["channel"]) == (2, 1, "airbnbofficial")
    assert (body["code"], body["upstream_version"]) == ("HMTWIN0001", "2026-08-14 16:00:00")


async def test_days_are_the_listings_own_and_moments_are_utc(hotel: HostawayBench) -> None:
    """A listing in Auckland: the day of arrival is not the UTC day of its check-in hour."""
    hotel.double.time_zone = "Pacific/Auckland"
    upstream = hotel.book_upstream(check_in_hour=9)
    await hotel.turn()
    (body,) = hotel.learned()
    known = hotel.running.mirror.booking("hostaway", upstream)
    assert known is not None
    assert body["arrival"] == ARRIVAL.isoformat()
    # 09:00 in Auckland (UTC+12 in August) is 21:00 of the UTC day before.
    assert known.known.start_s == 1_786_741_200 - 86_400


async def test_what_did_not_change_is_not_told_again(hotel: HostawayBench) -> None:
    hotel.book_upstream()
    await hotel.turns(4)
    assert len(hotel.learned()) == 1


async def test_other_content_within_one_second_is_applied_and_logged(
    hotel: HostawayBench, caplog: pytest.LogCaptureFixture
) -> None:
    upstream = hotel.book_upstream()
    await hotel.turn()
    hotel.store.change(int(upstream), adults=2)
    first = hotel.learned()[0]["upstream_version"][:19]
    hotel.theirs(upstream).updated_s = hotel.theirs(upstream).made_s
    with caplog.at_level(logging.INFO):
        await hotel.turn()
    told = hotel.learned()
    assert [body["adults"] for body in told] == [1, 2]
    assert told[1]["upstream_version"].startswith(first)
    assert told[0]["upstream_version"] < told[1]["upstream_version"]
    assert "changed twice within one version" in caplog.text


async def test_a_later_change_has_a_later_version(hotel: HostawayBench) -> None:
    upstream = hotel.book_upstream()
    await hotel.turns(1)
    hotel.store.cancel(int(upstream))
    await hotel.turns(1)
    first, second = hotel.learned()
    assert second["state"] == "cancelled"
    assert second["upstream_version"] > first["upstream_version"]


@pytest.mark.usefixtures("small_pages")
async def test_rows_that_move_between_pages_are_not_missed(hotel: HostawayBench) -> None:
    await hotel.turn()
    ids = set()
    for _ in range(45):
        ids.add(hotel.book_upstream())
        await hotel.clock.advance(1)
    hotel.cloud.faults.plan(LIST, Fault.MOVING_ROWS, times=6)
    assert await hotel.clock.run_until(hotel.running.look(), limit_s=600)
    await deliver(hotel)
    assert {body["upstream_id"] for body in hotel.learned()} == ids


@pytest.mark.usefixtures("small_pages")
async def test_a_cursor_whose_own_row_moves_hides_nothing(hotel: HostawayBench) -> None:
    await hotel.turn()
    ids = []
    for _ in range(30):
        ids.append(hotel.book_upstream())
        await hotel.clock.advance(1)
    # The last row of the first page is changed before the second is asked for.
    answered = hotel.cloud.answer

    async def answer(request: Any) -> Any:
        if "afterId" in request.query and not moved:
            moved.append(1)
            hotel.store.touch(int(ids[-10]))
        return await answered(request)

    moved: list[int] = []
    hotel.cloud.answer = answer  # type: ignore[method-assign]
    assert await hotel.clock.run_until(hotel.running.look(), limit_s=600)
    await deliver(hotel)
    assert {body["upstream_id"] for body in hotel.learned()} == set(ids)


@pytest.mark.usefixtures("small_pages")
async def test_a_line_that_goes_half_way_loses_nothing(hotel: HostawayBench) -> None:
    ids = {hotel.book_upstream() for _ in range(25)}
    hotel.cloud.faults.plan(LIST, Fault.LOST_ANSWER, skip=2)
    assert not await hotel.clock.run_until(hotel.running.look(), limit_s=600)
    hotel.start_again()
    await hotel.turns(2)
    told = [body["upstream_id"] for body in hotel.learned()]
    assert sorted(told) == sorted(ids)


async def test_a_booking_that_vanishes_cancels_nothing(hotel: HostawayBench) -> None:
    upstream = hotel.book_upstream()
    await hotel.turns(1)
    del hotel.store.reservations[int(upstream)]
    await hotel.turns(3)
    assert [body["state"] for body in hotel.learned()] == ["confirmed"]


async def test_a_month_in_the_dark_reads_everything_that_matters(hotel: HostawayBench) -> None:
    await hotel.turn()
    await hotel.clock.advance(40 * 86_400)
    arrival = ARRIVAL + timedelta(days=60)
    upstream = hotel.book_upstream(arrival=arrival)
    hotel.theirs(upstream).updated_s -= 35 * 86_400
    hotel.book_upstream()  # came and left meanwhile: nobody tells the box now
    await hotel.turn()
    assert [body["upstream_id"] for body in hotel.learned()] == [upstream]


BLOCKING = {"new", "modified", "ownerStay", "awaitingPayment", "awaitingGuestVerification"}


@pytest.mark.parametrize("status", sorted(LIFE_OF))
async def test_every_status_has_its_meaning(hotel: HostawayBench, status: str) -> None:
    hotel.book_upstream(status=status)
    await hotel.turn()
    states = [body["state"] for body in hotel.learned()]
    if status in {*BLOCKING, "confirmed", "pending", "unconfirmed"}:
        assert states == ["confirmed"]
        assert bool(hotel.learned()[0]["note"]) is (status in {"pending", "unconfirmed"})
    elif status == "cancelled":
        assert states == ["cancelled"]
    else:
        assert states == []


@pytest.mark.parametrize("status", [Status.DECLINED, Status.EXPIRED, Status.INQUIRY_NOT_POSSIBLE])
async def test_a_request_that_comes_to_nothing_frees_its_nights(
    hotel: HostawayBench, status: Status
) -> None:
    upstream = hotel.book_upstream(status=Status.PENDING)
    await hotel.turns(1)
    hotel.store.change(int(upstream), status=status)
    await hotel.turns(1)
    assert [body["state"] for body in hotel.learned()] == ["confirmed", "cancelled"]


async def test_an_unknown_status_learns_nothing_and_a_person_sees_it(hotel: HostawayBench) -> None:
    strange, good = hotel.book_upstream(status="teleported"), hotel.book_upstream()
    await hotel.turns(2)
    assert [body["upstream_id"] for body in hotel.learned()] == [good]
    ((upstream, why, _),) = hotel.running.mirror.held("hostaway", person=True)
    assert (upstream, "teleported" in why) == (strange, True)
    hotel.store.change(int(strange), status=Status.NEW)
    await hotel.turns(1)
    assert {body["upstream_id"] for body in hotel.learned()} == {strange, good}
    assert hotel.running.mirror.held("hostaway", person=True) == []


@pytest.mark.parametrize(
    "broken",
    [
        {"arrivalDate": "soon"},
        {"departureDate": None},
        {"updatedOn": "yesterday"},
        {"updatedOn": None},
        {"totalPrice": "a lot"},
        {"currency": "GOLD"},
        {"checkInTime": "noon"},
        {"adults": "two"},
        {"reservationUnit": 7},
        {"guestFirstName": {"a": 1}},
    ],
)
async def test_a_poisoned_row_stops_nobody_else(
    hotel: HostawayBench, broken: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoned, good = hotel.book_upstream(), hotel.book_upstream()
    spoil(monkeypatch, poisoned, broken)
    await hotel.turns(2)
    assert good in {body["upstream_id"] for body in hotel.learned()}
    held = hotel.running.mirror.held("hostaway", person=True)
    told = {body["upstream_id"] for body in hotel.learned()}
    assert (poisoned in told) is not bool(held)
    for _, why, _ in held:
        assert "Look at it there, then retry" in why


async def test_a_cancelled_booking_is_told_before_the_one_that_took_its_nights(
    hotel: HostawayBench,
) -> None:
    """`modified` may follow `cancelled` for the same dates under another id."""
    await hotel.turns(2, seconds=1)
    gone = hotel.book_upstream(status=Status.CANCELLED)
    await hotel.clock.advance(3)
    again = hotel.book_upstream(status=Status.MODIFIED)
    await hotel.turn()
    assert [(body["upstream_id"], body["state"]) for body in hotel.learned()] == [
        (gone, "cancelled"),
        (again, "confirmed"),
    ]


async def test_a_sparse_row_renames_nobody_and_moves_nobody(hotel: HostawayBench) -> None:
    unit = next(iter(hotel.double.units))
    upstream = hotel.book_upstream(unit_id=unit)
    await hotel.turns(1)
    hotel.store.change(int(upstream), total_minor=30_000)
    hotel.cloud.faults.plan(LIST, Fault.SPARSE, times=None)
    await hotel.turns(1)
    _, second = hotel.learned()
    assert (second["guests"], second["room_id"]) == ([], "r101")
    assert sum(night["amount_minor"] for night in second["nights"]) == 30_000


async def test_the_same_guest_has_the_same_version_and_a_renamed_one_another(
    hotel: HostawayBench,
) -> None:
    upstream = hotel.book_upstream()
    await hotel.turns(1)
    hotel.store.change(int(upstream), total_minor=30_000)
    await hotel.turns(1)
    hotel.store.change(int(upstream), guest_last="Murray Hopper")
    await hotel.turns(1)
    first, second, third = (body["guests_version"] for body in hotel.learned())
    assert first == second != third
    assert "Hopper" not in first


async def test_a_listing_the_box_does_not_know_waits_for_a_person(hotel: HostawayBench) -> None:
    suite = hotel.store.add_listing("Suite")
    hotel.store.sell(suite, ARRIVAL)
    await hotel.turn()
    ((_, why, _),) = hotel.running.mirror.held("hostaway", person=True)
    assert "give the type its upstream id" in why


async def test_the_delivery_log_hints_at_what_no_list_showed(hotel: HostawayBench) -> None:
    hotel.register_webhook()
    await hotel.turns(1)
    upstream = hotel.book_upstream()
    for delivery in hotel.cloud.webhooks.due():
        hotel.cloud.webhooks.answered(delivery, None)  # nobody can be reached behind the NAT
    hotel.theirs(upstream).updated_s -= 86_400  # and the list says it is old
    await hotel.turns(1)
    assert [body["upstream_id"] for body in hotel.learned()] == [upstream]
    asked = hotel.cloud.asked
    await hotel.turns(1)
    assert hotel.cloud.asked - asked <= 2  # the list and the log: a hint is followed once


async def test_a_hint_of_anything_is_harmless(hotel: HostawayBench) -> None:
    await hotel.turn()
    upstream = hotel.book_upstream()
    hotel.running.hint([upstream, "999999", "../accessTokens", "x"])
    assert hotel.running.pull is not None
    for _ in range(2):  # what is not there is asked for once more
        done = hotel.running.pull.look_at_hinted()
        assert await hotel.clock.run_until(done, limit_s=60)
    await deliver(hotel)
    assert [body["upstream_id"] for body in hotel.learned()] == [upstream]
    assert hotel.running.mirror.held("hostaway", person=False) == []


def spoil(monkeypatch: pytest.MonkeyPatch, upstream_id: str, broken: dict[str, Any]) -> None:
    """Let one reservation be answered with nonsense in it."""
    whole = shapes.reservation

    def reservation(store: Any, one: Any, **how: Any) -> Any:
        row = whole(store, one, **how)
        return row | broken if str(one.id) == upstream_id else row

    monkeypatch.setattr(shapes, "reservation", reservation)


async def deliver(hotel: HostawayBench) -> None:
    while await hotel.running.deliverer.turn():
        pass
