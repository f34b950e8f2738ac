"""A resident's keys: they go on with the lease, and end with it or by two people's own act.

Nothing here knows of money (DESIGN law 9): no rent, folio or card has a word in this file.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from appliance.engines.doors.messages import (
    EvictResident,
    HolderKind,
    LeaseRenewed,
    Refusal,
    RenewLease,
    ResidentEvicted,
)
from appliance.engines.doors.scene import Holder, holder_of
from appliance.kernel.engine import Context, Decision, Facts, Yes
from appliance.kernel.sealed import seal_later

if TYPE_CHECKING:
    from appliance.kernel.messages import Event, Who

# A paragraph: what a court would want to read.
REASON_CHARS_MAX: Final = 500


def fold_holder(state: LeaseRenewed | None, events: Iterable[Event]) -> LeaseRenewed | None:
    """The last that was agreed on a lease; None for every other holder, and after an eviction."""
    for event in events:
        match event:
            case LeaseRenewed():
                state = event
            case ResidentEvicted():
                state = None
            case _:
                pass
    return state


def lease_stream(command: RenewLease | EvictResident, _: Context) -> str:
    """One stream for each holder."""
    return f"holders/{HolderKind.LEASE}:{command.lease_id}"


def load_renew(facts: Facts, command: RenewLease, context: Context) -> LeaseRenewed | None:
    """What was agreed so far."""
    agreed: LeaseRenewed | None = facts.fold(lease_stream(command, context))
    return agreed


def load_evict(facts: Facts, command: EvictResident, _: Context) -> Holder | None:
    """Whether there is somebody to evict."""
    row = facts.row(
        "SELECT 1 FROM doors_key WHERE holder_kind = 'lease' AND holder_id = ?"
        " UNION SELECT 1 FROM doors_holder WHERE kind = 'lease' AND holder_id = ?",
        (command.lease_id, command.lease_id),
    )
    return None if row is None else holder_of(facts, HolderKind.LEASE, command.lease_id)


def renew_lease(agreed: LeaseRenewed | None, command: RenewLease, _: Context) -> Decision:
    """The same said again is no news."""
    event = LeaseRenewed(lease_id=command.lease_id, room_id=command.room_id, until=command.until)
    events = [] if agreed == event else [event]
    return Yes(events=events, result={"lease_id": command.lease_id})


def evict_resident(holder: Holder | None, command: EvictResident, context: Context) -> Decision:
    """Two managers, one reason; everything else that looks like it is refused."""
    if holder is None:
        return Refusal.UNKNOWN_LEASE
    reason = command.reason.strip()
    if not reason:
        return Refusal.REASON_NEEDED
    if len(reason) > REASON_CHARS_MAX:
        return Refusal.TOO_LONG
    if not is_second(context.who):
        return Refusal.NEEDS_SECOND
    return [
        ResidentEvicted(
            lease_id=command.lease_id, reason=seal_later(f"lease:{command.lease_id}", reason)
        )
    ]


def is_second(who: Who) -> bool:
    """Whether somebody other than the asker has approved."""
    second = who.approved_by
    return bool(second) and who.actor != f"staff:{str(second).removeprefix('staff:')}"
