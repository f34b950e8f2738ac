"""Promises of identity's rules: staff, shifts, and people who are forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.bus.words import Outcome
from appliance.engines.doors.messages import OpenSettled
from appliance.engines.identity.messages import (
    AddStaff,
    ChangePin,
    CloseShift,
    DeactivateStaff,
    ForgetPerson,
    OpenSession,
    OpenShift,
    Refusal,
    SessionKind,
)
from appliance.engines.identity.projection import PROJECTION
from appliance.engines.identity.room import ENGINE
from appliance.engines.payments.messages import IntentNoted, IntentState
from appliance.kernel import rebuild
from appliance.kernel.log import Stamp
from appliance.kernel.messages import Event, Role, Who
from support.desk import BOX, CLERK, MANAGER, Desk

HASH = "$argon2id$v=19$m=19456,t=3,p=1$c2FsdA$aGFzaA"
IDA = Who(actor="staff:ida", role=Role.FRONT_DESK, terminal="desk-1")
TOM = Who(actor="staff:tom", role=Role.FRONT_DESK, terminal="desk-1")
MAX = Who(actor="staff:max", role=Role.MANAGER, terminal="desk-1")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path, [ENGINE])
    desk.done(add("max", Role.MANAGER), MANAGER)
    desk.done(add("ida"), MANAGER)
    desk.done(add("tom"), MANAGER)
    yield desk
    desk.close()


def add(person: str, *roles: Role) -> AddStaff:
    return AddStaff(
        person_id=person,
        display_name=person.title(),
        staff_roles=roles or (Role.FRONT_DESK,),
        pin_hash=HASH,
    )


def session(person: str, name: str) -> OpenSession:
    return OpenSession(
        session_hash=name,
        kind=SessionKind.STAFF,
        person_id=person,
        stay_id=None,
        surface="kiosk",
        terminal="desk-1",
        expires_at_s=2_000_000_000,
    )


def shift(person: str = "ida", terminal: str = "desk-1") -> OpenShift:
    return OpenShift(person_id=person, terminal=terminal)


def hand_over(*acknowledged: str, person: str = "ida") -> CloseShift:
    return CloseShift(person_id=person, terminal="desk-1", acknowledged=acknowledged)


def happened(desk: Desk, stream: str, *events: Event) -> None:
    """Facts of other rooms, as this room's tables take them in."""
    log = desk.deciding.log
    with log.transaction():
        for event in events:
            stamp = Stamp(who=BOX, command_id="other", now=desk.clock.read())
            recorded = log.append(stream, log.version_of(stream) + 1, event, stamp)
            PROJECTION.on[type(event)](desk.db, event, recorded)


def opening(outcome: Outcome, name: str = "op-1") -> OpenSettled:
    return OpenSettled(
        opening_id=name, door_id="d1", outcome=outcome, refusal=None, evidence="deadline"
    )


def intent(state: IntentState, name: str = "in-1") -> IntentNoted:
    return IntentNoted(
        intent_id=name, stay_id="s1", state=state, provider_ref=None, code=None, evidence=""
    )


def test_nothing_of_a_person_is_readable_in_the_log_or_the_tables(desk: Desk) -> None:
    desk.done(replace(add("eva"), display_name="Eva Zweig"), MANAGER)
    written = repr(desk.rows("SELECT body FROM event")) + repr(
        desk.rows("SELECT * FROM identity_staff")
    )
    assert "Zweig" not in written
    assert "argon2" not in written


def test_an_id_is_given_once(desk: Desk) -> None:
    assert desk.refused(add("ida"), MANAGER) == Refusal.EXISTS
    desk.done(DeactivateStaff(person_id="ida"), MANAGER)
    assert desk.refused(add("ida"), MANAGER) == Refusal.EXISTS


def test_somebody_without_a_role_is_not_added(desk: Desk) -> None:
    assert desk.refused(replace(add("eva"), staff_roles=()), MANAGER) == Refusal.NO_ROLES


@pytest.mark.parametrize("role", [Role.GUEST, Role.RESIDENT, Role.SERVICE])
def test_guests_and_the_box_are_no_staff(desk: Desk, role: Role) -> None:
    assert desk.refused(add("eva", role), MANAGER) == Refusal.ROLE_NOT_FOR_STAFF


