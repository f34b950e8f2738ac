"""Backup and restore of everything a box knows, its keys included, while it keeps working."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from appliance.engines.identity.messages import PersonForgotten
from appliance.kernel import log as kernel_log
from appliance.kernel.clock import SystemClock
from appliance.kernel.durable import sync_directory
from appliance.kernel.secrets import load_masters
from appliance.kernel.settings import Settings
from appliance.kernel.vault import Forget, VaultError, open_vault
from appliance.where import OWN_SETTINGS, data_option, say_and_stop, settings_of

# Copied in this order. Keys after the log: every sealed fact in the copy then has its key there.
# Sync last: if it is ahead of the log, its cursor says so and it reconciles first.
DATABASES = ("log.db", "keys.db", "sync.db", "telemetry.db")
FILES = ("master.key", "bus-credentials.json", "bus-core.token", "device-sheet.json", OWN_SETTINGS)
FOLDERS = ("pki", "blobs", "secrets")
# Sync looks for it at its next start: nothing is sent before everything was looked up.
RESTORED_MARK = "sync.restored"
# 10,000 members: a blob store of a large property; a longer archive is not ours.
MEMBERS_MAX = 10_000


class BadBackupError(Exception):
    """The archive cannot be restored; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore put in place."""

    facts: int
    forgotten: int
    set_aside: Path | None


def copy_database(source: Path, target: Path) -> None:
    """A consistent copy of a database that may be in use."""
    with sqlite3.connect(f"file:{source}?mode=ro", uri=True) as live:
        with sqlite3.connect(target) as copy:
            live.backup(copy)
        copy.close()
    live.close()
    target.chmod(0o600)


def make_backup(settings: Settings, archive: Path) -> int:
    """Write one archive; returns its size in bytes. It opens everything: keep it locked away."""
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".nightporter-") as scratch:
        folder = Path(scratch)
        for name in DATABASES:
            if (settings.data_dir / name).exists():
                copy_database(settings.data_dir / name, folder / name)
        for name in FILES:
            if (settings.data_dir / name).is_file():
                shutil.copy2(settings.data_dir / name, folder / name)
        for name in FOLDERS:
            if (settings.data_dir / name).is_dir():
                shutil.copytree(settings.data_dir / name, folder / name)
        kernel_log.verify_file(folder / "log.db")
        fresh = archive.with_name(f".{archive.name}.new")
        with tarfile.open(fresh, "w:gz") as tar:
            for path in sorted(folder.iterdir()):
                tar.add(path, arcname=path.name)
        fresh.chmod(0o600)
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        fresh.replace(archive)
        sync_directory(archive.parent)
    return archive.stat().st_size


def restore_backup(archive: Path, data: Path, clock: SystemClock) -> Restored:
    """Put an archive in place of whatever is in `data`, which is set aside, not deleted.

    Everybody who was forgotten, in the archive or in what is set aside, is forgotten again.
    """
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=data, prefix=".restore-") as scratch:
        folder = Path(scratch)
        _unpack(archive, folder)
        head = _checked(folder)
        aside = _set_aside(data, clock)
        for path in sorted(folder.iterdir()):
            path.rename(data / path.name)
    (data / RESTORED_MARK).touch(mode=0o600)
    sync_directory(data)
    forgotten = _forget_again(data, aside)
    return Restored(facts=head, forgotten=forgotten, set_aside=aside)


def _unpack(archive: Path, folder: Path) -> None:
    known = {*DATABASES, *FILES, *FOLDERS}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for count, member in enumerate(tar):
                top = Path(member.name).parts[0] if member.name else ""
                if count >= MEMBERS_MAX or top not in known:
                    raise BadBackupError(f"{archive} holds {member.name!r}, which no backup has")
                tar.extract(member, folder, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise BadBackupError(f"{archive} cannot be read: {error}") from error


def _checked(folder: Path) -> int:
    if not (folder / "log.db").exists():
        raise BadBackupError("there is no log in the archive")
    for name in DATABASES:
        path = folder / name
        if not path.exists():
            continue
        db = sqlite3.connect(path)
        try:
            found = db.execute("PRAGMA integrity_check").fetchone()[0]
        except sqlite3.DatabaseError as error:
            raise BadBackupError(f"{name} in the archive is damaged: {error}") from error
        finally:
            db.close()
        if found != "ok":
            raise BadBackupError(f"{name} in the archive is damaged: {found}")
    try:
        return kernel_log.verify_file(folder / "log.db").position
    except kernel_log.ChainBrokenError as error:
        raise BadBackupError(f"the log in the archive was changed: {error}") from error


def _set_aside(data: Path, clock: SystemClock) -> Path | None:
    present = [path for path in data.iterdir() if not path.name.startswith(".restore-")]
    present = [path for path in present if path.name != "run" and "before-restore" not in path.name]
    if not present:
        return None
    aside = data / f"before-restore-{clock.read().wall_s}"
    aside.mkdir(mode=0o700)
    for path in present:
        path.rename(aside / path.name)
    return aside


def _forget_again(data: Path, aside: Path | None) -> int:
    vault = open_vault(data / "keys.db", load_masters(data / "master.key", os.environ))
    try:
        forgets = {forget.subject: forget for forget in _forgets_in_log(data / "log.db")}
        if aside is not None and (aside / "keys.db").exists():
            forgets |= {forget.subject: forget for forget in _forgets_of(aside)}
        forgets |= {forget.subject: forget for forget in vault.forgets()}
        vault.reapply_forgets(list(forgets.values()))
        return len(forgets)
    finally:
        vault.close()


def _forgets_in_log(log: Path) -> Iterator[Forget]:
    db = sqlite3.connect(f"file:{log}?mode=ro", uri=True)
    try:
        query = "SELECT json_extract(body, '$.person_id'), at_wall FROM event WHERE kind = ?"
        for subject, at_wall_ms in db.execute(query, (PersonForgotten.kind,)):
            yield Forget(subject=subject, at_wall_ms=at_wall_ms)
    finally:
        db.close()


def _forgets_of(aside: Path) -> list[Forget]:
    # Read plainly: the table holds no secrets, and its master key may be gone with the old card.
    db = sqlite3.connect(f"file:{aside / 'keys.db'}?mode=ro", uri=True)
    try:
        rows = db.execute("SELECT subject, at_wall_ms FROM forgotten").fetchall()
    except sqlite3.DatabaseError:
        return []
    finally:
        db.close()
    return [Forget(subject=subject, at_wall_ms=at_wall_ms) for subject, at_wall_ms in rows]



@click.command(epilog="Example: nightporter backup /media/usb/riverside.tar.gz")
@click.argument("archive", type=click.Path(path_type=Path, dir_okay=False))
@data_option
def backup(archive: Path, data: Path | None) -> None:
    """Write everything, keys included, to ARCHIVE while the box keeps working."""
    settings = settings_of(data)
    if not settings.log_file.exists():
        say_and_stop(f"there is no property in {settings.data_dir}.")
    try:
        size = make_backup(settings, archive.resolve())
    except OSError as error:
        say_and_stop(f"{error.filename} cannot be written: {error.strerror}.")
    except kernel_log.ChainBrokenError as error:
        say_and_stop(f"the log does not verify, so this is no backup to rely on: {error}")
    click.echo(
        f"{archive}: {size // 1024} KiB. Whoever has it has everything, keys included:"
        " lock it away."
    )


@click.command(epilog="Example: nightporter restore riverside.tar.gz --data ~/riverside")
@click.argument("archive", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@data_option
def restore(archive: Path, data: Path | None) -> None:
    """Put ARCHIVE in place. Stop the box first; what is there now is set aside."""
    settings = settings_of(data)
    if settings.command_socket.exists():
        say_and_stop("the box is running here: stop it first, then restore.")
    try:
        restored = restore_backup(archive, settings.data_dir, SystemClock(floor_path=None))
    except (BadBackupError, VaultError) as error:
        say_and_stop(str(error))
    aside = f" What was there is in {restored.set_aside}." if restored.set_aside else ""
    click.echo(
        f"{restored.facts} facts verified and in place; {restored.forgotten} forgotten people are"
        f" forgotten again.{aside}\nAt the next start sync looks everything up before it sends."
    )
