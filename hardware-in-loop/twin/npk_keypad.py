"""The keypad of an NPK lock: the slots and the decision of the MQTT lock, told to the NPK core."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.judge import Pass
from drivers.npk.codes import Status, status_of
from twin.backoff import Backoff
from twin.pin_slots import PIN_DIGITS_MAX, PinSlots, Slot, judge_slot

if TYPE_CHECKING:
    from drivers.npk.body import PinPut
    from drivers.npk.lock import LockCore
    from twin.flash import Flash


class NpkKeypad:
    """Implements drivers.npk.body.Keypad, and is what a guest types on."""

    def __init__(self, flash: Flash, *, device: str, secret: bytes) -> None:
        """`device` is its name on the bus, `secret` its 32 bytes: both given at provisioning."""
        self._slots = PinSlots(flash, device=device, secret=secret)
        self._wrong = Backoff(flash, "keypad")

    def put(self, pin: PinPut) -> bool:
        """Fill or replace a slot."""
        return self._slots.put(
            Slot(
                slot=pin.slot,
                sealed=pin.sealed,
                valid_from_s=pin.valid_from_s,
                valid_until_s=pin.valid_until_s,
                generation=pin.generation,
            )
        )

    def clear(self, slot: int) -> None:
        """Empty a slot."""
        self._slots.clear(slot)

    def typed(self, digits: str, core: LockCore, now_ms: int) -> Status:
        """Somebody types digits; `now_ms` is true time."""
        if self._wrong.waits(now_ms):
            return Status.RATE_LIMITED
        matching = self._slots.matching(digits) if len(digits) <= PIN_DIGITS_MAX else []
        if not matching:
            self._wrong.wrong(now_ms)
            core.typed(Status.WRONG_PIN, None)
            core.flash.commit()
            return Status.WRONG_PIN
        verdicts = [judge_slot(slot, core.judge, core.body.time()) for slot in matching]
        # Two guests may have been given the same digits: one that holds is enough.
        verdict = next((v for v in verdicts if isinstance(v, Pass)), verdicts[0])
        if isinstance(verdict, Pass):
            self._wrong.right()
            return core.open_by_pin(verdict)
        status = status_of(verdict.refusal)
        core.typed(status, verdict.slot)
        return status
