"""What a booking system in the cloud is to sync: something to pull from and to push to.

Adapters translate and nothing else. When to look, what is news, what waits for a write of ours
and what goes home is decided once, in `sync.pms.puller`; when to send and what an outcome means,
in `sync.carrier`.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import msgspec

from appliance.engines.stays.messages import LearnBooking
from sync.carrier import Pusher
from sync.gate import Gate
from sync.mirror import Known
from sync.outcome import Again, NotSent

# What a cut line swallowed must be noticed, and tried again, within ten seconds of its healing
# (anchors.md Y2). A page that a vendor cannot give in this time is asked for in smaller ones.
ACT_TIMEOUT_S: Final = 6.0
LIST_TIMEOUT_S: Final = 6.0
# A vendor whose pages cannot be made smaller gets more time with each one that did not come while
# it answered something else (sync.pms.patience).
LIST_TIMEOUT_S_MAX: Final = 20.0
# No booking system has idempotency keys, so one that is slow could carry out a request after we
# gave it up and looked. A minute is what gateways hold a request for at most.
LATE_MS: Final = 60_000

# A booking that one answer does not show is asked for again before a person must look.
LOOKS: Final = 2


class NotFetchedError(Exception):
    """A list could not be read whole; nothing of it was used, the next look reads it again.

    `answered`: they did answer, and not with what was asked. The line is no reason then, and an
    act that needs this very answer must not wait for it unseen and for ever.
    """

    answered = False

    def __init__(self, sentence: str, *, answered: bool | None = None) -> None:
        super().__init__(sentence)
        if answered is not None:
            self.answered = answered


class NotAskableError(NotFetchedError):
    """The vendor refuses the question itself (an id it cannot read); asking again is no use."""

    answered = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One booking in a vendor's list or answer, before anything else was asked about it."""

    upstream_id: str
    version: str  # compares as text and grows with each change (cloud.md 1.5)
    digest: bytes  # of everything the vendor says of it, what changes by itself left out
    changed_ms: int  # the vendor's own time of that version
    counts: bool  # False: an inquiry, or a word we do not know; nothing is learned of it
    type_refs: tuple[str, ...]  # its room type there: the id first, then names
    number: str  # what a person there calls it
    our_ref: str | None  # our stay id, where the vendor keeps it for us
    by_us: bool  # made through this interface: may be the echo of a sale under way
    known: Known
    raw: Any = field(repr=False)  # the vendor's own row


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A row that is news, under the version the box will know it by, with its room type here."""

    seen: Seen
    version: str
    room_type_id: str


class BookingSource(Protocol):
    """One property at one vendor, read. Every method raises NotFetchedError when it cannot.

    Rows may move between pages while they are read: a page may bring a row twice or late.
    """

    name: str  # the source of its bookings
    title: str  # for sentences to people
    gate: Gate
    mark_age_s_max: int  # a mark older than this is of no use: everything is read
    ids_max: int  # ids that one fetch may name

    async def prepare(self) -> bool:
        """Whatever reading takes (a token, the configuration); True: the configuration is new."""
        ...

    def changed(self, since_s: int) -> AsyncIterator[list[Seen]]:
        """Pages of what changed since a moment of the vendor's time."""
        ...

    def everything(self, now_s: int) -> AsyncIterator[list[Seen]]:
        """Pages of all that matters now: who is here, who left lately, who is expected."""
        ...

    async def fetch(self, upstream_ids: Sequence[str]) -> list[Seen]:
        """These bookings; what is missing from the answer is not there, which cancels nothing.

        Raises NotAskableError where one of the ids is the reason.
        """
        ...

    async def bookings(self, told: Sequence[Told]) -> list[LearnBooking]:
        """The commands that tell the box, in the same order; asks for guests and prices."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What a listener may set going."""

    look: Callable[[], None]  # at everything that changed, soon
    hint: Callable[[Sequence[str]], None]  # at these bookings, at once
    wake: Callable[[], None]  # there is something new in the ledger


class Listening(Protocol):
    """A vendor's own way of telling that something happened, where it has one."""

    def tasks(self, hooks: Hooks) -> list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        """What runs for as long as the role does, by name."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pms:
    """A vendor's two directions, and something cheap to ask when it seems to be down."""

    source: BookingSource
    pusher: Pusher
    probe: Callable[[], Awaitable[object]]
    listening: Listening | None = None


def unread(title: str, error: NotFetchedError) -> NotSent | Again:
    """What a look that failed means for an act: reading changed nothing, it is as far as it was.

    Answered otherwise, it counts as a try, so that at last a person sees it.
    """
    sentence = f"{title} could not be read: {error}"
    return Again(sentence=sentence) if error.answered else NotSent(sentence=sentence)


def digest_of(row: Mapping[str, Any]) -> bytes:
    """A row's content, whatever the order of its fields: 32 bytes."""
    return hashlib.sha256(msgspec.json.encode(row, order="sorted")).digest()
