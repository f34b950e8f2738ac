"""Whatever the desk and the PMS do in whatever order: what must hold of stays and calendar."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from appliance.engines.housekeeping.messages import RoomStatus, SetRoomStatus
from appliance.engines.stays.messages import (
    AssignRoom,
    CancelStay,
    ChangeDeparture,
    CheckIn,
    CheckOut,
    LinkUpstream,
    MarkNoShow,
    MoveRoom,
    RunNightAudit,
    SettleConflict,
    StayState,
    UndoCheckIn,
    UndoDecision,
)
from appliance.engines.stays.state import Stay, fold
from appliance.kernel import log as kernel_log
from appliance.kernel.messages import Answer, Command, Done, Refused, Who
from appliance.kernel.rebuild import create
from support.desk import CLERK, MANAGER, SYNC
from support.hotel import ENGINES, FRIDAY, Hotel, booking, priced, walk_in

ROOMS = st.sampled_from(["r101", "r102", "r103", "r201"])
SOME_ROOM = st.none() | ROOMS
LENGTHS = st.integers(1, 4)


class Life(RuleBasedStateMachine):
    """One hotel, many wishes; refusals are answers, faults are not."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.hotel = Hotel(Path(self.folder.name))
        self.today = FRIDAY
        self.version = 0

    def ask(self, command: Command, who: Who = CLERK) -> Answer:
        answer = self.hotel.ask(command, who)
        if isinstance(answer, Refused):
            assert answer.engine != "kernel"
            assert answer.code != "broken"
        return answer

    def stay_ids(self) -> list[str]:
        return [row[0] for row in self.hotel.rows("SELECT stay_id FROM stays_stay ORDER BY 1")]

    def pick(self, number: int) -> str:
        known = self.stay_ids()
        return known[number % len(known)] if known else "stay_nobody"

    @initialize()
    def some_guests(self) -> None:
        """Two in house, one due today, one tomorrow: or most wishes would meet nobody."""
        for number, start in enumerate((0, 0, 0, 1)):
            self.learn(number, StayState.CONFIRMED, start, 3, "double", None)
        for number in range(2):
            self.check_in(number, f"r10{number + 1}", accept=True)

    @rule(
        booking_number=st.integers(0, 5),
        state=st.sampled_from([StayState.CONFIRMED, StayState.IN_HOUSE, *StayState]),
        start=st.integers(-1, 3),
        length=LENGTHS,
        kind=st.sampled_from(["double", "suite"]),
        room=SOME_ROOM,
    )
    def learn(
        self,
        booking_number: int,
        state: StayState,
        start: int,
        length: int,
        kind: str,
        room: str | None,
    ) -> None:
        arrival = self.today + timedelta(days=start)
        self.version += 1
        more: dict[str, Any] = {
            "arrival": arrival,
            "departure": arrival + timedelta(days=length),
            "state": state,
            "room_type_id": kind,
            "room_id": room,
            "upstream_version": str(self.version),
        }
        answer = self.ask(booking(f"up-{booking_number}", **more), SYNC)
        assert isinstance(answer, Done), "the PMS is heard, whatever it says"

    @rule(room=SOME_ROOM, length=LENGTHS, manager=st.booleans())
    def sell(self, room: str | None, length: int, *, manager: bool) -> None:
        end = self.today + timedelta(days=length)
        command = walk_in(arrival=self.today, departure=end, room_id=room)
        self.ask(command, MANAGER if manager else CLERK)

    @rule(number=st.integers(0, 20), room=ROOMS)
    def assign(self, number: int, room: str) -> None:
        self.ask(AssignRoom(stay_id=self.pick(number), room_id=room))

    @rule(number=st.integers(0, 20), room=SOME_ROOM, accept=st.booleans())
    def check_in(self, number: int, room: str | None, *, accept: bool) -> None:
        stay_id = self.pick(number)
        self.ask(CheckIn(stay_id=stay_id, room_id=room, accept_not_ready=accept))

    @rule(number=st.integers(0, 20))
    def undo(self, number: int) -> None:
        self.ask(UndoCheckIn(stay_id=self.pick(number), reason="wrong"))

    @rule(number=st.integers(0, 20), room=ROOMS)
    def move(self, number: int, room: str) -> None:
        move = MoveRoom(
            stay_id=self.pick(number), room_id=room, reason="noise", accept_not_ready=True
        )
        self.ask(move)

    @rule(number=st.integers(0, 20), nights=st.integers(-1, 5), manager=st.booleans())
    def change_departure(self, number: int, nights: int, *, manager: bool) -> None:
        stay_id = self.pick(number)
        stay = self.folded(stay_id)
        previous = stay.departure if stay is not None else self.today
        departure = self.today + timedelta(days=nights)
        change = ChangeDeparture(
            stay_id=stay_id, departure=departure, added_nights=priced(previous, departure)
        )
        self.ask(change, MANAGER if manager else CLERK)

    @rule(number=st.integers(0, 20))
    def check_out(self, number: int) -> None:
        self.ask(CheckOut(stay_id=self.pick(number)))

    @rule(number=st.integers(0, 20), absent=st.booleans())
    def never_comes(self, number: int, *, absent: bool) -> None:
        stay_id = self.pick(number)
        self.ask(MarkNoShow(stay_id=stay_id) if absent else CancelStay(stay_id=stay_id, reason="x"))

    @rule(room=ROOMS, status=st.sampled_from(RoomStatus))
    def housekeeping(self, room: str, status: RoomStatus) -> None:
        self.ask(SetRoomStatus(room_id=room, status=status, reason="because"))

    @rule(number=st.integers(0, 20))
    def link(self, number: int) -> None:
        link = LinkUpstream(
            stay_id=self.pick(number),
            source="pms",
            upstream_id=f"up-{number % 6}",
            upstream_version=str(self.version),
            code="PMS",
        )
        self.ask(link, SYNC)

    @rule(number=st.integers(0, 20), take=st.booleans())
    def settle(self, number: int, *, take: bool) -> None:
        conflicts = self.hotel.rows(
            "SELECT stay_id, conflict_id FROM stays_conflict ORDER BY conflict_id"
        )
        if conflicts:
            stay_id, conflict_id = conflicts[number % len(conflicts)]
            command = SettleConflict(stay_id=stay_id, conflict_id=conflict_id, take_upstream=take)
            self.ask(command)

    @rule(number=st.integers(0, 20))
    def undo_decision(self, number: int) -> None:
        made = self.hotel.rows(
            "SELECT stay_id, decision_id FROM stays_decision WHERE kind <> 'none'"
            " ORDER BY at_ms, decision_id"
        )
        if made:
            stay_id, decision_id = made[number % len(made)]
            self.ask(UndoDecision(stay_id=stay_id, decision_id=decision_id))

    @rule(tired=st.integers(0, 2))
    def audit(self, tired: int) -> None:
        if tired:
            return  # a night has many acts before it
        answer = self.ask(RunNightAudit(closing=self.today))
        assert isinstance(answer, Done)
        self.today += timedelta(days=1)

    def folded(self, stay_id: str) -> Stay | None:
        events = kernel_log.Log(self.hotel.db).events_of(f"stay/{stay_id}")
        return fold(None, events)

    @invariant()
    def no_rule_or_read_model_ever_raised(self) -> None:
        assert self.hotel.deciding.faults == {}

    @invariant()
    def what_the_facts_fold_to_is_what_the_tables_say(self) -> None:
        rows = self.hotel.rows(
            "SELECT stay_id, state, room_id, arrival, departure, room_type_id FROM stays_stay"
        )
        for stay_id, *told in rows:
            stay = self.folded(stay_id)
            assert stay is not None
            assert told == [
                stay.state,
                stay.room_id,
                str(stay.arrival),
                str(stay.departure),
                stay.room_type_id,
            ]

    @invariant()
    def a_stay_in_house_has_its_room_for_every_night_that_is_left(self) -> None:
        for stay_id in self.stay_ids():
            stay = self.folded(stay_id)
            assert stay is not None
            claims = set(self.hotel.claims(stay_id))
            if stay.state not in {StayState.IN_HOUSE, StayState.CONFIRMED}:
                assert not [night for _, night in claims if night >= str(self.today)]
                continue
            expected = _stretch(stay.room_id, max(stay.arrival, self.today), stay.departure)
            assert {claim for claim in claims if claim[1] >= str(self.today)} == expected

    @invariant()
    def a_live_stay_holds_each_of_its_nights_once_in_the_type_of_its_room(self) -> None:
        kinds = dict(self.hotel.rows("SELECT room_id, room_type_id FROM stays_room"))
        for stay_id in self.stay_ids():
            stay = self.folded(stay_id)
            assert stay is not None
            held = [each for each in self.hotel.held(stay_id) if each[1] >= str(self.today)]
            live = stay.state in {StayState.IN_HOUSE, StayState.CONFIRMED}
            kind = kinds.get(stay.room_id, stay.room_type_id)
            start = max(stay.arrival, self.today)
            expected = _stretch(kind, start, stay.departure) if live else set()
            assert set(held) == expected

    @invariant()
    def what_the_box_sold_by_itself_has_a_room(self) -> None:
        """Capacity may be exceeded by the PMS (and by a room that breaks), never by our own sale."""
        over = self.hotel.rows(
            "SELECT h.room_type_id, h.night FROM calendar_hold h WHERE h.confirmed = 0"
            " GROUP BY h.room_type_id, h.night HAVING count(*) >"
            " (SELECT count(*) FROM calendar_room r WHERE r.room_type_id = h.room_type_id)"
        )
        assert over == []

    @invariant()
    def one_guest_at_most_is_in_a_room(self) -> None:
        inside = [
            row[0]
            for row in self.hotel.rows("SELECT room_id FROM stays_stay WHERE state = 'in_house'")
        ]
        assert len(inside) == len(set(inside))
        occupied = self.hotel.rows("SELECT room_id FROM stays_room WHERE occupied_by IS NOT NULL")
        assert sorted(inside) == sorted(row[0] for row in occupied)
        cleaning = self.hotel.rows(
            "SELECT room_id FROM housekeeping_room WHERE occupied_by IS NOT NULL"
        )
        assert sorted(cleaning) == sorted(occupied)

    def teardown(self) -> None:
        live, again = self.tables(), self.rebuilt()
        self.hotel.close()
        self.folder.cleanup()
        assert again == live

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        return {
            table: sorted(self.hotel.rows(f"SELECT * FROM {table}"), key=repr)  # noqa: S608
            for table in _tables()
        }

    def rebuilt(self) -> dict[str, list[tuple[Any, ...]]]:
        facts = kernel_log.read(self.hotel.db, 0, 1_000_000)
        for engine in ENGINES:
            assert engine.projection is not None
            for table in engine.projection.tables:
                self.hotel.db.execute(f"DROP TABLE {table}")
            create(self.hotel.db, engine.projection)
        for fact in facts:
            for engine in ENGINES:
                assert engine.projection is not None
                apply = engine.projection.on.get(type(fact.event))
                if apply is not None:
                    apply(self.hotel.db, fact.event, fact)
        return self.tables()


def _tables() -> Sequence[str]:
    return [table for each in ENGINES if each.projection for table in each.projection.tables]


def _stretch(what: str | None, start: date, end: date) -> set[tuple[str, str]]:
    if what is None:
        return set()
    nights = range(max(0, (end - start).days))
    return {(what, str(start + timedelta(days=number))) for number in nights}


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=30,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
