"""Who gets a key and until when, whose key it ends, and what an answer settles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from appliance.bus.words import EventKind, LockRefusal, Outcome
from appliance.engines.doors.door import SETTLED_KEPT
from appliance.engines.doors.messages import (
    CutKey,
    HolderKind,
    KeyCut,
    KeyReason,
    KeyRevoked,
    LogAccess,
    NoteDelivery,
    NotePinShown,
    OpenAsked,
    OpenDoor,
    OpenSettled,
    PinShown,
    Refusal,
    RevokeKeys,
    SettleOpening,
)
from appliance.engines.doors.room import ENGINE
from appliance.engines.doors.rules import OPEN_EXPIRES_MS
from appliance.engines.doors.slots import SLOT_MAX
from appliance.engines.identity.messages import StaffAdded, StaffDeactivated
from appliance.kernel.messages import Command, Event, Role, Who
from appliance.kernel.sealed import Sealed
from support import news
from support.desk import BOX, CLERK, FRIDAY_18_MS, MANAGER, Desk

NOW_S = FRIDAY_18_MS // 1000
# 2 November 2026, 11:00 in Lisbon (UTC), and two hours of grace.
DEPARTURE_S = 1_793_624_400
ANA = Who(actor="stay:ana", role=Role.GUEST)
BEN = Who(actor="stay:ben", role=Role.GUEST)
MAID = Who(actor="staff:maid", role=Role.HOUSEKEEPING)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A house of two rooms, a shared front door, and Ana in 204."""
    desk = Desk(tmp_path, [news.NEWS, ENGINE])
    for event in (
        news.property_set_up(),
        news.door_added(204),
        news.door_added(205),
        news.door_added(1, shared=True),
        news.booked("ana"),
        news.booked("ben"),
        news.checked_in("ana", 204),
    ):
        happen(desk, event)
    yield desk
    desk.close()


def happen(desk: Desk, event: Event, who: Who = CLERK) -> None:
    desk.done(news.Happen(event=event), who)


def cut(
    stay: str = "ana", number: int = 204, reason: KeyReason = KeyReason.FIRST, **more: Any
) -> CutKey:
    return CutKey(
        holder_kind=more.pop("kind", HolderKind.STAY),
        holder_id=stay,
        door_id=f"door-{number}",
        reason=reason,
        **more,
    )


def press(stay: str = "ana", number: int = 204, kind: HolderKind = HolderKind.STAY) -> OpenDoor:
    return OpenDoor(door_id=f"door-{number}", holder_kind=kind, holder_id=stay)


def settle(opening_id: str, outcome: Outcome, evidence: str = "answer", **more: Any) -> Command:
    return SettleOpening(
        opening_id=opening_id, door_id="door-204", outcome=outcome, evidence=evidence, **more
    )


def access(seq: int, event: EventKind = EventKind.UNLOCKED, **more: Any) -> LogAccess:
    return LogAccess(
        device_id=more.pop("device_id", "lock-204"),
        seq=seq,
        event=event,
        device_wall_ms=FRIDAY_18_MS,
        **more,
    )


def facts(desk: Desk, form: type[Any]) -> list[Any]:
    return [fact.event for fact in desk.facts if isinstance(fact.event, form)]


def change_guests(desk: Desk) -> None:
    """Ana leaves 204 and Ben moves in."""
    happen(desk, news.checked_out("ana", 204))
    happen(desk, news.checked_in("ben", 204))


def test_a_key_ends_on_the_departure_day_with_the_grace(desk: Desk) -> None:
    result = desk.done(cut())
    assert result["valid_until_s"] == DEPARTURE_S
    [key] = facts(desk, KeyCut)
    assert key.valid_from_s <= NOW_S
    assert (key.generation, key.slot, len(bytes.fromhex(key.cti))) == (1, 1, 8)
    assert not key.clock_unsure


def test_asking_twice_cuts_one_key(desk: Desk) -> None:
    assert desk.done(cut(), command_id="once") == desk.done(cut(), command_id="once")
    assert len(facts(desk, KeyCut)) == 1


def test_the_next_guests_first_key_raises_the_generation(desk: Desk) -> None:
    desk.done(cut())
    change_guests(desk)
    assert desk.done(cut("ben"))["generation"] == 2


