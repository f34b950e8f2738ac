"""Who may ask for what, how much of it, and how a request moves on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from appliance.engines.concierge.messages import (
    MakeRequest,
    Refusal,
    RequestMade,
    RequestStatus,
    RequestStatusSet,
    RequestType,
    SetRequestStatus,
)
from appliance.engines.stays.messages import StayState
from appliance.kernel.engine import Context, Decision, No, Yes
from appliance.kernel.messages import Event, Role
from appliance.kernel.sealed import seal_later
from appliance.kernel.values import derived_id, looks_like_card_number

TEXT_CHARS_MAX = 500
OPEN_MAX = 20
GUESTS = frozenset({Role.GUEST, Role.RESIDENT})
# These say nothing by themselves; the others are understood without a word.
NEED_WORDS = frozenset({RequestType.OTHER, RequestType.MAINTENANCE})
# A broken tap stays in its room when the guest moves; towels follow the guest.
OF_THE_ROOM = frozenset({RequestType.MAINTENANCE, RequestType.LEAK})
OPEN = frozenset({RequestStatus.PENDING, RequestStatus.ACKNOWLEDGED})
# Whose key a text of the house itself is sealed with: it is nobody's personal data.
HOUSE: Final = "house"

FOLLOWS: Final = MappingProxyType(
    {
        RequestStatus.PENDING: frozenset(
            {RequestStatus.ACKNOWLEDGED, RequestStatus.COMPLETED, RequestStatus.FAILED}
        ),
        RequestStatus.ACKNOWLEDGED: frozenset({RequestStatus.COMPLETED, RequestStatus.FAILED}),
        RequestStatus.COMPLETED: frozenset[RequestStatus](),
        RequestStatus.FAILED: frozenset[RequestStatus](),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StayNow:
    """What the engine's own copy says of a stay."""

    state: StayState
    room_id: str | None
    open_requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a new request is judged by; `stay` None: none was named, or it is unknown."""

    stay: StayNow | None
    room_known: bool
    open_max: int = OPEN_MAX


def fold(state: RequestStatus | None, events: Iterable[Event]) -> RequestStatus | None:
    """Where one request is after more facts; None: it was never made."""
    now = state
    for event in events:
        if isinstance(event, RequestMade):
            now = RequestStatus.PENDING
        elif isinstance(event, RequestStatusSet):
            now = event.status
    return now


def make_request(scene: Scene, command: MakeRequest, context: Context) -> Decision:
    """A guest asks for the own stay, where it lives now; staff and the house for anything."""
    refusal = _asker_refusal(scene, command, context) or _text_refusal(command)
    if refusal is not None:
        return refusal
    room_id = command.room_id
    if scene.stay is not None and (context.who.role in GUESTS or room_id is None):
        # A guest's page may be older than a move.
        room_id = scene.stay.room_id
    elif not scene.room_known:
        return Refusal.UNKNOWN_ROOM
    request_id = context.new_id("request")
    event = RequestMade(
        request_id=request_id,
        asker=context.who.actor,
        stay_id=command.stay_id,
        room_id=room_id,
        type=command.type,
        text=seal_later(_subject(command, context), command.text.strip()),
        at_ms=context.now.wall_ms,
    )
    return Yes(events=[event], result={"request_id": request_id})


def _subject(command: MakeRequest, context: Context) -> str:
    """Whose words these are: the guest who asks, or whoever booked, or nobody's."""
    if command.stay_id is None:
        return HOUSE
    if context.who.role in GUESTS and context.who.on_behalf_of:
        return context.who.on_behalf_of
    return derived_id("person", command.stay_id, "0")


def _asker_refusal(scene: Scene, command: MakeRequest, context: Context) -> Refusal | None:
    guest = context.who.role in GUESTS
    if guest and context.who.actor != f"stay:{command.stay_id}":
        return Refusal.NOT_YOURS
    if command.stay_id is None:
        return None
    if scene.stay is None:
        return Refusal.UNKNOWN_STAY
    # Staff prepares what a guest on the way asked for on the telephone.
    expected = {StayState.IN_HOUSE} if guest else {StayState.IN_HOUSE, StayState.CONFIRMED}
    if scene.stay.state not in expected:
        return Refusal.NOT_IN_HOUSE
    return Refusal.TOO_MANY_OPEN if scene.stay.open_requests >= scene.open_max else None


def _text_refusal(command: MakeRequest) -> Refusal | None:
    if command.type in NEED_WORDS and not command.text.strip():
        return Refusal.EMPTY
    if len(command.text) > TEXT_CHARS_MAX:
        return Refusal.TOO_LONG
    return Refusal.CARD_NUMBER if looks_like_card_number(command.text) else None


def set_request_status(
    status: RequestStatus | None, command: SetRequestStatus, _context: Context
) -> Decision:
    """Forward only; saying again what is so is no fact."""
    if status is None:
        return Refusal.UNKNOWN_REQUEST
    result = {"request_id": command.request_id, "status": command.status.value}
    if status is command.status:
        return Yes(events=[], result=result)
    if command.status not in FOLLOWS[status]:
        return No(refusal=Refusal.WRONG_STATUS, detail={"status": status.value})
    event = RequestStatusSet(request_id=command.request_id, status=command.status)
    return Yes(events=[event], result=result)
