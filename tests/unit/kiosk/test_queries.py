"""Every document fits the box's own schema."""

from __future__ import annotations

from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

from kiosk import queries
from support.house import ROOT
from support.needs import in_ci

SCHEMA = ROOT / "docs" / "schema.graphql"
TEXTS = {
    "changes": queries.CHANGES,
    **{act.name: act.text for act in queries.ACTS.values()},
    **{query.name: query.text for query in queries.QUERIES},
}


def schema_text(path: Path) -> str:
    if not path.exists() and not in_ci():
        pytest.skip("docs/schema.graphql is not there. Cure: write it from the web's schema")
    return path.read_text()


@pytest.mark.parametrize("name", TEXTS)
def test_a_document_fits_the_schema(name: str) -> None:
    schema = build_schema(schema_text(SCHEMA), assume_valid_sdl=True)
    assert validate(schema, parse(TEXTS[name])) == []


def test_each_act_carries_an_id() -> None:
    assert all("$id: String!" in act.text for act in queries.ACTS.values())