def test_a_person_has_an_id_and_a_name_of_sensible_length(desk: Desk) -> None:
    assert desk.refused(replace(add("eva"), display_name="  "), MANAGER) == Refusal.EMPTY
    assert desk.refused(replace(add("eva"), person_id=""), MANAGER) == Refusal.EMPTY
    assert desk.refused(replace(add("eva"), display_name="x" * 81), MANAGER) == Refusal.TOO_LONG


def test_a_pin_itself_is_never_taken_for_its_hash(desk: Desk) -> None:
    assert desk.refused(replace(add("eva"), pin_hash="7305"), MANAGER) == Refusal.BAD_PIN
    change = ChangePin(person_id="ida", pin_hash="7305")
    assert desk.refused(change, MANAGER) == Refusal.BAD_PIN


def test_a_clerk_adds_and_removes_nobody(desk: Desk) -> None:
    assert desk.refused(add("eva"), CLERK) == "wrong_role"
    assert desk.refused(DeactivateStaff(person_id="ida"), CLERK) == "wrong_role"


def test_the_last_who_can_manage_stays(desk: Desk) -> None:
    assert desk.refused(DeactivateStaff(person_id="max"), MANAGER) == Refusal.LAST_MANAGER
    desk.done(add("eva", Role.ADMIN), MANAGER)
    desk.done(DeactivateStaff(person_id="max"), MANAGER)
    assert desk.refused(DeactivateStaff(person_id="eva"), MANAGER) == Refusal.LAST_MANAGER


def test_only_who_works_here_is_changed(desk: Desk) -> None:
    change = ChangePin(person_id="eva", pin_hash=HASH)
    assert desk.refused(change, MANAGER) == Refusal.UNKNOWN_PERSON
    desk.done(DeactivateStaff(person_id="ida"), MANAGER)
    assert desk.refused(replace(change, person_id="ida"), MANAGER) == Refusal.INACTIVE
    assert desk.refused(DeactivateStaff(person_id="ida"), MANAGER) == Refusal.INACTIVE


def test_who_is_sent_away_is_signed_out_everywhere_at_once(desk: Desk) -> None:
    desk.done(session("ida", "a"), BOX)
    desk.done(session("ida", "b"), BOX)
    desk.done(session("tom", "c"), BOX)
    desk.done(DeactivateStaff(person_id="ida"), MANAGER)
    assert desk.rows("SELECT session_hash FROM identity_session") == [("c",)]


def test_a_new_pin_ends_the_sessions_of_the_old_one_but_not_ones_own(desk: Desk) -> None:
    desk.done(session("max", "m"), BOX)
    desk.done(session("ida", "i"), BOX)
    desk.done(ChangePin(person_id="ida", pin_hash=HASH), MAX)
    desk.done(ChangePin(person_id="max", pin_hash=HASH), MAX)
    assert desk.rows("SELECT session_hash FROM identity_session") == [("m",)]


def test_asking_twice_is_asking_once(desk: Desk) -> None:
    first = desk.ask(add("eva"), MANAGER, "one")
    assert desk.ask(add("eva"), MANAGER, "one") == first
    assert desk.refused(add("eve"), MANAGER, command_id="one") == "id_reused"


def test_who_works_here_cannot_be_forgotten(desk: Desk) -> None:
    forget = ForgetPerson(person_id="ida", reason="asked to")
    assert desk.refused(forget, MANAGER) == Refusal.STILL_ACTIVE
    desk.done(DeactivateStaff(person_id="ida"), MANAGER)
    desk.done(forget, MANAGER)
    desk.done(forget, MANAGER)
    assert desk.events().count("identity.person_forgotten.v1") == 1


def test_a_forgotten_id_is_never_given_again(desk: Desk) -> None:
    desk.done(ForgetPerson(person_id="person_x", reason="asked to"), MANAGER)
    assert desk.refused(add("person_x"), MANAGER) == Refusal.EXISTS


