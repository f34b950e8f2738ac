"""What a radio offers a driver and what it is given: device words in, outcomes with evidence out.

A driver has never heard of a guest. It is handed `Order`s of the bus, carries each out at most
once, and says which of four things became of it and how it knows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from appliance.bus.words import (
    DeviceKind,
    EventKind,
    LockRefusal,
    Order,
    Outcome,
    State,
    TunnelFrame,
)


class Evidence(StrEnum):
    """How an outcome is known. The order of an answer's evidence is the order in which it came."""

    ANSWER = "answer"  # the device's own answer to this very order
    LATE_ANSWER = "late_answer"  # the same, after the deadline
    EVENT = "event"  # the device reported the act by itself, after the order began
    STATE_READ = "state_read"  # the device was asked how it stands
    REPEATED = "repeated"  # the device says that it had done this order before
    NEVER_LEFT = "never_left"  # the order is still in our own queue and was taken out of it
    STACK_REFUSED = "stack_refused"  # the radio's stack would not take it: nothing went on the air
    NO_RADIO = "no_radio"  # the radio was away before anything was sent
    DEADLINE = "deadline"  # no word in time
    LINK_LOST = "link_lost"  # the radio or the connection went in the middle
    MISMATCH = "mismatch"  # an answer came that is not an answer to this order
    RESTART = "restart"  # the driver died in the middle; nothing is sent again
    EXPIRED = "expired"  # too late when it came
    NOT_SUPPORTED = "not_supported"  # this device has no such act
    BROKE = "broke"  # our own code raised after something may have left
    DESK = "desk"  # decided by the driver itself, from what it keeps: nothing was sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What became of one order at one device.

    NOT_SENT is said only where it is proven that the device cannot have seen it; everything that
    may have been heard is UNKNOWN until there is evidence. `seq` is the device's own event number
    where it has one. `note` is a short technical word for a person (a status code): never a secret.
    """

    outcome: Outcome
    evidence: tuple[Evidence, ...]
    refusal: LockRefusal | None = None
    seq: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something a device reports. `own_seq` is its own number; None: the driver gives it one.

    `wall_ms` None: the device has no clock, the driver's counts. `key` tells repeats of devices
    without numbers apart (their counter, cluster and payload); the same key within 10 s is a repeat.
    """

    kind: EventKind
    own_seq: int | None = None
    wall_ms: int | None = None
    uncertainty_ms: int = 0
    order_id: str | None = None
    cti: str | None = None
    slot: int | None = None
    refusal: LockRefusal | None = None
    generation: int | None = None
    key: str | None = None


class Alarm(StrEnum):
    """What a radio or a device behind it suffers from; shown with its age, never as a green dot."""

    RADIO_LOST = "radio_lost"
    RADIO_HUNG = "radio_hung"
    RADIO_FOREIGN = "radio_foreign"  # the stick carries another network: a person must look
    RADIO_SILENT = "radio_silent"  # nothing known has been heard for minutes
    BACKUP_STALE = "backup_stale"
    DEVICE_SILENT = "device_silent"
    DEVICE_HALF_JOINED = "device_half_joined"
    NOT_PAIRED = "not_paired"  # a lock whose lock_point nobody has read yet: it is left out
    NOT_ENROLLED = "not_enrolled"  # a leak sensor whose enrolment could not be read back
    CLOCK_UNKNOWN = "clock_unknown"
    LOG_BROKEN = "log_broken"  # a lock's log has a gap or a fork: tampered with
    PIN_NOT_TAKEN = "pin_not_taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One order as `driver-RADIO.db` has it: written before anything is sent."""

    device: str
    order_id: str
    verb: str
    begun_ms: int
    expires_at_ms: int
    told: Told | None = None  # None: begun, and no end is written


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A guest's digits on their way into a keypad that cannot open our box: in memory only."""

    digits: str = field(repr=False)


class House(Protocol):
    """What a radio reports to. Everything is on disk before it is said on the bus."""

    async def happened(self, device: str, what: Happening) -> None:
        """An event; returns once it is durable, so that a device may forget it then."""
        ...

    async def stated(self, device: str, state: State) -> None:
        """The device's state, retained on the bus and said again after every connect."""
        ...

    async def present(self, device: str, *, online: bool) -> None:
        """Whether the device can be reached."""
        ...

    async def measured(self, device: str, values: dict[str, float]) -> None:
        """Telemetry: shed where the line is down."""
        ...

    async def settled(self, device: str, order_id: str, told: Told) -> None:
        """Evidence about an order that was UNKNOWN."""
        ...

    async def alarm(self, alarm: Alarm, *, device: str | None = None, on: bool = True) -> None:
        """Raise or clear; repeats are free."""
        ...

    async def tunnelled(self, device: str, frame: TunnelFrame) -> None:
        """A frame of a lock for a phone at the other end of the tunnel."""
        ...


class Device(Protocol):
    """One thing behind a radio."""

    @property
    def name(self) -> str:
        """Its name on the bus."""
        ...

    @property
    def kind(self) -> DeviceKind:
        """What it is."""
        ...

    @property
    def decides(self) -> bool:
        """Whether it verifies a key and opens a sealed PIN by itself, as an NPK lock does.

        Where it does not, the desk verifies `order.credential` before it calls `carry_out`, and
        hands over a PUT_PIN's digits. Of what is no lock nobody asks.
        """
        ...

    async def carry_out(self, order: Order, *, deadline_s: float, pin: Pin | None = None) -> Told:
        """Do one order, at most once on the air; `deadline_s` is `clock.monotonic()`.

        `pin`: the digits of a PUT_PIN, for a lock that does not decide itself. The caller holds the device's mutex, has looked the id up and has written the attempt down.
        It returns within a few seconds after the deadline (a late settle is told through
        `House.settled`). Anything raised counts as UNKNOWN with BROKE.
        """
        ...

    async def find_out(self, attempt: Attempt) -> Told | None:
        """Evidence about an order whose end is unknown: by reading only, never by sending again."""
        ...

    async def state(self) -> State | None:
        """How it stands, asked or remembered; None where nothing is known yet."""
        ...


class Tunnel(Protocol):
    """A device that lets a phone's frames through, unread."""

    async def tunnel(self, frame: TunnelFrame) -> None:
        """One frame of the phone; the first of a session connects, `end` hangs up."""
        ...


class Radio(Protocol):
    """One radio, bridge or bus of things, run by one process."""

    @property
    def devices(self) -> dict[str, Device]:
        """The things it has, by name; it may grow while it runs."""
        ...

    async def run(self, house: House) -> None:
        """Serve until cancelled.

        Raises RadioLostError when the hardware is gone or hung: the supervisor waits, with growing
        pauses, and calls it again. Raises NeedsPersonError where trying again could do harm.
        """
        ...


class RadioLostError(Exception):
    """The radio went away or answers no more; the text says what to look at."""


class NeedsPersonError(Exception):
    """The radio must not be used before a person has looked; the text says at what."""
