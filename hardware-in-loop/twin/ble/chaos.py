"""Presses over a faulted virtual air: links cut at any frame, locks that die, leave or say nothing.

The driver is the real one, whole but for its desk; the truth is counted at the bolts.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import ec

from appliance.bus.words import DeviceKind, Order, Outcome, Verb
from appliance.kernel import cose
from appliance.kernel.clock import sleep
from appliance.kernel.tasks import Nursery
from drivers.ble.radio import BleRadio
from drivers.ble.stack import Stack
from drivers.ble.things import salt_of
from drivers.npk.codes import command_id
from drivers.port import Attempt
from drivers.radios import Setting, Thing
from twin.ble.air import Air, Crossing, Fate
from twin.ble.backend import VirtualClient, VirtualScanner, adapter_on
from twin.ble.central import Central
from twin.ble.npk_lock import BleLock, PowerCut
from twin.ble.peripheral import Ends, Manner
from twin.ble.virtual_loop import LoopClock, run_at_once
from twin.door_chaos import Tally
from twin.flash import Flash
from twin.journal import Journal
from twin.npk_lock import NpkIdentity, NpkLock

if TYPE_CHECKING:
    from appliance.bus.words import State, TunnelFrame
    from drivers.port import Alarm, Happening, Told

LOCKS: Final = 3
FIRST_DOOR: Final = 100
# Commands of one corridor, so that a seed that finds something is short to tell.
CORRIDOR_MAX: Final = 100
PRESS_S: Final = 8.0
# Visits come back after a minute or two where the air is quiet.
SETTLE_S: Final = 180.0
MTUS: Final = (23, 185, 247, 517)
_PROPERTY: Final = "chaos"


class Fault(StrEnum):
    """What happens to one press."""

    NONE = "nothing"
    CUT = "link cut at a frame"
    CUT_AFTER = "link cut behind a frame"
    TWICE = "frames told twice"
    DIES_BEFORE = "lock dies before the motor"
    DIES_AFTER = "lock dies after the motor"
    MUTE = "lock says no more"
    LEAVES = "lock out of reach"
    RESTARTS = "lock starts anew"
    DRIVER = "driver killed"
    ADAPTER = "adapter switched off and on"


# Half of the presses suffer something; a quiet one in between shows that nothing stays broken.
_CHANCES: Final = dict.fromkeys(Fault, 1.0) | {
    Fault.NONE: 6.0,
    Fault.CUT: 4.0,
    Fault.CUT_AFTER: 4.0,
}


async def try_air(commands: int, seed: int) -> Tally:
    """So many presses, on virtual time, beside whatever this loop does."""
    return await asyncio.to_thread(_all, commands, seed)


def _all(commands: int, seed: int) -> Tally:
    total = Tally()
    for number in range(0, commands, CORRIDOR_MAX):
        count = min(CORRIDOR_MAX, commands - number)
        total.add(run_at_once(_corridor(count, seed + number)))
    return total


async def _corridor(commands: int, seed: int) -> Tally:
    with tempfile.TemporaryDirectory() as name:
        corridor = Corridor(Path(name), seed)
        await corridor.open()
        try:
            return await corridor.run(commands)
        finally:
            await corridor.close()


class Heard:
    """The house as the driver sees it: only the ends of orders matter here."""

    def __init__(self) -> None:
        self.ends: list[tuple[str, Told]] = []

    async def happened(self, device: str, what: Happening) -> None:
        """An event."""

    async def stated(self, device: str, state: State) -> None:
        """A state."""

    async def present(self, device: str, *, online: bool) -> None:
        """A presence."""

    async def measured(self, device: str, values: dict[str, float]) -> None:
        """Telemetry."""

    async def settled(self, device: str, order_id: str, told: Told) -> None:
        """Evidence about an unknown order."""
        del device
        self.ends.append((order_id, told))

    async def alarm(self, alarm: Alarm, *, device: str | None = None, on: bool = True) -> None:
        """An alarm."""

    async def tunnelled(self, device: str, frame: TunnelFrame) -> None:
        """A frame of a tunnel."""


class AlwaysCured:
    """An adapter that comes back when it is switched off and on."""

    def __init__(self, central: Central) -> None:
        self._central = central

    async def power_cycle(self) -> bool:
        """Off and on."""
        await self._central.power(on=False)
        await self._central.power(on=True)
        return True

    async def restart_stack(self) -> bool:
        """Never needed."""
        return True


@dataclass(slots=True)
class _Press:
    """One order, and what is believed of it."""

    door: int
    order: Order
    fault: Fault
    words: list[Outcome] = field(default_factory=list)


class Corridor:
    """Some locks, one driver, and a seed."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._chance = random.Random(seed)
        self._clock = LoopClock()
        self._air = Air(supervision_s=1.0, seed=seed)
        self._journal = Journal()
        self._nursery = Nursery(lambda _name, _error: None)
        self._issuer = ec.generate_private_key(ec.SECP256R1())
        self._presser = ec.generate_private_key(ec.SECP256R1())
        self._house = Heard()
        self._locks: list[BleLock] = []
        self._presses: dict[str, _Press] = {}
        self._number = 0
        self._mtu = self._chance.choice(MTUS)
        self.tally = Tally()

    async def open(self) -> None:
        """Everything up."""
        for door in range(LOCKS):
            self._locks.append(await self._lock(door))
        controller = self._air.controller("host")
        self._central = await Central.open(controller, controller)
        self._stack = Stack(
            adapter=AlwaysCured(self._central),
            scanner=VirtualScanner,
            client=VirtualClient,
            connected=adapter_on(self._central),
            scanner_more={"central": self._central},
            client_more={"mtu": self._mtu},
        )
        await self._start()

    async def close(self) -> None:
        """Everything down."""
        await self._stop()
        for lock in self._locks:
            await lock.stop()
        await self._nursery.close()
        await self._central.close()

    async def run(self, commands: int) -> Tally:
        """Press, wait for what is unknown, and reckon."""
        for _ in range(commands):
            await self._one()
        self._quiet()
        await self._give_keys()
        until_s = self._clock.monotonic() + SETTLE_S
        while self._open_ends() and self._clock.monotonic() < until_s:
            await sleep(self._clock, SETTLE_S / 3)
        await self._ask()
        self._reckon()
        return self.tally

    async def _one(self) -> None:
        self._quiet()
        fault = self._chance.choices(list(_CHANCES), list(_CHANCES.values()))[0]
        door = self._chance.randrange(LOCKS)
        self._number += 1
        order = Order(
            id=f"o{self._number}",
            verb=Verb.UNLOCK,
            expires_at_ms=self._clock.read().wall_ms + 8_000,
            reply_topic="t",
            credential=self._key(cose.UNLOCK_BIT, door),
        )
        press = self._presses[order.id] = _Press(door, order, fault)
        self.tally.commands += 1
        self.tally.weather[fault] += 1
        work = [asyncio.ensure_future(self._press(press))]
        other = (door + 1) % LOCKS
        if self._chance.random() < 0.1:  # somebody at the next door at the same moment
            work.append(asyncio.ensure_future(self._beside(other)))
        await self._suffer(press, work)
        await asyncio.gather(*work, return_exceptions=True)
        if press.words[-1:] == [Outcome.UNKNOWN] and self._chance.random() < 0.3:
            await self._press(press)  # the desk never does, and it must be harmless all the same
        if self._chance.random() < 0.1:
            await self._give_keys()

    async def _beside(self, door: int) -> None:
        self._number += 1
        order = Order(
            id=f"o{self._number}",
            verb=Verb.UNLOCK,
            expires_at_ms=self._clock.read().wall_ms + 8_000,
            reply_topic="t",
            credential=self._key(cose.UNLOCK_BIT, door),
        )
        self.tally.commands += 1
        self._presses[order.id] = press = _Press(door, order, Fault.NONE)
        await self._press(press)

    async def _press(self, press: _Press) -> None:
        # A driver that is killed in the middle says nothing: its file has the attempt as UNKNOWN.
        press.words.append(Outcome.UNKNOWN)
        device = self._radio.devices[_name(press.door)]
        told = await device.carry_out(press.order, deadline_s=self._clock.monotonic() + PRESS_S)
        if len(press.words) > 1 and told.outcome is Outcome.NOT_SENT:
            return  # this session left nothing behind; the first one may have
        press.words[-1] = told.outcome

    async def _suffer(self, press: _Press, work: Sequence[asyncio.Future[None]]) -> None:
        lock = self._locks[press.door]
        match press.fault:
            case Fault.CUT | Fault.CUT_AFTER | Fault.TWICE:
                fates = {
                    Fault.CUT: Fate.LINK_LOST,
                    Fault.CUT_AFTER: Fate.LINK_LOST_AFTER,
                    Fault.TWICE: Fate.TWICE,
                }
                self._mischief(lock.address, fates[press.fault])
            case Fault.DIES_BEFORE:
                lock.power_cut = PowerCut.BEFORE_MOVE
            case Fault.DIES_AFTER:
                lock.power_cut = PowerCut.AFTER_MOVE
            case Fault.MUTE:
                lock.mute_after = self._chance.randrange(0, 24)
            case Fault.LEAVES:
                await self._moment()
                self._air.walk_away(lock.address)
                await sleep(self._clock, self._chance.uniform(0, 12))
                self._air.come_back(lock.address)
            case Fault.RESTARTS:
                await self._moment()
                await lock.restart()
            case Fault.DRIVER:
                await self._moment()
                for one in work:
                    one.cancel()
                await asyncio.gather(*work, return_exceptions=True)
                await self._stop()
                self.tally.kills += 1
                await self._start()
                await self._ask()
            case Fault.ADAPTER:
                await self._moment()
                await self._stack.adapter.power_cycle()
                await self._stop()
                await self._start()
            case _:
                pass

    def _mischief(self, address: str, fate: Fate) -> None:
        """At one frame or another of that lock; sometimes again, in the next session."""
        left = self._chance.choice((1, 1, 1, 2, 3))
        at = self._chance.randrange(1, 30)

        def strike(crossing: Crossing) -> Fate:
            nonlocal left, at
            if address not in {crossing.source, crossing.destination} or left == 0:
                return Fate.ARRIVES
            at -= 1
            if at > 0:
                return Fate.ARRIVES
            left -= 1
            at = self._chance.randrange(1, 30)
            return fate

        self._air.mischief = strike

    def _quiet(self) -> None:
        self._air.mischief = None
        for lock in self._locks:
            lock.power_cut = lock.mute_after = None

    async def _moment(self) -> None:
        """Somewhere in a press: by turns of the loop, since virtual time stands still in it."""
        if self._chance.random() < 0.3:
            await sleep(self._clock, self._chance.uniform(0, 1))
        for _ in range(self._chance.randrange(0, 400)):
            await asyncio.sleep(0)  # noqa: TID251 - turns of the loop are what is drawn here

    async def _give_keys(self) -> None:
        for door in range(LOCKS):
            order = Order(
                id=f"read-{self._number}-{door}",
                verb=Verb.READ,
                expires_at_ms=self._clock.read().wall_ms + 8_000,
                reply_topic="t",
                credential=self._key(cose.ADMIN_BIT, door),
            )
            await self._radio.devices[_name(door)].carry_out(
                order, deadline_s=self._clock.monotonic() + PRESS_S
            )

    def _open_ends(self) -> list[str]:
        """Orders of which nobody knows what became."""
        settled = {order_id for order_id, _ in self._house.ends}
        return [
            order_id
            for order_id, press in self._presses.items()
            if press.words[-1] is Outcome.UNKNOWN and order_id not in settled
        ]

    async def _ask(self) -> None:
        """What the desk asks after a restart: every order whose end is unknown."""
        for order_id in self._open_ends():
            press = self._presses[order_id]
            attempt = Attempt(
                device=_name(press.door),
                order_id=order_id,
                verb="unlock",
                begun_ms=0,
                expires_at_ms=press.order.expires_at_ms,
            )
            told = await self._radio.devices[_name(press.door)].find_out(attempt)
            if told is not None:
                self._house.ends.append((order_id, told))

    def _reckon(self) -> None:
        for order_id, told in self._house.ends:
            if order_id in self._presses:
                self._presses[order_id].words.append(told.outcome)
        for press in self._presses.values():
            moved = self._moves(press.order.id)
            final = {word for word in press.words if word is not Outcome.UNKNOWN}
            # Not sent in one session and then opened in another is no contradiction.
            last = press.words[-1] if press.words[-1] in final else next(iter(final), None)
            believed = Outcome.UNKNOWN if last is None else last
            self.tally.outcomes[believed] += 1
            self.tally.double_moves += moved > 1
            self.tally.false_done += believed is Outcome.DONE and moved == 0
            self.tally.false_not_sent += believed is Outcome.NOT_SENT and moved > 0
            self.tally.false_refused += believed is Outcome.REFUSED and moved > 0
            self.tally.contradicted += len(final) > 1

    def _moves(self, order_id: str) -> int:
        wanted = command_id(order_id).hex()
        return sum(
            entry.get("command") == wanted
            for kind in ("bolt", "held")
            for entry in self._journal.read(kind)
        )

    def _key(self, bits: int, door: int) -> bytes:
        now_s = self._clock.read().wall_s
        claims = cose.Claims(
            exp_s=now_s + 86_400,
            nbf_s=now_s - 60,
            cti=self._chance.randbytes(cose.CTI_BYTES),
            doors=((FIRST_DOOR + door, bits),),
            gen=1,
            cnf=cose.point_of(self._presser.public_key()),
        )
        return cose.sign(claims, self._issuer)

    async def _lock(self, door: int) -> BleLock:
        flash = Flash()
        identity = NpkIdentity(
            device=_name(door),
            door_number=FIRST_DOOR + door,
            property_id=_PROPERTY,
            issuers=cose.issuers([cose.point_of(self._issuer.public_key())]),
            secret=bytes(32),
            salt=salt_of(_PROPERTY),
        )
        lock = BleLock(
            Ends.of(self._air.controller(_name(door))),
            Manner(name="NP", advertise_ms=1_000.0, mtu_max=self._mtu),
            make=lambda: NpkLock(identity, flash=flash, journal=self._journal, clock=self._clock),
            clock=self._clock,
        )
        lock.lock.body.set_time(self._clock.read().wall_ms, 2_000)
        await lock.start()
        return lock

    async def _start(self) -> None:
        things = tuple(
            Thing(
                name=_name(door),
                kind=DeviceKind.LOCK,
                protocol="npk",
                address=lock.address,
                door_number=FIRST_DOOR + door,
                options={"lock_point": lock.lock.point.hex()},
            )
            for door, lock in enumerate(self._locks)
        )
        setting = Setting(
            id="chaos",
            kind="ble",
            bridge="driver-chaos",
            things=things,
            clock=self._clock,
            nursery=self._nursery,
            folder=self._folder,
            property_id=_PROPERTY,
            issuer_points=(cose.point_of(self._issuer.public_key()),),
            presser=self._presser,
        )
        self._radio = BleRadio(setting, self._stack)
        self._running = asyncio.ensure_future(self._radio.run(self._house))

    async def _stop(self) -> None:
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        await self._radio.links.idle()


def _name(door: int) -> str:
    return f"lock-{door}"
