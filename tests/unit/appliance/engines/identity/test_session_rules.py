"""Promises of sessions and refresh tokens as rules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.engines.identity.messages import (
    AddStaff,
    DeactivateStaff,
    EndSession,
    OpenSession,
    Refusal,
    RotateRefresh,
    SessionKind,
)
from appliance.engines.identity.room import ENGINE
from appliance.kernel.messages import Role
from support.desk import BOX, CLERK, FRIDAY_18_MS, MANAGER, Desk

NOW_S = FRIDAY_18_MS // 1000
HASH = "$argon2id$v=19$m=19456,t=3,p=1$c2FsdA$aGFzaA"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path, [ENGINE])
    for person, role in (("ida", Role.FRONT_DESK), ("max", Role.MANAGER)):
        add = AddStaff(person_id=person, display_name=person, staff_roles=(role,), pin_hash=HASH)
        desk.done(add, MANAGER)
    yield desk
    desk.close()


def opened(person: str | None = "ida", expires_at_s: int = NOW_S + 3_600) -> OpenSession:
    return OpenSession(
        session_hash="t0",
        kind=SessionKind.STAFF,
        person_id=person,
        stay_id=None,
        surface="kiosk",
        terminal="desk-1",
        expires_at_s=expires_at_s,
    )


def rotate(used: str, after: str, at_s: int = NOW_S) -> RotateRefresh:
    return RotateRefresh(session_hash="t0", used_hash=used, next_hash=after, at_s=at_s)


def test_only_the_box_opens_and_ends_sessions(desk: Desk) -> None:
    assert desk.refused(opened(), CLERK) == "wrong_role"
    assert desk.refused(EndSession(session_hash="t0", reason="x"), MANAGER) == "wrong_role"


def test_a_session_is_opened_once_and_for_staff_who_work_here(desk: Desk) -> None:
    assert desk.refused(opened("eva"), BOX) == Refusal.UNKNOWN_PERSON
    assert desk.refused(opened(None), BOX) == Refusal.UNKNOWN_PERSON
    desk.done(opened(), BOX)
    assert desk.refused(opened(), BOX) == Refusal.EXISTS
    desk.done(EndSession(session_hash="t0", reason="signed_out"), BOX)
    desk.done(DeactivateStaff(person_id="ida"), MANAGER)
    again = OpenSession(
        **{name: getattr(opened(), name) for name in opened().__slots__} | {"session_hash": "t1"}
    )
    assert desk.refused(again, BOX) == Refusal.INACTIVE


def test_ending_twice_is_ending_once(desk: Desk) -> None:
    end = EndSession(session_hash="t0", reason="signed_out")
    assert desk.refused(end, BOX) == Refusal.UNKNOWN_SESSION
    desk.done(opened(), BOX)
    desk.done(end, BOX)
    desk.done(end, BOX)
    assert desk.events().count("identity.session_ended.v1") == 1


def test_a_refresh_token_has_one_successor_within_thirty_seconds(desk: Desk) -> None:
    desk.done(opened(), BOX)
    assert desk.done(rotate("t0", "t1"), BOX) == {"next_hash": "t1"}
    # The answer was lost: the same device asks again.
    assert desk.done(rotate("t0", "t1", NOW_S + 30), BOX) == {"next_hash": "t1"}
    assert desk.events().count("identity.refresh_rotated.v1") == 1


def test_a_spent_token_that_comes_back_late_ends_the_session(desk: Desk) -> None:
    desk.done(opened(), BOX)
    desk.done(rotate("t0", "t1"), BOX)
    assert desk.done(rotate("t0", "t1", NOW_S + 31), BOX) == {"ended": "reused_refresh"}
    # Neither the thief nor the owner goes on with it.
    assert desk.refused(rotate("t1", "t2", NOW_S + 32), BOX) == Refusal.REUSED_REFRESH
    assert desk.rows("SELECT * FROM identity_session") == []


def test_a_token_two_generations_old_ends_the_session_at_any_time(desk: Desk) -> None:
    desk.done(opened(), BOX)
    desk.done(rotate("t0", "t1"), BOX)
    desk.done(rotate("t1", "t2"), BOX)
    assert desk.done(rotate("t0", "t1", NOW_S + 1), BOX) == {"ended": "reused_refresh"}


def test_a_strangers_token_ends_nobodys_session(desk: Desk) -> None:
    desk.done(opened(), BOX)
    assert desk.refused(rotate("never", "x"), BOX) == Refusal.UNKNOWN_SESSION
    assert desk.done(rotate("t0", "t1"), BOX) == {"next_hash": "t1"}


def test_an_expired_or_ended_session_is_not_refreshed(desk: Desk) -> None:
    desk.done(opened(expires_at_s=NOW_S), BOX)
    assert desk.refused(rotate("t0", "t1"), BOX) == Refusal.UNKNOWN_SESSION
    desk.done(EndSession(session_hash="t0", reason="signed_out"), BOX)
    assert desk.refused(rotate("t0", "t1"), BOX) == Refusal.UNKNOWN_SESSION
