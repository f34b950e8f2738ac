"""What a device wrote down is there after its process died, whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin import flash as flash_module
from twin.flash import Flash

if TYPE_CHECKING:
    from pathlib import Path


def test_committed_records_survive_and_uncommitted_ones_do_not(tmp_path: Path) -> None:
    flash = Flash(tmp_path / "f")
    flash.put("number", "seq", 1)
    flash.put("number", "gone", 1)
    flash.drop("number", "gone")
    flash.commit()
    flash.put("number", "seq", 2)
    assert Flash(tmp_path / "f").section("number") == {"seq": 1}


def test_a_half_written_line_counts_for_nothing(tmp_path: Path) -> None:
    flash = Flash(tmp_path / "f")
    for number in range(3):
        flash.put("number", "seq", number)
        flash.put("event", str(number), {"n": number})
        flash.commit()
    whole = (tmp_path / "f").read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for cut in range(last, len(whole)):
        (tmp_path / "f").write_bytes(whole[:cut])
        again = Flash(tmp_path / "f")
        assert again.get("number", "seq") == 1
        assert list(again.section("event")) == ["0", "1"]


def test_the_file_stays_small_however_often_it_is_written(tmp_path: Path) -> None:
    flash = Flash(tmp_path / "f")
    for number in range(3 * flash_module.LINES_MAX):
        flash.put("number", "seq", number)
        flash.commit()
    assert (tmp_path / "f").stat().st_size < flash_module.LINES_MAX * 40
    assert Flash(tmp_path / "f").get("number", "seq") == 3 * flash_module.LINES_MAX - 1


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    Flash(tmp_path / "f")
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o600
