"""Lost answers, refreshed tokens, a box that is gone: what the client promises."""

from __future__ import annotations

import asyncio
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kiosk import queries
from kiosk.client import ATTEMPTS_MAX, Client, Refusal, SignedOut, Unreachable
from kiosk.journal import Journal
from support.fake_box import MANAGER_PIN, PIN, FakeBox
from support.front_desk import PATIENCE, StillClock


def client_at(box: FakeBox, clock: StillClock, path: Path | None = None) -> Client:
    return Client(box.url, "desk-1", clock=clock, journal=Journal(path), patience=PATIENCE)


@pytest.fixture
async def client(box: FakeBox, clock: StillClock) -> AsyncIterator[Client]:
    async with client_at(box, clock) as opened:
        await opened.sign_in("ida", PIN)
        yield opened


CASH = {"stayId": "s1", "amountMinor": 5000}


async def test_a_lost_answer_is_asked_for_again_under_the_same_id(
    box: FakeBox, client: Client
) -> None:
    box.lose = 1
    answer = await client.act(queries.RECORD_CASH, CASH)
    ids = [given["id"] for _, given in box.acts]
    assert answer.done
    assert len(ids) == 2
    assert len(set(ids)) == 1
    assert client.journal.entries == []


async def test_an_act_without_any_answer_keeps_its_id_for_the_next_try(
    box: FakeBox, client: Client
) -> None:
    box.lose = ATTEMPTS_MAX
    with pytest.raises(Unreachable) as lost:
        await client.act(queries.RECORD_CASH, CASH)
    assert lost.value.sent
    assert len(client.journal.entries) == 1
    await client.act(queries.RECORD_CASH, CASH)
    assert len(box.done) == 1
    assert client.journal.entries == []


async def test_another_body_is_another_act(box: FakeBox, client: Client) -> None:
    box.lose = ATTEMPTS_MAX
    with pytest.raises(Unreachable):
        await client.act(queries.RECORD_CASH, CASH)
    await client.act(queries.RECORD_CASH, CASH | {"amountMinor": 7000})
    assert len(box.done) == 2


async def test_the_same_act_done_twice_on_purpose_counts_twice(
    box: FakeBox, client: Client
) -> None:
    await client.act(queries.RECORD_CASH, CASH)
    await client.act(queries.RECORD_CASH, CASH)
    assert len(box.done) == 2


async def test_nothing_is_kept_of_an_act_that_never_left(box: FakeBox, client: Client) -> None:
    box.down()
    with pytest.raises(Unreachable) as refused:
        await client.act(queries.RECORD_CASH, CASH)
    assert not refused.value.sent
    assert client.journal.entries == []
    assert not client.reach.reachable


async def test_a_crash_of_the_terminal_loses_no_id(
    box: FakeBox, clock: StillClock, tmp_path: Path
) -> None:
    path = tmp_path / "kiosk.json"
    async with client_at(box, clock, path) as first:
        await first.sign_in("ida", PIN)
        box.lose = ATTEMPTS_MAX
        with pytest.raises(Unreachable):
            await first.act(queries.CHECK_OUT, {"stayId": "s3"})
    async with client_at(box, clock, path) as second:
        await second.sign_in("ida", PIN)
        [entry] = second.journal.entries
        assert entry.whole
        assert (await second.finish(entry, queries.CHECK_OUT)).done
    assert len(box.done) == 1
    assert Journal(path).entries == []


async def test_the_journal_holds_neither_words_nor_pins(
    box: FakeBox, clock: StillClock, tmp_path: Path
) -> None:
    path = tmp_path / "kiosk.json"
    sale = {
        "roomTypeId": "double",
        "arrival": "2026-11-20",
        "departure": "2026-11-21",
        "guests": [{"given": "Grace", "family": "Achebe", "phone": "+49 30 1", "email": ""}],
        "adults": 1,
        "note": "an old friend",
        "approvedBy": "mara",
        "approvedPin": MANAGER_PIN,
    }
    async with client_at(box, clock, path) as client:
        await client.sign_in("ida", PIN)
        box.lose = 2 * ATTEMPTS_MAX
        with pytest.raises(Unreachable):
            await client.act(queries.SELL_WALK_IN, sale)
        with pytest.raises(Unreachable):
            await client.act(queries.ADD_NOTE, {"stayId": "s1", "text": "allergic to nuts"})
    kept = path.read_text()
    assert all(
        word not in kept for word in ("Grace", "Achebe", "+49", "friend", "nuts", MANAGER_PIN, PIN)
    )
    assert [entry.whole for entry in Journal(path).entries] == [False, False]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_many_askers_renew_a_token_once(
    box: FakeBox, client: Client, clock: StillClock
) -> None:
    clock.passed_s = 800
    await asyncio.gather(*(client.ask(queries.ARRIVALS) for _ in range(5)))
    assert box.refreshes == 1


async def test_a_token_that_died_early_is_renewed_without_a_word(
    box: FakeBox, client: Client
) -> None:
    box.expire_next = True
    assert (await client.act(queries.RECORD_CASH, CASH)).done
    assert box.refreshes == 1
    assert len(box.done) == 1


async def test_a_wrong_pin_is_a_sentence_not_a_fault(box: FakeBox, clock: StillClock) -> None:
    async with client_at(box, clock) as client:
        answer = await client.sign_in("ida", "0000")
        assert isinstance(answer, Refusal)
        assert answer.sentence == "That did not fit. Try again."
        with pytest.raises(SignedOut):
            await client.ask(queries.ARRIVALS)


async def test_a_box_that_does_not_answer_in_time_is_unreachable_since_then(
    box: FakeBox, client: Client, clock: StillClock
) -> None:
    box.stalled = True
    with pytest.raises(Unreachable):
        await client.ask(queries.ARRIVALS)
    assert client.reach.since_ms == clock.wall_ms()


async def test_every_socket_sends_at_once(client: Client) -> None:
    address = client.base_url.replace("http", "ws") + "/graphql"
    async with client.session.ws_connect(address) as connected:
        plug = connected.get_extra_info("socket")
        assert plug.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_a_token_is_in_no_representation(client: Client) -> None:
    assert client.signed_in is not None
    assert "token" not in repr(client.signed_in)
