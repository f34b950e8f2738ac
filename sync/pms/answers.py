"""What an answer that is no success means for one write at a vendor that has no idempotency keys.

Each vendor's own client says what it means by 401 and 403; the rest is the same at all of them
(cloud.md 0.2 and 5.1).
"""

from __future__ import annotations

from dataclasses import dataclass

from sync.gate import Held
from sync.outcome import Again, NotSent, Refused, Unknown
from sync.transport import NoAnswer

Failure = Unknown | NotSent | Again | Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """They answered with an error; `message` is written for the operator."""

    status: int
    message: str


def why(reply: Said | NoAnswer | Held) -> str:
    """What kept a read from being one, for a log and a person."""
    match reply:
        case Said():
            return f"{reply.status} {reply.message}"
        case NoAnswer():
            return reply.why
        case Held():
            return reply.sentence


def failure_at(  # noqa: PLR0911 - one way out for each kind of answer
    title: str, reply: Said | NoAnswer | Held
) -> Failure:
    """The outcome of a write at the vendor of this name."""
    match reply:
        case Held():
            return NotSent(sentence=reply.sentence, wait_ms=reply.wait_ms)
        case NoAnswer(sent=False):
            return NotSent(sentence=f"no connection to {title} ({reply.why})")
        case NoAnswer():
            sentence = (
                f"{_of(title)} answer never came ({reply.why}): looked up before it is sent again"
            )
            return Unknown(sentence=sentence)
        case Said(status=429):
            return NotSent(sentence=f"{title} asked us to wait")
        case Said(status=409):
            return Again(sentence=f"{_of(title)} data had changed: looked up and decided anew")
        case Said(status=status) if status == 408 or status >= 500:
            return Unknown(sentence=f"{title} answered {status}: looked up before it is sent again")
        case Said():
            return Refused(sentence=f"{title} says: {reply.message}", said=True)


def _of(title: str) -> str:
    return f"{title}'" if title.endswith("s") else f"{title}'s"
