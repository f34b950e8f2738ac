"""Promises of absence: what vanished is held long enough, and what is really over gets through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.feeds.absence import (
    AGE_TO_BELIEVE_MS,
    PULLS_TO_BELIEVE,
    Act,
    FeedState,
    Gone,
    Judged,
    Told,
    Why,
    accept,
    judge,
)
from sync.feeds.entries import Entry, Kind, Snapshot

TODAY = date(2026, 8, 22)
NOW_MS = 1_787_400_000_000
HOUR_MS = 3_600_000


def day(number: int) -> date:
    return TODAY + timedelta(days=number)


def entry(uid: str, start: int = 1, nights: int = 2, kind: Kind = Kind.RESERVED) -> Entry:
    return Entry(uid=uid, kind=kind, start=day(start), end=day(start + nights))


class Feed:
    """One feed under judgement; every look is an hour after the last."""

    def __init__(self, *entries: Entry, gap_ms: int = HOUR_MS) -> None:
        self.state = FeedState()
        self.now_ms = NOW_MS
        self.gap_ms = gap_ms
        self.acts: list[Act] = []
        self.look(*entries)
        self.acts.clear()

    def look(
        self, *entries: Entry, times: int = 1, sure: bool = True, **more: frozenset[str]
    ) -> None:
        for _ in range(times):
            self.now_ms += self.gap_ms
            self.take(
                judge(
                    self.state,
                    Snapshot(entries=entries, **more),
                    now_ms=self.now_ms,
                    today=TODAY,
                    sure=sure,
                )
            )

    def take(self, judged: Judged) -> None:
        self.state = judged.state
        self.acts += judged.acts

    def gone(self) -> list[tuple[str, Why]]:
        return [(each.held.key, each.why) for each in self.acts if isinstance(each, Gone)]

    def told(self) -> list[str]:
        return [each.held.key for each in self.acts if isinstance(each, Told)]


def many(count: int, kind: Kind = Kind.RESERVED, prefix: str = "u") -> list[Entry]:
    return [entry(f"{prefix}{number}", 1 + 3 * number, kind=kind) for number in range(count)]


def test_what_is_missing_is_held_for_six_hours_and_three_pulls() -> None:
    feed = Feed(entry("a"), entry("b"))
    feed.look(entry("b"), times=6)
    assert feed.gone() == []
    assert [each.key for each in feed.state.missing] == ["a"]
    feed.look(entry("b"))
    assert feed.gone() == [("a", Why.ABSENT)]
    feed.look(entry("b"))
    assert feed.gone() == [("a", Why.ABSENT)]


def test_six_hours_without_three_pulls_are_not_enough() -> None:
    feed = Feed(entry("a"), entry("b"), gap_ms=12 * HOUR_MS)
    feed.look(entry("b"), times=2)
    assert feed.gone() == []
    feed.look(entry("b"))
    assert feed.gone() == [("a", Why.ABSENT)]


def test_pulls_within_minutes_are_one_opinion() -> None:
    feed = Feed(entry("a"), entry("b"))
    feed.look(entry("b"))
    feed.now_ms += 7 * HOUR_MS
    feed.gap_ms = 1_000
    feed.look(entry("b"), times=50)
    assert feed.gone() == []


def test_who_comes_back_was_never_away() -> None:
    feed = Feed(entry("a"), entry("b"))
    feed.look(entry("b"), times=5)
    feed.look(entry("a"), entry("b"))
    assert feed.state.missing == ()
    feed.look(entry("b"), times=5)
    assert feed.acts == []


def test_an_unsure_clock_lets_nobody_go() -> None:
    feed = Feed(entry("a"), entry("b"))
    feed.look(entry("b"), times=50, sure=False)
    assert feed.gone() == []
    feed.look(entry("b"))
    assert feed.gone() == [("a", Why.ABSENT)]


def test_past_stays_leave_in_silence() -> None:
    feed = Feed(entry("a", start=-3, nights=3), entry("b", start=-2, nights=3))
    assert [each.key for each in feed.state.held] == ["b"]
    feed.look(times=3)
    assert feed.acts == []


def test_other_dates_are_a_change_and_never_a_cancellation() -> None:
    feed = Feed(entry("a"), entry("b"))
    feed.look(entry("a", start=20, nights=5), entry("b"))
    [told] = feed.acts
    assert isinstance(told, Told)
    assert told.before is not None
    assert (told.held.key, told.held.start, told.held.end) == ("a", day(20), day(25))
    assert told.held.version > told.before.version


def test_the_same_dates_under_another_uid_are_the_same_booking() -> None:
    feed = Feed(entry("a"), entry("b", 9))
    feed.look(entry("z"), entry("b", 9), times=9)
    assert feed.acts == []
    assert {each.key for each in feed.state.held} == {"a", "b"}


def test_a_booking_that_turned_into_a_block_is_missing() -> None:
    feed = Feed(entry("a"), entry("b", 9))
    feed.look(entry("a", kind=Kind.BLOCKED), entry("b", 9), times=7)
    assert feed.gone() == [("a", Why.ABSENT)]
    assert feed.told() == ["a~2"]


def test_one_uid_twice_is_told_apart_by_its_dates() -> None:
    twice = [entry("x", 1), entry("x", 9)]
    feed = Feed(*twice)
    assert {each.key for each in feed.state.held} == {"x", "x~2"}
    feed.look(*reversed(twice), times=3)
    assert feed.acts == []
    feed.look(twice[1], times=7)
    assert feed.gone() == [("x", Why.ABSENT)]


def test_an_entry_that_cannot_be_used_is_still_there() -> None:
    feed = Feed(entry("a"), entry("b"))
    feed.look(entry("b"), times=20, unread=frozenset({"a"}))
    assert feed.acts == []


def test_the_channels_own_cancellation_is_taken_at_once() -> None:
    feed = Feed(entry("a"), entry("b"))
    feed.look(entry("b"), cancelled=frozenset({"a"}))
    assert feed.gone() == [("a", Why.CANCELLED)]


def test_a_third_of_a_feed_at_once_freezes_it_for_as_long_as_it_takes() -> None:
    all_of_them = many(15)
    feed = Feed(*all_of_them)
    feed.look(*all_of_them[5:], times=200)
    assert feed.state.frozen_since_ms is not None
    assert feed.acts == []


def test_a_frozen_feed_still_brings_new_bookings_and_changes() -> None:
    all_of_them = many(15)
    feed = Feed(*all_of_them)
    feed.look(*all_of_them[5:])
    moved = replace(all_of_them[9], end=all_of_them[9].end + timedelta(days=1))
    feed.look(*all_of_them[5:9], moved, *all_of_them[10:], entry("new", 300))
    assert sorted(feed.told()) == ["new", "u9"]


@pytest.mark.parametrize(("vanished", "frozen"), [(4, False), (5, True), (6, True)])
def test_fewer_than_five_never_freeze(vanished: int, frozen: bool) -> None:  # noqa: FBT001 - a table
    all_of_them = many(6)
    feed = Feed(*all_of_them)
    feed.look(*all_of_them[vanished:])
    assert (feed.state.frozen_since_ms is not None) is frozen


def test_a_feed_that_is_back_thaws_and_what_is_still_missing_is_counted_anew() -> None:
    all_of_them = many(15)
    feed = Feed(*all_of_them)
    feed.look(*all_of_them[5:], times=10)
    feed.look(*all_of_them[1:])
    assert feed.state.frozen_since_ms is None
    feed.look(*all_of_them[1:], times=5)
    assert feed.gone() == []
    feed.look(*all_of_them[1:])
    assert feed.gone() == [("u0", Why.ABSENT)]


def test_a_person_may_accept_a_mass_removal() -> None:
    all_of_them = many(15)
    feed = Feed(*all_of_them)
    feed.look(*all_of_them[5:])
    feed.take(accept(feed.state))
    assert feed.gone() == [(f"u{number}", Why.ACCEPTED) for number in range(5)]
    assert feed.state.frozen_since_ms is None
    feed.look(*all_of_them[5:], times=9)
    assert len(feed.gone()) == 5


def test_a_mass_removal_of_blocks_gets_through_by_itself() -> None:
    bookings, blocks = many(10), many(97, Kind.BLOCKED, "b")
    feed = Feed(*bookings, *blocks)
    feed.look(*bookings, times=7)
    assert len(feed.gone()) == 97
    assert feed.state.frozen_since_ms is None


def test_blocks_are_held_with_the_bookings_of_a_frozen_feed() -> None:
    feed = Feed(*many(10), *many(10, Kind.BLOCKED, "b"))
    feed.look(times=30)
    assert feed.acts == []


def test_the_horizon_counts_for_nothing_when_a_feed_is_judged() -> None:
    edge = entry("h", 30, 520, Kind.CLOSED)
    closed = many(4, Kind.CLOSED)
    feed = Feed(*closed, edge)
    feed.look()
    assert feed.state.frozen_since_ms is None


# -- any calendar, any drop-out --------------------------------------------------------------------

KINDS = st.sampled_from(Kind)
ENTRIES = st.lists(
    st.builds(entry, st.sampled_from("abcdefgh"), st.integers(-4, 40), st.integers(1, 9), KINDS),
    max_size=12,
)
# Each look: minutes since the last, and which of the entries are missing.
LOOKS = st.lists(st.tuples(st.integers(1, 200), st.sets(st.integers(0, 11))), max_size=40)


@given(ENTRIES, LOOKS)
def test_nothing_is_let_go_on_an_absence_shorter_than_the_policy(
    entries: Sequence[Entry], looks: Sequence[tuple[int, set[int]]]
) -> None:
    """A model beside the policy: since when and how often was each of the keys not there."""
    unique = list({each.uid: each for each in entries}.values())
    feed = Feed(*unique)
    away: dict[str, list[int]] = {}
    for minutes, missing in looks:
        feed.gap_ms = minutes * 60_000
        there = [each for number, each in enumerate(unique) if number not in missing]
        before = len(feed.acts)
        feed.look(*there)
        uids = {each.uid for each in there}
        for each in unique:
            if each.uid in uids:
                away.pop(each.uid, None)
            else:
                away.setdefault(each.uid, []).append(feed.now_ms)
        for act in feed.acts[before:]:
            if isinstance(act, Gone):
                times = away[act.held.uid]
                assert len(times) >= PULLS_TO_BELIEVE
                assert feed.now_ms - times[0] >= AGE_TO_BELIEVE_MS
                # It is let go once; when it comes back it is told anew.
                away.pop(act.held.uid)
                unique = [one for one in unique if one.uid != act.held.uid]
                break
        else:
            continue
        return


@given(ENTRIES, st.integers(0, 11), LOOKS)
def test_a_real_cancellation_gets_through_in_the_end(
    entries: Sequence[Entry], which: int, looks: Sequence[tuple[int, set[int]]]
) -> None:
    """Whatever happened before: once the others are steadily there, the cancelled one goes."""
    unique = list({each.uid: each for each in entries if each.end > TODAY}.values())
    if not unique:
        return
    over = unique[which % len(unique)]
    feed = Feed(*unique)
    for minutes, missing in looks:
        feed.gap_ms = minutes * 60_000
        feed.look(*(each for number, each in enumerate(unique) if number not in missing))
    feed.gap_ms = HOUR_MS
    feed.look(*(each for each in unique if each is not over), times=20)
    assert over.uid not in {each.uid for each in feed.state.held}
    assert {each.uid for each in feed.state.held} == {each.uid for each in unique} - {over.uid}


@given(ENTRIES)
def test_the_order_of_a_file_changes_nothing(entries: Sequence[Entry]) -> None:
    feed = Feed(*entries)
    feed.look(*reversed(entries), times=3)
    assert feed.acts == []
    assert len({each.key for each in feed.state.held}) == len(feed.state.held)
