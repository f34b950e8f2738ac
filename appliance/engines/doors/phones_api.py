"""GraphQL of phones: enrolled by the one who holds them, and given keys that end soon."""

from __future__ import annotations

import base64
from typing import Annotated, Final

import strawberry

from appliance.asked import Answer, Asked, Info, Minor, answer
from appliance.engines.doors import mobile, queries
from appliance.engines.doors.messages import EnrolPhone, HolderKind, RemovePhone
from appliance.kernel.edicts import NONCE_BYTES

# A point in hex has 130 characters; what is longer is cut, and refused for what it is.
POINT_CHARS_MAX: Final = 131
# Named `id` in the schema, as every command's id is.
CommandId = Annotated[str, strawberry.argument(name="id")]


@strawberry.type
class Phone:
    """A phone of the asker's that gets keys."""

    id: strawberry.ID
    enrolled_ms: Minor


@strawberry.type
class MobileKey:
    """A key for this phone alone; bytes are base64. It ends within 26 h: fetch it again each day.

    `lock_point` null: the phone cannot know this lock; `tunnel`: the box can carry its frames;
    `tag`: what this lock advertises, if its driver was given no salt of its own.
    """

    door_id: strawberry.ID
    title: str
    number: Minor
    credential: str
    ends_s: Minor
    lock_point: str | None
    service: str
    protocol: str
    tunnel: bool
    tag: str | None


@strawberry.type
class Query:
    """Questions of phones."""

    @strawberry.field
    async def phones(self, info: Info) -> list[Phone]:
        """The asker's own phones, newest first."""
        kind, holder_id = _holder(info.context)
        found = await queries.phones_of(info.context.reader, kind, holder_id)
        return [
            Phone(id=strawberry.ID(phone.phone_id), enrolled_ms=Minor(phone.enrolled_at_ms))
            for phone in found
        ]

    @strawberry.field
    async def mobile_keys(self, info: Info, phone_id: strawberry.ID) -> list[MobileKey] | None:
        """Keys for one of the asker's own phones; null: it is not enrolled."""
        asked = info.context
        holder = _holder(asked)
        phone = await queries.phone_of(asked.reader, *holder, str(phone_id))
        if phone is None:
            return None
        made = await mobile.bundles(
            asked.reader, asked.ports.locksmith, holder, phone.point, asked.clock.read()
        )
        return [_mobile_key(bundle) for bundle in made]

    @strawberry.field
    async def lock_time(self, info: Info, nonce: str) -> str | None:
        """The time, signed for the lock that made up this nonce (16 bytes, hex); base64.

        For a lock that lost its clock, carried by a phone at its door. Null while the box itself
        is not sure, and for what is no nonce.
        """
        asked = info.context
        asked.signed_in()
        now = asked.clock.read()
        try:
            made_up = bytes.fromhex(nonce) if len(nonce) == 2 * NONCE_BYTES else b""
        except ValueError:
            made_up = b""
        if len(made_up) != NONCE_BYTES or not now.sure:
            return None
        signed: bytes = asked.ports.locksmith.time(made_up, now.wall_s)
        return base64.b64encode(signed).decode()


@strawberry.type
class Mutation:
    """Acts with phones."""

    @strawberry.mutation
    async def enrol_phone(self, info: Info, command_id: CommandId, point: str) -> Answer:
        """This phone for its holder. `point`: 65 bytes of P-256 in hex; its key stays in it."""
        kind, holder_id = _holder(info.context)
        command = EnrolPhone(holder_kind=kind, holder_id=holder_id, point=point[:POINT_CHARS_MAX])
        return await answer(info, command, command_id)

    @strawberry.mutation
    async def remove_phone(
        self,
        info: Info,
        command_id: CommandId,
        phone_id: strawberry.ID,
        stay_id: strawberry.ID | None = None,
    ) -> Answer:
        """A phone of the asker's own, or for the desk one of a stay, gets no key any more."""
        kind, holder_id = _holder(info.context)
        if stay_id is not None:
            kind, holder_id = HolderKind.STAY, str(stay_id)
        command = RemovePhone(holder_kind=kind, holder_id=holder_id, phone_id=str(phone_id)[:80])
        return await answer(info, command, command_id)


def _holder(asked: Asked) -> tuple[HolderKind, str]:
    """Whoever asks, as a holder of keys."""
    kind, _, holder_id = asked.signed_in().actor.partition(":")
    return HolderKind(kind), holder_id


def _mobile_key(bundle: mobile.Bundle) -> MobileKey:
    point = bundle.lock_point
    return MobileKey(
        door_id=strawberry.ID(bundle.door_id),
        title=bundle.title,
        number=Minor(bundle.number),
        credential=base64.b64encode(bundle.credential).decode(),
        ends_s=Minor(bundle.ends_s),
        lock_point=None if point is None else base64.b64encode(point).decode(),
        service=mobile.NPK_SERVICE,
        protocol=bundle.protocol,
        tunnel=bundle.tunnel,
        tag=None if bundle.tag is None else base64.b64encode(bundle.tag).decode(),
    )
