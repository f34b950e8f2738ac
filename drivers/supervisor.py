"""Keeps one radio running: again after it was lost, anew when it hangs, never against its word.

It is the `House` that the radio reports to: everything is written down before it is said.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from appliance.bus.words import (
    DeviceKind,
    EventKind,
    LockRefusal,
    LockState,
    Outcome,
    RadioState,
    State,
    TunnelFrame,
    Verb,
    encode,
)
from appliance.kernel.clock import sleep, within
from appliance.kernel.discreet import where
from drivers.outbox import OWN_KEY
from drivers.port import (
    Alarm,
    Device,
    Evidence,
    Happening,
    NeedsPersonError,
    Radio,
    RadioLostError,
    Told,
)

if TYPE_CHECKING:
    from appliance.kernel.clock import Clock
    from appliance.kernel.tasks import Nursery
    from drivers.desk import Desk
    from drivers.keep import Keep
    from drivers.outbox import Outbox
    from drivers.shown import Shown
    from drivers.switchboard import Switchboard

logger = logging.getLogger(__name__)

# Pauses after a radio was lost; the last one is repeated. A stick is back 2 to 5 s after a reset.
PAUSES_S: Final = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0)
# A radio that served for a minute did not fall over its own start.
SETTLED_S: Final = 60.0
# Ten seconds without falling over: it runs, whether or not anything was heard.
RUNS_S: Final = 10.0
# A radio closes its port within this, or a new process does it.
CLOSE_S_MAX: Final = 10.0
# How the radio stands is said at least this often, so that its age means something.
SAY_S: Final = 60.0
# What an event of a device proves of the order it names.
_PROVES: Final = {
    (Verb.UNLOCK, EventKind.UNLOCKED): Outcome.DONE,
    (Verb.LOCK, EventKind.LOCKED): Outcome.DONE,
    (Verb.UNLOCK, EventKind.JAMMED): Outcome.REFUSED,
    (Verb.LOCK, EventKind.JAMMED): Outcome.REFUSED,
    (Verb.UNLOCK, EventKind.REFUSED): Outcome.REFUSED,
    (Verb.OPEN_VALVE, EventKind.VALVE_OPENED): Outcome.DONE,
    (Verb.CLOSE_VALVE, EventKind.VALVE_CLOSED): Outcome.DONE,
}


class Supervisor:
    """One radio's life, and the house it reports to."""

    def __init__(  # noqa: PLR0913 - the parts of one driver, each by its own name
        self,
        radio: Radio,
        *,
        switchboard: Switchboard,
        keep: Keep,
        outbox: Outbox,
        shown: Shown,
        clock: Clock,
        nursery: Nursery,
        point: bytes | None = None,
    ) -> None:
        """`point` is the 65-byte key with which this driver presses NPK locks."""
        self._radio = radio
        self._switchboard = switchboard
        self._keep = keep
        self._outbox = outbox
        self._shown = shown
        self._clock = clock
        self._nursery = nursery
        self._point = point
        self._desks: Mapping[str, Desk] = {}
        self._hung: asyncio.Future[str] | None = None
        self._serving = False
        self._since_ms = clock.read().wall_ms
        self._restarts = 0
        self._changed = asyncio.Event()

    @property
    def serving(self) -> bool:
        """Whether the radio runs, as far as anybody can tell."""
        return self._serving

    def reach(self, name: str) -> Device | None:
        """A thing, while the radio runs."""
        return self._radio.devices.get(name) if self._serving else None

    def start(self, desks: Mapping[str, Desk]) -> None:
        """Begin to run the radio, and to say how it stands."""
        self._desks = desks
        for attempt in self._keep.unknowns():
            if attempt.device in desks:
                desks[attempt.device].take_up(attempt)
        self._nursery.deadly("radio", self._keep_running())
        self._nursery.deadly("radio state", self._keep_saying())

    def hung(self, device: str) -> None:
        """A call never came back: the radio is to be started anew."""
        if self._hung is not None and not self._hung.done():
            self._hung.set_result(device)

    # -- the radio's life ------------------------------------------------------------------

    async def _keep_running(self) -> None:
        falls = 0
        while True:
            started_s = self._clock.monotonic()
            if not await self._live():
                # Trying again could do harm; a new process is a person's decision.
                await asyncio.get_running_loop().create_future()
            lived_s = self._clock.monotonic() - started_s
            falls = 0 if lived_s >= SETTLED_S else falls + 1
            self._restarts += 1
            await sleep(self._clock, PAUSES_S[min(falls, len(PAUSES_S) - 1)])

    async def _live(self) -> bool:
        """One life of the radio; False where it may not have another."""
        self._hung = asyncio.get_running_loop().create_future()
        self._turn(serving=True)
        running = asyncio.ensure_future(self._radio.run(self))
        watching = asyncio.ensure_future(self._runs())
        try:
            either: set[asyncio.Future[Any]] = {running, self._hung}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                logger.error("the radio hangs: %s never came back", self._hung.result())
                await self.alarm(Alarm.RADIO_HUNG)
                return True
            error = None if running.cancelled() else running.exception()
            if isinstance(error, NeedsPersonError):
                logger.error("the radio is not used until somebody has looked: %s", error)
                await self.alarm(Alarm.RADIO_FOREIGN)
                return False
            if isinstance(error, RadioLostError):
                logger.warning("the radio was lost: %s", error)
            else:
                logger.error("the radio ended: %s", "returned" if error is None else where(error))
            await self.alarm(Alarm.RADIO_LOST)
            return True
        finally:
            watching.cancel()
            self._turn(serving=False)
            await self._end(running)
            for name in self._switchboard.online():
                await self._switchboard.present(name, online=False)

    async def _end(self, running: asyncio.Future[None]) -> None:
        if running.done():
            return
        running.cancel()
        ended = asyncio.ensure_future(asyncio.wait({running}))
        try:
            await within(self._clock, CLOSE_S_MAX, ended)
        except TimeoutError:
            raise RuntimeError("the radio does not let go of its port") from None

    async def _runs(self) -> None:
        await sleep(self._clock, RUNS_S)
        await self._alive()

    async def _alive(self) -> None:
        for alarm in (Alarm.RADIO_LOST, Alarm.RADIO_HUNG, Alarm.RADIO_FOREIGN):
            await self.alarm(alarm, on=False)

    def _turn(self, *, serving: bool) -> None:
        self._serving = serving
        self._since_ms = self._clock.read().wall_ms
        self._changed.set()

    # -- how it stands ---------------------------------------------------------------------

    def state(self) -> RadioState:
        """How the radio stands, for the bus."""
        return RadioState(
            up=self._serving,
            since_ms=self._since_ms,
            wall_ms=self._clock.read().wall_ms,
            restarts=self._restarts,
            devices=len(self._radio.devices),
            unknown_orders=self._keep.unknown_count(),
            names=tuple(self._desks),
            alarms=tuple(sorted(self._shown.alarms.items())),
            point=None if self._point is None else self._point.hex(),
        )

    async def _keep_saying(self) -> None:
        while True:
            self._changed.clear()
            self._shown.store()
            await self._switchboard.radio(self.state())
            changed = asyncio.ensure_future(self._changed.wait())
            try:
                await within(self._clock, SAY_S, changed)
            except TimeoutError:
                continue
            finally:
                changed.cancel()

    # -- the house -------------------------------------------------------------------------

    async def happened(self, device: str, what: Happening) -> None:
        """An event; on disk when this returns, and the proof of an order with it."""
        if what.own_seq is not None and self._is_numbered_here(device):
            # The desk's own refusals share these numbers, so the device's can only tell repeats.
            what = replace(what, own_seq=None, key=f"{OWN_KEY}{what.own_seq}")
        event = self._outbox.add(device, what, self._clock.read())
        if event is not None:
            self._switchboard.ring()
            if (told := self._proof(device, what, event.seq)) is not None:
                assert what.order_id is not None
                await self.settled(device, what.order_id, told)

    async def stated(self, device: str, state: State) -> None:
        """A thing's state; where we number its events and keep its door, it says so."""
        if isinstance(state, LockState) and self._is_numbered_here(device):
            desk = self._desks.get(device)
            generation = None if desk is None else desk.generation
            state = replace(
                state,
                seq=self._outbox.last_seq(device),
                generation=state.generation if generation is None else generation,
            )
        await self._switchboard.state(device, encode(state))

    async def present(self, device: str, *, online: bool) -> None:
        """Whether a thing can be reached."""
        await self._switchboard.present(device, online=online)
        if online:
            await self._alive()
            if device in self._desks:
                self._desks[device].came_back()

    async def measured(self, device: str, values: dict[str, float]) -> None:
        """Telemetry."""
        await self._switchboard.measured(device, values)

    async def settled(self, device: str, order_id: str, told: Told) -> None:
        """Evidence about an order that was UNKNOWN."""
        if device in self._desks:
            await self._desks[device].settled(order_id, told)
            self._changed.set()

    async def alarm(self, alarm: Alarm, *, device: str | None = None, on: bool = True) -> None:
        """Raise or clear; the time since when it holds stays, also over a restart."""
        if self._shown.alarm(alarm, device, self._clock.read().wall_ms, on=on):
            self._changed.set()

    async def tunnelled(self, device: str, frame: TunnelFrame) -> None:
        """A frame of a lock for a phone."""
        await self._switchboard.frame(device, frame)

    def _is_numbered_here(self, name: str) -> bool:
        device = self._radio.devices.get(name)
        return device is not None and device.kind is DeviceKind.LOCK and not device.decides

    def _proof(self, device: str, what: Happening, seq: int) -> Told | None:
        attempt = None if what.order_id is None else self._keep.attempt(device, what.order_id)
        if attempt is None:
            return None
        outcome = _PROVES.get((Verb(attempt.verb), what.kind))
        if outcome is None:
            return None
        refusal = what.refusal
        if what.kind is EventKind.JAMMED:
            refusal = LockRefusal.JAMMED
        return Told(outcome=outcome, evidence=(Evidence.EVENT,), refusal=refusal, seq=seq)
