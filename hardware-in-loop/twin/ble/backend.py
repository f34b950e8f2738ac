"""bleak on bumble: the scanner, the client and the adapter that the driver runs on unchanged.

bleak's backend interface is not stable, so bleak is pinned exactly; only the twin and tests stand
on it. On a real host the same driver runs on bleak's own BlueZ backend.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from bleak.backends.adapter import BaseBleakAdapter
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient, NotifyCallback
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDeviceNotFoundError,
    BleakError,
    BleakGATTProtocolError,
)
from bleak.uuids import normalize_uuid_str
from bumble import att, core, hci
from bumble.core import AdvertisingData
from bumble.device import Advertisement, Connection, Device, Peer

from twin.ble.central import Central

logger = logging.getLogger(__name__)

T = TypeVar("T")

# GATT: an attribute's value has at most 512 bytes, whatever the MTU (Vol 3, Part F, 3.2.9).
VALUE_BYTES_MAX: Final = 512
MTU_WANTED: Final = 517
_PROPERTIES: Final = (
    "broadcast",
    "read",
    "write-without-response",
    "write",
    "notify",
    "indicate",
    "authenticated-signed-writes",
    "extended-properties",
)


@dataclass(frozen=True, slots=True)
class Details:
    """What bleak carries from a scanner to a client unseen."""

    central: Central
    address: hci.Address


class VirtualScanner(BaseBleakScanner):
    """bleak's scanner on a `Central`."""

    def __init__(
        self,
        detection_callback: Any,
        service_uuids: list[str] | None,
        scanning_mode: str,
        *,
        central: Central,
        **_more: Any,
    ) -> None:
        super().__init__(detection_callback, service_uuids)
        self._central = central
        self._active = scanning_mode == "active"

    async def start(self) -> None:
        """Listen; raises bleak's own error where the radio is off or does not answer."""
        if not self._central.powered:
            raise BleakBluetoothNotAvailableError(
                "radio is off", BleakBluetoothNotAvailableReason.POWERED_OFF
            )
        self.seen_devices = {}
        self._central.device.on(Device.EVENT_ADVERTISEMENT, self._heard)
        try:
            await self._central.scan(active=self._active)
        except (TimeoutError, hci.HCI_Error) as error:
            await self.stop()
            raise BleakError(f"the scan did not start: {error!r}") from error

    async def stop(self) -> None:
        """Listen no more."""
        self._central.device.remove_listener(Device.EVENT_ADVERTISEMENT, self._heard)
        await self._central.scan_no_more()

    def _heard(self, advertisement: Advertisement) -> None:
        said = _said(advertisement)
        if not self.is_allowed_uuid(said.service_uuids):
            return
        address = advertisement.address.to_string(with_type_qualifier=False)
        details = Details(self._central, advertisement.address)
        device = self.create_or_update_device(address, address, said.local_name, details, said)
        self.call_detection_callbacks(device, said)


