"""A host of the simulated stick: unmodified zigpy over zigpy-znp, as the driver uses it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import zigpy.types
from zigpy_znp.zigbee.application import ControllerApplication

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from twin.zigbee.node import Node
    from twin.zigbee.site import Site

# Nothing on the twin's air takes this long; a test that waits longer has lost something.
ANSWER_S_MAX = 20.0

# At DEBUG these print a PIN's digits.
for _name in ("zigpy", "zigpy_znp", "serialx"):
    logging.getLogger(_name).setLevel(logging.INFO)


class Host:
    """One zigpy application on the site's stick, with what it was told."""

    def __init__(self, app: Any, here: Site) -> None:
        self.app = app
        self.here = here
        self.initialized: asyncio.Queue[Any] = asyncio.Queue()
        self.failed: asyncio.Queue[Any] = asyncio.Queue()
        self.left: asyncio.Queue[Any] = asyncio.Queue()
        self.lost = asyncio.Event()
        app.add_listener(self)

    # zigpy's listener interface
    def device_initialized(self, device: Any) -> None:
        self.initialized.put_nowait(device)

    def device_init_failure(self, device: Any) -> None:
        self.failed.put_nowait(device)

    def device_left(self, device: Any) -> None:
        self.left.put_nowait(device)

    def connection_lost(self, error: object) -> None:
        self.lost.set()

    async def join(self, node: Node, parent: Node | None = None) -> Any:
        """Let it in, press its button, wait until zigpy has interviewed it."""
        await self.app.permit(60)
        assert await self.here.join(node, parent)
        return await soon(self.initialized.get())

    def cluster(self, node: Node, cluster: int, endpoint: int = 1) -> Any:
        """Zigpy's side of one server cluster."""
        device = self.app.get_device(ieee=zigpy.types.EUI64(node.ieee))
        return device.endpoints[endpoint].in_clusters[cluster]


def settings(path: str, folder: Path, **more: Any) -> dict[str, Any]:
    """Zigpy's configuration: nothing from the internet, no foreign network taken for ours."""
    return {
        "database_path": str(folder / "zigbee.db"),
        "device": {"path": path},
        "ota": {"enabled": False},
        "topology_scan_enabled": False,
        "validate_network_settings": True,
        "znp_config": {"skip_bootloader": False, "led_mode": None},
        **more,
    }


@asynccontextmanager
async def zigpy_host(here: Site, folder: Path, **more: Any) -> AsyncGenerator[Host, None]:
    """Connect, form or take up the network, and let go at the end."""
    config = settings(here.path, folder, **more)
    app = await soon(ControllerApplication.new(config, auto_form=True))
    try:
        yield Host(app, here)
    finally:
        with suppress(Exception):  # after an unplug there is nobody to say goodbye to
            await soon(app.shutdown())


async def soon(work: Any) -> Any:
    """Await, but not for ever."""
    async with asyncio.timeout(ANSWER_S_MAX):
        return await work
