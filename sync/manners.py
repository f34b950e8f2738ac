"""How we behave towards a vendor: limits, cool-downs, the breaker, back-off. Pure values.

Everything takes the time in and gives a new value out, so that it can be written down with the
work it belongs to and survives a restart. Times are wall milliseconds of the injected clock,
which never goes back.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

# Failures in a row that open the breaker: one lost packet is not an outage, three are.
FAILURES_TO_OPEN: Final = 3
# A healed line must be noticed within ten seconds: a probe takes at most 4 s, so wait at most 4 s.
PROBE_BACKOFF_MS_MAX: Final = 4_000
PROBE_BACKOFF_MS_MIN: Final = 500
# A refused token is a person's work; asking more often than this looks like an attack.
REFUSED_PROBE_MS: Final = 60_000
# Back-off after a 429 without Retry-After, and between tries of one effect.
COOL_DOWN_MS_MIN: Final = 1_000
COOL_DOWN_MS_MAX: Final = 60_000
# A vendor that says "come back in a month" is taken for a day's word at most.
RETRY_AFTER_MS_MAX: Final = 86_400_000
# A window is counted in so many slices, so that its state stays small enough to write each time.
SLICES: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """At most `requests_max` in any `window_ms`."""

    requests_max: int
    window_ms: int


# Mews: 200 in 30 s (cloud.md 1.3). Ten are kept for what may be under way when we restart, and
# one second is added because requests bunch up on their way.
MEWS_RULES: Final = (Rule(requests_max=190, window_ms=31_000),)
# Guesty: 15 a second, 120 a minute, 5,000 an hour (cloud.md 1.1), each with a few kept and some
# time added for requests that bunch up on their way.
GUESTY_RULES: Final = (
    Rule(requests_max=13, window_ms=1_100),
    Rule(requests_max=116, window_ms=61_000),
    Rule(requests_max=4_900, window_ms=3_605_000),
)
# Stripe: 25 requests a second and key by default; we stay at 20.
STRIPE_RULES: Final = (Rule(requests_max=20, window_ms=1_000),)
# CCAvenue publishes none; two a second are more than the guests of any desk need.
CCAVENUE_RULES: Final = (Rule(requests_max=20, window_ms=10_000),)
# Plaid: 50 a minute and bank login for /transactions/sync (plaid.com/docs/errors/rate-limit-exceeded).
PLAID_RULES: Final = (Rule(requests_max=45, window_ms=61_000),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limiter:
    """Sliding windows, several at once. `used` holds (slice start ms, count), oldest first."""

    rules: tuple[Rule, ...]
    used: tuple[tuple[tuple[int, int], ...], ...] = ()

    def wait_ms(self, now_ms: int) -> int:
        """0 when a request may go now, else milliseconds until it may."""
        waits = [0]
        for rule, used in zip(self.rules, self._used(), strict=True):
            alive = _alive(rule, used, now_ms)
            excess = sum(count for _, count in alive) - rule.requests_max + 1
            for start_ms, count in alive:
                if excess <= 0:
                    break
                excess -= count
                waits.append(start_ms + _slice_ms(rule) + rule.window_ms - now_ms)
        return max(waits)

    def spend(self, now_ms: int) -> Limiter:
        """Count one request."""
        spent = []
        for rule, used in zip(self.rules, self._used(), strict=True):
            alive = list(_alive(rule, used, now_ms))
            start_ms = now_ms - now_ms % _slice_ms(rule)
            if alive and alive[-1][0] == start_ms:
                alive[-1] = (start_ms, alive[-1][1] + 1)
            else:
                alive.append((start_ms, 1))
            spent.append(tuple(alive))
        return replace(self, used=tuple(spent))

    def heed(self, now_ms: int, remaining: tuple[int | None, ...]) -> Limiter:
        """Believe the vendor where it leaves less than we count, rule by rule; None says nothing.

        Whoever else asks in our name is counted here as if we had asked just now.
        """
        heeded = []
        for rule, used, left in zip(self.rules, self._used(), remaining, strict=True):
            alive = list(_alive(rule, used, now_ms))
            ours = rule.requests_max - sum(count for _, count in alive)
            if left is not None and left < ours:
                start_ms = now_ms - now_ms % _slice_ms(rule)
                if alive and alive[-1][0] == start_ms:
                    ours += alive.pop()[1]
                alive.append((start_ms, ours - max(0, left)))
            heeded.append(tuple(alive))
        return replace(self, used=tuple(heeded))

    def _used(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        return self.used if len(self.used) == len(self.rules) else ((),) * len(self.rules)


def _slice_ms(rule: Rule) -> int:
    return max(1, rule.window_ms // SLICES)


def _alive(
    rule: Rule, used: tuple[tuple[int, int], ...], now_ms: int
) -> tuple[tuple[int, int], ...]:
    # A slice counts until its last possible request has left the window.
    return tuple(each for each in used if each[0] + _slice_ms(rule) + rule.window_ms > now_ms)


class Standing(StrEnum):
    """How a counterparty is at the moment."""

    OK = "ok"
    DOWN = "down"  # no answers, or errors of theirs
    LIMITED = "limited"  # they asked us to wait
    REFUSED = "refused"  # they do not take our credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """Whether to send at all. In `DOWN` and `REFUSED` only a probe goes, and not before its time."""

    standing: Standing = Standing.OK
    failures: int = 0
    until_ms: int = 0  # the next probe, or the end of the cool-down
    since_ms: int = 0
    sentence: str = ""

    def wait_ms(self, now_ms: int) -> int:
        """0 when ordinary work may go now, else milliseconds until somebody may look again."""
        if self.standing is Standing.OK:
            return 0
        if self.standing is Standing.LIMITED and now_ms >= self.until_ms:
            return 0
        return max(1, self.until_ms - now_ms)

    def answered(self, now_ms: int) -> Breaker:
        """They answered as they should."""
        if self.standing is Standing.LIMITED and now_ms < self.until_ms:
            return self  # an answer that was under way does not end a cool-down
        if self.standing is Standing.OK and not self.failures:
            return self
        return Breaker(since_ms=now_ms)

    def failed(self, now_ms: int, sentence: str, chance: random.Random) -> Breaker:
        """No answer, or an error of theirs."""
        if self.standing is Standing.LIMITED and now_ms < self.until_ms:
            return self  # what was under way ends no cool-down: a probe would go too early
        failures = self.failures + 1
        if failures < FAILURES_TO_OPEN and self.standing is Standing.OK:
            return replace(self, failures=failures)
        tries = failures - FAILURES_TO_OPEN
        wait_ms = full_jitter_ms(tries, PROBE_BACKOFF_MS_MIN, PROBE_BACKOFF_MS_MAX, chance)
        return Breaker(
            standing=Standing.DOWN,
            failures=failures,
            until_ms=now_ms + wait_ms,
            since_ms=self.since_ms if self.standing is Standing.DOWN else now_ms,
            sentence=sentence,
        )

    def limited(self, now_ms: int, retry_after_ms: int | None, chance: random.Random) -> Breaker:
        """429: obey what they say, and where they say nothing, back off by ourselves."""
        again = self.failures + 1 if self.standing is Standing.LIMITED else 1
        wait_ms = (
            full_jitter_ms(again, COOL_DOWN_MS_MIN, COOL_DOWN_MS_MAX, chance)
            if retry_after_ms is None
            else retry_after_ms
        )
        return Breaker(
            standing=Standing.LIMITED,
            failures=again,
            until_ms=max(self.until_ms, now_ms + wait_ms),
            since_ms=now_ms,
            sentence="the vendor asked us to wait",
        )

    def refused(self, now_ms: int, sentence: str) -> Breaker:
        """401 or a 403 about us: a person must look; we ask again once a minute."""
        return Breaker(
            standing=Standing.REFUSED,
            until_ms=now_ms + REFUSED_PROBE_MS,
            since_ms=self.since_ms if self.standing is Standing.REFUSED else now_ms,
            sentence=sentence,
        )


def full_jitter_ms(tries: int, floor_ms: int, cap_ms: int, chance: random.Random) -> int:
    """Full jitter: anything between the floor and the cap-limited doubling of it."""
    ceiling_ms = min(cap_ms, floor_ms * 2 ** min(tries + 1, 20))
    return floor_ms + int(chance.random() * max(0, ceiling_ms - floor_ms))


def retry_after_ms(text: str | None, now_ms: int) -> int | None:
    """`Retry-After` as seconds or as an HTTP date; None when there is none that can be read."""
    if not text:
        return None
    stripped = text.strip()
    if stripped.isascii() and stripped.isdigit():
        wait_ms = int(stripped[:9]) * 1000
    else:
        at_ms = http_date_ms(stripped)
        if at_ms is None:
            return None
        wait_ms = max(0, at_ms - now_ms)
    return min(wait_ms, RETRY_AFTER_MS_MAX)


def http_date_ms(text: str | None) -> int | None:
    """An HTTP date as milliseconds since 1970; None for anything else."""
    if not text:
        return None
    try:
        at = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return int(at.timestamp() * 1000)


def utc_text(at_ms: int) -> str:
    """A moment for people's eyes, UTC, whole seconds."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
