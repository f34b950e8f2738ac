"""What the wire knows of a device: a core that takes orders and gives words, without I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from appliance.bus.words import (
        DeviceAnswer,
        DeviceEvent,
        DeviceKind,
        Order,
        State,
    )
    from appliance.kernel.clock import Reading
    from twin.rtc import Rtc


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came of an order, a try at the door or the passing of time.

    `answer` is None where nobody asked (or the device is dead), `state` where nothing changed.
    """

    answer: DeviceAnswer | None = None
    events: tuple[DeviceEvent, ...] = ()
    state: State | None = None


class Core(Protocol):
    """One device. Times come in as readings of the simulation's clock."""

    @property
    def device(self) -> str:
        """Its name on the bus."""
        ...

    @property
    def kind(self) -> DeviceKind:
        """What it is."""
        ...

    @property
    def rtc(self) -> Rtc:
        """Its clock chip."""
        ...

    def handle_order(self, order: Order, now: Reading) -> Reply:
        """Carry out one order, or answer a known one again."""
        ...

    def state(self, now: Reading) -> State:
        """What it would say of itself."""
        ...

    def tick(self, now: Reading) -> Reply:
        """Let time pass; called at or after `due_ms`."""
        ...

    def due_ms(self) -> int | None:
        """When `tick` has something to do (true time, ms since 1970), None for never."""
        ...

    def pending(self) -> list[DeviceEvent]:
        """Events not yet taken by the bus, oldest first."""
        ...

    def taken(self, seq: int) -> None:
        """The bus has this event."""
        ...

    def close(self) -> None:
        """Write down what is left and let go of the memory."""
        ...
