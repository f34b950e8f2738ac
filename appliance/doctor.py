"""Two looks at a box: what it says of itself, and what a look at its files finds wrong."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import click

from appliance.box_socket import ask_or_stop
from appliance.bus.credentials import CredentialsError
from appliance.bus.credentials import load as load_credentials
from appliance.keep import LAST_BACKUP, named_files
from appliance.kernel import log as kernel_log
from appliance.kernel.clock import Clock, SystemClock
from appliance.kernel.health import span_words
from appliance.kernel.keysdb import master_id
from appliance.kernel.secrets import load_masters, read_private, read_secret
from appliance.kernel.settings import BusKind, Settings
from appliance.kernel.vault import VaultError
from appliance.plan import check, listens
from appliance.where import CORE, CORE_TOKEN, data_option, settings_of

# 200 MB: below this the log may not be able to write through a night (anchors R9).
FREE_BYTES_MIN = 200_000_000
# A backup a night, and one that failed: after two days somebody should know.
BACKUP_AGE_MS_MAX = 2 * 86_400_000
PKI = ("ca.crt", "ca.crl", "broker.crt", "broker.key")


class Verdict(StrEnum):
    """How serious a finding is."""

    FINE = "fine"
    WARN = "warn"
    BAD = "BAD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at, and what to do where it is not right."""

    verdict: Verdict
    what: str
    sentence: str


def findings(settings: Settings, clock: Clock) -> Iterator[Finding]:
    """Every check that needs no running box, one after another."""
    for look in _LOOKS:
        what = look.__name__.removeprefix("_look_at_")
        try:
            verdict, sentence = look(settings, clock)
        except OSError as error:
            # The cure of a file is its own: the sentence names it.
            verdict, sentence = Verdict.BAD, f"{error.filename}: {error.strerror}"
        except sqlite3.DatabaseError as error:
            verdict = Verdict.BAD
            sentence = f"a database cannot be read ({error}): restore the last backup"
        yield Finding(verdict=verdict, what=what, sentence=sentence)


Said = tuple[Verdict, str]


def _look_at_log(settings: Settings, _clock: Clock) -> Said:
    if not settings.log_file.exists():
        return Verdict.BAD, f"there is none in {settings.data_dir}: run `nightporter init FILE`"
    try:
        head = kernel_log.verify_file(settings.log_file)
    except kernel_log.ChainBrokenError as error:
        return Verdict.BAD, f"{error}: restore the last backup, `nightporter restore ARCHIVE`"
    return Verdict.FINE, f"{head.position} facts, the chain is whole"


def _look_at_databases(settings: Settings, _clock: Clock) -> Said:
    bad = []
    for path in sorted(settings.data_dir.glob("*.db")):
        try:
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
                found = db.execute("PRAGMA quick_check").fetchone()[0]
        except sqlite3.DatabaseError as error:
            found = str(error)
        if found != "ok":
            bad.append(f"{path.name}: {found}")
    if bad:
        return Verdict.BAD, "; ".join(bad) + ": restore the last backup, and try another disk"
    return Verdict.FINE, "all pass SQLite's own check"


def _look_at_keys(settings: Settings, _clock: Clock) -> Said:
    try:
        masters = load_masters(settings.master_file, os.environ)
    except VaultError as error:
        return Verdict.BAD, str(error)
    if not settings.keys_file.exists():
        return Verdict.BAD, f"there is no {settings.keys_file}: restore the last backup"
    with closing(sqlite3.connect(f"file:{settings.keys_file}?mode=ro", uri=True)) as db:
        [(wrapped_by,)] = db.execute("SELECT master_id FROM wrapped_by").fetchall()
    fitting = [masters.current] if masters.previous is None else [masters.current, masters.previous]
    if wrapped_by not in [master_id(one) for one in fitting]:
        return Verdict.BAD, (
            f"the master key does not fit {settings.keys_file.name}: put back the key that was"
            " kept with it"
        )
    return Verdict.FINE, "the master key fits"


def _look_at_bus(settings: Settings, _clock: Clock) -> Said:
    try:
        known = load_credentials(settings.bus_credentials_file)
        token = read_private(settings.data_dir / CORE_TOKEN).strip()
    except (CredentialsError, VaultError) as error:
        return Verdict.BAD, str(error)
    core = known.active(CORE)
    digest = hashlib.sha256(token).hexdigest()
    if core is None or not hmac.compare_digest(core.token_sha256 or "", digest):
        return Verdict.BAD, (
            f"{CORE_TOKEN} is not the token in {settings.bus_credentials_file.name}: delete"
            f" {CORE_TOKEN} and run `nightporter init FILE` again"
        )
    if settings.bus.kind is BusKind.EMBEDDED and settings.bus.tls_port:
        missing = [name for name in PKI if not (settings.data_dir / "pki" / name).exists()]
        if missing:
            return Verdict.BAD, (
                f"bus.tls_port is set, and {settings.data_dir / 'pki'} has no {missing[0]}:"
                " `nightporter init FILE` again makes what is missing"
            )
    return Verdict.FINE, f"{settings.bus.kind.value} broker, {len(known.identities)} identities"


