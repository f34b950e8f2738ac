"""What tasks promise: an owner, an end that is noticed, and work that is never left half done."""

from __future__ import annotations

import asyncio

import pytest

from appliance.kernel.tasks import Nursery, to_the_end


async def test_work_runs_to_its_end_however_often_its_waiter_is_cancelled() -> None:
    started, may_end, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        started.set()
        await may_end.wait()
        ended.set()

    waiter = asyncio.ensure_future(to_the_end(work()))
    await started.wait()
    for _ in range(3):
        waiter.cancel()
        await asyncio.wait([waiter], timeout=0.01)
    assert not waiter.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert ended.is_set()


async def test_closing_ends_also_what_was_started_while_it_closed() -> None:
    nursery = Nursery(lambda name, error: pytest.fail(f"{name}: {error}"))
    seen: list[str] = []

    async def clean_up() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("cleaned")

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            nursery.mortal("clean up", clean_up())

    nursery.mortal("work", work())
    started = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(started.set_result, None)
    await started
    await nursery.close()
    assert len(asyncio.all_tasks()) == 1
