"""Whether a key that Mews' desk asks for is cut, and what is answered when it is not. No I/O.

A KeyCutter command names a reservation, the locks and its dates (the vendor's OpenAPI, operations,
`KeyCutterCommandData`). Whatever of that is not as the box has it is answered in one sentence to
the person at Mews' desk: a door is no place for a compromise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from appliance.engines.doors.messages import Refusal
from appliance.kernel.messages import Refused
from sync.mirror import Stay
from sync.pms.mews.words import House, utc_s

# 15 min: somebody stood at a desk and asked for a key. Whoever still waits after that has asked
# again or is in the room, and a queue of hours must not open doors when the line comes back.
KEY_AGE_S_MAX: Final = 15 * 60


# 60 s: two of the default looks. What disagrees may only be news that has not reached the box yet,
# and Mews' desk often changes a booking and asks for its key in one breath.
AGREE_S_MAX: Final = 60


class CommandState(StrEnum):
    """Life of a device command at Mews; the last three are ends."""

    PENDING = "Pending"
    RECEIVED = "Received"
    PROCESSING = "Processing"
    PROCESSED = "Processed"
    CANCELLED = "Cancelled"
    ERROR = "Error"


ENDS: Final = frozenset({CommandState.PROCESSED, CommandState.CANCELLED, CommandState.ERROR})
ON_THE_WAY: Final = (CommandState.PENDING, CommandState.RECEIVED, CommandState.PROCESSING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A device command without the guest's name; moments are seconds since 1970, UTC."""

    command_id: str
    state: CommandState
    made_s: int
    device: str
    reservation_id: str | None
    lock_ids: tuple[str, ...]
    end_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a command ends, with a sentence for Mews' desk."""

    state: CommandState
    notes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """The two sides do not agree yet; judged again soon."""

    notes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A key is to be cut for this stay."""

    stay_id: str
    room_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is known here when a command is judged."""

    now_s: int  # the vendor's time where it is known
    house: House
    stay_of: Callable[[str], Stay | None]  # by Mews' id of the reservation
    room_of: Callable[[str], str | None]  # our room for what Mews calls a lock
    number_of: Callable[[str], str]  # what stands on a room's door


def wanted_of(row: dict[str, Any]) -> Wanted | None:
    """A command as Mews lists it; None for one that is of no known form."""
    data = row.get("Data")
    data = data if isinstance(data, dict) else {}
    device = row.get("Device")
    locks = data.get("LockIds")
    end = data.get("EndUtc")
    try:
        return Wanted(
            command_id=str(row["Id"]),
            state=CommandState(row["State"]),
            made_s=utc_s(row["CreatedUtc"]),
            device=str(device.get("Type")) if isinstance(device, dict) else "",
            reservation_id=data.get("ReservationId"),
            lock_ids=tuple(str(lock) for lock in locks) if isinstance(locks, list) else (),
            end_s=None if end is None else utc_s(end),
        )
    except (KeyError, TypeError, ValueError):
        return None


def is_late(wanted: Wanted, now_s: int) -> bool:
    """Whether it has waited too long to be carried out."""
    return now_s - wanted.made_s > KEY_AGE_S_MAX


def expired(wanted: Wanted, now_s: int) -> End:
    """The end of a command that came too late."""
    minutes = (now_s - wanted.made_s) // 60
    notes = f"Expired: it reached the hotel {minutes} minutes late. Ask for the key again."
    return End(state=CommandState.CANCELLED, notes=notes)


def judge(wanted: Wanted, scene: Scene) -> Cut | End | Later:
    """What a command deserves, by what the box knew last."""
    if wanted.device != "KeyCutter":
        return _error(f"Nightporter cuts keys, it is no {wanted.device or 'such device'}.")
    if is_late(wanted, scene.now_s):
        return expired(wanted, scene.now_s)
    verdict = _of_stay(wanted, scene)
    if isinstance(verdict, Cut):
        return verdict
    soon = scene.now_s - wanted.made_s <= AGREE_S_MAX
    return Later(notes=verdict) if soon else _error(verdict)


def _of_stay(wanted: Wanted, scene: Scene) -> Cut | str:  # noqa: PLR0911 - one line for each reason
    stay = scene.stay_of(wanted.reservation_id) if wanted.reservation_id else None
    if stay is None:
        return "The hotel does not have this reservation."
    today = scene.house.day(scene.now_s)
    if stay.arrival > today:
        return f"The guest is expected on {stay.arrival}; a key is cut on that day."
    if stay.departure < today:
        return f"The stay ended on {stay.departure}."
    if stay.room_id is None:
        return "No room has been given to this reservation."
    if wanted.end_s is not None and (day := scene.house.day(wanted.end_s)) != stay.departure:
        return f"Mews has the departure on {day}, the hotel on {stay.departure}."
    if (why := _other_room(wanted, stay.room_id, scene)) is not None:
        return why
    return Cut(stay_id=stay.stay_id, room_id=stay.room_id)


def done(number: str) -> End:
    """The key is cut."""
    notes = f"Key cut for room {number}: the guest opens with their PIN or their phone."
    return End(state=CommandState.PROCESSED, notes=notes)


def refused(answer: Refused) -> End:
    """The box said no."""
    return _error(_REASONS.get(answer.code, f"The hotel's doors refused it ({answer.code})."))


NO_DOOR: Final = End(
    state=CommandState.ERROR, notes="This room has no door that Nightporter opens."
)
_REASONS: Final = {
    Refusal.HOLDER_NOT_IN_HOUSE.value: "The guest is not checked in and not expected today.",
    Refusal.HOLDER_NOT_IN_ROOM.value: "The guest lives in another room.",
    Refusal.NOT_AHEAD.value: "The guest is not checked in, and not due yet.",
    Refusal.BAD_WINDOW.value: "The stay is over: extend it first.",
    Refusal.NO_SLOT.value: "The lock has no place for another PIN: end an old key first.",
    Refusal.UNKNOWN_DOOR.value: NO_DOOR.notes,
    Refusal.UNKNOWN_HOLDER.value: "The hotel does not have this reservation.",
}


def _other_room(wanted: Wanted, room_id: str, scene: Scene) -> str | None:
    """A sentence where a lock is another room's, or none of those named is known."""
    rooms = [scene.room_of(lock) for lock in wanted.lock_ids]
    strange = next((room for room in rooms if room not in {None, room_id}), None)
    here = scene.number_of(room_id)
    if strange is not None:
        return f"Mews asks for room {scene.number_of(strange)}, the guest is in room {here}."
    if rooms and room_id not in rooms:
        return f"Mews names a lock that the hotel does not know; the guest is in room {here}."
    return None


def _error(notes: str) -> End:
    return End(state=CommandState.ERROR, notes=notes)
