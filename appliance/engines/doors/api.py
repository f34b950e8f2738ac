"""GraphQL of doors: keys of a stay, a press and its honest end, the access log."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any, Final

import strawberry
from graphql import GraphQLError

from appliance.asked import Answer, Asked, Date, Info, Minor, NotForYouError, answer, told
from appliance.bus import words
from appliance.bus.words import DeviceKind
from appliance.devices import Device, seen
from appliance.engines.doors import queries
from appliance.engines.doors.messages import (
    DESK,
    MANAGERS,
    CutKey,
    EvictResident,
    HolderKind,
    KeyReason,
    NotePinShown,
    OpenDoor,
    RenewLease,
    RevokeKey,
)
from appliance.kernel import messages
from appliance.kernel.messages import Done, Refused

Outcome = strawberry.enum(words.Outcome, name="Outcome")

# Weekdays, from, to.
WEEK_NUMBERS: Final = 3
# A line of the hand-over.
REASON_CHARS_MAX: Final = 200
# What a clerk may ask for; the other reasons are the engine's own.
REASONS: Final = {
    reason.value: reason
    for reason in (KeyReason.FIRST, KeyReason.ANOTHER, KeyReason.JOINER, KeyReason.LOST)
}


@strawberry.type
class Key:
    """A key that nobody revoked. `pin_at_lock` null: the lock does not have the PIN yet."""

    id: strawberry.ID
    door_id: strawberry.ID
    door_title: str
    generation: int
    valid_from_s: Minor
    valid_until_s: Minor
    reason: str
    live: bool
    pin_at_lock: bool | None
    clock_unsure: bool
    prepared: bool  # waits for its guest
    joiner: int  # which further person of the stay; 0: the first


@strawberry.type
class KeyRisk:
    """A guest who is expected within a day, and a door that may not open for them."""

    stay_id: strawberry.ID
    door_id: strawberry.ID
    door_title: str
    why: str
    since_ms: Minor
    sentence: str


@strawberry.type
class Opening:
    """A press. `outcome` null: the order is on its way."""

    id: strawberry.ID
    door_id: strawberry.ID
    door_title: str
    stay_id: strawberry.ID | None
    asked_ms: Minor
    outcome: Outcome | None  # type: ignore[valid-type]
    refusal: str | None
    evidence: str | None
    sentence: str


@strawberry.type
class Access:
    """What a lock says happened, by its own clock and how sure that was."""

    position: Minor
    at_ms: Minor
    uncertainty_ms: Minor
    learned_ms: Minor
    door_id: strawberry.ID
    event: str
    holder: str | None
    refusal: str | None
    missed: int


@strawberry.type
class OfStay:
    """What doors know of a stay."""

    @strawberry.field
    async def keys(self: Any, info: Info) -> list[Key]:
        """Keys nobody revoked, newest first."""
        found = await queries.keys_of(info.context.reader, HolderKind.STAY, str(self.id))
        now_s = info.context.clock.read().wall_s
        return [_key(key, now_s) for key in found if key.revoked_at_ms is None]


@strawberry.type
class OfRoom:
    """What doors know of a room."""

    @strawberry.field
    async def lock(self: Any, info: Info) -> Device | None:
        """The lock of the room's door, as it last spoke."""
        device_id = await queries.lock_of_room(info.context.reader, str(self.id))
        return None if device_id is None else seen(info.context, device_id, DeviceKind.LOCK)


@strawberry.type
class Query:
    """Questions of doors."""

    @strawberry.field
    async def opening(self, info: Info, id: strawberry.ID) -> Opening | None:
        """One press: the desk's, or the asker's own."""
        return await _theirs(info.context, str(id))

    @strawberry.field
    async def keys_at_risk(self, info: Info) -> list[KeyRisk]:
        """Doors that may not open for a guest who is expected within a day."""
        asked = info.context
        asked.staff()
        return [
            KeyRisk(
                stay_id=strawberry.ID(row.stay_id),
                door_id=strawberry.ID(row.door_id),
                door_title=row.door_title,
                why=row.why.value,
                since_ms=Minor(row.since_ms),
                sentence=asked.text(f"page.door.risk.{row.why}", door=row.door_title),
            )
            for row in await queries.keys_at_risk(asked.reader)
        ]

    @strawberry.field
    async def access_log(
        self,
        info: Info,
        door_id: strawberry.ID | None = None,
        limit: int = 50,
        *,
        holder_id: str | None = None,
        before: Minor | None = None,
    ) -> list[Access]:
        """What locks said, newest first; `before` the position of the last line is the next page."""
        info.context.staff()
        found = await queries.access_log(
            info.context.reader,
            door_id=door_id,
            holder_id=holder_id,
            before=before,
            limit=max(0, limit),
        )
        return [
            Access(
                position=Minor(row.position),
                learned_ms=Minor(row.learned_at_ms),
                at_ms=Minor(row.device_wall_ms),
                uncertainty_ms=Minor(row.uncertainty_ms),
                door_id=strawberry.ID(row.door_id),
                event=row.event.value,
                holder=row.holder_id,
                refusal=None if row.refusal is None else row.refusal.value,
                missed=row.missed,
            )
            for row in found
        ]


