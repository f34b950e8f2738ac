"""One NPK lock on a bench, the keys of its property, and phones that talk to it in frames."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec

from appliance.kernel.clock import Reading
from appliance.kernel.cose import UNLOCK_BIT, Claims, issuers, point_of, sign
from appliance.kernel.edicts import Denied, Denylist, sign_denylist
from drivers.npk.codes import Command, Message, Op, ProtocolError
from drivers.npk.frames import Framer, Reassembler
from drivers.npk.phone import Greeting, PhoneSession, Verdict, read_no
from twin.flash import Flash
from twin.journal import Journal
from twin.npk_lock import NpkIdentity, NpkLock

if TYPE_CHECKING:
    from appliance.kernel.cbor import Item
    from drivers.npk.session import LockSession, Out


def new_key() -> ec.EllipticCurvePrivateKey:
    """A P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


ROOT = new_key()
ISSUER = new_key()
LOCK_KEY = new_key()
PHONE = new_key()
OTHER_PHONE = new_key()
DOOR = 204
NOON_MS = 1_789_992_000_000


class HungUpError(Exception):
    """The lock hung up; `frames` are what it had said before."""


@dataclass
class HandClock:
    """A clock that a test moves."""

    wall_ms: int = NOON_MS
    passed_ms: int = 0

    def read(self) -> Reading:
        wall_ms = self.wall_ms + self.passed_ms
        return Reading(wall_ms=wall_ms, boot_ms=self.passed_ms, boot_id="bench", uncertainty_ms=0)

    def monotonic(self) -> float:
        return self.passed_ms / 1000

    async def sleep_until(self, monotonic_s: float) -> None:
        raise AssertionError("nothing here waits")


class Phone:
    """One connection from the phone's end: frames over a link that a test may bend."""

    def __init__(self, link: LockSession, session: PhoneSession, *, value_bytes: int = 244) -> None:
        self.link = link
        self.session = session
        self.value_bytes = value_bytes
        self.framer = Framer()
        self.reassembler = Reassembler()
        self.hung_up = False
        self.sizes: list[int] = []

    def send(self, kind: int, message: bytes) -> list[tuple[int, bytes]]:
        """One message to the lock; what it answers."""
        self.sizes.append(len(message))
        frames = self.framer.split(kind, message, self.value_bytes)
        return [answer for frame in frames for answer in self.write(frame)]

    def write(self, frame: bytes) -> list[tuple[int, bytes]]:
        """One value written."""
        return self.take(self.link.feed(frame))

    def take(self, out: Out) -> list[tuple[int, bytes]]:
        """What the lock sent."""
        found = [self.reassembler.feed(frame) for frame in out.frames]
        self.hung_up = self.hung_up or out.hang_up
        return [message for message in found if message is not None]

    def ask(self, kind: int, message: bytes, wanted: int) -> bytes:
        """One message and its one answer; HungUpError where there is none."""
        answers = self.send(kind, message)
        if not answers:
            raise HungUpError
        ((got, body),) = answers
        if got == Message.NO:
            raise DeclinedError(*read_no(body))
        assert got == wanted
        self.sizes.append(len(body))
        return body

    def greet(self) -> Greeting:
        return self.session.on_m2(self.ask(Message.M1, self.session.m1(), Message.M2))

    def command(
        self, command: Command = Command.UNLOCK, command_id: bytes = b"press--1"
    ) -> Verdict:
        message = self.session.m3(command, command_id)
        return self.session.on_m4(self.ask(Message.M3, message, Message.M4))

    def request(self, op: Op, *arguments: Item) -> tuple[int, Item]:
        message = self.session.request(op, *arguments)
        return self.session.on_response(self.ask(Message.REQUEST, message, Message.RESPONSE))


class DeclinedError(Exception):
    """The lock said no in clear: (status, pause ms)."""


