"""The phone's side of NPK 1: also the box's, when it presses a door or collects a log.

session = PhoneSession(key=..., credential=..., lock_id=..., lock_point=...)
send(M1, session.m1());  greeting = session.on_m2(receive(M2))
send(M3, session.m3(Command.UNLOCK, command_id(order.id)));  verdict = session.on_m4(receive(M4))
send(REQUEST, session.request(Op.LOG, 0, 40));  blob = session.on_response(receive(RESPONSE))
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from appliance.kernel.cbor import Item, NotStrictError, read, write
from appliance.kernel.cose import Flaw, point_key, sign1, verify1
from drivers.npk.channel import (
    Channel,
    SystemEntropy,
    digest,
    ephemeral_point,
    items,
    transcript,
)
from drivers.npk.codes import (
    COMMAND_ID_BYTES,
    NONCE_BYTES,
    SUITE,
    VERSION,
    Flag,
    Message,
    Op,
    ProtocolError,
    Status,
    refusal_of,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

    from appliance.bus.words import LockRefusal
    from drivers.npk.channel import Entropy
    from drivers.npk.codes import Command

LOCK_LABEL: Final = b"NPK1-LOCK"
PHONE_LABEL: Final = b"NPK1-PHONE"
# How long a phone waits for each answer; the lock gives a whole session 10 s.
ANSWER_S_MAX: Final = 5.0


class NotThisLockError(ProtocolError):
    """Whoever answers is not the lock that was asked for; it has learnt nothing about the phone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """What a lock says of itself in M2, under its signature."""

    lock_id: int
    wall_s: int
    uncertainty_s: int  # -1: the lock does not know the time; `wall_s` is certainly past
    denylist_seq: int
    generation: int
    flags: int
    nonce: bytes  # what a signed time for this session must name

    @property
    def time_unknown(self) -> bool:
        """Whether a signed time should be brought before M3."""
        return bool(self.flags & Flag.TIME_UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a lock says in M4: `event` is its log's number, `repeated` that it has done it before."""

    status: int
    event: int
    wall_s: int
    repeated: bool

    @property
    def done(self) -> bool:
        """Whether the bolt moved (or the session is open)."""
        return self.status == Status.DONE

    @property
    def unknown(self) -> bool:
        """Whether the lock began it and lost its power before the end."""
        return self.status == Status.UNKNOWN

    @property
    def refusal(self) -> LockRefusal | None:
        """The lock's word for no."""
        return refusal_of(self.status)


class PhoneSession:
    """One connection. Every method raises ProtocolError where the lock breaks the protocol."""

    def __init__(
        self,
        *,
        key: ec.EllipticCurvePrivateKey,
        credential: bytes,
        lock_id: int,
        lock_point: bytes,
        entropy: Entropy | None = None,
    ) -> None:
        """`lock_point` (65 bytes) is what the phone was given at check-in; ValueError if it is none."""
        self._key = key
        self._credential = credential
        self._lock_id = lock_id
        self._lock_key = point_key(lock_point)
        self._entropy: Entropy = entropy or SystemEntropy()
        self._ephemeral = self._entropy.ephemeral()
        self._m1 = b""
        self._hashed = b""
        self._channel: Channel | None = None

    def m1(self) -> bytes:
        """The first message; the same one however often it is asked for."""
        if not self._m1:
            nonce = self._entropy.nonce(NONCE_BYTES)
            self._m1 = write([VERSION, SUITE, ephemeral_point(self._ephemeral), nonce])
        return self._m1

    def on_m2(self, message: bytes) -> Greeting:
        """The lock proves itself; NotThisLockError where it does not. Nothing is said before."""
        if self._channel is not None:
            raise ProtocolError("M2 comes once")
        match items(message, 3):
            case [bytes(lock_point), bytes(nonce), bytes(sealed)]:
                pass
            case _:
                raise ProtocolError("not an M2")
        hashed = transcript(self.m1(), lock_point, nonce)
        channel = Channel(self._ephemeral, lock_point, hashed, phone=True)
        signed = channel.open(Message.M2, sealed)
        payload = verify1(signed, self._lock_key, aad=LOCK_LABEL + hashed)
        if isinstance(payload, Flaw):
            raise NotThisLockError("this is not the lock that it claims to be")
        greeting = _greeting(payload, nonce)
        if greeting.lock_id != self._lock_id:
            raise NotThisLockError("this is another door")
        self._hashed, self._channel = hashed, channel
        return greeting

    def m3(self, command: Command, command_id: bytes) -> bytes:
        """Who we are and what we want, for this lock's eyes only.

        The same `command_id` (8 bytes) on every retry of one press: the lock does it once.
        """
        if len(command_id) != COMMAND_ID_BYTES:
            raise ValueError(f"a command id has {COMMAND_ID_BYTES} bytes")
        aad = PHONE_LABEL + digest(self._hashed, self._credential)
        proof = sign1(write([int(command), command_id, self._lock_id]), self._key, aad=aad)
        return self._open_channel().seal(Message.M3, write([self._credential, proof]))

    def on_m4(self, message: bytes) -> Verdict:
        """What the lock did."""
        match items(self._open_channel().open(Message.M4, message), 4):
            case [int(status), int(event), int(wall_s), 0 | 1 as repeated]:
                return Verdict(status=status, event=event, wall_s=wall_s, repeated=repeated == 1)
            case _:
                raise ProtocolError("not an M4")

    def request(self, op: Op, *arguments: Item) -> bytes:
        """Ask something more of a lock that keeps the session open."""
        return self._open_channel().seal(Message.REQUEST, write([int(op), *arguments]))

    def on_response(self, message: bytes) -> tuple[int, Item]:
        """Status and result (0 where there is none) of the request before."""
        match items(self._open_channel().open(Message.RESPONSE, message), 2):
            case [int(status), result]:
                return status, result
            case _:
                raise ProtocolError("not a response")

    def _open_channel(self) -> Channel:
        if self._channel is None:
            raise ProtocolError("no M2 yet")
        return self._channel


def read_no(message: bytes) -> tuple[int, int]:
    """Status and pause (ms) of a lock that declines in clear: a hint, since nobody signed it."""
    match items(message, 2):
        case [int(status), int(wait_ms)]:
            return status, wait_ms
        case _:
            raise ProtocolError("not a NO")


def _greeting(payload: bytes, nonce: bytes) -> Greeting:
    try:
        match read(payload):
            case [int(lock_id), int(wall), int(doubt), int(seq), int(generation), int(flags)]:
                return Greeting(
                    lock_id=lock_id,
                    wall_s=wall,
                    uncertainty_s=doubt,
                    denylist_seq=seq,
                    generation=generation,
                    flags=flags,
                    nonce=nonce,
                )
            case _:
                pass
    except NotStrictError:
        pass
    raise ProtocolError("not a greeting")
