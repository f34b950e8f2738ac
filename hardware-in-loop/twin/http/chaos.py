"""Door commands under every fault of a Nuki bridge (`twin.press_trial`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import ec

from appliance.bus.words import DeviceKind
from drivers.http.radio import build
from drivers.radios import Setting, Thing
from twin.bolt import JAMMED, LOCKED
from twin.http.loop import LoopWire
from twin.http.nuki import NukiBridgeTwin, NukiFault, NukiLockTwin
from twin.press_trial import BRIDGE, LOCKS, World, try_corridors

if TYPE_CHECKING:
    from appliance.bus.in_process import InProcessBus
    from drivers.port import Radio
    from twin.door_chaos import Tally

TOKEN: Final = "a bridge of the twin"  # noqa: S105 - nobody else's
FAULTS: Final = tuple(NukiFault)


async def try_nuki(commands: int, seed: int) -> Tally:
    """So many presses at locks behind Nuki bridges."""
    return await try_corridors(commands, seed, NukiCorridor)


class NukiCorridor:
    """Ten locks behind one bridge; some lock again by themselves, some stay open."""

    also: tuple[str, ...] = ()

    def __init__(self, world: World) -> None:
        self._world = world
        self._locks = {
            f"lock-{n}": NukiLockTwin(
                f"lock-{n}", n, relock_s=world.chance.choice((None, 3.0, 20.0))
            )
            for n in range(1, LOCKS + 1)
        }
        self.names = tuple(self._locks)
        self._bridge = NukiBridgeTwin(
            TOKEN,
            list(self._locks.values()),
            clock=world.clock,
            nursery=world.nursery,
            journal=world.journal,
        )
        self._wire = LoopWire(self._bridge.handle, world.clock)

    async def radio(self, bus: InProcessBus) -> Radio:
        """The http radio, over the loop."""
        things = tuple(
            Thing(
                name=lock.name,
                kind=DeviceKind.LOCK,
                protocol="nuki",
                address="http://bridge",
                options={"nuki_id": lock.nuki_id, "token": TOKEN},
            )
            for lock in self._locks.values()
        )
        setting = Setting(
            id="http0",
            kind="http",
            bridge=BRIDGE,
            things=things,
            clock=self._world.clock,
            nursery=self._world.nursery,
            folder=Path(),
            property_id="chaos",
            issuer_points=(),
            presser=ec.generate_private_key(ec.SECP256R1()),
            bus=bus,
        )
        return build(setting, lambda _address, _options: self._wire)

    def spoil(self, name: str) -> None:
        """One fault of the list, or none."""
        fault = self._world.chance.choice((None, *FAULTS))
        if fault is NukiFault.REFUSE:
            self._wire.handle = None
        elif fault is not None:
            self._bridge.faults_of[self._locks[name].nuki_id] = [fault]

    def heal(self, name: str) -> None:
        """The bridge is there, and nothing waits for this lock."""
        self._wire.handle = self._bridge.handle
        self._bridge.faults_of.pop(self._locks[name].nuki_id, None)

    def moved(self, name: str) -> int:
        """Every run of the motor to open."""
        return self._world.journal.count("bolt", device=name, to="unlocked", via="bridge")

    def by_hand(self, name: str) -> None:
        """A jam is put right; else somebody locks now and then."""
        lock = self._locks[name]
        if lock.position == JAMMED or self._world.chance.random() < 0.2:
            self._bridge.turn_by_hand(lock.nuki_id, LOCKED)

    async def close(self) -> None:
        """The bridge is gone."""
        await self._wire.close()
