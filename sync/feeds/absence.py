"""What the absence of a booking from a calendar means: nothing, for a good while. Pure.

State and one whole file in, state and acts out. A file is never a list of cancellations: real
feeds lose whole listings for hours and give them back, with guests in house (cloud.md section 4).
So what vanished is held, until it was missed often enough and long enough; where much of a feed
vanishes at once nothing of it is believed, until a person says so or it is back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Final

from sync.feeds.entries import Entry, Kind, Snapshot

# cloud.md section 4, suggested policy: the longest of four real drop-outs was 3 h 42 min.
PULLS_TO_BELIEVE: Final = 3
AGE_TO_BELIEVE_MS: Final = 6 * 3_600_000
# More than 30 % of a feed, and at least five, at once: a fault of the feed, not five guests.
FREEZE_PERCENT: Final = 30
FREEZE_MIN: Final = 5
# Two looks within this are one opinion: what the channel's cache said is said again.
PULLS_APART_MS: Final = 5 * 60_000
# Booking.com closes everything beyond what it sells with one block whose end moves each day: 546
# to 550 days ahead in ten months of five real feeds, where no other entry reached beyond 200.
HORIZON_DAYS: Final = 365


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One entry as we hold it. `key` is its name towards the box for as long as it lives.

    `missing_since_ms` and `missed` are its tombstone: when and how often it was not there.
    """

    key: str
    uid: str
    kind: Kind
    start: date
    end: date
    version: int  # seconds since 1970 of the look that brought its last change; grows always
    code: str = ""
    missing_since_ms: int | None = None
    missed: int = 0
    missed_last_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """Everything known of one feed; survives restarts."""

    held: tuple[Held, ...] = ()
    frozen_since_ms: int | None = None

    @property
    def missing(self) -> tuple[Held, ...]:
        """What is held although it is not in the feed."""
        return tuple(each for each in self.held if each.missing_since_ms is not None)


class Why(StrEnum):
    """Why an entry is believed to be gone."""

    ABSENT = "absent"  # long enough and often enough
    CANCELLED = "cancelled"  # the channel's own word, STATUS:CANCELLED
    ACCEPTED = "accepted"  # a person's word


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A booking is new, or says something else than before."""

    held: Held
    before: Held | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """A booking is over and done with at the channel; who is in house stays in house."""

    held: Held
    why: Why


Act = Told | Gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The new state, and what the box must hear of it, in order."""

    state: FeedState
    acts: tuple[Act, ...] = ()


def is_horizon(kind: Kind, end: date, today: date) -> bool:
    """Whether an entry is the edge of what a channel sells, and no booking."""
    return kind is not Kind.RESERVED and (end - today).days > HORIZON_DAYS


def judge(
    state: FeedState, snapshot: Snapshot, *, now_ms: int, today: date, sure: bool = True
) -> Judged:
    """Compare a whole file with what is held.

    `today` is the property's date. With `sure` False the clock may be wrong: nothing grows old
    enough to be believed gone.
    """
    alive = [each for each in state.held if each.end > today]
    pairs, fresh = _matched(alive, snapshot, today)
    held: list[Held] = []
    acts: list[Act] = []
    for before, entry in pairs:
        if before.uid in snapshot.cancelled:
            acts.append(Gone(held=before, why=Why.CANCELLED))
            continue
        if entry is None:
            there = before.uid in snapshot.unread
            held.append(_present(before) if there else _missed(before, now_ms))
            continue
        now = _changed(before, entry, now_ms)
        held.append(now)
        if _is_news(before, now):
            acts.append(Told(held=now, before=before))
    for key, entry in fresh:
        new = Held(
            key=key,
            uid=entry.uid,
            kind=entry.kind,
            start=entry.start,
            end=entry.end,
            code=entry.code,
            version=now_ms // 1_000,
        )
        held.append(new)
        acts.append(Told(held=new, before=None))
    return _settled(state, held, acts, now_ms=now_ms, today=today, sure=sure)


def accept(state: FeedState) -> Judged:
    """A person says that what is missing is gone indeed."""
    return Judged(
        state=FeedState(held=tuple(each for each in state.held if each.missing_since_ms is None)),
        acts=tuple(Gone(held=each, why=Why.ACCEPTED) for each in state.missing),
    )


def is_alarming(held: Iterable[Held], today: date) -> bool:
    """Whether too much of a feed is missing at once to be believed."""
    guests = [
        each
        for each in held
        if each.kind.guest_may_come and not is_horizon(each.kind, each.end, today)
    ]
    missing = sum(each.missing_since_ms is not None for each in guests)
    return missing >= FREEZE_MIN and missing * 100 > len(guests) * FREEZE_PERCENT