@strawberry.type
class Mutation:
    """Acts at doors."""

    @strawberry.mutation
    async def cut_key(
        self,
        info: Info,
        id: str,
        stay_id: strawberry.ID,
        reason: str = "first",
    ) -> Answer:
        """A key for every door of the stay's room."""
        asked = info.context
        asked.staff()
        if reason not in REASONS:
            raise GraphQLError("A key is cut as first, another, joiner or lost.")
        doors = await queries.doors_of_stay(asked.reader, str(stay_id))
        said: messages.Answer | None = None
        # Without a door the rules say why there is none.
        for number, door_id in enumerate(doors or [""]):
            command = CutKey(
                holder_kind=HolderKind.STAY,
                holder_id=str(stay_id),
                door_id=door_id,
                reason=REASONS[reason],
            )
            cut = await asked.ask(command, id if number == 0 else f"{id}.{number}")
            if said is None or isinstance(cut, Refused):
                said = cut
        assert said is not None, "one door at least was asked for"
        return told(asked, said)

    @strawberry.mutation
    async def cut_work_key(  # noqa: PLR0913 - what there is to say of such a key
        self,
        info: Info,
        id: str,
        door_id: strawberry.ID,
        holder_id: str,
        bound_to: str,
        *,
        sponsor: str | None = None,
        hours: list[int] | None = None,
    ) -> Answer:
        """A key for who works here, for a shift or a ticket; with a sponsor, for a vendor."""
        asked = info.context
        asked.staff()
        if hours is not None and len(hours) != WEEK_NUMBERS:
            raise GraphQLError("Hours are weekdays, from minute, to minute.")
        command = CutKey(
            holder_kind=HolderKind.STAFF if sponsor is None else HolderKind.VENDOR,
            holder_id=holder_id,
            door_id=str(door_id),
            reason=KeyReason.ANOTHER,
            bound_to=bound_to,
            sponsor=sponsor or "",
            hours=None if hours is None else (hours[0], hours[1], hours[2]),
        )
        return await answer(info, command, id)

    @strawberry.mutation
    async def renew_lease(
        self, info: Info, id: str, lease_id: strawberry.ID, room_id: strawberry.ID, until: Date
    ) -> Answer:
        """A resident lives here until this day: their keys go on, whatever is owed."""
        info.context.staff()
        command = RenewLease(lease_id=str(lease_id), room_id=str(room_id), until=until)
        return await answer(info, command, id)

    @strawberry.mutation
    async def evict_resident(
        self,
        info: Info,
        id: str,
        lease_id: strawberry.ID,
        reason: str,
        *,
        approved_by: str | None = None,
        approved_pin: str | None = None,
    ) -> Answer:
        """Every key of a resident ends: a manager's own act, approved by a second one."""
        asked = info.context
        asked.staff()
        if approved_by is not None:
            await asked.ports.approve(asked, approved_by, approved_pin or "", MANAGERS)
        command = EvictResident(lease_id=str(lease_id), reason=reason)
        return await answer(info, command, id, approved_by)

    @strawberry.mutation
    async def revoke_key(
        self, info: Info, id: str, door_id: strawberry.ID, key_id: strawberry.ID, reason: str = ""
    ) -> Answer:
        """End one key and no other."""
        asked = info.context
        asked.staff()
        command = RevokeKey(
            door_id=str(door_id), key_id=str(key_id), reason=reason[:REASON_CHARS_MAX]
        )
        return await answer(info, command, id)

    @strawberry.mutation
    async def reveal_pin(
        self, info: Info, stay_id: strawberry.ID, key_id: strawberry.ID
    ) -> str | None:
        """The PIN of a stay's key, to be read aloud; that it was looked at is a fact first."""
        asked = info.context
        asked.signed_in()
        key = await queries.key_by_id(asked.reader, str(key_id))
        now = asked.clock.read()
        if key is None or not (key.live(now.wall_s) or _told_ahead(asked, key, now.wall_s)):
            return None
        if (key.holder_kind, key.holder_id) != (HolderKind.STAY, str(stay_id)):
            return None
        look = NotePinShown(door_id=key.facts.door_id, key_id=key.facts.key_id)
        said = await asked.ask(look, f"reveal:{key.facts.key_id}:{now.boot_id}:{now.boot_ms}")
        if not isinstance(said, Done):
            raise NotForYouError
        pin: str = asked.ports.locksmith.pin(key.facts)
        return pin

    @strawberry.mutation
    async def open_door(
        self,
        info: Info,
        id: str,
        stay_id: strawberry.ID | None = None,
        door_id: strawberry.ID | None = None,
    ) -> Opening:
        """Press once and wait for the end, at most 8 s. The same id again presses nothing."""
        asked = info.context
        kind, holder_id = _presser(asked, stay_id)
        door = door_id or await queries.door_to_open(
            asked.reader, kind, holder_id, asked.clock.read().wall_s
        )
        command = OpenDoor(door_id=door or "", holder_kind=kind, holder_id=holder_id)
        said = await asked.ask(command, id)
        if isinstance(said, Refused):
            return _not_pressed(asked, said, command)
        opening_id = str(said.result["opening_id"])
        # Read while the lock works: behind its answer the same query would be waited for.
        view = await queries.opening_by_id(asked.reader, opening_id)
        assert view is not None, "a committed press is in the read model"
        if view.outcome is None:
            settled = await asked.ports.outcomes.outcome_of(opening_id)
            assert settled is not None, "a committed press has an outcome, if only an unknown one"
            view = replace(
                view,
                outcome=settled.outcome,
                refusal=settled.refusal,
                evidence=settled.evidence,
            )
        return opening_of(asked, view)


