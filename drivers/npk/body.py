"""What NPK 1 asks of the metal around it: a motor, a clock chip, cells and memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

from drivers.judge import Memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric import ec

    from drivers.judge import DeviceTime
    from drivers.npk.codes import LogKind


class BoltWord(IntEnum):
    """Where the bolt is, as STATE says it."""

    LOCKED = 0
    UNLOCKED = 1
    JAMMED = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why the bolt moves."""

    kind: LogKind
    cti: bytes
    command_id: bytes
    generation: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyState:
    """What can be felt from inside."""

    bolt: BoltWord
    battery_pct: int
    ajar: bool = False


class Body(Protocol):
    """The metal. Calls return when the thing is done, or has failed."""

    def uptime_ms(self) -> int:
        """A counter that never goes back while the lock has power."""
        ...

    def time(self) -> DeviceTime:
        """What the clock chip believes."""
        ...

    def set_time(self, wall_ms: int, uncertainty_ms: int) -> bool:
        """Set the clock; False where that lies before what is known to be past."""
        ...

    def seen(self, past_ms: int) -> None:
        """Remember a moment as certainly past: the clock is never set before it."""
        ...

    def unlock(self, cause: Cause, *, hold: bool) -> bool:
        """Draw the bolt, and leave it drawn where `hold`; False where it is stuck."""
        ...

    def lock(self, cause: Cause) -> bool:
        """Throw the bolt; False where it is stuck."""
        ...

    def blink(self) -> None:
        """Show which door this is."""
        ...

    def state(self) -> BodyState:
        """How it stands."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PinPut:
    """A PIN as the box sealed it for this lock, and when it is good (UTC s)."""

    slot: int
    sealed: bytes = field(repr=False)
    valid_from_s: int
    valid_until_s: int
    generation: int | None  # None where generations do not count: staff


class Keypad(Protocol):
    """The memory behind a keypad; changes are durable from the flash's next commit on."""

    def put(self, pin: PinPut) -> bool:
        """Fill or replace a slot; False where the box does not open, or the slot is none."""
        ...

    def clear(self, slot: int) -> None:
        """Empty a slot; an empty one stays empty."""
        ...


class Flash(Memory, Protocol):
    """Memory that the lock itself makes durable."""

    def commit(self) -> None:
        """All changes since the last commit, or after a power cut none of them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LockSetup:
    """What is given to a lock at its installation. `lock_id` is the door's number."""

    lock_id: int
    property_id: str
    key: ec.EllipticCurvePrivateKey = field(repr=False)  # made in the lock, never leaves it
    issuers: Mapping[bytes, ec.EllipticCurvePublicKey]
    root: ec.EllipticCurvePublicKey | None = None
    zones: frozenset[int] = frozenset()
