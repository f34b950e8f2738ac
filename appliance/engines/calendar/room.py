"""The calendar as the composition root hands it to the kernel."""

from __future__ import annotations

from datetime import date

from appliance.engines.calendar import allotting, closing, rules
from appliance.engines.calendar.messages import (
    ClaimResource,
    CloseNights,
    ConfirmHold,
    HoldNights,
    OpenNights,
    ReleaseHolder,
    ReleaseResource,
    SetAllotment,
)
from appliance.engines.calendar.projection import PROJECTION
from appliance.engines.calendar.reactions import INLINE
from appliance.kernel.engine import Context, Engine, Facts, Handling

ROOM = "room:"


def _hold_stream(command: HoldNights | ReleaseHolder | ConfirmHold, _context: Context) -> str:
    return f"hold/{command.holder_id}"


def _claim_stream(command: ClaimResource | ReleaseResource, _context: Context) -> str:
    return f"claim/{command.resource}"


def _load_crowd(facts: Facts, holder_id: str) -> rules.Crowd:
    """Everybody beyond the rooms in a night that this holder holds; mostly nobody."""
    beyond: dict[str, list[rules.Spot]] = {}
    for other_id, room_type, night in facts.rows(
        "SELECT holder_id, room_type_id, night FROM calendar_beyond WHERE holder_id IN"
        # CROSS JOIN keeps SQLite on the holder's own few nights.
        " (SELECT b.holder_id FROM calendar_hold h CROSS JOIN calendar_beyond b"
        "  ON b.room_type_id = h.room_type_id AND b.night = h.night WHERE h.holder_id = ?)"
        " ORDER BY holder_id, night",
        (holder_id,),
    ):
        beyond.setdefault(other_id, []).append((room_type, date.fromisoformat(night)))
    over = {}
    for room_type, night in sorted({spot for spots in beyond.values() for spot in spots}):
        row = facts.row(
            "SELECT (SELECT count(*) FROM calendar_hold WHERE room_type_id = ?1 AND night = ?2)"
            " - (SELECT count(*) FROM calendar_room WHERE room_type_id = ?1 AND out_of_order = 0)",
            (room_type, night.isoformat()),
        )
        over[room_type, night] = row[0] if row else 0
    return rules.Crowd(beyond=beyond, over=over)


def _load_type(facts: Facts, command: HoldNights, _context: Context) -> rules.TypeNights:
    own = {
        date.fromisoformat(night): rules.Held(room_type_id=room_type, confirmed=bool(confirmed))
        for night, room_type, confirmed in facts.rows(
            "SELECT night, room_type_id, confirmed FROM calendar_hold WHERE holder_id = ?",
            (command.holder_id,),
        )
    }
    kind = facts.row(
        "SELECT offline_allotment, (SELECT count(*) FROM calendar_room r"
        " WHERE r.room_type_id = t.room_type_id AND r.out_of_order = 0)"
        " FROM calendar_room_type t WHERE room_type_id = ?",
        (command.room_type_id,),
    )
    if kind is None:
        return rules.TypeNights(capacity=None, own=own)
    others = {
        date.fromisoformat(night): rules.Count(held=held, unconfirmed=unconfirmed)
        for night, held, unconfirmed in facts.rows(
            "SELECT night, count(*), sum(1 - confirmed) FROM calendar_hold"
            " WHERE room_type_id = ? AND night >= ? AND night < ? AND holder_id <> ?"
            " GROUP BY night",
            (
                command.room_type_id,
                command.start.isoformat(),
                command.end.isoformat(),
                command.holder_id,
            ),
        )
    }
    return rules.TypeNights(
        capacity=kind[1],
        allotment=allotting.default_of(
            int(facts.setting(allotting.KEY, allotting.AS_WRITTEN)), kind[0]
        ),
        allotments=allotting.own_of(facts, command.room_type_id, command.start, command.end),
        others=others,
        own=own,
        crowd=_load_crowd(facts, command.holder_id) if own else rules.Crowd(),
    )


def _closure_stream(command: CloseNights, _context: Context) -> str:
    return f"hold/{command.closure_id}"


def _load_closure(facts: Facts, command: CloseNights, _context: Context) -> closing.Shut:
    own = [
        (room_type, date.fromisoformat(night))
        for room_type, night in facts.rows(
            "SELECT room_type_id, night FROM calendar_hold WHERE holder_id = ? AND night >= ?"
            " ORDER BY night",
            (command.closure_id, command.since.isoformat()),
        )
    ]
    own_room = facts.row(
        "SELECT resource FROM calendar_claim WHERE holder_id = ? ORDER BY night DESC LIMIT 1",
        (command.closure_id,),
    )
    rooms = facts.row(
        "SELECT (SELECT count(*) FROM calendar_room r"
        " WHERE r.room_type_id = t.room_type_id AND r.out_of_order = 0)"
        " FROM calendar_room_type t WHERE room_type_id = ?",
        (command.room_type_id,),
    )
    known = command.room_id is None or facts.row(
        "SELECT 1 FROM calendar_room WHERE room_id = ? AND room_type_id = ?",
        (command.room_id, command.room_type_id),
    )
    span = (
        min((each.start for each in command.stretches), default=date.min).isoformat(),
        max((each.end for each in command.stretches), default=date.min).isoformat(),
    )
    held = facts.rows(
        "SELECT night, count(*) FROM calendar_hold WHERE room_type_id = ?"
        " AND night >= ? AND night < ? AND holder_id <> ? GROUP BY night",
        (command.room_type_id, *span, command.closure_id),
    )
    taken = facts.rows(
        "SELECT night FROM calendar_claim WHERE resource = ?"
        " AND night >= ? AND night < ? AND holder_id <> ?",
        (f"{ROOM}{command.room_id}", *span, command.closure_id),
    )
    return closing.Shut(
        capacity=None if rooms is None else rooms[0],
        room_known=bool(known),
        held={date.fromisoformat(night): count for night, count in held},
        taken=frozenset(date.fromisoformat(night) for (night,) in taken),
        own=tuple(own),
        own_room_id=None if own_room is None else own_room[0].removeprefix(ROOM),
        crowd=_load_crowd(facts, command.closure_id) if own else rules.Crowd(),
    )


