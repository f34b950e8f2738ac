"""`nightporter tour`: the Friday-18:00 story, told online and dark, compared screen by screen."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import tempfile
from itertools import zip_longest
from pathlib import Path
from typing import Final

import click

from appliance.kernel.clock import ClockTrust, SystemClock
from twin.touring.clerk import Step
from twin.touring.story import Run, tell

# DESIGN: "the same check-in, the same seconds".
SLOWER_MAX: Final = 1.2


def differences(online: Run, dark: Run) -> list[str]:
    """Screens that are not the same in both tellings, masked as the transcript masks."""
    found = []
    for one, other in zip_longest(online.steps, dark.steps):
        if one is None or other is None:
            found.append("the two tellings do not have the same steps")
            break
        if one.at_desk and one.screen != other.screen:
            lines = difflib.unified_diff(
                one.screen.splitlines(),
                other.screen.splitlines(),
                "online",
                "dark",
                lineterm="",
                n=0,
            )
            found.append(f"the screen of '{one.name}' differs:\n    " + "\n    ".join(lines))
    return found


def desk_seconds(run: Run) -> float:
    """What the clerk waited, all steps of the desk together."""
    return sum(step.seconds for step in run.steps if step.at_desk)


def table(online: Run, dark: Run) -> str:
    """Steps and seconds, side by side."""
    lines = [f"{'step':<52} {'online':>8} {'dark':>8}"]
    for one, other in zip_longest(online.steps, dark.steps):
        name = (other or one).name
        # What only one telling has is not timed in the other's column.
        alike = one is None or one.name == name
        lines.append(f"{name:<52} {_seconds(one if alike else None):>8} {_seconds(other):>8}")
    lines.append(
        f"{'the desk alone':<52} {desk_seconds(online):>7.2f}s {desk_seconds(dark):>7.2f}s"
    )
    return "\n".join(lines)


def _seconds(step: Step | None) -> str:
    if step is None:
        return "-"
    return f"{step.seconds:.2f}s" if step.at_desk else f"({step.seconds:.1f}s)"


def verdicts(online: Run, dark: Run) -> list[str]:
    """Everything that is broken, in sentences."""
    broken = [f"online: {sentence}" for sentence in online.broken]
    broken += [f"dark: {sentence}" for sentence in dark.broken]
    broken += differences(online, dark)
    times = slower(online, dark)
    if times > SLOWER_MAX:
        broken.append(f"the dark run took {times:.2f} times the online one (at most {SLOWER_MAX})")
    return broken


async def both(folder: Path, clock: SystemClock) -> tuple[Run, Run]:
    """The story twice, each on a property of its own; both again if only the seconds differ.

    A machine that is busy with something else during one telling is not the line's fault: each
    step's shorter time of the two rounds counts, for both alike.
    """
    online, dark = await _round(folder, clock, 1)
    broken = verdicts(online, dark)
    if len(broken) == 1 and slower(online, dark) > SLOWER_MAX:
        again, dark_again = await _round(folder, clock, 2)
        _keep_shorter(online, again)
        _keep_shorter(dark, dark_again)
    return online, dark


async def _round(folder: Path, clock: SystemClock, number: int) -> tuple[Run, Run]:
    runs = []
    for dark in (False, True):
        name = "dark" if dark else "online"
        click.echo(f"Telling it {name} ...", err=True)
        place = folder / f"{name}-{number}"
        place.mkdir(parents=True)
        runs.append(await tell(place, clock, dark=dark))
    return runs[0], runs[1]


def _keep_shorter(run: Run, again: Run) -> None:
    run.broken += again.broken
    for step, other in zip(run.steps, again.steps, strict=False):
        step.seconds = min(step.seconds, other.seconds)


def slower(online: Run, dark: Run) -> float:
    """How many times the desk's seconds the dark telling took."""
    return desk_seconds(dark) / max(desk_seconds(online), 0.001)


@click.command(epilog="Example: nightporter tour --screens")
@click.option("--screens", is_flag=True, help="Print every screen of the dark telling, masked.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="Keep the two properties and their journals here.",
)
def tour(folder: Path | None, *, screens: bool) -> None:
    """Tell the Friday-18:00 story twice, online and with the line cut, and compare everything."""
    clock = SystemClock(floor_path=None, trust=ClockTrust.SYSTEM)
    with contextlib.ExitStack() as stack:
        if folder is None:
            scratch = tempfile.TemporaryDirectory(prefix="nightporter-tour-")
            folder = Path(stack.enter_context(scratch))
        online, dark = asyncio.run(both(folder.resolve(), clock))
    if screens:
        for step in dark.steps:
            if step.at_desk:
                click.echo(f"--- {step.name}\n{step.screen}")
    click.echo(table(online, dark))
    click.echo(
        f"\nCounted by the twin: online {online.counted}\n                     dark   {dark.counted}"
    )
    broken = verdicts(online, dark)
    for sentence in broken:
        click.echo(f"BROKEN  {sentence}")
    if broken:
        raise SystemExit(1)
    click.echo(
        "\nThe same screens, the same seconds"
        f" ({slower(online, dark):.2f} times); the guest before was refused; charged once; nothing lost, nothing doubled."
    )
