"""The stick's stack, with what it resends by itself kept away from doors.

Three things of zigpy-znp 1.1.1 would open a door twice or late: `send_packet` sends again on 0xF0
and 0xCD whatever `retries` says, its request outlives its cancellation, and its DATA_CONFIRM is
matched by an 8-bit number that two devices may share. Bellows 1.2.1 has none of the three.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import termios
from collections import deque
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from drivers.zigbee.journey import JOURNEY, Journey

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

# Frame numbers of other devices' frames that may still be unconfirmed: zigpy-znp has at most 16
# in the air, and the stick holds one for 8 s.
RECENT_FRAMES_MAX: Final = 48
# A stick that has said nothing of a frame for so long never will.
FRAME_S_MAX: Final = 30.0


class Kind(StrEnum):
    """Which language the stick speaks."""

    ZNP = "znp"  # Texas Instruments: CC2652, CC1352, most SLZB and Sonoff-P
    EZSP = "ezsp"  # Silicon Labs: SkyConnect, ZBT, Sonoff-E


# Z-Stack's own refusals: the frame was never on the air. What it says of one that was (0xCD no
# route, 0xE1 channel busy, 0xE9 and 0xB7 no ack, 0xF0 child did not poll) describes the last copy.
ZNP_NEVER_SENT: Final = frozenset({0x02, 0x10, 0x11, 0x1A, 0xC2, 0xC7})


def never_sent(kind: Kind, journey: Journey) -> bool:
    """Whether the stick's word proves that the frame was never on the air.

    The table is per stick: bellows' `sl_Status` uses the same small numbers for other things, so
    there only a refusal to enqueue counts.
    """
    if journey.refused is not None:
        return kind is Kind.EZSP or journey.refused in ZNP_NEVER_SENT
    if kind is Kind.EZSP or journey.shared:
        return False
    return journey.status is not None and journey.status in ZNP_NEVER_SENT


if TYPE_CHECKING:

    class _Stack:
        """What the stick's own application has, which stands behind ours in the order of classes."""

        def __init__(self, config: dict[str, Any]) -> None: ...
        async def connect(self) -> None: ...
        async def send_packet(self, packet: Any) -> None: ...
        def packet_received(self, packet: Any) -> None: ...
        def get_device_with_address(self, address: Any) -> Any: ...
        async def _watchdog_feed(self) -> None: ...

else:
    _Stack = object


class _Traced(_Stack):
    """A stack that notes how far a door's frame came. `super()` is the stick's own application."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self.journeys: dict[int, Journey] = {}
        self.recent: deque[int] = deque(maxlen=RECENT_FRAMES_MAX)
        self.now: Callable[[], float] = asyncio.get_running_loop().time
        self.hung = False
        self.heard: Callable[[Any], None] = lambda _packet: None

    async def send_packet(self, packet: Any) -> None:
        """One frame; of a door's the stations are noted."""
        journey = JOURNEY.get()
        number = int(packet.tsn or 0)
        if journey is None or journey.tsn != number:
            if (door := self.journeys.get(number)) is not None:
                door.shared = True
            self.recent.append(number)
            await self._hand_over(packet)
            return
        other = self.journeys.get(number)
        if other is not None and not other.confirmed.is_set():
            other.shared = journey.shared = True
        if number in self.recent:
            journey.shared = True
        self.journeys[number] = journey
        await self._send_door(packet, journey)

    def busy(self) -> set[int]:
        """Numbers of frames that may still be in the air, doors' and others'."""
        for number, journey in list(self.journeys.items()):
            if journey.left_s is not None and self.now() - journey.left_s > FRAME_S_MAX:
                del self.journeys[number]
        return {*self.recent, *self.journeys}

    async def _hand_over(self, packet: Any) -> None:
        await super().send_packet(packet)

    async def _send_door(self, packet: Any, journey: Journey) -> None:
        raise NotImplementedError

    def packet_received(self, packet: Any) -> None:
        """Whatever comes from the air."""
        super().packet_received(packet)
        self.heard(packet)

    def drop_link(self) -> None:
        """Throw away what the port still holds, and close it without waiting."""
        transport = self._transport()
        if transport is None:
            return
        fileno = getattr(transport, "_fileno", None)
        if isinstance(fileno, int):
            with contextlib.suppress(OSError, termios.error):
                termios.tcflush(fileno, termios.TCOFLUSH)
        transport.abort()

    def _transport(self) -> Any:
        raise NotImplementedError

    async def alive(self) -> None:
        """Ask the stick for a sign of life; raises where none comes."""
        raise NotImplementedError


