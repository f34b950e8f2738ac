"""GraphQL of identity: who I am, my shift, and the staff."""

from __future__ import annotations

import asyncio

import strawberry

from appliance.asked import Answer, Asked, Info, answer, told
from appliance.engines.identity import projection
from appliance.engines.identity.messages import (
    AddStaff,
    ChangePin,
    CloseShift,
    DeactivateStaff,
    OpenShift,
    Refusal,
)
from appliance.engines.identity.pins import BadPinError, hash_pin
from appliance.kernel.messages import Refused, Role, Who

STAFF = "staff:"
STAY = "stay:"


@strawberry.type
class Me:
    """Whoever asks. A guest's name is on the stay."""

    actor: str
    name: str
    roles: list[Role]
    terminal: str | None
    shift: str | None
    stay_id: strawberry.ID | None


async def load_staff(asked: Asked) -> list[projection.StaffRow]:
    """Who may sign in at a terminal."""
    return await projection.staff(asked.reader, asked.vault)


@strawberry.type
class Query:
    """Questions of identity."""

    @strawberry.field
    async def me(self, info: Info) -> Me | None:
        """Who is signed in, or null."""
        who = info.context.who
        if who is None:
            return None
        person = await projection.person(info.context.reader, info.context.vault, _person_of(who))
        roles = [who.role] if person is None else list(person.roles)
        stay = who.actor.removeprefix(STAY) if who.actor.startswith(STAY) else None
        return Me(
            actor=who.actor,
            name="" if person is None else person.name,
            roles=roles,
            terminal=who.terminal,
            shift=who.shift,
            stay_id=None if stay is None else strawberry.ID(stay),
        )


def _person_of(who: Who) -> str:
    return who.actor.removeprefix(STAFF) if who.actor.startswith(STAFF) else ""


@strawberry.type
class Mutation:
    """Acts of identity."""

    @strawberry.mutation
    async def open_shift(self, info: Info, id: str) -> Answer:
        """Take over the terminal one is signed in at."""
        who = info.context.staff()
        command = OpenShift(person_id=_person_of(who), terminal=who.terminal or "")
        return await answer(info, command, id)

    @strawberry.mutation
    async def close_shift(
        self,
        info: Info,
        id: str,
        acknowledged: list[str] | None = None,
    ) -> Answer:
        """Hand the terminal over; every open unknown is named by its id."""
        who = info.context.staff()
        command = CloseShift(
            person_id=_person_of(who),
            terminal=who.terminal or "",
            acknowledged=tuple(acknowledged or ()),
        )
        return await answer(info, command, id)

    @strawberry.mutation
    async def add_staff(
        self,
        info: Info,
        id: str,
        person_id: strawberry.ID,
        display_name: str,
        roles: list[Role],
        pin: str,
    ) -> Answer:
        """A new person of the staff."""
        try:
            hashed = await _hashed(info, pin, id)
        except BadPinError as error:
            return _bad_pin(info, error)
        command = AddStaff(
            person_id=person_id,
            display_name=display_name,
            staff_roles=tuple(roles),
            pin_hash=hashed,
        )
        return await answer(info, command, id)

    @strawberry.mutation
    async def change_pin(
        self,
        info: Info,
        id: str,
        person_id: strawberry.ID,
        pin: str,
    ) -> Answer:
        """A new PIN for a person."""
        try:
            hashed = await _hashed(info, pin, id)
        except BadPinError as error:
            return _bad_pin(info, error)
        return await answer(info, ChangePin(person_id=person_id, pin_hash=hashed), id)

    @strawberry.mutation
    async def deactivate_staff(
        self,
        info: Info,
        id: str,
        person_id: strawberry.ID,
    ) -> Answer:
        """A person may not sign in any more."""
        return await answer(info, DeactivateStaff(person_id=person_id), id)


async def _hashed(info: Info, pin: str, command_id: str) -> str:
    """The hash of a PIN, for staff only: 45 ms of a processor are not anybody's to ask for."""
    who = info.context.staff()
    return await asyncio.to_thread(
        hash_pin, pin, info.context.vault, actor=who.actor, command_id=command_id
    )


def _bad_pin(info: Info, error: BadPinError) -> Answer:
    detail = {"why": str(error)}
    refused = Refused(engine="identity", code=Refusal.BAD_PIN.value, detail=detail)
    return told(info.context, refused)
