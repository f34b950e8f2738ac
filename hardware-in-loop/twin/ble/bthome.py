"""A sensor that only broadcasts (BTHome v2), in clear or encrypted, each packet said several times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bumble import data_types
from bumble.core import UUID, AdvertisingData
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from drivers.ble.bthome_table import FORMS
from twin.ble.peripheral import Peripheral, flags

if TYPE_CHECKING:
    from twin.ble.peripheral import Ends, Manner

_UUID: Final = UUID(0xFCD2)
_ON_AIR: Final = b"\xd2\xfc"
_PLAIN: Final = 0x40
_ENCRYPTED: Final = 0x41
_TAG_BYTES: Final = 4


class BthomeSensor(Peripheral):
    """`key` (16 bytes) encrypts. `counter` and `packet` rise with every new report."""

    def __init__(self, ends: Ends, manner: Manner, *, key: bytes | None = None) -> None:
        super().__init__(ends, manner)
        self._key = key
        self.counter = 1
        self.packet = 0
        self._data = bytes([_PLAIN])

    def advertisement(self) -> bytes:
        """The last report."""
        return bytes(AdvertisingData([flags(), data_types.ServiceData16BitUUID(_UUID, self._data)]))

    async def report(self, *objects: tuple[int, int]) -> None:
        """Say these (object id, raw value) from now on."""
        body = b"".join(
            bytes([number])
            + value.to_bytes(FORMS[number].size, "little", signed=FORMS[number].signed)
            for number, value in sorted(objects)
        )
        if self._key is None:
            self.packet = (self.packet + 1) % 256
            self._data = bytes([_PLAIN, 0x00, self.packet]) + body
        else:
            self.counter += 1
            self._data = seal(body, key=self._key, address=self.address, counter=self.counter)
        await self.advertise()

    async def replay(self, data: bytes) -> None:
        """Say what was recorded somewhere."""
        self._data = data
        await self.advertise()

    @property
    def said(self) -> bytes:
        """What a recorder in the corridor would have."""
        return self._data


def seal(body: bytes, *, key: bytes, address: str, counter: int) -> bytes:
    """The service data of an encrypted report (bthome.io/encryption)."""
    info, count = bytes([_ENCRYPTED]), counter.to_bytes(4, "little")
    nonce = bytes.fromhex(address.replace(":", "")) + _ON_AIR + info + count
    box = AESCCM(key, tag_length=_TAG_BYTES).encrypt(nonce, body, None)
    return info + box[:-_TAG_BYTES] + count + box[-_TAG_BYTES:]
