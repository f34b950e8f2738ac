"""Who talks to one lock, and when: one session at a time, with whoever really is that lock."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from appliance.bus.words import LockRefusal
from appliance.kernel.clock import within
from drivers.ble.links import NoLinkError
from drivers.ble.talk import TALK_ERRORS, Talk
from drivers.npk.codes import COMMAND_ID_BYTES, RX_UUID, SERVICE_UUID, TX_UUID, Command
from drivers.npk.collector import LogBrokenError
from drivers.npk.phone import NotThisLockError, PhoneSession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric import ec

    from appliance.kernel.clock import Clock
    from appliance.kernel.tasks import Nursery
    from drivers.ble.courier import Courier
    from drivers.ble.ears import Ears
    from drivers.ble.errands import Errands
    from drivers.ble.links import Links
    from drivers.npk.phone import Greeting

logger = logging.getLogger(__name__)

# Locks advertise every second or two; one that was silent for longer may be out of reach.
HEARD_S_MAX: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """What the sheet says of one lock."""

    name: str
    lock_id: int  # the door's number
    lock_point: bytes
    log_path: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What all locks of a radio stand on."""

    ears: Ears
    links: Links
    clock: Clock
    nursery: Nursery
    presser: ec.EllipticCurvePrivateKey = field(repr=False)
    errands: Errands
    courier: Courier
    zone: dt.tzinfo = dt.UTC  # the house's, for keys with weekly hours


class NotHeardError(Exception):
    """The lock has said nothing in time."""


class NoErrandKeyError(Exception):
    """The box has given this driver no key for errands at that door."""


class RefusedError(Exception):
    """The lock will not have this visitor."""

    def __init__(self, refusal: LockRefusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


# What can become of a visit; each leaves the lock as it was or in a state that can be asked for.
VISIT_ERRORS: Final = (
    NotHeardError,
    NoErrandKeyError,
    RefusedError,
    NoLinkError,
    LogBrokenError,
    OSError,
    *TALK_ERRORS,
)


class Conversations:
    """The sessions of one lock."""

    def __init__(self, fitting: Fitting, ground: Ground) -> None:
        self._fitting = fitting
        self._ground = ground
        self._clock = ground.clock
        self._strangers: set[str] = set()  # addresses at which another lock answered
        self.turn = asyncio.Lock()

    def errand_key(self) -> bytes | None:
        """The credential for visits, None where the box has given none."""
        return self._ground.errands.key(self._fitting.name, self._clock.read().wall_s)

    @asynccontextmanager
    async def visit(self, deadline_s: float) -> AsyncIterator[tuple[Talk, Greeting]]:
        """A session that may ask and set; raises the VISIT_ERRORS."""
        key = self.errand_key()
        if key is None:
            raise NoErrandKeyError
        async with self.talk(key, deadline_s) as talk:
            greeting = await talk.greet()
            verdict = await talk.command(Command.ADMIN, os.urandom(COMMAND_ID_BYTES))
            if not verdict.done:
                raise RefusedError(verdict.refusal or LockRefusal.BUSY)
            yield talk, greeting

    @asynccontextmanager
    async def talk(self, credential: bytes, deadline_s: float) -> AsyncIterator[Talk]:
        """A session not yet begun, with the turn held. Raises NotHeardError, NoLinkError."""
        await self._take_turn(deadline_s)
        try:
            heard = await self._ground.ears.hear(
                self._fitting.name, fresh_s=HEARD_S_MAX, deadline_s=deadline_s, but=self._strangers
            )
            if heard is None:
                # Perhaps it was an impostor's fault that its address was put on the list.
                self._strangers.clear()
                raise NotHeardError
            session = PhoneSession(
                key=self._ground.presser,
                credential=credential,
                lock_id=self._fitting.lock_id,
                lock_point=self._fitting.lock_point,
            )
            async with self._ground.links.to(
                heard.device, deadline_s, service=SERVICE_UUID, write=TX_UUID, notify=RX_UUID
            ) as link:
                try:
                    yield Talk(link, session, clock=self._clock, deadline_s=deadline_s)
                except NotThisLockError:
                    self._strangers.add(heard.device.address)
                    logger.warning("another lock answers where %s should be", self._fitting.name)
                    raise
        finally:
            self.turn.release()

    async def _take_turn(self, deadline_s: float) -> None:
        taking = asyncio.ensure_future(self.turn.acquire())
        try:
            await within(self._clock, max(0.0, deadline_s - self._clock.monotonic()), taking)
        except BaseException as error:
            # It may have been given to us in this very turn of the loop.
            if taking.done() and not taking.cancelled():
                self.turn.release()
            taking.cancel()
            if isinstance(error, TimeoutError):
                raise NoLinkError("the lock is busy with somebody else") from None
            raise
