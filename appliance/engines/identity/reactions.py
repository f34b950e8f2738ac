"""Who was sent away, or got another PIN, is signed out everywhere in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from appliance.engines.identity.messages import EndSession, PinChanged, StaffDeactivated
from appliance.kernel.engine import Facts, InlineReaction, Recorded
from appliance.kernel.messages import Command


def _deactivated(facts: Facts, event: StaffDeactivated, _recorded: Recorded) -> Sequence[Command]:
    return _end_all(facts, event.person_id, "deactivated")


def _pin_changed(facts: Facts, event: PinChanged, recorded: Recorded) -> Sequence[Command]:
    # Whoever changes their own PIN goes on working where they stand.
    if recorded.who.actor == f"staff:{event.person_id}":
        return []
    return _end_all(facts, event.person_id, "pin_changed")


def _end_all(facts: Facts, person_id: str, reason: str) -> list[Command]:
    rows = facts.rows(
        "SELECT session_hash FROM identity_session WHERE person_id = ? AND kind = 'staff'"
        " ORDER BY session_hash",
        (person_id,),
    )
    return [EndSession(session_hash=row[0], reason=reason) for row in rows]


INLINE: Final = [
    InlineReaction(event=StaffDeactivated, react=_deactivated),
    InlineReaction(event=PinChanged, react=_pin_changed),
]
