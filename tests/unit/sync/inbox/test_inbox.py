"""Verify, store, acknowledge, hand over: repeats, poison, patience, and a disk that says no."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support import webhooks
from support.inbox_house import InboxHouse, inbox_house
from support.webhooks import Posted
from sync.inbox import writer as writers
from sync.inbox.hints import Hints
from sync.inbox.words import GUESTY, HOSTAWAY, MEWS, STRIPE, NotYetError, PoisonedError


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[InboxHouse]:
    async with inbox_house(tmp_path / "sync.db") as found:
        yield found


async def test_acknowledged_is_on_disk(house: InboxHouse) -> None:
    receipt = await house.post(webhooks.guesty("m1", "r1", house.now_s))
    assert receipt.status == 200
    other = sqlite3.connect(house.path)
    assert other.execute("SELECT dedupe_id, verified FROM inbox").fetchall() == [("m1", 1)]
    assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    other.close()


async def test_a_repeat_is_a_success_and_is_heard_once(house: InboxHouse) -> None:
    for _ in range(3):
        assert (await house.post(webhooks.guesty("m1", "r1", house.now_s))).status == 200
        await house.turn()
        house.clock.later(60)
    assert len(house.ears[GUESTY].events) == 1
    assert house.inbox.counts[GUESTY, "known"] == 2


async def test_bad_signatures_are_counted_and_leave_nothing(house: InboxHouse) -> None:
    forged = webhooks.guesty("m1", "r1", house.now_s, secret="whsec_Zm9yZ2Vk")
    receipt = await house.post(forged)
    assert receipt.status == 401
    assert "secret" in receipt.sentence
    assert await house.rows() == []
    assert house.inbox.counts[GUESTY, "unproven"] == 1


async def test_a_handled_item_keeps_its_key_and_no_guest(house: InboxHouse) -> None:
    body = {"event": "reservation.new", "reservation": {"_id": "r1", "guest": {"n": "Lovelace"}}}
    await house.post(webhooks.guesty("m1", "r1", house.now_s, body=body))
    await house.turn()
    assert await house.rows() == [("m1", "handled", b"")]
    wal = house.path.with_name("sync.db-wal")
    sqlite3.connect(house.path).execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert b"Lovelace" not in house.path.read_bytes() + wal.read_bytes()


async def test_what_nobody_signs_is_heard_again_after_it_was_handled(house: InboxHouse) -> None:
    await house.post(webhooks.hostaway(1))
    await house.post(webhooks.hostaway(1))
    await house.turn()
    assert house.ears[HOSTAWAY].ids == ["1"]
    # The same bytes an hour later are another change of the same booking.
    house.clock.later(3600)
    await house.post(webhooks.hostaway(1))
    await house.turn()
    assert house.ears[HOSTAWAY].ids == ["1", "1"]


async def test_what_comes_while_its_like_is_handled_is_not_lost(house: InboxHouse) -> None:
    await house.post(webhooks.hostaway(1))
    ear = house.ears[HOSTAWAY]
    heard = ear.heard
    once = iter([True])

    async def slowly(event: object) -> None:
        await heard(event)  # type: ignore[arg-type]
        if next(once, False):  # the booking was fetched; now it changes again
            await house.post(webhooks.hostaway(1))

    ear.heard = slowly  # type: ignore[method-assign]
    await house.turn()
    assert ear.ids == ["1", "1"]


async def test_poison_is_parked_and_others_flow(house: InboxHouse) -> None:
    ear = house.ears[GUESTY]
    ear.fails = lambda event: (
        PoisonedError("the amount is no number") if event.key == "m2" else None
    )
    for name in ("m1", "m2", "m3"):
        await house.post(webhooks.guesty(name, f"r-{name}", house.now_s))
    await house.turn()
    assert ear.ids == ["r-m1", "r-m3"]
    (parked,) = await house.inbox.parked(10)
    assert parked["sentence"] == "the amount is no number"
    ear.fails = lambda event: None
    seq = int(parked["id"].partition(":")[2])
    assert await house.inbox.retry(seq) == "it is handed over again now"
    await house.turn()
    assert ear.ids[-1] == "r-m2"
    assert await house.inbox.retry(seq) == f"no webhook {seq} is parked"


async def test_a_person_may_settle_what_is_parked(house: InboxHouse) -> None:
    house.ears[GUESTY].fails = lambda event: PoisonedError("no")
    await house.post(webhooks.guesty("m1", "r1", house.now_s))
    await house.turn()
    assert await house.inbox.settle_by_hand(1) == "noted: it is done"
    assert await house.rows() == [("m1", "handled", b"")]


async def test_a_body_of_a_new_shape_is_parked_with_a_sentence(house: InboxHouse) -> None:
    posted = webhooks.hostaway(1)
    await house.post(Posted(path=posted.path, headers=posted.headers, body=b'{"news": 1}'))
    await house.post(webhooks.guesty("m1", "", house.now_s, body={"event": "reservation.new"}))
    await house.post(Posted(path="/hooks/mews/mewsPathToken", headers={}, body=b"[" * 100_000))
    await house.turn()
    sentences = [each["sentence"] for each in await house.inbox.parked(10)]
    assert len(sentences) == 3
    assert "its shape is new" in sentences[0]


async def test_not_yet_comes_again_and_delays_nobody(house: InboxHouse) -> None:
    ear = house.ears[STRIPE]
    ear.fails = lambda event: NotYetError("no such intent yet") if event.key == "evt_1" else None
    await house.post(webhooks.stripe("evt_1", "pi_1", house.now_s))
    await house.post(webhooks.stripe("evt_2", "pi_2", house.now_s))
    await house.turn()
    assert ear.ids == ["pi_2"]
    ear.fails = lambda event: None
    await house.turn()
    assert ear.ids == ["pi_2"]  # not due
    house.clock.later(2)
    await house.turn()
    assert ear.ids == ["pi_2", "pi_1"]


async def test_not_yet_for_three_days_is_a_persons(house: InboxHouse) -> None:
    house.ears[STRIPE].fails = lambda event: NotYetError("no such intent yet")
    await house.post(webhooks.stripe("evt_1", "pi_1", house.now_s))
    for _ in range(40):
        await house.turn([STRIPE])
        house.clock.later(7_000)
    (parked,) = await house.inbox.parked(10)
    assert "no such intent yet" in parked["sentence"]


async def test_a_fault_of_ours_is_tried_five_times_and_tells_no_secret(house: InboxHouse) -> None:
    house.ears[STRIPE].fails = lambda event: RuntimeError("Ada Lovelace")
    await house.post(webhooks.stripe("evt_1", "pi_1", house.now_s))
    for _ in range(5):
        assert await house.inbox.parked(10) == []
        await house.turn([STRIPE])
        house.clock.later(600)
    (parked,) = await house.inbox.parked(10)
    assert "RuntimeError" in parked["sentence"]
    assert "Ada" not in parked["sentence"]


@pytest.mark.parametrize("missing", ["secret", "listener"])
async def test_what_we_are_not_set_up_for_is_asked_again(house: InboxHouse, missing: str) -> None:
    if missing == "secret":
        house.inbox.vendors = {}
    else:
        del house.inbox.listeners[HOSTAWAY]
    receipt = house.inbox.unready(HOSTAWAY)
    assert receipt is not None
    assert receipt.status == 503  # Hostaway never comes again after a 4xx


async def test_a_locked_store_says_come_again(house: InboxHouse) -> None:
    await house.inbox.store.do(lambda db: db.execute("PRAGMA busy_timeout = 50").fetchone())
    other = sqlite3.connect(house.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert (await house.post(webhooks.hostaway(1))).status == 503
    other.execute("ROLLBACK")
    assert (await house.post(webhooks.hostaway(1))).status == 200
    other.close()


async def test_a_full_disk_says_come_again(house: InboxHouse) -> None:
    pages = await house.inbox.store.do(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
    await house.inbox.store.do(lambda db: db.execute(f"PRAGMA max_page_count={pages}").fetchone())
    answers = [
        await house.post(webhooks.guesty(f"m{number}", "r" * 3_000, house.now_s))
        for number in range(8)
    ]
    assert answers[-1].status == 503
    stored = {row[0] for row in await house.rows()}
    acknowledged = {f"m{n}" for n, receipt in enumerate(answers) if receipt.status == 200}
    assert stored == acknowledged
    await house.inbox.store.do(lambda db: db.execute("PRAGMA max_page_count=100000").fetchone())
    assert (await house.post(webhooks.guesty("m9", "r9", house.now_s))).status == 200


async def test_a_disk_that_hangs_is_answered_in_time(
    house: InboxHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.inbox.inbox.STORE_S_MAX", 0.05)
    other = sqlite3.connect(house.path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    assert (await house.post(webhooks.hostaway(1))).status == 503
    other.execute("ROLLBACK")
    other.close()


async def test_more_than_may_wait_is_refused_at_once(
    house: InboxHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "WAITING_MAX", 0)
    unready = house.inbox.unready(GUESTY)
    assert unready is not None
    assert unready.status == 503
    assert (await house.post(webhooks.guesty("m1", "r1", house.now_s))).status == 503


async def test_many_share_one_commit(house: InboxHouse) -> None:
    before = house.inbox.store.commits
    posts = [webhooks.guesty(f"m{number}", "r", house.now_s) for number in range(200)]
    receipts = await asyncio.gather(*(house.post(each) for each in posts))
    assert {receipt.status for receipt in receipts} == {200}
    assert house.inbox.store.commits - before <= 40


async def test_a_key_is_remembered_for_a_week_after_it_was_handled(house: InboxHouse) -> None:
    await house.post(webhooks.guesty("m1", "r1", house.now_s))
    house.clock.later(3 * 86_400)
    await house.turn()
    house.clock.later(7 * 86_400 - 1)
    assert await house.quarantine.forget() == 0
    assert (await house.post(webhooks.guesty("m1", "r1", house.now_s))).sentence == "Known already."
    house.clock.later(2)
    house.clock.doubt_ms = 10**9  # a clock that may be years ahead forgets nothing
    assert await house.quarantine.forget() == 0
    house.clock.doubt_ms = 20
    assert await house.quarantine.forget() == 1


async def test_forgetting_goes_in_steps(house: InboxHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.inbox.quarantine.FORGOTTEN_MAX", 3)
    for number in range(7):
        await house.post(webhooks.guesty(f"m{number}", "r1", house.now_s))
    await house.turn()
    house.clock.later(8 * 86_400)
    assert [await house.quarantine.forget() for _ in range(4)] == [3, 3, 1, 0]


async def test_hints_of_many_are_one_write(house: InboxHouse) -> None:
    hinted: list[list[str]] = []
    woken: list[bool] = []
    hints = Hints(lambda ids: hinted.append(list(ids)), lambda: woken.append(True))
    house.inbox.listen(GUESTY, hints)
    for number in (1, 2, 1, 3):
        await house.post(webhooks.guesty(f"m{number}", f"r{number}", house.now_s))
    await house.turn()
    assert hinted == [["r1", "r2", "r3"]]
    assert woken == [True]


async def test_one_bad_apple_among_many_hints(house: InboxHouse) -> None:
    hinted: list[str] = []
    house.inbox.listen(HOSTAWAY, Hints(hinted.extend, lambda: None))
    bad = webhooks.hostaway(1)
    await house.post(webhooks.hostaway(1))
    await house.post(Posted(path=bad.path, headers=bad.headers, body=b"nonsense"))
    await house.post(webhooks.hostaway(2))
    await house.turn()
    assert hinted == ["1", "2"]
    assert len(await house.inbox.parked(10)) == 1


async def test_standing_tells_what_waits_and_what_was_refused(house: InboxHouse) -> None:
    await house.post(webhooks.guesty("m1", "r1", house.now_s))
    await house.post(webhooks.guesty("m2", "r1", house.now_s, secret="whsec_Zm9yZ2Vk"))
    (found,) = [each for each in await house.inbox.standing() if each["source"] == GUESTY]
    assert (found["waiting"], found["oldest_ms"]) == (1, house.clock.wall_ms)
    assert (found["count_new"], found["count_unproven"]) == (1, 1)


async def test_every_order_of_six_reaches_the_same_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All orders of up to six deliveries, repeats among them: the same rows, the same hints."""
    # Two thousand orders: what is asked here is their end, not the disk.
    monkeypatch.setattr(writers, "LINGER_S", 0.0)
    monkeypatch.setattr(writers, "PRAGMAS", ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=OFF"))
    async with inbox_house(tmp_path / "sync.db") as house:
        now_s = house.now_s
        six = [
            webhooks.guesty("m1", "r1", now_s),
            webhooks.guesty("m1", "r1", now_s),
            webhooks.hostaway(7),
            webhooks.hostaway(7),
            webhooks.stripe("evt_1", "pi_1", now_s),
            webhooks.mews("a", "b"),
        ]
        ends = set()
        for size in range(1, 7):
            for chosen in itertools.combinations(range(6), size):
                orders = set(itertools.permutations(chosen))
                found = {await _end(house, [six[number] for number in each]) for each in orders}
                assert len(found) == 1
                ends |= found
        whole = await _end(house, six)
        assert [ids for ids in whole[1] if ids] == [
            ("r1",),
            ("7",),
            ("a", "b", "room-1"),
            ("pi_1",),
        ]


async def _end(
    house: InboxHouse, posts: list[Posted]
) -> tuple[object, tuple[tuple[str, ...], ...]]:
    """Where an order of deliveries leads, from an empty inbox."""
    await house.inbox.store.do(lambda db: db.execute("DELETE FROM inbox"))
    for ear in house.ears.values():
        ear.events.clear()
    receipts = await asyncio.gather(*(house.post(each) for each in posts))
    assert {receipt.status for receipt in receipts} == {200}
    await house.turn()
    rows = sorted(await house.rows("source, dedupe_id, state, verified, raw"))
    sources = (GUESTY, HOSTAWAY, MEWS, STRIPE)
    heard = tuple(tuple(sorted(set(house.ears[source].ids))) for source in sources)
    return tuple(rows), heard
