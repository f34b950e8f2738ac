"""Whose phone it is, how many there may be, and when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.engines.doors.messages import (
    CutKey,
    EndPhones,
    EnrolPhone,
    HolderKind,
    KeyReason,
    PhoneEnrolled,
    PhoneRemoved,
    Refusal,
    RemovePhone,
)
from appliance.engines.doors.phones import (
    MOBILE_S_MAX,
    PHONES_A_DAY_MAX,
    PHONES_MAX,
    mobile_end_s,
    phone_id_of,
)
from appliance.engines.doors.room import ENGINE
from appliance.engines.doors.windows import UNSURE_S_MAX
from appliance.engines.identity.messages import StaffAdded, StaffDeactivated
from appliance.engines.inventory.messages import LockProtocol
from appliance.kernel.clock import Reading
from appliance.kernel.cose import point_of
from appliance.kernel.messages import Event, Role, Who
from appliance.kernel.sealed import Sealed
from support import news
from support.desk import BOX, CLERK, FRIDAY_18_MS, MANAGER, Desk

ANA = Who(actor="stay:ana", role=Role.GUEST)
BEN = Who(actor="stay:ben", role=Role.GUEST)
MAID = Who(actor="staff:maid", role=Role.HOUSEKEEPING)


def point() -> str:
    """The point of a new phone."""
    return point_of(ec.generate_private_key(ec.SECP256R1()).public_key()).hex()


def enrol(which: str, stay: str = "ana", kind: HolderKind = HolderKind.STAY) -> EnrolPhone:
    return EnrolPhone(holder_kind=kind, holder_id=stay, point=which)


def remove(phone_id: str, stay: str = "ana") -> RemovePhone:
    return RemovePhone(holder_kind=HolderKind.STAY, holder_id=stay, phone_id=phone_id)


def happen(desk: Desk, event: Event) -> None:
    desk.done(news.Happen(event=event))


def _maid() -> StaffAdded:
    return StaffAdded(
        person_id="maid",
        display_name=Sealed(subject="staff:maid", box=b"sealed"),
        staff_roles=(Role.HOUSEKEEPING,),
        pin_hash=Sealed(subject="staff:maid", box=b"sealed"),
    )


def living(desk: Desk) -> list[tuple[str, str]]:
    """(holder, phone) of every phone that gets keys."""
    query = "SELECT holder_id, phone_id FROM doors_phone WHERE removed_at_ms IS NULL"
    return [(row[0], row[1]) for row in desk.rows(query)]


def ended(desk: Desk) -> list[str]:
    return [f.event.reason for f in desk.facts if isinstance(f.event, PhoneRemoved)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Ana in 204, Ben booked, a maid who works here."""
    desk = Desk(tmp_path, [news.NEWS, ENGINE])
    for event in (
        news.property_set_up(),
        news.door_added(204),
        news.booked("ana"),
        news.booked("ben"),
        news.checked_in("ana", 204),
    ):
        happen(desk, event)
    yield desk
    desk.close()


def test_a_guest_enrols_a_phone_and_twice_is_once(desk: Desk) -> None:
    phone = point()
    first = desk.done(enrol(phone), ANA)
    assert first == {"phone_id": phone_id_of(bytes.fromhex(phone))}
    assert desk.done(enrol(phone.upper()), ANA) == first
    assert living(desk) == [("ana", first["phone_id"])]
    [fact] = [f.event for f in desk.facts if isinstance(f.event, PhoneEnrolled)]
    assert fact.point == phone


def test_a_guest_may_bring_the_phone_before_they_arrive(desk: Desk) -> None:
    desk.done(enrol(point(), "ben"), BEN)
    assert len(living(desk)) == 1


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "04",
        "zz" * 65,
        "00" * 65,
        "04" + "11" * 64,  # off the curve
        "04" + "00" * 64,  # infinity is no phone
        "02" + "11" * 32,  # compressed
        "04" + "11" * 63,
        "04" + "11" * 65,
        "0x" + "11" * 64,
        "ÿ" * 130,
        " " * 130,
        "04" + "٣" * 128,  # digits of another script
    ],
)
def test_what_is_no_point_on_the_curve_is_no_phone(desk: Desk, bad: str) -> None:
    assert desk.refused(enrol(bad), ANA) == Refusal.BAD_POINT
    assert living(desk) == []


def test_nobody_enrols_a_phone_for_somebody_else(desk: Desk) -> None:
    for who in (BEN, CLERK, MANAGER, MAID):
        assert desk.refused(enrol(point()), who) == Refusal.NOT_YOURS
    assert living(desk) == []


def test_a_phone_of_one_guest_is_not_taken_by_another(desk: Desk) -> None:
    phone = point()
    desk.done(enrol(phone), ANA)
    assert desk.refused(enrol(phone, "ben"), BEN) == Refusal.PHONE_OF_ANOTHER
    [(holder, _)] = living(desk)
    assert holder == "ana"


def test_who_has_left_brings_no_phone_and_who_is_unknown_neither(desk: Desk) -> None:
    happen(desk, news.checked_out("ana", 204))
    assert desk.refused(enrol(point()), ANA) == Refusal.HOLDER_NOT_IN_HOUSE
    nobody = Who(actor="stay:nobody", role=Role.GUEST)
    assert desk.refused(enrol(point(), "nobody"), nobody) == Refusal.UNKNOWN_HOLDER


