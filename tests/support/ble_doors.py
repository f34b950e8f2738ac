"""A corridor of NPK locks on the virtual air and the real driver in front of it (tier T1)."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from appliance.bus.words import DeviceKind, Order, Verb
from appliance.kernel import cose
from drivers.ble.radio import BleRadio
from drivers.ble.things import salt_of
from drivers.npk.codes import command_id
from drivers.port import Told
from drivers.radios import Setting, Thing
from support.ble_bench import Host, ends
from support.ble_promises import Can
from support.driver_house import HeardHouse
from twin.ble.air import Air, Crossing, Fate
from twin.ble.npk_lock import BleLock
from twin.ble.peripheral import Manner
from twin.flash import Flash
from twin.journal import Journal
from twin.npk_lock import NpkIdentity, NpkLock

PROPERTY = "riverside"
FIRST_DOOR = 1012
CURVE = ec.SECP256R1()


@dataclass
class Keys:
    """Who signs, and with what the driver presses."""

    issuer: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(CURVE)
    )
    presser: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(CURVE)
    )
    number: Any = field(default_factory=lambda: itertools.count(1))

    @property
    def points(self) -> tuple[bytes, ...]:
        return (cose.point_of(self.issuer.public_key()),)

    def credential(
        self,
        *doors: int,
        now_s: int,
        bits: int = cose.UNLOCK_BIT,
        gen: int = 1,
        until_s: int = 3_600,
        holder: ec.EllipticCurvePrivateKey | None = None,
    ) -> bytes:
        """A key for the driver (or `holder`)."""
        claims = cose.Claims(
            exp_s=now_s + until_s,
            nbf_s=now_s - 600,
            cti=next(self.number).to_bytes(8, "big"),
            doors=tuple((door, bits) for door in doors or (FIRST_DOOR,)),
            gen=gen,
            cnf=cose.point_of((holder or self.presser).public_key()),
        )
        return cose.sign(claims, self.issuer)


@dataclass
class Corridor:
    """Locks, air, and the driver that runs."""

    host: Host
    keys: Keys
    locks: list[BleLock]
    journal: Journal
    radio: BleRadio
    folder: Path
    settings: Callable[[], Setting]
    running: asyncio.Task[None] | None = None
    can: frozenset[Can] = frozenset(Can)
    first_door: int = FIRST_DOOR
    number: Any = field(default_factory=lambda: itertools.count(1))

    @property
    def house(self) -> HeardHouse:
        return self.host.house

    @property
    def air(self) -> Air:
        return self.host.air

    @property
    def now_s(self) -> int:
        return self.host.clock.read().wall_s

    def moves(self, order_id: str | None = None) -> int:
        """How often a bolt was drawn, by the twin's own count."""
        wanted = None if order_id is None else command_id(order_id).hex()
        return sum(
            entry.get("command") == wanted or wanted is None
            for kind in ("bolt", "held")
            for entry in self.journal.read(kind)
            if entry.get("to", "unlocked") == "unlocked"
        )

    def credential(self, *doors: int, stranger: bool = False, **claims: Any) -> bytes:
        holder = ec.generate_private_key(CURVE) if stranger else None
        return self.keys.credential(*doors, holder=holder, **claims)

    async def lose_answer_once(self, door: int = 0) -> None:
        """The lock's second message is M4: its first frame takes the link with it."""
        lock, lost = self.locks[door].address, [False]

        def lose(crossing: Crossing) -> Fate:
            verdict = crossing.source == lock and crossing.value[1:2] == b"\x04"
            if verdict and crossing.value[0] & 0x80 and not lost[0]:
                lost[0] = True
                return Fate.LINK_LOST
            return Fate.ARRIVES

        self.air.mischief = lose

    def order(self, verb: Verb = Verb.UNLOCK, **fields: Any) -> Order:
        fields.setdefault("id", f"order-{next(self.number)}")
        if verb is Verb.UNLOCK:
            fields.setdefault("credential", self.keys.credential(now_s=self.now_s))
        return Order(
            verb=verb,
            expires_at_ms=self.host.clock.read().wall_ms + 8_000,
            reply_topic="t",
            **fields,
        )

    async def press(self, order: Order | None = None, door: int = 0, seconds: float = 8) -> Told:
        """One order at one door."""
        return await self.radio.devices[name_of(door)].carry_out(
            order or self.order(), deadline_s=self.host.by(seconds)
        )

    def give_errand_key(self, door: int = 0) -> None:
        """What the box hands over with any order of its own to a lock."""
        self.radio.things.locks[name_of(door)]._ground.errands.offer(
            name_of(door), FIRST_DOOR + door, self.admin_key(door)
        )

    def admin_key(self, door: int = 0) -> bytes:
        return self.keys.credential(FIRST_DOOR + door, now_s=self.now_s, bits=cose.ADMIN_BIT)

    async def run(self) -> None:
        """Let the radio serve."""
        self.running = asyncio.ensure_future(self.radio.run(self.house))
        await self.settle(1)

    async def stop(self) -> None:
        if self.running is not None:
            self.running.cancel()
            await asyncio.gather(self.running, return_exceptions=True)

    async def restart_driver(self) -> None:
        """As after a crash: what was in memory is gone."""
        await self.stop()
        self.radio = BleRadio(self.settings(), self.host.stack)
        await self.run()

    async def settle(self, seconds: float) -> None:
        """Let this much (virtual) time pass."""
        await self.host.clock.sleep_until(self.host.by(seconds))


