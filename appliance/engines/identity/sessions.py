"""Who is behind a token at this moment: sessions as they are used, kept in memory while they hold."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from appliance.engines.doors.messages import OpenSettled
from appliance.engines.identity import tokens
from appliance.engines.identity.messages import (
    RefreshRotated,
    SessionKind,
    SessionOpened,
)
from appliance.engines.identity.projection import PROJECTION
from appliance.engines.identity.tokens import Tokens
from appliance.engines.payments.messages import IntentNoted
from appliance.engines.rules.messages import SettingChanged
from appliance.engines.stays.messages import StayState
from appliance.kernel.clock import Clock
from appliance.kernel.engine import Recorded
from appliance.kernel.messages import Command, Role, Surface, Trust, Who
from appliance.kernel.reader import Reader
from appliance.kernel.vault import Vault

# Everybody in a house of 500 rooms with a phone and a tablet.
KEPT_MAX = 2_048
GRACE_MIN: Final = 120
# Facts after which what is kept may be wrong: those that change the tables it was read from, and
# live rules. Opening a session changes nobody else's; a note on a stay signs nobody out.
_CHANGES: Final = (frozenset(PROJECTION.on) | {SettingChanged}) - {
    SessionOpened,
    RefreshRotated,
    OpenSettled,
    IntentNoted,
}
# Of several roles the first stands in the log where a command does not choose.
_RANK: Final = (
    Role.ADMIN,
    Role.MANAGER,
    Role.FRONT_DESK,
    Role.CONCIERGE,
    Role.HOUSEKEEPING,
    Role.MAINTENANCE,
    Role.OWNER,
    Role.INSTALLER,
    Role.RESIDENT,
    Role.GUEST,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """Somebody who is signed in now."""

    actor: str
    roles: tuple[Role, ...]
    session_hash: str
    surface: Surface
    trust: Trust
    person_id: str | None = None
    stay_id: str | None = None
    terminal: str | None = None
    shift: str | None = None

    def who(self, command: type[Command] | None = None) -> Who:
        """The asker of a command, in the role of theirs that may ask it."""
        may = [role for role in self.roles if command is None or role in command.roles]
        return Who(
            actor=self.actor,
            role=min(may or self.roles, key=_RANK.index),
            trust=self.trust,
            surface=self.surface,
            terminal=self.terminal,
            shift=self.shift,
            on_behalf_of=self.person_id if self.stay_id is not None else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    signed: Signed
    until_s: int


class Sessions:
    """Looks sessions up; what it remembers is dropped whenever a fact could have changed it."""

    def __init__(self, reader: Reader, vault: Vault, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        self._tokens = Tokens(vault, clock)
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._changes = 0

    def notice(self, facts: Sequence[Recorded]) -> None:
        """Called with every batch after its commit (`Asker.listen`)."""
        if any(type(fact.event) in _CHANGES for fact in facts):
            self._changes += 1
            self._kept.clear()

    async def of_cookie(self, token: str) -> Signed | None:
        """Who has this opaque token; None for an ended, expired or unknown session."""
        if not token or len(token) > tokens.TOKEN_CHARS_MAX:
            return None
        return await self._of(tokens.hash_of(token))

    async def of_session(self, session_hash: str) -> Signed | None:
        """Who has this session, by the hash it is kept under (just opened, or just refreshed)."""
        return await self._of(session_hash)

    async def of_access(self, token: str) -> Signed | None:
        """Who has this access token, whose session must still be open."""
        access = self._tokens.read_access(token)
        return None if access is None else await self._of(access.session_hash)

    async def access_of(self, signed: Signed) -> tuple[str, int]:
        """An access token for somebody signed in, and the UTC second at which it ends."""
        return self._tokens.access(
            actor=signed.actor,
            roles=signed.roles,
            terminal=signed.terminal,
            shift=signed.shift,
            session_hash=signed.session_hash,
        )

    async def _of(self, session_hash: str) -> Signed | None:
        now_s = self._clock.read().wall_s
        kept = self._kept.get(session_hash)
        if kept is not None and now_s < kept.until_s:
            self._kept.move_to_end(session_hash)
            return kept.signed
        changes = self._changes
        found = await self._load(session_hash)
        if found is None or now_s >= found.until_s:
            return None
        # A fact that came while we read may have ended it: then it is right once, and not kept.
        if changes == self._changes:
            self._kept[session_hash] = found
            while len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        return found.signed

    async def _load(self, session_hash: str) -> _Kept | None:
        row = await self._reader.row(
            "SELECT s.kind, s.person_id, s.stay_id, s.surface, s.terminal, s.trust,"
            " s.expires_at_s, p.roles, coalesce(p.active, 0), h.shift_id, y.state, y.left_at_ms"
            " FROM identity_session s"
            " LEFT JOIN identity_staff p ON p.person_id = s.person_id"
            " LEFT JOIN identity_shift h ON h.terminal = s.terminal"
            "  AND h.person_id = s.person_id AND h.closed_at_ms IS NULL"
            " LEFT JOIN identity_stay y ON y.stay_id = s.stay_id WHERE s.session_hash = ?",
            (session_hash,),
        )
        if row is None:
            return None
        kind, person_id, stay_id, surface, terminal, trust, until_s = row[:7]
        roles, active, shift, state, left_at_ms = row[7:]
        if SessionKind(kind) is SessionKind.GUEST:
            until_s = min(until_s, await self._guest_until_s(state, left_at_ms))
            actor, held = f"stay:{stay_id}", [Role.GUEST]
        elif active:
            actor, held = f"staff:{person_id}", [Role(role) for role in json.loads(roles)]
        else:
            return None
        signed = Signed(
            actor=actor,
            roles=tuple(held),
            session_hash=session_hash,
            surface=Surface(surface),
            trust=Trust(trust),
            person_id=person_id,
            stay_id=stay_id,
            terminal=terminal,
            shift=shift,
        )
        return _Kept(signed=signed, until_s=until_s)

    async def _guest_until_s(self, state: str | None, left_at_ms: int | None) -> int:
        """The stay decides, not the room: a moved guest stays signed in, a departed one a while."""
        if state in {StayState.CONFIRMED, StayState.IN_HOUSE}:
            return 2**62
        if state != StayState.DEPARTED or left_at_ms is None:
            return 0
        row = await self._reader.row(
            "SELECT value FROM setting WHERE scope = 'property' AND key = ?",
            ("identity.guest_grace_minutes",),
        )
        grace_min = GRACE_MIN if row is None else int(msgspec.json.decode(row[0]))
        return left_at_ms // 1000 + grace_min * 60
