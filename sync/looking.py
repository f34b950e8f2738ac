"""Looks that may break: one that raises is shown to a person and stops nobody else (law 5)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from appliance.kernel.clock import Clock
from appliance.kernel.discreet import where

logger = logging.getLogger(__name__)


class Looks:
    """Runs looks at vendors, by name, and remembers which of them broke."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._broken: dict[str, tuple[int, str]] = {}

    async def safely(self, name: str, look: Callable[[], Awaitable[bool]]) -> bool | None:
        """What the look says; None: it broke here, and soon again is no better."""
        try:
            done = await look()
        except Exception as error:  # noqa: BLE001 - a row that nobody foresaw is one vendor's matter
            logger.error("%s: a look broke: %s", name, where(error))  # noqa: TRY400 - see `where`
            since_ms, _ = self._broken.get(name, (self._clock.read().wall_ms, ""))
            self._broken[name] = (since_ms, type(error).__name__)
            return None
        if done:
            self._broken.pop(name, None)
        return done

    def parked(self) -> list[dict[str, Any]]:
        """What broke, in the form of the report."""
        return [
            {
                "id": f"look:{name}",
                "entity": name,
                "sentence": f"Nightporter itself failed while it read {name} ({kind}); it tries"
                " again by itself, and until then nothing new is learned from there",
                "since_ms": since_ms,
            }
            for name, (since_ms, kind) in self._broken.items()
        ]