def name_of(door: int) -> str:
    return f"lock-{door + 1}"


@asynccontextmanager
async def corridor(  # noqa: PLR0913 - by name, each with a default
    folder: Path,
    *,
    doors: int = 1,
    mtu: int = 517,
    advertise_ms: float = 100.0,
    by_tag: bool = False,
    keypad: bool = False,
    on: Host | None = None,
) -> AsyncGenerator[Corridor, None]:
    """Everything up, and everything down again. `on` another host than one of bumble."""
    host = on or await Host.open(Air(supervision_s=1.0), mtu=mtu)
    air = host.air
    keys, journal = Keys(), Journal()
    locks: list[BleLock] = []
    for door in range(doors):
        flash = Flash()
        identity = NpkIdentity(
            device=name_of(door),
            door_number=FIRST_DOOR + door,
            property_id=PROPERTY,
            issuers=cose.issuers(keys.points),
            secret=bytes(32),
            salt=salt_of(PROPERTY),
            keypad=keypad,
        )

        def make(identity: NpkIdentity = identity, flash: Flash = flash) -> NpkLock:
            return NpkLock(identity, flash=flash, journal=journal, clock=host.clock)

        lock = BleLock(
            ends(air, name_of(door)),
            Manner(name="NP", mtu_max=mtu, advertise_ms=advertise_ms),
            make=make,
            clock=host.clock,
        )
        lock.lock.body.set_time(host.clock.read().wall_ms, 2_000)
        await lock.start()
        locks.append(lock)

    def settings() -> Setting:
        return Setting(
            id="ble0",
            kind="ble",
            bridge="driver-ble0",
            things=tuple(
                Thing(
                    name=name_of(door),
                    kind=DeviceKind.LOCK,
                    protocol="npk",
                    address="" if by_tag else lock.address,
                    door_number=FIRST_DOOR + door,
                    options={"lock_point": lock.lock.point.hex()},
                )
                for door, lock in enumerate(locks)
            ),
            clock=host.clock,
            nursery=host.nursery,
            folder=folder,
            property_id=PROPERTY,
            issuer_points=keys.points,
            presser=keys.presser,
        )

    it = Corridor(
        host=host,
        keys=keys,
        locks=locks,
        journal=journal,
        radio=BleRadio(settings(), host.stack),
        folder=folder,
        settings=settings,
    )
    await it.run()
    try:
        yield it
    finally:
        await it.stop()
        for lock in locks:
            await lock.stop()
        await host.close()
