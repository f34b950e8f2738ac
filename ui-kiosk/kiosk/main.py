"""The verb `kiosk`: the front desk in this terminal."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click

from kiosk.app import IDLE_S, Kiosk
from kiosk.client import Client
from kiosk.clock import TerminalClock
from kiosk.journal import Journal

EXAMPLES = """
\b
Examples:
  nightporter kiosk
  nightporter kiosk --url http://192.168.10.2:8080 --terminal desk-2
  nightporter kiosk --idle 120
"""


def journal_path(terminal: str) -> Path:
    """Where this terminal keeps acts without an answer: one file per terminal."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", terminal)
    return Path(state) / "nightporter" / f"kiosk-{safe}.json"


@click.command(epilog=EXAMPLES)
@click.option(
    "--url",
    default="http://127.0.0.1:8080",
    show_default=True,
    help="Where the box answers.",
)
@click.option(
    "--terminal",
    default="desk-1",
    show_default=True,
    help="This terminal's name; every act carries it.",
)
@click.option(
    "--idle",
    default=IDLE_S,
    show_default=True,
    type=click.FloatRange(min=5),
    help="Lock after so many seconds without a key.",
)
@click.option(
    "--journal",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of acts without an answer.  [default: in ~/.local/state/nightporter]",
)
def kiosk(url: str, terminal: str, idle: float, journal: Path | None) -> None:
    """Open the front desk in this terminal (80x24 or larger)."""
    if not re.fullmatch(r"https?://[^/\s]+/?", url):
        raise click.BadParameter("an address like http://127.0.0.1:8080", param_hint="--url")
    clock = TerminalClock()
    path = journal or journal_path(terminal)
    client = Client(url, terminal, clock=clock, journal=Journal(path))
    Kiosk(client, clock=clock, idle_s=idle).run()