def test_a_second_key_keeps_the_generation_and_the_pin(desk: Desk) -> None:
    first = desk.done(cut())
    assert desk.done(cut(reason=KeyReason.ANOTHER))["generation"] == 1
    one, two = facts(desk, KeyCut)
    assert (one.slot, two.slot, two.pin_ref) == (1, 1, first["key_id"])
    assert one.cti != two.cti
    assert facts(desk, KeyRevoked) == []


def test_a_first_key_asked_again_under_another_id_locks_nobody_out(desk: Desk) -> None:
    desk.done(cut())
    assert desk.done(cut())["generation"] == 1


def test_a_lost_key_raises_the_generation_and_ends_all_earlier_ones_there(desk: Desk) -> None:
    desk.done(cut())
    desk.done(cut(reason=KeyReason.ANOTHER))
    desk.done(cut(number=1))
    assert desk.done(cut(reason=KeyReason.LOST))["generation"] == 2
    revoked = facts(desk, KeyRevoked)
    assert [(key.door_id, key.reason) for key in revoked] == [("door-204", "lost")] * 2
    assert facts(desk, KeyCut)[-1].slot != revoked[0].slot
    assert facts(desk, KeyCut)[-1].pin_ref == ""


def test_a_shared_door_ends_nobodys_key_when_the_next_guest_comes(desk: Desk) -> None:
    happen(desk, news.checked_in("ben", 205))
    assert desk.done(cut(number=1))["generation"] == 1
    assert desk.done(cut("ben", number=1))["generation"] == 1
    assert desk.done(cut(number=1, reason=KeyReason.LOST))["generation"] == 1


def test_a_key_of_staff_is_never_newer_than_the_guest_inside(desk: Desk) -> None:
    maid = StaffAdded(
        person_id="maid",
        display_name=Sealed(subject="staff:maid", box=b"sealed"),
        staff_roles=(Role.HOUSEKEEPING,),
        pin_hash=Sealed(subject="staff:maid", box=b"sealed"),
    )
    happen(desk, maid)
    desk.done(cut())
    key = desk.done(cut("maid", kind=HolderKind.STAFF))
    assert key["generation"] == 1
    assert key["valid_until_s"] == NOW_S - 60 + 24 * 3_600
    change_guests(desk)
    assert desk.done(cut("ben"))["generation"] == 2
    # The maid's key was cut before Ben came; the box presses for her as of now.
    desk.done(press("maid", kind=HolderKind.STAFF), MAID)
    assert facts(desk, OpenAsked)[-1].generation == 2
    happen(desk, StaffDeactivated(person_id="maid"), MANAGER)
    assert desk.refused(press("maid", kind=HolderKind.STAFF), MAID) == Refusal.NO_KEY
    assert desk.refused(cut("maid", kind=HolderKind.STAFF)) == Refusal.UNKNOWN_HOLDER


def test_a_clock_that_is_unsure_signs_for_four_hours_and_says_so(desk: Desk) -> None:
    desk.clock.uncertainty_ms = 10**12
    result = desk.done(cut())
    assert result["valid_until_s"] == NOW_S + 4 * 3_600
    assert facts(desk, KeyCut)[0].clock_unsure


def test_whoever_is_not_there_gets_no_key(desk: Desk) -> None:
    assert desk.refused(cut(number=999)) == Refusal.UNKNOWN_DOOR
    assert desk.refused(cut("nobody")) == Refusal.UNKNOWN_HOLDER
    assert desk.refused(cut("")) == Refusal.UNKNOWN_HOLDER
    assert desk.refused(cut("ben")) == Refusal.HOLDER_NOT_IN_HOUSE
    assert desk.refused(cut(number=205)) == Refusal.HOLDER_NOT_IN_ROOM
    assert desk.refused(cut("rosa", kind=HolderKind.STAFF)) == Refusal.UNKNOWN_HOLDER
    assert facts(desk, KeyCut) == []


def test_a_window_that_ends_before_it_begins_or_far_too_late_is_refused(desk: Desk) -> None:
    windows: list[dict[str, Any]] = [
        {"valid_until_s": NOW_S},
        {"valid_from_s": NOW_S + 100, "valid_until_s": NOW_S + 100},
        {"valid_until_s": DEPARTURE_S + 86_401},
    ]
    for window in windows:
        assert desk.refused(cut(**window)) == Refusal.BAD_WINDOW
    assert desk.refused(cut("flat-1", kind=HolderKind.LEASE)) == Refusal.BAD_WINDOW
    year: dict[str, Any] = {"valid_until_s": NOW_S + 367 * 86_400}
    assert desk.refused(cut("flat-1", kind=HolderKind.LEASE, **year)) == Refusal.BAD_WINDOW
    month: dict[str, Any] = {"valid_until_s": NOW_S + 30 * 86_400}
    desk.done(cut("flat-1", kind=HolderKind.LEASE, **month))


