"""Promises of signing in, and of sessions as they are used."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import pytest

from appliance.engines.identity.messages import (
    AddStaff,
    ChangePin,
    DeactivateStaff,
    OpenShift,
    SessionKind,
)
from appliance.engines.identity.pins import hash_pin
from appliance.engines.identity.projection import PROJECTION
from appliance.engines.identity.room import ENGINE
from appliance.engines.identity.sessions import Sessions, Signed
from appliance.engines.identity.sign_in import (
    Candidate,
    CandidateGuest,
    From,
    NotIn,
    SignedIn,
    SignIn,
    Wait,
)
from appliance.engines.payments.messages import TakeDeposit
from appliance.engines.stays.messages import (
    CheckedIn,
    CheckedOut,
    RoomMoved,
    StayCancelled,
    StayState,
)
from appliance.kernel.log import Stamp
from appliance.kernel.messages import Answer, Command, Event, Role, Surface, Trust
from appliance.kernel.reader import open_reader
from appliance.kernel.sealed import Sealed
from support.desk import BOX, MANAGER, Desk

PIN = "7305"
HERE = From(address="10.0.0.1", surface=Surface.KIOSK)
PHONE = From(address="10.0.0.9", device="cookie")
FRIDAY = date(2026, 10, 30)
SEALED = Sealed(subject="p", box=b"x")


@dataclass
class Book:
    """Stays as sign-in asks for them."""

    rooms: dict[str, list[Candidate]] = field(default_factory=dict)
    codes: dict[str, list[Candidate]] = field(default_factory=dict)

    async def in_room(self, number: str) -> Sequence[Candidate]:
        return self.rooms.get(number, [])

    async def by_codes(self, forms: Sequence[str]) -> Sequence[Candidate]:
        return [stay for form in forms for stay in self.codes.get(form, [])]

    async def by_stay(self, stay_id: str) -> Candidate | None:
        known = [*self.rooms.values(), *self.codes.values()]
        return next((s for stays in known for s in stays if s.stay_id == stay_id), None)


@dataclass
class Front:
    desk: Desk
    book: Book
    sign_in: SignIn
    sessions: Sessions

    def happened(self, event: Event) -> None:
        """A fact of another room, as this room's tables and memory take it in."""
        log = self.desk.deciding.log
        stream = "stay/s1"
        with log.transaction():
            stamp = Stamp(who=BOX, command_id="other", now=self.desk.clock.read())
            recorded = log.append(stream, log.version_of(stream) + 1, event, stamp)
            apply = PROJECTION.on.get(type(event))
            if apply is not None:
                apply(self.desk.db, event, recorded)
        self.sessions.notice([recorded])


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    desk = Desk(tmp_path, [ENGINE])
    for person, roles in (
        ("ida", (Role.HOUSEKEEPING, Role.FRONT_DESK)),
        ("max", (Role.MANAGER,)),
    ):
        hashed = hash_pin(PIN, desk.vault, actor="box", command_id=person)
        desk.done(
            AddStaff(person_id=person, display_name=person, staff_roles=roles, pin_hash=hashed),
            MANAGER,
        )
    async with open_reader(tmp_path / "log.db") as reader:
        sessions = Sessions(reader, desk.vault, desk.clock)

        async def ask(command: Command, command_id: str) -> Answer:
            decided = desk.decide(command, BOX, command_id)
            if decided.facts:
                sessions.notice(decided.facts)
            return decided.answer

        book = Book()
        made = SignIn(ask, reader, desk.vault, desk.clock, book)
        yield Front(desk, book, made, sessions)
    desk.close()


def stay(*guests: tuple[str, str], state: StayState = StayState.IN_HOUSE) -> Candidate:
    return Candidate(
        stay_id="s1",
        state=state,
        due=True,
        guests=tuple(
            CandidateGuest(person_id=f"p{number}", given=given, family=family)
            for number, (given, family) in enumerate(guests)
        ),
    )


def checked_in() -> CheckedIn:
    return CheckedIn(
        stay_id="s1",
        room_id="r204",
        arrival=FRIDAY,
        departure=FRIDAY,
        business_date=FRIDAY,
    )


def checked_out() -> CheckedOut:
    return CheckedOut(
        stay_id="s1", room_id="r204", business_date=FRIDAY, departure=FRIDAY, early=False
    )


