"""The lock's side of NPK 1: what all connections of one lock share.

core = LockCore(setup, flash=..., body=...)
session = core.connect(value_bytes=244)           # None: as many links as it takes
out = session.feed(frame)                         # never raises on any bytes
... send out.frames; hang up where out.hang_up; session.tick() at session.due_ms() ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from appliance.kernel.cose import point_of
from drivers.judge import Judge, No
from drivers.local_time import LocalTime
from drivers.npk.body import Cause, LockSetup
from drivers.npk.channel import SystemEntropy
from drivers.npk.codes import Command, Flag, LogKind, Status, status_of
from drivers.npk.commands import CommandBook, Ended
from drivers.npk.issuers import IssuerBook
from drivers.npk.log import LockLog, slot_code
from drivers.npk.rate import Bucket
from drivers.npk.session import LockSession

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric import ec

    from appliance.kernel.cose import Claims
    from drivers.judge import Pass
    from drivers.npk.body import Body, Flash, Keypad
    from drivers.npk.channel import Entropy

# What a lock's radio chip holds at once, with room to advertise beside (ble.md 2.9).
LINKS_MAX: Final = 3
# ble.md 2.5; the same at which bolt.py of the twin warns.
BATTERY_LOW_PCT: Final = 15
DENYLIST_OLD_S: Final = 86_400
# Strangers write into the log once an hour at most, so that nobody can fill it from the corridor.
STRANGERS_NOTE_MS: Final = 3_600_000

_LOGGED: Final = {
    Command.UNLOCK: LogKind.UNLOCK,
    Command.OFFICE: LogKind.OFFICE,
    Command.ADMIN: LogKind.ADMIN,
    Command.COURIER: LogKind.COURIER,
}
MOVING: Final = frozenset({Command.UNLOCK, Command.OFFICE})


class LockCore:
    """One lock. What must outlive a power cut is in `flash`; the bolt moves in `_act` and `throw`."""

    def __init__(
        self,
        setup: LockSetup,
        *,
        flash: Flash,
        body: Body,
        entropy: Entropy | None = None,
        keypad: Keypad | None = None,
    ) -> None:
        """Wake up: a command that was begun and not ended is UNKNOWN from now on."""
        self.setup = setup
        self.body = body
        self.flash = flash
        self.keypad = keypad
        self.entropy: Entropy = entropy or SystemEntropy()
        self._issuers = IssuerBook(
            flash, given=setup.issuers, root=setup.root, property_id=setup.property_id
        )
        self.judge = Judge(self, flash)
        self.log = LockLog(flash, lock_id=setup.lock_id)
        self.commands = CommandBook(flash)
        self.bucket = Bucket()
        self._links: list[LockSession] = []
        self._strangers_at_ms: int | None = None
        self._wake()

    # -- what the judge asks: a Door

    @property
    def door_number(self) -> int:
        """What keys call this door."""
        return self.setup.lock_id

    @property
    def zones(self) -> frozenset[int]:
        """Groups that it answers to as well."""
        return self.setup.zones

    @property
    def property_id(self) -> str:
        """Whose lock it is."""
        return self.setup.property_id

    @property
    def issuers(self) -> Mapping[bytes, ec.EllipticCurvePublicKey]:
        """Whose signatures count now."""
        return self._issuers.trusted(max(0, self.body.time().past_ms) // 1000)

    # -- for the radio

    @property
    def point(self) -> bytes:
        """The lock's 65-byte public key, read at installation."""
        return point_of(self.setup.key.public_key())

    def connect(self, value_bytes: int) -> LockSession | None:
        """Somebody's link, with values of this many bytes; None where there are enough, or no power."""
        self._links = [link for link in self._links if not link.over]
        if len(self._links) >= LINKS_MAX or self.body.state().battery_pct == 0:
            return None
        session = LockSession(self, value_bytes)
        self._links.append(session)
        return session

    def flags(self) -> int:
        """Bits of `Flag`, for the advertisement and the greeting."""
        time = self.body.time()
        old_ms = (self.judge.denylist_at_s + DENYLIST_OLD_S) * 1000
        raised = {
            Flag.TIME_UNKNOWN: not time.sure,
            Flag.LOG_WAITING: self.log.waiting > 0,
            Flag.PRIVACY: self.judge.privacy,
            Flag.BATTERY_LOW: self.body.state().battery_pct <= BATTERY_LOW_PCT,
            Flag.DENYLIST_OLD: not time.sure or time.ms > old_ms,
            Flag.OFFICE: self.flash.get("npk", "office", default=False),
        }
        return sum(flag for flag, up in raised.items() if up)

    # -- for the metal

    def set_privacy(self, *, on: bool) -> None:
        """The guest turned the knob inside."""
        self.judge.set_privacy(on=on)
        self.note(LogKind.PRIVACY_ON if on else LogKind.PRIVACY_OFF)

    def note(self, kind: LogKind) -> int:
        """Something happened at the door by itself; its number in the log."""
        entry = self.log.add(kind, self.body.time())
        self.flash.commit()
        return entry.seq

    def open_by_pin(self, right: Pass) -> Status:
        """Somebody typed a PIN that holds; what follows from that is durable before the motor."""
        self.judge.admit(right)
        self.flash.commit()
        cause = Cause(
            kind=LogKind.PIN,
            cti=b"",
            command_id=slot_code(right.slot),
            generation=right.generation,
        )
        moved = self.body.unlock(cause, hold=self.flash.get("npk", "office", default=False))
        status = Status.DONE if moved else Status.JAMMED
        self.typed(status, right.slot)
        return status

    def typed(self, status: Status, slot: int | None) -> None:
        """What became of digits at the keypad; digits that are nobody's are a stranger's."""
        if slot is None:
            self._note_stranger(status)
            return
        time = self.body.time()
        self.log.add(LogKind.PIN, time, status=status, command_id=slot_code(slot))
        self.flash.commit()

    # -- for a session

    def local_time(self) -> LocalTime | None:
        """The property's time as the box last handed it over."""
        kept = self.flash.get("npk", "local_time")
        return None if kept is None else LocalTime(tuple((at, offset) for at, offset in kept))

    def carry_out(
        self, claims: Claims, presser: bytes, command: Command, command_id: bytes
    ) -> tuple[Ended, bool]:
        """Judge and do one command whose asker has proved possession; and whether it is a repeat."""
        if command in MOVING and (known := self.commands.known(claims.cti, command_id)) is not None:
            return known, True
        time = self.body.time()
        verdict = self.judge.judge_key(
            claims, time, want=command, presser=presser, local=self.local_time()
        )
        if isinstance(verdict, No):
            status = status_of(verdict.refusal)
            return self._ended(claims.cti, command, command_id, status), False
        # A key that its issuer signed as begun is proof of the time; it counts from now on.
        self.body.seen(verdict.issued_ms)
        if command not in MOVING:
            return self._ended(claims.cti, command, command_id, Status.DONE), False
        self.judge.admit(verdict)
        self.commands.begin(claims.cti, command_id)
        if command is Command.OFFICE:
            self.flash.put("npk", "office", value=True)
        self.flash.commit()
        cause = Cause(
            kind=_LOGGED[command],
            cti=claims.cti,
            command_id=command_id,
            generation=verdict.generation,
        )
        hold = command is Command.OFFICE or self.flash.get("npk", "office", default=False)
        moved = self.body.unlock(cause, hold=hold)
        status = Status.DONE if moved else Status.JAMMED
        return self._ended(claims.cti, command, command_id, status), False

    def throw(self, cti: bytes, command_id: bytes) -> tuple[Ended, bool]:
        """Throw the bolt for an admin; ends office mode. Once for each id, like every move."""
        if (known := self.commands.known(cti, command_id)) is not None:
            return known, True
        self.commands.begin(cti, command_id)
        self.flash.put("npk", "office", value=False)
        self.flash.commit()
        moved = self.body.lock(Cause(kind=LogKind.LOCK, cti=cti, command_id=command_id))
        status = Status.DONE if moved else Status.JAMMED
        return self._written(LogKind.LOCK, cti, command_id, status), False

    def found(self, cti: bytes, command_id: bytes) -> Ended | None:
        """What became of a command: from the book, else from the log; None: never heard of it."""
        if (known := self.commands.known(cti, command_id)) is not None:
            return known
        entry = self.log.about(cti, command_id)
        if entry is None:
            return None
        return Ended(status=Status(entry.status), event=entry.seq, wall_s=entry.wall_s)

    def take_issuer(self, data: bytes) -> Status:
        """One more issuer, by the root's word."""
        taken = self._issuers.take(data, max(0, self.body.time().past_ms) // 1000)
        return status_of(taken) if isinstance(taken, str) else Status.DONE

    def stranger(self, status: Status) -> None:
        """Somebody without a key of ours, or with a phone that is not its own."""
        self.bucket.wrong()
        self._note_stranger(status)

    def _note_stranger(self, status: Status) -> None:
        now_ms = self.body.uptime_ms()
        if self._strangers_at_ms is None or now_ms - self._strangers_at_ms > STRANGERS_NOTE_MS:
            self._strangers_at_ms = now_ms
            self.log.add(LogKind.STRANGERS, self.body.time(), status=status)
            self.flash.commit()

    def _ended(self, cti: bytes, command: Command, command_id: bytes, status: Status) -> Ended:
        return self._written(_LOGGED[command], cti, command_id, status)

    def _written(self, kind: LogKind, cti: bytes, command_id: bytes, status: Status) -> Ended:
        time = self.body.time()
        entry = self.log.add(kind, time, cti=cti, status=status, command_id=command_id)
        ended = Ended(status=status, event=entry.seq, wall_s=entry.wall_s)
        if self.commands.known(cti, command_id) is not None:
            self.commands.finish(cti, command_id, ended)
        self.flash.commit()
        return ended

    def _wake(self) -> None:
        for cti, command_id in self.commands.broken_off():
            self._written(LogKind.UNLOCK, cti, command_id, Status.UNKNOWN)
        self.note(LogKind.STARTED)
