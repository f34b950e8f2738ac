"""A leak sensor under a basin: dry, wet, and dry again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.bus.words import DeviceKind, EventKind, LeakState, LockRefusal
from twin.core import Reply
from twin.modest import ModestCore

if TYPE_CHECKING:
    from appliance.bus.words import Order
    from appliance.kernel.clock import Reading


class LeakCore(ModestCore):
    """Says when it gets wet and when it is dry again."""

    @property
    def kind(self) -> DeviceKind:
        """A leak sensor."""
        return DeviceKind.LEAK

    @property
    def wet(self) -> bool:
        """Whether water touches the contacts; remembered through a restart."""
        wet: bool = self._flash.get("number", "wet", default=False)
        return wet

    def carry_out(self, order: Order, now: Reading) -> LockRefusal | None:
        """A sensor takes no orders of its own."""
        del order, now
        return LockRefusal.BAD_FRAME

    def water(self, now: Reading, *, wet: bool) -> Reply:
        """Water comes or goes; the same again says nothing."""
        if wet == self.wet:
            return Reply()
        self._flash.put("number", "wet", wet)
        kind = EventKind.LEAK if wet else EventKind.LEAK_CLEARED
        self._events.add(kind, **self._stamp(now))
        self._journal.note("leak", device=self.device, wet=wet)
        return self._settled(None, now)

    def tick(self, now: Reading) -> Reply:
        """Nothing happens by itself."""
        del now
        return Reply()

    def due_ms(self) -> None:
        """Never."""
        return

    def state(self, now: Reading) -> LeakState:
        """What the sensor says of itself."""
        return LeakState(wet=self.wet, wall_ms=self.rtc.read(now).ms)
