"""The reference lock on a Bluetooth radio, virtual or real: links in, frames through, hung up in time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from bumble.gatt import Characteristic, CharacteristicValue, Service

from appliance.kernel.clock import within
from drivers.npk.codes import INFO_UUID, RX_UUID, SERVICE_UUID, TX_UUID
from drivers.npk.frames import VALUE_BYTES_MAX, VALUE_BYTES_MIN
from twin.ble.peripheral import Ends, Manner, P, Peripheral, uuid

if TYPE_CHECKING:
    from bumble.device import Connection

    from appliance.kernel.clock import Clock
    from drivers.npk.body import Cause
    from drivers.npk.codes import Status
    from drivers.npk.session import LockSession, Out
    from twin.npk_lock import NpkLock

logger = logging.getLogger(__name__)

# Frames that a phone may have in the air before we have looked at one; more is a flood.
FRAMES_WAITING_MAX: Final = 256
# A host whose link ends behind the last notification may drop it unread: BlueZ sees the end first
# (on an emulated machine always, on a busy one now and then). Longer than any such host needs.
LINGER_S: Final = 0.5
# The advertisement is looked at this often: flags change by time alone.
LOOK_S: Final = 10.0


class PowerCut(StrEnum):
    """When the cells fall out, in the middle of an unlock."""

    BEFORE_MOVE = "before_move"
    AFTER_MOVE = "after_move"


class PowerCutError(Exception):
    """The lock is dark in this instant."""


@dataclass(slots=True)
class _Talk:
    """One link and what waits in it."""

    session: LockSession
    frames: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(FRAMES_WAITING_MAX))
    gone: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class BleLock(Peripheral):
    """One lock. `make` builds it anew on the same flash: that is what a restart is."""

    def __init__(
        self, ends: Ends, manner: Manner, *, make: Callable[[], NpkLock], clock: Clock
    ) -> None:
        super().__init__(ends, manner)
        self._make = make
        self._clock = clock
        self._talks: dict[int, _Talk] = {}
        self._relock: asyncio.TimerHandle | None = None
        self.lock = make()
        self.power_cut: PowerCut | None = None  # at the next unlock
        self.tell_twice = False  # every notification, as BlueZ does
        self.mute_after: int | None = None  # so many frames are told, and then none
        self.heard = 0  # values written by phones, for whoever counts
        self._rx = Characteristic(RX_UUID, P.NOTIFY, Characteristic.READABLE, b"")
        tx: Characteristic[bytes] = Characteristic(
            TX_UUID,
            P.WRITE | P.WRITE_WITHOUT_RESPONSE,
            Characteristic.WRITEABLE,
            CharacteristicValue(write=self._written),
        )
        info: Characteristic[bytes] = Characteristic(
            INFO_UUID,
            P.READ,
            Characteristic.READABLE,
            CharacteristicValue(read=lambda _connection: self.lock.info()),
        )
        self.device.add_services([Service(uuid(SERVICE_UUID), [info, tx, self._rx])])
        self._arm_body()

    def advertisement(self) -> bytes:
        """Flags and tag, as they are now."""
        return self.lock.advertisement()

    async def start(self) -> None:
        """Switch on, be seen, and look at the time now and then."""
        await super().start()
        self._do(self._live())

    async def stop(self) -> None:
        """Switch off."""
        for task in list(self._work):
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)

    async def restart(self) -> None:
        """The cells fall out and are put back: every link ends, and only flash is left."""
        self.lock = self._make()
        self._arm_body()
        for connection in list(self.device.connections.values()):
            await self.hang_up(connection)

    def connected(self, connection: Connection) -> None:
        """A phone is here; a lock that has enough of them hangs up."""
        session = self.lock.core.connect(_room(connection))
        if session is None:
            self._do(self.hang_up(connection))
            return
        talk = self._talks[connection.handle] = _Talk(session)
        self._do(self._talk(connection, talk))

    def disconnected(self, connection: Connection) -> None:
        """It is gone; be seen again, with what has changed."""
        talk = self._talks.pop(connection.handle, None)
        if talk is not None:
            talk.session.close()
            if not talk.gone.done():
                talk.gone.set_result(None)
        super().disconnected(connection)

    def _written(self, connection: Connection | None, value: bytes) -> None:
        self.heard += 1
        talk = None if connection is None else self._talks.get(connection.handle)
        if talk is not None and not talk.frames.full():
            talk.frames.put_nowait(value)

    async def _talk(self, connection: Connection, talk: _Talk) -> None:
        """One link until it ends: a frame at a time, and no longer than the session allows."""
        session = talk.session
        while connection.handle in self._talks:
            getting = asyncio.ensure_future(talk.frames.get())
            left_s = (session.due_ms() - self.lock.body.uptime_ms()) / 1000
            try:
                frame = await within(self._clock, max(0.0, left_s) + 0.001, getting)
            except TimeoutError:
                out = session.tick()
            else:
                session.value_bytes = _room(connection)
                try:
                    out = session.feed(frame)
                except PowerCutError:
                    await self.restart()
                    return
            finally:
                getting.cancel()
            await self._give(connection, out)
            self._arm_relock()
            if out.hang_up:
                if out.frames:
                    await self._linger(talk)
                await self.hang_up(connection)
                return

    async def _linger(self, talk: _Talk) -> None:
        """Let the last word be read: whoever has it hangs up by himself."""
        with contextlib.suppress(TimeoutError):
            await within(self._clock, LINGER_S, talk.gone)

    async def _give(self, connection: Connection, out: Out) -> None:
        for frame in out.frames:
            if self.mute_after is not None:
                if self.mute_after <= 0:
                    continue
                self.mute_after -= 1
            for _ in range(2 if self.tell_twice else 1):
                await self.tell(connection, self._rx, frame)

    async def _live(self) -> None:
        while True:
            try:
                never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                await within(self._clock, LOOK_S, never)
            except TimeoutError:
                self.lock.tick()
            await self.look()

    def type_pin(self, digits: str) -> Status:
        """A guest stands at the keypad."""
        status = self.lock.try_pin(digits)
        self._arm_relock()
        return status

    async def look(self) -> None:
        """Say anew what has changed since it was said."""
        if self.lock.advertisement() != self._advertised:
            await self.advertise()

    def _arm_relock(self) -> None:
        if self._relock is not None:
            self._relock.cancel()
            self._relock = None
        due_ms = self.lock.due_ms()
        if due_ms is not None:
            left_s = max(0.0, (due_ms - self._clock.read().wall_ms) / 1000)
            loop = asyncio.get_running_loop()
            self._relock = loop.call_later(left_s + 0.001, self._lock_again)

    def _lock_again(self) -> None:
        self.lock.tick()
        self._arm_relock()
        self._do(self.look())

    def _arm_body(self) -> None:
        """Let the cells fall out where a test wants them to."""
        body = self.lock.body
        unlock = body.unlock

        def unlock_or_die(cause: Cause, *, hold: bool) -> bool:
            cut, self.power_cut = self.power_cut, None
            if cut is PowerCut.BEFORE_MOVE:
                raise PowerCutError
            moved = unlock(cause, hold=hold)
            if cut is PowerCut.AFTER_MOVE:
                raise PowerCutError
            return moved

        body.unlock = unlock_or_die  # type: ignore[method-assign]  # the fault is in the metal


def _room(connection: Connection) -> int:
    return min(max(connection.att_mtu - 3, VALUE_BYTES_MIN), VALUE_BYTES_MAX)