def _settled(
    state: FeedState,
    held: Sequence[Held],
    acts: list[Act],
    *,
    now_ms: int,
    today: date,
    sure: bool,
) -> Judged:
    frozen_since_ms = state.frozen_since_ms
    if is_alarming(held, today):
        frozen_since_ms = now_ms if frozen_since_ms is None else frozen_since_ms
        return Judged(
            state=FeedState(held=tuple(held), frozen_since_ms=frozen_since_ms), acts=tuple(acts)
        )
    if frozen_since_ms is not None:
        # What is still missing while the rest comes back may come back too: it is counted anew.
        held = [each if each.missing_since_ms is None else _anew(each, now_ms) for each in held]
        return Judged(state=FeedState(held=tuple(held)), acts=tuple(acts))
    gone = [each for each in held if sure and _is_believed(each, now_ms)]
    acts += [Gone(held=each, why=Why.ABSENT) for each in gone]
    kept = tuple(each for each in held if each not in gone)
    return Judged(state=FeedState(held=kept), acts=tuple(acts))


def _is_believed(held: Held, now_ms: int) -> bool:
    if held.missing_since_ms is None:
        return False
    old = now_ms - held.missing_since_ms >= AGE_TO_BELIEVE_MS
    return old and held.missed >= PULLS_TO_BELIEVE


def _present(held: Held) -> Held:
    return replace(held, missing_since_ms=None, missed=0, missed_last_ms=0)


def _anew(held: Held, now_ms: int) -> Held:
    return replace(held, missing_since_ms=now_ms, missed=1, missed_last_ms=now_ms)


def _missed(held: Held, now_ms: int) -> Held:
    if held.missing_since_ms is None:
        return _anew(held, now_ms)
    if now_ms - held.missed_last_ms < PULLS_APART_MS:
        return held
    return replace(held, missed=held.missed + 1, missed_last_ms=now_ms)


def _changed(before: Held, entry: Entry, now_ms: int) -> Held:
    now = replace(
        _present(before),
        uid=entry.uid,
        kind=entry.kind,
        start=entry.start,
        end=entry.end,
        code=entry.code or before.code,
    )
    if not _is_news(before, now):
        return now
    return replace(now, version=max(now_ms // 1_000, before.version + 1))


def _is_news(before: Held, now: Held) -> bool:
    return (before.kind, before.start, before.end, before.code) != (
        now.kind,
        now.start,
        now.end,
        now.code,
    )


# -- which entry is which ------------------------------------------------------------------------


def _matched(
    alive: Sequence[Held], snapshot: Snapshot, today: date
) -> tuple[list[tuple[Held, Entry | None]], list[tuple[str, Entry]]]:
    """Each held entry with what it is now (None: not there), and the new ones with their keys.

    The same UID with other dates is the same booking, moved. One UID may stand for several
    entries of a file (real Airbnb files do that): those are told apart by their dates first, then
    by their order. An unknown UID with the very dates of one that vanished is that one, renamed.
    """
    left = _entries(snapshot, today)
    found: dict[str, Entry] = {}
    for fits in (_same_dates, _same_uid, _renamed):
        for held in alive:
            if held.key in found or held.uid in snapshot.cancelled:
                continue
            if held.uid in snapshot.unread and fits is _renamed:
                continue
            entry = next((each for each in left if fits(held, each)), None)
            if entry is not None:
                found[held.key] = entry
                left.remove(entry)
    taken = {held.key for held in alive}
    fresh = []
    for entry in left:
        key = _free_key(entry.uid, taken)
        taken.add(key)
        fresh.append((key, entry))
    return [(held, found.get(held.key)) for held in alive], fresh


def _entries(snapshot: Snapshot, today: date) -> list[Entry]:
    """What matters still, each once, in an order that does not depend on the file's."""
    alive = {each for each in snapshot.entries if each.end > today}
    return sorted(alive, key=lambda each: (each.start, each.end, each.uid, each.kind, each.code))


def _same_kind(held: Held, entry: Entry) -> bool:
    # A booking that turns into a block is a booking that vanished.
    return (held.kind is Kind.RESERVED) == (entry.kind is Kind.RESERVED)


def _same_dates(held: Held, entry: Entry) -> bool:
    dates = (held.start, held.end) == (entry.start, entry.end)
    return dates and held.uid == entry.uid and _same_kind(held, entry)


def _same_uid(held: Held, entry: Entry) -> bool:
    return held.uid == entry.uid and _same_kind(held, entry)


def _renamed(held: Held, entry: Entry) -> bool:
    dates = (held.start, held.end) == (entry.start, entry.end)
    return dates and held.kind is entry.kind and held.code == entry.code


def _free_key(uid: str, taken: set[str]) -> str:
    key, number = uid, 1
    while key in taken:
        number += 1
        key = f"{uid}~{number}"
    return key