def _opening_stream(command: OpenNights, _context: Context) -> str:
    return f"opened/{command.room_id or command.room_type_id}"


def _load_closures(facts: Facts, command: OpenNights, _context: Context) -> closing.Openable:
    """Closures of the very room, or those of the type that are of no room."""
    rows = facts.rows(
        "SELECT h.holder_id, h.night FROM calendar_hold h LEFT JOIN calendar_claim c"
        " ON c.holder_id = h.holder_id AND c.night = h.night"
        " WHERE h.room_type_id = ? AND h.night >= ? AND h.night < ?"
        " AND substr(h.holder_id, 1, ?) = ? AND c.resource IS ? ORDER BY h.holder_id, h.night",
        (
            command.room_type_id,
            command.start.isoformat(),
            command.end.isoformat(),
            len(closing.CLOSURE),
            closing.CLOSURE,
            None if command.room_id is None else f"{ROOM}{command.room_id}",
        ),
    )
    closures = tuple(dict.fromkeys(holder for holder, _ in rows))
    crowds = [_load_crowd(facts, closure_id) for closure_id in closures]
    return closing.Openable(
        closures=closures,
        spots=[(command.room_type_id, date.fromisoformat(night)) for _, night in rows],
        crowd=rules.Crowd(
            beyond={holder: spots for each in crowds for holder, spots in each.beyond.items()},
            over={spot: over for each in crowds for spot, over in each.over.items()},
        ),
    )


def _load_claims(
    facts: Facts, command: ClaimResource | ReleaseResource, _context: Context
) -> rules.Claims:
    room_id = command.resource.removeprefix(ROOM)
    known = command.resource.startswith(ROOM) and facts.row(
        "SELECT 1 FROM calendar_room WHERE room_id = ?", (room_id,)
    )
    end = command.end.isoformat() if isinstance(command, ClaimResource) else "9999-12-31"
    holders = {
        date.fromisoformat(night): holder
        for night, holder in facts.rows(
            "SELECT night, holder_id FROM calendar_claim"
            " WHERE resource = ? AND night >= ? AND night < ?",
            (command.resource, command.start.isoformat(), end),
        )
    }
    return rules.Claims(known=bool(known), holders=holders)


def _load_holding(
    facts: Facts, command: ReleaseHolder | ConfirmHold, _context: Context
) -> rules.Holding:
    held = facts.rows(
        "SELECT room_type_id, night, 1 - confirmed FROM calendar_hold WHERE holder_id = ?1"
        " UNION ALL SELECT NULL, night, 0 FROM calendar_claim WHERE holder_id = ?1",
        (command.holder_id,),
    )
    spots = [(kind, date.fromisoformat(night)) for kind, night, _ in held if kind is not None]
    frees = isinstance(command, ReleaseHolder)
    return rules.Holding(
        nights=tuple(date.fromisoformat(night) for _, night, _ in held),
        unconfirmed=sum(unconfirmed for _, _, unconfirmed in held),
        spots=spots,
        crowd=_load_crowd(facts, command.holder_id) if frees and spots else rules.Crowd(),
    )


ENGINE = Engine(
    name="calendar",
    guards=True,  # no night is sold that was not claimed
    handlings=[
        Handling(
            command=HoldNights, stream=_hold_stream, load=_load_type, decide=rules.hold_nights
        ),
        Handling(
            command=ClaimResource, stream=_claim_stream, load=_load_claims, decide=rules.claim
        ),
        Handling(
            command=ReleaseResource, stream=_claim_stream, load=_load_claims, decide=rules.release
        ),
        Handling(
            command=ReleaseHolder,
            stream=_hold_stream,
            load=_load_holding,
            decide=rules.release_holder,
        ),
        Handling(
            command=CloseNights,
            stream=_closure_stream,
            load=_load_closure,
            decide=closing.close_nights,
        ),
        Handling(
            command=SetAllotment,
            stream=lambda command, _: f"allotment/{command.room_type_id}",
            load=allotting.load,
            decide=allotting.set_allotment,
        ),
        Handling(
            command=OpenNights,
            stream=_opening_stream,
            load=_load_closures,
            decide=closing.open_nights,
        ),
        Handling(
            command=ConfirmHold,
            stream=_hold_stream,
            load=_load_holding,
            decide=rules.confirm_hold,
        ),
    ],
    projection=PROJECTION,
    inline=INLINE,
)
