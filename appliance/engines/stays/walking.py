"""More guests than rooms: who might be asked to sleep elsewhere, where, and by when to decide.

A guest in house is never asked. The first to be asked is who arrives last, for one night, at the
lowest rate, from a portal; and what is offered first is a better room.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from appliance.engines.stays.messages import (
    ConflictOverdue,
    ConflictRaised,
    GuestWalked,
    NoteOverbooked,
    Refusal,
    Rehouse,
    RemindConflict,
    StayCancelled,
    StayState,
    WalkGuest,
)
from appliance.engines.stays.rooming import start_of
from appliance.engines.stays.rules import (
    assigned,
    not_confirmed,
    room_refusal,
    sealed_for,
    text_refusal,
)
from appliance.engines.stays.scene import Scene, has_managers_word
from appliance.engines.stays.state import Stay
from appliance.kernel.engine import Context, Decision, No, Yes
from appliance.kernel.money import AMOUNT_MINOR_MAX, exponent

# Arrivals nearer than this have a clock (anchors.md 5.5 P1).
NEAR_S: Final = 24 * 3_600
# When a guest is expected who has not said when: the usual check-in time.
EXPECTED_AT: Final = time(15)
# What a booking's channel is called where no portal takes a commission of it.
DIRECT: Final = frozenset({"", "direct", "walk_in", "pms", "web", "phone", "email", "hotel"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A stay that is not in house and has a room of the crowded type in the crowded night."""

    stay_id: str
    arrival: date
    departure: date
    eta: str
    channel: str
    total_minor: int
    currency: str
    room_type_id: str

    @property
    def nights(self) -> int:
        """How many nights it has."""
        return (self.departure - self.arrival).days

    @property
    def rate_minor(self) -> int:
        """What a night costs, on the average."""
        return self.total_minor // max(1, self.nights)

    @property
    def ota(self) -> bool:
        """Whether a portal sold it."""
        return self.channel not in DIRECT


