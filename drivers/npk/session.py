"""One link to a lock: handshake, then requests, each step once and in order.

    START --M1--> GREETED --M3--> SERVING (admin, courier) or OVER (everybody else)

Whatever does not fit ends the session without a word: there is no oracle.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from appliance.kernel.cbor import Item, NotStrictError, read, write
from appliance.kernel.cose import Claims, Flaw, point_key, sign1, verify1
from drivers.judge import flaw_refusal
from drivers.npk.channel import Channel, digest, ephemeral_point, items, transcript
from drivers.npk.codes import (
    COMMAND_ID_BYTES,
    NONCE_BYTES,
    SUITE,
    VERSION,
    Command,
    Message,
    ProtocolError,
    Status,
    status_of,
)
from drivers.npk.frames import Framer, Reassembler
from drivers.npk.phone import LOCK_LABEL, PHONE_LABEL
from drivers.npk.requests import Asked, answer

if TYPE_CHECKING:
    from drivers.npk.lock import LockCore

# ble.md 2.9. A relay costs time: from the challenge to its answer three seconds and no more.
ANSWER_MS_MAX: Final = 3_000
IDLE_MS_MAX: Final = 8_000
SESSION_MS_MAX: Final = 10_000
# An admin fetches 500 entries in 13 batches, at MTU 23 and 50 ms a second and a half each.
SERVING_MS_MAX: Final = 60_000
# A signed time and a denylist, before the phone says who it is.
EARLY_REQUESTS_MAX: Final = 2


class Stage(Enum):
    """How far a session is."""

    START = auto()
    GREETED = auto()
    SERVING = auto()
    OVER = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Out:
    """What the radio has to do: send these values in order, and then hang up or not."""

    frames: tuple[bytes, ...] = ()
    hang_up: bool = False


class LockSession:
    """One per connection, made by `LockCore.connect`."""

    def __init__(self, core: LockCore, value_bytes: int) -> None:
        self._core = core
        self.value_bytes = value_bytes  # may grow when the MTU does
        self._framer = Framer()
        self._reassembler = Reassembler()
        self._stage = Stage.START
        self._channel: Channel | None = None
        self._hashed = b""
        self._nonce = b""
        self._early = 0
        self._claims: Claims | None = None
        self._command = Command.UNLOCK
        self._began_ms = self._heard_ms = core.body.uptime_ms()
        self._nonce_ms = self._greeted_ms = self._began_ms

    @property
    def over(self) -> bool:
        """Whether the link is of no more use."""
        self._expire()
        return self._stage is Stage.OVER

    def feed(self, frame: bytes) -> Out:
        """One value that the phone wrote; never raises on any bytes."""
        if self.over:
            return Out(hang_up=True)
        now_ms = self._core.body.uptime_ms()
        try:
            whole = self._reassembler.feed(frame, now_ms)
            self._heard_ms = now_ms
            return Out() if whole is None else self._on(*whole)
        except ProtocolError:
            self._stage = Stage.OVER
            return Out(hang_up=True)

    def tick(self) -> Out:
        """Time has passed; called at or after `due_ms`."""
        return Out(hang_up=self.over)

    def close(self) -> None:
        """The link is gone."""
        self._stage = Stage.OVER

    def due_ms(self) -> int:
        """When the lock hangs up if nothing more comes (its own uptime)."""
        whole_ms = SERVING_MS_MAX if self._stage is Stage.SERVING else SESSION_MS_MAX
        due_ms = min(self._heard_ms + IDLE_MS_MAX, self._began_ms + whole_ms)
        if self._stage is Stage.GREETED:
            due_ms = min(due_ms, self._greeted_ms + ANSWER_MS_MAX)
        return due_ms

    def _expire(self) -> None:
        if self._core.body.uptime_ms() > self.due_ms():
            self._stage = Stage.OVER

    def _on(self, kind: int, message: bytes) -> Out:
        match self._stage, kind:
            case Stage.START, Message.M1:
                return self._on_m1(message)
            case Stage.GREETED, Message.M3:
                return self._on_m3(message)
            case ((Stage.GREETED | Stage.SERVING), Message.REQUEST):
                return self._on_request(message)
            case _:
                raise ProtocolError("not now")

    def _on_m1(self, message: bytes) -> Out:
        match items(message, 4):
            case [int(version), int(suite), bytes(point), bytes(nonce)]:
                pass
            case _:
                raise ProtocolError("not an M1")
        if (version, suite) != (VERSION, SUITE):
            return self._decline(Status.NOT_SUPPORTED, 0)
        if len(nonce) != NONCE_BYTES:
            raise ProtocolError("not a nonce")
        core = self._core
        if (wait_ms := core.bucket.take(core.body.uptime_ms())) > 0:
            return self._decline(Status.RATE_LIMITED, wait_ms)
        ephemeral = core.entropy.ephemeral()
        mine, self._nonce = ephemeral_point(ephemeral), core.entropy.nonce(NONCE_BYTES)
        self._hashed = transcript(message, mine, self._nonce)
        self._channel = Channel(ephemeral, point, self._hashed, phone=False)
        signed = sign1(write(self._greeting()), core.setup.key, aad=LOCK_LABEL + self._hashed)
        sealed = self._channel.seal(Message.M2, signed)
        self._nonce_ms = self._greeted_ms = core.body.uptime_ms()
        self._stage = Stage.GREETED
        return self._send(Message.M2, write([mine, self._nonce, sealed]))

    def _on_m3(self, message: bytes) -> Out:
        try:
            credential, proof = self._two(self._open(Message.M3, message))
        except ProtocolError:
            self._core.stranger(Status.BAD_FRAME)
            raise
        claims = self._core.judge.read(credential)
        if isinstance(claims, Flaw):
            return self._turn_away(status_of(flaw_refusal(claims)))
        # A key that is bound to no phone is worth nothing here: whoever copies it would have it.
        asked = None if claims.cnf is None else self._asked(claims.cnf, credential, proof)
        if asked is None or claims.cnf is None:
            return self._turn_away(Status.BAD_SIGNATURE)
        command, command_id = asked
        self._core.bucket.right()
        if command is None:
            return self._verdict(Status.NOT_SUPPORTED, 0, repeated=False)
        ended, repeated = self._core.carry_out(claims, claims.cnf, command, command_id)
        serves = ended.status is Status.DONE and command in {Command.ADMIN, Command.COURIER}
        self._claims, self._command = claims, command
        return self._verdict(ended.status, ended.event, repeated=repeated, serves=serves)

    def _asked(
        self, phone: bytes, credential: bytes, proof: bytes
    ) -> tuple[Command | None, bytes] | None:
        """What the phone has signed for this session and this door; None where it has not."""
        aad = PHONE_LABEL + digest(self._hashed, credential)
        payload = verify1(proof, point_key(phone), aad=aad)
        if isinstance(payload, Flaw):
            return None
        try:
            match read(payload):
                case [int(command), bytes(command_id), int(lock_id)] if (
                    lock_id == self._core.setup.lock_id and len(command_id) == COMMAND_ID_BYTES
                ):
                    known = command in set(Command)
                    return Command(command) if known else None, command_id
                case _:
                    return None
        except NotStrictError:
            return None

    def _on_request(self, message: bytes) -> Out:
        serving = self._stage is Stage.SERVING
        if not serving:
            self._early += 1
            if self._early > EARLY_REQUESTS_MAX:
                raise ProtocolError("who are you?")
        try:
            found = read(self._open(Message.REQUEST, message))
        except NotStrictError:
            raise ProtocolError("not the one spelling of a request") from None
        match found:
            case [int(op), *arguments]:
                pass
            case _:
                raise ProtocolError("not a request")
        asked = Asked(
            op=op,
            arguments=arguments,
            command=self._command if serving else None,
            claims=self._claims,
            nonce=self._nonce,
            age_ms=self._core.body.uptime_ms() - self._nonce_ms,
        )
        status, result = answer(self._core, asked)
        if not serving and status is Status.DONE:
            # Whoever has brought a signed paper has not been idle; the session's end stays.
            self._greeted_ms = self._core.body.uptime_ms()
        return self._send(Message.RESPONSE, self._seal(Message.RESPONSE, [int(status), result]))

    def _greeting(self) -> list[Item]:
        core = self._core
        time = core.body.time()
        doubt_s = time.uncertainty_ms // 1000 if time.known else -1
        seen: list[Item] = [core.setup.lock_id, time.ms // 1000, doubt_s]
        return [*seen, core.judge.denylist_seq, core.judge.generation, core.flags()]

    def _turn_away(self, status: Status) -> Out:
        self._core.stranger(status)
        return self._verdict(status, 0, repeated=False)

    def _verdict(self, status: Status, event: int, *, repeated: bool, serves: bool = False) -> Out:
        """M4; the lock hangs up unless more is to be asked."""
        self._stage = Stage.SERVING if serves else Stage.OVER
        wall_s = self._core.body.time().ms // 1000
        sealed = self._seal(Message.M4, [int(status), event, wall_s, int(repeated)])
        return self._send(Message.M4, sealed, hang_up=not serves)

    def _decline(self, status: Status, wait_ms: int) -> Out:
        self._stage = Stage.OVER
        return self._send(Message.NO, write([int(status), wait_ms]), hang_up=True)

    def _send(self, kind: Message, message: bytes, *, hang_up: bool = False) -> Out:
        frames = self._framer.split(kind, message, self.value_bytes)
        return Out(frames=frames, hang_up=hang_up)

    def _seal(self, kind: Message, item: Item) -> bytes:
        assert self._channel is not None
        return self._channel.seal(kind, write(item))

    def _open(self, kind: Message, message: bytes) -> bytes:
        assert self._channel is not None
        return self._channel.open(kind, message)

    @staticmethod
    def _two(text: bytes) -> tuple[bytes, bytes]:
        match items(text, 2):
            case [bytes(first), bytes(second)]:
                return first, second
            case _:
                raise ProtocolError("not an M3")
