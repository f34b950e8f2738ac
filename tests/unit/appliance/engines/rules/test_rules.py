"""Promises of the live rules."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import appliance.engines
from appliance.engines.rules import catalogue, rules
from appliance.engines.rules.messages import ChangeSetting, Refusal, Scope, SettingChanged
from appliance.engines.rules.projection import PROJECTION, setting, settings
from appliance.engines.rules.room import ENGINE
from appliance.kernel import rebuild
from appliance.kernel.engine import No, Yes
from appliance.kernel.reader import open_reader
from support.desk import CLERK, MANAGER, Desk

GRACE = "doors.grace_minutes"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path, [ENGINE])
    yield desk
    desk.close()


def change(key: str, value: catalogue.Value | None) -> ChangeSetting:
    return ChangeSetting(key=key, scope=Scope.PROPERTY, value=value)


def in_force(desk: Desk, key: str) -> list[tuple[str]]:
    return desk.rows("SELECT value FROM setting WHERE scope = 'property' AND key = ?", key)


def test_a_changed_rule_is_in_force_at_once(desk: Desk) -> None:
    assert desk.done(change(GRACE, 30), MANAGER) == {"key": GRACE, "value": 30}
    assert in_force(desk, GRACE) == [("30",)]


def test_no_value_puts_the_default_back(desk: Desk) -> None:
    desk.done(change(GRACE, 30), MANAGER)
    desk.done(change(GRACE, None), MANAGER)
    assert in_force(desk, GRACE) == []


def test_the_value_in_force_is_not_written_twice(desk: Desk) -> None:
    desk.done(change(GRACE, 30), MANAGER)
    desk.done(change(GRACE, 30), MANAGER)
    assert desk.events() == ["rules.setting_changed.v1"]


def test_asking_twice_is_asking_once(desk: Desk) -> None:
    first = desk.ask(change(GRACE, 30), MANAGER, "one")
    desk.done(change(GRACE, 45), MANAGER)
    assert desk.ask(change(GRACE, 30), MANAGER, "one") == first
    assert in_force(desk, GRACE) == [("45",)]


def test_a_key_nobody_reads_is_refused(desk: Desk) -> None:
    assert desk.refused(change("doors.colour", 1), MANAGER) == Refusal.UNKNOWN_KEY


@pytest.mark.parametrize("value", ["30", True])
def test_a_value_of_another_type_is_refused(desk: Desk, value: catalogue.Value) -> None:
    assert desk.refused(change(GRACE, value), MANAGER) == Refusal.WRONG_TYPE


@pytest.mark.parametrize("value", [-1, 721])
def test_a_value_out_of_range_is_refused_with_the_range(desk: Desk, value: int) -> None:
    assert desk.refused(change(GRACE, value), MANAGER) == Refusal.OUT_OF_RANGE


def test_a_clerk_changes_no_rule(desk: Desk) -> None:
    assert desk.refused(change(GRACE, 30), CLERK) == "wrong_role"


def test_the_tables_are_the_same_after_a_rebuild(desk: Desk) -> None:
    desk.done(change(GRACE, 30), MANAGER)
    desk.done(change("payments.deposit_minor_max", 5_000), MANAGER)
    desk.done(change(GRACE, None), MANAGER)
    before = desk.rows("SELECT * FROM setting")
    desk.db.execute("UPDATE read_model SET ddl_hash = 'another form' WHERE name = 'rules'")
    assert rebuild.settle_forms(desk.db, [ENGINE]) == [PROJECTION.name]
    assert desk.rows("SELECT * FROM setting") == before


async def test_every_rule_is_listed_with_its_value_and_a_sentence(
    desk: Desk, tmp_path: Path
) -> None:
    desk.done(change(GRACE, 30), MANAGER)
    async with open_reader(tmp_path / "log.db") as reader:
        listed = {row.key: row for row in await settings(reader)}
        assert await setting(reader, GRACE) == 30
        assert await setting(reader, "identity.guest_grace_minutes") == 120
    assert listed.keys() == catalogue.RULES.keys()
    assert (listed[GRACE].value, listed[GRACE].default) == (30, 120)


@pytest.mark.parametrize("rule", catalogue.RULES.values(), ids=lambda rule: rule.key)
def test_every_default_is_allowed_and_every_rule_speaks(rule: catalogue.Rule) -> None:
    assert rule.sentence.endswith(".")
    nothing = rules.InForce(value=None)
    decided = rules.change_setting(nothing, change(rule.key, rule.default), None)  # type: ignore[arg-type]
    assert isinstance(decided, Yes)


def rules_read() -> list[tuple[str, object]]:
    """(key, the loader's own default) of every live rule that a room reads while deciding."""
    engines = Path(appliance.engines.__file__).parent
    found = []
    for path in sorted(engines.rglob("*.py")):
        calls = [
            node
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "facts.setting"
        ]
        for call in calls:
            inside = vars(
                importlib.import_module(f"appliance.engines.{path.parent.name}.{path.stem}")
            )
            key, default = (eval(ast.unparse(each), dict(inside)) for each in call.args[:2])  # noqa: S307
            found.append((key, default))
    return found


def test_every_rule_that_a_room_reads_is_in_the_catalogue_with_the_same_default() -> None:
    read = rules_read()
    assert read
    assert [
        (key, default) for key, default in read if catalogue.RULES[key].default != default
    ] == []


@given(
    key=st.sampled_from(sorted(catalogue.RULES)),
    value=st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20)),
)
def test_whatever_is_asked_is_answered_and_only_fitting_values_pass(
    key: str, value: catalogue.Value | None
) -> None:
    decided = rules.change_setting(rules.InForce(value=None), change(key, value), None)  # type: ignore[arg-type]
    if isinstance(decided, No):
        assert decided.refusal in {Refusal.WRONG_TYPE, Refusal.OUT_OF_RANGE}
        return
    assert isinstance(decided, Yes)
    if value is not None:
        [event] = decided.events
        assert isinstance(event, SettingChanged)
        assert type(event.value) is catalogue.RULES[key].type
