"""Promises of how we ask Hostaway: one token, waited for, renewed once; both limits kept."""

from __future__ import annotations

import asyncio
import logging
from datetime import date, timedelta
from typing import Any

import pytest

from support.hostaway_bench import HostawayBench, code, extend, owe_code, pay
from support.sync_bench import ARRIVAL
from sync.gate import Held
from sync.ledger import EffectState
from sync.manners import Standing
from sync.outcome import NotSent, Refused, Unknown
from sync.pms.answers import Said
from sync.pms.hostaway.client import Fine, HostawayClient, failure
from sync.transport import NoAnswer
from twin.clouds.faults import Fault
from twin.line import Cut


def client_of(hotel: HostawayBench) -> HostawayClient:
    return hotel.source._client


async def ask(hotel: HostawayBench, path: str = "listings") -> Any:
    return await hotel.clock.run_until(client_of(hotel).ask("GET", path), limit_s=120)


async def test_a_new_token_is_waited_for_until_it_counts(hotel: HostawayBench) -> None:
    began_s = hotel.clock.monotonic()
    assert isinstance(await ask(hotel), Fine)
    assert 1.0 <= hotel.clock.monotonic() - began_s < 2.0
    assert hotel.cloud.tokens.issued == 1
    assert hotel.running.gates["hostaway"].breaker.standing is Standing.OK


async def test_many_at_once_share_one_token_and_one_wait(hotel: HostawayBench) -> None:
    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*(client_of(hotel).ask("GET", "listings") for _ in range(8)))

    replies = await hotel.clock.run_until(all_at_once(), limit_s=120)
    assert all(isinstance(reply, Fine) for reply in replies)
    assert hotel.cloud.tokens.issued == 1


async def test_a_token_survives_a_restart_also_in_its_first_second(hotel: HostawayBench) -> None:
    first = asyncio.ensure_future(client_of(hotel).tokens.current())
    await hotel.clock.advance(0.2)
    assert hotel.cloud.tokens.issued == 1
    first.cancel()
    hotel.start_again()
    assert isinstance(await ask(hotel), Fine)
    assert hotel.cloud.tokens.issued == 1


async def test_a_token_is_renewed_before_it_ends(hotel: HostawayBench) -> None:
    hotel.cloud.tokens.expires_in_s = 3600
    for _ in range(5):
        assert isinstance(await ask(hotel), Fine)
        await hotel.clock.advance(1200)
    assert hotel.cloud.tokens.issued == 2


async def test_a_revoked_token_is_renewed_once_and_nothing_is_lost(hotel: HostawayBench) -> None:
    assert isinstance(await ask(hotel), Fine)
    await hotel.clock.advance(3600)
    hotel.cloud.tokens.revoke_all()
    assert isinstance(await ask(hotel), Fine)
    assert hotel.cloud.tokens.issued == 2
    assert hotel.running.gates["hostaway"].breaker.standing is Standing.OK


async def test_a_second_403_is_about_a_right_and_the_others_go_on(hotel: HostawayBench) -> None:
    await hotel.turn()
    await hotel.clock.advance(3600)
    hotel.cloud.faults.plan("POST reservations", Fault.UNAUTHORIZED, times=None)
    hotel.sell()
    hotel.book_upstream()
    await hotel.turns(2)
    parked = hotel.effect("pms.book")
    assert parked.state is EffectState.PARKED
    assert "give the key the right" in parked.sentence
    assert len(hotel.learned()) == 1
    assert hotel.running.gates["hostaway"].breaker.standing is Standing.OK


async def test_a_key_refused_for_good_is_not_hammered(hotel: HostawayBench) -> None:
    assert isinstance(await ask(hotel), Fine)
    hotel.cloud.faults.plan("GET *", Fault.UNAUTHORIZED, times=None)
    for _ in range(24 * 60):
        await hotel.clock.advance(60)
        await ask(hotel)
    # Six doublings from a minute to an hour, then one an hour.
    assert hotel.cloud.tokens.issued < 40
    assert client_of(hotel).tokens.asked_in_a_day() < 40
    assert hotel.running.gates["hostaway"].breaker.standing is Standing.REFUSED


async def test_wrong_credentials_are_said_and_not_logged(
    hotel: HostawayBench, caplog: pytest.LogCaptureFixture
) -> None:
    hotel.cloud.faults.plan("POST accessTokens", Fault.UNAUTHORIZED, times=None)
    with caplog.at_level(logging.DEBUG):
        assert not isinstance(await ask(hotel), Fine)
        hotel.sell()
        await hotel.turns(2)
    assert "twin-hostaway-client" not in caplog.text
    assert hotel.running.gates["hostaway"].breaker.standing is Standing.REFUSED
    assert hotel.effect("pms.book").state is EffectState.QUEUED
    assert "twin-hostaway-client" not in repr(client_of(hotel).account)
    hotel.cloud.faults.clear()
    await hotel.probe()
    await hotel.turns(2)
    assert hotel.effect("pms.book").state is EffectState.SUCCEEDED


