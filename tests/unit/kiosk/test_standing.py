"""The status line: what has stopped and who outside was last heard, not a roll-call of the well."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any

from kiosk import standing
from kiosk.words import Health, House, Standing, Vital

NOW_MS = 1_793_383_200_000
HOUSE = House(
    title="Marina",
    time_zone="Europe/Lisbon",
    currency="EUR",
    business_date=dt.date(2026, 10, 30),
    now_ms=NOW_MS,
    clock_sure=True,
)
INNER = ("engine stays", "engine doors", "reaction:climate.eco", "view:insight", "log", "disk")


def line(*vitals: Vital) -> str:
    """The status line of a desk that heard this a moment ago."""
    desk: Any = SimpleNamespace(
        standing=Standing(house=HOUSE, health=Health(vitals=list(vitals))), now_ms=lambda: NOW_MS
    )
    return standing.status(desk)


def vital(name: str, state: str = "ok", age_s: int | None = 3) -> Vital:
    confirmed = None if age_s is None else NOW_MS - age_s * 1000
    return Vital(name=name, state=state, last_confirmed_ms=confirmed)


def test_counterparties_are_named_with_their_age_and_inner_parts_that_are_well_are_not() -> None:
    said = line(*[vital(name) for name in INNER], vital("bus"), vital("mews"), vital("sync"))
    assert said == "queue 0 · bus 3 s ago · mews 3 s ago · sync 3 s ago"


def test_an_engine_that_stopped_is_the_first_thing_said() -> None:
    said = line(vital("mews"), vital("engine housekeeping", "quarantined"))
    assert said.startswith("STOPPED: engine housekeeping")


def test_an_inner_part_in_trouble_is_said() -> None:
    assert "disk LATE 3 s ago" in line(vital("disk", "late"), vital("mews"))


def test_a_service_that_was_never_asked_is_said_so_and_not_called_down() -> None:
    assert "stripe not asked yet" in line(vital("stripe", "unknown", None))
    assert "stripe UNKNOWN 1 h 30 m ago" in line(vital("stripe", "unknown", 5_400))
