"""An air and a lock as processes of their own: HCI over TCP, USB or a serial line."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bumble.transport import open_transport
from bumble.transport.common import StreamPacketSink, StreamPacketSource, TransportInitError

from appliance.bus import device_sheet, driver_sheet
from appliance.bus.device_sheet import BadSheetError
from appliance.kernel import cose
from drivers.ble.things import salt_of
from twin.ble.air import Air
from twin.ble.npk_lock import BleLock
from twin.ble.peripheral import Ends, Manner
from twin.flash import Flash
from twin.journal import Journal
from twin.npk_lock import NpkIdentity, NpkLock

if TYPE_CHECKING:
    from appliance.kernel.clock import Clock
    from twin.ble.controller import VirtualController

# What a lock's own clock is off by when it was set at its installation.
SET_UNCERTAINTY_MS: Final = 2_000
# Controllers in one air: a corridor of locks, some phones and a box.
PORTS_MAX: Final = 128

Ready = Callable[[dict[str, Any]], None]


class NoTransportError(Exception):
    """There is no Bluetooth controller to be had; the text says what to try."""


async def serve_air(air: Air, host: str, port: int) -> asyncio.Server:
    """Give every TCP client (HCI, H4) a controller of its own in this air.

    bumble's own `tcp-server:` serves one client, so an air of many processes needs this.
    """
    numbers = iter(range(1, 1 << 31))
    inside: set[VirtualController] = set()

    class Port(StreamPacketSource):
        """One process's controller; its death is a supervision timeout for whoever it talked to."""

        controller: VirtualController | None = None

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            if len(inside) >= PORTS_MAX:
                transport.abort()
                return
            line = transport.get_extra_info("socket")
            with contextlib.suppress(OSError):
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.controller = air.controller(
                f"tcp-{next(numbers)}", host_source=self, host_sink=StreamPacketSink(transport)
            )
            inside.add(self.controller)

        def connection_lost(self, _error: BaseException | None) -> None:
            if self.controller is not None:
                inside.discard(self.controller)
                self.controller.vanish(air.supervision_s)

    return await asyncio.get_running_loop().create_server(Port, host, port)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockWork:
    """What one lock process is asked to be."""

    sheet: Path
    device: str
    hci: str  # a transport of bumble: "tcp-client:127.0.0.1:22010", "usb:0", "serial:/dev/ttyACM0"
    journal: Path
    state: Path
    address: str | None = None
    mtu: int = 517


async def run_air(air: Air, host: str, port: int, ready: Ready) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    stop = _stopped()
    async with await serve_air(air, host, port) as server:
        taken = server.sockets[0].getsockname()[1]
        ready({"hci": f"tcp-client:{host}:{taken}"})
        await stop.wait()


async def run_lock(work: LockWork, clock: Clock, ready: Ready) -> None:
    """Be that lock until SIGTERM or Ctrl-C; raises NoTransportError, BadSheetError."""
    identity = _identity(work)
    flash = Flash(work.state / f"{work.device}.flash")
    journal = Journal(work.journal, clock)
    stop = _stopped()
    try:
        transport = await open_transport(work.hci)
    except (OSError, TransportInitError, ValueError) as error:
        raise NoTransportError(
            f"no Bluetooth controller at {work.hci} ({type(error).__name__}): start"
            " `nightporter twin air`, or plug in a dongle and pass usb:0 or serial:/dev/ttyACM0"
        ) from error
    async with transport:
        lock = BleLock(
            Ends(source=transport.source, sink=transport.sink),
            Manner(name=f"NP {identity.door_number}", address=work.address, mtu_max=work.mtu),
            make=lambda: NpkLock(identity, flash=flash, journal=journal, clock=clock),
            clock=clock,
        )
        if not lock.lock.body.time().known:
            lock.lock.body.set_time(clock.read().wall_ms, SET_UNCERTAINTY_MS)
        await lock.start()
        ready(
            {
                "device": work.device,
                "address": lock.address,
                "door_number": identity.door_number,
                "lock_point": lock.lock.point.hex(),
            }
        )
        gone: asyncio.Future[Any] = asyncio.ensure_future(transport.source.terminated)
        stopped: asyncio.Future[Any] = asyncio.ensure_future(stop.wait())
        await asyncio.wait({gone, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        lost = gone.done()
        gone.cancel()
        await lock.stop()
    journal.close()
    if lost:
        raise NoTransportError(f"the Bluetooth controller at {work.hci} went away")


def _identity(work: LockWork) -> NpkIdentity:
    """From a device sheet or a driver's sheet, whichever it is."""
    try:
        devices = device_sheet.load(work.sheet)
        property_id, points = devices.property_id, devices.issuer_points
        found: Any = next((d for d in devices.devices if d.device == work.device), None)
    except BadSheetError:
        driver = driver_sheet.load(work.sheet)
        property_id, points = driver.property_id, driver.issuer_points
        found = next((thing for thing in driver.things if thing.device == work.device), None)
    if found is None or found.door_number is None:
        raise BadSheetError(f"{work.sheet} has no lock {work.device}")
    return NpkIdentity(
        device=work.device,
        door_number=found.door_number,
        property_id=property_id,
        issuers=cose.issuers(points),
        secret=found.secret,
        zones=frozenset(found.zones),
        salt=salt_of(property_id),
    )


def _stopped() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
