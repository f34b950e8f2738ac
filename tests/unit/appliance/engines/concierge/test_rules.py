"""Promises of the concierge: whose requests, how many, and where they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.engines.climate.messages import LeakLogged
from appliance.engines.concierge import projection, rules
from appliance.engines.concierge.messages import (
    MakeRequest,
    Refusal,
    RequestMade,
    RequestStatus,
    RequestStatusSet,
    RequestType,
    SetRequestStatus,
)
from appliance.engines.concierge.projection import PROJECTION, RequestRow
from appliance.engines.concierge.reactions import INLINE
from appliance.engines.concierge.room import ENGINE
from appliance.engines.stays.messages import CheckIn, CheckOut, MoveRoom
from appliance.kernel import rebuild
from appliance.kernel.engine import No, Yes
from appliance.kernel.log import Stamp
from appliance.kernel.messages import Event, Role, Surface, Who
from appliance.kernel.reader import open_reader
from support.desk import BOX, CLERK, MANAGER
from support.hotel import Hotel

S = RequestStatus


@pytest.fixture
def hotel(tmp_path: Path) -> Iterator[Hotel]:
    hotel = Hotel(tmp_path, more=[ENGINE])
    yield hotel
    hotel.close()


@pytest.fixture
def stay(hotel: Hotel) -> str:
    """A stay in house in room 101."""
    stay_id = hotel.learned()
    hotel.done(CheckIn(stay_id=stay_id, room_id="r101"))
    return stay_id


def guest(stay_id: str) -> Who:
    return Who(
        actor=f"stay:{stay_id}",
        role=Role.GUEST,
        surface=Surface.GUEST_APP,
        on_behalf_of="person_guest",
    )


def ask(stay_id: str | None, kind: RequestType = RequestType.TOWELS, text: str = "") -> MakeRequest:
    return MakeRequest(stay_id=stay_id, room_id=None, type=kind, text=text)


def asked(hotel: Hotel, stay_id: str, **more: RequestType) -> str:
    return str(hotel.done(ask(stay_id, **more), guest(stay_id))["request_id"])


def move_on(request_id: str, status: RequestStatus) -> SetRequestStatus:
    return SetRequestStatus(request_id=request_id, status=status)


async def listed(hotel: Hotel, tmp_path: Path, *, open_only: bool = True) -> list[RequestRow]:
    async with open_reader(tmp_path / "log.db") as reader:
        return await projection.requests(reader, hotel.vault, open_only=open_only)


def leaked(hotel: Hotel, *, wet: bool, seq: int, room_id: str | None = "r102") -> None:
    """A leak as climate logs it: its fact, our table, and the reaction in the same transaction."""
    event: Event = LeakLogged(
        device_id="leak-1", room_id=room_id, seq=seq, wet=wet, device_wall_ms=0
    )
    with hotel.deciding.log.transaction():
        stamp = Stamp(who=BOX, command_id=f"leak-{seq}", now=hotel.clock.read())
        recorded = hotel.deciding.log.append("climate/leak-1", seq, event, stamp)
        PROJECTION.on[LeakLogged](hotel.db, event, recorded)
    [reaction] = INLINE
    scene = hotel.deciding._routes[MakeRequest].scene
    for command in reaction.react(scene, event, recorded):
        hotel.done(command, BOX)


async def test_a_guest_asks_and_staff_answers(hotel: Hotel, tmp_path: Path, stay: str) -> None:
    request_id = asked(hotel, stay)
    [found] = await listed(hotel, tmp_path)
    assert (found.request_id, found.status, found.room_number) == (request_id, S.PENDING, "101")
    hotel.done(move_on(request_id, S.ACKNOWLEDGED))
    hotel.done(move_on(request_id, S.COMPLETED))
    assert await listed(hotel, tmp_path) == []
    [found] = await listed(hotel, tmp_path, open_only=False)
    assert found.status is S.COMPLETED


def test_asking_twice_is_one_request(hotel: Hotel, stay: str) -> None:
    first = hotel.ask(ask(stay), guest(stay), "one")
    assert hotel.ask(ask(stay), guest(stay), "one") == first
    assert hotel.refused(ask(stay, text="more"), guest(stay), command_id="one") == "id_reused"
    assert hotel.rows("SELECT count(*) FROM concierge_request") == [(1,)]


def test_a_guest_asks_for_nobody_else(hotel: Hotel, stay: str) -> None:
    other = hotel.learned("up-2")
    assert hotel.refused(ask(other), guest(stay)) == Refusal.NOT_YOURS
    assert hotel.refused(ask(None), guest(stay)) == Refusal.NOT_YOURS


def test_a_guest_asks_while_in_house_and_staff_also_before(hotel: Hotel, stay: str) -> None:
    due = hotel.learned("up-2")
    assert hotel.refused(ask(due), guest(due)) == Refusal.NOT_IN_HOUSE
    hotel.done(ask(due), CLERK)
    hotel.done(CheckOut(stay_id=stay))
    assert hotel.refused(ask(stay), guest(stay)) == Refusal.NOT_IN_HOUSE
    assert hotel.refused(ask(stay), CLERK) == Refusal.NOT_IN_HOUSE


def test_what_is_not_known_is_refused(hotel: Hotel) -> None:
    assert hotel.refused(ask("stay_x"), CLERK) == Refusal.UNKNOWN_STAY
    strange = replace(ask(None), room_id="r999")
    assert hotel.refused(strange, CLERK) == Refusal.UNKNOWN_ROOM
    assert hotel.refused(move_on("request_x", S.COMPLETED)) == Refusal.UNKNOWN_REQUEST


def test_words_are_needed_where_the_type_says_nothing(hotel: Hotel, stay: str) -> None:
    assert hotel.refused(ask(stay, RequestType.OTHER, " "), guest(stay)) == Refusal.EMPTY
    hotel.done(ask(stay, RequestType.HELP), guest(stay))


def test_words_have_an_end_and_hold_no_card_number(hotel: Hotel, stay: str) -> None:
    assert hotel.refused(ask(stay, text="x" * 501), guest(stay)) == Refusal.TOO_LONG
    card = ask(stay, text="pay with 4111-1111-1111-1111 please")
    assert hotel.refused(card, guest(stay)) == Refusal.CARD_NUMBER
    # Longer than any run of ones that a hash may have in it by chance.
    assert "1111-1111" not in "".join(hotel.db.iterdump())


def test_twenty_requests_wait_at_most_and_done_ones_make_room(hotel: Hotel, stay: str) -> None:
    made = [asked(hotel, stay) for _ in range(20)]
    assert hotel.refused(ask(stay), guest(stay)) == Refusal.TOO_MANY_OPEN
    hotel.done(move_on(made[0], S.FAILED))
    asked(hotel, stay)


def test_guests_do_not_set_a_status(hotel: Hotel, stay: str) -> None:
    request_id = asked(hotel, stay)
    assert hotel.refused(move_on(request_id, S.COMPLETED), guest(stay)) == "wrong_role"


def test_a_request_moves_forward_only(hotel: Hotel, stay: str) -> None:
    request_id = asked(hotel, stay)
    hotel.done(move_on(request_id, S.ACKNOWLEDGED))
    hotel.done(move_on(request_id, S.ACKNOWLEDGED), MANAGER)
    assert hotel.refused(move_on(request_id, S.PENDING)) == Refusal.WRONG_STATUS
    hotel.done(move_on(request_id, S.FAILED))
    assert hotel.refused(move_on(request_id, S.COMPLETED)) == Refusal.WRONG_STATUS
    assert hotel.events().count("concierge.request_status_set.v1") == 2


async def test_towels_follow_the_guest_and_a_broken_tap_stays(
    hotel: Hotel, tmp_path: Path, stay: str
) -> None:
    asked(hotel, stay)
    hotel.done(ask(stay, RequestType.MAINTENANCE, "The tap drips"), guest(stay))
    hotel.done(MoveRoom(stay_id=stay, room_id="r102", reason="tap"))
    rooms = {row.type: row.room_number for row in await listed(hotel, tmp_path)}
    assert rooms == {RequestType.TOWELS: "102", RequestType.MAINTENANCE: "101"}


def test_a_guests_old_page_does_not_send_anybody_to_another_room(hotel: Hotel, stay: str) -> None:
    tap = ask(stay, RequestType.MAINTENANCE, "The tap drips")
    hotel.done(replace(tap, room_id="r103"), guest(stay))
    assert hotel.rows("SELECT room_id FROM concierge_request") == [("r101",)]


def test_a_guests_words_are_sealed_for_that_guest(hotel: Hotel, stay: str) -> None:
    hotel.done(ask(stay, RequestType.OTHER, "Champagne for Eva"), guest(stay))
    assert "Champagne" not in "".join(hotel.db.iterdump())
    made = hotel.facts[-1].event
    assert isinstance(made, RequestMade)
    assert made.text.subject == "person_guest"


async def test_water_is_one_request_until_the_sensor_is_dry_again(
    hotel: Hotel, tmp_path: Path
) -> None:
    for seq, wet in enumerate((True, True, True, False, False, True), start=1):
        leaked(hotel, wet=wet, seq=seq)
    found = await listed(hotel, tmp_path)
    assert [row.type for row in found] == [RequestType.LEAK] * 2
    assert {(row.stay_id, row.room_number, row.text) for row in found} == {
        (None, "102", "Water at leak-1")
    }


async def test_water_in_a_room_nobody_knows_is_still_a_request(
    hotel: Hotel, tmp_path: Path
) -> None:
    leaked(hotel, wet=True, seq=1, room_id="r999")
    assert [row.room_id for row in await listed(hotel, tmp_path)] == [None]


async def test_a_forgotten_guests_request_keeps_its_type_and_loses_its_words(
    hotel: Hotel, tmp_path: Path, stay: str
) -> None:
    hotel.done(ask(stay, RequestType.OTHER, "Champagne"), guest(stay))
    hotel.vault.forget("person_guest", 0)
    [row] = await listed(hotel, tmp_path)
    assert (row.type, row.text) == (RequestType.OTHER, "")


def test_the_tables_are_the_same_after_a_rebuild(hotel: Hotel, stay: str) -> None:
    hotel.done(move_on(asked(hotel, stay), S.ACKNOWLEDGED))
    hotel.done(MoveRoom(stay_id=stay, room_id="r102", reason="tap"))
    hotel.done(CheckOut(stay_id=stay))
    leaked(hotel, wet=True, seq=1)
    before = {table: hotel.rows(f"SELECT * FROM {table}") for table in PROJECTION.tables}  # noqa: S608
    hotel.db.execute("UPDATE read_model SET ddl_hash = 'x' WHERE name = 'concierge'")
    rebuild.settle_forms(hotel.db, [ENGINE])
    after = {table: hotel.rows(f"SELECT * FROM {table}") for table in PROJECTION.tables}  # noqa: S608
    assert after == before


@given(wishes=st.lists(st.sampled_from(list(S))))
def test_whatever_is_wished_a_finished_request_stays_finished(wishes: list[RequestStatus]) -> None:
    status = S.PENDING
    for wish in wishes:
        decided = rules.set_request_status(status, move_on("r", wish), None)  # type: ignore[arg-type]
        if isinstance(decided, No):
            continue
        assert isinstance(decided, Yes)
        if decided.events:
            assert status in rules.OPEN
            assert isinstance(decided.events[0], RequestStatusSet)
            status = wish
