"""The live rules as the composition root hands them to the kernel."""

from __future__ import annotations

from typing import Final

import msgspec

from appliance.engines.rules import rules
from appliance.engines.rules.messages import ChangeSetting
from appliance.engines.rules.projection import PROJECTION
from appliance.kernel.engine import Context, Engine, Facts, Handling

STREAM = "rules/settings"


def _load(facts: Facts, command: ChangeSetting, _context: Context) -> rules.InForce:
    row = facts.row(
        "SELECT value FROM setting WHERE scope = ? AND key = ?",
        (command.scope.value, command.key),
    )
    return rules.InForce(value=None if row is None else msgspec.json.decode(row[0]))


ENGINE: Final = Engine(
    name="rules",
    handlings=[
        Handling(
            command=ChangeSetting,
            stream=lambda *_: STREAM,
            load=_load,
            decide=rules.change_setting,
        )
    ],
    projection=PROJECTION,
)
