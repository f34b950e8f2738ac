"""What a guest's page shows, read for one stay and nobody else's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from appliance.bus.words import LockRefusal, Outcome
from appliance.engines.climate import api as climate
from appliance.engines.concierge import api as concierge
from appliance.engines.doors import queries as doors
from appliance.engines.doors.messages import HolderKind
from appliance.engines.inventory import api as inventory
from appliance.engines.payments import api as payments
from appliance.engines.stays import api as stay_api
from appliance.engines.stays import queries as stays
from appliance.engines.stays.messages import StayState
from appliance.web.context import Request

# Set points a page offers, in tenths of a degree; the house's own limits are the rules' business.
SET_POINT_C10_MIN = 160
SET_POINT_C10_MAX = 260
# How a room's own door is titled where nobody wrote another title.
_ROOM_DOOR = re.compile(r"Room (\S+)")
_DEGREES = re.compile(r"([0-9]{1,2})(?:[.,]([05]))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseView:
    """The house as every page's frame needs it."""

    title: str
    time_zone: str
    check_in_from: str
    check_out_until: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorView:
    """A door this guest has a live key for."""

    door_id: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyView:
    """What is due, and what is on its way ("pending", never "paid")."""

    due_minor: int
    pending_minor: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageView:
    """A page at the payment service that waits for this guest."""

    kind: str  # "confirm" with their bank, "link" to pay, "card" to leave one
    amount_minor: int
    currency: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestView:
    """A stay as its guest sees it."""

    stay_id: str
    state: StayState
    name: str
    code: str
    arrival: date
    departure: date
    nights: int
    room_id: str | None
    room_number: str | None
    room_ready: bool | None
    due: bool
    doors: Sequence[DoorView]
    money: MoneyView
    pages: Sequence[PageView]
    line_down: bool  # the payment service cannot be reached from here, nor its pages
    has_climate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningNow:
    """A press of this guest, and what is known of it."""

    opening_id: str
    door_id: str
    door_title: str
    asked_ms: int
    outcome: Outcome | None
    refusal: LockRefusal | None
    evidence: str | None
    settled_ms: int | None
    lock_age_ms: int | None  # since the lock last spoke; None: never heard


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorNow:
    """A door this guest has a living key for, and its lock as it last spoke."""

    door_id: str
    title: str
    key: doors.KeyView
    phones: bool  # whether its lock knows phones' keys
    online: bool | None
    age_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClimateNow:
    """The room's thermostat as it last spoke, and the last wish."""

    measured_c10: int | None
    age_ms: int | None
    wish_c10: int
    eco: bool
    waiting: bool  # the wish has not reached the thermostat


async def house_of(asked: Request) -> HouseView:
    """The house; a box that is not set up has a name and UTC."""
    found = await inventory.house(asked)
    if found is None:
        return HouseView(
            title=asked.text("page.house_fallback"),
            time_zone="UTC",
            check_in_from="15:00",
            check_out_until="11:00",
        )
    return HouseView(
        title=found.title,
        time_zone=found.time_zone,
        check_in_from=found.check_in_from,
        check_out_until=found.check_out_until,
    )


def _stay_id(asked: Request) -> str | None:
    return None if asked.signed is None else asked.signed.stay_id


async def view_of(asked: Request) -> GuestView | None:
    """The asker's own stay."""
    stay_id = _stay_id(asked)
    line = None if stay_id is None else await stays.stay(asked.reader, stay_id)
    if line is None:
        return None
    today = await asked.business_date()
    names = await stay_api.load_guests(asked, line.stay_id)
    balance = await payments.load_balance(asked, line.stay_id)
    return GuestView(
        stay_id=line.stay_id,
        state=line.state,
        name=f"{names[0].given} {names[0].family}".strip() if names else "",
        code=line.code,
        arrival=line.arrival,
        departure=line.departure,
        nights=(line.departure - line.arrival).days,
        room_id=line.room_id,
        room_number=line.room_number,
        room_ready=line.room_ready,
        due=today is not None and line.arrival <= today,
        doors=await _doors(asked, line.stay_id),
        money=MoneyView(
            due_minor=balance.due_minor,
            pending_minor=balance.pending_minor,
            currency=balance.currency,
        ),
        pages=await _pages(asked, line.stay_id),
        line_down=asked.ports.standing().line_down_since_ms is not None,
        has_climate=line.room_id is not None
        and await climate.load_thermostat_id(asked, line.room_id) is not None,
    )


