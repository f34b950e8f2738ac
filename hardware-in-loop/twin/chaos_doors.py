"""`make chaos-doors`: so many faulted door commands, split over fields, and what came of each.

A field is a way in which commands reach a bolt: a driver's own desk on virtual time, real zigpy
over the simulated stick, BLE over the virtual radio, Zigbee2MQTT. Each counts at the bolt.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from appliance.kernel.clock import Clock, SystemClock
from twin.door_chaos import HOUSE_MAX, Campaign, Tally, Trial

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS: Final = 100_000

# Tries so many commands with that seed.
Try = Callable[[int, int], Awaitable[Tally]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One way to a bolt. `where` is "module:function" of a `Try`, imported when its turn comes.

    `commands`: how many of 100,000 it takes; a smaller run takes its share, and at least one.
    """

    name: str
    where: str
    commands: int


# Each field brings its own line here; the first takes what the others leave.
FIELDS: Final[tuple[Field, ...]] = (
    Field(name="desk and file, virtual time", where="twin.chaos_doors:try_desk", commands=COMMANDS),
    Field(name="Nuki bridge, virtual time", where="twin.http.chaos:try_nuki", commands=5_000),
    Field(name="MQTT gateway, virtual time", where="twin.mqtt.chaos:try_gateway", commands=5_000),
    Field(name="Bluetooth, virtual air", where="twin.ble.chaos:try_air", commands=1_000),
    Field(name="real zigpy on a serial line", where="twin.zigbee_chaos:try_zigbee", commands=1_000),
    # Needs npm and the tests' own support on the path: `make chaos-doors` puts it there.
    Field(name="real Zigbee2MQTT", where="support.z2m_chaos:try_z2m", commands=100),
)


async def try_desk(commands: int, seed: int) -> Tally:
    """Houses of twenty locks, one after another, each with its own seed."""
    total = Tally()
    for number in range(0, commands, HOUSE_MAX):
        count = min(HOUSE_MAX, commands - number)
        total.add(await Trial(Campaign(commands=count, seed=seed + number)).run())
    return total


def shares(commands: int, fields: Sequence[Field] = FIELDS) -> list[tuple[Field, int]]:
    """How many commands each field gets."""
    others = [(one, max(1, one.commands * commands // COMMANDS)) for one in fields[1:]]
    left = max(0, commands - sum(count for _, count in others))
    return [(fields[0], left), *others]


async def run(commands: int, seed: int, clock: Clock) -> Tally:
    """Every field in turn; prints as it goes."""
    total = Tally()
    for one, count in shares(commands):
        module, _, name = one.where.partition(":")
        try:
            attempt: Try = getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as error:
            click.echo(f"{one.name}: NOT TRIED, {error.name} is not there")
            continue
        began_s = clock.monotonic()
        tally = await attempt(count, seed)
        _say(one.name, tally, clock.monotonic() - began_s)
        total.add(tally)
    return total


def _say(name: str, tally: Tally, seconds: float | None = None) -> None:
    took = "" if seconds is None else f" in {seconds:.0f} s"
    click.echo(f"{name}: {tally.commands} commands, {tally.kills} kills{took}")
    outcomes = ", ".join(f"{count} {word}" for word, count in sorted(tally.outcomes.items()))
    click.echo(f"  outcomes: {outcomes}")
    weather = ", ".join(f"{count} {word}" for word, count in tally.weather.most_common())
    if weather:
        click.echo(f"  on the way: {weather}")
    click.echo(
        f"  double moves {tally.double_moves}, false DONE {tally.false_done},"
        f" false NOT_SENT {tally.false_not_sent}, false REFUSED {tally.false_refused},"
        f" UNKNOWN not shown {tally.hidden_unknown}, contradicted {tally.contradicted}"
    )


@click.command(epilog="Example: python -m twin.chaos_doors --count 5000 --seed 7")
@click.option("--count", default=COMMANDS, show_default=True, help="Door commands in all.")
@click.option("--seed", default=1, show_default=True, help="Of everything left to chance.")
def chaos_doors(count: int, seed: int) -> None:
    """Press doors under random faults; fails where one bolt contradicts what was said of it."""
    # Tasks of killed drivers complain by the thousand; the bolts are what is asked.
    logging.disable(logging.CRITICAL)
    total = asyncio.run(run(count, seed, SystemClock(floor_path=None)))
    _say("all", total)
    if total.wrong:
        click.echo(f"{total.wrong} promises were broken", err=True)
        raise SystemExit(1)


if __name__ == "__main__":
    chaos_doors()
