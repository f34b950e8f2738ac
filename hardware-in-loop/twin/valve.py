"""A motor valve in the water pipe: open, closed, or stuck on its way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.bus.words import DeviceKind, EventKind, LockRefusal, ValveState, Verb
from twin.core import Reply
from twin.modest import ModestCore

if TYPE_CHECKING:
    from appliance.bus.words import Order
    from appliance.kernel.clock import Reading


class ValveCore(ModestCore):
    """Turns when told; the journal has one `valve` entry for each turn."""

    stuck = False

    @property
    def kind(self) -> DeviceKind:
        """A valve."""
        return DeviceKind.VALVE

    @property
    def open(self) -> bool:
        """Whether water runs; remembered through a restart."""
        found: bool = self._flash.get("number", "open", default=True)
        return found

    def carry_out(self, order: Order, now: Reading) -> LockRefusal | None:
        """Open or close; where it stands already nothing turns."""
        if order.verb not in {Verb.OPEN_VALVE, Verb.CLOSE_VALVE}:
            return LockRefusal.NOT_SUPPORTED
        wanted = order.verb is Verb.OPEN_VALVE
        if self.stuck:
            return LockRefusal.JAMMED
        if wanted is not self.open:
            self._flash.put("number", "open", wanted)
            kind = EventKind.VALVE_OPENED if wanted else EventKind.VALVE_CLOSED
            self._events.add(kind, order_id=order.id, **self._stamp(now))
            self._journal.note("valve", device=self.device, open=wanted, order_id=order.id)
        return None

    def tick(self, now: Reading) -> Reply:
        """Nothing happens by itself."""
        del now
        return Reply()

    def due_ms(self) -> None:
        """Never."""
        return

    def state(self, now: Reading) -> ValveState:
        """What the valve says of itself."""
        return ValveState(open=None if self.stuck else self.open, wall_ms=self.rtc.read(now).ms)
