"""A relay between vendors and a box: nothing lost, nothing forged, nothing twice."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec
import pytest

from support import webhooks
from support.inbox_house import InboxHouse, SetClock, inbox_house
from support.webhooks import HOSTAWAY_LOGIN, HOSTAWAY_TOKEN, STRIPE_SECRET, Posted
from sync.inbox.delivery import Delivery, Judged
from sync.inbox.endpoint import listen
from sync.inbox.relayed import RelayAccount, Relayed, RelayError
from sync.inbox.vendors import Mews
from sync.inbox.words import HOSTAWAY, STRIPE
from sync.relay import mailboxes as boxes
from sync.relay.mailboxes import Mailboxes
from sync.relay.server import Relay
from sync.relay.wire import (
    Hint,
    Page,
    Pairing,
    PairingError,
    hint_mac,
    new_pairing,
    pull_proof,
    read_pairing,
)
from sync.transport import Answer, HttpTransport, NoAnswer, Request


@dataclass(slots=True)
class Meddler:
    """The line between box and relay, and somebody on it."""

    transport: HttpTransport
    change: Callable[[Page], Page] = lambda page: page
    cut: bool = False
    last: Answer | None = None
    replay: Answer | None = None

    async def send(self, request: Request) -> Answer | NoAnswer:
        if self.cut:
            return NoAnswer(sent=False, why="cut")
        if self.replay is not None:
            return self.replay
        reply = await self.transport.send(request)
        if isinstance(reply, Answer) and reply.status == 200:
            self.last = reply
            page = self.change(msgspec.json.decode(reply.body, type=Page))
            return Answer(status=200, body=msgspec.json.encode(page))
        return reply


@dataclass(slots=True)
class Place:
    """A relay, a box behind NAT, and vendors."""

    house: InboxHouse
    relayed: Relayed
    line: Meddler
    pairing: Pairing
    base: str
    session: aiohttp.ClientSession
    mailboxes: Mailboxes

    async def post(self, posted: Posted) -> int:
        """A vendor posts to the relay."""
        path = posted.path.replace("/hooks", f"/to/{self.pairing.mailbox}")
        url = self.base + path
        async with self.session.post(url, headers=posted.headers, data=posted.body) as reply:
            return reply.status


@asynccontextmanager
async def place_at(folder: Path, pairing: Pairing, data: str = "relay.db") -> AsyncIterator[Place]:
    clock = SetClock()
    mailboxes = Mailboxes(folder / data)
    await mailboxes.open()
    transport = HttpTransport()
    relay = Relay(mailboxes, {pairing.mailbox: pairing}, clock)
    async with (
        inbox_house(folder / "sync.db", clock=clock) as house,
        listen(relay, "127.0.0.1", 0) as port,
        aiohttp.ClientSession() as session,
    ):
        base = f"http://127.0.0.1:{port}"
        line = Meddler(transport)
        account = RelayAccount(url=base, pairing=pairing)
        relayed = Relayed(house.inbox, account, clock=clock, send=line.send)
        yield Place(house, relayed, line, pairing, base, session, mailboxes)
    await transport.close()
    mailboxes.writer.close()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with place_at(tmp_path, new_pairing()) as found:
        yield found


async def test_signed_and_unsigned_arrive_and_are_acknowledged(place: Place) -> None:
    now_s = place.house.now_s
    posts = [
        webhooks.stripe("evt_1", "pi_1", now_s),
        webhooks.guesty("m1", "r1", now_s),
        webhooks.hostaway(7),
        webhooks.mews("a"),
    ]
    for posted in posts:
        assert await place.post(posted) == 200
    assert await place.relayed.pull() == 4
    assert await place.relayed.pull() == 0
    # The second question acknowledged the first answer: the relay keeps nothing of it.
    count = await place.mailboxes.writer.do(
        lambda db: db.execute("SELECT count(*) FROM hint").fetchone()[0]
    )
    assert count == 0
    await place.house.turn()
    heard = {source: ear.ids for source, ear in place.house.ears.items() if ear.ids}
    assert heard == {
        "stripe": ["pi_1"],
        "guesty": ["r1"],
        "hostaway": ["7"],
        "mews": ["a", "room-1"],
    }


async def test_a_repeat_at_the_relay_is_heard_once(place: Place) -> None:
    for _ in range(3):
        await place.post(webhooks.stripe("evt_1", "pi_1", place.house.now_s))
    assert await place.relayed.pull() == 1
    await place.house.turn()
    assert place.house.ears[STRIPE].ids == ["pi_1"]


async def test_what_a_relay_cannot_forge(place: Place) -> None:
    """It has its own key, so its own proof is good; the vendor's is not."""
    now_s = place.house.now_s
    await place.post(webhooks.stripe("evt_1", "pi_1", now_s, secret="whsec_relay"))
    await place.post(webhooks.hostaway(7, token="guessed"))
    await place.post(webhooks.stripe("evt_2", "pi_2", now_s - 900))
    assert await place.relayed.pull() == 0
    assert await place.house.rows() == []
    assert place.house.inbox.counts[STRIPE, "unproven"] == 1
    assert place.house.inbox.counts[HOSTAWAY, "unproven"] == 1


