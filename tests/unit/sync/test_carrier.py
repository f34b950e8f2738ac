"""Promises of the carrier: no counterparty holds up another, no effect is left half sent."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from appliance.kernel.tasks import Nursery
from appliance.kernel.virtual_clock import VirtualClock
from sync.carrier import HELD_BACK_S_MAX, SALES_FIRST_S_MAX, UNDER_WAY_MAX, Carrier
from sync.gate import Gate
from sync.ledger import Draft, Effect, EffectState, Ledger
from sync.outcome import Homeward, NewAttempt, Outcome, Succeeded, Unknown
from sync.transport import Answer, NoAnswer, Request


class Silence:
    async def send(self, request: Request) -> Answer | NoAnswer:
        raise AssertionError(f"nothing is sent here: {request.url}")


class Vendor:
    """A pusher that answers when it is let."""

    gives_up = True
    late_ms = 0

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.open = asyncio.Event()
        self.open.set()
        self.outcomes: list[Outcome] = []
        self.found: list[Outcome | None] = []  # by the look-ups, in their order
        self.pushed: list[Effect] = []
        self.looked_up: list[str] = []

    async def reconcile(self, effect: Effect) -> Outcome | None:
        self.looked_up.append(effect.natural_key)
        return self.found.pop(0) if self.found else None

    async def push(self, effect: Effect) -> Outcome:
        self.pushed.append(effect)
        await self.open.wait()
        return self.outcomes.pop(0) if self.outcomes else Succeeded(sentence="done")

    def told(self, effect: Effect, state: EffectState, outcome: Outcome | None) -> list[Homeward]:
        del effect, state, outcome
        return []

    def retell(self, effect: Effect, generation: int) -> list[Homeward]:
        del effect, generation
        return []


class House:
    def __init__(self, folder: Path) -> None:
        self.clock = VirtualClock(1_786_723_200_000)
        self.ledger = Ledger(folder / "sync.db")
        self.nursery = Nursery(on_death=lambda *_: None)
        self.vendors = {name: Vendor(self._gate(name)) for name in ("guesty", "stripe")}
        self.carrier = Carrier(
            ledger=self.ledger,
            pushers=self.vendors,
            clock=self.clock,
            nursery=self.nursery,
            chance=random.Random(1),
        )

    def _gate(self, name: str) -> Gate:
        return Gate(name=name, rules=(), ledger=self.ledger, clock=self.clock, transport=Silence())

    def owe(self, key: str, counterparty: str, **fields: Any) -> None:
        draft = Draft(
            natural_key=key,
            counterparty=counterparty,
            lane=f"lane:{key}",
            kind="pms.start",
            body=b"{}",
            priority=1,
            made_ms=5,
            **fields,
        )
        self.ledger.owe(draft, self.clock.read().wall_ms)

    def state(self, key: str) -> EffectState:
        return self.ledger.effects("natural_key = ?", key)[0].state


@pytest.fixture
async def house(tmp_path: Path) -> Any:
    found = House(tmp_path)
    yield found
    await found.nursery.close()
    found.ledger.close()


async def test_a_vendor_that_is_slow_leaves_room_for_the_others(house: House) -> None:
    slow = house.vendors["guesty"]
    slow.open.clear()
    for number in range(3 * UNDER_WAY_MAX):
        house.owe(f"guesty.{number}", "guesty")
    house.owe("stripe.charge", "stripe")
    stepping = asyncio.ensure_future(house.carrier.step())
    for _ in range(20):
        await asyncio.sleep(0)  # noqa: TID251 - lets the others run; no time passes
    assert house.state("stripe.charge") is EffectState.SUCCEEDED
    assert len(slow.pushed) == UNDER_WAY_MAX
    slow.open.set()
    await stepping


async def test_an_answer_that_could_not_be_written_down_is_looked_up(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.owe("one", "guesty")

    def no_disk(*_: Any, **__: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as full:
        full.setattr(house.carrier, "_enter", no_disk)
        await house.clock.run_until(house.carrier.step(), limit_s=10)
    assert house.state("one") is EffectState.SENDING
    await house.carrier.step()
    assert house.vendors["guesty"].looked_up == ["one"]
    assert house.state("one") is EffectState.SUCCEEDED


async def test_a_full_disk_while_it_is_sent_is_no_persons_work(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate writes its limit down before the first byte, and there it is told of the disk."""
    house.owe("one", "guesty")

    async def no_disk(_effect: Effect) -> Outcome:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as full:
        full.setattr(house.vendors["guesty"], "push", no_disk)
        await house.clock.run_until(house.carrier.step(), limit_s=10)
    await house.carrier.step()
    assert house.vendors["guesty"].looked_up == ["one"]
    assert house.state("one") is EffectState.SUCCEEDED


