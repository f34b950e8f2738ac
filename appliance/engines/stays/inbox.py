"""Questions of the inbox: what was decided without a person, and what may be done about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from appliance.engines.stays import queries
from appliance.engines.stays.decisions import COLUMNS, Made, made_of, snapshot
from appliance.engines.stays.messages import Refusal, UndoStep
from appliance.engines.stays.undoing import plan
from appliance.kernel.reader import Reader

# 500: a house of 60 rooms after three dark days changes some 70 bookings.
DECISIONS_MAX = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionLine:
    """A decision of the last days: what it changed, and what an undoing would do or why it cannot."""

    made: Made
    steps: tuple[UndoStep, ...]
    refusal: Refusal | None


async def decisions(reader: Reader, since_ms: int, today: date) -> list[DecisionLine]:
    """What was decided without a person, or by one in the inbox, since a moment; the newest first.

    The first `DECISIONS_MAX`; what changed nothing that could be put back is left out.
    """
    rows = await reader.rows(
        f"SELECT {COLUMNS} FROM stays_decision WHERE at_ms >= ? AND kind <> 'none'"  # noqa: S608
        " AND (before IS NULL OR before <> after OR kind <> 'learned')"
        " ORDER BY at_ms DESC, decision_id LIMIT ?",
        (since_ms, DECISIONS_MAX),
    )
    made = [made_of(row) for row in rows]
    stay_ids = sorted({one.stay_id for one in made})
    lines = {each.stay_id: each for each in await queries.stays_by_id(reader, stay_ids)}
    found = []
    for one in made:
        line = lines[one.stay_id]
        steps = plan(one, snapshot(line, tuple(await queries.nights(reader, one.stay_id))), today)
        found.append(
            DecisionLine(
                made=one,
                steps=() if isinstance(steps, Refusal) else steps,
                refusal=steps if isinstance(steps, Refusal) else None,
            )
        )
    return found