def test_a_keypad_with_no_slot_left_is_said_and_costs_nobody_theirs(desk: Desk) -> None:
    added = Sealed(subject="maid", box=b"sealed")
    happen(
        desk,
        StaffAdded(
            person_id="maid", display_name=added, staff_roles=(Role.HOUSEKEEPING,), pin_hash=added
        ),
    )
    until: dict[str, Any] = {
        "kind": HolderKind.VENDOR,
        "valid_until_s": NOW_S + 3_600,
        "sponsor": "maid",
    }
    for number in range(SLOT_MAX):
        desk.done(cut(f"firm-{number}", **until))
    slots = [key.slot for key in facts(desk, KeyCut)]
    assert sorted(slots) == list(range(1, SLOT_MAX + 1))
    assert desk.refused(cut("one-more", **until)) == Refusal.NO_SLOT


def test_only_the_desk_and_the_box_cut_keys(desk: Desk) -> None:
    assert desk.refused(cut(), ANA) == "wrong_role"
    assert desk.refused(cut(), MAID) == "wrong_role"
    assert desk.done(cut(), BOX)


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (news.checked_out("ana", 204), "checked_out"),
        (news.check_in_undone("ana", 204), "check_in_undone"),
        (news.cancelled("ana"), "cancelled"),
        (news.no_show("ana"), "no_show"),
    ],
)
def test_whoever_leaves_has_no_key_left_anywhere(desk: Desk, event: Event, why: str) -> None:
    desk.done(cut())
    desk.done(cut(number=1))
    happen(desk, event)
    assert {(key.door_id, key.reason) for key in facts(desk, KeyRevoked)} == {
        ("door-204", why),
        ("door-1", why),
    }
    assert desk.refused(press(), ANA) == Refusal.NO_KEY
    assert desk.refused(cut()) == Refusal.HOLDER_NOT_IN_HOUSE


def test_a_move_cuts_the_new_key_before_the_old_one_dies(desk: Desk) -> None:
    desk.done(cut())
    desk.done(cut(number=1))
    happen(desk, news.moved("ana", 204, 205))
    assert desk.events()[-3:] == [
        "stays.room_moved.v1",
        "doors.key_cut.v1",
        "doors.key_revoked.v1",
    ]
    new, old = facts(desk, KeyCut)[-1], facts(desk, KeyRevoked)[-1]
    assert (new.door_id, new.reason) == ("door-205", KeyReason.MOVED)
    assert (old.door_id, old.reason) == ("door-204", "moved")
    desk.done(press(number=205), ANA)
    desk.done(press(number=1), ANA)
    assert desk.refused(press(), ANA) == Refusal.NO_KEY


def test_a_move_without_a_key_cuts_none(desk: Desk) -> None:
    happen(desk, news.moved("ana", 204, 205))
    assert facts(desk, KeyCut) == []


def test_a_longer_stay_keeps_generation_and_pin_and_gets_a_longer_key(desk: Desk) -> None:
    first = desk.done(cut())
    happen(desk, news.departure_changed("ana", 204, date(2026, 11, 4)))
    key = facts(desk, KeyCut)[-1]
    assert (key.reason, key.generation, key.slot) == (KeyReason.EXTENDED, 1, 1)
    assert key.pin_ref == first["key_id"]
    assert key.valid_until_s == DEPARTURE_S + 2 * 86_400
    assert facts(desk, KeyRevoked) == []


def test_a_shorter_stay_ends_what_reaches_beyond_it(desk: Desk) -> None:
    first = desk.done(cut())
    happen(desk, news.departure_changed("ana", 204, date(2026, 11, 1)))
    [revoked] = facts(desk, KeyRevoked)
    assert (revoked.key_id, revoked.reason) == (first["key_id"], "shortened")
    assert facts(desk, KeyCut)[-1].valid_until_s == DEPARTURE_S - 86_400
    desk.done(press(), ANA)


def test_a_departure_in_the_past_takes_no_key_from_a_guest_in_house(desk: Desk) -> None:
    desk.done(cut())
    happen(desk, news.departure_changed("ana", 204, date(2026, 10, 29)))
    desk.done(press(), ANA)


