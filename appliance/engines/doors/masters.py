"""Keys for every door: few, known by name, approved by two, and loud wherever one is seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from appliance.engines.doors.ahead import cti_of
from appliance.engines.doors.leases import is_second
from appliance.engines.doors.messages import (
    CutMaster,
    HolderKind,
    MasterCut,
    MasterRevoked,
    MasterShown,
    MasterUsed,
    NoteMasterShown,
    NoteMasterUsed,
    Refusal,
    RevokeMaster,
)
from appliance.engines.doors.phones import point_of_hex
from appliance.engines.doors.scene import Holder, holder_of
from appliance.engines.doors.windows import BACKDATED_S, LENGTH_S_MAX
from appliance.kernel.engine import Context, Decision, Facts, Yes

if TYPE_CHECKING:
    from appliance.kernel.messages import Event

# "Night porter's safe, envelope 3".
LABEL_CHARS_MAX: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Master:
    """A key for every door."""

    master_id: str
    holder_id: str
    cti: str
    valid_until_s: int
    revoked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterScene:
    """The key, and whoever is to answer for a new one."""

    master: Master | None
    holder: Holder | None = None


def fold_master(state: Master | None, events: Iterable[Event]) -> Master | None:
    """One key for every door after some more facts."""
    for event in events:
        match event:
            case MasterCut():
                state = Master(
                    master_id=event.master_id,
                    holder_id=event.holder_id,
                    cti=event.cti,
                    valid_until_s=event.valid_until_s,
                )
            case MasterRevoked() if state is not None:
                state = replace(state, revoked=True)
            case _:
                pass
    return state


def cut_stream(_: CutMaster, context: Context) -> str:
    """A stream of its own for each."""
    return f"masters/{context.new_id('master')}"


def master_stream(command: RevokeMaster | NoteMasterShown | NoteMasterUsed, _: Context) -> str:
    """The key's own stream."""
    return f"masters/{command.master_id}"


def load_cut(facts: Facts, command: CutMaster, _: Context) -> MasterScene:
    """Whoever is to answer for it."""
    return MasterScene(master=None, holder=holder_of(facts, HolderKind.STAFF, command.holder_id))


def load_master(
    facts: Facts, command: RevokeMaster | NoteMasterShown | NoteMasterUsed, _: Context
) -> MasterScene:
    """The key."""
    return MasterScene(master=facts.fold(f"masters/{command.master_id}"))


def cut_master(scene: MasterScene, command: CutMaster, context: Context) -> Decision:
    """Two managers, one holder, a year at most, and never on an unsure clock."""
    if scene.holder is None or scene.holder.state != "active":
        return Refusal.UNKNOWN_HOLDER
    if (refusal := _unfit(command, context)) is not None:
        return refusal
    master_id = context.new_id("master")
    event = MasterCut(
        master_id=master_id,
        master_kind=command.master_kind,
        holder_id=command.holder_id,
        label=command.label.strip(),
        cti=cti_of(master_id),
        point=None if command.point is None else command.point.lower(),
        valid_from_s=context.now.wall_s - BACKDATED_S,
        valid_until_s=command.valid_until_s,
    )
    return Yes(events=[event], result={"master_id": master_id})


def _unfit(command: CutMaster, context: Context) -> Refusal | None:
    if not is_second(context.who):
        return Refusal.NEEDS_SECOND
    if not command.label.strip():
        return Refusal.REASON_NEEDED
    if len(command.label) > LABEL_CHARS_MAX:
        return Refusal.TOO_LONG
    if command.point is not None and point_of_hex(command.point) is None:
        return Refusal.BAD_POINT
    length_s = command.valid_until_s - context.now.wall_s
    return None if context.now.sure and 0 < length_s <= LENGTH_S_MAX else Refusal.BAD_WINDOW


def revoke_master(scene: MasterScene, command: RevokeMaster, _: Context) -> Decision:
    """The end of one; a second end is no news."""
    master = scene.master
    if master is None:
        return Refusal.UNKNOWN_MASTER
    if master.revoked:
        return []
    return [MasterRevoked(master_id=master.master_id, cti=master.cti, reason=command.reason)]


def note_shown(scene: MasterScene, _command: NoteMasterShown, context: Context) -> Decision:
    """One that is over is handed to nobody."""
    master = scene.master
    if master is None or master.revoked:
        return Refusal.UNKNOWN_MASTER
    if master.valid_until_s <= context.now.wall_s:
        return Refusal.KEY_EXPIRED
    return [MasterShown(master_id=master.master_id, holder_id=master.holder_id)]


def note_used(scene: MasterScene, command: NoteMasterUsed, _: Context) -> Decision:
    """Wherever one is seen, and whatever the lock said to it."""
    if scene.master is None:
        return Refusal.UNKNOWN_MASTER
    return [
        MasterUsed(
            master_id=command.master_id,
            holder_id=scene.master.holder_id,
            door_id=command.door_id,
            device_id=command.device_id,
            seq=command.seq,
            event=command.event,
            device_wall_ms=command.device_wall_ms,
        )
    ]
