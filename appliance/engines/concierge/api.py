"""GraphQL of the concierge: requests and their status, the same on every surface."""

from __future__ import annotations

import strawberry

from appliance.asked import Answer, Asked, Info, Minor, answer, told
from appliance.engines.concierge import projection
from appliance.engines.concierge.messages import (
    MakeRequest,
    Refusal,
    RequestStatus,
    RequestType,
    SetRequestStatus,
)
from appliance.kernel.messages import Refused, Role

_GUESTS = frozenset({Role.GUEST, Role.RESIDENT})


@strawberry.type
class Request:
    """Something asked for: type and status as in the log, in lower case."""

    id: strawberry.ID
    stay_id: strawberry.ID | None
    room_id: strawberry.ID | None
    room_number: str | None
    type: str
    status: str
    text: str
    at_ms: Minor


def _request(row: projection.RequestRow) -> Request:
    return Request(
        id=strawberry.ID(row.request_id),
        stay_id=None if row.stay_id is None else strawberry.ID(row.stay_id),
        room_id=None if row.room_id is None else strawberry.ID(row.room_id),
        room_number=row.room_number,
        type=row.type.value,
        status=row.status.value,
        text=row.text,
        at_ms=Minor(row.at_ms),
    )


async def load_requests(asked: Asked, *, open_only: bool = True) -> list[Request]:
    """Requests of the house."""
    rows = await projection.requests(asked.reader, asked.vault, open_only=open_only)
    return [_request(row) for row in rows]


async def load_requests_of_stay(asked: Asked, stay_id: str) -> list[Request]:
    """What one stay asked for, newest first."""
    rows = await projection.of_stay(asked.reader, asked.vault, stay_id)
    return [_request(row) for row in rows]


@strawberry.type
class Query:
    """Questions of the concierge."""

    @strawberry.field
    async def requests(self, info: Info, open: bool = True) -> list[Request]:  # noqa: FBT001, FBT002 - the contract's
        """Requests of the house for staff; a guest sees those of the own stay."""
        who = info.context.signed_in()
        if who.role not in _GUESTS:
            return await load_requests(info.context, open_only=open)
        mine = await load_requests_of_stay(info.context, who.actor.removeprefix("stay:"))
        waiting = {RequestStatus.PENDING, RequestStatus.ACKNOWLEDGED}
        return [each for each in mine if not open or each.status in waiting]


@strawberry.type
class Mutation:
    """Acts of the concierge."""

    @strawberry.mutation
    async def make_request(
        self,
        info: Info,
        id: str,
        type: str,
        text: str,
        stay_id: strawberry.ID | None = None,
        room_id: strawberry.ID | None = None,
    ) -> Answer:
        """Ask for something; a guest need not name the own stay."""
        who = info.context.signed_in()
        kind = type.lower()
        if kind not in set(RequestType):
            return _unknown(info, "type", [each.value for each in RequestType])
        own = who.actor.removeprefix("stay:") if who.role in _GUESTS else None
        command = MakeRequest(
            stay_id=stay_id or own, room_id=room_id, type=RequestType(kind), text=text
        )
        return await answer(info, command, id)

    @strawberry.mutation
    async def set_request_status(
        self, info: Info, id: str, request_id: strawberry.ID, status: str
    ) -> Answer:
        """Acknowledge, complete or fail a request."""
        info.context.staff()
        if status.lower() not in set(RequestStatus):
            return _unknown(info, "status", [each.value for each in RequestStatus])
        command = SetRequestStatus(request_id=request_id, status=RequestStatus(status.lower()))
        return await answer(info, command, id)


def _unknown(info: Info, field: str, expected: list[str]) -> Answer:
    """A word that is no type or status: refused before it becomes a command."""
    refusal = Refusal.WRONG_STATUS if field == "status" else Refusal.EMPTY
    detail = {"field": field, "expected": expected}
    refused = Refused(engine="concierge", code=refusal.value, detail=detail)
    return told(info.context, refused)
