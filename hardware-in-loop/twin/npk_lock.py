"""The reference lock: NPK 1 on the twin's own bolt, cells, clock chip, flash and journal, no I/O.

`NpkLock.core.connect(value_bytes)` gives a session for each link; whoever has a radio carries its
frames. `tick` at `due_ms` locks again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.bus.words import LockState
from drivers.npk.advert import advertisement, door_tag, info
from drivers.npk.body import BodyState, BoltWord, Cause, LockSetup
from drivers.npk.codes import LogKind, Status
from drivers.npk.lock import BATTERY_LOW_PCT, LockCore
from twin.bolt import JAMMED, LOCKED, UNLOCKED, Bolt
from twin.identity import LockIdentity
from twin.npk_keypad import NpkKeypad
from twin.rtc import Rtc

if TYPE_CHECKING:
    from appliance.kernel.clock import Clock
    from drivers.judge import DeviceTime
    from drivers.npk.channel import Entropy
    from twin.flash import Flash
    from twin.journal import Journal

FIRMWARE: Final = "twin-npk-lock 1"
_WORDS: Final = {
    LOCKED: BoltWord.LOCKED,
    UNLOCKED: BoltWord.UNLOCKED,
    JAMMED: BoltWord.JAMMED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NpkIdentity(LockIdentity):
    """A lock with a key pair of its own; `key` None: made at the first start and kept in flash."""

    root: ec.EllipticCurvePublicKey | None = None
    salt: bytes = b"\0" * 8  # the property's, for the tag in advertisements
    key: ec.EllipticCurvePrivateKey | None = field(default=None, repr=False)
    keypad: bool = False


class TwinBody:
    """The metal: implements drivers.npk.body.Body."""

    def __init__(
        self,
        identity: NpkIdentity,
        *,
        flash: Flash,
        journal: Journal,
        clock: Clock,
        battery_pct: int = 100,
    ) -> None:
        self._me = identity
        self._clock = clock
        self._journal = journal
        now = clock.read()
        self.rtc = Rtc(flash, now, drift_ppm=identity.drift_ppm)
        self.bolt = Bolt(identity, flash, journal, now, battery_pct=battery_pct)

    def uptime_ms(self) -> int:
        """Since the cells were put in."""
        return self._clock.read().boot_ms

    def time(self) -> DeviceTime:
        """What the chip believes."""
        return self.rtc.read(self._clock.read())

    def set_time(self, wall_ms: int, uncertainty_ms: int) -> bool:
        """Never before the floor."""
        return self.rtc.set(wall_ms, self._clock.read(), uncertainty_ms=uncertainty_ms)

    def seen(self, past_ms: int) -> None:
        """Raise the floor."""
        self.rtc.seen(past_ms)

    def unlock(self, cause: Cause, *, hold: bool) -> bool:
        """Run the motor; the relock timer waits for the end of office mode."""
        moved = self.bolt.move(UNLOCKED, self._clock.read(), **_why(cause))
        if hold:
            self.bolt.relock_at_ms = None
        return moved

    def lock(self, cause: Cause) -> bool:
        """Run the motor the other way."""
        return self.bolt.move(LOCKED, self._clock.read(), **_why(cause))

    def blink(self) -> None:
        """A light, in the journal."""
        self._journal.note("blink", device=self._me.device)

    def state(self) -> BodyState:
        """What can be felt."""
        bolt = _WORDS.get(self.bolt.position, BoltWord.UNKNOWN)
        return BodyState(bolt=bolt, battery_pct=self.bolt.battery_pct, ajar=self.bolt.ajar)


class NpkLock:
    """One lock on a bench or on a virtual radio. A new one on the same flash is a restart."""

    def __init__(
        self,
        identity: NpkIdentity,
        *,
        flash: Flash,
        journal: Journal,
        clock: Clock,
        entropy: Entropy | None = None,
        battery_pct: int = 100,
    ) -> None:
        """Put the cells in (with this charge, if it is the first time)."""
        self._me = identity
        self._flash = flash
        self._clock = clock
        self.body = TwinBody(
            identity, flash=flash, journal=journal, clock=clock, battery_pct=battery_pct
        )
        setup = LockSetup(
            lock_id=identity.door_number,
            property_id=identity.property_id,
            key=identity.key or _own_key(flash),
            issuers=identity.issuers,
            root=identity.root,
            zones=identity.zones,
        )
        self._keypad: NpkKeypad | None = None
        if identity.keypad:
            self._keypad = NpkKeypad(flash, device=identity.device, secret=identity.secret)
        self.core = LockCore(
            setup, flash=flash, body=self.body, entropy=entropy, keypad=self._keypad
        )
        if flash.get("npk", "office", default=False):
            self.body.bolt.relock_at_ms = None

    @property
    def device(self) -> str:
        """Its name on the bench."""
        return self._me.device

    @property
    def point(self) -> bytes:
        """Its public key, as the installer reads it."""
        return self.core.point

    def advertisement(self) -> bytes:
        """What it shouts now."""
        return advertisement(self.core.flags(), door_tag(self._me.salt, self._me.door_number))

    def info(self) -> bytes:
        """What anybody may read of it."""
        return info(self._me.door_number)

    def try_pin(self, digits: str) -> Status:
        """Somebody types digits; a lock with flat cells or without a keypad stays still."""
        if self._keypad is None or self.body.bolt.battery_pct == 0:
            return Status.NOT_SUPPORTED
        return self._keypad.typed(digits, self.core, self._clock.read().wall_ms)

    def tick(self) -> None:
        """Lock again when the time has come; notice flat cells."""
        now = self._clock.read()
        if self.body.bolt.battery_pct == 0:
            self.body.bolt.relock_at_ms = None
            return
        if self.body.bolt.relock_due(now):
            moved = self.body.bolt.move(LOCKED, now, via="timer")
            self.core.note(LogKind.RELOCK if moved else LogKind.JAMMED)
        low = self.body.bolt.battery_pct <= BATTERY_LOW_PCT
        if low and not self._flash.get("number", "said_low", default=False):
            self._flash.put("number", "said_low", value=True)
            self.core.note(LogKind.BATTERY_LOW)

    def due_ms(self) -> int | None:
        """When the bolt locks again by itself (true time, ms)."""
        return self.body.bolt.relock_at_ms

    def swing(self, *, ajar: bool) -> None:
        """Somebody opened or closed the leaf."""
        self.body.bolt.swing(self._clock.read(), ajar=ajar)
        self.core.note(LogKind.DOOR_OPENED if ajar else LogKind.DOOR_CLOSED)

    def tamper(self) -> None:
        """Somebody took the cover off."""
        self.core.note(LogKind.TAMPER)

    def lose_clock(self) -> None:
        """The cells were out too long."""
        self.body.rtc.lose()
        self.core.note(LogKind.CLOCK_LOST)

    def set_privacy(self, *, on: bool) -> None:
        """The guest turned the knob inside."""
        self.core.set_privacy(on=on)

    def state(self) -> LockState:
        """In the bus's words, for whoever compares."""
        time = self.body.time()
        return LockState(
            bolt=self.body.bolt.position,
            battery_pct=self.body.bolt.battery_pct,
            seq=self.core.log.seq,
            generation=self.core.judge.generation,
            wall_ms=time.ms,
            uncertainty_ms=time.uncertainty_ms,
            ajar=self.body.bolt.ajar,
            firmware=FIRMWARE,
            clock_known=time.known,
            denylist_seq=self.core.judge.denylist_seq,
        )


def _own_key(flash: Flash) -> ec.EllipticCurvePrivateKey:
    """The lock's own key, made at its first start."""
    kept = flash.get("npk", "key")
    if kept is not None:
        key = serialization.load_der_private_key(bytes.fromhex(kept), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return key
    key = ec.generate_private_key(ec.SECP256R1())
    der = key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    flash.put("npk", "key", der.hex())
    flash.commit()
    return key


def _why(cause: Cause) -> dict[str, object]:
    return {
        "via": cause.kind.name.lower(),
        "cti": cause.cti.hex(),
        "command": cause.command_id.hex(),
        "generation": cause.generation,
    }