class VirtualClient(BaseBleakClient):
    """bleak's client on a `Central`; takes over a link that is already there, as BlueZ does."""

    def __init__(
        self,
        address_or_ble_device: BLEDevice | str,
        *,
        disconnected_callback: Callable[[], None] | None,
        timeout: float,
        services: set[str] | None = None,
        mtu: int = MTU_WANTED,
        **_more: Any,
    ) -> None:
        super().__init__(
            address_or_ble_device, disconnected_callback=disconnected_callback, timeout=timeout
        )
        if not isinstance(address_or_ble_device, BLEDevice):
            raise BleakError("connect with the BLEDevice that the scanner gave")
        details: Details = address_or_ble_device.details
        self._central, self._peer_address = details.central, details.address
        self._name = address_or_ble_device.name
        self._requested = services
        self._mtu = mtu
        self._connection: Connection | None = None
        self._peer: Peer | None = None
        self._gone = asyncio.Event()
        self._subscribed: dict[int, Callable[[bytes], None]] = {}

    @property
    def name(self) -> str:
        """What the peer calls itself, or its address."""
        return self._name or self.address.replace(":", "-")

    @property
    def mtu_size(self) -> int:
        """Bytes of one attribute packet."""
        if self._connection is None:
            raise BleakError("Not connected")
        return self._connection.att_mtu

    @property
    def is_connected(self) -> bool:
        """Whether the link is up."""
        return self._connection is not None

    async def connect(self, pair: bool, **more: Any) -> None:  # noqa: FBT001 - bleak's signature
        """Connect, agree on the MTU, find out what the peer offers."""
        if self.is_connected:
            raise BleakError("Client is already connected")
        if not self._central.powered:
            raise BleakBluetoothNotAvailableError(
                "radio is off", BleakBluetoothNotAvailableReason.POWERED_OFF
            )
        self._gone.clear()
        async with asyncio.timeout(more.get("timeout", self._timeout)):
            async with self._central.connecting:
                connection = await self._link()
            self._connection = connection
            connection.on(connection.EVENT_DISCONNECTION, self._disconnected)
            try:
                self._peer = Peer(connection)
                await self._guarded(self._peer.request_mtu(self._mtu))
                if pair:
                    await self._guarded(connection.pair())
                await self._guarded(self._discover(self._peer))
            except BaseException:
                await self.disconnect()
                raise

    async def disconnect(self) -> None:
        """Hang up; harmless when the link is gone already."""
        connection = self._connection
        if connection is None:
            return
        await self._central.hang_up(connection)
        if self._connection is not None:  # the controller never said so
            self._disconnected(hci.HCI_ErrorCode.CONNECTION_TERMINATED_BY_LOCAL_HOST_ERROR)

    async def pair(self, *_args: Any, **_more: Any) -> None:
        """Pair with the peer."""
        if self._connection is None:
            raise BleakError("Not connected")
        await self._guarded(self._connection.pair())

    async def unpair(self) -> None:
        """Forget the peer's keys: there are none here."""
        await self.disconnect()

    async def read_gatt_char(
        self, characteristic: BleakGATTCharacteristic, **_more: Any
    ) -> bytearray:
        """Read one value."""
        self._need()
        return bytearray(await self._guarded(characteristic.obj.read_value()))

    async def read_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, **_more: Any
    ) -> bytearray:
        """Read one descriptor."""
        self._need()
        return bytearray(await self._guarded(descriptor.obj.read_value()))

    async def write_gatt_char(
        self,
        characteristic: BleakGATTCharacteristic,
        data: Any,
        response: bool,  # noqa: FBT001 - bleak's signature
    ) -> None:
        """Write one value; without response it has to fit into one packet."""
        self._need()
        value = bytes(data)
        if len(value) > VALUE_BYTES_MAX:
            raise BleakError("an attribute's value is limited to 512 bytes")
        if not response and len(value) > characteristic.max_write_without_response_size:
            raise BleakError(f"{len(value)} bytes without response do not fit into the MTU")
        await self._guarded(characteristic.obj.write_value(value, with_response=response))

    async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: Any) -> None:
        """Write one descriptor."""
        self._need()
        await self._guarded(descriptor.obj.write_value(bytes(data), with_response=True))

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **_more: Any
    ) -> None:
        """Have values told."""
        self._need()

        def told(value: bytes) -> None:
            callback(bytearray(value))

        self._subscribed[characteristic.handle] = told
        await self._guarded(characteristic.obj.subscribe(told))

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        """Have them told no more."""
        self._need()
        told = self._subscribed.pop(characteristic.handle, None)
        if told is not None:
            await self._guarded(characteristic.obj.unsubscribe(told))

    async def _link(self) -> Connection:
        known = next(
            (
                connection
                for connection in self._central.device.connections.values()
                if connection.peer_address == self._peer_address
            ),
            None,
        )
        if known is not None:
            return known
        try:
            # bumble's own timeout can hang in its cancel path, so the caller's is the only one.
            return await self._central.device.connect_le(self._peer_address, timeout=None)
        except asyncio.CancelledError:
            await asyncio.shield(self._central.abort_connect())
            raise
        except (core.ConnectionError, hci.HCI_Error) as error:
            raise BleakDeviceNotFoundError(self.address, str(error)) from error

    def _disconnected(self, reason: int) -> None:
        logger.debug("%s disconnected: 0x%02x", self.address, reason)
        if self._connection is None:
            return
        self._connection = self._peer = None
        self.services = None
        self._subscribed.clear()
        self._gone.set()
        if self._disconnected_callback is not None:
            self._disconnected_callback()

    async def _guarded(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` until it ends or the link does, and speak bleak's exceptions.

        On link loss bumble cancels the waiter itself: a bare CancelledError would reach the caller.
        """
        task = asyncio.ensure_future(work)
        gone = asyncio.ensure_future(self._gone.wait())
        try:
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
            if task.done() and not task.cancelled():
                try:
                    return task.result()
                except att.ATT_Error as error:
                    raise BleakGATTProtocolError(int(error.error_code)) from error
                except core.TimeoutError as error:
                    raise TimeoutError(str(error)) from error
                except (core.BaseBumbleError, hci.HCI_Error) as error:
                    raise BleakError(repr(error)) from error
            raise BleakError("Not connected")  # the words of the BlueZ backend
        finally:
            gone.cancel()
            if not task.done():
                task.cancel()
                await asyncio.wait({task})

    async def _discover(self, peer: Peer) -> None:
        found = BleakGATTServiceCollection()
        await peer.discover_services()
        for theirs in peer.services:
            uuid = _uuid(theirs.uuid)
            if self._requested and uuid not in self._requested:
                continue
            service = BleakGATTService(theirs, theirs.handle, uuid)
            found.add_service(service)
            for their in await theirs.discover_characteristics():
                characteristic = BleakGATTCharacteristic(
                    their,
                    their.handle,
                    _uuid(their.uuid),
                    [p for bit, p in enumerate(_PROPERTIES) if their.properties & (1 << bit)],  # type: ignore[misc]  # bleak wants its literals
                    self._write_bytes_max,
                    service,
                )
                found.add_characteristic(characteristic)
                for descriptor in await their.discover_descriptors():
                    found.add_descriptor(
                        BleakGATTDescriptor(
                            descriptor, descriptor.handle, _uuid(descriptor.type), characteristic
                        )
                    )
        self.services = found

    def _write_bytes_max(self) -> int:
        # BlueZ says MTU - 3 even where that is more than a value may have.
        return self.mtu_size - 3

    def _need(self) -> None:
        if self._peer is None:
            raise BleakError("Not connected")


def adapter_on(central: Central) -> type[BaseBleakAdapter]:
    """The adapter of bleak for that radio: who is connected to it."""

    class VirtualAdapter(BaseBleakAdapter):
        """Tells of links that somebody left behind."""

        @classmethod
        async def get(cls, **_more: Any) -> VirtualAdapter:
            return cls()

        async def get_connected_devices(self, _service_uuids: frozenset[str]) -> list[BLEDevice]:
            return [
                BLEDevice(
                    connection.peer_address.to_string(with_type_qualifier=False),
                    None,
                    Details(central, connection.peer_address),
                )
                for connection in central.device.connections.values()
            ]

    return VirtualAdapter


def _uuid(uuid: core.UUID) -> str:
    long = len(uuid.uuid_bytes) == 16
    return normalize_uuid_str(uuid.to_hex_str("-") if long else uuid.to_hex_str())


def _said(advertisement: Advertisement) -> AdvertisementData:
    data: Any = advertisement.data  # bumble's type is the union of all that could be in it
    uuids: list[str] = []
    for kind in (
        AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
        AdvertisingData.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
        AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
        AdvertisingData.INCOMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
    ):
        for group in data.get_all(kind):
            uuids += [_uuid(uuid) for uuid in group]
    of_makers = data.get_all(AdvertisingData.MANUFACTURER_SPECIFIC_DATA)
    of_services: dict[str, bytes] = {}
    for kind in (
        AdvertisingData.SERVICE_DATA_128_BIT_UUID,
        AdvertisingData.SERVICE_DATA_16_BIT_UUID,
    ):
        for uuid, value in data.get_all(kind):
            of_services[_uuid(uuid)] = bytes(value)
    return AdvertisementData(
        local_name=data.get(AdvertisingData.COMPLETE_LOCAL_NAME)
        or data.get(AdvertisingData.SHORTENED_LOCAL_NAME),
        manufacturer_data={int(maker): bytes(value) for maker, value in of_makers},
        service_data=of_services,
        service_uuids=list(dict.fromkeys(uuids)),
        tx_power=data.get(AdvertisingData.TX_POWER_LEVEL),
        rssi=advertisement.rssi,
        platform_data=(advertisement,),
    )
