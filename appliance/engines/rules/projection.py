"""The live rules in force: the kernel's own table, and the question a manager asks of it."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from appliance.engines.rules import catalogue
from appliance.engines.rules.messages import Scope, SettingChanged
from appliance.kernel import codec
from appliance.kernel.engine import Connection, Projection, Recorded
from appliance.kernel.reader import Reader

# The same form as in the kernel's schema.sql, which reads this table for every loader.
DDL = """
CREATE TABLE IF NOT EXISTS setting (
    scope TEXT NOT NULL,
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID
"""


def _changed(db: Connection, event: SettingChanged, _recorded: Recorded) -> None:
    where = (event.scope.value, event.key)
    db.execute("DELETE FROM setting WHERE scope = ? AND key = ?", where)
    if event.value is not None:
        value = codec.encode(event.value).decode()
        db.execute("INSERT INTO setting (scope, key, value) VALUES (?, ?, ?)", (*where, value))


PROJECTION = Projection(
    name="rules", ddl=[DDL.strip()], tables=["setting"], on={SettingChanged: _changed}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingRow:
    """A live rule with the value in force for the property."""

    key: str
    value: str | int | bool
    default: str | int | bool
    at_least: int | None
    at_most: int | None
    sentence: str


async def settings(reader: Reader) -> list[SettingRow]:
    """Every live rule, by key, changed or not."""
    rows = await reader.rows(
        "SELECT key, value FROM setting WHERE scope = ?", (Scope.PROPERTY.value,)
    )
    changed = {key: msgspec.json.decode(value) for key, value in rows}
    return [
        SettingRow(
            key=rule.key,
            value=changed.get(rule.key, rule.default),
            default=rule.default,
            at_least=rule.at_least,
            at_most=rule.at_most,
            sentence=rule.sentence,
        )
        for rule in sorted(catalogue.RULES.values(), key=lambda rule: rule.key)
    ]


async def setting(reader: Reader, key: str) -> str | int | bool:
    """One live rule in force; for what is not decided by a command (sign-in, pages)."""
    row = await reader.row(
        "SELECT value FROM setting WHERE scope = ? AND key = ?", (Scope.PROPERTY.value, key)
    )
    if row is None:
        return catalogue.RULES[key].default
    found: str | int | bool = msgspec.json.decode(row[0])
    return found
