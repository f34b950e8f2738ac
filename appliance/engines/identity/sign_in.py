"""Letting people in: staff by PIN, guests by room and surname, by code, or by the link of the QR.

Every no is the same no: a wrong room, a wrong name, a guest who left and a code that never was
cannot be told apart. Only waiting is said, because whoever mistyped must know.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import msgspec

from appliance.engines.identity import projection, tokens
from appliance.engines.identity.messages import (
    EndSession,
    OpenSession,
    RotateRefresh,
    SessionKind,
)
from appliance.engines.identity.pins import PinChecks
from appliance.engines.identity.tokens import Tokens
from appliance.engines.identity.windows import PERSON, ROOM, Attempt, Windows
from appliance.engines.stays.messages import StayState
from appliance.kernel.clock import Clock
from appliance.kernel.messages import Answer, Command, Done, Role, Surface, Trust
from appliance.kernel.reader import Reader
from appliance.kernel.values import normalise_name, read_code
from appliance.kernel.vault import Vault

# Longer is no room, name, id or terminal of ours.
TYPED_CHARS_MAX = 80
STAFF_HOURS: Final = 12
# A guest's session ends with the stay; this only ends what nobody ever checks out (731 nights).
GUEST_S = 731 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateGuest:
    """One guest of a stay with the names as they were given; every guest counts."""

    person_id: str
    given: str
    family: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A stay somebody may mean. `due`: its arrival is the business date or before."""

    stay_id: str
    state: StayState
    due: bool
    guests: tuple[CandidateGuest, ...]


class Guests(Protocol):
    """What sign-in asks of stays."""

    async def in_room(self, number: str) -> Sequence[Candidate]:
        """Stays in house in the room of this number, any case."""
        ...

    async def by_codes(self, forms: Sequence[str]) -> Sequence[Candidate]:
        """Stays whose own or upstream code is one of these forms of what was typed."""
        ...

    async def by_stay(self, stay_id: str) -> Candidate | None:
        """One stay."""
        ...


AskBox = Callable[[Command, str], Awaitable[Answer]]
"""(command, command id) -> answer, asked in the name of the box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """Somebody was let in; the token goes to them only and is kept nowhere."""

    token: str
    session_hash: str
    kind: SessionKind
    person_id: str | None
    stay_id: str | None
    expires_at_s: int

    def __repr__(self) -> str:
        """Never the token."""
        return f"SignedIn({self.kind.value}, {self.person_id or self.stay_id})"


@dataclass(frozen=True, slots=True)
class NotIn:
    """No, for whichever reason."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Too many guesses: try again after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class From:
    """Where a try comes from: the client's address, its cookie if it has one, and the surface."""

    address: str
    device: str | None = None
    surface: Surface = Surface.GUEST_APP


@dataclass(frozen=True, slots=True, kw_only=True)
class _Match:
    stay_id: str
    person_id: str | None


