"""The weather outside the simulated rooms."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from support.shared_data import shared_data
from twin.weather import Curve, Recorded

if TYPE_CHECKING:
    from pathlib import Path


def ms(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc, arg-type]


def test_winter_is_colder_than_summer_and_night_than_day() -> None:
    curve = Curve()
    assert curve.outside_c(ms(2026, 1, 25, 14)) < 8
    assert curve.outside_c(ms(2026, 7, 25, 14)) > 20
    assert curve.outside_c(ms(2026, 4, 10, 5)) < curve.outside_c(ms(2026, 4, 10, 17))


def test_a_record_is_played_again_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "r.csv.gz"
    rows = '"date","T_out"\n' + "".join(
        f'"2016-01-11 17:{m:02}:00"," {c}"\n' for m, c in [(0, 6.6), (10, 6.5), (20, 6.4)]
    )
    path.write_bytes(gzip.compress(rows.encode()))
    weather = Recorded(path)
    assert weather.outside_c(ms(2016, 1, 11, 17, 0)) == 6.6
    assert weather.outside_c(ms(2016, 1, 11, 17, 15)) == 6.5
    assert weather.outside_c(ms(2026, 7, 1, 12, 0)) in {6.6, 6.5, 6.4}


def test_the_real_record_has_a_winter_in_it() -> None:
    weather = Recorded(shared_data("room-climate-uci.csv.gz"))
    values = [weather.outside_c(ms(2016, 1, 12) + hour * 3_600_000) for hour in range(24 * 120)]
    assert -10 < min(values) < 0
    assert 15 < max(values) < 30
