"""Puts a backup in place: checked, and everybody forgotten again, before anything is touched."""

from __future__ import annotations

import os
import re
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from appliance.archive import BadBackupError, unpack
from appliance.engines.identity.messages import PersonForgotten
from appliance.kernel import log as kernel_log
from appliance.kernel.clock import Clock
from appliance.kernel.durable import sync_directory, write_whole
from appliance.kernel.keysdb import MasterKeys
from appliance.kernel.secrets import load_masters
from appliance.kernel.vault import Forget, open_vault
from appliance.where import OWN_SETTINGS

LOG = "log.db"
# Sync looks for it at its next start: nothing is sent before everything was looked up.
RESTORED_MARK = "sync.restored"
ASIDE = "before-restore-"
SCRATCH = ".restore-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore put in place."""

    facts: int
    forgotten: int
    set_aside: Path | None
    moved: bool  # the settings named another folder
    elsewhere: tuple[str, ...]  # settings whose files stood outside the data folder


def restore_backup(
    archive: Path, data: Path, clock: Clock, *, run_dir: Path, master: Path
) -> Restored:
    """Put an archive in place of whatever is in `data`, which is set aside, not deleted.

    Everybody who was forgotten, in the archive or in what is set aside, is forgotten again.
    Raises BadBackupError or VaultError with nothing changed.
    """
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=data, prefix=SCRATCH) as scratch:
        folder = Path(scratch)
        contents = unpack(archive, folder)
        facts = _checked(folder)
        masters = _masters(folder, master)
        forgotten = _forget_again(folder, data, masters)
        moved = _settle_settings(folder, data)
        (folder / RESTORED_MARK).touch(mode=0o600)
        for database in folder.glob("driver-*.db"):
            # Its driver goes on with numbers that it cannot have given since the backup.
            database.with_suffix(".restored").touch(mode=0o600)
        aside = _set_aside(data, run_dir, clock)
        # The log comes last: while it is missing no role starts, and a restore that was cut
        # short is simply done again.
        for path in sorted(folder.iterdir(), key=lambda path: path.name == LOG):
            path.rename(data / path.name)
        sync_directory(data)
    elsewhere = tuple(
        name.removeprefix("elsewhere/")
        for name in contents.digests
        if name.startswith("elsewhere/")
    )
    return Restored(
        facts=facts, forgotten=forgotten, set_aside=aside, moved=moved, elsewhere=elsewhere
    )


def _checked(folder: Path) -> int:
    if not (folder / LOG).exists():
        raise BadBackupError("there is no log in the archive.")
    for path in sorted(folder.glob("*.db")):
        try:
            with closing(sqlite3.connect(path)) as db:
                found = db.execute("PRAGMA integrity_check").fetchone()[0]
        except sqlite3.DatabaseError as error:
            raise BadBackupError(f"{path.name} in the archive is damaged: {error}.") from error
        if found != "ok":
            raise BadBackupError(f"{path.name} in the archive is damaged: {found}.")
    try:
        return kernel_log.verify_file(folder / LOG).position
    except (kernel_log.ChainBrokenError, sqlite3.DatabaseError) as error:
        raise BadBackupError(f"the log in the archive was changed: {error}.") from error


def _masters(folder: Path, here: Path) -> MasterKeys:
    """The archive's master key; where it holds none, the one of this box must fit."""
    inside = folder / "master.key"
    if inside.exists():
        return load_masters(inside, {})
    return load_masters(here, os.environ)


def _forget_again(folder: Path, data: Path, masters: MasterKeys) -> int:
    """Destroy again what was destroyed, in the unpacked copy; also proves that the keys open."""
    forgets = {forget.subject: forget for forget in _forgets_in_log(folder / LOG)}
    # What is there now may remember forgets that are younger than the backup; it may be damaged.
    with suppress(sqlite3.DatabaseError):
        forgets |= {forget.subject: forget for forget in _forgets_in_log(data / LOG)}
    with suppress(sqlite3.DatabaseError):
        forgets |= {forget.subject: forget for forget in _forgets_in_keys(data / "keys.db")}
    vault = open_vault(folder / "keys.db", masters)
    try:
        forgets |= {forget.subject: forget for forget in vault.forgets()}
        vault.reapply_forgets(list(forgets.values()))
    finally:
        vault.close()
    return len(forgets)


def _forgets_in_log(log: Path) -> Iterator[Forget]:
    query = "SELECT json_extract(body, '$.person_id'), at_wall FROM event WHERE kind = ?"
    yield from _forgets(log, query, PersonForgotten.kind)


def _forgets_in_keys(keys: Path) -> Iterator[Forget]:
    # Read plainly: the table holds no secrets, and its master key may be gone with the old card.
    yield from _forgets(keys, "SELECT subject, at_wall_ms FROM forgotten")


def _forgets(path: Path, query: str, *values: str) -> Iterator[Forget]:
    if not path.exists():
        return
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        for subject, at_wall_ms in db.execute(query, values).fetchall():
            yield Forget(subject=subject, at_wall_ms=at_wall_ms)


def _settle_settings(folder: Path, data: Path) -> bool:
    """Settings that name the folder of another box name this one from now on."""
    own = folder / OWN_SETTINGS
    if not own.exists():
        return False
    text = own.read_text()
    named = re.search(r'^data_dir\s*=\s*"([^"]*)"', text, re.MULTILINE)
    if named is None or (data / named[1]).resolve() == data.resolve():
        return False
    text = re.sub(r"^data_dir\s*=.*$", 'data_dir = "."', text, flags=re.MULTILINE)
    text = re.sub(r"^run_dir\s*=.*$", 'run_dir = "run"', text, flags=re.MULTILINE)
    # Files it named inside the old folder came along, under the same names.
    text = text.replace(f'"{named[1].rstrip("/")}/', '"./')
    write_whole(own, text.encode())
    return True


def _set_aside(data: Path, run_dir: Path, clock: Clock) -> Path | None:
    present = [
        path
        for path in data.iterdir()
        if not path.name.startswith((SCRATCH, ASIDE)) and path != run_dir
    ]
    if not present:
        return None
    aside = data / f"{ASIDE}{clock.read().wall_s}"
    while aside.exists():
        aside = aside.with_name(f"{aside.name}-again")
    aside.mkdir(mode=0o700)
    # The log goes first: from here on until the new one is in place, no role can start.
    for path in sorted(present, key=lambda path: path.name != LOG):
        path.rename(aside / path.name)
    sync_directory(data)
    return aside
