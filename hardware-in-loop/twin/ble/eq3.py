"""A radiator thermostat of eQ-3 (CC-RT-BLE): six frames, 20 bytes a value, no pairing below 1.20."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bumble import data_types
from bumble.core import AdvertisingData
from bumble.gatt import Characteristic, CharacteristicValue, Service

from drivers.ble import eq3
from twin.ble.peripheral import Ends, Manner, P, Peripheral, flags, uuid

if TYPE_CHECKING:
    from bumble.device import Connection

_SERIAL: Final = b"NPT1234567"


@dataclass(slots=True)
class Dial:
    """What the thermostat holds; times 0.5 degrees."""

    half_degrees: int = 42
    mode: int = 0
    valve_pct: int = 0


class Eq3Thermostat(Peripheral):
    """Answers as the real one does; `deaf` takes a frame and says nothing."""

    def __init__(self, ends: Ends, manner: Manner) -> None:
        super().__init__(ends, manner)
        self.dial = Dial()
        self.frames: list[bytes] = []
        self.deaf = 0  # so many frames are not answered
        self._told = Characteristic(eq3.NOTIFY, P.READ | P.NOTIFY, Characteristic.READABLE, b"")
        write: Characteristic[bytes] = Characteristic(
            eq3.WRITE,
            P.READ | P.WRITE,
            Characteristic.READABLE | Characteristic.WRITEABLE,
            CharacteristicValue(read=lambda _connection: b"", write=self._written),
        )
        self.device.add_services([Service(uuid(eq3.SERVICE), [write, self._told])])

    def advertisement(self) -> bytes:
        """Its name and nothing else."""
        return bytes(AdvertisingData([flags(), data_types.CompleteLocalName("CC-RT-BLE")]))

    async def _written(self, connection: Connection | None, value: bytes) -> None:
        self.frames.append(value)
        if self.deaf > 0:
            self.deaf -= 1
            return
        answer = self._answer(value)
        if answer is not None and connection is not None:
            await self.tell(connection, self._told, answer)

    def _answer(self, frame: bytes) -> bytes | None:
        dial = self.dial
        match frame[0] if frame else None:
            case 0x00:
                letters = bytes(letter + 0x30 for letter in _SERIAL)
                return bytes([0x01, 110, 0, 0]) + letters + b"\0"
            case 0x03:
                pass
            case 0x40:
                dial.mode = dial.mode & ~1 | (1 if frame[1] & 0x40 else 0)
            case 0x41:
                dial.half_degrees = frame[1]
                dial.valve_pct = 0 if frame[1] <= 9 else 40
            case 0x45:
                dial.mode = dial.mode & ~4 | (4 if frame[1] else 0)
            case 0x80:
                dial.mode = dial.mode & ~0x20 | (0x20 if frame[1] else 0)
            case _:
                return None
        return bytes([0x02, 0x01, dial.mode, dial.valve_pct, 0x04, dial.half_degrees])