def test_revoking_everywhere_is_one_command_and_nothing_to_revoke_is_no_error(desk: Desk) -> None:
    desk.done(cut())
    desk.done(cut(number=1))
    everywhere = RevokeKeys(
        holder_kind=HolderKind.STAY, holder_id="ana", door_id=None, reason="police"
    )
    desk.done(everywhere)
    assert len(facts(desk, KeyRevoked)) == 2
    desk.done(everywhere)
    desk.done(replace(everywhere, door_id="door-204"))
    assert desk.refused(replace(everywhere, door_id="door-9")) == Refusal.UNKNOWN_DOOR
    assert len(facts(desk, KeyRevoked)) == 2


def test_a_press_is_committed_with_an_end_six_seconds_away(desk: Desk) -> None:
    desk.done(cut())
    opening_id = desk.done(press(), ANA)["opening_id"]
    [asked] = facts(desk, OpenAsked)
    assert asked.opening_id == opening_id
    assert asked.expires_at_ms == FRIDAY_18_MS + OPEN_EXPIRES_MS
    assert (asked.device_id, asked.door_number, asked.generation) == ("lock-204", 204, 1)
    assert desk.rows("SELECT outcome, asked_by FROM doors_opening") == [(None, "stay:ana")]


def test_whoever_has_no_key_at_all_hears_that_and_not_that_the_door_is_unknown(desk: Desk) -> None:
    assert desk.refused(replace(press(), door_id=""), ANA) == Refusal.NO_KEY


def test_a_guest_presses_only_with_their_own_stay(desk: Desk) -> None:
    desk.done(cut())
    assert desk.refused(press(), BEN) == Refusal.NOT_YOURS
    assert desk.refused(press("maid", kind=HolderKind.STAFF), ANA) == Refusal.NOT_YOURS
    assert desk.refused(press(), MAID) == Refusal.NOT_YOURS
    assert desk.refused(press(number=9), ANA) == Refusal.UNKNOWN_DOOR
    assert desk.refused(replace(press(), door_id=""), BEN) == Refusal.NOT_YOURS
    assert desk.done(press(), CLERK)


def test_a_press_needs_a_key_that_is_good_now(desk: Desk) -> None:
    assert desk.refused(press(), ANA) == Refusal.NO_KEY
    desk.done(cut(valid_from_s=NOW_S + 60))
    assert desk.refused(press(), ANA) == Refusal.KEY_NOT_YET
    desk.done(cut(reason=KeyReason.LOST, valid_until_s=NOW_S + 1))
    desk.clock._now_ns += 10**10
    assert desk.refused(press(), ANA) == Refusal.KEY_EXPIRED


def test_an_unknown_outcome_gets_better_by_evidence_and_a_final_one_never(desk: Desk) -> None:
    desk.done(cut())
    opening_id = desk.done(press(), ANA)["opening_id"]
    desk.done(settle(opening_id, Outcome.UNKNOWN, "deadline"), BOX)
    for outcome in (Outcome.UNKNOWN, Outcome.NOT_SENT):
        assert desk.refused(settle(opening_id, outcome), BOX) == Refusal.ALREADY_SETTLED
    assert desk.refused(settle(opening_id, Outcome.DONE, ""), BOX) == Refusal.NO_EVIDENCE
    desk.done(settle(opening_id, Outcome.DONE, "event:4"), BOX)
    for outcome in Outcome:
        assert desk.refused(settle(opening_id, outcome), BOX) == Refusal.ALREADY_SETTLED
    assert desk.refused(settle("open_x", Outcome.DONE), BOX) == Refusal.UNKNOWN_OPENING
    assert desk.refused(settle(opening_id, Outcome.DONE), ANA) == "wrong_role"


def test_a_person_settles_what_is_unknown_and_nothing_that_is_on_its_way(desk: Desk) -> None:
    desk.done(cut())
    opening_id = desk.done(press(), ANA)["opening_id"]
    assert desk.refused(settle(opening_id, Outcome.DONE)) == Refusal.NO_EVIDENCE
    desk.done(settle(opening_id, Outcome.UNKNOWN, "deadline"), BOX)
    desk.done(settle(opening_id, Outcome.DONE, "event:7"), CLERK)
    assert facts(desk, OpenSettled)[-1].evidence == "person"


def test_openings_under_way_are_kept_and_old_ones_forgotten(desk: Desk) -> None:
    desk.done(cut())
    stuck = desk.done(press(), ANA)["opening_id"]
    for _ in range(200):
        done = desk.done(press(), ANA)["opening_id"]
        desk.done(settle(done, Outcome.DONE), BOX)
    state = desk.deciding.state_of("doors/door-204", ENGINE.folds)
    assert stuck in state.openings
    assert len(state.openings) <= 2 * SETTLED_KEPT


