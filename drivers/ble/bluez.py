"""The adapter as BlueZ has it, over the system's D-Bus: switched off and on, its daemon restarted."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from appliance.kernel.clock import sleep, within
from appliance.kernel.discreet import where

if TYPE_CHECKING:
    from appliance.kernel.clock import Clock

logger = logging.getLogger(__name__)

# A chip that does not follow a command of its own daemon in this time hangs.
CALL_S_MAX: Final = 10.0
# USB dongles lose their state of radio about half a second after power goes.
OFF_S: Final = 1.0


class BluezAdapter:
    """`name` is the kernel's, "hci0"."""

    def __init__(self, name: str, *, clock: Clock) -> None:
        self._path = f"/org/bluez/{name}"
        self._clock = clock

    async def power_cycle(self) -> bool:
        """Off and on; False where BlueZ is not there, refuses, or does not answer."""
        off = await self.power(on=False)
        await sleep(self._clock, OFF_S)
        return await self.power(on=True) and off

    async def power(self, *, on: bool) -> bool:
        """Switch it; False where BlueZ is not there, refuses, or does not answer."""
        return await self._call(
            "org.bluez",
            self._path,
            "org.freedesktop.DBus.Properties",
            "Set",
            "ssv",
            ["org.bluez.Adapter1", "Powered", Variant("b", on)],
        )

    async def restart_stack(self) -> bool:
        """Ask systemd to restart bluetooth.service; False where this user may not."""
        return await self._call(
            "org.freedesktop.systemd1",
            "/org/freedesktop/systemd1",
            "org.freedesktop.systemd1.Manager",
            "RestartUnit",
            "ss",
            ["bluetooth.service", "replace"],
        )

    async def _call(
        self, to: str, path: str, interface: str, member: str, signature: str, body: list[Any]
    ) -> bool:
        bus: MessageBus | None = None
        try:
            bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
            message = Message(
                destination=to,
                path=path,
                interface=interface,
                member=member,
                signature=signature,
                body=body,
            )
            reply = await within(self._clock, CALL_S_MAX, asyncio.ensure_future(bus.call(message)))
        except (OSError, EOFError, TimeoutError) as error:
            logger.warning("%s could not be asked: %s", to, where(error))
            return False
        finally:
            if bus is not None:
                bus.disconnect()
        if reply.message_type is MessageType.ERROR:
            logger.warning("%s refused: %s", to, reply.error_name)
            return False
        return True
