"""Promises at the bolt, under any weather: killed, cut off, lied to, delivered twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from twin.chaos_doors import FIELDS, Field, shares
from twin.door_chaos import Campaign, Tally, Trial
from twin.spoilt_radio import USUAL, Weather

QUICK = Campaign(commands=150)


async def _try(campaign: Campaign) -> Tally:
    return await Trial(campaign).run()


@pytest.mark.parametrize("seed", range(12))
async def test_one_press_moves_one_bolt_once_and_what_is_said_of_it_is_so(seed: int) -> None:
    tally = await _try(replace(QUICK, seed=seed))
    assert tally.commands == QUICK.commands
    assert sum(tally.outcomes.values()) == QUICK.commands
    assert tally.wrong == 0, tally


@pytest.mark.parametrize("weather", list(Weather))
async def test_nothing_else_but_this_trouble_breaks_no_promise(weather: Weather) -> None:
    tally = await _try(replace(QUICK, commands=60, weathers=(weather,), seed=3))
    assert tally.wrong == 0, tally


async def test_a_driver_killed_after_every_other_press_moves_nothing_twice() -> None:
    tally = await _try(replace(QUICK, kills=0.5, repeats=1.0, seed=5))
    assert tally.kills > QUICK.commands // 3
    assert tally.wrong == 0, tally


async def test_without_trouble_every_press_is_done() -> None:
    quiet = replace(QUICK, kills=0.0, cuts=0.0, repeats=0.0, weathers=(Weather.FINE,))
    tally = await _try(quiet)
    assert tally.outcomes == {"done": QUICK.commands}


async def test_the_same_harness_sees_double_moves_of_a_driver_without_a_memory() -> None:
    tallies = [
        await _try(replace(QUICK, kills=0.5, repeats=1.0, seed=seed, remembers=False))
        for seed in range(4)
    ]
    assert sum(tally.double_moves for tally in tallies) > 0


async def test_the_same_seed_tells_the_same_story() -> None:
    first, second = [await _try(replace(QUICK, seed=9)) for _ in range(2)]
    assert first == second


def test_every_weather_is_usual() -> None:
    assert set(USUAL) == set(Weather)


def test_each_field_gets_its_share_and_the_first_the_rest() -> None:
    radio = Field(name="radio", where="nowhere:at_all", commands=1_000)
    bridge = Field(name="bridge", where="nowhere:at_all", commands=100)
    given = [count for _, count in shares(100_000, (*FIELDS[:1], radio, bridge))]
    assert given == [98_900, 1_000, 100]
    assert sum(count for _, count in shares(500, (*FIELDS[:1], radio, bridge))) == 500