async def test_no_answer_is_429_in_steady_state(hotel: HostawayBench) -> None:
    """Six hours of looks every ten seconds, sales, changes and door codes as a busy day has them."""
    hotel.register_webhook()
    await hotel.turn()
    for round_no in range(6 * 36):
        if round_no % 4 == 0:
            hotel.sell(f"stay_{round_no}")
        if round_no % 3 == 0:
            hotel.book_upstream(arrival=ARRIVAL + timedelta(days=round_no))
        await hotel.turn()
        await hotel.clock.advance(10)
    assert hotel.cloud.limits.refused == 0
    assert len(hotel.ours()) == 54
    assert hotel.cloud.asked > 500


async def test_three_days_of_sixty_rooms_in_the_dark_are_reconciled_in_five_minutes(
    hotel: HostawayBench,
) -> None:
    """R60 of anchors.md section 4: what the channels sold, changed and cancelled, and the desk did."""
    hotel.sell("stay_0")
    theirs = [hotel.book_upstream(arrival=ARRIVAL + timedelta(days=day)) for day in range(30)]
    await hotel.turns(2)
    hotel.clouds.line.cut(Cut.REFUSED)
    for number in range(40):
        hotel.book_upstream(arrival=ARRIVAL + timedelta(days=number))
        await hotel.clock.advance(72 * 3600 / 40)
    for upstream_id in theirs[:15]:
        hotel.store.change(int(upstream_id), total_minor=30_000)
    for upstream_id in theirs[15:]:
        hotel.store.cancel(int(upstream_id))
    for number in range(1, 11):
        hotel.sell(f"stay_{number}")
    for number in range(70):
        pay(hotel, f"pay_{number}", stay_id=f"stay_{number % 11}")
    for number in range(11):
        extend(hotel, f"stay_{number}")
    while await hotel.running.follower.turn():
        pass
    for number in range(66):
        hotel.box.codes[f"stay_{number % 11}"] = code("482915")
        owe_code(hotel, f"hostaway.door_code:{number}", stay_id=f"stay_{number % 11}")
    hotel.running.start()
    await hotel.clock.advance(60)
    began_ms = hotel.clock.read().wall_ms
    hotel.clouds.line.heal()
    await hotel.clock.run_until(hotel.running.quiet(), limit_s=1200)
    took_s = (hotel.clock.read().wall_ms - began_ms) / 1000
    made = [
        one
        for one in hotel.journal.read("hostaway.reservation.added")
        if one["source"] == "nightporter"
    ]
    sold_s = (max(one["wall_ms"] for one in made) - began_ms) / 1000
    assert hotel.cloud.limits.refused == 0
    assert (len(made), len(hotel.ours()), len(hotel.store.charges)) == (11, 11, 70)
    assert all(one.departure == date(2026, 8, 17) for one in hotel.ours())
    told = {body["upstream_id"]: body["state"] for body in hotel.learned()}
    assert sum(state == "cancelled" for state in told.values()) == 15
    assert len(told) >= 70
    assert hotel.running.ledger.effects("state != 'succeeded'") == []
    assert sold_s <= 30, sold_s
    assert took_s <= 300, took_s


async def test_429_without_a_word_backs_off_and_comes_through(hotel: HostawayBench) -> None:
    await hotel.turn()
    hotel.sell()
    hotel.cloud.faults.plan("*", Fault.TOO_MANY_BARE, times=4)
    await hotel.settle()
    assert hotel.effect("pms.book").state is EffectState.SUCCEEDED
    assert len(hotel.ours()) == 1


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Held(wait_ms=5, sentence="closed"), NotSent),
        (NoAnswer(sent=False, why="x"), NotSent),
        (NoAnswer(sent=True, why="x"), Unknown),
        (Said(status=400, message="The listing is archived"), Refused),
        (Said(status=401, message="x"), NotSent),
        (Said(status=403, message="x"), Refused),
        (Said(status=404, message="x"), Refused),
        (Said(status=408, message="x"), Unknown),
        (Said(status=429, message="x"), NotSent),
        (Said(status=500, message="x"), Unknown),
        (Said(status=200, message="x"), Refused),
    ],
)
def test_an_answer_means_one_thing(reply: Any, outcome: type) -> None:
    assert isinstance(failure(reply), outcome)