async def staff(front: Front, person: str = "ida", pin: str = PIN) -> SignedIn | NotIn | Wait:
    return await front.sign_in.staff(person_id=person, pin=pin, terminal="desk-1", source=HERE)


async def in_house(front: Front) -> SignedIn:
    front.happened(checked_in())
    front.book.rooms["204"] = [stay(("Ana", "García-López"), ("Jo", "O'Neil"))]
    found = await front.sign_in.guest_room(room="204", surname="garcia lopez", source=PHONE)
    assert isinstance(found, SignedIn)
    return found


async def signed(front: Front, token: str) -> Signed:
    found = await front.sessions.of_cookie(token)
    assert found is not None
    return found


async def test_a_pin_opens_a_session_with_person_roles_and_terminal(front: Front) -> None:
    found = await staff(front)
    assert isinstance(found, SignedIn)
    who = (await signed(front, found.token)).who()
    assert (who.actor, who.role, who.terminal) == ("staff:ida", Role.FRONT_DESK, "desk-1")
    assert who.surface is Surface.KIOSK
    assert found.token not in repr(found)


async def test_of_several_roles_the_one_that_may_ask_stands_beside_the_fact(front: Front) -> None:
    found = await staff(front)
    assert isinstance(found, SignedIn)
    someone = await signed(front, found.token)
    assert someone.who(TakeDeposit).role is Role.FRONT_DESK
    assert someone.who(AddStaff).role is Role.FRONT_DESK  # none may: the kernel says wrong_role


@pytest.mark.parametrize(
    ("person", "pin"), [("ida", "7306"), ("eva", PIN), ("", PIN), ("ida", ""), ("x" * 999, PIN)]
)
async def test_every_no_is_the_same_no(front: Front, person: str, pin: str) -> None:
    assert await staff(front, person, pin) == NotIn()


async def test_no_token_and_no_pin_is_ever_written(front: Front) -> None:
    found = await staff(front)
    assert isinstance(found, SignedIn)
    written = "".join(front.desk.db.iterdump())
    assert found.token not in written
    assert "argon2" not in written


async def test_a_shift_stands_beside_the_facts_as_soon_as_it_is_open(front: Front) -> None:
    found = await staff(front)
    assert isinstance(found, SignedIn)
    before = await signed(front, found.token)
    decided = front.desk.decide(
        OpenShift(person_id="ida", terminal="desk-1"), before.who(OpenShift), "shift"
    )
    front.sessions.notice(decided.facts)
    assert (await signed(front, found.token)).shift is not None


async def test_who_is_sent_away_is_out_at_once_also_with_a_valid_access_token(front: Front) -> None:
    found = await staff(front)
    assert isinstance(found, SignedIn)
    access, _ = await front.sessions.access_of(await signed(front, found.token))
    assert await front.sessions.of_access(access) is not None
    decided = front.desk.decide(DeactivateStaff(person_id="ida"), MANAGER)
    front.sessions.notice(decided.facts)
    assert await front.sessions.of_access(access) is None
    assert await front.sessions.of_cookie(found.token) is None
    assert await staff(front) == NotIn()


async def test_a_changed_pin_is_the_only_one_that_opens(front: Front) -> None:
    hashed = hash_pin("9264", front.desk.vault, actor="box", command_id="new")
    front.desk.done(ChangePin(person_id="ida", pin_hash=hashed), MANAGER)
    assert await staff(front) == NotIn()
    assert isinstance(await staff(front, pin="9264"), SignedIn)


async def test_the_sixth_wrong_pin_waits_and_the_right_one_too(front: Front) -> None:
    for _ in range(5):
        assert await staff(front, pin="7306") == NotIn()
    answer = await staff(front)
    assert isinstance(answer, Wait)
    assert 0 < answer.seconds <= 300
    await front.desk.clock.advance(301)
    assert isinstance(await staff(front), SignedIn)


async def test_a_session_of_staff_ends_after_its_hours(front: Front) -> None:
    found = await staff(front)
    assert isinstance(found, SignedIn)
    await front.desk.clock.advance(12 * 3_600)
    assert await front.sessions.of_cookie(found.token) is None