async def test_no_login_and_no_token_are_kept_at_the_relay(place: Place, tmp_path: Path) -> None:
    await place.post(webhooks.hostaway(7))
    await place.mailboxes.writer.do(lambda db: db.execute("SELECT 1").fetchone())
    raw = (tmp_path / "relay.db").read_bytes() + (tmp_path / "relay.db-wal").read_bytes()
    for secret in (HOSTAWAY_TOKEN, HOSTAWAY_LOGIN, STRIPE_SECRET, "Basic "):
        assert secret.encode() not in raw


@pytest.mark.parametrize("field", ["body", "received_ms", "seq", "source", "proof", "headers"])
async def test_nobody_on_the_line_changes_a_hint(place: Place, field: str) -> None:
    await place.post(webhooks.hostaway(7))
    other: dict[str, object] = {
        "body": b'{"event":"reservation.updated","data":{"id":8}}',
        "received_ms": 1,
        "seq": 99,
        "source": "mews",
        "proof": "0" * 64,
        "headers": {"svix-id": "x"},
    }

    def change(page: Page) -> Page:
        hints = [msgspec.structs.replace(hint, **{field: other[field]}) for hint in page.hints]
        return msgspec.structs.replace(page, hints=hints)

    place.line.change = change
    with pytest.raises(RelayError, match="our key"):
        await place.relayed.pull()
    assert await place.house.rows() == []
    place.line.change = lambda page: page
    assert await place.relayed.pull() == 1  # nothing was acknowledged meanwhile


async def test_an_answer_played_again_is_no_news(place: Place) -> None:
    await place.post(webhooks.hostaway(7))
    await place.relayed.pull()
    place.line.replay = place.line.last
    with pytest.raises(RelayError, match="repeats"):
        await place.relayed.pull()


async def test_hints_out_of_order_are_refused(place: Place) -> None:
    for number in (1, 2):
        await place.post(webhooks.hostaway(number))
    place.line.change = lambda page: msgspec.structs.replace(page, hints=page.hints[::-1])
    with pytest.raises(RelayError, match="out of order"):
        await place.relayed.pull()


async def test_a_hint_older_than_any_relay_keeps_is_left(place: Place) -> None:
    await place.post(webhooks.hostaway(7))
    place.house.clock.later(9 * 86_400)
    assert await place.relayed.pull() == 0
    assert place.house.inbox.counts[HOSTAWAY, "age_wrong"] == 1


async def test_three_days_dark_and_without_a_clock(place: Place) -> None:
    """The relay's time judges the signature; the box's own may be anything."""
    await place.post(webhooks.stripe("evt_1", "pi_1", place.house.now_s))
    place.house.clock.later(72 * 3_600)
    place.house.clock.doubt_ms = 315_360_000_000
    place.house.clock.wall_ms -= 10 * 365 * 86_400_000
    assert await place.relayed.pull() == 1
    await place.house.turn()
    assert place.house.ears[STRIPE].ids == ["pi_1"]


async def test_a_cut_line_loses_nothing(place: Place) -> None:
    await place.post(webhooks.hostaway(7))
    place.line.cut = True
    with pytest.raises(RelayError, match="does not answer"):
        await place.relayed.pull()
    place.line.cut = False
    assert await place.relayed.pull() == 1


async def test_a_store_that_says_no_acknowledges_nothing(place: Place) -> None:
    await place.post(webhooks.hostaway(7))
    store = place.house.inbox.store
    await store.do(lambda db: db.execute("PRAGMA busy_timeout = 30").fetchone())
    other = sqlite3.connect(place.house.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Exception, match="took nothing"):
        await place.relayed.pull()
    other.execute("ROLLBACK")
    other.close()
    assert await place.relayed.pull() == 1


