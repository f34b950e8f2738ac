"""What the README and its neighbours tell a reader to type or open is there."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from appliance.kernel.verbs import main
from support.house import ENGINES, ROOT

DOCS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "docs/engines.md")]
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
TYPED = re.compile(r"^    (?:\$ )?((?:make|(?:\.venv/bin/)?nightporter) .*)$", re.MULTILINE)
QUOTED = re.compile(r"`((?:make|(?:\.venv/bin/)?nightporter) [^`]+)`")
LINK = re.compile(r"\]\(([^)#]+)|src=\"([^\"]+)\"")
# `nightporter: ...` and prose after a dash are output, not commands.
COMMANDS = sorted({line.partition("  #")[0].strip() for line in TYPED.findall(README)})
IN_WORDS = sorted(set(QUOTED.findall(README)))


def _verb(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command at the end of the verbs, and what follows it."""
    found: click.Command = main
    context = click.Context(found)
    while isinstance(found, click.Group) and words:
        inner = found.get_command(context, words[0])
        assert inner is not None, f"there is no verb {words[0]!r}"
        found, words = inner, words[1:]
        context = click.Context(found)
    return found, words


@pytest.mark.parametrize("command", [*COMMANDS, *IN_WORDS])
def test_what_the_readme_types_exists(command: str) -> None:
    first, *words = command.split(">", maxsplit=1)[0].split()
    if first == "make":
        assert words[0] in TARGETS
        for variable in (word.partition("=")[0] for word in words[1:] if "=" in word):
            assert f"$({variable})" in MAKEFILE or f"$(or $({variable})" in MAKEFILE, variable
        return
    verb, rest = _verb(words)
    known = {name for option in verb.params for name in option.opts}
    options = [word for word in rest if word.startswith("--")]
    assert set(options) <= known, f"{options} of {command}"


@pytest.mark.parametrize("document", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_and_picture_leads_somewhere(document: Path) -> None:
    for link in (one or other for one, other in LINK.findall(document.read_text())):
        if "://" not in link:
            assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_every_folder_of_the_tree_is_on_the_map() -> None:
    kept = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] not in "._"}
    on_map = set(re.findall(r"`([a-z-]+)/`", README))
    assert kept - on_map - {"scripts", "dist"} == set()


def test_every_verb_has_a_help_with_an_example() -> None:
    for name in main.list_commands(click.Context(main)):
        said = CliRunner().invoke(main, [name, "--help"])
        assert said.exit_code == 0
        assert f"nightporter {name}" in said.output.partition("Example")[2], name


def test_every_engine_is_in_the_list_of_engines() -> None:
    listed = re.findall(r"^\| ([a-z]+)", (ROOT / "docs/engines.md").read_text(), re.MULTILINE)
    assert {room.name for room in ENGINES} <= set(listed)
