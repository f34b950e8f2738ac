"""The one scanner of the process: who is in the air, and what each says without being asked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bleak import BleakScanner
from bleak.exc import BleakBluetoothNotAvailableError, BleakError

from appliance.kernel.clock import within
from appliance.kernel.discreet import where
from drivers.port import RadioLostError

if TYPE_CHECKING:
    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData

    from appliance.kernel.clock import Clock
    from drivers.ble.stack import Stack

logger = logging.getLogger(__name__)

# A passer-by's phone changes its address every 15 minutes; what nobody knows is not remembered.
STOP_S_MAX: Final = 5.0
# Starting a scan is one call to the daemon; a hung chip lets it wait for ever.
START_S_MAX: Final = 10.0


@dataclass(frozen=True, slots=True)
class Heard:
    """One advertisement of something we know."""

    device: BLEDevice
    said: AdvertisementData
    at_s: float  # monotonic


Claim = Callable[["BLEDevice", "AdvertisementData"], str | None]


class Ears:
    """Listens for as long as the process lives.

    BlueZ forgets a device 30 s after the last scan ended, and a stored `BLEDevice` is then worth
    nothing: so one scan for ever, and devices are looked up at the moment of connecting.
    `claim` says which of our things an advertisement belongs to.
    """

    def __init__(
        self,
        stack: Stack,
        *,
        clock: Clock,
        claim: Claim,
        told: Callable[[str, Heard], None],
    ) -> None:
        self._stack = stack
        self._clock = clock
        self._claim = claim
        self._told = told
        self._heard: dict[str, Heard] = {}
        self._waiting: dict[str, list[asyncio.Future[Heard]]] = {}
        self._scanner: BleakScanner | None = None
        self.passive = False
        self.heard_any_s: float | None = None  # when anything of ours was last heard

    def last(self, thing: str) -> Heard | None:
        """The last that was heard of it."""
        return self._heard.get(thing)

    async def hear(
        self,
        thing: str,
        *,
        fresh_s: float,
        deadline_s: float,
        but: Collection[str] = (),
    ) -> Heard | None:
        """What it last said if that is at most `fresh_s` old, otherwise its next word.

        `but` are addresses that claim to be it and are not. None where nothing is said until
        `deadline_s` (monotonic).
        """
        heard = self._heard.get(thing)
        now_s = self._clock.monotonic()
        if heard is not None and now_s - heard.at_s <= fresh_s and heard.device.address not in but:
            return heard
        while (now_s := self._clock.monotonic()) < deadline_s:
            heard = await self._next(thing, deadline_s - now_s)
            if heard is None or heard.device.address not in but:
                return heard
        return None

    async def _next(self, thing: str, wait_s: float) -> Heard | None:
        waiting: asyncio.Future[Heard] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(thing, []).append(waiting)
        try:
            return await within(self._clock, wait_s, waiting)
        except TimeoutError:
            return None
        finally:
            waiters = self._waiting[thing]
            waiters.remove(waiting)
            if not waiters:
                del self._waiting[thing]

    async def open(self) -> None:
        """Begin to listen; raises RadioLostError with what to look at."""
        self.passive = self._stack.passive
        if self.passive:
            try:
                await self._open(dict(self._stack.scanner_more))
            except RadioLostError as error:
                logger.warning("no passive scan here, so an active one: %s", error)
                self.passive = False
        if not self.passive:
            more = self._stack.scanner_fallback if self._stack.passive else self._stack.scanner_more
            await self._open(dict(more))

    async def _open(self, more: dict[str, Any]) -> None:
        scanner = BleakScanner(
            self._detected,
            scanning_mode="passive" if self.passive else "active",
            backend=self._stack.scanner,
            **more,
        )
        starting = asyncio.ensure_future(scanner.start())
        try:
            await within(self._clock, START_S_MAX, starting)
        except BleakBluetoothNotAvailableError as error:
            raise RadioLostError(
                "there is no Bluetooth adapter, or it is switched off: look at the dongle, then"
                f" `rfkill unblock bluetooth` ({error.reason.name.lower()})"
            ) from error
        except TimeoutError as error:
            starting.cancel()
            raise RadioLostError(
                "the Bluetooth adapter does not answer: pull the dongle out and put it back"
            ) from error
        except (BleakError, OSError, EOFError) as error:
            raise RadioLostError(
                "Bluetooth cannot be reached: look whether bluetooth.service runs"
                f" ({type(error).__name__})"
            ) from error
        self._scanner = scanner

    async def close(self) -> None:
        """Listen no more; a stack that is dead already is no reason to stay."""
        scanner, self._scanner = self._scanner, None
        if scanner is None:
            return
        stopping = asyncio.ensure_future(scanner.stop())
        try:
            await within(self._clock, STOP_S_MAX, stopping)
        except (BleakError, OSError, EOFError, TimeoutError, KeyError) as error:
            stopping.cancel()
            logger.info("the scan did not end well: %s", where(error))

    def _detected(self, device: BLEDevice, said: AdvertisementData) -> None:
        thing = self._claim(device, said)
        if thing is None:
            return
        now_s = self._clock.monotonic()
        heard = Heard(device, said, now_s)
        self._heard[thing] = heard
        self.heard_any_s = now_s
        for waiting in self._waiting.get(thing, ()):
            if not waiting.done():
                waiting.set_result(heard)
        self._told(thing, heard)
