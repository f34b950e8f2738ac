"""What the box's facts owe the world: each fact becomes effects, by natural key, once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, Final

import msgspec

from appliance.engines.doors.messages import (
    HolderKind,
    KeyAtRisk,
    KeyCut,
    KeyRevoked,
    KeyRiskCleared,
    Risk,
)
from appliance.engines.housekeeping.messages import RoomStatusSet
from appliance.engines.inventory.messages import PropertySetUp, RoomAdded, RoomTypeAdded
from appliance.engines.payments.messages import PaymentRefunded, PaymentSettled, RefundNoted
from appliance.engines.stays.messages import (
    Booked,
    BookingChanged,
    CheckedIn,
    CheckedOut,
    CheckInUndone,
    ConflictRaised,
    ConflictSettled,
    DepartureChanged,
    ItemField,
    NoShowMarked,
    RoomAssigned,
    RoomMoved,
    StayCancelled,
    StayState,
    UpstreamLinked,
)
from sync.disputes import ACT_OF, END_OF, TAKEN_BY, by_hand, priced
from sync.home import Fact
from sync.ledger import BY_HAND, OPEN, PROPERTY_ID, Draft, Effect, EffectState, Ledger, Priority
from sync.mirror import Mirror, Stay
from sync.money.owed import drafts_of

DOOR_CODE: Final = "pms.door_code"
ROOM_STATE: Final = "pms.room_state"
# Which points of the PMS were taken by the newest decision: {its command's id: points}.
TAKEN: Final = "plan.taken"
# Of these only the last one counts: they say how something is, not what happened.
_LATEST_ONLY: Final = frozenset({DOOR_CODE, ROOM_STATE})
# A key ends at most a day after the departure (doors, OVERHANG_S_MAX), and nobody reads its code
# in a booking that is over: a log that is read from its start asks nothing for old stays.
CODE_DAYS_MAX: Final = 3

Reading = Callable[["Planner", Fact], list[Draft]]


class Planner:
    """Reads facts into the mirror, and says which effects they ask for.

    A fact that was learned from the PMS itself (it carries an origin) owes the PMS nothing, and
    neither does a stay that another source sold: the PMS has never heard of it.
    """

    def __init__(
        self,
        ledger: Ledger,
        mirror: Mirror,
        *,
        pms: str | None,
        payments: str | None,
        door_codes: bool = False,
        room_states: bool = False,
    ) -> None:
        self._ledger = ledger
        self._mirror = mirror
        self._pms = pms or ""  # nothing is planned for a PMS that is not there
        self._payments = payments
        self._door_codes = door_codes
        self._room_states = room_states

    def read(self, fact: Fact, now_ms: int) -> list[Draft]:
        """Take one fact in; call inside the transaction that moves the cursor."""
        reading = _READINGS.get(fact.kind)
        if reading is None:
            return drafts_of(fact, self._payments, self._ledger.kept(PROPERTY_ID, str))
        drafts = reading(self, fact)
        if fact.kind == ConflictRaised.kind:
            self._hold_disputed(fact, now_ms)
        if fact.kind == CheckInUndone.kind and self._drop_unsent(
            fact, "start", "the check-in was undone before it was sent", now_ms
        ):
            return []
        wanted = [draft for draft in drafts if self._wanted(draft, fact, now_ms)]
        # A log that is read again must not drop what a later fact of it asked for.
        if all(self._is_news(draft) for draft in drafts):
            if fact.kind in {CheckedIn.kind, RoomMoved.kind, RoomAssigned.kind}:
                wanted = self._instead_of_unsent(wanted, fact, now_ms)
            for draft in wanted:
                if draft.kind in _LATEST_ONLY:
                    self._drop_of_lane(draft.lane, draft.kind, fact, "a later fact says it", now_ms)
        return wanted

    def _wanted(self, draft: Draft, fact: Fact, now_ms: int) -> bool:
        stay = self._mirror.stay(fact.body.get("stay_id") or fact.body.get("holder_id") or "")
        foreign = stay is not None and stay.source not in {None, self._pms}
        if not self._pms or foreign:
            return False
        if draft.kind == DOOR_CODE:
            # Also where the PMS itself caused it: it does not know what its change did to a key.
            ended = stay is None or _days_since(stay.departure, now_ms) > CODE_DAYS_MAX
            return self._door_codes and not ended
        if fact.kind != ConflictSettled.kind and draft.kind in TAKEN_BY:
            taken: dict[str, list[str]] = self._ledger.kept(TAKEN, dict[str, list[str]], {})
            if TAKEN_BY[draft.kind] in taken.get(fact.command_id, ()):
                return False  # the PMS says it already: that is where it was taken from
        return fact.origin is None or fact.origin.source != self._pms

    def _is_news(self, draft: Draft) -> bool:
        return not self._ledger.effects("natural_key = ?", draft.natural_key)

    def _instead_of_unsent(self, wanted: list[Draft], fact: Fact, now_ms: int) -> list[Draft]:
        """Let go of rooms that the PMS never heard of; the last act empties the one it knows."""
        needless: list[Effect] = []
        for effect in self._unsent(lane_of(fact.body["stay_id"]), "pms.assign", fact):
            needless = [] if self._waited_for(effect) else [*needless, effect]
        for effect in needless:
            sentence = "a later act says the room"
            self._ledger.turn(effect.id, EffectState.EXPIRED, sentence, now_ms)
        if not needless:
            return wanted
        left = needless[0].frees_room
        return [
            replace(draft, frees_room=None if draft.takes_room == left else left)
            for draft in wanted
        ]

    def _waited_for(self, effect: Effect) -> bool:
        """Whether somebody moves into the room that this act empties: then it must be told."""
        if effect.frees_room is None:
            return False
        return bool(
            self._ledger.effects(
                f"takes_room = ? AND seq > ? AND state IN ({', '.join('?' * len(OPEN))})",
                effect.frees_room,
                effect.seq,
                *OPEN,
            )
        )

    def _drop_unsent(self, fact: Fact, what: str, sentence: str, now_ms: int) -> bool:
        """Let go of an act of the same stay that a later one made needless; True when it was."""
        lane = lane_of(fact.body["stay_id"])
        return self._drop_of_lane(lane, f"pms.{what}", fact, sentence, now_ms)

    def _drop_of_lane(self, lane: str, kind: str, fact: Fact, sentence: str, now_ms: int) -> bool:
        unsent = self._unsent(lane, kind, fact)
        for effect in unsent:
            self._ledger.turn(effect.id, EffectState.EXPIRED, sentence, now_ms)
        return bool(unsent)

    def _unsent(self, lane: str, kind: str, fact: Fact) -> list[Effect]:
        return self._ledger.effects(
            "lane = ? AND kind = ? AND state = 'queued' AND first_sent_ms IS NULL AND made_ms <= ?",
            lane,
            kind,
            fact.at_wall_ms,
        )

    def _hold_disputed(self, fact: Fact, now_ms: int) -> None:
        """What is not sent yet of a disputed point would decide the dispute before a person does."""
        points = [ItemField(item["field"]) for item in fact.body["items"]]
        for act in sorted({ACT_OF[point] for point in points if point in ACT_OF}):
            self._drop_unsent(fact, act, "the PMS says otherwise: a person decides first", now_ms)
        if not fact.body["by_hand"]:
            return
        for effect in self._ledger.effects(
            "lane = ? AND kind = ? AND state = 'manual' AND made_ms <= ?",
            lane_of(fact.body["stay_id"]),
            BY_HAND,
            fact.at_wall_ms,
        ):
            self._ledger.turn(effect.id, EffectState.EXPIRED, "the decision was taken back", now_ms)

    # -- inventory -------------------------------------------------------------------------------

    def property_set_up(self, fact: Fact) -> list[Draft]:
        """Which property this is and where: its day begins by its own clock."""
        self._ledger.keep(PROPERTY_ID, fact.body["property_id"])
        self._ledger.keep("property.time_zone", fact.body["time_zone"])
        return []

    def room_added(self, fact: Fact) -> list[Draft]:
        """A room, and what the PMS calls it."""
        body = fact.body
        self._mirror.put_room(body["room_id"], body["number"], body.get("upstream_id"))
        return []

    def room_type_added(self, fact: Fact) -> list[Draft]:
        """A type, and what the PMS calls it."""
        body = fact.body
        self._mirror.put_room_type(body["room_type_id"], body["title"], body.get("upstream_id"))
        return []

    # -- stays -----------------------------------------------------------------------------------

    def booked(self, fact: Fact) -> list[Draft]:
        """A sale of the box must be told; one of the PMS is only linked."""
        body = fact.body
        self._mirror.put_stay(
            Stay(
                stay_id=body["stay_id"],
                source=body["source"],
                upstream_id=body["upstream_id"],
                arrival=date.fromisoformat(body["arrival"]),
                departure=date.fromisoformat(body["departure"]),
                room_id=body["room_id"],
            )
        )
        if body["source"] is not None:
            return []
        fields = "stay_id code room_type_id room_id arrival departure guests adults children nights"
        told = {name: body[name] for name in fields.split()}
        key = f"{self._pms}.book:{body['stay_id']}"
        return [self._draft(fact, "book", told, priority=Priority.SALE, key=key)]

    def linked(self, fact: Fact) -> list[Draft]:
        """The PMS knows a sale of ours."""
        body = fact.body
        self._mirror.link(body["stay_id"], body["source"], body["upstream_id"])
        return []

    def changed(self, fact: Fact) -> list[Draft]:
        """The PMS changed a booking."""
        body = fact.body
        arrival = date.fromisoformat(body["arrival"])
        self._mirror.set_dates(body["stay_id"], arrival, date.fromisoformat(body["departure"]))
        return []

    def assigned(self, fact: Fact) -> list[Draft]:
        """A room was given."""
        return [self._into(fact, "assign", fact.body["room_id"])]

    def moved(self, fact: Fact) -> list[Draft]:
        """The guest has another room."""
        return [self._into(fact, "assign", fact.body["to_room_id"])]

    def checked_in(self, fact: Fact) -> list[Draft]:
        """The guest is in house."""
        return [self._into(fact, "start", fact.body["room_id"])]

    def undone(self, fact: Fact) -> list[Draft]:
        """A check-in was undone; what a vendor cannot undo becomes a person's work."""
        draft = self._draft(fact, "undo_start", {}, frees_room=self._room_of(fact))
        self._mirror.set_room(fact.body["stay_id"], None)
        return [draft]

    def departure_changed(self, fact: Fact) -> list[Draft]:
        """Longer or shorter."""
        body = fact.body
        self._mirror.set_dates(body["stay_id"], None, date.fromisoformat(body["departure"]))
        told = {"departure": body["departure"], "nights": body["nights"]}
        room_id = self._room_of(fact)
        if body["departure"] < body["previous"]:
            return [self._draft(fact, "depart", told, frees_room=room_id)]
        return [self._draft(fact, "depart", told, takes_room=room_id)]

    def checked_out(self, fact: Fact) -> list[Draft]:
        """The guest has left."""
        room_id = self._room_of(fact)
        told = {
            "left_on": fact.body["business_date"],
            "early": fact.body["early"],
            "left_room_id": room_id,
        }
        return [self._draft(fact, "process", told, frees_room=room_id)]

    def cancelled(self, fact: Fact) -> list[Draft]:
        """The box cancelled."""
        return self._never_came(fact, "cancel")

    def no_show(self, fact: Fact) -> list[Draft]:
        """The guest did not come."""
        return self._never_came(fact, "no_show")

    def _never_came(self, fact: Fact, what: str) -> list[Draft]:
        if fact.body["by_upstream"]:
            return []
        return [self._draft(fact, what, {}, frees_room=self._room_of(fact))]

    def _into(self, fact: Fact, what: str, room_id: str) -> Draft:
        before = self._room_of(fact)
        self._mirror.set_room(fact.body["stay_id"], room_id)
        return self._draft(
            fact,
            what,
            {"room_id": room_id},
            takes_room=room_id,
            frees_room=before if before != room_id else None,
        )

    def _room_of(self, fact: Fact) -> str | None:
        stay = self._mirror.stay(fact.body["stay_id"])
        return None if stay is None else stay.room_id

    # -- conflicts -------------------------------------------------------------------------------

    def conflict_raised(self, _fact: Fact) -> list[Draft]:
        """Nothing is told before a person decides (`_hold_disputed`)."""
        return []

    def conflict_settled(self, fact: Fact) -> list[Draft]:
        """What the box keeps is told again, so that both sides end alike."""
        body = fact.body
        self._ledger.keep(TAKEN, {fact.command_id: body["accepted"]})
        held: dict[str, Any] | None = body["held"]
        kept = [ItemField(point) for point in body["kept"]]
        if held is None or not kept:
            return []
        drafts = []
        room_id = held["room_id"]
        end = END_OF.get(StayState(held["state"]))
        if ItemField.STATE in kept and end is not None:
            drafts.append(self._draft(fact, end, {}))
        if ItemField.DEPARTURE in kept:
            told = {"departure": held["departure"], "nights": priced(held)}
            drafts.append(self._draft(fact, "depart", told, takes_room=room_id))
        if ItemField.ROOM in kept and room_id is not None:
            drafts.append(self._draft(fact, "assign", {"room_id": room_id}, takes_room=room_id))
        if sentence := by_hand(kept, held):
            told = {"sentence": sentence}
            manual = self._draft(fact, "by_hand", told)
            drafts.append(replace(manual, state=EffectState.MANUAL, sentence=sentence))
        return drafts

    # -- doors and rooms -------------------------------------------------------------------------

    def key_changed(self, fact: Fact) -> list[Draft]:
        """A stay's key was cut or ended: what the PMS has as the door's code may be old."""
        body = fact.body
        if body["holder_kind"] != HolderKind.STAY or body.get("joiner"):
            return []
        what = "cut" if fact.kind == KeyCut.kind else "ended"
        return [self._door_code(fact, body["holder_id"], f"{body['key_id']}:{what}")]

    def key_at_risk(self, fact: Fact) -> list[Draft]:
        """A code that the lock refuses is not told; one that it takes after all is told again."""
        body = fact.body
        if fact.kind == KeyAtRisk.kind and body["why"] != Risk.LOCK_REFUSED:
            return []
        return [self._door_code(fact, body["stay_id"], fact.command_id)]

    def _door_code(self, fact: Fact, stay_id: str, because: str) -> Draft:
        stay = self._mirror.stay(stay_id)
        names = "generation valid_from_s valid_until_s"
        told = {name: fact.body[name] for name in names.split() if name in fact.body}
        room_id = None if stay is None else stay.room_id
        return self._draft(
            fact,
            "door_code",
            {"room_id": room_id, **told},
            stay_id=stay_id,
            key=f"{self._pms}.door_code:{stay_id}:{because}",
        )

    def room_status(self, fact: Fact) -> list[Draft]:
        """A room is clean, dirty, inspected or out of order."""
        body = fact.body
        if not self._room_states:
            return []
        return [
            Draft(
                natural_key=f"{self._pms}.room_state:{body['room_id']}:{fact.command_id}",
                counterparty=self._pms,
                lane=f"room:{body['room_id']}",
                kind=ROOM_STATE,
                body=msgspec.json.encode({"room_id": body["room_id"], "status": body["status"]}),
                priority=Priority.REST,
                made_ms=fact.at_wall_ms,
                trace=fact.trace,
            )
        ]

    # -- money -----------------------------------------------------------------------------------

    def settled(self, fact: Fact) -> list[Draft]:
        """Money that arrived; the PMS keeps the bill and must hear of it."""
        body = fact.body
        fields = "payment_id amount_minor currency means"
        told = {name: body[name] for name in fields.split()}
        key = f"{self._pms}.payment:{body['payment_id']}"
        return [self._draft(fact, "payment", told, key=key)]

    def refunded(self, fact: Fact) -> list[Draft]:
        """Money that went back: to the PMS a payment of less than nothing, under the refund's id.

        A second charge or a stray that goes back was never told there, so neither is its end.
        """
        body = fact.body
        paid = f"{self._pms}.payment:{body['payment_id']}"
        if not self._ledger.effects("natural_key = ?", paid):
            return []
        told = {
            "payment_id": body["refund_id"],
            "amount_minor": -body["amount_minor"],
            "currency": body["currency"],
            "means": body["means"],
        }
        key = f"{self._pms}.payment:{body['refund_id']}"
        return [self._draft(fact, "payment", told, key=key)]

    def refund_noted(self, fact: Fact) -> list[Draft]:
        """A refund that the guest's bank sent back: whoever heard that it went hears that it came."""
        body = fact.body
        back_minor = body.get("came_back_minor", 0)
        gone = f"{self._pms}.payment:{body['refund_id']}"
        if not back_minor or not self._ledger.effects("natural_key = ?", gone):
            return []
        payment_id = f"{body['refund_id']}.back"
        told = {
            "payment_id": payment_id,
            "amount_minor": back_minor,
            "currency": body["currency"],
            "means": body["means"],
        }
        return [self._draft(fact, "payment", told, key=f"{self._pms}.payment:{payment_id}")]

    def _draft(  # noqa: PLR0913 - the parts of one draft, the rare ones by name
        self,
        fact: Fact,
        what: str,
        told: Mapping[str, Any],
        *,
        priority: int = Priority.STAY,
        key: str | None = None,
        stay_id: str | None = None,
        takes_room: str | None = None,
        frees_room: str | None = None,
    ) -> Draft:
        stay_id = stay_id or fact.body["stay_id"]
        # The command's id, not the position: a restored log numbers other facts alike.
        natural_key = key or f"{self._pms}.{what}:{stay_id}:{fact.command_id}"
        return Draft(
            natural_key=natural_key,
            counterparty=self._pms,
            lane=lane_of(stay_id),
            kind=f"pms.{what}",
            body=msgspec.json.encode({"stay_id": stay_id, **told}),
            priority=priority,
            made_ms=fact.at_wall_ms,
            trace=fact.trace,
            takes_room=takes_room,
            frees_room=frees_room,
        )


