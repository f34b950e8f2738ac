"""What the one command promises about its verbs."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint

import click
import pytest
from click.testing import CliRunner

from appliance.kernel import verbs
from appliance.kernel.verbs import GROUP, NOT_HERE, Absent, load, main, stand_in


def entry(value: str, name: str = "dance") -> EntryPoint:
    return EntryPoint(name=name, value=value, group=GROUP)


def test_a_verb_whose_module_is_missing_is_an_answer() -> None:
    found = load(entry("kiosk.no_such_room:dance"))
    assert isinstance(found, Absent)
    assert "Install nightporter again" in found.sentence


def test_a_verb_whose_command_is_missing_is_an_answer() -> None:
    assert isinstance(load(entry("appliance.kernel.verbs:dance")), Absent)


@pytest.mark.parametrize(
    ("missing", "cure"),
    [("zigpy", "nightporter[zigbee]"), ("some_library", "pip install some_library")],
)
def test_a_missing_library_is_named_with_its_cure(missing: str, cure: str) -> None:
    assert cure in verbs.sentence_for(entry("drivers.main:driver"), missing)


def test_a_bug_inside_a_verb_is_not_hidden_as_missing(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("verbs")
    (folder / "np_broken_verb.py").write_text("raise ValueError('a bug')\n")
    monkeypatch.syspath_prepend(str(folder))
    with pytest.raises(ValueError, match="a bug"):
        load(entry("np_broken_verb:dance"))
    sys.modules.pop("np_broken_verb", None)


def test_one_broken_verb_leaves_the_help_of_the_others_and_is_raised_when_asked_for() -> None:
    command = verbs.broken("dance", ValueError("a bug"))
    assert "broken" in command.get_short_help_str()
    answer = CliRunner().invoke(command, ["--fast"])
    assert isinstance(answer.exception, ValueError)


def test_asking_for_what_is_not_here_says_so_and_exits_with_2() -> None:
    command = stand_in("dance", Absent("`nightporter dance` is not available here: cure."))
    answer = CliRunner().invoke(command, ["--fast", "now"])
    assert answer.exit_code == verbs.EXIT_NOT_HERE
    assert "cure" in answer.output


def test_help_lists_a_verb_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    group = verbs.Verbs("nightporter")
    monkeypatch.setattr(group, "list_commands", lambda _ctx: ["dance"])
    monkeypatch.setattr(group, "get_command", lambda _ctx, name: stand_in(name, Absent("not here")))
    answer = CliRunner().invoke(group, ["--help"])
    assert answer.exit_code == 0
    assert NOT_HERE in answer.output


def test_a_word_that_is_no_verb_is_refused_by_name() -> None:
    answer = CliRunner().invoke(main, ["waltz"])
    assert answer.exit_code == verbs.EXIT_NOT_HERE
    assert "waltz" in answer.output


def test_help_and_version_answer_without_importing_more_than_they_must() -> None:
    assert CliRunner().invoke(main, ["--help"]).exit_code == 0
    assert CliRunner().invoke(main, ["--version"]).output.startswith("nightporter, version ")


def test_every_announced_verb_is_listed_in_alphabetical_order() -> None:
    names = main.list_commands(click.Context(main))
    assert names == sorted(names)
    assert {"demo", "init", "up"} <= set(names)
