"""Backup and restore of everything a box knows, its keys included, while it keeps working."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import click

from appliance.archive import FORMAT, BadBackupError, Contents, digest_of, files_in, pack
from appliance.kernel import log as kernel_log
from appliance.kernel.clock import Clock, SystemClock
from appliance.kernel.durable import write_whole
from appliance.kernel.settings import Settings
from appliance.kernel.settings_files import SettingsError, load_settings
from appliance.kernel.vault import VaultError
from appliance.kernel.verbs import our_version
from appliance.plan import listens, running
from appliance.restoring import Restored, restore_backup
from appliance.where import (
    CORE_TOKEN,
    DEVICE_SHEET,
    OWN_SETTINGS,
    data_option,
    environment,
    own_folder,
    say_and_stop,
    settings_of,
)

# Keys after the log: every sealed fact in the copy then has its key there. Everything else later
# still: sync that is ahead of the log finds its cursor unknown, and looks before it sends.
FIRST = ("log.db", "keys.db")
FILES = ("master.key", "bus-credentials.json", CORE_TOKEN, DEVICE_SHEET, OWN_SETTINGS)
FOLDERS = ("pki", "blobs")
# When the last backup was made: `nightporter doctor` tells its age.
LAST_BACKUP = "last-backup.json"
# Where secrets that the settings name are kept inside an archive when they stood outside.
ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a backup holds."""

    bytes: int
    facts: int
    master_key: bool


def make_backup(settings: Settings, archive: Path, clock: Clock) -> Kept:
    """Write one archive while the box works. It opens everything: keep it locked away.

    Raises BadBackupError, ChainBrokenError, OSError or sqlite3.Error; no archive is there then.
    """
    if not archive.parent.is_dir():
        raise BadBackupError(f"there is no folder {archive.parent}: make it first.")
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".nightporter-") as scratch:
        folder = Path(scratch) / "all"
        folder.mkdir(mode=0o700)
        for path in _databases(settings.data_dir):
            copy_database(path, folder / path.name)
        for name, path in _files(settings):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            shutil.copyfile(path, target)
        facts = kernel_log.verify_file(folder / "log.db").position
        contents = Contents(
            format=FORMAT,
            release=our_version(),
            property_id=settings.site.id,
            at_wall_ms=clock.read().wall_ms,
            facts=facts,
            digests={name: digest_of(path) for name, path in files_in(folder)},
        )
        pack(folder, archive, contents)
        has_master = (folder / "master.key").exists()
    stamp = {"at_wall_ms": contents.at_wall_ms, "facts": facts}
    write_whole(settings.data_dir / LAST_BACKUP, json.dumps(stamp).encode())
    return Kept(bytes=archive.stat().st_size, facts=facts, master_key=has_master)


def copy_database(source: Path, target: Path) -> None:
    """A consistent copy of a database that may be in use, complete without a WAL beside it."""
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as live,
        closing(sqlite3.connect(target)) as copy,
    ):
        live.backup(copy)


def _databases(data: Path) -> list[Path]:
    """log.db, keys.db, then every other one; what a rebuild left over is none of ours."""
    rest = [
        path
        for path in sorted(data.glob("*.db"))
        if path.name not in FIRST and not path.name.startswith("rebuild-")
    ]
    return [path for name in FIRST if (path := data / name).exists()] + rest


def _files(settings: Settings) -> Iterator[tuple[str, Path]]:
    """(path inside the archive, path here) of every small file: keys, credentials, secrets."""
    data = settings.data_dir
    found = {name: data / name for name in FILES}
    for name in FOLDERS:
        found |= {f"{name}/{inside}": path for inside, path in files_in(data / name)}
    found |= dict(_of_radios(data))
    for key, path in named_files(settings):
        inside = path.is_relative_to(data)
        found[path.relative_to(data).as_posix() if inside else f"{ELSEWHERE}/{key}"] = path
    # The master key goes under its own name wherever it stands: restore looks for it there.
    found.pop(f"{ELSEWHERE}/keys.master_file", None)
    found["master.key"] = settings.master_file
    for name, path in found.items():
        if path.is_file():
            yield name, path


