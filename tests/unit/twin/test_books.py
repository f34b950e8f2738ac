"""Events are numbered for ever, orders answered once, and neither book grows without end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.bus.words import DeviceAnswer, EventKind, Outcome
from twin.books import ANSWERS_KEPT, ANSWERS_MAX, EVENTS_KEPT_MAX, EventBook, OrderBook
from twin.flash import Flash

if TYPE_CHECKING:
    from pathlib import Path


def done(order_id: str) -> DeviceAnswer:
    return DeviceAnswer(id=order_id, outcome=Outcome.DONE)


def test_numbers_go_on_after_a_restart_from_a_file(tmp_path: Path) -> None:
    flash = Flash(tmp_path / "f")
    book = EventBook(flash)
    for wall_ms in (1, 2, 3):
        book.add(EventKind.UNLOCKED, wall_ms=wall_ms)
    flash.commit()
    book.taken(2)
    again = EventBook(Flash(tmp_path / "f"))
    assert [(e.seq, e.wall_ms) for e in again.pending()] == [(1, 1), (3, 3)]
    assert again.add(EventKind.LOCKED, wall_ms=4).seq == 4
    assert again.fresh()[0].seq == 4
    assert again.fresh() == ()


def test_refusals_fall_out_of_a_full_book_before_openings_do() -> None:
    book = EventBook(Flash())
    for number in range(3 * EVENTS_KEPT_MAX):
        kind = EventKind.UNLOCKED if number < 100 else EventKind.REFUSED
        book.add(kind, wall_ms=number)
    kept = book.pending()
    assert len(kept) == EVENTS_KEPT_MAX
    assert sum(e.kind is EventKind.UNLOCKED for e in kept) == 100
    assert book.seq == 3 * EVENTS_KEPT_MAX


def test_an_answer_is_given_again_also_from_a_file(tmp_path: Path) -> None:
    flash = Flash(tmp_path / "f")
    book = OrderBook(flash)
    assert book.known("o1") is None
    book.begin("o1", 10)
    assert OrderBook(Flash(tmp_path / "f")).known("o1") == DeviceAnswer(
        id="o1", outcome=Outcome.UNKNOWN, repeated=True
    )
    flash = Flash(tmp_path / "f")
    OrderBook(flash).finish(done("o1"), 10)
    flash.commit()
    assert OrderBook(Flash(tmp_path / "f")).known("o1") == DeviceAnswer(
        id="o1", outcome=Outcome.DONE, repeated=True
    )


def test_unexpired_orders_are_never_forgotten_and_a_full_book_says_no_until_they_expire() -> None:
    flash = Flash()
    book = OrderBook(flash)
    number = 0
    while book.room(now_ms=0):
        book.finish(done(f"o{number}"), expires_at_ms=1_000)
        number += 1
    assert number == ANSWERS_MAX
    assert not book.room(now_ms=1_000)
    assert book.room(now_ms=1_001)
    assert book.known("o0") is None
    assert book.known(f"o{number - 1}") is not None
    assert flash.get("clock", "floor_ms") == 1_001, "what was forgotten stays expired"
    assert len(flash.section("order")) <= ANSWERS_KEPT
