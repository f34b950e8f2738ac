"""Door commands under the troubles of a Zigbee2MQTT of the twin (`twin.press_trial`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec

from appliance.bus.credentials import BusRole
from appliance.bus.words import DeviceKind
from drivers.mqtt.radio import build
from drivers.radios import Setting, Thing
from twin.bolt import LOCKED
from twin.mqtt.zigbee2mqtt import BASE, GatewayFault, Z2mLock, Zigbee2MqttTwin
from twin.press_trial import BRIDGE, LOCKS, World, try_corridors

if TYPE_CHECKING:
    from appliance.bus.in_process import InProcessBus
    from drivers.port import Radio
    from twin.door_chaos import Tally


async def try_gateway(commands: int, seed: int) -> Tally:
    """So many presses at locks behind Zigbee2MQTTs of the twin."""
    return await try_corridors(commands, seed, GatewayCorridor)


class GatewayCorridor:
    """Ten locks of one gateway: some lock again by themselves, some without a word of it."""

    also: tuple[str, ...] = (BASE,)

    def __init__(self, world: World) -> None:
        self._world = world
        chance = world.chance
        locks = [
            Z2mLock(
                f"lock-{n}",
                relock_s=chance.choice((None, 3.0, 20.0)),
                tells_relock=chance.random() < 0.7,
            )
            for n in range(1, LOCKS + 1)
        ]
        self.names = tuple(lock.name for lock in locks)
        self._gateway = Zigbee2MqttTwin(
            locks,
            bus=world.hub.join("z2m", role=BusRole.BRIDGE, also=self.also),
            clock=world.clock,
            nursery=world.nursery,
            journal=world.journal,
        )

    async def radio(self, bus: InProcessBus) -> Radio:
        """The mqtt radio, on the driver's own connection."""
        await self._gateway.start()
        things = tuple(
            Thing(
                name=name,
                kind=DeviceKind.LOCK,
                protocol="zigbee2mqtt",
                address=f"{BASE}/{name}",
            )
            for name in self.names
        )
        setting = Setting(
            id="mqtt0",
            kind="mqtt",
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
        return build(setting)

    def spoil(self, name: str) -> None:
        """One fault of the list, or none."""
        fault = self._world.chance.choice((None, *GatewayFault))
        if fault is not None:
            self._gateway.faults[name] = fault

    def heal(self, name: str) -> None:
        """Nothing waits for this lock."""
        self._gateway.faults.pop(name, None)

    def moved(self, name: str) -> int:
        """Every run of the motor to open that the radio asked for."""
        return self._world.journal.count("bolt", device=name, to="unlocked", via="rf")

    def by_hand(self, name: str) -> None:
        """Somebody locks from inside, now and then."""
        if self._world.chance.random() < 0.6:
            turning = self._gateway.turn(name, LOCKED, action="manual_lock", source="manual")
            self._world.nursery.mortal("hand", turning)

    async def close(self) -> None:
        """Nothing is left running."""
        assert not self._gateway.refused, "a command went out in a form that is sent twice"
