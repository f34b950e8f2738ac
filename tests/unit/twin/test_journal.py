"""The twin's record can be trusted as an oracle."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from twin.journal import Journal

ROOT = Path(__file__).resolve().parents[4]


def test_entries_come_back_in_the_order_written() -> None:
    journal = Journal()
    journal.note("bolt", device="lock-1", to="unlocked")
    journal.note("refusal", device="lock-1")
    journal.note("bolt", device="lock-1", to="locked")
    assert [e["kind"] for e in journal.read()] == ["bolt", "refusal", "bolt"]
    assert [e["to"] for e in journal.read("bolt")] == ["unlocked", "locked"]
    assert journal.count("bolt", to="locked") == 1


def test_a_secret_is_not_taken() -> None:
    with pytest.raises(ValueError, match="no secrets"):
        Journal().note("refusal", pin="1234")


def test_several_processes_and_threads_share_one_file_without_tearing(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    code = (
        "import sys; from pathlib import Path; from twin.journal import Journal\n"
        "j = Journal(Path(sys.argv[1]))\n"
        "for n in range(200): j.note('other', n=n, filler='x' * 500)\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'hardware-in-loop'}"},
    )
    journal = Journal(path)

    def write() -> None:
        for _ in range(200):
            journal.note("mine", filler="y" * 500)

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert other.wait() == 0
    assert len(journal.read("mine")) == 400
    assert [e["n"] for e in journal.read("other")] == list(range(200))
    assert journal.read("torn") == []
    journal.close()


def test_a_half_written_last_line_spoils_nothing_after_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"kind":"bolt"}\n{"kind":"bo')
    journal = Journal(path)
    journal.note("bolt")
    assert [e["kind"] for e in journal.read()] == ["bolt", "torn", "bolt"]
    journal.close()