async def test_a_managers_pin_at_a_clerks_terminal_approves_and_signs_nobody_in(
    front: Front,
) -> None:
    heads = frozenset({Role.MANAGER})
    ask = front.sign_in.approve
    assert await ask(person_id="max", pin=PIN, roles=heads, source=HERE) is True
    assert await ask(person_id="ida", pin=PIN, roles=heads, source=HERE) is False
    assert await ask(person_id="max", pin="7306", roles=heads, source=HERE) is False
    assert front.desk.rows("SELECT * FROM identity_session") == []


async def test_a_lost_refresh_answer_gives_the_same_successor_and_a_thief_ends_all(
    front: Front,
) -> None:
    first = await staff(front)
    assert isinstance(first, SignedIn)
    second = await front.sign_in.refresh(first.token)
    assert isinstance(second, SignedIn)
    await front.desk.clock.advance(29)
    again = await front.sign_in.refresh(first.token)
    assert isinstance(again, SignedIn)
    assert (again.token, again.session_hash) == (second.token, first.session_hash)
    await front.desk.clock.advance(2)
    assert await front.sign_in.refresh(first.token) == NotIn()
    assert await front.sign_in.refresh(second.token) == NotIn()
    assert await front.sessions.of_cookie(first.token) is None


@pytest.mark.parametrize("token", ["", "never", "x" * 10_000])
async def test_a_strangers_refresh_token_is_nobodys(front: Front, token: str) -> None:
    assert await front.sign_in.refresh(token) == NotIn()


async def test_signing_out_ends_the_session(front: Front) -> None:
    found = await staff(front)
    assert isinstance(found, SignedIn)
    await front.sign_in.sign_out(found.session_hash)
    await front.sign_in.sign_out(found.session_hash)
    assert await front.sessions.of_cookie(found.token) is None


async def test_every_guest_of_the_stay_is_let_in_however_the_name_is_typed(front: Front) -> None:
    booker = await in_house(front)
    assert (booker.stay_id, booker.person_id, booker.kind) == ("s1", "p0", SessionKind.GUEST)
    other = await front.sign_in.guest_room(room=" 204 ", surname="ONEIL", source=PHONE)
    assert isinstance(other, SignedIn)
    assert other.person_id == "p1"
    who = (await signed(front, other.token)).who()
    assert (who.actor, who.role, who.trust) == ("stay:s1", Role.GUEST, Trust.CLAIMED)
    assert who.on_behalf_of == "p1"


async def test_namesakes_of_one_stay_are_let_in_as_nobody_in_particular(front: Front) -> None:
    front.happened(checked_in())
    front.book.rooms["204"] = [stay(("Ana", "Berg"), ("Jo", "Berg"))]
    found = await front.sign_in.guest_room(room="204", surname="berg", source=PHONE)
    assert isinstance(found, SignedIn)
    assert found.person_id is None


async def test_namesakes_of_two_stays_are_sent_to_the_desk(front: Front) -> None:
    one = stay(("Ana", "Berg"))
    front.book.rooms["204"] = [one, replace(one, stay_id="s2")]
    assert await front.sign_in.guest_room(room="204", surname="berg", source=PHONE) == NotIn()


@pytest.mark.parametrize(
    "state", [StayState.CONFIRMED, StayState.DEPARTED, StayState.CANCELLED, StayState.NO_SHOW]
)
async def test_room_and_name_let_in_only_who_is_in_house(front: Front, state: StayState) -> None:
    front.book.rooms["204"] = [stay(("Ana", "Berg"), state=state)]
    assert await front.sign_in.guest_room(room="204", surname="berg", source=PHONE) == NotIn()


@pytest.mark.parametrize(
    ("room", "surname"),
    [("205", "berg"), ("204", "bergmann"), ("204", ""), ("", "berg"), ("204", "1")],
)
async def test_a_wrong_room_and_a_wrong_name_sound_alike(
    front: Front, room: str, surname: str
) -> None:
    front.book.rooms["204"] = [stay(("Ana", "Berg"), ("X", ""), ("", ""))]
    assert await front.sign_in.guest_room(room=room, surname=surname, source=PHONE) == NotIn()


