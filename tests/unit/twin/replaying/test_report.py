"""A replay's totals are equal in every source; a source that lies, or lost a line, is found out."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from support.bookings_csv import write_csv
from twin.bookings_file import BookingsFile
from twin.replaying.days import Lived, live
from twin.replaying.plan import Plan, make_plan
from twin.replaying.report import Report, as_json, make_report, told
from twin.replaying.rows import read_rows


@dataclass(frozen=True, slots=True)
class Over:
    """A replay that is over, and what it left."""

    plan: Plan
    lived: Lived
    file: BookingsFile
    folder: Path

    def report(self, folder: Path | None = None) -> Report:
        return make_report(self.plan, self.lived, self.file, folder or self.folder)


@pytest.fixture(scope="module")
def over(tmp_path_factory: pytest.TempPathFactory) -> Over:
    """The hand-made file lived through once; the tests only count."""
    path = write_csv(tmp_path_factory.mktemp("file") / "b.csv")
    folder = tmp_path_factory.mktemp("house")
    plan = make_plan(read_rows(path), date(2016, 8, 3), date(2016, 8, 5), seed=7)
    lived = asyncio.run(live(plan, folder, lambda *_: None, asyncio.Event()))
    return Over(plan, lived, BookingsFile.read(path), folder)


@pytest.fixture
def copy(over: Over, tmp_path: Path) -> Path:
    """The same files, to lie in."""
    return Path(shutil.copytree(over.folder, tmp_path / "copy"))


def unequal(report: Report) -> set[str]:
    return {line.name for line in (*report.lines, *report.impossible) if not line.equal}


def test_a_hand_made_file_with_every_dirt_adds_up_in_every_source(over: Over) -> None:
    report = over.report()
    assert unequal(report) == set()
    assert report.broken == []
    assert report.holds
    log = report.log.totals
    assert (log.bookings, log.in_house_before, log.changes) == (16, 1, 4)
    assert (log.cancelled, log.no_shows, log.checked_out, log.left_before) == (4, 2, 10, 1)
    assert report.log.states == {"departed": 11, "cancelled": 4, "no_show": 2}
    # 2 + 2 + 1 + 1 + 0 + 2 + 2 + 1 + 1 + 1 nights of those who came.
    assert log.nights == 13
    # Who stayed longer was given a second key.
    assert (log.keys_cut, log.keys_revoked, log.opened_by_key, log.opened_by_box) == (
        12,
        12,
        12,
        11,
    )
    assert report.log.conflicts["dates_in_house"] == 1


def test_departed_guests_were_refused_and_rightful_ones_were_not(over: Over) -> None:
    seen = over.lived.seen
    assert set(seen.rightful_at_lock) == set(seen.rightful_by_box) == {"done"}
    assert set(seen.departed_at_once) <= {"denied"}
    assert set(seen.departed_later) <= {"denied", "superseded", "expired"}
    assert sum(seen.departed_later.values()) == 12


def test_rows_that_cannot_be_are_counted_by_class_and_named_by_number(over: Over) -> None:
    said = as_json(over.report(), "b.csv")
    assert said["rows"]["all"] == 21
    assert said["rows"]["impossible"] == {"unreadable": 3, "zero guests": 1, "zero nights": 1}
    assert said["rows"]["impossible_row_numbers"]["zero nights"] == [19]
    assert said["rows"]["impossible_row_numbers"]["unreadable"] == [21, 22, 23, 24]


def test_people_read_both_sums_and_what_is_made_up(over: Over) -> None:
    text = "\n".join(told(over.report(), "b.csv"))
    assert "21 = 14 checked out + 4 cancelled + 2 no-shows + 1 of no status" in text
    assert "Bookings: 16 = 10 checked out + 4 cancelled + 2 no-shows." in text
    assert "Made up from the seed: guests' names" in text
    assert "Every total is equal in every source" in text


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        ('"kind":"bolt"', {"opened_by_key", "keys_cut"}),
        ('"kind":"refusal"', {"departed_refused"}),
        ('"kind":"pms.reservation.processed"', {"checked_out", "nights", "as_the_file_says"}),
        ('"reason":"NoShow"', {"no_shows", "as_the_file_says"}),
    ],
)
def test_a_journal_that_lost_one_line_is_found_out(
    over: Over, copy: Path, kind: str, lines: set[str]
) -> None:
    journal = copy / "journal.jsonl"
    entries = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    of_kind = [number for number, entry in enumerate(entries) if kind in entry]
    del entries[of_kind[-1] if "pms" in kind else of_kind[0]]
    journal.write_text("".join(entries), encoding="utf-8")
    report = over.report(copy)
    assert not report.holds
    assert unequal(report) & lines


def test_a_read_model_that_says_another_end_is_found_out(over: Over, copy: Path) -> None:
    db = sqlite3.connect(copy / "log.db")
    db.execute(
        "UPDATE stays_stay SET state = 'cancelled' WHERE stay_id = (SELECT stay_id FROM"
        " stays_stay WHERE state = 'departed' AND arrival >= '2016-08-03' LIMIT 1)"
    )
    db.commit()
    db.close()
    report = over.report(copy)
    assert unequal(report) == {"as_the_file_says"}
    assert any(line.startswith("DIFFERENT") for line in told(report, "b.csv"))


def test_a_log_that_was_changed_is_not_whole(over: Over, copy: Path) -> None:
    db = sqlite3.connect(copy / "log.db")
    db.execute("UPDATE event SET who = replace(who, 'desk', 'dusk') WHERE who LIKE '%desk%'")
    db.commit()
    db.close()
    report = over.report(copy)
    assert not report.holds
    assert any("the log is not whole" in sentence for sentence in report.broken)


def test_a_replay_can_be_stopped_and_knows_how_far_it_came(over: Over, tmp_path: Path) -> None:
    async def stopped() -> Lived:
        stop = asyncio.Event()
        return await live(over.plan, tmp_path, lambda *_: stop.set(), stop)

    lived = asyncio.run(stopped())
    assert (lived.days, lived.stopped_on) == (1, date(2016, 8, 4))
