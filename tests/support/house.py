"""What the house tests walk over: the tracked files of the tree and the rooms of the product."""

from __future__ import annotations

import ast
import functools
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("appliance", "drivers", "kiosk", "provisioning", "sync", "twin")
ROOMS = (
    "appliance",
    "drivers",
    "hardware-in-loop/twin",
    "provisioning",
    "sync",
    "ui-kiosk/kiosk",
)
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
ENGINES = sorted(path.parent for path in (ROOT / "appliance" / "engines").glob("*/__init__.py"))


def label(path: Path) -> str:
    """A path as the reader knows it, for the ids of parametrised tests."""
    return str(path.relative_to(ROOT))


@functools.cache
def tree_of(path: Path) -> ast.Module:
    """The parsed source; several tests look at the same files."""
    return ast.parse(path.read_text())


@functools.cache
def tracked() -> tuple[Path, ...]:
    """Files that git keeps; all files under the rooms where there is no git (an unpacked sdist)."""
    listing = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607 (git is wherever the developer has it)
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )
    if listing.returncode != 0:
        return (*SOURCES, *TESTS)
    return tuple(ROOT / name for name in listing.stdout.split("\0") if (ROOT / name).is_file())


def text_of(path: Path) -> str | None:
    """The file's text, or None for a picture or an archive."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None
