"""A door lock: bolt, PIN slots, events, timer, keypad, and the habits of bad locks (ZCL8 7.3).

Every run of the motor is one entry `bolt` in the journal, also where the bolt was there already: a
lock that is told twice to open has fired twice.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from twin.zigbee.cluster import Attr, Cluster
from twin.zigbee.clusters.pins import (
    AVAILABLE,
    NO_USER_TYPE,
    OCCUPIED_ENABLED,
    PinSlots,
    PinStatus,
    Slot,
)
from twin.zigbee.zcl import Kind, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from twin.zigbee.cluster import Request
    from twin.zigbee.node import Node
    from twin.zigbee.timers import Timer

LOCKED: Final = 1
UNLOCKED: Final = 2
NOT_FULLY: Final = 0
NO_USER: Final = 0xFFFF
_2000_S: Final = 946_684_800  # Zigbee counts seconds from here
_NAMES: Final = {LOCKED: "locked", UNLOCKED: "unlocked"}
_ALARMS: Final = 0x0009
_JAMMED: Final = 0x00
_WRONG_CODES: Final = 0x04
_EVERYTHING: Final = 0xFFFF
USERS: Final = 20


class A(IntEnum):
    """Attributes (7.3.2.11 to 7.3.2.14)."""

    STATE = 0x0000
    TYPE = 0x0001
    ACTUATOR_ENABLED = 0x0002
    DOOR_STATE = 0x0003
    USERS = 0x0011
    PIN_USERS = 0x0012
    DIGITS_MAX = 0x0017
    DIGITS_MIN = 0x0018
    RELOCK_S = 0x0023
    MODE = 0x0025
    WRONG_LIMIT = 0x0030
    WRONG_PAUSE_S = 0x0031
    SEND_PIN = 0x0032
    PIN_FOR_RADIO = 0x0033
    KEYPAD_MASK = 0x0041
    RADIO_MASK = 0x0042
    MANUAL_MASK = 0x0043
    KEYPAD_PROGRAM_MASK = 0x0045
    RADIO_PROGRAM_MASK = 0x0046


class C(IntEnum):
    """Commands to the lock; the answer has the same number (7.3.2.15)."""

    LOCK = 0x00
    UNLOCK = 0x01
    TOGGLE = 0x02
    UNLOCK_WITH_TIMEOUT = 0x03
    SET_PIN = 0x05
    GET_PIN = 0x06
    CLEAR_PIN = 0x07
    CLEAR_ALL_PINS = 0x08
    SET_USER_STATUS = 0x09
    GET_USER_STATUS = 0x0A


class Source(IntEnum):
    """Who did it (7.3.2.16.1)."""

    KEYPAD = 0
    RADIO = 1
    MANUAL = 2


class Happened(IntEnum):
    """Operation event codes (7.3.2.17.1)."""

    LOCKED = 0x01
    UNLOCKED = 0x02
    WRONG_PIN = 0x05
    RELOCKED = 0x0A


_OPERATION_EVENT: Final = 0x20
_PROGRAMMING_EVENT: Final = 0x21
_PIN_ADDED: Final = 0x02
_PIN_DELETED: Final = 0x03
_MASKS: Final = {
    Source.KEYPAD: A.KEYPAD_MASK, Source.RADIO: A.RADIO_MASK, Source.MANUAL: A.MANUAL_MASK,
}  # fmt: skip


class DoorLock(Cluster):
    """The cluster of one lock. What it does wrongly is switched on by the fields below."""

    id = 0x0101

    def __init__(self, node: Node, endpoint: int) -> None:
        super().__init__(node, endpoint)
        self.pins = PinSlots(users=USERS, memory=USERS, digits_min=4, digits_max=8)
        # Habits of real locks.
        self.motor_s = 0.0  # from the command to the bolt
        self.lies = False  # answers before the motor has moved
        self.jammed = False
        self.events_use_request_number = False  # its own counter stands where the host's does
        self.deaf_to_radio = False  # takes the command, neither moves nor answers
        self.moves = 0
        self._wrong = 0
        self._keypad_dead_until_s = 0.0
        self._relock: Timer | None = None
        self.attrs = {
            A.STATE: Attr(Kind.ENUM8, LOCKED),
            A.TYPE: Attr(Kind.ENUM8, 0),
            A.ACTUATOR_ENABLED: Attr(Kind.BOOL, 1),
            A.DOOR_STATE: Attr(Kind.ENUM8, 1),
            A.USERS: Attr(Kind.U16, USERS),
            A.PIN_USERS: Attr(Kind.U16, USERS),
            A.DIGITS_MAX: Attr(Kind.U8, 8),
            A.DIGITS_MIN: Attr(Kind.U8, 4),
            A.RELOCK_S: Attr(Kind.U32, 0, writable=True),
            A.MODE: Attr(Kind.ENUM8, 0),
            A.WRONG_LIMIT: Attr(Kind.U8, 5, writable=True),
            A.WRONG_PAUSE_S: Attr(Kind.U8, 60, writable=True),
            A.SEND_PIN: Attr(Kind.BOOL, 1, writable=True),
            A.PIN_FOR_RADIO: Attr(Kind.BOOL, 0, writable=True),
            A.KEYPAD_MASK: Attr(Kind.MAP16, _EVERYTHING, writable=True),
            A.RADIO_MASK: Attr(Kind.MAP16, _EVERYTHING, writable=True),
            A.MANUAL_MASK: Attr(Kind.MAP16, _EVERYTHING, writable=True),
            A.KEYPAD_PROGRAM_MASK: Attr(Kind.MAP16, _EVERYTHING, writable=True),
            A.RADIO_PROGRAM_MASK: Attr(Kind.MAP16, _EVERYTHING, writable=True),
        }

    @property
    def bolt(self) -> str:
        """Where it is: locked, unlocked, jammed."""
        return _NAMES.get(self.number(A.STATE), "jammed")

    # --- hands at the door

    def keypad(self, digits: str) -> bool:
        """Somebody types a code."""
        now_s = self.node.timers.now()
        if now_s < self._keypad_dead_until_s:
            return False
        slot = self.pins.matching(digits.encode())
        if slot is None:
            self._wrong += 1
            self.node.note("refusal", reason="wrong_pin", via="pin")
            self._event(Source.KEYPAD, Happened.WRONG_PIN, NO_USER)
            if self._wrong >= self.number(A.WRONG_LIMIT):
                self._wrong = 0
                self._keypad_dead_until_s = now_s + self.number(A.WRONG_PAUSE_S)
                self._alarm(_WRONG_CODES)
            return False
        self._wrong = 0
        moved = self._move(UNLOCKED, Source.KEYPAD, via="pin", user=slot)
        if moved:
            self._relock_in(self.number(A.RELOCK_S))
        return moved

    def thumb(self, to: int) -> bool:
        """Somebody turns the knob inside."""
        return self._move(to, Source.MANUAL, via="hand")

    # --- over the air

    def may_write(self, attr: int, value: float | bytes) -> Status:
        """A limit of wrong tries of 0 would leave the keypad dead."""
        if attr == A.WRONG_LIMIT and value == 0:
            return Status.INVALID_VALUE
        return Status.SUCCESS

    def command(self, command: int, body: bytes, asked: Request) -> None:
        """Everything the lock understands."""
        if command <= C.UNLOCK_WITH_TIMEOUT:
            self._operate(command, body, asked)
            return
        programs: dict[int, Callable[[bytes], bytes]] = {
            C.SET_PIN: self._set_pin,
            C.GET_PIN: self._get_pin,
            C.CLEAR_PIN: self._clear_pin,
            C.CLEAR_ALL_PINS: self._clear_all_pins,
            C.SET_USER_STATUS: self._set_user_status,
            C.GET_USER_STATUS: self._get_user_status,
        }
        program = programs.get(command)
        if program is None:
            asked.default(Status.UNSUP_CLUSTER_COMMAND)
        else:
            asked.answer(command, program(body))

    def _operate(self, command: int, body: bytes, asked: Request) -> None:
        relock_s = self.number(A.RELOCK_S)
        if command == C.UNLOCK_WITH_TIMEOUT:
            (relock_s,) = struct.unpack_from("<H", body)
            body = body[2:]
        digits = body[1 : 1 + body[0]] if body else b""
        if self.deaf_to_radio:
            return
        user = NO_USER
        if self.number(A.PIN_FOR_RADIO):
            slot = self.pins.matching(digits)
            if slot is None:
                asked.answer(command, bytes((Status.FAILURE,)))
                return
            user = slot
        to = LOCKED if command == C.LOCK else UNLOCKED
        if command == C.TOGGLE and self.number(A.STATE) != LOCKED:
            to = LOCKED

        def run() -> None:
            tsn = asked.header.tsn if self.events_use_request_number else None
            moved = self._move(
                to, Source.RADIO, via="radio", user=user, tsn=tsn, order_tsn=asked.header.tsn
            )
            if moved and to == UNLOCKED:
                self._relock_in(relock_s)
            if not self.lies:
                asked.answer(command, bytes((Status.SUCCESS if moved else Status.FAILURE,)))

        if self.lies:
            asked.answer(command, bytes((Status.SUCCESS,)))
        if self.motor_s:
            self.node.timers.after(self.motor_s, "zigbee motor", run)
        else:
            run()

    # --- the bolt

    def _move(
        self,
        to: int,
        source: Source,
        *,
        via: str,
        user: int = NO_USER,
        tsn: int | None = None,
        order_tsn: int | None = None,
    ) -> bool:
        if self.jammed:
            self.set(A.STATE, NOT_FULLY)
            self.node.note("jam", to=_NAMES[to], via=via)
            self._alarm(_JAMMED)
            return False
        self.moves += 1
        slot = None if user == NO_USER else user
        self.node.note("bolt", to=_NAMES[to], via=via, slot=slot, tsn=order_tsn, moves=self.moves)
        happened = Happened.LOCKED if to == LOCKED else Happened.UNLOCKED
        if via == "timer":
            happened = Happened.RELOCKED
        if to == LOCKED and self._relock is not None:
            self._relock.cancel()
        if tsn is not None:
            # The worst case of two counters that know nothing of each other: first the event.
            self._event(source, happened, user, tsn=tsn)
            self.set(A.STATE, to)
        else:
            self.set(A.STATE, to)
            self._event(source, happened, user)
        return True

    def _relock_in(self, seconds: int) -> None:
        if self._relock is not None:
            self._relock.cancel()
        if seconds:
            self._relock = self.node.timers.after(seconds, "zigbee relock", self._relock_now)

    def _relock_now(self) -> None:
        self._move(LOCKED, Source.MANUAL, via="timer")

    # --- PIN slots

    def _set_pin(self, body: bytes) -> bytes:
        number, status, user_type, size = struct.unpack_from("<HBBB", body)
        answer = self.pins.set(number, Slot(status, user_type, body[5 : 5 + size]))
        if answer is PinStatus.SUCCESS and self.pins.applies:
            self.node.note("pin_set", slot=number)
            self._program_event(_PIN_ADDED, number)
        return bytes((answer,))

    def _get_pin(self, body: bytes) -> bytes:
        (number,) = struct.unpack_from("<H", body)
        slot = self.pins.get(number)
        if slot is None:
            return struct.pack("<HBBB", number, AVAILABLE, NO_USER_TYPE, 0)
        shown = slot.digits if self.number(A.SEND_PIN) else b""
        return struct.pack("<HBBB", number, slot.status, slot.user_type, len(shown)) + shown

    def _clear_pin(self, body: bytes) -> bytes:
        (number,) = struct.unpack_from("<H", body)
        if self.pins.clear(number):
            self.node.note("pin_cleared", slot=number)
            self._program_event(_PIN_DELETED, number)
        return bytes((PinStatus.SUCCESS,))

    def _clear_all_pins(self, _body: bytes) -> bytes:
        self.pins.clear_all()
        self._program_event(_PIN_DELETED, NO_USER)
        return bytes((PinStatus.SUCCESS,))

    def _set_user_status(self, body: bytes) -> bytes:
        number, status = struct.unpack_from("<HB", body)
        done = self.pins.set_status(number, status)
        return bytes((PinStatus.SUCCESS if done else PinStatus.FAILURE,))

    def _get_user_status(self, body: bytes) -> bytes:
        (number,) = struct.unpack_from("<H", body)
        slot = self.pins.get(number)
        return struct.pack("<HB", number, AVAILABLE if slot is None else slot.status)

    # --- what it says unasked

    def _event(
        self, source: Source, happened: Happened, user: int, *, tsn: int | None = None
    ) -> None:
        """Operation Event Notification, without digits and with local time."""
        if not self.number(_MASKS[source]) & 1 << happened:
            return
        body = struct.pack("<BBHBIB", source, happened, user, 0, self._time(), 0)
        self.event(_OPERATION_EVENT, body, tsn=tsn)

    def _program_event(self, code: int, user: int) -> None:
        """Programming Event Notification."""
        if not self.number(A.RADIO_PROGRAM_MASK) & 1 << code:
            return
        user_type = 0
        body = struct.pack(
            "<BBHBBBIB", Source.RADIO, code, user, 0, user_type, OCCUPIED_ENABLED, self._time(), 0
        )
        self.event(_PROGRAMMING_EVENT, body)

    def _alarm(self, code: int) -> None:
        """Alarms cluster, command Alarm (3.11), to the endpoint that the lock is bound to."""
        for target in self.node.bound(self.endpoint, self.id):
            frame = bytes((0x09, self.node.next_tsn(), 0x00, code)) + struct.pack("<H", self.id)
            self.node.send(self.endpoint, target, _ALARMS, frame)

    def _time(self) -> int:
        return max(0, self.node.timers.wall_s() - _2000_S)
