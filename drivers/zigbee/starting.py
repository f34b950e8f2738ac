"""How a stick is brought up: with which settings of the stack, and with whose network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from drivers.port import NeedsPersonError
from drivers.zigbee.backup import Backups, restore, same_network
from drivers.zigbee.forming import Start, decide, form
from drivers.zigbee.stack import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# The stack's own; it may be rebuilt, and holds the network's key.
DATABASE: Final = "zigpy.db"


def stack_config(
    kind: Kind, port: str, folder: Path, options: Mapping[str, str | float | bool]
) -> dict[str, Any]:
    """The stack's settings, raw: checked ones break `new` (zigbee.md section 3)."""
    device: dict[str, Any] = {"path": port}
    if "baudrate" in options:
        device["baudrate"] = int(options["baudrate"])
    config: dict[str, Any] = {
        "database_path": str(folder / DATABASE),
        "device": device,
        "ota": {"enabled": False},  # would fetch firmware lists from the internet
        "topology_scan_enabled": False,
        "backup_enabled": False,  # ours are verified and kept apart
        "watchdog_enabled": False,  # ours is four times faster
        "validate_network_settings": True,
    }
    if kind is Kind.ZNP:
        config["znp_config"] = {"skip_bootloader": False, "led_mode": None}
    return config


async def bring_up(app: Any, backups: Backups, *, virgin: bool, adopt: bool, now_ms: int) -> Start:
    """Connect, and start the network that is ours; returns what was done for it.

    Raises NeedsPersonError where the stick carries another one, or where forming would leave known
    things behind; anything else that is raised means that the stick does not work.
    """
    from zigpy.exceptions import (  # noqa: PLC0415 - the stack is loaded where a stick is
        NetworkNotFormed,
        NetworkSettingsInconsistent,
    )

    await app.connect()
    newest = backups.newest()
    try:
        await app.load_network_info(load_devices=False)
        carries = True
    except NetworkNotFormed:
        carries = False
    start = decide(
        carries=carries,
        ours=newest is not None and same_network(newest, app.backups.from_network_state()),
        backed_up=newest is not None,
        virgin=virgin,
        adopt=adopt,
    )
    match start:
        case Start.FORM:
            await form(app)
        case Start.RESTORE:
            await restore(app, newest, now_ms)
        case Start.FOREIGN:
            raise NeedsPersonError(
                "this stick carries a network that is not this property's: put the right one"
                " back, or an empty one, and the things are taken over from the backup"
            )
        case Start.PERSON:
            raise NeedsPersonError(
                "the stick is empty and there is no backup: forming a new network would leave the"
                " things of the old one behind; put a backup into the folder `backups`"
            )
        case Start.USE:
            pass
    try:
        await app.initialize(auto_form=False)
    except NetworkSettingsInconsistent as error:
        raise NeedsPersonError(
            "this stick carries other settings than the last backup: put the right one back"
        ) from error
    if start is Start.FORM:
        # Before anything joins: a stick that dies now is restored, not taken for a foreign one.
        await backups.take(app, [])
    return start
