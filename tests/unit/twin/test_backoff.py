"""Guessing is slowed, and nobody waits longer than a minute."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twin.backoff import WAIT_MS_MAX, WRONG_MAX, Backoff
from twin.flash import Flash


def test_four_mistakes_cost_nothing_and_the_waits_double_up_to_a_minute() -> None:
    backoff, now_ms, waits = Backoff(Flash(), "keypad"), 0, []
    for _ in range(10):
        assert not backoff.waits(now_ms)
        backoff.wrong(now_ms)
        started = now_ms
        while backoff.waits(now_ms):
            now_ms += 1_000
        waits.append((now_ms - started) // 1_000)
    assert waits == [0] * (WRONG_MAX - 1) + [10, 20, 40, 60, 60, 60]


@given(st.lists(st.integers(0, 10**7), max_size=40), st.integers(-(10**9), 10**9))
def test_however_it_came_about_a_minute_after_the_last_try_the_wait_is_over(
    steps_ms: list[int], jump_ms: int
) -> None:
    flash, now_ms = Flash(), 10**10
    for step in steps_ms:
        now_ms += step
        Backoff(flash, "keypad").wrong(now_ms)
    assert not Backoff(flash, "keypad").waits(now_ms + WAIT_MS_MAX)
    moved = now_ms + jump_ms
    assert not Backoff(flash, "keypad").waits(moved) or not Backoff(flash, "keypad").waits(
        moved + WAIT_MS_MAX
    )


def test_a_right_try_wipes_the_slate() -> None:
    backoff = Backoff(Flash(), "keypad")
    for _ in range(4):
        backoff.wrong(0)
    backoff.right()
    backoff.wrong(0)
    assert not backoff.waits(1)
