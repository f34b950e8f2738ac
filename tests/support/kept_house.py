"""A small hotel whose folder is a whole property: settings, master key, log, keys."""

from __future__ import annotations

import base64
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from appliance.engines.identity.messages import ForgetPerson
from appliance.engines.identity.room import ENGINE as IDENTITY
from appliance.kernel.sealed import Sealed
from appliance.kernel.secrets import load_masters
from appliance.kernel.settings import Settings
from appliance.kernel.vault import open_vault
from support.desk import MANAGER
from support.hotel import Hotel
from support.own_property import bare_settings


def master_text(key: bytes) -> str:
    """A master key file as `nightporter init` writes it."""
    return f"nightporter master key 1\n{base64.b64encode(key).decode()}\n"


class KeptHouse(Hotel):
    """A hotel that can be backed up: `settings` are its own."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.settings: Settings = bare_settings(folder)
        self.folder = folder
        master = folder / "master.key"
        if not master.exists():
            master.touch(mode=0o600)
            master.write_text(master_text(bytes(32)))
        super().__init__(folder, more=[IDENTITY], **more)

    def forget(self, person_id: str) -> None:
        """Ask for it and do what the follower does."""
        self.done(ForgetPerson(person_id=person_id, reason="asked"), MANAGER)
        self.vault.forget(person_id, self.clock.read().wall_ms)

    def person_of(self, stay_id: str) -> str:
        """Whom the first guest's name is sealed for."""
        return str(self.rows("SELECT subject FROM stays_guest WHERE stay_id = ?", stay_id)[0][0])


def names_in(folder: Path) -> dict[str, str | None]:
    """Every guest of a property's folder by stay; None where the person was forgotten."""
    vault = open_vault(folder / "keys.db", load_masters(folder / "master.key", {}))
    try:
        with closing(sqlite3.connect(folder / "log.db")) as db:
            rows = db.execute("SELECT stay_id, subject, box, place FROM stays_guest").fetchall()
        return {
            stay_id: vault.open(Sealed(subject=subject, box=box), place.encode())
            for stay_id, subject, box, place in rows
        }
    finally:
        vault.close()
