"""Hostaway's webhooks in any order, twice or lost: the box ends where Hostaway is."""

from __future__ import annotations

import itertools
import random
from datetime import timedelta

import pytest

from support.hostaway_bench import HostawayBench
from support.sync_bench import ARRIVAL, DEPARTURE
from sync.inbox.delivery import Delivery, Moment, Stored, Verdict
from sync.inbox.vendors import Hostaway
from sync.inbox.words import HOSTAWAY, RESERVATION
from twin.clouds.hostaway import Delivery as Sent
from twin.clouds.hostaway import Status
from twin.clouds.hostaway.records import Webhook

MOMENT = Moment(wall_ms=0, doubt_ms=0, boot_ms=0, boot_id="b")


def register(hotel: HostawayBench) -> None:
    hotel.store.webhooks[1] = Webhook(
        id=1, enabled=True, url="https://relay.example/h", login="np", password="s3cret"
    )


def ids_in(sent: Sent) -> list[str]:
    """What the inbox makes of a delivery of the twin: verified, then only the ids."""
    verifier = Hostaway(["token np:s3cret"])
    delivery = Delivery(
        source=HOSTAWAY,
        token="token",
        headers=sent.request.headers,
        body=sent.request.body,
        moment=MOMENT,
    )
    judged = verifier.judge(delivery)
    assert judged.verdict is Verdict.GENUINE
    stored = Stored(
        seq=1,
        source=HOSTAWAY,
        dedupe_id=judged.key,
        raw=sent.request.body,
        papers=b"{}",
        state="stored",
        signed_ms=None,
        received_ms=0,
        received_boot_ms=0,
        boot_id="b",
        trace="",
        arrivals=1,
        tries=0,
        sentence="",
    )
    return verifier.normalise(stored).ids(RESERVATION)


async def hear(hotel: HostawayBench, sent: Sent) -> None:
    assert hotel.running.pull is not None
    hotel.running.hint(ids_in(sent))
    assert await hotel.clock.run_until(hotel.running.pull.look_at_hinted(), limit_s=120)
    while await hotel.running.deliverer.turn():
        pass


def changes(hotel: HostawayBench) -> str:
    """A life in six events."""
    upstream = hotel.book_upstream(status=Status.PENDING)
    one = int(upstream)
    hotel.store.change(one, status=Status.NEW)
    hotel.store.change(one, departure=DEPARTURE + timedelta(days=1), status=Status.MODIFIED)
    hotel.store.change(one, adults=2)
    hotel.store.change(one, guest_last="Murray Hopper")
    hotel.store.cancel(one)
    return upstream


@pytest.mark.parametrize("first", range(6))
async def test_every_order_of_six_webhooks_ends_in_their_state(
    hotel: HostawayBench, first: int
) -> None:
    register(hotel)
    await hotel.turn()
    for order in itertools.permutations(range(6)):
        if order[0] != first:
            continue
        upstream = changes(hotel)
        sent = hotel.cloud.webhooks.due()
        assert len(sent) == 6
        for index in order:
            hotel.running.hint(ids_in(sent[index]))
        await hear(hotel, sent[0])
        last = [body for body in hotel.learned() if body["upstream_id"] == upstream][-1]
        assert (last["state"], last["guests"][0]["family"]) == ("cancelled", "Murray Hopper")


async def test_webhooks_between_the_changes_twice_and_late_end_in_their_state(
    hotel: HostawayBench,
) -> None:
    register(hotel)
    await hotel.turn()
    hotel.cloud.webhooks.duplicates, hotel.cloud.webhooks.disorder = 0.5, True
    chance, late = random.Random(3), []
    for number in range(20):
        one = int(hotel.book_upstream(arrival=ARRIVAL + timedelta(days=number)))
        for total_minor in (30_000, 31_000, 32_000):
            hotel.store.change(one, total_minor=total_minor)
            for sent in hotel.cloud.webhooks.due():
                if chance.random() < 0.4:
                    late.append(sent)
                else:
                    await hear(hotel, sent)
            await hotel.clock.advance(chance.choice([0, 0, 3]))
    for sent in chance.sample(late, len(late)):
        await hear(hotel, sent)
    told: dict[str, int] = {}
    versions: dict[str, str] = {}
    for body in hotel.learned():
        assert body["upstream_version"] > versions.get(body["upstream_id"], "")
        versions[body["upstream_id"]] = body["upstream_version"]
        told[body["upstream_id"]] = sum(night["amount_minor"] for night in body["nights"])
    assert sorted(told.values()) == [32_000] * 20
    assert hotel.cloud.limits.refused == 0


async def test_what_no_webhook_told_is_found_by_the_next_look(hotel: HostawayBench) -> None:
    register(hotel)
    await hotel.turn()
    upstream = changes(hotel)
    for sent in hotel.cloud.webhooks.due():
        hotel.cloud.webhooks.answered(sent, 400)  # lost for good: 4xx is never tried again
    assert hotel.cloud.webhooks.waiting() == []
    await hotel.turns(1)
    assert [body["state"] for body in hotel.learned() if body["upstream_id"] == upstream] == [
        "cancelled"
    ]
