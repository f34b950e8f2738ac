"""Whatever the order of its webhooks, the box ends where the vendor is: Mews' twin, real fetches."""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from support import webhooks
from support.sync_bench import SyncBench, sync_bench
from support.webhooks import MEWS_TOKEN
from sync.inbox import writer as writers
from sync.inbox.delivery import Delivery
from sync.inbox.reception import Reception, WebhookSettings
from sync.inbox.words import MEWS

# Of the 720 orders, one in fifteen; all orders of the inbox alone are in test_inbox.py.
ORDERS = random.Random(5).sample(list(itertools.permutations(range(6))), 48)


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SyncBench]:
    monkeypatch.setattr(writers, "LINGER_S", 0.0)
    async with sync_bench(tmp_path) as found:
        found.settings = replace(
            found.settings, webhooks=WebhookSettings(secrets={MEWS: (MEWS_TOKEN,)})
        )
        running = found.start_again()
        assert running.reception is not None
        running.reception.inbox.store.open()
        found.clock.watch(running.reception.inbox.store.busy)
        while await running.follower.turn():
            pass
        yield found


async def hear(reception: Reception, upstream_id: str) -> None:
    """The vendor posts one webhook, and it is handed over."""
    posted = webhooks.mews(upstream_id)
    inbox = reception.inbox
    receipt = await inbox.receive(
        Delivery(source=MEWS, token=MEWS_TOKEN, body=posted.body, moment=inbox.moment())
    )
    assert receipt.status == 200
    await reception.lanes.turn(MEWS)


async def test_every_order_ends_where_the_vendor_is(bench: SyncBench) -> None:
    running, store = bench.running, bench.clouds.mews.store
    reception, pull = running.reception, running.pull
    assert reception is not None
    assert pull is not None
    for order in ORDERS:
        first, second = bench.book_upstream(), bench.book_upstream()
        # The vendor's own history, and the webhook of each step.
        history: list[tuple[str, Callable[[], object]]] = [
            (first, int),
            (second, int),
            (first, partial(store.modify_reservation, first, adults=1)),
            (second, partial(store.modify_reservation, second, adults=3)),
            (first, partial(store.cancel_reservation, first)),
            (second, partial(store.modify_reservation, second, adults=2)),
        ]
        done = 0
        for number in order:
            while done <= number:  # what a webhook tells of has happened, and all before it
                history[done][1]()
                done += 1
            await hear(reception, history[number][0])
            await bench.clock.run_until(pull.look_at_hinted(), limit_s=600)
        while await running.deliverer.turn():
            pass
        last = {
            body["upstream_id"]: (body["state"], body["adults"])
            for body in bench.box.of("stays.learn_booking")
        }
        assert last[first] == ("cancelled", 1)
        assert last[second] == ("confirmed", 2)
        await bench.clock.advance(31)
