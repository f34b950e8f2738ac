"""Phones' frames on their way to locks: in order, unread, and never more than a lock can take."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from appliance.bus.words import TunnelFrame
from appliance.kernel.discreet import where

if TYPE_CHECKING:
    from appliance.kernel.tasks import Nursery
    from drivers.port import Device

logger = logging.getLogger(__name__)

# A handshake has four messages of at most eight frames; twice that, for two phones at a door.
FRAMES_WAITING_MAX: Final = 64


class Tunnels:
    """One lane for each lock, so that a slow connect holds up neither the bus nor another lock."""

    def __init__(
        self,
        *,
        nursery: Nursery,
        reach: Callable[[str], Device | None],
        back: Callable[[str, TunnelFrame], Awaitable[None]],
    ) -> None:
        """`back` sends a frame to the phone."""
        self._nursery = nursery
        self._reach = reach
        self._back = back
        self._lanes: dict[str, deque[TunnelFrame]] = {}

    async def take(self, device: str, frame: TunnelFrame) -> None:
        """Queue a phone's frame; one too many hangs its session up."""
        lane = self._lanes.get(device)
        if lane is None:
            lane = self._lanes[device] = deque([frame])
            self._nursery.mortal(f"tunnel {device}", self._drain(device, lane))
        elif len(lane) < FRAMES_WAITING_MAX or frame.end:
            lane.append(frame)
        else:
            await self._hang_up(device, frame, "busy")

    async def _drain(self, device: str, lane: deque[TunnelFrame]) -> None:
        try:
            while lane:
                await self._pass_on(device, lane.popleft())
        finally:
            self._lanes.pop(device, None)

    async def _pass_on(self, device: str, frame: TunnelFrame) -> None:
        lock = self._reach(device)
        tunnel = getattr(lock, "tunnel", None)
        if lock is None or tunnel is None:
            await self._hang_up(device, frame, "no_radio" if lock is None else "not_supported")
            return
        try:
            await tunnel(frame)
        except Exception as error:  # noqa: BLE001 - one session's trouble
            logger.info("a tunnel to %s broke: %s", device, where(error))
            await self._hang_up(device, frame, "broke")

    async def _hang_up(self, device: str, frame: TunnelFrame, why: str) -> None:
        if not frame.end:
            await self._back(
                device, TunnelFrame(session=frame.session, number=0, end=True, why=why)
            )
