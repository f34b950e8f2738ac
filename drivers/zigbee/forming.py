"""How a stick comes to carry our network: formed once, restored when it is new, never taken over."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# Between and beyond the Wi-Fi channels 1, 6 and 11; 25 first, because most hotels use all three.
CHANNELS: Final = (25, 20, 15, 11)
# Readings this near to each other (of 255) are the same: one scan lasts a quarter of a second.
SAME_QUIET: Final = 12


class Start(StrEnum):
    """What is done with the stick that was found."""

    USE = "use"
    RESTORE = "restore"
    FORM = "form"
    FOREIGN = "foreign"  # it carries a network that is not ours
    PERSON = "person"  # things are known and no backup is left: forming would orphan them all


def decide(
    *, carries: bool, ours: bool, backed_up: bool, virgin: bool, adopt: bool = False
) -> Start:
    """What to do. `ours`: what it carries is the network of the newest backup."""
    if carries:
        return Start.USE if ours or (adopt and not backed_up) else Start.FOREIGN
    if backed_up:
        return Start.RESTORE
    return Start.FORM if virgin else Start.PERSON


def quietest(energy: Mapping[int, float]) -> int:
    """The channel to form on, from an energy scan (0 quiet to 255 loud)."""
    heard = {channel: energy.get(channel, 255.0) for channel in CHANNELS}
    least = min(heard.values())
    return next(channel for channel in CHANNELS if heard[channel] <= least + SAME_QUIET)


async def scan(app: Any) -> dict[int, float]:
    """How loud each of the 16 channels is, 0 to 255."""
    from zigpy.types import Channels  # noqa: PLC0415 - the stack is loaded where a stick is

    found = await app.energy_scan(channels=Channels.ALL_CHANNELS, duration_exp=4, count=1)
    return {int(channel): float(value) for channel, value in found.items()}


async def form(app: Any) -> int:
    """Form a network of this property's own on the quietest channel; returns the channel.

    A stick scans only while it runs a network, so a passing one comes first. Keys, PAN and
    extended PAN id are zigpy's, from the system's randomness: no two properties share one.
    """
    import zigpy.config as conf  # noqa: PLC0415 - the stack is loaded where a stick is

    await app.form_network(fast=True)
    await app.start_network()
    channel = quietest(await scan(app))
    app.config[conf.CONF_NWK][conf.CONF_NWK_CHANNEL] = channel
    try:
        await app.form_network()
    finally:
        app.config[conf.CONF_NWK][conf.CONF_NWK_CHANNEL] = None
    return channel
