"""What the desk sees across rooms: health with ages, the hand-over, acts left half done."""

from __future__ import annotations

from typing import Any

import strawberry

from appliance.asked import JSON, Answer, Asked, Info, Minor, NotForYouError
from appliance.engines.concierge import api as concierge
from appliance.engines.doors import api as doors
from appliance.engines.payments import api as payments
from appliance.engines.stays import api as stays
from appliance.engines.stays import inbox_api, parked_messages
from appliance.engines.stays import queries as stay_queries
from appliance.engines.stays.messages import StayState
from appliance.engines.stays.parking import LAST_ASKED
from appliance.kernel.health import told
from appliance.kernel.messages import Role

HEADS = frozenset({Role.MANAGER, Role.ADMIN, Role.INSTALLER})


@strawberry.type
class Vital:
    """One part's claim about itself: always with the age of what it rests on."""

    name: str
    state: str
    last_confirmed_ms: Minor | None
    queued: int
    oldest_ms: Minor | None
    sentence: str


@strawberry.type
class Health:
    """How the box stands, the worst first."""

    vitals: list[Vital]
    line_down_since_ms: Minor | None


@strawberry.type
class ParkedValue:
    """One field of a parked act that can be edited, as it stands; a room by its number, or `none`."""

    field: inbox_api.ParkedField  # type: ignore[valid-type]
    value: str


@strawberry.type
class Parked:
    """An item of sync's that waits for a person.

    `asked` and `asked_ms` are what was last asked about it; `said` is sync's answer to that, and
    empty as long as there is none. `editable` is empty where nothing can be edited.
    """

    id: strawberry.ID
    entity: str
    sentence: str
    since_ms: Minor
    asked: str | None
    asked_ms: Minor | None
    said: str
    editable: list[ParkedValue]


@strawberry.type
class HandOver:
    """What the next shift must know."""

    unknown_openings: list[doors.Opening]
    pending_intents: list[payments.Intent]
    parked: list[Parked]
    unfinished: list[stays.Stay]
    conflicts: list[stays.Conflict]
    open_requests: list[concierge.Request]
    cash_minor: Minor
    currency: str


@strawberry.type
class OfStay:
    """What only the whole box knows of a stay."""

    @strawberry.field
    async def unfinished(self: Any, info: Info) -> list[str]:
        """Acts that were begun and not ended, in sentences."""
        return await unfinished(info.context, self)


async def unfinished(asked: Asked, stay: Any) -> list[str]:
    """Why a person should look at this stay once more."""
    if stay.state is not StayState.IN_HOUSE:
        return []
    keys = await asked.reader.row(
        "SELECT count(*) FROM doors_key WHERE holder_kind = 'stay' AND holder_id = ?"
        " AND revoked_at_ms IS NULL AND valid_until_s > ?",
        (str(stay.id), asked.clock.read().wall_s),
    )
    return [asked.text("desk.no_key_yet")] if keys is not None and keys[0] == 0 else []


async def health_of(asked: Asked) -> Health:
    """The health of every part, as each claims it now."""
    ports = asked.ports
    reading = asked.clock.read()
    vitals = [
        Vital(
            name=vital.name,
            state=vital.state.value,
            last_confirmed_ms=_minor(vital.last_confirmed_wall_ms),
            queued=vital.queue_depth,
            oldest_ms=_minor(vital.oldest_ms),
            sentence=vital.sentence or told(vital, reading),
        )
        for vital in ports.health.snapshot(ports.clock)
    ]
    return Health(vitals=vitals, line_down_since_ms=_minor(ports.standing().line_down_since_ms))


async def _parked(asked: Asked) -> list[Parked]:
    rows = await asked.reader.rows(LAST_ASKED)
    last = {item_id: (act, asked_ms) for item_id, act, asked_ms in rows}
    found = []
    for item in asked.ports.standing().parked:
        act, asked_ms = last.get(item.id, (None, None))
        if asked_ms is not None and item.since_ms > asked_ms:
            act = asked_ms = None  # it was tried since, and put aside anew
        found.append(
            Parked(
                id=strawberry.ID(item.id),
                entity=item.entity,
                sentence=item.sentence,
                since_ms=Minor(item.since_ms),
                asked=act,
                asked_ms=_minor(asked_ms),
                said=item.said if asked_ms is not None and item.said_of_ms >= asked_ms else "",
                editable=[
                    ParkedValue(field=each, value=item.editable[each])
                    for each in parked_messages.ParkedField
                    if each in item.editable
                ],
            )
        )
    return found


def _minor(value: int | None) -> Minor | None:
    return None if value is None else Minor(value)


@strawberry.type
class Query:
    """Questions that no single room can answer."""

    @strawberry.field
    async def health(self, info: Info) -> Health:
        """How the box stands."""
        info.context.staff()
        return await health_of(info.context)

    @strawberry.field
    async def hand_over(self, info: Info) -> HandOver:
        """What is open when a shift ends."""
        asked = info.context
        who = asked.staff()
        in_house = await stays.stays_of(asked, await stay_queries.in_house(asked.reader))
        cash = await payments.load_cash(asked, who.shift)
        return HandOver(
            unknown_openings=await doors.load_unknown_openings(asked),
            pending_intents=await payments.load_pending_intents(asked),
            parked=await _parked(asked),
            unfinished=[stay for stay in in_house if await unfinished(asked, stay)],
            conflicts=await stays.load_conflicts(asked),
            open_requests=await concierge.load_requests(asked, open_only=True),
            cash_minor=Minor(cash.amount_minor),
            currency=cash.currency,
        )


@strawberry.type
class Mutation:
    """Acts on the box itself."""

    @strawberry.mutation
    async def resume_follower(
        self,
        info: Info,
        id: str,  # noqa: A002, ARG002 - resuming twice is resuming once by nature
        name: str,
        skip: bool = False,  # noqa: FBT001, FBT002 - GraphQL's arguments all have names
    ) -> Answer:
        """Let a quarantined follower go on, at the fact that stopped it or after it."""
        asked = info.context
        if asked.staff().role not in HEADS:
            raise NotForYouError
        follower = asked.ports.followers.all.get(name)
        if follower is None or follower.quarantined is None:
            sentence = asked.text("desk.nothing_to_resume")
            return Answer(
                done=False,
                engine="kernel",
                code="not_quarantined",
                sentence=sentence,
                result=JSON({}),
                position=None,
            )
        await follower.resume(skip=skip)
        return Answer(
            done=True,
            engine=None,
            code=None,
            sentence=asked.text("answer.done"),
            result=JSON({"name": name}),
            position=None,
        )
