"""Who works here, who lives here, and what belongs to all: keys that begin and end by themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.engines.concierge.messages import (
    RequestMade,
    RequestStatus,
    RequestStatusSet,
    RequestType,
)
from appliance.engines.doors.messages import (
    CutKey,
    EvictResident,
    HolderKind,
    KeyReason,
    OpenDoor,
    Refusal,
    RenewLease,
    ResidentEvicted,
    RevokeKey,
    RevokeKeys,
)
from appliance.engines.doors.room import ENGINE
from appliance.engines.doors.windows import arrival_start_s, departure_end_s, in_hours
from appliance.engines.identity.messages import (
    ShiftClosed,
    ShiftOpened,
    StaffAdded,
    StaffDeactivated,
)
from appliance.engines.inventory.messages import SharedWith
from appliance.kernel.messages import Command, Event, Role, Who
from appliance.kernel.sealed import Sealed
from support import news
from support.desk import BOX, CLERK, FRIDAY_18_MS, MANAGER, Desk
from support.house import ROOT

NOW_S = FRIDAY_18_MS // 1000
SEALED = Sealed(subject="somebody", box=b"sealed")
SECOND = replace(MANAGER, approved_by="owner")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Room 204, an entrance and a pool that belong to all, and a maid."""
    desk = Desk(tmp_path, [news.NEWS, ENGINE])
    for event in (
        news.property_set_up(),
        news.door_added(204),
        news.door_added(1, shared=True),
        news.door_added(2, shared=True),
        news.door_shared(1, *SharedWith),
        news.door_shared(2, SharedWith.STAY, zone=0x8001, hours=(0b111_1111, 480, 1_140)),
        StaffAdded(
            person_id="maid", display_name=SEALED, staff_roles=(Role.HOUSEKEEPING,), pin_hash=SEALED
        ),
    ):
        happen(desk, event)
    yield desk
    desk.close()


def happen(desk: Desk, event: Event) -> None:
    desk.done(news.Happen(event=event))


def cut(kind: HolderKind, holder_id: str, number: int = 204, **more: Any) -> CutKey:
    return CutKey(
        holder_kind=kind,
        holder_id=holder_id,
        door_id=f"door-{number}",
        reason=more.pop("reason", KeyReason.ANOTHER),
        **more,
    )


def living(desk: Desk, holder_id: str) -> list[str]:
    return [
        row[0]
        for row in desk.rows(
            "SELECT door_id FROM doors_key WHERE holder_id = ? AND revoked_at_ms IS NULL"
            " ORDER BY door_id",
            holder_id,
        )
    ]


def ticket(status: RequestStatus | None = None) -> Event:
    if status is not None:
        return RequestStatusSet(request_id="r1", status=status)
    return RequestMade(
        request_id="r1",
        asker="staff:maid",
        stay_id=None,
        room_id=None,
        type=RequestType.MAINTENANCE,
        text=SEALED,
        at_ms=FRIDAY_18_MS,
    )


SHIFT: Mapping[str, str] = {"shift_id": "s1", "person_id": "maid", "terminal": "desk-1"}


# -- what belongs to all ----------------------------------------------------------------------


def test_whoever_checks_in_has_the_common_doors_until_they_leave(desk: Desk) -> None:
    happen(desk, news.booked("ana"))
    assert living(desk, "ana") == []
    happen(desk, news.checked_in("ana", 204))
    assert living(desk, "ana") == ["door-1", "door-2"]
    happen(desk, news.departure_changed("ana", 204, date(2026, 11, 4)))
    ends = desk.rows("SELECT max(valid_until_s) FROM doors_key GROUP BY door_id")
    assert len({end for (end,) in ends}) == 1
    happen(desk, news.checked_out("ana", 204))
    assert living(desk, "ana") == []


def test_a_stay_that_is_past_its_end_is_checked_in_all_the_same(desk: Desk) -> None:
    happen(desk, news.booked("ana"))
    happen(desk, news.checked_in("ana", 204, date(2026, 10, 29)))
    assert living(desk, "ana") == []


def test_a_door_that_is_not_common_any_more_is_given_to_nobody_new(desk: Desk) -> None:
    happen(desk, news.door_shared(2))
    happen(desk, news.checked_in("ana", 204))
    assert living(desk, "ana") == ["door-1"]


def test_nobodys_key_ends_anothers_at_a_common_door(desk: Desk) -> None:
    for guest in ("ana", "ben"):
        happen(desk, news.checked_in(guest, 204))
    generations = desk.rows("SELECT DISTINCT generation FROM doors_key WHERE door_id = 'door-1'")
    assert generations == [(1,)]


def test_a_common_door_has_keys_for_more_guests_than_its_keypad_has_places(desk: Desk) -> None:
    for number in range(202):
        happen(desk, news.checked_in(f"guest-{number}", 204))
    slots = [
        row[0]
        for row in desk.rows("SELECT slot FROM doors_key WHERE door_id = 'door-1' ORDER BY rowid")
    ]
    assert len(slots) == 202
    assert slots.count(0) == 3


