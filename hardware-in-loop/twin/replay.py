"""The verb `nightporter replay`: a hotel's real bookings lived through, and accounted for."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import sys
import tempfile
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twin.replaying.days import Lived
    from twin.replaying.plan import Plan
    from twin.replaying.report import Report

# What a month of a large hotel leaves behind (log, journal, sync.db), three times over.
MEMORY_BYTES_MIN: Final = 512 * 1024 * 1024
MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a private folder is made in it
EXIT_DIFFERENT: Final = 1
EXIT_USAGE: Final = 2
EXIT_STOPPED: Final = 130
SAID_EVERY_DAYS: Final = 5


@click.command(
    epilog="Example: nightporter replay bookings.csv.gz --from 2016-08-01 --to 2016-08-31"
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--from", "first", metavar="DATE", help="First day of arrival, YYYY-MM-DD.")
@click.option("--to", "last", metavar="DATE", help="Last day of arrival, included.")
@click.option("--seed", default=1, show_default=True, help="What the file does not say follows it.")
@click.option(
    "--report",
    "report_file",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    default=None,
    help="Write the report as JSON too.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="Keep log, journal and sync.db in this new folder (default: in memory, then gone).",
)
def replay(
    file: Path,
    first: str | None,
    last: str | None,
    seed: int,
    report_file: Path | None,
    data: Path | None,
) -> None:
    """Live through the bookings of FILE that arrive in a window, on virtual time.

    They go through the PMS, sync, the box, the bus and the locks of a simulated house of the size
    that the file shows. At the end every total is compared with the file and with what PMS and
    locks wrote down themselves. Exit code 1: a total differs or a promise was broken.
    """
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(name)s: %(message)s")
    if report_file is not None and not report_file.absolute().parent.is_dir():
        _stop(f"--report {report_file}: there is no folder {report_file.parent}.")
    plan = _plan(file, _day("--from", first), _day("--to", last), seed)
    with _folder(data) as folder:
        lived = _live(plan, folder)
        if lived.stopped_on is not None:
            click.echo(
                f"Stopped on {lived.stopped_on}, after {lived.days} of"
                f" {(plan.ends_on - plan.first).days + 1} days; nothing was compared.",
                err=True,
            )
            raise SystemExit(EXIT_STOPPED)
        report = _report(plan, lived, file, folder)
    _say(report, file, report_file)


def _day(option: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        _stop(f"{option} {text} is no day: write it as 2016-08-31.")


def _plan(file: Path, first: date | None, last: date | None, seed: int) -> Plan:
    from twin.replaying.house import TooManyRoomsError, describe  # noqa: PLC0415 - verbs load late
    from twin.replaying.plan import make_plan  # noqa: PLC0415
    from twin.replaying.rows import NotBookingsError, Row, read_rows  # noqa: PLC0415

    try:
        rows = list(read_rows(file))
    except NotBookingsError as error:
        _stop(f"{error}.")
    days = [row.arrival for row in rows if isinstance(row, Row)]
    if not days:
        _stop(f"{file} holds no row that can be a booking.")
    held = f"{file.name} holds arrivals from {min(days)} to {max(days)}"
    if first is None or last is None:
        _stop(f"say --from and --to: {held}.")
    if last < first:
        _stop(f"--to {last} lies before --from {first}.")
    plan = make_plan(rows, first, last, seed)
    if not plan.arriving:
        click.echo(f"Nobody arrives between {first} and {last}: {held}.", err=True)
        raise SystemExit(EXIT_DIFFERENT)
    try:
        describe(plan)
    except TooManyRoomsError as error:
        _stop(f"{error}.")
    return plan


@contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    """A new folder that is kept, or one in memory (else on disk) that is not."""
    if data is not None:
        if data.exists() and any(data.iterdir()):
            _stop(f"{data} is not empty: name a new folder.")
        try:
            data.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            _stop(f"{data} cannot be made: {error.strerror}.")
        yield data.resolve()
        return
    # Containers and changed roots have a folder of that name that is not always ours to write.
    ours = MEMORY.is_dir() and os.access(MEMORY, os.W_OK)
    in_memory = ours and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES_MIN
    with tempfile.TemporaryDirectory(
        prefix="nightporter-replay-", dir=MEMORY if in_memory else None
    ) as made:
        yield Path(made)


def _live(plan: Plan, folder: Path) -> Lived:
    from twin.replaying.days import HouseDiedError, live  # noqa: PLC0415 - verbs load late

    async def run() -> Lived:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
        return await live(plan, folder, _Progress(), stop)

    try:
        return asyncio.run(run())
    except HouseDiedError as error:
        click.echo(f"nightporter: the house died: {error}", err=True)
        raise SystemExit(EXIT_DIFFERENT) from error
    except TimeoutError as error:
        click.echo(f"nightporter: the house hung: {error}", err=True)
        raise SystemExit(EXIT_DIFFERENT) from error


class _Progress:
    """One line that changes on a terminal, a line every few days elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()

    def __call__(self, day: date, over: int, count: int) -> None:
        """A day is over."""
        text = f"{day}  day {over} of {count}"
        if self._terminal:
            end = "\n" if over == count else ""
            click.echo(f"\r{text}{end}", nl=False, err=True)
        elif over % SAID_EVERY_DAYS == 0 or over == count:
            click.echo(text, err=True)


def _report(plan: Plan, lived: Lived, file: Path, folder: Path) -> Report:
    from twin.bookings_file import BookingsFile  # noqa: PLC0415 - verbs load late
    from twin.replaying.report import make_report  # noqa: PLC0415

    return make_report(plan, lived, BookingsFile.read(file), folder)


def _say(report: Report, file: Path, report_file: Path | None) -> None:
    import msgspec  # noqa: PLC0415 - verbs load late

    from twin.replaying.report import as_json, told  # noqa: PLC0415

    for line in told(report, file.name):
        click.echo(line)
    if report_file is not None:
        packed = msgspec.json.format(msgspec.json.encode(as_json(report, file.name)), indent=2)
        report_file.write_bytes(packed + b"\n")
        click.echo(f"The same as JSON: {report_file}")
    if not report.holds:
        raise SystemExit(EXIT_DIFFERENT)


def _stop(sentence: str) -> NoReturn:
    click.echo(f"nightporter: {sentence}", err=True)
    raise SystemExit(EXIT_USAGE)
