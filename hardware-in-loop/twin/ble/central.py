"""One radio of a host in the virtual air (or behind USB or a serial line), as bleak's backend wants it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from bumble import hci
from bumble.device import Connection, Device, DeviceConfiguration

from twin.ble.controller import VirtualController

logger = logging.getLogger(__name__)

# A controller answers a command within milliseconds; one that takes longer is hung.
ANSWER_S_MAX = 2.0
# Long enough for a supervision timeout to settle what an answer did not.
HANG_UP_S_MAX = 5.0


class Central:
    """A bumble device and the bookkeeping that BlueZ does for bleak."""

    def __init__(self, device: Device, controller: VirtualController | None = None) -> None:
        self.device = device
        self.controller = controller
        # Bluetooth knows one outgoing attempt at a time.
        self.connecting = asyncio.Lock()
        self.powered = True
        self._scanners = 0
        self._scan_active = False

    @classmethod
    async def open(
        cls,
        source: Any,
        sink: Any,
        *,
        name: str = "nightporter",
        address: hci.Address | None = None,
    ) -> Central:
        """Take up a controller through its two ends of HCI."""
        settings = DeviceConfiguration(
            name=name,
            address=address or hci.Address.generate_static_address(),
            gatt_service_enabled=True,
        )
        device = Device.from_config_with_hci(settings, source, sink)
        await device.power_on()
        return cls(device, source if isinstance(source, VirtualController) else None)

    async def close(self) -> None:
        """Switch off for good."""
        self.powered = False
        await self.device.power_off()

    async def power(self, *, on: bool) -> None:
        """What `Powered` of BlueZ does: off ends every link and scan, on begins with a reset."""
        if not on:
            self.powered = False
            if self.controller is not None:
                self.controller.hung = False  # a reset is what a hung chip needs
            for connection in list(self.device.connections.values()):
                await self.hang_up(connection)
            await self._stop_scan()
            return
        await self.device.power_on()
        self.powered = True

    async def hang_up(self, connection: Connection) -> None:
        """End a link; a controller that does not answer is not waited for long."""
        try:
            await asyncio.wait_for(connection.disconnect(), HANG_UP_S_MAX)
        except (hci.HCI_Error, TimeoutError) as error:
            logger.debug("hanging up: %r", error)

    async def abort_connect(self) -> None:
        """Cancel the outgoing attempt and wait for the controller's word on it.

        A late "connected" must not be taken for the answer to the next attempt.
        """
        settled: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()

        def failed(_error: Any) -> None:
            if not settled.done():
                settled.set_result(None)

        def connected(connection: Connection) -> None:
            if not settled.done():
                settled.set_result(connection)

        device = self.device
        device.on(Device.EVENT_CONNECTION_FAILURE, failed)
        device.on(Device.EVENT_CONNECTION, connected)
        try:
            await device.send_sync_command(hci.HCI_LE_Create_Connection_Cancel_Command())
            late = await asyncio.wait_for(settled, ANSWER_S_MAX)
            if late is not None:
                await late.disconnect()
        except (hci.HCI_Error, TimeoutError) as error:
            logger.debug("cancelling a connect: %r", error)
        finally:
            device.remove_listener(Device.EVENT_CONNECTION_FAILURE, failed)
            device.remove_listener(Device.EVENT_CONNECTION, connected)

    async def scan(self, *, active: bool) -> None:
        """One more scanner listens."""
        self._scanners += 1
        if self._scanners == 1:
            self._scan_active = active
            await asyncio.wait_for(
                self.device.start_scanning(active=active, filter_duplicates=False), ANSWER_S_MAX
            )

    async def scan_no_more(self) -> None:
        """One scanner less."""
        self._scanners = max(0, self._scanners - 1)
        if self._scanners == 0:
            await self._stop_scan()

    async def _stop_scan(self) -> None:
        self._scanners = 0
        if self.device.is_scanning:
            try:
                await asyncio.wait_for(self.device.stop_scanning(), ANSWER_S_MAX)
            except (hci.HCI_Error, TimeoutError) as error:
                logger.debug("ending a scan: %r", error)
                self.device.scanning = False
