"""What the inbox says to the rest of sync: one normalised event, and who listens to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable

# The sources there are; a listener registers under one of these words.
GUESTY: Final = "guesty"
HOSTAWAY: Final = "hostaway"
MEWS: Final = "mews"
STRIPE: Final = "stripe"
PLAID: Final = "plaid"
SOURCES: Final = (GUESTY, HOSTAWAY, MEWS, STRIPE, PLAID)

# The one kind of thing that every PMS has and names differently.
RESERVATION: Final = "reservation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """One thing at the vendor that an event speaks of.

    `kind` is RESERVATION for a PMS's bookings, else the vendor's own word in lower case
    (Stripe: `payment_intent`, `charge`, `refund`, `dispute`; Plaid: `item`; Guesty: `listing`).
    """

    kind: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalised:
    """One stored webhook in the same words for every vendor. A hint: the truth is fetched by id.

    It may come twice and in any order, so act on it by natural keys; `key` is the same each time
    the same delivery comes. `data` is what the vendor signed, parsed; it is empty where nobody
    signed (Hostaway, Mews), and it may hold guests' names, so it is never logged.
    """

    source: str
    key: str  # svix-id, Stripe's event id, or the digest of an unsigned body
    type: str  # the vendor's own word: "reservation.updated.v2", "charge.dispute.created"
    aggregates: tuple[Aggregate, ...]  # one; only Mews puts hundreds into one webhook
    time_ms: int  # the vendor's own time of the event, or when it came where it says none
    received_ms: int
    trace: str  # W3C traceparent
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def aggregate(self) -> Aggregate | None:
        """What it speaks of; None where the vendor named nothing."""
        return self.aggregates[0] if self.aggregates else None

    def ids(self, kind: str) -> list[str]:
        """The ids of one kind, each once, in the vendor's order."""
        return list(dict.fromkeys(each.id for each in self.aggregates if each.kind == kind))


class NotYetError(Exception):
    """It cannot be acted on now (a line is down, an entity is not known yet): it comes again."""


class PoisonedError(Exception):
    """It can never be acted on; the text is the sentence that a person reads beside it."""


@runtime_checkable
class Listener(Protocol):
    """Who acts on the events of one source; registered with `Inbox.listen(source, listener)`."""

    async def heard(self, event: Normalised) -> None:
        """Act on one event; what must survive a crash is on disk when this returns.

        Called at least once for each. NotYetError: called again later, others go on meanwhile.
        PoisonedError: parked with its text. Anything else: a few more tries, then parked.
        """
        ...


@runtime_checkable
class CrowdListener(Listener, Protocol):
    """A listener that would rather hear many at once: a hundred hints are one write."""

    async def heard_many(self, events: Sequence[Normalised]) -> None:
        """Act on all or on none; after any exception each of them comes alone."""
        ...
