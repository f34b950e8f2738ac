"""How far one frame of a door came: in our queue, in the port, in the stick, on the air."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass, field


class RecalledError(Exception):
    """The frame was taken back before it left; whoever still holds it must let it go."""


@dataclass(slots=True)
class Journey:
    """One frame that is sent once. The stack marks the stations, the lock reads them.

    `left`: bytes were given to the port. `taken`: the stick said that it has the frame, so nothing
    of it is stuck between us. `refused`: the stick said at once that it will not take it. `status`
    is the stick's last word about the transmission; it describes the last copy, so a failure is
    no proof that an earlier copy was not heard. `shared`: another device's frame with the same
    number was on its way, so the stick's word may be about that one.
    """

    tsn: int
    left: bool = False
    left_s: float | None = None  # clock.monotonic()
    taken: bool = False
    refused: int | None = None
    status: int | None = None
    shared: bool = False
    recalled: bool = False
    confirmed: asyncio.Event = field(default_factory=asyncio.Event)

    def recall(self) -> bool:
        """Take it back. True where it had not left, and then it never will.

        zigpy-znp shields its request from cancellation: one that waits behind a hung stick would
        leave when the stick comes back, long after the guest was told that nothing was sent.
        """
        self.recalled = True
        return not self.left

    def depart(self, now_s: float) -> None:
        """The bytes go to the port now; raises RecalledError where they must not."""
        if self.recalled:
            raise RecalledError
        self.left, self.left_s = True, now_s

    def arrived(self, status: int) -> None:
        """The stick's last word."""
        if not self.shared:
            self.status = status
            self.confirmed.set()


# Set while a door's frame is handed to the stack, and copied into the tasks the stack starts for it.
JOURNEY: ContextVar[Journey | None] = ContextVar("journey", default=None)
