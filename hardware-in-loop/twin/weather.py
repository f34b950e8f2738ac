"""How cold it is outside: a curve for any day of any year, or a real winter played again."""

from __future__ import annotations

import csv
import gzip
import math
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from pathlib import Path

DAY_MS: Final = 86_400_000
YEAR_MS: Final = 31_556_952_000


class Weather(Protocol):
    """Anything that knows the temperature outside."""

    def outside_c(self, wall_ms: int) -> float:
        """Degrees Celsius outside at this moment (ms since 1970, UTC)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A yearly and a daily sine: coldest in late January and at five in the morning."""

    mean_c: float = 10.5
    year_c: float = 8.5
    day_c: float = 3.5

    def outside_c(self, wall_ms: int) -> float:
        """Degrees Celsius outside."""
        year = (wall_ms - 24 * DAY_MS) / YEAR_MS
        day = wall_ms / DAY_MS - 5 / 24
        return (
            self.mean_c
            - self.year_c * math.cos(2 * math.pi * year)
            - self.day_c * math.cos(2 * math.pi * day)
        )


class Recorded:
    """The `T_out` column of a file shaped like `room-climate-uci.csv.gz`, repeated for ever."""

    def __init__(self, path: Path, column: str = "T_out") -> None:
        """Read the column; raises KeyError where the file has none of that name."""
        with gzip.open(path, "rt", newline="") as lines:
            rows = [(_ms(row["date"]), float(row[column])) for row in csv.DictReader(lines)]
        self._at_ms = [at for at, _ in rows]
        self._values_c = [value for _, value in rows]

    def outside_c(self, wall_ms: int) -> float:
        """The last value recorded before this moment of the repeated record."""
        first, last = self._at_ms[0], self._at_ms[-1]
        at = first + (wall_ms - first) % (last - first)
        return self._values_c[bisect_right(self._at_ms, at) - 1]


def _ms(date: str) -> int:
    return int(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp() * 1000)