def test_there_are_enough_phones_at_eight(desk: Desk) -> None:
    ids = [desk.done(enrol(point()), ANA)["phone_id"] for _ in range(PHONES_MAX)]
    assert desk.refused(enrol(point()), ANA) == Refusal.TOO_MANY_PHONES
    desk.done(remove(ids[0]), ANA)
    desk.done(enrol(point()), ANA)
    desk.done(enrol(point(), "ben"), BEN)


def test_a_script_that_enrols_and_removes_is_stopped_for_the_day(desk: Desk) -> None:
    for _ in range(PHONES_A_DAY_MAX):
        desk.done(remove(desk.done(enrol(point()), ANA)["phone_id"]), ANA)
    assert desk.refused(enrol(point()), ANA) == Refusal.TOO_MANY_PHONES


def test_a_phone_is_removed_by_its_holder_or_the_desk_and_by_nobody_else(desk: Desk) -> None:
    phone = point()
    phone_id = desk.done(enrol(phone), ANA)["phone_id"]
    assert desk.refused(remove(phone_id), BEN) == Refusal.NOT_YOURS
    assert desk.refused(remove(phone_id, "ben"), BEN) == Refusal.UNKNOWN_PHONE
    desk.done(remove(phone_id), CLERK)
    assert desk.refused(remove(phone_id), ANA) == Refusal.UNKNOWN_PHONE
    # The same phone again, for somebody else by now.
    desk.done(enrol(phone, "ben"), BEN)
    assert living(desk) == [("ben", phone_id)]


@pytest.mark.parametrize(
    ("leaving", "why"),
    [
        (news.checked_out("ana", 204), "checked_out"),
        (news.cancelled("ana"), "cancelled"),
        (news.no_show("ana"), "no_show"),
    ],
)
def test_phones_end_with_the_stay(desk: Desk, leaving: Event, why: str) -> None:
    for _ in range(2):
        desk.done(enrol(point()), ANA)
    desk.done(enrol(point(), "ben"), BEN)
    happen(desk, leaving)
    assert ended(desk) == [why, why]
    assert [holder for holder, _ in living(desk)] == ["ben"]


def test_a_check_in_that_is_undone_leaves_the_phone_to_its_guest(desk: Desk) -> None:
    desk.done(enrol(point()), ANA)
    happen(desk, news.check_in_undone("ana", 204))
    assert ended(desk) == []


def test_phones_of_the_staff_end_with_their_work(desk: Desk) -> None:
    happen(desk, _maid())
    desk.done(enrol(point(), "maid", HolderKind.STAFF), MAID)
    happen(desk, StaffDeactivated(person_id="maid"))
    assert ended(desk) == ["deactivated"]
    assert desk.refused(enrol(point(), "maid", HolderKind.STAFF), MAID) == (
        Refusal.HOLDER_NOT_IN_HOUSE
    )


def test_what_a_removed_phone_was_given_is_over_and_the_guest_keeps_door_and_pin(
    desk: Desk,
) -> None:
    """A mobile key opens for up to 26 h, with the box dead: to forget the phone is not enough."""
    happen(desk, news.door_fitted(204, "lock-204", LockProtocol.NPK))
    cut = CutKey(
        holder_kind=HolderKind.STAY,
        holder_id="ana",
        door_id="door-204",
        reason=KeyReason.FIRST,
    )
    desk.done(cut)
    desk.done(replace(cut, reason=KeyReason.JOINER))
    query = (
        "SELECT cti, joiner, slot, pin_ref, generation, valid_until_s FROM doors_key"
        " WHERE revoked_at_ms IS NULL ORDER BY joiner"
    )
    before = desk.rows(query)
    lost, kept = (desk.done(enrol(point()), ANA)["phone_id"] for _ in range(2))
    desk.done(remove(lost), ANA)
    after = desk.rows(query)
    assert [row[1:] for row in after] == [row[1:] for row in before]
    assert not {row[0] for row in after} & {row[0] for row in before}
    assert living(desk) == [("ana", kept)]
    # Checked out, nothing is cut anew for whoever has left.
    happen(desk, news.checked_out("ana", 204))
    assert desk.rows(query) == []


def test_ending_no_phone_is_no_error(desk: Desk) -> None:
    desk.done(EndPhones(holder_kind=HolderKind.STAY, holder_id="ana", reason="x"), BOX)
    assert ended(desk) == []


def test_a_mobile_key_ends_soon_and_sooner_on_an_unsure_clock() -> None:
    now_s = FRIDAY_18_MS // 1000
    sure = Reading(wall_ms=FRIDAY_18_MS, boot_ms=0, boot_id="b", uncertainty_ms=0)
    unsure = Reading(wall_ms=FRIDAY_18_MS, boot_ms=0, boot_id="b", uncertainty_ms=10**9)
    month = now_s + 30 * 86_400
    assert mobile_end_s(month, sure) == now_s + MOBILE_S_MAX
    assert mobile_end_s(now_s + 60, sure) == now_s + 60
    assert mobile_end_s(month, unsure) == now_s + UNSURE_S_MAX