def ranked(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The first to be asked first."""
    return sorted(candidates, key=_order)


def _order(each: Candidate) -> tuple[int, int, bool, int, bool, str]:
    at = _clock(each.eta)
    return (
        -each.arrival.toordinal(),
        -(at.hour * 60 + at.minute),
        each.nights != 1,
        each.rate_minor,
        not each.ota,
        each.stay_id,
    )


class Way(StrEnum):
    """What may be offered to a guest whom there is no room for, the first one first."""

    UPGRADE = "upgrade"
    OTHER = "other"
    WALK = "walk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A room type with what is free of it in every night that is asked about."""

    room_type_id: str
    title: str
    rate_minor: int
    free: int
    room_id: str | None  # the first of them
    room_number: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One way out; of `WALK` there is no room."""

    way: Way
    kind: Kind | None


def alternatives(sold: str, kinds: Mapping[str, Kind]) -> list[Alternative]:
    """A better room at the same price, the nearest first; then any other; then another house."""
    own_rate = kinds[sold].rate_minor if sold in kinds else 0
    free = [each for each in kinds.values() if each.free > 0 and each.room_id is not None]
    better = sorted(
        (each for each in free if each.rate_minor > own_rate and each.room_type_id != sold),
        key=lambda each: (each.rate_minor, each.room_type_id),
    )
    others = sorted(
        (each for each in free if each not in better),
        key=lambda each: (each.room_type_id != sold, -each.rate_minor, each.room_type_id),
    )
    return [
        *(Alternative(way=Way.UPGRADE, kind=each) for each in better),
        *(Alternative(way=Way.OTHER, kind=each) for each in others),
        Alternative(way=Way.WALK, kind=None),
    ]


def decide_by_ms(arrival: date, eta: str, *, zone: str, now_ms: int, minutes: int) -> int:
    """UTC ms: the minutes count from now, or from a day before the arrival where that is later."""
    expected = datetime.combine(arrival, _clock(eta), tzinfo=ZoneInfo(zone))
    near_ms = int((expected - timedelta(seconds=NEAR_S)).timestamp() * 1000)
    return max(now_ms, near_ms) + minutes * 60_000


def _clock(eta: str) -> time:
    try:
        return time.fromisoformat(eta)
    except ValueError:
        return EXPECTED_AT


def rehouse(state: tuple[Scene, str | None], command: Rehouse, _context: Context) -> Decision:
    """The hold moves to the room's type in the same transaction, or nothing moves."""
    scene, room_id = state
    stay = scene.stay
    refusal = not_confirmed(stay) or _kind_refusal(scene, command, room_id)
    if refusal is not None:
        return refusal
    assert stay is not None, "refused above"
    room = scene.rooms[room_id or ""]
    start = start_of(scene, stay)
    if start >= stay.departure:
        return Refusal.BAD_DATES
    if stay.room_id == room.room_id:
        return Refusal.SAME_ROOM
    result = {"room_id": room.room_id, "room_type_id": room.room_type_id}
    return Yes(events=[assigned(stay, room, start)], result=result)


def _kind_refusal(scene: Scene, command: Rehouse, room_id: str | None) -> Refusal | No | None:
    detail = {"room_type_id": command.room_type_id}
    if command.room_type_id not in scene.room_types:
        return No(refusal=Refusal.UNKNOWN_ROOM_TYPE, detail=detail)
    if room_id is None:
        return No(refusal=Refusal.NO_FREE_ROOM, detail=detail)
    room = scene.rooms.get(room_id)
    if room is not None and room.room_type_id != command.room_type_id:
        return No(refusal=Refusal.UNKNOWN_ROOM, detail={"room_id": room_id})
    return room_refusal(room)


def walk_guest(scene: Scene, command: WalkGuest, context: Context) -> Decision:
    """Nobody who is here is walked; where to and what it costs is written down."""
    stay = scene.stay
    refusal = not_confirmed(stay)
    if refusal is not None:
        return refusal
    assert stay is not None, "refused above"
    if not has_managers_word(context):
        return Refusal.NEEDS_MANAGER
    where_to = command.where_to.strip()
    refusal = Refusal.EMPTY if not where_to else text_refusal(where_to)
    if refusal is not None:
        return refusal
    if not 0 <= command.cost_minor <= AMOUNT_MINOR_MAX or not _is_currency(command.currency):
        return Refusal.BAD_AMOUNT
    given_away = [night.date for night in stay.nights if night.date >= scene.business_date]
    walked = GuestWalked(
        stay_id=stay.stay_id,
        where_to=sealed_for(stay.stay_id, where_to),
        cost_minor=command.cost_minor,
        currency=command.currency,
        nights=tuple(given_away),
    )
    reason = sealed_for(stay.stay_id, f"walked to {where_to}")
    ended = StayCancelled(stay_id=stay.stay_id, by_upstream=False, reason=reason)
    return Yes(events=[walked, ended], result={"stay_id": stay.stay_id})


def _is_currency(letters: str) -> bool:
    try:
        exponent(letters)
    except ValueError:
        return False
    return True


def no_room_text(room_type_id: str) -> str:
    """What the box says of an overbooked type."""
    return f"no room of type {room_type_id} is left"


def note_overbooked(scene: Scene, command: NoteOverbooked, context: Context) -> Decision:
    """The calendar's word becomes a conflict while there is somebody to decide about."""
    stay = scene.stay
    if stay is None:
        return Refusal.UNKNOWN_STAY
    ahead = [night for night in command.nights if night >= scene.business_date]
    over = stay.state not in {StayState.CONFIRMED, StayState.IN_HOUSE}
    if over or (command.nights and not ahead):
        return []
    what = "overbooked" if ahead else "at_risk"
    said = ", ".join(night.isoformat() for night in ahead)
    if stay.conflict_open(what, said):
        return []
    return [
        ConflictRaised(
            stay_id=stay.stay_id,
            conflict_id=context.new_id("conflict", stay.stay_id, what),
            what=what,
            box_says=no_room_text(command.room_type_id)
            if ahead
            else f"sold beyond the offline allotment of {command.room_type_id}",
            upstream_says=said,
            upstream_version=stay.says.version if stay.says else None,
            nights=tuple(ahead),
            decide_by_ms=_due(scene, stay, context) if ahead else None,
        )
    ]


def _due(scene: Scene, stay: Stay, context: Context) -> int | None:
    if stay.state is not StayState.CONFIRMED or scene.zone is None:
        return None
    return decide_by_ms(
        stay.arrival,
        stay.eta,
        zone=scene.zone,
        now_ms=context.now.wall_ms,
        minutes=scene.walk_minutes,
    )


def remind_conflict(scene: Scene, command: RemindConflict, context: Context) -> Decision:
    """Once, and only of what is open and due."""
    stay = scene.stay
    if stay is None:
        return Refusal.UNKNOWN_STAY
    conflict = stay.conflicts.get(command.conflict_id)
    if conflict is None:
        return Refusal.UNKNOWN_CONFLICT
    by_ms = conflict.decide_by_ms
    if conflict.settled or conflict.overdue or by_ms is None or context.now.wall_ms < by_ms:
        return []
    return [
        ConflictOverdue(stay_id=stay.stay_id, conflict_id=command.conflict_id, decide_by_ms=by_ms)
    ]