class _Znp(_Traced):
    """Z-Stack."""

    _znp: Any

    async def connect(self) -> None:
        """Connect, and stand at the port's door."""
        await super().connect()
        self._stand_at_the_port()

    def get_device_with_address(self, address: Any) -> Any:
        """Hide the device from `send_packet`: what it cannot look up it does not repair by resending."""
        if JOURNEY.get() is not None:
            raise KeyError(address)
        return super().get_device_with_address(address)

    async def _send_door(self, packet: Any, journey: Journey) -> None:
        del journey  # found again at the port: the request runs in a task of its own
        await self._hand_over(packet)

    def _stand_at_the_port(self) -> None:
        import zigpy_znp.commands as c  # noqa: PLC0415 - the stack is loaded where a stick is
        from zigpy_znp.exceptions import InvalidCommandResponse  # noqa: PLC0415 - as above

        znp = self._znp
        send, ask = znp._uart.send, znp.request  # noqa: SLF001 - the only place before the bytes

        def traced_send(payload: Any) -> None:
            journey = JOURNEY.get()
            if journey is None:
                send(payload)
                return
            journey.depart(self.now())
            try:
                send(payload)
            except AttributeError:
                # The transport is gone already (None): not one byte of it was written.
                journey.left = False
                raise

        async def traced_ask(request: Any, *args: Any, **kwargs: Any) -> Any:
            journey = JOURNEY.get()
            try:
                # Its end frees the line for the next request, so a waiter that gives up must not
                # end it: the next one would take this one's answer for its own.
                asked = asyncio.ensure_future(ask(request, *args, **kwargs))
                asked.add_done_callback(_seen)
                answer = await asyncio.shield(asked)
            except InvalidCommandResponse as error:
                if journey is not None:
                    journey.refused = int(getattr(error.response, "Status", 1))
                raise
            except TimeoutError:
                # A stick that does not answer at once is hung, and its late answer would be taken
                # for another request's.
                logger.warning("the stick did not answer a request: the link is dropped")
                self.hung = True
                self.drop_link()
                raise
            if journey is not None:
                journey.taken = True
            return answer

        def on_confirm(told: Any) -> None:
            journey = self.journeys.pop(int(told.TSN), None)
            if journey is not None:
                journey.arrived(int(told.Status))

        znp._uart.send, znp.request = traced_send, traced_ask  # noqa: SLF001 - as above
        znp.callback_for_response(c.AF.DataConfirm.Callback(partial=True), on_confirm)

    def _transport(self) -> Any:
        uart = getattr(self._znp, "_uart", None)
        return getattr(uart, "_transport", None)

    async def alive(self) -> None:
        """A ping."""
        await self._watchdog_feed()


class _Ezsp(_Traced):
    """EmberZNet."""

    _ezsp: Any

    async def _send_door(self, packet: Any, journey: Journey) -> None:
        from zigpy.exceptions import DeliveryError  # noqa: PLC0415 - loaded where a stick is

        # Where exactly the bytes leave cannot be seen here, so from now on they may have left.
        journey.depart(self.now())
        try:
            await self._hand_over(packet)
        except DeliveryError as error:
            status = int(getattr(error, "status", None) or 1)
            if str(error).startswith("Failed to enqueue"):
                journey.refused = status
            else:
                journey.taken = True
                journey.arrived(status)
            raise
        finally:
            self.journeys.pop(journey.tsn, None)
        journey.taken = True
        journey.arrived(0)

    def _transport(self) -> Any:
        ash = getattr(getattr(self._ezsp, "_gw", None), "_transport", None)
        return getattr(ash, "_transport", ash)

    async def alive(self) -> None:
        """A command that does nothing."""
        await self._ezsp.nop()


def _seen(asked: asyncio.Future[Any]) -> None:
    """Look at how a request ended whose waiter may have gone."""
    if not asked.cancelled():
        asked.exception()


def controller(kind: Kind) -> type[Any]:
    """The stick's application with our mark on it. Imports the stack."""
    if kind is Kind.ZNP:
        from zigpy_znp.zigbee.application import (  # noqa: PLC0415 - loaded where a stick is
            ControllerApplication as Znp,
        )

        return type("ZnpController", (_Znp, Znp), {})
    from bellows.zigbee.application import (  # noqa: PLC0415 - as above
        ControllerApplication as Ezsp,
    )

    return type("EzspController", (_Ezsp, Ezsp), {})
