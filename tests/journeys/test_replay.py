"""Real bookings: three days of a real hotel's file, through every role of the house."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from support.shared_data import shared_data
from twin.replay import replay

# Rows of the file that arrive in these three days, counted with awk: a file that changed is noticed.
ROWS = 197


def test_three_days_of_a_real_hotel_add_up_in_log_file_and_journal(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    window = ["--from", "2017-01-10", "--to", "2017-01-12", "--report", str(report)]
    done = CliRunner().invoke(
        replay, [str(shared_data("hotel-bookings-city.csv.gz")), *window], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    said = json.loads(report.read_text(encoding="utf-8"))
    lines = {line["name"]: line for line in said["lines"]}
    assert all(line["equal"] for line in said["lines"])
    assert said["rows"]["all"] == lines["rows"]["log"] == ROWS
    assert lines["bookings"]["journal"] == ROWS - sum(said["rows"]["impossible"].values())
    assert set(said["doors"]["rightful_at_lock"]) == {"done"}
    assert "done" not in said["doors"]["departed_later"]
    assert said["conflicts"]["by_kind"].keys() <= {"overbooked"}
