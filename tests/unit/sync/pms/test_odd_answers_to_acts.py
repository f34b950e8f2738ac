"""One odd answer to an act, or to the look before it, costs a little time and no person's work."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from appliance.engines.stays.messages import CheckedIn
from support.guesty_bench import GuestyBench, guesty_bench
from support.hostaway_bench import HostawayBench, hostaway_bench
from support.odd_answers import once, put_between, said
from support.sync_bench import ARRIVAL, DEPARTURE, SyncBench, sync_bench
from sync.ledger import EffectState
from sync.transport import Answer, Request

Bench = SyncBench | GuestyBench | HostawayBench
CREATES = {
    "mews": "reservations/add",
    "guesty": "/v1/reservations-v3",
    "hostaway": "/v1/reservations?provider",
}


@pytest.fixture(params=["mews", "guesty", "hostaway"])
async def vendor(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[tuple[Bench, str]]:
    benches = {"mews": sync_bench, "guesty": guesty_bench, "hostaway": hostaway_bench}
    async with benches[request.param](tmp_path) as found:
        yield found, CREATES[request.param]


def made(bench: Bench) -> int:
    return len(bench.store.reservations) if isinstance(bench, HostawayBench) else bench.bookings()


@pytest.mark.parametrize("status", [400, 403, 404, 405, 408, 410, 422, 502])
async def test_a_sale_that_is_refused_once_is_made_all_the_same(
    vendor: tuple[Bench, str], status: int
) -> None:
    """Nothing was made: the answer comes from something before the vendor."""
    bench, where = vendor
    between = put_between(bench)
    await bench.turns(2)
    left = [1]

    def refuse(request: Request) -> Answer | None:
        if request.method != "POST" or where not in request.url or not left[0]:
            return None
        left[0] -= 1
        return Answer(status=status, body=b"<html>", headers={"content-type": "text/html"})

    between.instead = refuse
    bench.sell()
    await bench.turns(6)
    assert bench.effect("pms.book").state is EffectState.SUCCEEDED
    assert made(bench) == 1


@pytest.mark.parametrize("odd", [{}, {"result": None, "status": "success"}, []])
async def test_a_sale_whose_answer_names_no_id_is_found_by_itself(
    vendor: tuple[Bench, str], odd: Any
) -> None:
    bench, where = vendor
    between = put_between(bench)
    await bench.turns(2)

    def posted(request: Request, reply: Answer) -> Answer:
        return change(request, reply) if request.method == "POST" else reply

    change = once(where, said(odd))
    between.change = posted
    bench.sell()
    await bench.turns(6)
    assert bench.effect("pms.book").state is EffectState.SUCCEEDED
    assert made(bench) == 1


async def test_mews_a_sale_whose_answer_is_sparse_is_found_by_itself(tmp_path: Path) -> None:
    async with sync_bench(tmp_path) as bench:
        between = put_between(bench)
        sparse = {"Reservations": [{"Reservation": {"Id": "x", "Number": "7"}}]}
        between.change = once("reservations/add", said(sparse))
        bench.sell()
        await bench.turns(6)
        assert bench.effect("pms.book").state is EffectState.SUCCEEDED
        assert bench.bookings() == 1


async def test_mews_one_answer_without_the_booking_parks_no_check_in(tmp_path: Path) -> None:
    async with sync_bench(tmp_path) as bench:
        between = put_between(bench)
        bench.sell()
        await bench.turns(3)
        left = [2]

        def odd(request: Request, reply: Answer) -> Answer:
            if "reservations/start" in request.url and left[0]:
                left[0] -= 1
                return said({"Message": "no"}, 403)(reply)
            return empty(request, reply) if left[0] < 2 else reply

        checked_in = CheckedIn(
            stay_id="stay_1",
            room_id="r101",
            arrival=ARRIVAL,
            departure=DEPARTURE,
            business_date=ARRIVAL,
        )
        empty = once("reservations/getAll", said({"Reservations": [], "Cursor": None}))
        between.change = odd
        bench.box.say(checked_in)
        await bench.turns(6)
        assert bench.effect("pms.start").state is EffectState.SUCCEEDED
