"""No part of the box says that it is well without saying how old, how deep, how long."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from appliance.bus.port import Standing as BusStanding
from appliance.kernel.deciding import Fault
from appliance.kernel.followers import Standing
from appliance.kernel.health import Health, VitalState
from appliance.kernel.messages import Admission
from appliance.kernel.virtual_clock import VirtualClock
from appliance.vitals import Vitals
from support.desk import FRIDAY_18_MS


@dataclass
class Parts:
    """Fakes of every port that vitals ask."""

    faults: dict[str, Fault] = field(default_factory=dict)
    unstored: Fault | None = None
    deaf: dict[str, int] = field(default_factory=dict)
    queues: dict[Admission, int] = field(default_factory=dict)
    bus: BusStanding = field(
        default_factory=lambda: BusStanding(
            connected=True,
            confirmed_age_s=2.0,
            outgoing=0,
            waiting=0,
            oldest_wait_s=0.0,
            parked=0,
        )
    )
    follower: Standing = field(default_factory=lambda: Standing("forget", 64, 64, None, None))

    def head(self) -> int:
        return 64

    def waiting(self) -> Mapping[Any, int]:
        return self.queues

    def standing(self) -> BusStanding:
        return self.bus

    def standings(self) -> list[Standing]:
        return [self.follower]


class House:
    def __init__(self, folder: Path) -> None:
        self.parts = Parts()
        self.clock = VirtualClock(FRIDAY_18_MS)
        self.health = Health()
        self.vitals = Vitals(
            log=self.parts,
            faults=self.parts.faults,
            unstored=lambda: self.parts.unstored,
            deaf=self.parts.deaf,
            bus=self.parts,
            followers=self.parts,
            data_dir=folder,
            since_ms=FRIDAY_18_MS,
        )
        self.vitals.register(self.health, ["stays", "doors"])

    def said(self, name: str) -> tuple[VitalState, str]:
        [vital] = [one for one in self.health.snapshot(self.clock) if one.name == name]
        return vital.state, vital.sentence


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


async def test_every_sentence_holds_a_number_and_none_is_a_bare_ok(house: House) -> None:
    await house.clock.advance(90)
    vitals = house.health.snapshot(house.clock)
    assert len(vitals) == 6
    for vital in vitals:
        assert re.search(r"\d", vital.sentence), vital.sentence
        assert not re.fullmatch(r".*:? ?(ok|fine|healthy)\.?", vital.sentence)


async def test_the_log_says_how_old_its_last_fact_is_and_who_waits(house: House) -> None:
    assert house.said("log")[1] == "log: 64 facts on disk, none yet; 0 commands waiting"
    house.vitals.last_fact_ms = FRIDAY_18_MS
    house.parts.queues = {Admission.DESK: 2, Admission.GUEST: 1}
    await house.clock.advance(180)
    state, sentence = house.said("log")
    assert state is VitalState.OK
    assert sentence == "log: 64 facts on disk, the last 3 min ago; 3 commands waiting"


async def test_a_disk_that_refuses_is_said_with_its_age_until_it_takes_facts_again(
    house: House,
) -> None:
    house.parts.unstored = Fault("kernel", "FullError", FRIDAY_18_MS, count=3)
    await house.clock.advance(180)
    state, sentence = house.said("log")
    assert state is VitalState.DOWN
    assert "NOTHING IS STORED for 3 min (FullError, 3 times)" in sentence
    house.parts.unstored = None
    assert house.said("log")[0] is VitalState.OK


def test_who_could_not_bear_to_hear_of_new_facts_is_named(house: House) -> None:
    house.parts.deaf["Directory.notice"] = 2
    state, sentence = house.said("log")
    assert state is VitalState.LATE
    assert "raised when told of it: Directory.notice 2 times" in sentence


def test_the_bus_is_late_after_three_missed_keepalives_and_down_after_a_minute(
    house: House,
) -> None:
    assert house.said("bus")[0] is VitalState.OK
    for age_s, state in ((46.0, VitalState.LATE), (61.0, VitalState.DOWN), (None, VitalState.DOWN)):
        house.parts.bus = BusStanding(
            connected=age_s is not None,
            confirmed_age_s=age_s,
            outgoing=1,
            waiting=2,
            oldest_wait_s=4.0,
            parked=0,
        )
        assert house.said("bus")[0] is state
        assert "3 waiting, the oldest for 4 s" in house.said("bus")[1]


def test_a_follower_that_lags_more_than_two_seconds_is_shown_as_late(house: House) -> None:
    house.parts.follower = Standing("forget", 60, 64, FRIDAY_18_MS - 1_900, None)
    assert house.said("forget")[0] is VitalState.OK
    house.parts.follower = Standing("forget", 60, 64, FRIDAY_18_MS - 2_100, None)
    state, sentence = house.said("forget")
    assert state is VitalState.LATE
    assert sentence == "forget: at fact 60 of 64, 4 facts waiting, the oldest for 2 s"


def test_a_follower_that_tripped_says_where_it_stands_and_that_others_go_on(house: House) -> None:
    house.parts.follower = Standing("forget", 60, 64, FRIDAY_18_MS - 9_000, "ValueError")
    state, sentence = house.said("forget")
    assert state is VitalState.QUARANTINED
    assert "stands still at fact 61 (ValueError)" in sentence
    assert "everything else goes on" in sentence


async def test_an_engine_whose_rule_raised_is_shown_and_the_others_are_not(house: House) -> None:
    fault = Fault("stays", "the rule of stays raised: KeyError", FRIDAY_18_MS, 3)
    house.parts.faults["stays"] = fault
    await house.clock.advance(30)
    state, sentence = house.said("engine stays")
    assert state is VitalState.QUARANTINED
    assert "3 times, last 30 s ago" in sentence
    assert house.said("engine doors") == (
        VitalState.OK,
        "engine doors: no rule has failed in the 30 s since the start",
    )


def test_the_worst_comes_first(house: House) -> None:
    house.parts.faults["stays"] = Fault("stays", "the fold of stays raised", FRIDAY_18_MS)
    assert house.health.snapshot(house.clock)[0].name == "engine stays"


def test_the_disk_says_how_much_room_is_left(house: House) -> None:
    assert re.fullmatch(r"disk: \d+ MB free, looked at 0 ms ago.*", house.said("disk")[1])