def _of_radios(data: Path) -> Iterator[tuple[str, Path]]:
    """Drivers' sheets and keys, satellites' folders, and what radios keep (networks, logs)."""
    for pattern in ("driver-*", "satellite-*"):
        for path in sorted(data.glob(pattern)):
            if path.is_dir():
                inside = files_in(path)
                # A stack's own database is in use; its network is in the backups beside it.
                yield from ((f"{path.name}/{n}", one) for n, one in inside if ".db" not in one.name)
            elif path.suffix in {".json", ".key"}:
                yield path.name, path


def named_files(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Every file that a setting names, by the setting's dotted key."""
    yield from _named(settings.model_dump(by_alias=True), "")


def _named(tree: dict[str, object], above: str) -> Iterator[tuple[str, Path]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _named(value, f"{above}{name}.")
        elif isinstance(value, Path) and name.endswith("_file"):
            yield f"{above}{name}", value


@click.command(epilog="Example: nightporter backup /media/usb/riverside.npb")
@click.argument("archive", type=click.Path(path_type=Path, dir_okay=False))
@data_option
def backup(archive: Path, data: Path | None) -> None:
    """Write everything, keys included, to ARCHIVE while the box keeps working."""
    settings = settings_of(data)
    if not settings.log_file.exists():
        say_and_stop(f"there is no property in {settings.data_dir}.")
    try:
        kept = make_backup(settings, archive.absolute(), SystemClock(floor_path=None))
    except BadBackupError as error:
        say_and_stop(str(error))
    except OSError as error:
        say_and_stop(f"{error.filename or archive} cannot be written: {error.strerror}.")
    except sqlite3.Error as error:
        say_and_stop(f"a database cannot be copied ({error}): run `nightporter doctor`.")
    except kernel_log.ChainBrokenError as error:
        say_and_stop(f"the log does not verify, so this is no backup to rely on: {error}.")
    click.echo(
        f"{archive}: {kept.facts} facts, {kept.bytes // 1024} KiB."
        " Whoever has it has everything, keys included: lock it away."
    )
    if not kept.master_key:
        click.echo(
            "The master key is not in it, as systemd keeps it: without that key, kept apart, this"
            " archive opens no name and no door."
        )


@click.command(epilog="Example: nightporter restore riverside.npb --data ~/riverside")
@click.argument("archive", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@data_option
def restore(archive: Path, data: Path | None) -> None:
    """Put ARCHIVE in place. Stop the box first; what is there now is set aside."""
    target, run_dir, master = _target(data)
    if (reason := running(run_dir)) is not None:
        say_and_stop(f"{reason} Stop it first, then restore.")
    if listens(run_dir / "command.sock"):
        say_and_stop("the box is running here: stop it first, then restore.")
    try:
        restored = restore_backup(
            archive, target, SystemClock(floor_path=None), run_dir=run_dir, master=master
        )
    except (BadBackupError, VaultError) as error:
        say_and_stop(f"{error} Nothing was changed.")
    except OSError as error:
        say_and_stop(f"{error.filename or target} cannot be written: {error.strerror}.")
    click.echo(_told(restored, target))


def _target(data: Path | None) -> tuple[Path, Path, Path]:
    """Folder, run folder and master key file; a folder without settings is as good as any."""
    folder = own_folder(data)
    if folder is not None:
        try:
            settings = load_settings(environment(data)).settings
        except SettingsError:
            return folder, folder / "run", folder / "master.key"
        return folder, settings.run_dir, settings.master_file
    settings = settings_of(None)
    return settings.data_dir, settings.run_dir, settings.master_file


def _told(restored: Restored, target: Path) -> str:
    first = (
        f"{restored.facts} facts verified and in place in {target};"
        f" {restored.forgotten} forgotten people are forgotten again."
    )
    lines = [first]
    if restored.set_aside is not None:
        lines.append(f"What was there is in {restored.set_aside}.")
    if restored.moved:
        lines.append(f"{OWN_SETTINGS} named another folder; it names this one now.")
    if restored.elsewhere:
        lines.append(
            f"These stood outside the data folder and are in {target / ELSEWHERE} now; put them"
            f" where the settings name them: {', '.join(restored.elsewhere)}."
        )
    lines.append("At the next start sync looks everything up before it sends.")
    return "\n".join(lines)
