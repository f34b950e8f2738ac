"""The file of acts without an answer."""

from __future__ import annotations

from pathlib import Path

from kiosk.journal import ENTRIES_MAX, Entry, Journal


def entry(number: int) -> Entry:
    return Entry(
        act="checkOut", command_id=f"id{number}", person="ida", at_ms=number, given={}, whole=True
    )


def test_a_torn_file_is_set_aside_and_work_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "kiosk.json"
    path.write_text('[{"act": "chec')
    journal = Journal(path)
    assert journal.entries == []
    assert path.with_suffix(".unreadable").exists()
    journal.begin(entry(1))
    assert [each.command_id for each in Journal(path).entries] == ["id1"]


def test_the_file_never_grows_past_its_limit() -> None:
    journal = Journal(None)
    for number in range(ENTRIES_MAX + 5):
        journal.begin(entry(number))
    assert len(journal.entries) == ENTRIES_MAX
    assert journal.entries[0].command_id == "id5"