def _look_at_secrets(settings: Settings, _clock: Clock) -> Said:
    count = 0
    for key, path in named_files(settings):
        if not key.startswith("sync."):
            continue
        count += 1
        try:
            read_secret(path, os.environ)
        except VaultError as error:
            return Verdict.BAD, f"{key}: {error}"
    return Verdict.FINE, f"{count} named in the settings, all readable by us alone"


def _look_at_privacy(settings: Settings, _clock: Clock) -> Said:
    private = ["master.key", "keys.db", "log.db", "sync.db", CORE_TOKEN, "device-sheet.json"]
    private += ["bus-credentials.json", "pki/broker.key", "pki/ca.key"]
    private += [path.name for path in settings.data_dir.glob("driver-*.*") if path.is_file()]
    for name in private:
        path = settings.data_dir / name
        if path.exists() and path.stat().st_mode & 0o077:
            closed = settings.data_dir.stat().st_mode & 0o077 == 0
            if name in {"log.db", "sync.db"} and closed:
                continue  # nobody else comes as far as this folder
            return Verdict.BAD, f"others can read {path}: run `chmod 600 {path}`"
    return Verdict.FINE, "what is secret is readable by us alone"


def _look_at_disk(settings: Settings, _clock: Clock) -> Said:
    free = shutil.disk_usage(settings.data_dir).free
    sentence = f"{free // 1_000_000} MB free in {settings.data_dir}"
    if free < FREE_BYTES_MIN:
        return Verdict.BAD, f"{sentence}: make room before the night"
    return Verdict.FINE, sentence


def _look_at_clock(_settings: Settings, clock: Clock) -> Said:
    reading = clock.read()
    doubt = span_words(reading.uncertainty_ms)
    if not reading.sure:
        return Verdict.WARN, (
            f"may be wrong by {doubt}: keys are signed for 4 h at most. Let a time service run"
            ' (systemd-timesyncd, chrony), or set clock.trust to "hardware"'
        )
    return Verdict.FINE, f"right to {doubt}"


def _look_at_backup(settings: Settings, clock: Clock) -> Said:
    cure = "run `nightporter backup FILE` and keep it elsewhere"
    path = settings.data_dir / LAST_BACKUP
    try:
        at_ms = int(json.loads(path.read_text())["at_wall_ms"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return Verdict.WARN, f"there was none yet: {cure}"
    age_ms = max(0, clock.read().wall_ms - at_ms)
    sentence = f"the last one was made {span_words(age_ms)} ago"
    if age_ms > BACKUP_AGE_MS_MAX:
        return Verdict.WARN, f"{sentence}: {cure}"
    return Verdict.FINE, sentence


def _look_at_start(settings: Settings, _clock: Clock) -> Said:
    if listens(settings.command_socket):
        return Verdict.FINE, "the box is running; `nightporter status` asks it"
    if reason := check(settings):
        return Verdict.BAD, reason
    return Verdict.FINE, "the box is not running; nothing is in the way of `nightporter up`"


def _look_at_leftovers(settings: Settings, _clock: Clock) -> Said:
    if listens(settings.command_socket):
        return Verdict.FINE, "not looked for while the box works"
    found = [
        path
        for pattern in ("rebuild-*.db", ".init-*", ".restore-*")
        for path in sorted(settings.data_dir.glob(pattern))
    ]
    if found:
        return Verdict.WARN, f"{found[0]} is of work that was cut short: run `rm -r {found[0]}`"
    return Verdict.FINE, "none"


_LOOKS: tuple[Callable[[Settings, Clock], Said], ...] = (
    _look_at_log,
    _look_at_databases,
    _look_at_keys,
    _look_at_bus,
    _look_at_secrets,
    _look_at_privacy,
    _look_at_disk,
    _look_at_clock,
    _look_at_backup,
    _look_at_start,
    _look_at_leftovers,
)


@click.command(epilog="Example: nightporter doctor --data ~/riverside")
@data_option
def doctor(data: Path | None) -> None:
    """Look at this property's files and say what is wrong and what cures it."""
    settings = settings_of(data)
    clock = SystemClock(floor_path=settings.floor_file, trust=settings.clock.trust)
    worst = Verdict.FINE
    for finding in findings(settings, clock):
        if finding.verdict is Verdict.BAD:
            worst = Verdict.BAD
        click.echo(f"{finding.verdict.value:>4}  {finding.what:<10} {finding.sentence}")
    if worst is Verdict.BAD:
        raise SystemExit(1)


@click.command(epilog="Example: nightporter status --json")
@data_option
@click.option("--json", "as_json", is_flag=True, help="The same for a program.")
def status(data: Path | None, *, as_json: bool) -> None:
    """Ask the running box how it is: ages, queues, and who stands still. Never a green dot."""
    told = ask_or_stop(settings_of(data).command_socket, "status", {})
    if as_json:
        click.echo(json.dumps(told, indent=1))
        return
    for line in told["lines"]:
        click.echo(line)