async def _pages(asked: Request, stay_id: str) -> list[PageView]:
    # Only a deposit and a hold are confirmed with a bank.
    own = {"link", "card"}
    return [
        PageView(
            kind=kind if kind in own else "confirm",
            amount_minor=amount_minor,
            currency=currency,
            url=url,
        )
        for kind, amount_minor, currency, url in await payments.load_pages(asked, stay_id)
    ]


async def _doors(asked: Request, stay_id: str) -> list[DoorView]:
    now_s = asked.clock.read().wall_s
    keys = await doors.keys_of(asked.reader, HolderKind.STAY, stay_id)
    found = {
        key.facts.door_id: DoorView(door_id=key.facts.door_id, title=titled(asked, key.door_title))
        for key in reversed(keys)
        if key.live(now_s)
    }
    return list(found.values())


def titled(asked: Request, title: str) -> str:
    """A door's title; a room's own door in the guest's language."""
    room = _ROOM_DOOR.fullmatch(title)
    return title if room is None else asked.text("page.door.room", number=room[1])


async def opening_of(asked: Request, opening_id: str) -> OpeningNow | None:
    """A press of the asker's own stay; None for anybody else's."""
    view = await doors.opening_by_id(asked.reader, opening_id[:80])
    mine = (HolderKind.STAY, _stay_id(asked))
    if view is None or (view.holder_kind, view.holder_id) != mine:
        return None
    return OpeningNow(
        opening_id=view.opening_id,
        door_id=view.door_id,
        door_title=titled(asked, view.door_title),
        asked_ms=view.asked_at_ms,
        outcome=view.outcome,
        refusal=view.refusal,
        evidence=view.evidence,
        settled_ms=view.settled_at_ms,
        lock_age_ms=asked.ports.devices.now(view.device_id).age_ms,
    )


async def door_of(asked: Request, door_id: str) -> DoorNow | None:
    """A door of the asker's own stay; None for any other."""
    stay_id = _stay_id(asked)
    if stay_id is None:
        return None
    now_s = asked.clock.read().wall_s
    keys = await doors.keys_of(asked.reader, HolderKind.STAY, stay_id)
    living = [key for key in keys if key.facts.door_id == door_id and key.live(now_s)]
    fitting = await doors.fitting_of(asked.reader, door_id)
    if not living or fitting is None:
        return None
    lock = asked.ports.devices.now(fitting.device_id)
    return DoorNow(
        door_id=door_id,
        title=titled(asked, living[0].door_title),
        key=living[0],
        phones=fitting.lock_point is not None,
        online=lock.online,
        age_ms=lock.age_ms,
    )


async def phones_of(asked: Request) -> list[doors.PhoneView]:
    """The phones of the asker's own stay, newest first."""
    stay_id = _stay_id(asked)
    return [] if stay_id is None else await doors.phones_of(asked.reader, HolderKind.STAY, stay_id)


async def climate_of(asked: Request, room_id: str) -> ClimateNow | None:
    """The room's thermostat, or None where there is none to reach."""
    device_id = await climate.load_thermostat_id(asked, room_id)
    if device_id is None:
        return None
    now = asked.ports.devices.now(device_id)
    wish = await climate.load_wish(asked, room_id)
    said = now.thermostat
    if wish is not None:
        wish_c10, eco = wish.set_point_c10, wish.eco
    else:
        wish_c10, eco = (said.set_point_c10, said.eco) if said is not None else (210, False)
    return ClimateNow(
        measured_c10=None if said is None else said.measured_c10,
        age_ms=now.age_ms,
        wish_c10=wish_c10,
        eco=eco,
        waiting=wish is not None and wish.outcome is not Outcome.DONE,
    )


async def requests_of(asked: Request, stay_id: str) -> list[concierge.Request]:
    """What this guest asked for, newest first."""
    return await concierge.load_requests_of_stay(asked, stay_id)


def tenths(typed: str) -> int | None:
    """Degrees as typed, "21", "21.5" or "21,5", in tenths; None where it is no temperature."""
    read = _DEGREES.fullmatch(typed.strip())
    if read is None:
        return None
    return int(read[1]) * 10 + int(read[2] or 0)