class SignIn:
    """Decides who is let in and opens their session."""

    def __init__(
        self, ask: AskBox, reader: Reader, vault: Vault, clock: Clock, guests: Guests
    ) -> None:
        self.staff_windows = Windows(PERSON)
        self.guest_windows = Windows(ROOM)
        self._ask = ask
        self._reader = reader
        self._vault = vault
        self._clock = clock
        self._guests = guests
        self._checks = PinChecks(vault)
        self._tokens = Tokens(vault, clock)

    # --- staff

    async def staff(
        self, *, person_id: str, pin: str, terminal: str, source: From
    ) -> SignedIn | NotIn | Wait:
        """A person's PIN at a terminal."""
        if not 0 < len(terminal) <= TYPED_CHARS_MAX:
            return NotIn()
        right = await self._right_pin(person_id, pin, source)
        if isinstance(right, Wait):
            return right
        if not right:
            return NotIn()
        hours = await self._setting("identity.staff_session_hours", STAFF_HOURS)
        return await self._open(
            OpenSession(
                session_hash="",
                kind=SessionKind.STAFF,
                person_id=person_id,
                stay_id=None,
                surface=source.surface.value,
                terminal=terminal,
                expires_at_s=self._clock.read().wall_s + hours * 3_600,
            )
        )

    async def approve(
        self, *, person_id: str, pin: str, roles: frozenset[Role], source: From
    ) -> bool | Wait:
        """Whether somebody with one of these roles typed their PIN at another's terminal."""
        right = await self._right_pin(person_id, pin, source)
        if isinstance(right, Wait) or not right:
            return right
        person = await projection.person(self._reader, self._vault, person_id)
        return person is not None and bool(set(person.roles) & roles)

    async def _right_pin(self, person_id: str, pin: str, source: From) -> bool | Wait:
        attempt = Attempt(address=source.address, device=source.device, subject=person_id)
        now_s = self._clock.monotonic()
        wait_s = self.staff_windows.admit(attempt, now_s)
        if wait_s > 0:
            return Wait(wait_s)
        known = person_id if 0 < len(person_id) <= TYPED_CHARS_MAX else ""
        hashed = await projection.pin_hash(self._reader, self._vault, known)
        right = await self._checks.matches(pin, hashed)
        if right:
            self.staff_windows.forgive(attempt, now_s)
        return right

    async def refresh(self, token: str) -> SignedIn | NotIn:
        """The successor of a refresh token; a spent one that comes back ends its session."""
        if not token or len(token) > tokens.TOKEN_CHARS_MAX:
            return NotIn()
        used = tokens.hash_of(token)
        row = await self._reader.row(
            "SELECT t.session_hash, s.person_id, t.expires_at_s FROM identity_token t"
            " LEFT JOIN identity_session s ON s.session_hash = t.session_hash"
            " WHERE t.token_hash = ?",
            (used,),
        )
        if row is None:
            return NotIn()
        following = tokens.successor(token, self._vault)
        now_s = self._clock.read().wall_s
        command = RotateRefresh(
            session_hash=row[0], used_hash=used, next_hash=tokens.hash_of(following), at_s=now_s
        )
        answer = await self._ask(command, f"rotate:{used}:{now_s}")
        if not isinstance(answer, Done) or answer.result.get("next_hash") != command.next_hash:
            return NotIn()
        return SignedIn(
            token=following,
            session_hash=row[0],
            kind=SessionKind.STAFF,
            person_id=row[1],
            stay_id=None,
            expires_at_s=row[2],
        )

    async def sign_out(self, session_hash: str, reason: str = "signed_out") -> None:
        """End a session; ending it again, or one that never was, changes nothing."""
        await self._ask(EndSession(session_hash=session_hash, reason=reason), f"out:{session_hash}")

    # --- guests

    async def guest_room(self, *, room: str, surname: str, source: From) -> SignedIn | NotIn | Wait:
        """Room and surname of anybody who is in house there."""
        number = room.strip()[:TYPED_CHARS_MAX].casefold()
        attempt = Attempt(address=source.address, device=source.device, subject=number)

        async def judge() -> _Match | None:
            found = await self._guests.in_room(number) if number else ()
            here = [each for each in found if each.state is StayState.IN_HOUSE]
            return self._named(here, surname)

        return await self._guest(attempt, judge, source, Trust.CLAIMED)

    async def guest_code(
        self, *, code: str, surname: str = "", source: From
    ) -> SignedIn | NotIn | Wait:
        """A booking's code; a short or merely numeric one only together with a surname."""
        attempt = Attempt(address=source.address, device=source.device)

        async def judge() -> _Match | None:
            found = await self._guests.by_codes(_forms(code))
            expected = [each for each in found if _expected(each)]
            if surname.strip() or not _is_secret(code):
                return self._named(expected, surname)
            # With two stays of one code nobody knows whose this is.
            if len(expected) != 1:
                return None
            return _Match(stay_id=expected[0].stay_id, person_id=None)

        return await self._guest(attempt, judge, source, Trust.PROVEN)

    async def guest_link(self, *, link: str, source: From) -> SignedIn | NotIn | Wait:
        """The link of the QR: signed, bound to the stay, good for 24 h and one use."""
        attempt = Attempt(address=source.address, device=source.device)
        read = self._tokens.read_link(link)

        async def judge() -> _Match | None:
            found = None if read is None else await self._guests.by_stay(read.stay_id)
            if found is None or found.state not in {StayState.CONFIRMED, StayState.IN_HOUSE}:
                return None
            return _Match(stay_id=found.stay_id, person_id=None)

        # Another session under the same command id has another body, so the kernel refuses the
        # second use of a link, also after a crash.
        command_id = None if read is None else f"link:{read.nonce}"
        return await self._guest(attempt, judge, source, Trust.PROVEN, command_id)

    def link_of(self, stay_id: str) -> str:
        """A fresh link token for the QR of a stay. The page behind it must ask before it uses it."""
        return self._tokens.link(stay_id)

    async def _guest(
        self,
        attempt: Attempt,
        judge: Callable[[], Awaitable[_Match | None]],
        source: From,
        trust: Trust,
        command_id: str | None = None,
    ) -> SignedIn | NotIn | Wait:
        now_s = self._clock.monotonic()
        wait_s = self.guest_windows.admit(attempt, now_s)
        if wait_s > 0:
            return Wait(wait_s)
        match = await judge()
        if match is None:
            return NotIn()
        self.guest_windows.forgive(attempt, now_s)
        return await self._open(
            OpenSession(
                session_hash="",
                kind=SessionKind.GUEST,
                person_id=match.person_id,
                stay_id=match.stay_id,
                surface=source.surface.value,
                terminal=None,
                expires_at_s=self._clock.read().wall_s + GUEST_S,
                trust=trust,
            ),
            command_id,
        )

    def _named(self, stays: Sequence[Candidate], surname: str) -> _Match | None:
        """The one stay with a guest of this name; namesakes in one stay are nobody in particular."""
        typed = self._name_hash(surname[:TYPED_CHARS_MAX])
        matches = [
            _Match(stay_id=stay.stay_id, person_id=guest.person_id)
            for stay in stays
            for guest in stay.guests
            # A guest with one name only has it wherever it was typed.
            if hmac.compare_digest(typed, self._name_hash(guest.family or guest.given))
        ]
        if not normalise_name(surname[:TYPED_CHARS_MAX]):
            return None
        if len({match.stay_id for match in matches}) != 1:
            return None
        person_id = matches[0].person_id if len(matches) == 1 else None
        return _Match(stay_id=matches[0].stay_id, person_id=person_id)

    def _name_hash(self, name: str) -> bytes:
        return self._vault.keyed_hash(normalise_name(name).encode(), "sign-in name")

    async def _open(self, wanted: OpenSession, command_id: str | None = None) -> SignedIn | NotIn:
        token = tokens.new_token()
        hashed = tokens.hash_of(token)
        command = replace(wanted, session_hash=hashed)
        answer = await self._ask(command, command_id or f"session:{hashed}")
        if not isinstance(answer, Done):
            return NotIn()
        return SignedIn(
            token=token,
            session_hash=hashed,
            kind=wanted.kind,
            person_id=wanted.person_id,
            stay_id=wanted.stay_id,
            expires_at_s=wanted.expires_at_s,
        )

    async def _setting(self, key: str, default: int) -> int:
        row = await self._reader.row(
            "SELECT value FROM setting WHERE scope = 'property' AND key = ?", (key,)
        )
        return default if row is None else int(msgspec.json.decode(row[0]))


def _expected(stay: Candidate) -> bool:
    return stay.state is StayState.IN_HOUSE or (stay.state is StayState.CONFIRMED and stay.due)


def _forms(typed: str) -> tuple[str, ...]:
    """What was typed, as a code may stand in a table: as it is, in capitals, without dashes."""
    plain = typed.strip()[:TYPED_CHARS_MAX]
    read = read_code(plain)
    forms = (plain, plain.upper(), plain.lower(), *((read,) if read else ()))
    return tuple(dict.fromkeys(form for form in forms if form))


def _is_secret(typed: str) -> bool:
    """Whether a code is beyond guessing: ours has 50 bits; a PMS's running number has none."""
    read = read_code(typed)
    return read is not None and not read.isdigit()
