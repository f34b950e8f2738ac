"""The Bluetooth stack below the driver: bleak's own on BlueZ, or any other that speaks bleak."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from bleak.backends.adapter import BaseBleakAdapter
    from bleak.backends.client import BaseBleakClient
    from bleak.backends.scanner import BaseBleakScanner

# ble.md 4: CSR dongles hold 5 links, a Pi's chip 7, a proxy 3. A session lasts under a second.
SLOTS_DEFAULT: Final = 3


class Adapter(Protocol):
    """The radio chip as the system has it, for when it has to be woken."""

    async def power_cycle(self) -> bool:
        """Switch it off and on; False where it could not be reached or did not come back."""
        ...

    async def restart_stack(self) -> bool:
        """Restart the daemon that owns it; False where that is not ours to do."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """`scanner` and `client` None: bleak's backend of this system. `..._more` go to each of them."""

    adapter: Adapter
    scanner: type[BaseBleakScanner] | None = None
    client: type[BaseBleakClient] | None = None
    connected: type[BaseBleakAdapter] | None = None
    scanner_more: Mapping[str, Any] = field(default_factory=dict)
    # Where a passive scan is not to be had (bluetoothd without --experimental).
    scanner_fallback: Mapping[str, Any] = field(default_factory=dict)
    client_more: Mapping[str, Any] = field(default_factory=dict)
    slots_max: int = SLOTS_DEFAULT
    passive: bool = False
