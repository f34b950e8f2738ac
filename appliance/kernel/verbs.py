"""The one command `nightporter`: finds its verbs by entry point and loads only the one asked for."""

from __future__ import annotations

import gc
import os
import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version

import click

GROUP = "nightporter.verbs"
# What the shell is told when a verb cannot run here; the same number click gives a bad option.
EXIT_NOT_HERE = 2
# The words in which a verb is missing, in `--help`.
NOT_HERE = "(not available in this installation)"
# Top-level names that are ours: when one of them is missing, reinstalling is the cure, not an extra.
OURS = frozenset({"appliance", "drivers", "kiosk", "provisioning", "sync", "twin"})
# Which extra brings a library that the plain installation leaves out (pyproject.toml).
EXTRA_OF = {"bellows": "zigbee", "zigpy": "zigbee", "zigpy_znp": "zigbee"}


@dataclass(frozen=True, slots=True)
class Absent:
    """A verb that is announced but cannot be loaded here, and the sentence that cures it."""

    sentence: str


def load(entry: EntryPoint) -> click.Command | Absent:
    """Import the verb's module; a part that is not installed is an answer, not a crash.

    Only what is *missing* becomes `Absent`: an error inside a verb's module is a bug and is raised.
    """
    try:
        found = entry.load()
    except ModuleNotFoundError as error:
        return Absent(sentence_for(entry, (error.name or "").partition(".")[0]))
    except AttributeError:
        # The module is there, the command in it is not: the same as missing, for the asker.
        return Absent(sentence_for(entry, entry.module.partition(".")[0]))
    assert isinstance(found, click.Command), f"{entry.value} is not a click command"
    return found


def sentence_for(entry: EntryPoint, missing: str) -> str:
    """Say what is missing and what to type."""
    said = f"`nightporter {entry.name}` is not available here"
    if missing in OURS or not missing:
        return f"{said}: this installation has no {entry.value}. Install nightporter again."
    if extra := EXTRA_OF.get(missing):
        return f"{said}: it needs '{missing}'. Cure: pip install 'nightporter[{extra}]'"
    return f"{said}: it needs the Python package '{missing}'. Cure: pip install {missing}"


class Verbs(click.Group):
    """A group whose commands live in other packages, none of which is imported until asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every announced verb, in alphabetical order, whether it can be loaded or not."""
        del ctx
        return sorted(entry_points(group=GROUP).names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb itself, or a stand-in that says why it is not here."""
        del ctx
        entry = next(iter(entry_points(group=GROUP, name=cmd_name)), None)
        if entry is None:
            return None
        # What is imported lives as long as the process: it is collected never instead of often,
        # which is a tenth of a start and, later, the longest pauses at a door.
        gc.disable()
        try:
            found = load(entry)
        except Exception as error:  # noqa: BLE001 (one broken verb must not take the others' help away)
            return broken(entry.name, error)
        finally:
            gc.freeze()
            gc.enable()
        return stand_in(entry.name, found) if isinstance(found, Absent) else found


def stand_in(name: str, absent: Absent) -> click.Command:
    """A command that takes any words and answers with the cure and exit code 2."""

    def answer() -> None:
        click.echo(absent.sentence, err=True)
        sys.exit(EXIT_NOT_HERE)

    return click.Command(
        name,
        callback=answer,
        short_help=NOT_HERE,
        help=absent.sentence,
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )


def broken(name: str, error: Exception) -> click.Command:
    """A command whose module raised while it was imported: listed so, and raised when asked for."""

    def answer() -> None:
        raise error

    return click.Command(
        name,
        callback=answer,
        short_help=f"(broken: {type(error).__name__})",
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )


def our_version() -> str:
    """The installed version, or the word for a tree that was never installed."""
    try:
        return version("nightporter")
    except PackageNotFoundError:
        return "not installed"


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(our_version(), prog_name="nightporter")
def main() -> None:
    """Keep a hotel's doors, desk and guests' pages working while the internet sleeps.

    `nightporter demo` shows a property at work; `nightporter init` and `nightporter up` run yours.
    """
    # What SQLite and the log files make beside ours is nobody else's to read either.
    os.umask(0o077)


if __name__ == "__main__":
    main()
