"""Verbs over the log as a file: verify it, export it, look at one stream."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from appliance.kernel import log as kernel_log
from appliance.where import data_option, say_and_stop, settings_of

COLUMN_NAMES = (*(name.strip() for name in kernel_log.COLUMNS.split(",")), "chain")


def exported(path: Path) -> Iterator[str]:
    """Every fact as one JSON line with all its columns; `chain` in hex. Sealed stays sealed."""
    for row in rows_of(path):
        yield json.dumps(dict(zip(COLUMN_NAMES, (*row[:-1], row[-1].hex()), strict=True)))


def rows_of(path: Path) -> Iterator[tuple[Any, ...]]:
    """Rows of a log file, or of an export of one."""
    if path.suffix == ".jsonl":
        with path.open() as lines:
            for line in lines:
                fields = json.loads(line)
                if not isinstance(fields, dict):
                    raise ValueError("a line is not a fact")  # noqa: TRY004 - told as unreadable
                fields["chain"] = bytes.fromhex(fields["chain"])
                yield tuple(fields[name] for name in COLUMN_NAMES)
        return
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        yield from db.execute(f"SELECT {', '.join(COLUMN_NAMES)} FROM event ORDER BY position")  # noqa: S608
    finally:
        db.close()


@click.group(epilog="Example: nightporter log verify")
def log() -> None:
    """Verify, export and read the log."""


@log.command(epilog="Example: nightporter log verify export.jsonl")
@click.argument("file", type=click.Path(path_type=Path, exists=True), required=False)
@data_option
def verify(file: Path | None, data: Path | None) -> None:
    """Follow the chain from the first fact to the last, in FILE or in this property's log."""
    path = file or settings_of(data).log_file
    if not path.exists():
        say_and_stop(f"there is no log at {path}.")
    try:
        head = kernel_log.verify(rows_of(path))
    except kernel_log.ChainBrokenError as error:
        click.echo(f"NOT WHOLE: {error}", err=True)
        raise SystemExit(1) from error
    except (sqlite3.DatabaseError, ValueError, KeyError, TypeError) as error:
        click.echo(f"NOT READABLE: {path}: {error}", err=True)
        raise SystemExit(1) from error
    click.echo(f"{head.position} facts, whole. The last chain is {head.chain.hex()}")


@log.command(epilog="Example: nightporter log export > riverside.jsonl")
@data_option
def export(data: Path | None) -> None:
    """Print every fact as a JSON line; personal texts stay sealed."""
    path = settings_of(data).log_file
    if not path.exists():
        say_and_stop(f"there is no log at {path}.")
    for line in exported(path):
        click.echo(line)


@log.command(epilog="Example: nightporter log show stay/stay_4k2 --data ~/riverside")
@click.argument("stream")
@data_option
def show(stream: str, data: Path | None) -> None:
    """Print the facts of one STREAM, oldest first."""
    path = settings_of(data).log_file
    if not path.exists():
        say_and_stop(f"there is no log at {path}.")
    found = 0
    for row in rows_of(path):
        if row[1] == stream:
            found += 1
            click.echo(f"{row[0]:>8} {row[3]:<36} {row[4]}")
    if not found:
        raise SystemExit(f"there is no stream {stream!r} in {path}")
