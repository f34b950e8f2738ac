"""The log proves itself, as a file and as an export; what is sealed stays sealed on the way out."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from appliance.log_verbs import log
from appliance.where import EXIT_CONFIG
from support.kept_house import KeptHouse


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    house = KeptHouse(tmp_path / "house")
    house.learn("up-1")
    house.learn("up-2")
    house.close()
    return house.folder


def _log(*words: str) -> Result:
    return CliRunner().invoke(log, list(words))


def _export(folder: Path) -> Path:
    said = _log("export", "--data", str(folder))
    assert said.exit_code == 0, said.output
    path = folder.parent / "export.jsonl"
    path.write_text(said.output)
    return path


def test_a_whole_log_is_said_to_be_whole_with_its_last_chain(folder: Path) -> None:
    said = _log("verify", "--data", str(folder))
    assert said.exit_code == 0
    with closing(sqlite3.connect(folder / "log.db")) as db:
        row = db.execute("SELECT position, chain FROM event ORDER BY position DESC").fetchone()
    assert f"{row[0]} facts, whole. The last chain is {row[1].hex()}" in said.output


def test_an_export_proves_itself_with_the_same_chain(folder: Path) -> None:
    here = _log("verify", "--data", str(folder))
    there = _log("verify", str(_export(folder)))
    assert there.exit_code == 0
    assert there.output == here.output


def _change(db: sqlite3.Connection) -> None:
    db.execute("UPDATE event SET at_wall = at_wall + 1 WHERE position = 5")


def _remove(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM event WHERE position = 5")


def _insert(db: sqlite3.Connection) -> None:
    query = "SELECT * FROM event ORDER BY position DESC LIMIT 1"
    position, stream, _version, *rest = db.execute(query).fetchone()
    row = (position + 1, stream, 999, *rest)
    db.execute(f"INSERT INTO event VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608 - marks


@pytest.mark.parametrize("lie", [_change, _remove, _insert])
def test_a_changed_a_removed_and_an_inserted_fact_are_found(
    folder: Path, lie: Callable[[sqlite3.Connection], None]
) -> None:
    with closing(sqlite3.connect(folder / "log.db")) as db:
        lie(db)
        db.commit()
    said = _log("verify", "--data", str(folder))
    assert said.exit_code == 1
    assert "NOT WHOLE" in said.output


@pytest.mark.parametrize(
    "lie",
    [
        lambda lines: [*lines[:4], lines[4].replace('"at_wall": 1', '"at_wall": 2'), *lines[5:]],
        lambda lines: [*lines[:4], *lines[5:]],
        lambda lines: [*lines[:4], lines[3], *lines[4:]],
    ],
    ids=["changed", "removed", "inserted"],
)
def test_a_lie_in_an_export_is_found(folder: Path, lie: Callable[[list[str]], list[str]]) -> None:
    path = _export(folder)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lie(lines)))
    said = _log("verify", str(path))
    assert said.exit_code == 1
    assert "NOT WHOLE" in said.output


def test_a_cut_at_the_end_is_a_shorter_log_with_another_last_chain(folder: Path) -> None:
    """The chain cannot know what came after it: compare the last chain with one kept elsewhere."""
    path = _export(folder)
    whole = _log("verify", str(path)).output
    path.write_text("\n".join(path.read_text().splitlines()[:-1]))
    said = _log("verify", str(path))
    assert said.exit_code == 0
    assert said.output != whole


@pytest.mark.parametrize("text", ["no json\n", '{"position": 1}\n', "[]\n", '{"chain": "zz"}\n'])
def test_what_is_no_export_is_answered_with_a_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "export.jsonl"
    path.write_text(text)
    said = _log("verify", str(path))
    assert said.exit_code == 1
    assert "NOT READABLE" in said.output


def test_what_is_no_database_is_answered_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    path.write_bytes(b"a letter" * 1_000)
    said = _log("verify", str(path))
    assert said.exit_code == 1
    assert "NOT READABLE" in said.output


def test_an_export_shows_no_name_of_a_person(folder: Path) -> None:
    text = _export(folder).read_text()
    for word in ("Jonas", "Weber", "jonas@example.com", "+43 1 2345678"):
        assert word not in text
    booked = next(json.loads(line) for line in text.splitlines() if "stays.booked" in line)
    [guest] = json.loads(booked["body"])["guests"]
    assert guest.keys() == {"subject", "box"}


def test_one_stream_is_shown_oldest_first(folder: Path) -> None:
    said = _log("show", "inventory/property", "--data", str(folder))
    kinds = [line.split()[1] for line in said.output.splitlines()]
    assert kinds[:2] == ["inventory.property_set_up.v1", "inventory.building_added.v1"]


def test_a_stream_that_is_not_there_is_said(folder: Path) -> None:
    said = _log("show", "stay/nobody", "--data", str(folder))
    assert said.exit_code == 1
    assert "there is no stream" in said.output


def test_no_property_is_said(tmp_path: Path) -> None:
    for words in (["verify"], ["export"], ["show", "stay/1"]):
        said = _log(*words, "--data", str(tmp_path / "none"))
        assert said.exit_code == EXIT_CONFIG
        assert "there is no property" in said.output