async def test_a_new_relay_begins_anew(tmp_path: Path) -> None:
    pairing = new_pairing()
    async with place_at(tmp_path, pairing) as place:
        for number in (1, 2, 3):
            await place.post(webhooks.hostaway(number))
        assert await place.relayed.pull() == 3
    async with place_at(tmp_path, pairing, data="other.db") as place:
        await place.post(webhooks.hostaway(4))
        assert await place.relayed.pull() == 1


async def test_a_restarted_relay_keeps_what_it_took(tmp_path: Path) -> None:
    pairing = new_pairing()
    async with place_at(tmp_path, pairing) as place:
        assert await place.post(webhooks.hostaway(1)) == 200
    async with place_at(tmp_path, pairing) as place:
        assert await place.relayed.pull() == 1


async def test_a_question_waits_for_news(place: Place) -> None:
    asking = asyncio.ensure_future(place.relayed.pull(20))
    # The page was read once and was empty: the question is open now.
    commits = place.mailboxes.writer.commits
    while place.mailboxes.writer.commits == commits:
        await asyncio.wait([asking], timeout=0.01)
    assert not asking.done()
    assert await place.post(webhooks.hostaway(1)) == 200
    assert await asking == 1


async def test_strangers_get_nothing(place: Place) -> None:
    other = Pairing(mailbox=place.pairing.mailbox, key=bytes(32))
    cases = [
        ("GET", f"/from/{place.pairing.mailbox}", "", 401),
        ("GET", f"/from/{place.pairing.mailbox}?after=x", "", 400),
        ("GET", f"/from/{place.pairing.mailbox}", pull_proof(other, "", 0), 401),
        ("GET", f"/from/{place.pairing.mailbox}?after=5", pull_proof(place.pairing, "", 0), 401),
        ("GET", "/from/nobody-nobody-nobody", "", 404),
        ("POST", "/to/nobody-nobody-nobody/stripe", "", 404),
        ("POST", f"/to/{place.pairing.mailbox}/nobody", "", 404),
        ("PUT", f"/to/{place.pairing.mailbox}/stripe", "", 404),
        ("GET", "/", "", 404),
    ]
    for method, path, proof, status in cases:
        headers = {"Authorization": f"Nightporter {proof}"}
        async with place.session.request(method, place.base + path, headers=headers) as reply:
            assert (reply.status, path) == (status, path)


async def test_a_full_mailbox_says_come_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boxes, "ROWS_MAX", 2)
    assert [await place.post(webhooks.hostaway(n)) for n in (1, 2, 3)] == [200, 200, 503]


async def test_a_relay_forgets_after_a_week(place: Place) -> None:
    await place.post(webhooks.hostaway(1))
    now_ms = place.house.clock.wall_ms
    assert await place.mailboxes.forget(now_ms + 7 * 86_400_000) == 0
    assert await place.mailboxes.forget(now_ms + 7 * 86_400_000 + 1) == 1


def test_a_pairing_is_one_line() -> None:
    pairing = new_pairing()
    assert read_pairing(pairing.line()) == pairing
    for wrong in ("", "np-relay-1 short AAAA", pairing.line()[:-4], "np-relay-2 a b"):
        with pytest.raises(PairingError):
            read_pairing(wrong)


def test_no_two_hints_share_a_proof() -> None:
    pairing = new_pairing()
    one = msgspec.convert(
        {"seq": 1, "received_ms": 2, "source": "a", "proof": "", "headers": {"b": "c"}, "body": ""},
        type=Hint,
    )
    proofs = {
        hint_mac(pairing, "e", msgspec.structs.replace(one, **change))
        for change in (
            {},
            {"seq": 12},
            {"headers": {"bc": ""}},
            {"headers": {}, "proof": "bc"},
            {"source": "ab"},
            {"body": b"x"},
        )
    }
    assert len(proofs) == 6


async def test_a_hint_that_breaks_here_takes_no_other_with_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Mews, delivery: Delivery) -> Judged:
        raise ZeroDivisionError

    monkeypatch.setattr(Mews, "judge", broken)
    for posted in (webhooks.mews("a"), webhooks.hostaway(7)):
        assert await place.post(posted) == 200
    assert await place.relayed.pull() == 1
    assert await place.relayed.pull() == 0
    await place.house.turn()
    assert place.house.ears["hostaway"].ids == ["7"]
