"""Two looks at a box: what it says of itself, and what a look from outside finds wrong."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import click

from appliance.bus.credentials import CredentialsError
from appliance.bus.credentials import load as load_credentials
from appliance.kernel import log as kernel_log
from appliance.kernel.secrets import load_masters
from appliance.kernel.settings import Settings
from appliance.kernel.socket import LINE_BYTES_MAX
from appliance.kernel.vault import VaultError
from appliance.where import data_option, say_and_stop, settings_of

# 200 MB: below this the log may not be able to write through a night (anchors R9).
FREE_BYTES_MIN = 200_000_000
ANSWER_S_MAX = 5.0


class Verdict(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    WARN = "warn"
    BAD = "BAD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at, and what to do where it is not right."""

    verdict: Verdict
    what: str
    sentence: str


async def ask_box(socket: Path, request: dict[str, Any]) -> dict[str, Any]:
    """One request over the command socket; raises OSError where nobody answers."""
    reader, writer = await asyncio.open_unix_connection(socket, limit=LINE_BYTES_MAX)
    try:
        writer.write(json.dumps({"n": 1, **request}).encode() + b"\n")
        async with asyncio.timeout(ANSWER_S_MAX):
            line = await reader.readline()
    finally:
        writer.close()
    answer: dict[str, Any] = json.loads(line)
    return answer


def findings(settings: Settings) -> Iterator[Finding]:
    """Every check that needs no running box, one after another."""
    for look in _LOOKS:
        try:
            yield look(settings)
        except (OSError, sqlite3.DatabaseError) as error:
            name = look.__name__.removeprefix("_").replace("_", " ")
            yield Finding(verdict=Verdict.BAD, what=name, sentence=str(error))


def _log(settings: Settings) -> Finding:
    if not settings.log_file.exists():
        sentence = f"there is none in {settings.data_dir}: run `nightporter init FILE`"
        return Finding(verdict=Verdict.BAD, what="log", sentence=sentence)
    try:
        head = kernel_log.verify_file(settings.log_file)
    except kernel_log.ChainBrokenError as error:
        sentence = f"{error}; restore the last backup that verifies"
        return Finding(verdict=Verdict.BAD, what="log", sentence=sentence)
    return Finding(
        verdict=Verdict.OK, what="log", sentence=f"{head.position} facts, the chain is whole"
    )


def _databases(settings: Settings) -> Finding:
    bad = []
    for path in (settings.log_file, settings.keys_file, settings.sync_file):
        if path.exists():
            db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            found = db.execute("PRAGMA quick_check").fetchone()[0]
            db.close()
            if found != "ok":
                bad.append(f"{path.name}: {found}")
    if bad:
        sentence = "; ".join(bad) + ". Restore the last backup; qualify the storage medium"
        return Finding(verdict=Verdict.BAD, what="databases", sentence=sentence)
    return Finding(verdict=Verdict.OK, what="databases", sentence="all pass SQLite's own check")


def _keys(settings: Settings) -> Finding:
    try:
        load_masters(settings.master_file, os.environ)
    except VaultError as error:
        return Finding(verdict=Verdict.BAD, what="keys", sentence=str(error))
    return Finding(verdict=Verdict.OK, what="keys", sentence="the master key is there, private")


def _bus(settings: Settings) -> Finding:
    try:
        known = load_credentials(settings.bus_credentials_file)
    except CredentialsError as error:
        return Finding(verdict=Verdict.BAD, what="bus", sentence=str(error))
    sentence = f"{settings.bus.kind.value} broker, {len(known.identities)} identities"
    return Finding(verdict=Verdict.OK, what="bus", sentence=sentence)


def _disk(settings: Settings) -> Finding:
    free = shutil.disk_usage(settings.data_dir).free
    sentence = f"{free // 1_000_000} MB free in {settings.data_dir}"
    if free < FREE_BYTES_MIN:
        return Finding(
            verdict=Verdict.BAD, what="disk", sentence=f"{sentence}: make room before the night"
        )
    return Finding(verdict=Verdict.OK, what="disk", sentence=sentence)


def _privacy(settings: Settings) -> Finding:
    for name in ("master.key", "keys.db", "bus-credentials.json", "device-sheet.json"):
        path = settings.data_dir / name
        if path.exists() and path.stat().st_mode & 0o077:
            sentence = f"others can read {path}: run `chmod 600 {path}`"
            return Finding(verdict=Verdict.BAD, what="privacy", sentence=sentence)
    return Finding(verdict=Verdict.OK, what="privacy", sentence="secrets are readable by us alone")


_LOOKS: tuple[Callable[[Settings], Finding], ...] = (_log, _databases, _keys, _bus, _disk, _privacy)


@click.command(epilog="Example: nightporter doctor --data ~/riverside")
@data_option
def doctor(data: Path | None) -> None:
    """Look at this property's files and say what is wrong and what cures it."""
    settings = settings_of(data)
    worst = False
    for finding in findings(settings):
        worst = worst or finding.verdict is Verdict.BAD
        click.echo(f"{finding.verdict.value:>4}  {finding.what:<10} {finding.sentence}")
    running = "answers" if settings.command_socket.exists() else "is not running"
    click.echo(f"      box        {running}; `nightporter status` asks it")
    if worst:
        raise SystemExit(1)


@click.command(epilog="Example: nightporter status --json")
@data_option
@click.option("--json", "as_json", is_flag=True, help="The same for a program.")
def status(data: Path | None, *, as_json: bool) -> None:
    """Ask the running box how it is: ages, queues, and who stands still. Never a green dot."""
    settings = settings_of(data)
    try:
        answer = asyncio.run(ask_box(settings.command_socket, {"status": {}}))
    except (OSError, TimeoutError):
        say_and_stop(
            f"nobody answers at {settings.command_socket}: is the box running? (`nightporter up`)"
        )
    if as_json:
        click.echo(json.dumps(answer["status"], indent=1))
        return
    for line in answer["status"]["lines"]:
        click.echo(line)