async def test_the_pool_keeps_its_hours_and_its_keypad_has_no_way_around_them(desk: Desk) -> None:
    happen(desk, news.checked_in("ana", 204))
    [(slot, hours)] = desk.rows("SELECT slot, hours FROM doors_key WHERE door_id = 'door-2'")
    assert (slot, hours) == (0, "127 480 1140")
    press = OpenDoor(door_id="door-2", holder_kind=HolderKind.STAY, holder_id="ana")
    ana = Who(actor="stay:ana", role=Role.GUEST)
    desk.done(press, ana)
    await desk.clock.advance(2 * 3_600)
    assert desk.refused(press, ana) == Refusal.OUT_OF_HOURS


# -- who works here ---------------------------------------------------------------------------


def test_a_shift_brings_the_common_doors_and_takes_them_along(desk: Desk) -> None:
    happen(desk, ShiftOpened(**SHIFT))
    assert living(desk, "maid") == ["door-1"]
    desk.done(cut(HolderKind.STAFF, "maid", bound_to="shift:s1"))
    assert living(desk, "maid") == ["door-1", "door-204"]
    happen(desk, ShiftClosed(**SHIFT, acknowledged=()))
    assert living(desk, "maid") == []
    late = cut(HolderKind.STAFF, "maid", bound_to="shift:s1")
    assert desk.refused(late) == Refusal.NOT_OPEN


def test_a_vendor_comes_on_somebodys_word_for_a_ticket_and_leaves_with_it(desk: Desk) -> None:
    happen(desk, ticket())
    painter = cut(HolderKind.VENDOR, "painter", bound_to="ticket:r1", sponsor="maid")
    assert desk.refused(replace(painter, sponsor="")) == Refusal.NO_SPONSOR
    assert desk.refused(replace(painter, sponsor="nobody")) == Refusal.NO_SPONSOR
    assert desk.refused(replace(painter, bound_to="ticket:r2")) == Refusal.NOT_OPEN
    desk.done(painter)
    happen(desk, ticket(RequestStatus.ACKNOWLEDGED))
    assert living(desk, "painter") == ["door-204"]
    happen(desk, ticket(RequestStatus.COMPLETED))
    assert living(desk, "painter") == []


def test_a_vendors_key_ends_with_the_one_who_answered_for_them(desk: Desk) -> None:
    desk.done(cut(HolderKind.VENDOR, "painter", sponsor="maid"))
    happen(desk, StaffDeactivated(person_id="maid"))
    assert living(desk, "painter") == []


def test_a_vendors_key_lasts_a_week_at_most(desk: Desk) -> None:
    long = cut(HolderKind.VENDOR, "painter", sponsor="maid", valid_until_s=NOW_S + 8 * 86_400)
    assert desk.refused(long) == Refusal.BAD_WINDOW


def test_weekly_hours_that_are_none_are_refused(desk: Desk) -> None:
    odd = cut(HolderKind.STAFF, "maid", hours=(0, 480, 1_080))
    assert desk.refused(odd) == Refusal.BAD_HOURS


# -- who lives here ---------------------------------------------------------------------------


def renew(until: date = date(2027, 6, 30), lease_id: str = "flat-1") -> RenewLease:
    return RenewLease(lease_id=lease_id, room_id=news.ROOM(204), until=until)


def test_a_residents_keys_go_on_with_the_lease_and_saying_so_twice_cuts_none(desk: Desk) -> None:
    desk.done(renew(), BOX)
    assert living(desk, "flat-1") == ["door-1", "door-204"]
    before = len(desk.facts)
    desk.done(renew(), BOX)
    assert len(desk.facts) == before
    desk.done(renew(date(2027, 9, 30)), BOX)
    [(generations, pins, slots)] = desk.rows(
        "SELECT count(DISTINCT generation), count(DISTINCT pin_ref), count(DISTINCT slot)"
        " FROM doors_key WHERE holder_id = 'flat-1' AND door_id = 'door-204'"
    )
    assert (generations, pins, slots) == (1, 1, 1)


def test_a_lease_of_many_years_is_signed_year_by_year(desk: Desk) -> None:
    desk.done(renew(date(2035, 6, 30)), BOX)
    [(end,)] = desk.rows("SELECT DISTINCT max(valid_until_s) FROM doors_key")
    assert NOW_S + 360 * 86_400 < end <= NOW_S + 366 * 86_400


