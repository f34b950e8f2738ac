"""GraphQL of keys for every door: for managers, and where one was seen for everybody at work."""

from __future__ import annotations

import base64

import strawberry

from appliance.asked import Answer, Asked, Info, Minor, NotForYouError, answer
from appliance.engines.doors import messages, queries
from appliance.engines.doors.messages import (
    MANAGERS,
    CutMaster,
    NoteMasterShown,
    RevokeMaster,
)
from appliance.kernel.messages import Done

MasterKind = strawberry.enum(messages.MasterKind, name="MasterKind")


@strawberry.type
class Master:
    """A key for every door: who answers for it, and where it is kept."""

    id: strawberry.ID
    kind: MasterKind  # type: ignore[valid-type]
    holder: str
    label: str
    on_phone: bool
    valid_until_s: Minor
    live: bool


@strawberry.type
class MasterUse:
    """Where a key for every door was seen, by the lock's own clock."""

    master_id: strawberry.ID
    holder: str
    label: str
    door_id: strawberry.ID
    door_title: str
    event: str
    at_ms: Minor


@strawberry.type
class Query:
    """Questions of keys for every door."""

    @strawberry.field
    async def masters(self, info: Info) -> list[Master]:
        """The list of the sealed envelopes."""
        asked = info.context
        _manager(asked)
        now_s = asked.clock.read().wall_s
        return [
            Master(
                id=strawberry.ID(row.master_id),
                kind=row.kind,
                holder=row.holder_id,
                label=row.label,
                on_phone=row.point is not None,
                valid_until_s=Minor(row.valid_until_s),
                live=row.revoked_at_ms is None and now_s < row.valid_until_s,
            )
            for row in await queries.masters(asked.reader)
        ]

    @strawberry.field
    async def master_uses(self, info: Info, limit: int = 50) -> list[MasterUse]:
        """Where one was seen, newest first."""
        info.context.staff()
        return [
            MasterUse(
                master_id=strawberry.ID(row.master_id),
                holder=row.holder_id,
                label=row.label,
                door_id=strawberry.ID(row.door_id),
                door_title=row.door_title,
                event=row.event.value,
                at_ms=Minor(row.device_wall_ms),
            )
            for row in await queries.master_uses(info.context.reader, max(0, limit))
        ]


@strawberry.type
class Mutation:
    """Acts on keys for every door."""

    @strawberry.mutation
    async def cut_master(  # noqa: PLR0913 - what there is to say of such a key
        self,
        info: Info,
        id: str,
        kind: MasterKind,  # type: ignore[valid-type]
        holder_id: str,
        label: str,
        valid_until_s: Minor,
        *,
        point: str | None = None,
        approved_by: str | None = None,
        approved_pin: str | None = None,
    ) -> Answer:
        """A key for every door: for a phone, or for a card in a sealed envelope."""
        asked = info.context
        asked.staff()
        if approved_by is not None:
            await asked.ports.approve(asked, approved_by, approved_pin or "", MANAGERS)
        command = CutMaster(
            master_kind=kind,
            holder_id=holder_id,
            label=label,
            valid_until_s=int(valid_until_s),
            point=point,
        )
        return await answer(info, command, id, approved_by)

    @strawberry.mutation
    async def revoke_master(
        self,
        info: Info,
        id: str,
        master_id: strawberry.ID,
        reason: str = "",
    ) -> Answer:
        """End one; every lock is told."""
        asked = info.context
        asked.staff()
        return await answer(info, RevokeMaster(master_id=str(master_id), reason=reason[:200]), id)

    @strawberry.mutation
    async def reveal_master(self, info: Info, master_id: strawberry.ID) -> str | None:
        """The key itself, for a card or a phone; that it was handed out is a fact first."""
        asked = info.context
        _manager(asked)
        found = await queries.masters(asked.reader)
        master = next((each for each in found if each.master_id == str(master_id)), None)
        now = asked.clock.read()
        look = NoteMasterShown(master_id=str(master_id))
        said = await asked.ask(look, f"master:{master_id}:{now.boot_id}:{now.boot_ms}")
        if master is None or not isinstance(said, Done):
            return None
        key: bytes = asked.ports.locksmith.master(
            cti=master.cti,
            from_s=master.valid_from_s,
            until_s=master.valid_until_s,
            point=master.point,
            emergency=master.kind is messages.MasterKind.EMERGENCY,
        )
        return base64.urlsafe_b64encode(key).decode("ascii")


def _manager(asked: Asked) -> None:
    if asked.staff().role not in MANAGERS:
        raise NotForYouError
