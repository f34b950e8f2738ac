"""What the log promises about its own file: one chain, no gaps, and nothing written half."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from appliance.kernel import log as kernel_log
from appliance.kernel.log import ChainBrokenError, chained, connect, verify_file
from support.desk import Desk
from support.toy import TOY, Shelve


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A log with twelve facts, in a folder whose name needs care."""
    folder = tmp_path / "a 100% house?"
    folder.mkdir()
    desk = Desk(folder, [TOY])
    for number in range(12):
        desk.done(Shelve(shelf=f"s{number}", owner="x"))
    desk.close()
    return folder / "log.db"


def test_a_log_verifies_also_in_pieces(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_log, "VERIFIED_AT_ONCE", 5)
    assert verify_file(filled).position == 12


@pytest.mark.parametrize(
    ("lie", "where"),
    [
        ("UPDATE event SET who = replace(who, 'clerk', 'thief') WHERE position = 6", "position 6"),
        ("UPDATE event SET at_wall = at_wall + 1 WHERE position = 7", "position 7"),
        ("UPDATE event SET trace = '' WHERE position = 3", "position 3"),
        ("DELETE FROM event WHERE position = 5", "after position 4 comes 6"),
        ("DELETE FROM event WHERE position = 1", "after position 0 comes 2"),
        (
            (
                "INSERT INTO event SELECT 0, 'x', version, kind, body, command_id, who, origin, cause,"
                " trace, at_wall, at_boot, boot_id, uncertainty_ms, chain FROM event"
                " WHERE position = 1"
            ),
            "comes 0",
        ),
        (
            (
                "INSERT INTO event SELECT 14, 'x', version, kind, body, command_id, who, origin,"
                " cause, trace, at_wall, at_boot, boot_id, uncertainty_ms, chain FROM event"
                " WHERE position = 12"
            ),
            "after position 12 comes 14",
        ),
    ],
    ids=["who", "when", "empty for nothing", "a gap", "the first", "before the first", "a jump"],
)
def test_every_change_of_yesterday_is_found(filled: Path, lie: str, where: str) -> None:
    db = sqlite3.connect(filled)
    db.execute(lie)
    db.commit()
    db.close()
    with pytest.raises(ChainBrokenError, match=where):
        verify_file(filled)


@pytest.mark.parametrize("value", [1.5, True, b"x"])
def test_nothing_is_chained_that_the_file_would_spell_otherwise(value: object) -> None:
    with pytest.raises(TypeError):
        chained(bytes(32), (1, value))


def test_a_checkpoint_waits_for_no_reader(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [TOY])
    desk.done(Shelve(shelf="a", owner="x"))
    reader = connect(tmp_path / "log.db")
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM event").fetchone()
    desk.done(Shelve(shelf="b", owner="x"))
    assert desk.deciding.log.checkpoint() is False
    reader.execute("COMMIT")
    assert desk.deciding.log.checkpoint() is True
    reader.close()
    desk.close()