@pytest.mark.parametrize("typed", ["K7Q2M9X0B1", "k7q2m-9x0b1", " k7q2m 9xobi "])
async def test_a_code_forgives_case_dashes_and_look_alikes(front: Front, typed: str) -> None:
    front.happened(checked_in())
    front.book.codes["K7Q2M9X0B1"] = [stay(("Ana", "Berg"))]
    found = await front.sign_in.guest_code(code=typed, source=PHONE)
    assert isinstance(found, SignedIn)
    assert (await signed(front, found.token)).trust is Trust.PROVEN


async def test_a_running_number_of_the_pms_needs_the_surname_too(front: Front) -> None:
    front.book.codes["52"] = [stay(("Ana", "Berg"))]
    ask = front.sign_in.guest_code
    assert await ask(code="52", source=PHONE) == NotIn()
    assert await ask(code="52", surname="other", source=PHONE) == NotIn()
    assert isinstance(await ask(code="52", surname="BERG", source=PHONE), SignedIn)


async def test_a_code_lets_in_who_is_due_and_nobody_before_or_after(front: Front) -> None:
    ask = front.sign_in.guest_code
    due = stay(("Ana", "Berg"), state=StayState.CONFIRMED)
    for each, allowed in (
        (due, True),
        (replace(due, due=False), False),
        (replace(due, state=StayState.DEPARTED), False),
        (replace(due, state=StayState.CANCELLED), False),
    ):
        front.book.codes["K7Q2M9X4TB"] = [each]
        found = await ask(code="K7Q2M-9X4TB", source=PHONE)
        assert isinstance(found, SignedIn) is allowed


async def test_a_locked_room_still_opens_to_its_booking_code(front: Front) -> None:
    await in_house(front)
    front.book.codes["K7Q2M9X4TB"] = front.book.rooms["204"]
    for number in range(10):
        source = From(address=f"10.0.1.{number}")
        await front.sign_in.guest_room(room="204", surname="guess", source=source)
    fresh = From(address="10.0.2.1")
    ask = front.sign_in
    assert isinstance(await ask.guest_room(room="204", surname="oneil", source=fresh), Wait)
    assert isinstance(await ask.guest_code(code="K7Q2M9X4TB", source=fresh), SignedIn)


async def test_a_guessing_guest_network_never_keeps_the_desk_out(front: Front) -> None:
    for number in range(101):
        source = From(address=f"10.1.{number}.1")
        await front.sign_in.guest_code(code="0000000000", source=source)
    assert front.sign_in.guest_windows.alarmed(front.desk.clock.monotonic())
    assert isinstance(await staff(front), SignedIn)


async def test_a_moved_guest_stays_signed_in(front: Front) -> None:
    found = await in_house(front)
    front.happened(
        RoomMoved(
            stay_id="s1",
            from_room_id="r204",
            to_room_id="r305",
            to_room_type_id="double",
            from_date=FRIDAY,
            departure=FRIDAY,
            reason=SEALED,
        )
    )
    assert (await signed(front, found.token)).stay_id == "s1"


async def test_a_departed_guest_is_signed_in_for_the_grace_and_no_longer(front: Front) -> None:
    found = await in_house(front)
    front.happened(checked_out())
    await front.desk.clock.advance(119 * 60)
    assert (await signed(front, found.token)).stay_id == "s1"
    await front.desk.clock.advance(61)
    assert await front.sessions.of_cookie(found.token) is None


async def test_a_cancelled_stay_signs_its_guests_out(front: Front) -> None:
    found = await in_house(front)
    front.happened(StayCancelled(stay_id="s1", by_upstream=True, reason=SEALED))
    assert await front.sessions.of_cookie(found.token) is None


async def test_the_link_of_the_qr_opens_one_session_once(front: Front) -> None:
    await in_house(front)
    link = front.sign_in.link_of("s1")
    found = await front.sign_in.guest_link(link=link, source=PHONE)
    assert isinstance(found, SignedIn)
    assert (await signed(front, found.token)).stay_id == "s1"
    assert await front.sign_in.guest_link(link=link, source=PHONE) == NotIn()


async def test_the_link_of_a_departed_guest_opens_nothing(front: Front) -> None:
    await in_house(front)
    link = front.sign_in.link_of("s1")
    front.book.rooms["204"] = [stay(("Ana", "Berg"), state=StayState.DEPARTED)]
    assert await front.sign_in.guest_link(link=link, source=PHONE) == NotIn()
    assert await front.sign_in.guest_link(link="x.1.y.z", source=PHONE) == NotIn()
