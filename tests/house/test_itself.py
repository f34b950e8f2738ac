"""The project speaks of itself only: no path of some machine, no package host, no private key."""

from __future__ import annotations

import re
from pathlib import Path

from support.house import ROOT, label, text_of, tracked

# Put together here, so that this file does not find itself.
MACHINE_PATHS = re.compile(
    r"(?<![\w.])/(wor" + r"k|roo" + r"t)/[\w.]|/home/[a-z]+/|/tmp/n" + r"p\b"
)
PACKAGE_HOSTS = re.compile(
    r"pypi\.or" + r"g|pythonhosted\.or" + r"g|npmjs\.or" + r"g|deb\.debian\.or" + r"g"
)
PRIVATE_KEY = re.compile(r"BEGIN [A-Z ]*PRIVATE KE" + "Y")

TEXTS = [(path, text) for path in tracked() if (text := text_of(path)) is not None]


def places(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{label(path)}:{number}: {line.strip()[:80]}"
        for path, text in TEXTS
        if pattern.search(text)
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_file_names_a_path_of_some_machine() -> None:
    assert places(MACHINE_PATHS) == []


def test_no_file_names_a_package_host() -> None:
    assert places(PACKAGE_HOSTS) == []


def test_no_private_key_is_kept() -> None:
    assert places(PRIVATE_KEY) == []


def test_every_document_that_is_linked_is_there() -> None:
    """A relative link in a Markdown file leads somewhere."""
    link = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
    lost = [
        f"{label(path)} -> {target}"
        for path, text in TEXTS
        if path.suffix == ".md"
        for target in link.findall(text)
        if not (path.parent / Path(target)).exists()
    ]
    assert not lost


def test_the_readme_shows_the_commands_that_make_knows() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE))
    shown = set(re.findall(r"\bmake ([a-z-]+)", (ROOT / "README.md").read_text()))
    assert shown <= targets
    assert {"demo", "test", "tour", "bench", "chaos", "replay"} <= targets
