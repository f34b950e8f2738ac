"""The verb `replay` says what it found, in a table and as JSON, and every mistake in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from support.bookings_csv import left, row, write_csv
from twin.replay import replay

WINDOW = ("--from", "2016-08-03", "--to", "2016-08-05")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(replay, [str(each) for each in arguments])


def test_a_window_that_adds_up_ends_with_zero_and_leaves_the_report(tmp_path: Path) -> None:
    path, report = write_csv(tmp_path / "b.csv", [left(3, 1), left(4, 2)]), tmp_path / "r.json"
    done = run(path, *WINDOW, "--seed", 3, "--report", report, "--data", tmp_path / "house")
    assert done.exit_code == 0, done.output
    assert "2 = 2 checked out + 0 cancelled + 0 no-shows." in done.stdout
    assert "Every total is equal in every source" in done.stdout
    assert "day 4 of 4" in done.stderr
    said = json.loads(report.read_text(encoding="utf-8"))
    assert said["holds"] is True
    assert all(line["equal"] for line in said["lines"])
    assert (tmp_path / "house" / "log.db").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--from", "2016-08-03"), "say --from and --to: b.csv holds arrivals from 2016-08-03"),
        (("--from", "3 August", "--to", "2016-08-05"), "--from 3 August is no day"),
        (("--from", "2016-08-05", "--to", "2016-08-03"), "lies before --from"),
        ((*WINDOW, "--report", "/nowhere/at/all.json"), "there is no folder /nowhere/at"),
    ],
)
def test_what_cannot_be_done_gets_a_sentence_before_anything_is_lived(
    tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    said = run(write_csv(tmp_path / "b.csv", [left(3, 1)]), *arguments)
    assert said.exit_code == 2
    assert sentence in said.stderr


def test_a_window_without_arrivals_says_which_days_have_some(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "b.csv", [left(3, 1), left(9, 1)])
    said = run(path, "--from", "2017-01-01", "--to", "2017-01-31")
    assert said.exit_code == 1
    assert "Nobody arrives between 2017-01-01 and 2017-01-31" in said.stderr
    assert "from 2016-08-03 to 2016-08-09" in said.stderr


def test_a_file_of_another_kind_or_without_bookings_gets_a_sentence(tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n", encoding="utf-8")
    assert "lacks the columns" in run(other, *WINDOW).stderr
    empty = write_csv(tmp_path / "empty.csv", [row(3, 0, "Check-Out", "2016-08-03")])
    assert "holds no row that can be a booking" in run(empty, *WINDOW).stderr
    nowhere = run(tmp_path / "nowhere.csv", *WINDOW)
    assert nowhere.exit_code == 2
    assert "cannot be read" in nowhere.stderr


def test_a_folder_that_is_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "house").mkdir()
    (tmp_path / "house" / "mine.txt").write_text("mine", encoding="utf-8")
    path = write_csv(tmp_path / "b.csv", [left(3, 1)])
    said = run(path, *WINDOW, "--data", tmp_path / "house")
    assert said.exit_code == 2
    assert "is not empty" in said.stderr


def test_a_hotel_too_large_for_one_box_is_told_so(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "b.csv", [left(3, 1)] * 2_001)
    said = run(path, *WINDOW)
    assert said.exit_code == 2
    assert "the window needs 2001 rooms; one box serves 2000" in said.stderr
