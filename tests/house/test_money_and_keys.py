"""DESIGN law 9, from both sides: no door hears of money, and money asks nothing of a door."""

from __future__ import annotations

import ast
from pathlib import Path

from appliance.engines.doors.room import ENGINE as DOORS
from appliance.engines.payments.messages import PaymentSettled
from appliance.engines.payments.room import ENGINE as PAYMENTS
from appliance.kernel.engine import Engine
from appliance.rooms import ENGINES
from support.house import ROOT, tree_of

ROOMS = ROOT / "appliance" / "engines"


def heard_by(engine: Engine) -> set[str]:
    """The kinds of facts an engine takes in, by whatever way."""
    parts = [engine.projection, *engine.views, *engine.reactions]
    heard = {event.kind for part in parts if part is not None for event in part.on}
    return heard | {reaction.event.kind for reaction in engine.inline}


def imported_by(folder: Path) -> set[str]:
    return {
        name
        for path in folder.rglob("*.py")
        for node in ast.walk(tree_of(path))
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else []
        )
    }


def test_doors_hear_nothing_of_money() -> None:
    assert not {kind for kind in heard_by(DOORS) if kind.startswith("payments.")}
    assert not {name for name in imported_by(ROOMS / "doors") if "payments" in name}


def test_money_asks_nothing_of_doors() -> None:
    assert not {kind for kind in heard_by(PAYMENTS) if kind.startswith("doors.")}
    assert not {name for name in imported_by(ROOMS / "payments") if "doors" in name}


def test_no_query_of_doors_reads_a_table_of_money() -> None:
    for path in (ROOMS / "doors").glob("*.py"):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert "payments_" not in node.value, path.name


def test_settled_money_reaches_the_books_and_no_other_engine() -> None:
    """`notices` may join them when it is built; doors never."""
    hearing = {engine.name for engine in ENGINES if PaymentSettled.kind in heard_by(engine)}
    assert hearing <= {"payments", "notices"}
