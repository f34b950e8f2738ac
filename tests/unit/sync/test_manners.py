"""Promises of how we behave towards a vendor."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.manners import (
    FAILURES_TO_OPEN,
    MEWS_RULES,
    PROBE_BACKOFF_MS_MAX,
    Breaker,
    Limiter,
    Rule,
    Standing,
    full_jitter_ms,
    retry_after_ms,
)

CHANCE = random.Random(1)
RULES = (Rule(requests_max=20, window_ms=1_000), Rule(requests_max=50, window_ms=10_000))


@given(st.lists(st.integers(min_value=0, max_value=400), min_size=1, max_size=300))
def test_no_window_ever_holds_more_than_its_rule_allows(gaps_ms: list[int]) -> None:
    limiter, now_ms, sent = Limiter(rules=RULES), 0, []
    for gap_ms in gaps_ms:
        now_ms += gap_ms
        while wait_ms := limiter.wait_ms(now_ms):
            now_ms += wait_ms
        limiter = limiter.spend(now_ms)
        sent.append(now_ms)
    for rule in RULES:
        for start in sent:
            inside = sum(start <= at < start + rule.window_ms for at in sent)
            assert inside <= rule.requests_max


def test_the_vendors_full_rate_is_nearly_used() -> None:
    limiter, now_ms, sent = Limiter(rules=MEWS_RULES), 0, 0
    while now_ms < 300_000:
        while wait_ms := limiter.wait_ms(now_ms):
            now_ms += wait_ms
        limiter = limiter.spend(now_ms)
        sent += 1
    assert sent > 1_700  # of the 2,000 that Mews allows in five minutes


def test_one_failure_is_no_outage_and_three_are() -> None:
    breaker = Breaker()
    for number in range(FAILURES_TO_OPEN):
        assert breaker.wait_ms(0) == 0, number
        breaker = breaker.failed(0, "cut", CHANCE)
    assert breaker.standing is Standing.DOWN
    assert 0 < breaker.wait_ms(0) <= PROBE_BACKOFF_MS_MAX


@given(st.integers(min_value=0, max_value=10_000), st.integers())
def test_a_probe_is_never_further_away_than_four_seconds(failures: int, seed: int) -> None:
    breaker = Breaker(standing=Standing.DOWN, failures=failures)
    after = breaker.failed(1_000, "cut", random.Random(seed))
    assert after.until_ms - 1_000 <= PROBE_BACKOFF_MS_MAX


def test_what_the_vendor_says_is_obeyed_and_no_shorter() -> None:
    breaker = Breaker().limited(1_000, 17_000, CHANCE)
    assert breaker.wait_ms(1_000) == 17_000
    assert breaker.answered(5_000).wait_ms(5_000) == 13_000
    assert breaker.wait_ms(18_000) == 0


def test_a_line_that_fails_meanwhile_does_not_end_a_cool_down() -> None:
    breaker = Breaker().limited(1_000, 3_600_000, CHANCE)
    for _ in range(FAILURES_TO_OPEN + 1):
        breaker = breaker.failed(2_000, "cut", CHANCE)
    assert breaker.wait_ms(2_000) == 3_599_000
    later = breaker.failed(3_700_000, "cut", CHANCE)
    assert later.standing is Standing.DOWN


def test_without_a_word_of_theirs_we_back_off_longer_each_time() -> None:
    breaker, waits = Breaker(), []
    for number in range(40):
        now_ms = 1_000_000 * number
        breaker = breaker.limited(now_ms, None, random.Random(number))
        waits.append(breaker.until_ms - now_ms)
    assert min(waits) >= 1_000
    assert max(waits) <= 60_000
    assert max(waits[10:]) > max(waits[:1])


def test_a_refused_token_is_no_outage() -> None:
    breaker = Breaker().refused(1_000, "401")
    assert breaker.standing is Standing.REFUSED
    assert breaker.answered(2_000).standing is Standing.OK


@pytest.mark.parametrize(
    ("text", "wait_ms"),
    [
        ("30", 30_000),
        (" 0 ", 0),
        ("Fri, 14 Aug 2026 16:00:10 GMT", 10_000),
        ("Fri, 14 Aug 2026 15:00:00 GMT", 0),
        ("99999999999", 86_400_000),
        ("soon", None),
        ("", None),
        (None, None),
        ("-5", None),
        ("٣", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(text: str | None, wait_ms: int | None) -> None:
    assert retry_after_ms(text, 1_786_723_200_000) == wait_ms


@given(st.integers(min_value=0, max_value=500), st.integers())
def test_jitter_stays_between_floor_and_cap(tries: int, seed: int) -> None:
    assert 100 <= full_jitter_ms(tries, 100, 5_000, random.Random(seed)) <= 5_000


def test_what_the_vendor_says_is_left_is_believed_where_it_is_less() -> None:
    rules = (Rule(requests_max=10, window_ms=1_000), Rule(requests_max=100, window_ms=60_000))
    limiter = Limiter(rules=rules).spend(0).heed(0, (3, None))
    for _ in range(3):
        assert limiter.wait_ms(0) == 0
        limiter = limiter.spend(0)
    assert limiter.wait_ms(0) > 0
    assert limiter.wait_ms(1_100) == 0
    more = Limiter(rules=rules).spend(0)
    assert more.heed(0, (50, 5000)) == more


def test_nothing_left_means_waiting_for_the_window() -> None:
    limiter = Limiter(rules=(Rule(requests_max=10, window_ms=1_000),)).heed(500, (0,))
    assert limiter.wait_ms(500) >= 990
    assert limiter.wait_ms(2_000) == 0
