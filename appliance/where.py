"""Where this box's settings and data are: said by an option, by the environment, or by custom."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import click

from appliance.kernel.settings import Settings
from appliance.kernel.settings_files import ENVIRONMENT, ETC, SettingsError, load_settings

OWN_SETTINGS = "nightporter.toml"
# sysexits.h EX_CONFIG: starting it again will not help, a person must change something.
EXIT_CONFIG = 78


def home() -> Path:
    """Where a box that is not installed system-wide keeps its data."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "nightporter"


def environment(data: Path | None) -> dict[str, str]:
    """The environment in which every role finds the same settings."""
    found = dict(os.environ)
    if data is None and ENVIRONMENT not in found and not (ETC / OWN_SETTINGS).exists():
        data = home()
    if data is not None:
        found[ENVIRONMENT] = str((data / OWN_SETTINGS).resolve())
    return found


def settings_of(data: Path | None) -> Settings:
    """The settings in force; ends the command with a sentence when there are none."""
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
    help="The property's folder (default: /etc/nightporter decides, else "
    "~/.local/share/nightporter).",
)
