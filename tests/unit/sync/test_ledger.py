"""Promises of sync.db."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from sync.ledger import Draft, EffectState, Ledger, LedgerNotDurableError


def draft(key: str, lane: str = "stay:1", kind: str = "pms.start", priority: int = 1) -> Draft:
    return Draft(
        natural_key=key,
        counterparty="mews",
        lane=lane,
        kind=kind,
        body=b'{"a":1}',
        priority=priority,
        made_ms=5,
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "sync.db")


def heads(ledger: Ledger) -> list[str]:
    return [effect.natural_key for effect in ledger.heads(1_000, ())]


def test_the_file_is_durable_and_private(ledger: Ledger, tmp_path: Path) -> None:
    assert ledger.db.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert ledger.db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert (tmp_path / "sync.db").stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_durable_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.ledger.PRAGMAS", ("PRAGMA synchronous=NORMAL",))
    with pytest.raises(LedgerNotDurableError, match="synchronous is 1"):
        Ledger(tmp_path / "other.db")


def test_the_same_natural_key_is_one_effect(ledger: Ledger) -> None:
    assert ledger.owe(draft("one"), 10)
    assert not ledger.owe(draft("one"), 20)
    assert len(ledger.effects("1")) == 1


def test_a_lane_has_one_head_and_sales_go_first(ledger: Ledger) -> None:
    ledger.owe(draft("a1", "a"), 1)
    ledger.owe(draft("a2", "a"), 1)
    ledger.owe(draft("b1", "b", priority=2), 1)
    ledger.owe(draft("c1", "c", "pms.book", priority=0), 1)
    assert heads(ledger) == ["c1", "a1", "b1"]
    assert [each.natural_key for each in ledger.heads(1_000, ("a",))] == ["c1", "b1"]


def test_what_is_parked_lets_its_lane_pass_except_a_sale(ledger: Ledger) -> None:
    ledger.owe(draft("a1", "a"), 1)
    ledger.owe(draft("a2", "a"), 1)
    ledger.owe(draft("c1", "c", "pms.book"), 1)
    ledger.owe(draft("c2", "c"), 1)
    for key in ("a1", "c1"):
        (effect,) = ledger.effects("natural_key = ?", key)
        ledger.turn(effect.id, EffectState.PARKED, "no", 2)
    assert heads(ledger) == ["a2"]


def test_an_effect_that_waits_holds_its_lane(ledger: Ledger) -> None:
    ledger.owe(draft("a1", "a"), 1)
    ledger.owe(draft("a2", "a"), 1)
    (effect,) = ledger.effects("natural_key = 'a1'")
    ledger.turn(effect.id, EffectState.UNKNOWN, "?", 2, next_at_ms=9_000)
    assert heads(ledger) == []
    ledger.wake("mews")
    assert heads(ledger) == ["a1"]


def test_every_turn_keeps_its_sentence_and_what_is_over_gives_up_its_body(
    ledger: Ledger,
) -> None:
    ledger.owe(draft("a1"), 1)
    (effect,) = ledger.effects("1")
    ledger.turn(effect.id, EffectState.SENDING, "being sent", 2)
    ledger.turn(effect.id, EffectState.SENDING, "being sent", 3)
    ledger.turn(effect.id, EffectState.SUCCEEDED, "done", 4)
    assert [state for _, state, _ in ledger.told(effect.id)] == ["queued", "sending", "succeeded"]
    (effect,) = ledger.effects("1")
    assert (effect.body, effect.changed_ms) == (b"{}", 4)


def test_a_transaction_that_raises_leaves_nothing(ledger: Ledger) -> None:
    def spoil() -> None:
        with ledger.transaction():
            ledger.owe(draft("a1"), 1)
            ledger.keep("x", 1)
            raise sqlite3.OperationalError

    with pytest.raises(sqlite3.OperationalError):
        spoil()
    assert ledger.effects("1") == []
    assert ledger.kept("x", int) is None
    with ledger.transaction(), ledger.transaction():
        ledger.keep("x", 2)
    assert ledger.kept("x", int) == 2


def test_what_may_not_change_cannot_be_changed(ledger: Ledger) -> None:
    ledger.owe(draft("a1"), 1)
    (effect,) = ledger.effects("1")
    with pytest.raises(AssertionError, match="natural_key"):
        ledger.turn(effect.id, EffectState.QUEUED, "", 1, natural_key="b")


def test_acts_named_after_the_first_vendor_are_read_under_their_own_name(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "sync.db")
    ledger.owe(draft("a1", "a", "mews.book"), 1)
    ledger.close()
    again = Ledger(tmp_path / "sync.db")
    (effect,) = again.effects("true")
    again.close()
    assert effect.kind == "pms.book"


def test_a_file_of_an_earlier_release_gains_what_this_one_needs(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "sync.db")
    ledger.db.execute("DROP INDEX effect_frees")
    ledger.db.execute("ALTER TABLE effect DROP COLUMN takes_room")
    ledger.db.execute("ALTER TABLE effect DROP COLUMN frees_room")
    ledger.close()
    again = Ledger(tmp_path / "sync.db")
    assert again.owe(draft("a1", "a", "pms.start"), 1)
    assert [effect.takes_room for effect in again.effects("true")] == [None]
    again.close()


def test_nobody_waits_for_a_room_that_only_a_parked_sale_could_free(ledger: Ledger) -> None:
    ledger.owe(draft("a.book", "a", "pms.book", priority=0), 1)
    ledger.owe(replace(draft("a.out", "a", "pms.process"), frees_room="room:1"), 1)
    ledger.owe(replace(draft("b.in", "b"), takes_room="room:1"), 1)
    assert heads(ledger) == ["a.book"]
    (sale,) = ledger.effects("natural_key = 'a.book'")
    ledger.turn(sale.id, EffectState.PARKED, "they refuse it", 2)
    # The vendor never heard of the first guest, so nobody is in the room there.
    assert heads(ledger) == ["b.in"]


def test_what_is_asked_again_for_days_is_told_in_a_few_lines(ledger: Ledger) -> None:
    ledger.owe(draft("one"), 1)
    (effect,) = ledger.effects("true")
    with ledger.transaction():
        for minute in range(1_000):
            ledger.turn(effect.id, EffectState.SENDING, "being sent", 2 * minute)
            ledger.turn(effect.id, EffectState.UNKNOWN, "the bank is at work", 2 * minute + 1)
    ledger.turn(effect.id, EffectState.SUCCEEDED, "it is paid", 30_000)
    said = [(at_ms, state) for at_ms, state, _ in ledger.told(effect.id)]
    assert said == [
        (1, "queued"),
        (0, "sending"),
        (1, "unknown"),
        (1_998, "sending"),
        (1_999, "unknown"),
        (30_000, "succeeded"),
    ]