@dataclass
class NpkBench:
    """A lock; `restart` takes the cells out and puts them back."""

    flash: Any = field(default_factory=Flash)
    journal: Journal = field(default_factory=Journal)
    clock: HandClock = field(default_factory=HandClock)
    identity: dict[str, Any] = field(default_factory=dict)
    battery_pct: int = 100
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        facts: dict[str, Any] = {
            "device": "lock-204",
            "door_number": DOOR,
            "property_id": "marina",
            "issuers": issuers([point_of(ISSUER.public_key())]),
            "secret": bytes(32),
            "zones": frozenset({0x8001}),
            "root": ROOT.public_key(),
            "key": LOCK_KEY,
            "keypad": True,
        } | self.identity
        self.lock = NpkLock(
            NpkIdentity(**facts),
            flash=self.flash,
            journal=self.journal,
            clock=self.clock,
            battery_pct=self.battery_pct,
        )

    @property
    def now_s(self) -> int:
        return self.clock.read().wall_s

    def wait(self, seconds: float) -> None:
        self.clock.passed_ms += int(seconds * 1000)
        self.lock.tick()

    def key(
        self,
        bits: int = UNLOCK_BIT,
        *,
        phone: ec.EllipticCurvePrivateKey | None = PHONE,
        issuer: ec.EllipticCurvePrivateKey = ISSUER,
        **claims: Any,
    ) -> bytes:
        """A credential from an hour ago to tomorrow, bound to the phone, unless said otherwise."""
        body: dict[str, Any] = {
            "exp_s": self.now_s + 86_400,
            "nbf_s": self.now_s - 3_600,
            "doors": ((DOOR, bits),),
            "aud": "marina",
            "cti": b"guest--1",
            "gen": 1,
            "cnf": None if phone is None else point_of(phone.public_key()),
        } | claims
        return sign(Claims(**body), issuer)

    def phone(
        self,
        credential: bytes | None = None,
        *,
        key: ec.EllipticCurvePrivateKey = PHONE,
        value_bytes: int = 244,
        **session: Any,
    ) -> Phone:
        """Connect; HungUpError where the lock has no link to give."""
        link = self.lock.core.connect(value_bytes)
        if link is None:
            raise HungUpError
        facts: dict[str, Any] = {
            "key": key,
            "credential": self.key() if credential is None else credential,
            "lock_id": DOOR,
            "lock_point": self.lock.point,
        } | session
        return Phone(link, PhoneSession(**facts), value_bytes=value_bytes)

    def press(
        self,
        credential: bytes | None = None,
        command: Command = Command.UNLOCK,
        command_id: bytes | None = None,
        **phone: Any,
    ) -> Verdict:
        """A whole session; a new command unless said otherwise."""
        talking = self.phone(credential, **phone)
        talking.greet()
        number = next(self.numbers).to_bytes(8, "big")
        try:
            return talking.command(command, number if command_id is None else command_id)
        finally:
            talking.link.close()

    def admin(self, bits: int = 4, **claims: Any) -> Phone:
        """A session of requests."""
        talking = self.phone(self.key(bits, cti=b"admin--1", **claims))
        talking.greet()
        command = Command.ADMIN if bits & Command.ADMIN else Command.COURIER
        assert talking.command(command, next(self.numbers).to_bytes(8, "big")).done
        return talking

    def denylist(self, seq: int, *ctis: bytes, issued_s: int | None = None) -> bytes:
        """A signed denylist, as the box makes it."""
        denied = tuple(Denied(cti=cti, exp_s=self.now_s + 86_400) for cti in sorted(ctis))
        issued_s = self.now_s if issued_s is None else issued_s
        return sign_denylist(Denylist(seq=seq, issued_s=issued_s, denied=denied), ISSUER)

    @property
    def opened(self) -> int:
        """How often the motor opened the bolt, by the twin's own record."""
        return self.journal.count("bolt", to="unlocked")

    @property
    def moves(self) -> int:
        """How often it ran at all."""
        return self.journal.count("bolt")


__all__ = [
    "DOOR",
    "ISSUER",
    "OTHER_PHONE",
    "PHONE",
    "ROOT",
    "DeclinedError",
    "HandClock",
    "HungUpError",
    "NpkBench",
    "Phone",
    "ProtocolError",
    "new_key",
]
