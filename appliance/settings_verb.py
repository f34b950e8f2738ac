"""The verb `nightporter settings`: every key, what it means, its value and where it came from."""

from __future__ import annotations

import os
from pathlib import Path

import click


@click.command(epilog="Example: nightporter settings > all-settings.toml")
@click.option(
    "--config",
    "files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A settings file over the others; may be given several times.",
)
def settings(files: tuple[Path, ...]) -> None:
    """Print the settings in force, as a settings file with a sentence per key."""
    from appliance.kernel.settings_files import (  # noqa: PLC0415 - verbs load lazily
        SettingsError,
        describe,
        load_settings,
    )

    try:
        click.echo(describe(load_settings(os.environ, files)), nl=False)
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
