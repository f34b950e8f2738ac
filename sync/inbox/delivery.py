"""A webhook as it came in, and what its vendor's rules say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from sync.inbox.words import Normalised

# 300 s both ways: what Svix, Stripe and Plaid (5 min) all name (cloud.md 1.1, 2.1, 2.4).
TOLERANCE_MS: Final = 300_000
# A clock that may be off by more than a minute does not judge somebody else's time by itself.
DOUBT_MS_MAX: Final = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When something was received: a claim with its doubt, and a place on this boot's line."""

    wall_ms: int
    doubt_ms: int
    boot_ms: int
    boot_id: str

    @property
    def sure(self) -> bool:
        """Whether it may judge the age of a signature."""
        return self.doubt_ms <= DOUBT_MS_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One POST, untouched. `headers` has lower-case names; `token` is the path's last part.

    `proof` comes from our own relay alone: the digest of token and login instead of both.
    """

    source: str
    token: str = field(default="", repr=False)
    proof: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    moment: Moment


class Verdict(StrEnum):
    """What verification found. Only the last two are told to the sender as a refusal."""

    GENUINE = "genuine"
    AGE_DOUBTED = "age_doubted"  # signed by the vendor, but our own clock is unsure
    AGE_WRONG = "age_wrong"  # signed by the vendor, too old or in the future by a sure clock
    KEY_UNKNOWN = "key_unknown"  # the vendor's key must be fetched first
    UNPROVEN = "unproven"  # no such signature, user, or token
    MALFORMED = "malformed"  # what must be there to verify at all is not


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A verdict with the delivery's key, and a sentence for whoever reads the answer."""

    verdict: Verdict
    key: str = ""
    signed_ms: int | None = None
    sentence: str = ""
    key_id: str = ""  # KEY_UNKNOWN: which key


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One row of the inbox that is still open."""

    seq: int
    source: str
    dedupe_id: str
    raw: bytes = field(repr=False)
    papers: bytes = field(repr=False)
    state: str
    signed_ms: int | None
    received_ms: int
    received_boot_ms: int
    boot_id: str
    trace: str
    arrivals: int
    tries: int
    sentence: str


class UnreadableError(Exception):
    """A verified body that is not what its vendor writes down; the text says what is missing."""


class Vendor(Protocol):
    """One vendor's rules: verification on raw bytes, and the way from its words to ours. No I/O."""

    @property
    def source(self) -> str:
        """Its word in `words.SOURCES`."""
        ...

    @property
    def repeats_are_news(self) -> bool:
        """True where nothing names a delivery, so that two changes of one booking look alike."""
        ...

    def judge(self, delivery: Delivery) -> Judged:
        """Verify; never parses what is not proven first. Never raises for what was sent."""
        ...

    def papers(self, delivery: Delivery) -> Mapping[str, str]:
        """The headers that a later verification needs."""
        ...

    def normalise(self, stored: Stored) -> Normalised:
        """Say it in plain words; raises UnreadableError."""
        ...


def judge_age(key: str, signed_ms: int, moment: Moment) -> Judged:
    """Judge the age of a signature that is good, 300 s both ways, by a clock with a doubt."""
    off_ms = signed_ms - moment.wall_ms
    if not moment.sure:
        sentence = (
            "The signature is good; our clock is unsure, so the age is judged once it is set."
        )
        return Judged(verdict=Verdict.AGE_DOUBTED, key=key, signed_ms=signed_ms, sentence=sentence)
    if abs(off_ms) > TOLERANCE_MS + moment.doubt_ms:
        way = "in the future" if off_ms > 0 else "in the past"
        sentence = (
            f"The signature is good, but it was made {abs(off_ms) // 1000} s {way} by our clock;"
            f" at most {TOLERANCE_MS // 1000} s are taken."
        )
        return Judged(verdict=Verdict.AGE_WRONG, key=key, signed_ms=signed_ms, sentence=sentence)
    return Judged(verdict=Verdict.GENUINE, key=key, signed_ms=signed_ms)


def refused(sentence: str) -> Judged:
    """The proof is missing or wrong."""
    return Judged(verdict=Verdict.UNPROVEN, sentence=sentence)


def malformed(sentence: str) -> Judged:
    """There is nothing that could be verified."""
    return Judged(verdict=Verdict.MALFORMED, sentence=sentence)
