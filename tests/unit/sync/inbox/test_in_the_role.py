"""The inbox inside the sync role: a webhook of the PMS becomes a fetch, its trouble is shown."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from support import webhooks
from support.sync_bench import SyncBench, sync_bench
from support.webhooks import MEWS_TOKEN, Posted
from sync.control import _answer
from sync.inbox.delivery import Delivery
from sync.inbox.inbox import Receipt
from sync.inbox.reception import WebhookSettings
from sync.inbox.words import MEWS
from sync.running import Running


async def post(running: Running, posted: Posted) -> Receipt:
    assert running.reception is not None
    inbox = running.reception.inbox
    token = posted.path.rpartition("/")[2]
    return await inbox.receive(
        Delivery(
            source=MEWS,
            token=token,
            headers=posted.headers,
            body=posted.body,
            moment=inbox.moment(),
        )
    )


async def receiving(bench: SyncBench) -> Running:
    bench.settings = replace(
        bench.settings, webhooks=WebhookSettings(secrets={MEWS: (MEWS_TOKEN,)})
    )
    running = bench.start_again()
    assert running.reception is not None
    running.reception.inbox.store.open()
    return running


@pytest.fixture
async def bench(tmp_path: Path):  # type: ignore[no-untyped-def]  # noqa: ANN201
    async with sync_bench(tmp_path) as found:
        yield found


async def test_a_webhook_of_the_pms_is_a_booking_to_fetch(bench: SyncBench) -> None:
    running = await receiving(bench)
    assert running.reception is not None
    assert (await post(running, webhooks.mews("res-1", "res-2"))).status == 200
    assert await running.reception.lanes.turn(MEWS) == 1
    held = {
        row[0]
        for row in running.ledger.db.execute("SELECT upstream_id FROM held WHERE source = 'mews'")
    }
    assert held == {"res-1", "res-2"}
    assert running._hinted.is_set()


async def test_what_is_parked_is_reported_and_decided(bench: SyncBench) -> None:
    running = await receiving(bench)
    reception = running.reception
    assert reception is not None
    posted = webhooks.mews("res-1")
    await post(running, Posted(path=posted.path, headers={}, body=b"no list of events"))
    await reception.lanes.turn(MEWS)
    await reception.look()
    parked = [each for each in running.report()["parked"] if each["id"].startswith("inbox:")]
    assert [each["sentence"] for each in parked] == ["the body is no JSON object"]
    status = (await _answer(running, b'["status"]'))["status"]
    (mews,) = status["webhooks"]
    assert (mews["source"], mews["parked"], mews["count_new"]) == (MEWS, 1, 1)
    name = parked[0]["id"]
    assert await _answer(running, f'["retry", "{name}"]'.encode()) == {
        "lines": ["it is handed over again now"]
    }
    await reception.lanes.turn(MEWS)
    assert await _answer(running, f'["done", "{name}"]'.encode()) == {
        "lines": ["noted: it is done"]
    }
    assert await _answer(running, b'["done", "inbox:x"]') == {"lines": ["there is no webhook x"]}


async def test_ledger_and_inbox_take_turns_in_a_flood(bench: SyncBench) -> None:
    """Neither starves the other, and neither sees the file locked."""
    running = await receiving(bench)
    assert running.reception is not None
    # SQLite itself is told not to wait at all: only the pen keeps them apart.
    running.ledger.db.execute("PRAGMA busy_timeout = 0")
    store = running.reception.inbox.store
    await store.do(lambda db: db.execute("PRAGMA busy_timeout = 0").fetchone())

    async def flood() -> set[int]:
        posts = (webhooks.mews(f"res-{number}") for number in range(300))
        return {(await post(running, each)).status for each in posts}

    async def effects() -> None:
        for number in range(60):
            with running.ledger.transaction():
                running.ledger.keep("a.count", number)
            await asyncio.wait([asyncio.ensure_future(store.do(lambda db: None))])

    answers, _ = await asyncio.gather(flood(), effects())
    assert answers == {200}
    assert running.ledger.kept("a.count", int) == 59


async def test_a_transaction_that_could_not_begin_leaves_the_next_one_whole(
    bench: SyncBench,
) -> None:
    ledger = bench.running.ledger
    ledger.db.execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(bench.settings.ledger_path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError), ledger.transaction():
        pass
    other.execute("ROLLBACK")
    other.close()

    def broken() -> None:
        with ledger.transaction():
            ledger.keep("half", value=True)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()
    assert ledger.kept("half", bool, default=False) is False
