"""Tasks that have a name, an owner, and an end that is noticed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from appliance.kernel.discreet import where

logger = logging.getLogger(__name__)

T = TypeVar("T")

# A task that ends may start another one to clean up, and that one once more; more is a loop.
CLOSING_ROUNDS_MAX = 8


class Nursery:
    """Owns the background tasks of one role.

    `deadly` work is the process: its end, by return or by exception, calls `on_death` once and
    the role stops, so that its supervisor starts it again. `mortal` work may end alone.
    """

    def __init__(self, on_death: Callable[[str, BaseException | None], None]) -> None:
        self._on_death = on_death
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closing = False

    def deadly(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start work whose end is the role's end."""
        task = self._start(name, work)
        task.add_done_callback(self._mourn)
        return task

    def mortal(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start work that may end alone; what it raises is logged."""
        task = self._start(name, work)
        task.add_done_callback(self._note)
        return task

    async def close(self) -> None:
        """Cancel everything and wait until each has cleaned up."""
        self._closing = True
        for _ in range(CLOSING_ROUNDS_MAX):
            waiting = [task for task in self._tasks if not task.done()]
            if not waiting:
                return
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    def _start(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _note(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("task %s ended: %s", task.get_name(), where(error))

    def _mourn(self, task: asyncio.Task[Any]) -> None:
        self._note(task)
        if not self._closing:
            self._on_death(task.get_name(), None if task.cancelled() else task.exception())


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Run to completion even if the waiter is cancelled, then let the cancellation through.

    A transaction or a hardware sequence that is cancelled half way leaves the connection inside
    the transaction, or the relay closed.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():  # cancelled again while it waits: the work still has its end
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.warning("work whose waiter had gone raised: %s", where(error))
        raise
