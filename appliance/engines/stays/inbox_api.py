"""GraphQL of the inbox: decisions that can be taken back, each with what that would do."""

from __future__ import annotations

import strawberry

from appliance.asked import Answer, Asked, Info, Minor, answer
from appliance.engines.stays import inbox, messages
from appliance.engines.stays.decisions import Made, Snapshot
from appliance.engines.stays.merging import price_text
from appliance.engines.stays.messages import UndoDecision
from appliance.engines.stays.scene import UNDO_HOURS
from appliance.kernel.messages import Refused

HOUR_MS = 3_600_000

UndoStep = strawberry.enum(messages.UndoStep, name="UndoStep")


@strawberry.type
class DecisionChange:
    """One thing that a decision changed in a stay."""

    what: str
    before: str
    after: str


@strawberry.type
class Decision:
    """What the box decided by itself, or a person in the inbox, within the hours of an undoing.

    Without `steps` it cannot be undone, and `why` is the sentence for that.
    """

    id: strawberry.ID
    stay_id: strawberry.ID
    kind: str
    at_ms: Minor
    by: str
    changes: list[DecisionChange]
    conflicts_closed: int
    steps: list[UndoStep]  # type: ignore[valid-type]
    undoable: bool
    why: str
    until_ms: Minor


@strawberry.type
class Query:
    """Questions of the inbox."""

    @strawberry.field
    async def decisions(self, info: Info) -> list[Decision]:
        """What can be undone, or was not long ago, the newest first."""
        asked = info.context
        asked.staff()
        today = await asked.business_date()
        if today is None:
            return []
        window_ms = await undo_hours(asked) * HOUR_MS
        since_ms = asked.clock.read().wall_ms - window_ms
        found = await inbox.decisions(asked.reader, since_ms, today)
        return [_decision(asked, line, window_ms) for line in found]


async def undo_hours(asked: Asked) -> int:
    """The live rule in force."""
    row = await asked.reader.row(
        "SELECT value FROM setting WHERE scope = 'property' AND key = 'stays.undo_hours'"
    )
    return UNDO_HOURS if row is None else int(row[0])


def _decision(asked: Asked, line: inbox.DecisionLine, window_ms: int) -> Decision:
    made = line.made
    why = ""
    if line.refusal is not None:
        why = asked.say(Refused(engine="stays", code=line.refusal.value, detail={}))
    return Decision(
        id=strawberry.ID(made.decision_id),
        stay_id=strawberry.ID(made.stay_id),
        kind=made.kind,
        at_ms=Minor(made.at_ms),
        by=made.by,
        changes=_changes(made),
        conflicts_closed=len(made.conflicts),
        steps=list(line.steps),
        undoable=line.refusal is None,
        why=why,
        until_ms=Minor(made.at_ms + window_ms),
    )


def _changes(made: Made) -> list[DecisionChange]:
    if made.before is None or made.after is None:
        return []
    return [
        DecisionChange(what=name, before=one, after=other)
        for name in ("state", "arrival", "departure", "room_type_id", "room_id", "nights")
        if (one := _text(made.before, name)) != (other := _text(made.after, name))
    ]


def _text(stay: Snapshot, name: str) -> str:
    if name == "nights":
        return ", ".join(price_text(night) for night in stay.nights)
    return str(getattr(stay, name) or "")


@strawberry.type
class Mutation:
    """Acts of the inbox."""

    @strawberry.mutation
    async def undo_decision(
        self, info: Info, id: str, stay_id: strawberry.ID, decision_id: strawberry.ID
    ) -> Answer:
        """Put the stay where it was before the decision."""
        command = UndoDecision(stay_id=str(stay_id), decision_id=str(decision_id))
        return await answer(info, command, id)