def lane_of(stay_id: str) -> str:
    """The lane of everything about one stay."""
    return f"stay:{stay_id}"


def _days_since(day: date, now_ms: int) -> int:
    return (datetime.fromtimestamp(now_ms / 1000, UTC).date() - day).days


_READINGS: Final[Mapping[str, Reading]] = {
    PropertySetUp.kind: Planner.property_set_up,
    RoomAdded.kind: Planner.room_added,
    RoomTypeAdded.kind: Planner.room_type_added,
    Booked.kind: Planner.booked,
    UpstreamLinked.kind: Planner.linked,
    BookingChanged.kind: Planner.changed,
    RoomAssigned.kind: Planner.assigned,
    RoomMoved.kind: Planner.moved,
    CheckedIn.kind: Planner.checked_in,
    CheckInUndone.kind: Planner.undone,
    DepartureChanged.kind: Planner.departure_changed,
    CheckedOut.kind: Planner.checked_out,
    StayCancelled.kind: Planner.cancelled,
    NoShowMarked.kind: Planner.no_show,
    ConflictRaised.kind: Planner.conflict_raised,
    ConflictSettled.kind: Planner.conflict_settled,
    KeyCut.kind: Planner.key_changed,
    KeyRevoked.kind: Planner.key_changed,
    KeyAtRisk.kind: Planner.key_at_risk,
    KeyRiskCleared.kind: Planner.key_at_risk,
    RoomStatusSet.kind: Planner.room_status,
    PaymentSettled.kind: Planner.settled,
    PaymentRefunded.kind: Planner.refunded,
    RefundNoted.kind: Planner.refund_noted,
}
