"""PINs in a lock's keypad: put, read back, cleared; done is only what the lock shows to be so.

Locks accept a PIN and do not apply it (z2m #32289), hide what they hold, refuse two alike. Setting
and clearing a slot is the same however often it is done, so here the stack may ask again.
Digits pass through; they are in no file, no line and no error of ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from appliance.bus.words import LockRefusal, Order, Outcome
from drivers.port import Alarm, Evidence, Told
from drivers.zigbee.air import NoWordError, reach
from drivers.zigbee.slots import Slot, SlotState, SlotTable
from drivers.zigbee.thing import NOT_SUPPORTED

if TYPE_CHECKING:
    from drivers.port import Pin
    from drivers.zigbee.lock import ZigbeeLock

DOOR_LOCK: Final = 0x0101
FREE, ENABLED = 0x00, 0x01
UNRESTRICTED: Final = 0x00
PIN_ADDED, PIN_CLEARED, PIN_CHANGED = 0x02, 0x03, 0x04
ALL_USERS: Final = 0xFFFF
# Two clocks of one house, as far apart as they may be and still count as sure.
EARLY_S_MAX: Final = 60
# What a lock says that does not say its limits (ZCL: 4 and 8 are the usual defaults).
DIGITS_MIN, DIGITS_MAX = 4, 8
REFUSED_PUT: Final = {0x02: LockRefusal.SLOTS_FULL, 0x03: LockRefusal.PIN_TAKEN}


class PinKeeper:
    """The PINs of one lock."""

    def __init__(self, lock: ZigbeeLock, slots: SlotTable) -> None:
        self._lock = lock
        self.slots = slots
        self._programmed: dict[int, int] = {}  # user -> the last programming event since asked

    async def put(  # noqa: PLR0911 - one line per reason
        self, order: Order, pin: Pin | None, deadline_s: float
    ) -> Told:
        """Set a PIN and look whether it is there."""
        facts = self._lock.entry.facts
        if order.slot is None or pin is None:
            return _no(LockRefusal.BAD_FRAME, "no slot or no digits")
        least, most = facts.get("min_pin_len", DIGITS_MIN), facts.get("max_pin_len", DIGITS_MAX)
        if not least <= len(pin.digits) <= most or not pin.digits.isdigit():
            return _no(LockRefusal.BAD_FRAME, f"this lock takes {least} to {most} digits")
        now_s = self._lock.air.clock.read().wall_s
        if order.valid_from_s is not None and order.valid_from_s > now_s + EARLY_S_MAX:
            # The lock keeps no times: in it, the PIN of tomorrow's guest would open tonight.
            return _no(LockRefusal.NOT_YET, "")
        known = self.slots.find(order.slot) is not None
        slot = self.slots.take(
            order.slot,
            staff=order.generation is None,
            users=facts.get("num_of_pin_users_supported"),
            order_id=order.id,
        )
        if slot is None:
            return _no(LockRefusal.SLOTS_FULL, "")
        slot.valid_until_s = order.valid_until_s
        self._programmed.pop(slot.user, None)
        answer = await self._ask(
            "set_pin_code",
            deadline_s,
            user_id=slot.user,
            user_status=ENABLED,
            user_type=UNRESTRICTED,
            pin_code=pin.digits,
        )
        if answer is None:
            return NOT_SUPPORTED
        status = int(answer.status)
        if status != 0:
            if not known:
                self.slots.drop(slot)
            return _no(REFUSED_PUT.get(status, LockRefusal.NOT_SUPPORTED), f"status {status:#04x}")
        return await self._look(slot, order.id, pin.digits, deadline_s)

    async def clear(self, order: Order, deadline_s: float) -> Told:
        """Empty a slot and look whether it is empty; one that is not ours is left alone."""
        slot = None if order.slot is None else self.slots.find(order.slot)
        if slot is None:
            # Never put here by us, or cleared before: empty as far as the house is concerned.
            return Told(outcome=Outcome.DONE, evidence=(Evidence.REPEATED,))
        self.slots.mark(slot, SlotState.CLEARING, order.id)
        self._programmed.pop(slot.user, None)
        answer = await self._ask("clear_pin_code", deadline_s, user_id=slot.user)
        if answer is None:
            return NOT_SUPPORTED
        if int(answer.status) != 0:
            return _no(LockRefusal.NOT_SUPPORTED, f"status {int(answer.status):#04x}")
        return await self._look_empty(slot, deadline_s)

    async def find_out(self, order_id: str, until_s: float) -> Told | None:
        """Whether the slot that an earlier order touched is as that order wanted it."""
        slot = self.slots.of_order(order_id)
        if slot is None:
            return None
        try:
            if slot.state is SlotState.CLEARING:
                return await self._look_empty(slot, until_s)
            status = await self._status(slot, until_s)
        except NoWordError:
            return None
        if slot.state is SlotState.HELD or status != ENABLED:
            return None if status == ENABLED else _no(LockRefusal.NOT_SUPPORTED, "not in the lock")
        # Enabled, but with which digits nobody here can know any more: only a fresh order can tell.
        return None

    def programmed(self, args: Any) -> None:
        """The lock says that a slot was changed: by us, or at its own keypad."""
        user, code = int(args.user_id), int(args.program_event_code)
        if code in {PIN_ADDED, PIN_CLEARED, PIN_CHANGED}:
            self._programmed[user] = code

    # --- looking

    async def _look(self, slot: Slot, order_id: str, digits: str, until_s: float) -> Told:
        told = await self._ask("get_pin_code", until_s, user_id=slot.user)
        if told is not None and hasattr(told, "user_status"):
            shown, status = _text(told.code), int(told.user_status)
            if status == ENABLED and shown == digits:
                return self._held(slot, order_id)
            hidden = not any(c.isdigit() for c in shown)
            if not hidden or status != ENABLED:
                return self._not_taken(slot, order_id)
        # It hides its PINs: that the slot is filled, or that it says so itself, must do.
        if await self._status(slot, until_s) == ENABLED:
            return self._held(slot, order_id)
        if self._programmed.get(slot.user) in {PIN_ADDED, PIN_CHANGED}:
            return self._held(slot, order_id)
        return self._not_taken(slot, order_id)

    async def _look_empty(self, slot: Slot, until_s: float) -> Told:
        status = await self._status(slot, until_s)
        gone = self._programmed.get(slot.user) == PIN_CLEARED or ALL_USERS in self._programmed
        if status == FREE or (status is None and gone):
            self.slots.drop(slot)
            return Told(outcome=Outcome.DONE, evidence=(Evidence.ANSWER, Evidence.STATE_READ))
        if status is None:
            return Told(
                outcome=Outcome.UNKNOWN, evidence=(Evidence.ANSWER,), note="cannot be read back"
            )
        return _no(LockRefusal.NOT_SUPPORTED, "still in the lock")

    async def _status(self, slot: Slot, until_s: float) -> int | None:
        told = await self._ask("get_user_status", until_s, user_id=slot.user)
        return int(told.user_status) if hasattr(told, "user_status") else None

    def _held(self, slot: Slot, order_id: str) -> Told:
        self.slots.mark(slot, SlotState.HELD, order_id)
        self._alarm(on=False)
        return Told(outcome=Outcome.DONE, evidence=(Evidence.ANSWER, Evidence.STATE_READ))

    def _not_taken(self, slot: Slot, order_id: str) -> Told:
        """It said yes and did not do it. The slot stays marked: what is in it is not known."""
        self.slots.mark(slot, SlotState.PUTTING, order_id)
        self._alarm(on=True)
        return _no(LockRefusal.NOT_SUPPORTED, "accepted and not applied")

    def _alarm(self, *, on: bool) -> None:
        name = self._lock.name
        self._lock.air.say(lambda house: house.alarm(Alarm.PIN_NOT_TAKEN, device=name, on=on))

    async def _ask(self, command: str, until_s: float, **values: Any) -> Any:
        """One command of the cluster; None where the lock does not have it. Raises NoWordError."""
        cluster = self._lock.cluster(DOOR_LOCK)
        if cluster is None:
            raise NoWordError(Evidence.LINK_LOST)
        air = self._lock.air
        bound_s = min(until_s, air.clock.monotonic() + air.patience.request_s)
        # With an APS acknowledgement asked a lost frame is noticed at once, and asked for again.
        call = getattr(cluster, command)(ask_for_ack=True, **values)
        answer = await reach(air, call, bound_s)
        return None if type(answer).__name__ == "Default_Response" else answer


def _no(refusal: LockRefusal, note: str) -> Told:
    return Told(outcome=Outcome.REFUSED, evidence=(Evidence.ANSWER,), refusal=refusal, note=note)


def _text(code: object) -> str:
    """What a lock shows of a PIN; some send bytes that are no text."""
    return code.decode("ascii", "replace") if isinstance(code, bytes) else str(code)
