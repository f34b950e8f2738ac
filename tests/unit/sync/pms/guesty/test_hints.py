"""Guesty's webhooks only say "look here": in any order, twice or late, they end in its state."""

from __future__ import annotations

import itertools
from typing import Any

from support.guesty_bench import GuestyBench
from support.sync_bench import ARRIVAL, DEPARTURE
from sync.inbox.delivery import Delivery, Moment, Stored, Verdict
from sync.inbox.vendors import Guesty
from twin.clouds.guesty import GuestStay, Status
from twin.clouds.guesty.records import Reservation
from twin.clouds.guesty.webhooks import Endpoint, written
from twin.clouds.wire import Request

URL = "https://box.example/hooks/guesty"
SECRET = b"twenty-four bytes of it."


def listening(bench: GuestyBench) -> Guesty:
    """Register at the twin, and be the inbox's reading of its webhooks."""
    bench.cloud.webhooks.endpoints["w1"] = Endpoint(
        id="w1",
        url=URL,
        events=frozenset({"reservation.created.v2", "reservation.updated.v2"}),
        secrets=[SECRET],
        made_ms=0,
    )
    return Guesty([written(SECRET)])


def ids_of(bench: GuestyBench, vendor: Guesty, request: Request) -> list[str]:
    """Verified on its raw bytes, and then only its id is believed."""
    reading = bench.clock.read()
    delivery = Delivery(
        source="guesty",
        token="",
        headers=request.headers,
        body=request.body,
        moment=Moment(wall_ms=reading.wall_ms, doubt_ms=0, boot_ms=1, boot_id="b"),
    )
    assert vendor.judge(delivery).verdict is Verdict.GENUINE
    stored = Stored(
        seq=1,
        source="guesty",
        dedupe_id=request.headers["svix-id"],
        raw=request.body,
        papers=b"{}",
        state="stored",
        signed_ms=reading.wall_ms,
        received_ms=reading.wall_ms,
        received_boot_ms=1,
        boot_id="b",
        trace="",
        arrivals=1,
        tries=0,
        sentence="",
    )
    return [each.id for each in vendor.normalise(stored).aggregates]


async def hinted(bench: GuestyBench, ids: list[str]) -> None:
    bench.running.hint(ids)
    assert bench.running.pull is not None
    await bench.clock.run_until(bench.running.pull.look_at_hinted(), limit_s=300)
    while await bench.running.deliverer.turn():
        pass


def changes(bench: GuestyBench) -> Reservation:
    """Six events of one booking's life."""
    store = bench.store
    one = bench.book_there(unit=0, status=Status.RESERVED)
    store.set_status(one, Status.CONFIRMED, by="channel")
    store.set_people(one, 1, 1, by="channel")
    store.move_dates(one, ARRIVAL, DEPARTURE, by="channel")
    store.set_guest_stay(one, GuestStay.CHECKED_IN, by="desk")
    store.set_guest_stay(one, GuestStay.CHECKED_OUT, by="desk")
    return one


def final(bench: GuestyBench, upstream_id: str) -> dict[str, Any]:
    return [body for body in bench.learned() if body["upstream_id"] == upstream_id][-1]


async def test_six_webhooks_in_any_order_end_in_guestys_state(bench: GuestyBench) -> None:
    vendor = listening(bench)
    await bench.turn()
    orders = list(itertools.permutations(range(6)))[::9]
    for order in orders:
        one = changes(bench)
        requests = [each.request for each in bench.cloud.webhooks.due()]
        bench.cloud.webhooks.owed.clear()
        assert len(requests) == 6
        for number in order:
            await hinted(bench, ids_of(bench, vendor, requests[number]))
        told = final(bench, one.id)
        assert (told["state"], told["adults"], told["children"]) == ("departed", 1, 1)
    assert 429 not in bench.cloud.answers


async def test_each_webhook_that_comes_between_two_changes_brings_what_is_so_by_then(
    bench: GuestyBench,
) -> None:
    vendor = listening(bench)
    await bench.turn()
    one = bench.book_there(unit=0)
    seen = []
    for status in (None, GuestStay.CHECKED_IN, GuestStay.CHECKED_OUT):
        if status is not None:
            bench.store.set_guest_stay(one, status, by="desk")
        # Each comes twice, and every older one comes again.
        for delivery in bench.cloud.webhooks.due(shuffled=True, doubled=True):
            await hinted(bench, ids_of(bench, vendor, delivery.request))
        seen.append(final(bench, one.id)["state"])
    assert seen == ["confirmed", "in_house", "departed"]
    assert len(bench.learned()) == 3


async def test_a_hint_of_nobody_costs_one_read_and_changes_nothing(bench: GuestyBench) -> None:
    one = bench.book_there()
    await bench.turns(1)
    asked = bench.cloud.asked
    await hinted(bench, [one.id, "nobody"])
    assert bench.cloud.asked == asked + 1
    assert len(bench.learned()) == 1
    assert not bench.running.report()["parked"]