async def test_a_new_attempt_starts_without_the_tries_of_the_last(house: House) -> None:
    stripe = house.vendors["stripe"]
    stripe.outcomes = [NewAttempt(sentence="there is no such thing")]
    house.owe("charge", "stripe")
    await house.carrier.step()
    await house.carrier.step()
    assert [(each.attempt, each.tries) for each in stripe.pushed] == [(1, 1), (2, 1)]


async def test_a_commit_that_fails_leaves_no_transaction_open(house: House) -> None:
    class Reluctant:
        """A connection whose first COMMIT fails, as on a full disk."""

        def __init__(self, db: sqlite3.Connection) -> None:
            self.db = db
            self.willing = False

        @property
        def in_transaction(self) -> bool:
            return self.db.in_transaction

        def execute(self, sql: str, *values: Any) -> Any:
            if sql == "COMMIT" and not self.willing:
                self.willing = True
                raise sqlite3.OperationalError("database or disk is full")
            return self.db.execute(sql, *values)

    db = house.ledger.db
    house.ledger.db = Reluctant(db)  # type: ignore[assignment]
    with pytest.raises(sqlite3.OperationalError), house.ledger.transaction():
        house.ledger.keep("a", 1)
    assert not db.in_transaction
    with house.ledger.transaction():
        house.ledger.keep("b", 2)
    house.ledger.db = db
    assert (house.ledger.kept("a", int), house.ledger.kept("b", int)) == (None, 2)


async def test_what_may_still_be_carried_out_is_looked_for_and_not_sent_twice(house: House) -> None:
    guesty = house.vendors["guesty"]
    guesty.late_ms = 60_000
    guesty.outcomes = [Unknown(sentence="no answer", look_first=True)]
    house.owe("book", "guesty")
    house.nursery.mortal("carrier", house.carrier.run())
    await house.clock.advance(12)
    assert len(guesty.looked_up) >= 1
    await house.clock.advance(47)
    assert len(guesty.looked_up) >= 6
    assert len(guesty.pushed) == 1
    await house.clock.advance(12)
    assert len(guesty.pushed) == 2
    assert house.state("book") is EffectState.SUCCEEDED


async def test_what_was_carried_out_late_is_found_within_ten_seconds(house: House) -> None:
    guesty = house.vendors["guesty"]
    guesty.late_ms = 60_000
    guesty.outcomes = [Unknown(sentence="no answer", look_first=True)]
    guesty.found = [None, Succeeded(sentence="it is there")]
    house.owe("book", "guesty")
    house.nursery.mortal("carrier", house.carrier.run())
    await house.clock.advance(12)
    assert len(guesty.pushed) == 1
    assert house.state("book") is EffectState.SUCCEEDED


async def test_a_line_that_comes_and_goes_does_not_hold_the_rest_back_for_ever(
    house: House,
) -> None:
    house.owe("check-in", "guesty")
    flaps_s = SALES_FIRST_S_MAX / 2
    for _ in range(int(HELD_BACK_S_MAX / flaps_s)):
        house.carrier.sales_first("guesty")
        await house.carrier.step()
        assert house.state("check-in") is EffectState.QUEUED
        await house.clock.advance(flaps_s)
    house.carrier.sales_first("guesty")
    await house.carrier.step()
    assert house.state("check-in") is EffectState.SUCCEEDED


async def test_after_the_next_dark_sales_go_first_again(house: House) -> None:
    house.carrier.sales_first("guesty")
    await house.clock.advance(HELD_BACK_S_MAX)
    house.owe("check-in", "guesty")
    house.carrier.sales_first("guesty")
    await house.carrier.step()
    assert house.state("check-in") is EffectState.QUEUED
    await house.clock.advance(SALES_FIRST_S_MAX)
    await house.carrier.step()
    assert house.state("check-in") is EffectState.SUCCEEDED
