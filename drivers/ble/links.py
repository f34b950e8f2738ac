"""Links to devices: one connect at a time, a deadline of our own, and always a hang-up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from bleak.exc import BleakError
from bleak_retry_connector import BleakClientWithServiceCache, establish_connection

from appliance.kernel.clock import within
from appliance.kernel.discreet import where

if TYPE_CHECKING:
    from bleak.backends.characteristic import BleakGATTCharacteristic
    from bleak.backends.device import BLEDevice

    from appliance.kernel.clock import Clock
    from appliance.kernel.tasks import Nursery
    from drivers.ble.stack import Stack

logger = logging.getLogger(__name__)

# An attribute's value has at most 512 bytes (GATT), whatever room the MTU would leave.
VALUE_BYTES_MAX: Final = 512
# BlueZ takes 2 to 2.6 s to disconnect (its own timer); twice that is a stack that hangs.
HANG_UP_S_MAX: Final = 6.0
# Within a deadline of 8 s there is no time for the four attempts of 20 s that the library makes.
ATTEMPTS_MAX: Final = 2
# A lock speaks at most 17 frames at MTU 23 for one message; far more than that is a flood.
FRAMES_WAITING_MAX: Final = 256

# Everything that bleak, dbus-fast and the kernel raise when a link or the stack goes away.
LINK_ERRORS: Final = (BleakError, OSError, EOFError, TimeoutError, KeyError, AttributeError)


class NoLinkError(Exception):
    """There was no link, so nothing of ours has been heard; the text is a short technical word."""


class LinkLostError(Exception):
    """The link ended in the middle."""


class Link:
    """One connection to one device, its values in and out."""

    def __init__(self, client: BleakClientWithServiceCache, *, clock: Clock) -> None:
        self.client = client
        self._clock = clock
        self.lost = asyncio.get_running_loop().create_future()
        self._values: asyncio.Queue[bytes] = asyncio.Queue(FRAMES_WAITING_MAX)
        self._write: BleakGATTCharacteristic | None = None

    def end(self) -> None:
        """The stack says that the link is gone."""
        if not self.lost.done():
            self.lost.set_result(None)

    async def attend(self, *, service: str, write: str, notify: str) -> None:
        """Find both characteristics and have values told; raises NoLinkError, KeyError if absent."""
        found = self.client.services.get_service(service)
        sender = None if found is None else found.get_characteristic(write)
        teller = None if found is None else found.get_characteristic(notify)
        if sender is None or teller is None:
            raise KeyError(service)
        self._write = sender
        try:
            await self._or_lost(self.client.start_notify(teller, self._told))
        except (LinkLostError, *LINK_ERRORS) as error:
            raise NoLinkError(f"notifications: {type(error).__name__}") from error

    @property
    def value_bytes_max(self) -> int:
        """How much fits into one value here; raises LinkLostError."""
        assert self._write is not None
        try:
            return min(self._write.max_write_without_response_size, VALUE_BYTES_MAX)
        except LINK_ERRORS as error:  # a stack may only know while the link is up
            raise LinkLostError(type(error).__name__) from error

    async def send(self, value: bytes, *, response: bool = False) -> None:
        """Write one value; raises LinkLostError. Commands, not requests: 1 s faster at MTU 23."""
        assert self._write is not None
        try:
            await self._or_lost(self.client.write_gatt_char(self._write, value, response=response))
        except LINK_ERRORS as error:
            raise LinkLostError(type(error).__name__) from error

    async def next_value(self, deadline_s: float) -> bytes:
        """The next value that was told; raises LinkLostError, TimeoutError."""
        if not self._values.empty():
            return self._values.get_nowait()
        if self.lost.done():
            raise LinkLostError("hung up")
        told = asyncio.ensure_future(self._values.get())
        left_s = max(0.0, deadline_s - self._clock.monotonic())
        either = asyncio.ensure_future(
            asyncio.wait({told, self.lost}, return_when=asyncio.FIRST_COMPLETED)
        )
        try:
            await within(self._clock, left_s, either)
            # What came before the hang-up counts: the last frame and the end arrive together.
            if told.done():
                return told.result()
            raise LinkLostError("hung up")
        finally:
            either.cancel()
            told.cancel()

    async def _or_lost(self, work: Any) -> None:
        """Await the stack, or the end of the link: some stacks never answer after it."""
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task, self.lost}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise LinkLostError("hung up")
            task.result()
        finally:
            task.cancel()

    def _told(self, _characteristic: BleakGATTCharacteristic, value: bytearray) -> None:
        try:
            self._values.put_nowait(bytes(value))
        except asyncio.QueueFull:
            # Nobody honest sends so much unasked.
            self.end()


class Links:
    """Makes links. Connects one after the other (the radio can do no more); sessions overlap."""

    def __init__(self, stack: Stack, *, clock: Clock, nursery: Nursery) -> None:
        self._stack = stack
        self._clock = clock
        self._nursery = nursery
        self._connecting = asyncio.Lock()
        self._slots = asyncio.Semaphore(stack.slots_max)
        self._leaving: dict[str, asyncio.Task[None]] = {}

    @asynccontextmanager
    async def to(
        self, device: BLEDevice, deadline_s: float, *, service: str, write: str, notify: str
    ) -> AsyncIterator[Link]:
        """A link that attends to these characteristics, hung up behind the caller's back.

        Raises NoLinkError before anything of the caller's can have been sent.
        """
        link = await self._open(device, deadline_s, cached=True)
        held: Link | None = link
        try:
            try:
                await link.attend(service=service, write=write, notify=notify)
            except KeyError:
                # A stack's memory of this device is stale and stays so until it is told.
                held = None
                link = held = await self._again(link, device, deadline_s)
                try:
                    await link.attend(service=service, write=write, notify=notify)
                except KeyError as error:
                    raise NoLinkError("the device has no such service") from error
            yield link
        finally:
            if held is not None:
                self._hang_up(device.address, held)

    async def idle(self) -> None:
        """Once every hang-up that is under way has ended."""
        while self._leaving:
            await asyncio.wait(self._leaving.values())

    async def _again(self, link: Link, device: BLEDevice, deadline_s: float) -> Link:
        logger.info("what the stack remembers of %s is forgotten", device.address)
        try:
            await link.client.clear_cache()
        except LINK_ERRORS as error:
            logger.info("forgetting failed: %s", where(error))
        finally:
            self._hang_up(device.address, link)
        return await self._open(device, deadline_s, cached=False)

    async def _open(self, device: BLEDevice, deadline_s: float, *, cached: bool) -> Link:
        opening = self._nursery.mortal(
            f"connect {device.address}", self._connect(device, deadline_s, cached=cached)
        )
        try:
            # The library forces 20 s on each attempt, so our own deadline runs beside it.
            left_s = max(0.0, deadline_s - self._clock.monotonic())
            opened: Link | str = await within(self._clock, left_s, opening)
        except BaseException as error:
            # Its cleaning up may take seconds; it keeps the connecting lock until then.
            if not opening.cancel() and not opening.cancelled():
                self._unwanted(device.address, opening)
            if isinstance(error, TimeoutError):
                raise NoLinkError("not connected in time") from error
            raise
        if isinstance(opened, str):
            raise NoLinkError(opened)
        return opened

    def _unwanted(self, address: str, opening: asyncio.Task[Link | str]) -> None:
        """Nobody waits any more for what was made in this very turn of the loop."""
        made = None if opening.exception() else opening.result()
        if isinstance(made, Link):
            self._hang_up(address, made)

    async def _connect(self, device: BLEDevice, deadline_s: float, *, cached: bool) -> Link | str:
        """The link, or in a word why there is none."""
        leaving = self._leaving.get(device.address)
        if leaving is not None:
            await asyncio.wait([leaving])
        await self._slots.acquire()
        try:
            async with self._connecting:
                made = await self._establish(device, deadline_s, cached=cached)
        except BaseException:
            self._slots.release()
            raise
        if isinstance(made, str):
            self._slots.release()
        return made

    async def _establish(self, device: BLEDevice, deadline_s: float, *, cached: bool) -> Link | str:
        if self._clock.monotonic() >= deadline_s:
            return "no turn in time"
        link: Link | None = None

        def gone(_client: Any) -> None:
            if link is not None:
                link.end()

        try:
            client = await establish_connection(
                BleakClientWithServiceCache,
                device,
                device.address,
                gone,
                max_attempts=ATTEMPTS_MAX,
                use_services_cache=cached,
                backend=self._stack.client,
                **self._stack.client_more,
            )
        except LINK_ERRORS as error:
            return f"connect: {type(error).__name__}"
        link = Link(client, clock=self._clock)
        if not client.is_connected:
            link.end()
        return link

    def _hang_up(self, address: str, link: Link) -> None:
        """Always disconnect, also after a lost link: bleak frees its D-Bus connection only there.

        Never waited for by who has a guest at the door: BlueZ takes two seconds.
        """
        leaving = self._nursery.mortal(f"hang up {address}", self._disconnect(link))
        self._leaving[address] = leaving

        def left(task: asyncio.Task[None]) -> None:
            if self._leaving.get(address) is task:
                del self._leaving[address]
            self._slots.release()

        leaving.add_done_callback(left)

    async def _disconnect(self, link: Link) -> None:
        hanging_up = asyncio.ensure_future(link.client.disconnect())
        try:
            await within(self._clock, HANG_UP_S_MAX, hanging_up)
        except LINK_ERRORS as error:
            logger.info("hanging up: %s", where(error))
        finally:
            hanging_up.cancel()
            link.end()
