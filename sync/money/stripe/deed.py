"""One kind of effect at Stripe: how it is looked for, when it may go, what an answer means."""

from __future__ import annotations

from typing import Final, Protocol

from sync.gate import Held
from sync.ledger import Effect
from sync.money.stripe.client import Row, Unread
from sync.outcome import NotSent, Outcome, Unknown

# A box without the time cannot say when it sent: then everything is listed.
DOUBT_MS_MAX: Final = 30 * 86_400_000
# Where Stripe's own time of the first sending is kept, in the effect's progress: our clock was
# another one then.
THEIR_SENT_MS: Final = "their_sent_ms"


class Deed(Protocol):
    """The four questions that differ from kind to kind; keys, ages and lost answers do not."""

    async def look_up(self, effect: Effect) -> Outcome | None:
        """What became of it there, by evidence; None: proven not done."""
        ...

    async def may_send(self, effect: Effect) -> Outcome | None:
        """None: it may go now; else why not."""
        ...

    def judge(self, row: Row, effect: Effect) -> Outcome:
        """What an object in an answer of 200 means."""
        ...

    def refused(self, error: Row, effect: Effect) -> Outcome | None:
        """What an error of theirs means; None: nothing of this kind's own."""
        ...


def not_looked(unread: Unread) -> Outcome:
    """Looking changes nothing, so whatever went wrong, the effect is as unknown as before."""
    if isinstance(unread.reply, Held):
        return NotSent(sentence=unread.reply.sentence, wait_ms=unread.reply.wait_ms)
    return Unknown(sentence=f"it could not be looked up yet ({unread.why})")