@strawberry.type
class Subscription:
    """News of doors."""

    @strawberry.subscription
    async def opening(
        self,
        info: Info,
        id: strawberry.ID,
    ) -> AsyncGenerator[Opening, None]:
        """A press as it stands, and again when its end is known."""
        asked = info.context
        now = await _theirs(asked, str(id))
        if now is None:
            return
        yield now
        if now.outcome is None:
            await asked.ports.outcomes.outcome_of(str(id))
            then = await _theirs(asked, str(id))
            if then is not None:
                yield then


async def load_unknown_openings(asked: Asked) -> list[Opening]:
    """Presses whose end nobody knows, for the hand-over."""
    found = await queries.open_openings(asked.reader, unknown_only=True)
    return [opening_of(asked, view) for view in found]


def opening_of(asked: Asked, view: queries.OpeningView) -> Opening:
    """A press as it is shown, with its sentence."""
    refusal = None if view.refusal is None else view.refusal.value
    return Opening(
        id=strawberry.ID(view.opening_id),
        door_id=strawberry.ID(view.door_id),
        door_title=view.door_title,
        stay_id=strawberry.ID(view.holder_id) if view.holder_kind is HolderKind.STAY else None,
        asked_ms=Minor(view.asked_at_ms),
        outcome=view.outcome,
        refusal=refusal,
        evidence=view.evidence,
        sentence=_sentence(asked, view.outcome, view.door_title, refusal),
    )


def _sentence(asked: Asked, outcome: words.Outcome | None, door: str, refusal: str | None) -> str:
    if outcome is None:
        return asked.text("page.door.opening", door=door)
    key = f"page.door.reason.{refusal or 'other'}"
    reason = asked.text(key)
    if reason == key:
        reason = asked.text("page.door.reason.other")
    return asked.text(f"page.door.{outcome.value}", door=door, reason=reason)


async def _theirs(asked: Asked, opening_id: str) -> Opening | None:
    who = asked.signed_in()
    view = await queries.opening_by_id(asked.reader, opening_id)
    if view is None:
        return None
    if who.actor != f"{view.holder_kind}:{view.holder_id}":
        asked.staff()
    return opening_of(asked, view)


def _told_ahead(asked: Asked, key: queries.KeyView, now_s: int) -> bool:
    """The desk may tell a late arrival the PIN before the guest is here; nobody else may."""
    who = asked.who
    return who is not None and who.role in DESK and key.prepared(now_s)


def _presser(asked: Asked, stay_id: str | None) -> tuple[HolderKind, str]:
    """Whose key is pressed: the stay that is named, or else the asker's own."""
    if stay_id is not None:
        return HolderKind.STAY, str(stay_id)
    kind, _, holder_id = asked.signed_in().actor.partition(":")
    return (HolderKind.STAFF if kind == "staff" else HolderKind.STAY), holder_id


def _not_pressed(asked: Asked, said: Refused, command: OpenDoor) -> Opening:
    return Opening(
        id=strawberry.ID(""),
        door_id=strawberry.ID(command.door_id),
        door_title="",
        stay_id=strawberry.ID(command.holder_id),
        asked_ms=Minor(asked.clock.read().wall_ms),
        outcome=words.Outcome.REFUSED,
        refusal=said.code,
        evidence=None,
        sentence=asked.say(said),
    )


def _key(view: queries.KeyView, now_s: int) -> Key:
    return Key(
        id=strawberry.ID(view.facts.key_id),
        door_id=strawberry.ID(view.facts.door_id),
        door_title=view.door_title,
        generation=view.facts.generation,
        valid_from_s=Minor(view.facts.valid_from_s),
        valid_until_s=Minor(view.facts.valid_until_s),
        reason=view.reason.value,
        live=view.live(now_s),
        pin_at_lock=view.pin_at_lock,
        clock_unsure=view.clock_unsure,
        prepared=view.prepared(now_s),
        joiner=view.joiner,
    )
