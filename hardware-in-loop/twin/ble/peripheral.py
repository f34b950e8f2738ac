"""A thing that is connected to: advertises, takes one link or a few, hears writes, tells values."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bumble import data_types, hci
from bumble.core import UUID, AdvertisingData
from bumble.device import Connection, Device, DeviceConfiguration
from bumble.gatt import Characteristic

if TYPE_CHECKING:
    from twin.ble.controller import VirtualController

logger = logging.getLogger(__name__)

_FLAGS: Final = (
    AdvertisingData.Flags.LE_GENERAL_DISCOVERABLE_MODE | AdvertisingData.Flags.BR_EDR_NOT_SUPPORTED
)
P = Characteristic.Properties


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """Both directions of HCI: a virtual controller twice, or the two ends of a transport."""

    source: Any
    sink: Any

    @classmethod
    def of(cls, controller: VirtualController) -> Ends:
        """A controller of this process is both."""
        return cls(source=controller, sink=controller)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a thing behaves on the air. `address` None: a random static one."""

    name: str
    address: str | None = None
    advertise_ms: float = 100.0
    mtu_max: int = 517
    links_max: int = 1  # it is seen while it has fewer than these


class Peripheral:
    """What all things that are connected to have in common."""

    def __init__(self, ends: Ends, manner: Manner) -> None:
        address = (
            hci.Address(manner.address) if manner.address else hci.Address.generate_static_address()
        )
        self.device = Device.from_config_with_hci(
            DeviceConfiguration(
                name=manner.name,
                address=address,
                advertising_interval_min=manner.advertise_ms,
                advertising_interval_max=manner.advertise_ms,
            ),
            ends.source,
            ends.sink,
        )
        self.device.gatt_server.max_mtu = manner.mtu_max
        self.device.on(Device.EVENT_CONNECTION, self._connected)
        self._advertised = b""
        self._links_max = manner.links_max
        self._work: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """Its address as bleak writes it."""
        return self.device.random_address.to_string(with_type_qualifier=False)

    async def start(self) -> None:
        """Switch on and be seen."""
        await self.device.power_on()
        await self.advertise()

    def advertisement(self) -> bytes:
        """What it says to everybody; a kind of thing overrides this."""
        raise NotImplementedError

    async def advertise(self) -> None:
        """Say it, again after every link; call once more when there is something new to say."""
        said = self.advertisement()
        self._advertised = said
        self.device.advertising_data = said
        if len(self.device.connections) < self._links_max:
            await self.device.stop_advertising()
            await self.device.start_advertising(auto_restart=False, advertising_data=said)

    async def tell(self, connection: Connection, value: Characteristic[bytes], data: bytes) -> None:
        """Notify one connected host."""
        await self.device.notify_subscriber(connection, value, data)

    async def hang_up(self, connection: Connection) -> None:
        """End a link; it may have ended by itself."""
        try:
            await connection.disconnect()
        except hci.HCI_Error as error:
            logger.debug("hanging up: %r", error)

    def connected(self, connection: Connection) -> None:
        """A host connected."""

    def disconnected(self, connection: Connection) -> None:
        """A host is gone: be seen again."""
        del connection
        self._do(self.advertise())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    def _connected(self, connection: Connection) -> None:
        connection.on(connection.EVENT_DISCONNECTION, lambda _reason: self.disconnected(connection))
        self.connected(connection)
        if self._links_max > 1:
            self._do(self.advertise())


def flags() -> data_types.Flags:
    """What every advertisement opens with."""
    return data_types.Flags(_FLAGS)


def uuid(text: str) -> UUID:
    """A UUID of text."""
    return UUID(text)