def test_a_home_key_is_nobodys_to_take_away(desk: Desk) -> None:
    desk.done(renew(), BOX)
    for door_id in ("door-204", None):
        for who in (CLERK, MANAGER, BOX):
            revoke = RevokeKeys(
                holder_kind=HolderKind.LEASE, holder_id="flat-1", door_id=door_id, reason="rent"
            )
            assert desk.refused(revoke, who) == Refusal.NEEDS_EVICTION
    [(key_id,)] = desk.rows("SELECT key_id FROM doors_key WHERE door_id = 'door-204'")
    one = RevokeKey(door_id="door-204", key_id=key_id, reason="rent")
    assert desk.refused(one, MANAGER) == Refusal.NEEDS_EVICTION
    assert living(desk, "flat-1") == ["door-1", "door-204"]


def test_an_eviction_is_two_peoples_act_with_a_reason(desk: Desk) -> None:
    desk.done(renew(), BOX)
    evict = EvictResident(lease_id="flat-1", reason="A court says so, file 12.")
    asked: list[tuple[Command, Who, str]] = [
        (evict, CLERK, "wrong_role"),
        (evict, BOX, "wrong_role"),
        (evict, MANAGER, Refusal.NEEDS_SECOND),
        (evict, replace(MANAGER, approved_by="manager"), Refusal.NEEDS_SECOND),
        (replace(evict, reason=" "), SECOND, Refusal.REASON_NEEDED),
        (replace(evict, reason="x" * 501), SECOND, Refusal.TOO_LONG),
        (replace(evict, lease_id="flat-2"), SECOND, Refusal.UNKNOWN_LEASE),
    ]
    for command, who, refusal in asked:
        assert desk.refused(command, who) == refusal
    assert living(desk, "flat-1") == ["door-1", "door-204"]
    desk.done(evict, SECOND)
    assert living(desk, "flat-1") == []
    [fact] = [fact for fact in desk.facts if isinstance(fact.event, ResidentEvicted)]
    assert (fact.who.actor, fact.who.approved_by) == ("staff:manager", "owner")
    assert desk.refused(cut(HolderKind.LEASE, "flat-1")) == Refusal.UNKNOWN_HOLDER


def test_nothing_about_money_reaches_a_door() -> None:
    """DESIGN law 9: no fact of payments is followed, and no file of doors knows the word."""
    projection = ENGINE.projection
    assert projection is not None
    followed = {*projection.on, *(reaction.event for reaction in ENGINE.inline)}
    assert [event for event in followed if "payments" in event.__module__] == []
    for path in (ROOT / "appliance/engines/doors").glob("*.py"):
        imported = [
            node.module or ""
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom)
        ]
        assert not [name for name in imported if "payments" in name], path.name


# -- clocks that change -----------------------------------------------------------------------

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Asia/Kathmandu",
)
HOURS = st.tuples(st.integers(1, 127), st.integers(0, 1_439), st.integers(1, 1_440)).filter(
    lambda hours: hours[1] != hours[2]
)
MOMENTS = st.integers(1_700_000_000, 1_900_000_000)


@settings(deadline=None)
@given(hours=HOURS, at_s=MOMENTS, zone=st.sampled_from(ZONES))
def test_weekly_hours_say_what_the_clock_on_the_wall_says(
    hours: tuple[int, int, int], at_s: int, zone: str
) -> None:
    days, start, end = hours
    wall = datetime.fromtimestamp(at_s, UTC).astimezone(ZoneInfo(zone))
    minute = wall.hour * 60 + wall.minute
    expected = False
    for back in (0, 1):
        began = (wall.weekday() - back) % 7
        length = end - start if end > start else end - start + 1_440
        expected |= bool(days & 1 << began) and 0 <= minute + back * 1_440 - start < length
    assert in_hours(hours, at_s, zone) is expected


def test_an_hour_that_comes_twice_is_open_twice_and_one_that_never_comes_is_not() -> None:
    hours = (0b100_0000, 120, 180)  # Sundays, 2 to 3
    autumn = int(datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp())
    assert [in_hours(hours, autumn + step * 3_600, "Europe/Berlin") for step in range(3)] == [
        True,
        True,
        False,
    ]
    spring = int(datetime(2026, 3, 29, 0, 30, tzinfo=UTC).timestamp())
    assert not any(in_hours(hours, spring + step * 1_800, "Europe/Berlin") for step in range(5))


@settings(deadline=None)
@given(
    day=st.dates(date(2024, 1, 1), date(2032, 1, 1)),
    minute=st.integers(0, 1_439),
    zone=st.sampled_from(ZONES),
)
def test_a_window_loses_no_minute_to_a_change_of_the_clocks(
    day: date, minute: int, zone: str
) -> None:
    local = f"{minute // 60:02d}:{minute % 60:02d}"
    start = arrival_start_s(day, local, zone)
    end = departure_end_s(day, local, zone, 0)
    # The same local time is one moment, or the two readings of a night that changes.
    assert 0 <= end - start <= 24 * 3_600
    for at_s in (start, end):
        shown = datetime.fromtimestamp(at_s, ZoneInfo(zone))
        if start == end:
            assert (shown.hour, shown.minute) == divmod(minute, 60)
    assert departure_end_s(day, local, zone, 720) == end + 720 * 60
