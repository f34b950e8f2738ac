"""Where this box's settings and data are: said by an option, by the environment, or by custom."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from appliance.kernel.settings import Settings

# The same two names stand in kernel/settings_files.py, which verbs load only when they need
# settings: it brings pydantic, 10 MB that a supervisor would carry for its whole life.
ENVIRONMENT = "NIGHTPORTER_CONFIG"
ETC = Path("/etc/nightporter")

OWN_SETTINGS = "nightporter.toml"
DEVICE_SHEET = "device-sheet.json"
# The one identity on the bus that may command, and the file with its token.
CORE = "core"
CORE_TOKEN = "bus-core.token"  # noqa: S105 - the name of a file
# sysexits.h EX_CONFIG: starting it again will not help, a person must change something.
EXIT_CONFIG = 78


def home() -> Path:
    """Where a box that is not installed system-wide keeps its data."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "nightporter"


def own_folder(data: Path | None) -> Path | None:
    """The folder whose own settings file counts; None where the environment or /etc decides."""
    if data is not None:
        return data.absolute()
    if os.environ.get(ENVIRONMENT) or (ETC / OWN_SETTINGS).exists():
        return None
    return home().absolute()


def environment(data: Path | None) -> dict[str, str]:
    """The environment in which every role finds the same settings."""
    found = dict(os.environ)
    if (folder := own_folder(data)) is not None:
        found[ENVIRONMENT] = str(folder / OWN_SETTINGS)
    return found


def settings_of(data: Path | None) -> Settings:
    """The settings in force; ends the command with a sentence when there are none."""
    from appliance.kernel.settings_files import (  # noqa: PLC0415 - see ENVIRONMENT
        SettingsError,
        load_settings,
    )

    folder = own_folder(data)
    if folder is not None and not (folder / OWN_SETTINGS).exists():
        say_and_stop(
            f"there is no property in {folder}: run `nightporter init FILE`"
            " (an example: `nightporter init --example`), or name its folder with --data."
        )
    try:
        return load_settings(environment(data)).settings
    except SettingsError as error:
        say_and_stop(str(error))


def say_and_stop(sentence: str) -> NoReturn:
    """End this command for a reason that only a person can change."""
    click.echo(f"nightporter: {sentence}", err=True)
    raise SystemExit(EXIT_CONFIG)


data_option = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="The property's folder (default: $NIGHTPORTER_CONFIG or /etc/nightporter decides, else "
    "~/.local/share/nightporter).",
)
