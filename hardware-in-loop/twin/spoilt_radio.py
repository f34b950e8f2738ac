"""Locks behind a radio that suffers, and the truth about their bolts: for tests of drivers."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from appliance.bus.words import DeviceKind, LockRefusal, Order, Outcome
from appliance.kernel.clock import sleep
from drivers.port import Attempt, Evidence, RadioLostError, Told

if TYPE_CHECKING:
    from appliance.bus.words import State
    from appliance.kernel.tasks import Nursery
    from appliance.kernel.virtual_clock import VirtualClock
    from drivers.port import Device, House, Pin

# What a person waits (DESIGN section 8).
EXPIRES_MS: Final = 8_000


class Weather(StrEnum):
    """What happens to one command between driver and bolt."""

    FINE = "fine"
    LOST_REQUEST = "lost_request"
    LOST_ANSWER = "lost_answer"
    LATE_ANSWER = "late_answer"
    REPORTED_FAILED = "reported_failed"  # delivered, and the stack says that it was not
    NEVER_LEFT = "never_left"
    JAMMED = "jammed"
    LIES = "lies"  # says DONE before the motor moves
    LATE_FIRE = "late_fire"  # moves after the deadline, and says nothing
    HANGS = "hangs"
    RADIO_LOST = "radio_lost"


# Four in ten commands are spoilt; the stick itself goes rarely, or there would be little to press.
USUAL: Final = (
    (Weather.FINE,) * 36
    + (
        Weather.LOST_REQUEST,
        Weather.LOST_ANSWER,
        Weather.LATE_ANSWER,
        Weather.REPORTED_FAILED,
        Weather.NEVER_LEFT,
        Weather.JAMMED,
        Weather.LIES,
        Weather.LATE_FIRE,
    )
    * 3
    + (Weather.HANGS, Weather.RADIO_LOST)
)


@dataclass(slots=True)
class Bolts:
    """The truth: what moved how often, kept where no driver can write."""

    clock: VirtualClock
    nursery: Nursery
    chance: random.Random
    moves: Counter[str] = field(default_factory=Counter)
    in_the_air: set[str] = field(default_factory=set)
    weather: Counter[Weather] = field(default_factory=Counter)

    def move(self, order_id: str, after_s: float = 0.0) -> None:
        """The motor runs for this command, now or when it has thought about it."""
        if not after_s:
            self.moves[order_id] += 1
            return
        self.in_the_air.add(order_id)
        self.nursery.mortal("bolt", self._later(order_id, after_s))

    async def _later(self, order_id: str, after_s: float) -> None:
        await sleep(self.clock, after_s)
        self.moves[order_id] += 1
        self.in_the_air.discard(order_id)


class SpoiltLock:
    """A lock behind a radio that suffers; it may or may not remember what it did."""

    kind = DeviceKind.LOCK
    decides = True

    def __init__(self, name: str, radio: SpoiltRadio, *, remembers: bool) -> None:
        self.name = name
        self._radio = radio
        self._bolts = radio.bolts
        self._remembers = remembers

    async def carry_out(
        self,
        order: Order,
        *,
        deadline_s: float,
        pin: Pin | None = None,  # noqa: ARG002 - the port's
    ) -> Told:
        """One command into the weather."""
        bolts = self._bolts
        weather = bolts.chance.choice(self._radio.weathers)
        bolts.weather[weather] += 1
        await sleep(bolts.clock, bolts.chance.uniform(0.0, 0.5))
        self._reach_bolt(order.id, weather, deadline_s)
        match weather:
            case Weather.FINE | Weather.LIES:
                return _told(Outcome.DONE, Evidence.ANSWER)
            case Weather.NEVER_LEFT:
                return _told(Outcome.NOT_SENT, Evidence.NEVER_LEFT)
            case Weather.JAMMED:
                return _told(Outcome.REFUSED, Evidence.ANSWER, LockRefusal.JAMMED)
            case Weather.REPORTED_FAILED:
                raise ConnectionError
            case Weather.HANGS:
                await asyncio.get_running_loop().create_future()
            case Weather.RADIO_LOST:
                self._radio.lose()
                return _told(Outcome.UNKNOWN, Evidence.LINK_LOST)
            case Weather.LATE_ANSWER:
                self._radio.say_later(self.name, order.id)
            case Weather.LOST_REQUEST | Weather.LOST_ANSWER | Weather.LATE_FIRE:
                pass
        await bolts.clock.sleep_until(deadline_s)
        return _told(Outcome.UNKNOWN, Evidence.DEADLINE)

    def _reach_bolt(self, order_id: str, weather: Weather, deadline_s: float) -> None:
        bolts = self._bolts
        match weather:
            case Weather.NEVER_LEFT | Weather.JAMMED | Weather.LOST_REQUEST:
                pass
            case Weather.RADIO_LOST | Weather.HANGS if bolts.chance.random() < 0.5:
                pass  # it went before the frame did
            case Weather.LATE_FIRE:
                bolts.move(order_id, after_s=deadline_s - bolts.clock.monotonic() + 3.0)
            case Weather.LIES:
                bolts.move(order_id, after_s=2.0)
            case _:
                bolts.move(order_id)

    async def find_out(self, attempt: Attempt) -> Told | None:
        """What it remembers; half of them remember nothing."""
        await sleep(self._bolts.clock, 0.2)
        if not self._remembers or attempt.order_id in self._bolts.in_the_air:
            return None
        if self._bolts.moves[attempt.order_id]:
            return _told(Outcome.DONE, Evidence.STATE_READ)
        if self._bolts.clock.read().wall_ms <= attempt.expires_at_ms + EXPIRES_MS:
            return None
        return _told(Outcome.REFUSED, Evidence.STATE_READ, LockRefusal.EXPIRED)

    async def state(self) -> State | None:
        """Nothing to say."""
        return None


class SpoiltRadio:
    """Locks, and a stick that is pulled out now and then."""

    def __init__(self, bolts: Bolts, names: tuple[str, ...], weathers: tuple[Weather, ...]) -> None:
        self.bolts = bolts
        self.weathers = weathers
        self.devices: dict[str, Device] = {
            name: SpoiltLock(name, self, remembers=number % 2 == 0)
            for number, name in enumerate(names)
        }
        self._house: House | None = None
        self._lost = asyncio.Event()

    async def run(self, house: House) -> None:
        """Serve until the stick is gone."""
        self._house = house
        self._lost.clear()
        for name in self.devices:
            await house.present(name, online=True)
        await self._lost.wait()
        raise RadioLostError("somebody pulled it out")

    def lose(self) -> None:
        """Pull the stick."""
        self._lost.set()

    def say_later(self, name: str, order_id: str) -> None:
        """The answer comes after everybody has gone, or never: then the driver has died."""
        self.bolts.nursery.mortal("late answer", self._late(name, order_id))

    async def _late(self, name: str, order_id: str) -> None:
        await sleep(self.bolts.clock, self.bolts.chance.uniform(1.0, 30.0))
        assert self._house is not None
        with contextlib.suppress(sqlite3.Error):
            await self._house.settled(name, order_id, _told(Outcome.DONE, Evidence.LATE_ANSWER))


def _told(outcome: Outcome, evidence: Evidence, refusal: LockRefusal | None = None) -> Told:
    return Told(outcome=outcome, evidence=(evidence,), refusal=refusal)