def test_a_terminal_has_one_person_at_a_time(desk: Desk) -> None:
    first = desk.done(shift(), IDA)
    assert desk.done(shift(), IDA) == first
    assert desk.refused(shift("tom"), TOM) == Refusal.SHIFT_OPEN
    desk.done(hand_over(), IDA)
    assert desk.done(shift("tom"), TOM) != first


def test_a_shift_is_ones_own_and_a_manager_closes_what_was_left_open(desk: Desk) -> None:
    assert desk.refused(shift(), TOM) == Refusal.NOT_YOURS
    desk.done(shift(), IDA)
    assert desk.refused(hand_over(), TOM) == Refusal.NOT_YOURS
    desk.done(hand_over(), MAX)


def test_there_is_no_hand_over_without_a_shift(desk: Desk) -> None:
    assert desk.refused(hand_over(), IDA) == Refusal.NO_SHIFT


def test_a_shift_needs_a_terminal_and_somebody_who_works_here(desk: Desk) -> None:
    assert desk.refused(shift(terminal=""), IDA) == Refusal.EMPTY
    desk.done(DeactivateStaff(person_id="ida"), MANAGER)
    assert desk.refused(shift(), IDA) == Refusal.INACTIVE


def test_every_open_unknown_is_read_out_before_a_terminal_is_handed_over(desk: Desk) -> None:
    desk.done(shift(), IDA)
    happened(desk, "doors/d1", opening(Outcome.UNKNOWN))
    happened(desk, "payments/s1", intent(IntentState.UNKNOWN))
    assert desk.refused(hand_over("op-1"), IDA) == Refusal.UNACKNOWLEDGED
    desk.done(hand_over("op-1", "in-1", "never-was"), IDA)
    [closed] = [f.event for f in desk.facts if f.event.kind == "identity.shift_closed.v1"]
    assert closed.acknowledged == ("in-1", "op-1")  # type: ignore[attr-defined]


def test_money_is_read_out_until_its_end_is_known_and_a_door_once(desk: Desk) -> None:
    desk.done(shift(), IDA)
    happened(desk, "doors/d1", opening(Outcome.UNKNOWN))
    happened(desk, "payments/s1", intent(IntentState.MANUAL))
    desk.done(hand_over("op-1", "in-1"), IDA)
    assert desk.rows("SELECT id FROM identity_unknown") == [("in-1",)]
    happened(desk, "payments/s1", intent(IntentState.SUCCEEDED))
    assert desk.rows("SELECT id FROM identity_unknown") == []


def test_what_evidence_settled_need_not_be_read_out(desk: Desk) -> None:
    desk.done(shift(), IDA)
    happened(desk, "doors/d1", opening(Outcome.UNKNOWN), opening(Outcome.DONE))
    desk.done(hand_over(), IDA)


def test_the_tables_are_the_same_after_a_rebuild(desk: Desk) -> None:
    desk.done(session("ida", "a"), BOX)
    desk.done(shift(), IDA)
    happened(desk, "doors/d1", opening(Outcome.UNKNOWN))
    happened(desk, "payments/s1", intent(IntentState.UNKNOWN))
    desk.done(hand_over("op-1", "in-1"), IDA)
    desk.done(ChangePin(person_id="tom", pin_hash=HASH), MANAGER)
    desk.done(DeactivateStaff(person_id="ida"), MANAGER)
    before = {table: desk.rows(f"SELECT * FROM {table}") for table in PROJECTION.tables}  # noqa: S608
    desk.db.execute("UPDATE read_model SET ddl_hash = 'another form'")
    rebuild.settle_forms(desk.db, [ENGINE])
    assert {t: desk.rows(f"SELECT * FROM {t}") for t in PROJECTION.tables} == before  # noqa: S608


def test_a_card_number_is_nobodys_name(desk: Desk) -> None:
    for name in ("4242 4242 4242 4242", "Ida 4242-4242-4242-4242"):
        command = replace(add("ida2"), display_name=name)
        assert desk.refused(command, MANAGER) == Refusal.CARD_NUMBER
    assert desk.refused(add("4242424242424242"), MANAGER) == Refusal.CARD_NUMBER
