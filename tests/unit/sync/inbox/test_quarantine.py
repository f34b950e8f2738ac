"""A box that does not know the time, or a key, loses no webhook and believes no replay."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import jwt
import msgspec
import pytest

from support import webhooks
from support.inbox_house import InboxHouse, SetClock, inbox_house
from support.webhooks import KEY_ID, PlaidSigner, Posted
from sync.inbox.delivery import Verdict
from sync.inbox.plaid import PlaidKeys
from sync.inbox.words import PLAID, STRIPE, NotYetError
from sync.transport import Answer, NoAnswer, Request

YEARS_MS = 315_360_000_000


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[InboxHouse]:
    async with inbox_house(tmp_path / "sync.db") as found:
        yield found


# -- the clock -----------------------------------------------------------------------------------


async def test_a_clock_in_doubt_holds_and_judges_later(house: InboxHouse) -> None:
    true_s = house.now_s
    house.clock.doubt_ms = YEARS_MS
    house.clock.wall_ms -= 86_400_000  # a dark boot: a day behind
    receipt = await house.post(webhooks.stripe("evt_1", "pi_1", true_s))
    assert receipt.status == 200
    assert "once it is set" in receipt.sentence
    await house.post(webhooks.stripe("evt_old", "pi_0", true_s - 4_000))
    assert await house.quarantine.turn() == 0
    await house.turn()
    assert house.ears[STRIPE].ids == []
    # An hour later a time server answers.
    house.clock.boot_ms += 3_600_000
    house.clock.wall_ms, house.clock.doubt_ms = (true_s + 3_600) * 1000, 20
    assert await house.quarantine.turn() == 1
    await house.turn()
    assert house.ears[STRIPE].ids == ["pi_1"]


async def test_a_vendors_own_time_settles_it_at_once(house: InboxHouse) -> None:
    true_s = house.now_s
    house.clock.doubt_ms = YEARS_MS
    house.clock.wall_ms -= 86_400_000
    house.inbox._vendor_now_ms = lambda: true_s * 1000
    assert (await house.post(webhooks.stripe("evt_1", "pi_1", true_s))).sentence == "Stored."
    assert (await house.post(webhooks.stripe("evt_2", "pi_2", true_s - 900))).status == 400


async def test_a_sure_clock_that_was_wrong_loses_nothing(house: InboxHouse) -> None:
    true_s = house.now_s
    house.clock.wall_ms += 7_200_000  # two hours ahead, and sure of it
    receipt = await house.post(webhooks.guesty("m1", "r1", true_s))
    assert receipt.status == 400
    assert "7200 s in the past" in receipt.sentence
    assert await house.quarantine.turn() == 0
    house.clock.wall_ms -= 7_200_000
    house.clock.later(60)
    assert await house.quarantine.turn() == 1
    await house.turn()
    assert house.ears["guesty"].ids == ["r1"]


async def test_a_replay_from_last_week_is_never_believed(house: InboxHouse) -> None:
    old = webhooks.stripe("evt_1", "pi_1", house.now_s - 7 * 86_400)
    assert (await house.post(old)).status == 400
    for _ in range(5):
        house.clock.later(3_600)
        assert await house.quarantine.turn() == 0
    house.clock.reboot("boot-2")
    assert await house.quarantine.turn() == 0
    await house.turn()
    assert house.ears[STRIPE].ids == []
    house.clock.later(40 * 86_400)
    await house.quarantine.forget()
    assert (await house.rows("state, raw")) == [("dropped", b"")]


async def test_the_next_attempt_with_a_right_time_is_taken(house: InboxHouse) -> None:
    first = webhooks.guesty("m1", "r1", house.now_s)
    house.clock.wall_ms += 7_200_000
    assert (await house.post(first)).status == 400
    house.clock.wall_ms -= 7_200_000
    house.clock.later(5)
    assert (await house.post(webhooks.guesty("m1", "r1", house.now_s))).sentence == "Stored."
    await house.quarantine.turn()
    await house.turn()
    assert house.ears["guesty"].ids == ["r1"]


async def test_a_doubt_that_a_power_cut_made_final_loses_nothing(tmp_path: Path) -> None:
    clock = SetClock()
    true_s = clock.wall_ms // 1000
    clock.doubt_ms = YEARS_MS
    async with inbox_house(tmp_path / "sync.db", clock=clock) as house:
        await house.post(webhooks.stripe("evt_1", "pi_1", true_s))
        await house.post(webhooks.stripe("evt_0", "pi_0", true_s - 8 * 86_400))
    clock.reboot("boot-2")
    clock.wall_ms, clock.doubt_ms = (true_s + 900) * 1000, 20
    async with inbox_house(tmp_path / "sync.db", clock=clock) as house:
        assert await house.quarantine.turn() == 1
        await house.turn()
        assert house.ears[STRIPE].ids == ["pi_1"]


async def test_the_quarantine_has_an_end(
    house: InboxHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.inbox.inbox.QUARANTINED_MAX", 2)
    house.clock.doubt_ms = YEARS_MS
    answers = [
        (await house.post(webhooks.stripe(f"evt_{n}", "pi_1", house.now_s))).status
        for n in (1, 2, 3, 1)
    ]
    assert answers == [200, 200, 503, 200]  # the last is known already
    house.clock.doubt_ms = 20
    assert (await house.post(webhooks.stripe("evt_4", "pi_1", house.now_s - 900))).status == 400
    assert len(await house.rows()) == 2


# -- Plaid's keys --------------------------------------------------------------------------------


async def test_a_known_key_verifies_at_once(house: InboxHouse) -> None:
    house.keys.keys[KEY_ID] = house.plaid.jwk()
    assert (await house.post(house.plaid.webhook("item-1", house.now_s))).status == 200
    await house.quarantine.turn()
    assert (await house.post(house.plaid.webhook("item-2", house.now_s))).sentence == "Stored."
    await house.turn()
    assert sorted(house.ears[PLAID].ids) == ["item-1", "item-2"]
    (event, _) = house.ears[PLAID].events
    assert event.type == "TRANSACTIONS.SYNC_UPDATES_AVAILABLE"
    assert house.keys.asked == [KEY_ID]


async def test_with_the_line_down_it_waits_unverified(tmp_path: Path) -> None:
    clock, signer = SetClock(), PlaidSigner()
    async with inbox_house(tmp_path / "sync.db", clock=clock, plaid=signer) as house:
        house.keys.cut = True
        receipt = await house.post(signer.webhook("item-1", house.now_s))
        assert receipt.status == 200
        assert await house.quarantine.turn() == 0
        await house.turn()
        assert house.ears[PLAID].ids == []
        assert await house.rows("state, verified") == [("quarantined", 0)]
    clock.later(7_200)  # the line comes back, in another process
    async with inbox_house(tmp_path / "sync.db", clock=clock, plaid=signer) as house:
        house.keys.keys[KEY_ID] = signer.jwk()
        assert await house.quarantine.turn() == 1
        await house.turn()
        assert house.ears[PLAID].ids == ["item-1"]


async def test_a_key_survives_a_restart(tmp_path: Path) -> None:
    clock, signer = SetClock(), PlaidSigner()
    async with inbox_house(tmp_path / "sync.db", clock=clock, plaid=signer) as house:
        house.keys.keys[KEY_ID] = signer.jwk()
        await house.post(signer.webhook("item-1", house.now_s))
        await house.quarantine.turn()
    async with inbox_house(tmp_path / "sync.db", clock=clock, plaid=signer) as house:
        house.keys.cut = True
        assert (await house.post(signer.webhook("item-2", house.now_s))).sentence == "Stored."


async def test_forgeries_are_refused_once_the_key_is_there(house: InboxHouse) -> None:
    house.keys.keys[KEY_ID] = house.plaid.jwk()
    await house.post(PlaidSigner().webhook("forged", house.now_s))  # waits, then falls
    await house.quarantine.turn()
    assert await house.rows("state, raw") == [("dropped", b"")]
    good = house.plaid.webhook("item-1", house.now_s)
    token = good.headers["plaid-verification"]
    head, _, rest = token.partition(".")
    bare = jwt.encode({"iat": house.now_s}, "", algorithm="none", headers={"kid": KEY_ID})
    hs256 = jwt.encode({"iat": house.now_s}, "x" * 32, algorithm="HS256", headers={"kid": KEY_ID})
    cases = [
        (Posted(path=good.path, headers=good.headers, body=good.body + b" "), 401),
        (house.plaid.webhook("item-1", house.now_s - 301), 400),
        (house.plaid.webhook("item-1", house.now_s + 301), 400),
        (PlaidSigner().webhook("forged", house.now_s), 401),
        (Posted(path=good.path, headers={}, body=good.body), 400),
        (Posted(path=good.path, headers={"plaid-verification": bare}, body=good.body), 401),
        (Posted(path=good.path, headers={"plaid-verification": hs256}, body=good.body), 401),
        (Posted(path=good.path, headers={"plaid-verification": f"{head}.{rest}x"}, body=b""), 400),
        (Posted(path=good.path, headers={"plaid-verification": "a.b"}, body=good.body), 400),
    ]
    for posted, status in cases:
        assert (await house.post(posted)).status == status
    await house.turn()
    assert house.ears[PLAID].ids == []


async def test_a_key_that_was_taken_back_signs_nothing(house: InboxHouse) -> None:
    house.keys.keys[KEY_ID] = house.plaid.jwk(expired_at=house.now_s - 60)
    await house.post(house.plaid.webhook("item-1", house.now_s))
    await house.quarantine.turn()
    assert (await house.post(house.plaid.webhook("item-2", house.now_s))).status == 401
    # A key is asked for again after a day, so that one taken back later is noticed.
    house.clock.later(86_401)
    delivery = house.delivery(house.plaid.webhook("item-3", house.now_s))
    assert house.inbox.vendors[PLAID].judge(delivery).verdict is Verdict.KEY_UNKNOWN


async def test_invented_keys_are_asked_for_a_few_at_a_time(house: InboxHouse) -> None:
    for number in range(10):
        await house.post(PlaidSigner(f"invented-{number}").webhook("item-1", house.now_s))
    await house.quarantine.turn()
    assert len(house.keys.asked) == 3
    for _ in range(4):
        await house.quarantine.turn()
    assert len(house.keys.asked) == 10
    assert {state for (state,) in await house.rows("state")} == {"dropped"}


async def test_how_the_vendor_is_asked_for_a_key() -> None:
    asked: list[Request] = []
    answers: list[object] = []

    async def send(request: Request) -> object:
        asked.append(request)
        return answers.pop(0)

    signer = PlaidSigner()
    keys = PlaidKeys(base_url="https://x", client_id="c", secret="s", send=send)
    answers[:] = [
        Answer(status=200, body=json.dumps({"key": signer.jwk(), "request_id": "r"}).encode()),
        Answer(status=400, body=b'{"error_code": "INVALID_WEBHOOK_VERIFICATION_KEY_ID"}'),
        Answer(status=400, body=b'{"error_code": "INVALID_API_KEYS"}'),
        Answer(status=400, body=b"<html>"),
        NoAnswer(sent=True, why="cut"),
        Answer(status=200, body=b"{}"),
    ]
    found = await keys.look_up(KEY_ID)
    assert found is not None
    assert found.kid == KEY_ID
    assert msgspec.json.decode(asked[0].body) == {"client_id": "c", "secret": "s", "key_id": KEY_ID}
    assert asked[0].url == "https://x/webhook_verification_key/get"
    assert await keys.look_up(KEY_ID) is None
    for _ in range(4):
        with pytest.raises(NotYetError):
            await keys.look_up(KEY_ID)