def test_an_event_is_logged_once_and_names_whose_key_it_was(desk: Desk) -> None:
    key = desk.done(cut())["key_id"]
    cti = facts(desk, KeyCut)[0].cti
    desk.done(access(1, cti=cti), BOX)
    desk.done(access(2, slot=1), BOX)
    desk.done(access(3, cti="00" * 8), BOX)
    assert desk.rows("SELECT seq, key_id, holder_id, missed FROM doors_access ORDER BY seq") == [
        (1, key, "ana", 0),
        (2, key, "ana", 0),
        (3, None, None, 0),
    ]
    assert desk.refused(access(2, EventKind.JAMMED), BOX) == Refusal.SEEN_BEFORE
    assert desk.refused(access(1, device_id="kettle"), BOX) == Refusal.UNKNOWN_DEVICE
    assert desk.refused(access(9), CLERK) == "wrong_role"


def test_a_jump_in_the_numbers_is_counted_and_a_late_one_still_taken(desk: Desk) -> None:
    desk.done(access(1), BOX)
    desk.done(access(5), BOX)
    assert desk.rows("SELECT missed FROM doors_access WHERE seq = 5") == [(3,)]
    desk.done(access(3), BOX)
    assert desk.refused(access(3, EventKind.LOCKED), BOX) == Refusal.SEEN_BEFORE
    desk.done(access(6), BOX)
    assert desk.rows("SELECT missed FROM doors_access WHERE seq = 6") == [(0,)]


@pytest.mark.parametrize(
    ("event", "refusal", "outcome", "kept"),
    [
        (EventKind.UNLOCKED, None, "done", None),
        (EventKind.REFUSED, LockRefusal.SUPERSEDED, "refused", "superseded"),
        (EventKind.JAMMED, None, "refused", "jammed"),
    ],
)
@pytest.mark.parametrize("unknown_before", [True, False])
def test_the_locks_event_settles_the_press_it_names(
    desk: Desk,
    event: EventKind,
    refusal: LockRefusal | None,
    outcome: str,
    kept: str | None,
    *,
    unknown_before: bool,
) -> None:
    desk.done(cut())
    opening_id = desk.done(press(), ANA)["opening_id"]
    if unknown_before:
        desk.done(settle(opening_id, Outcome.UNKNOWN, "deadline"), BOX)
    desk.done(access(7, event, order_id=opening_id, refusal=refusal), BOX)
    assert desk.rows("SELECT outcome, refusal, evidence FROM doors_opening") == [
        (outcome, kept, "event:7")
    ]
    # The same event, said again after the answer, changes nothing and harms nothing.
    desk.done(access(8, event, order_id=opening_id, refusal=refusal), BOX)
    assert len(facts(desk, OpenSettled)) == 1 + unknown_before


def test_one_lock_cannot_settle_what_was_asked_of_another(desk: Desk) -> None:
    desk.done(cut())
    opening_id = desk.done(press(), ANA)["opening_id"]
    desk.done(access(1, device_id="lock-205", order_id=opening_id), BOX)
    assert desk.rows("SELECT outcome FROM doors_opening") == [(None,)]


def test_a_look_at_a_pin_is_a_fact_with_a_name(desk: Desk) -> None:
    key_id = desk.done(cut())["key_id"]
    look = NotePinShown(door_id="door-204", key_id=key_id)
    assert desk.refused(look, BEN) == Refusal.NOT_YOURS
    assert desk.refused(replace(look, key_id="key_x"), ANA) == Refusal.NO_KEY
    desk.done(look, ANA)
    desk.done(look, CLERK)
    assert [fact.who.actor for fact in desk.facts if isinstance(fact.event, PinShown)] == [
        "stay:ana",
        "staff:clerk",
    ]


def test_a_delivery_is_noted_for_keys_that_exist(desk: Desk) -> None:
    key_id = desk.done(cut())["key_id"]
    note = NoteDelivery(door_id="door-204", key_id=key_id, what="pin_put", outcome=Outcome.DONE)
    desk.done(note, BOX)
    assert desk.rows("SELECT what, outcome FROM doors_delivery") == [("pin_put", "done")]
    assert desk.refused(replace(note, key_id="key_x"), BOX) == Refusal.NO_KEY
