"""The radio kind "mqtt": things of other makers on the property's own broker."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from appliance.bus.port import BusRefusedError
from appliance.bus.words import DeviceKind
from appliance.kernel.clock import sleep
from drivers.mqtt import zigbee2mqtt
from drivers.mqtt.announced import Announced
from drivers.mqtt.esphome import EspHome
from drivers.mqtt.shelly import ShellyOverMqtt
from drivers.mqtt.strangers import mapping, word
from drivers.mqtt.tasmota import Tasmota
from drivers.mqtt.thing import MqttThing
from drivers.mqtt.zigbee2mqtt import Listed, Zigbee2Mqtt
from drivers.mqtt.zwavejs import ZwaveJs
from drivers.port import Alarm, NeedsPersonError
from drivers.radios import NoSuchRadioError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from appliance.bus.port import Bus, Message
    from drivers.mqtt.dialect import Dialect
    from drivers.port import Device, House
    from drivers.radios import Setting, Thing

# The word in `protocol` of a thing, and the dialect behind it.
DIALECTS: Final[Mapping[str, Callable[[Thing], Dialect]]] = {
    "zigbee2mqtt": Zigbee2Mqtt,
    "esphome": EspHome,
    "tasmota": Tasmota,
    "shelly": ShellyOverMqtt,
    "zwavejs": ZwaveJs,
    "homeassistant": Announced,
}
# A battery sensor says something at least once a day; an hour of grace.
SILENT_S_MAX: Final = 90_000.0
LOOK_S: Final = 60.0
# At most four questions a second: zigbee.md 5, a gateway drowns in more.
ASK_PAUSE_S: Final = 0.25
# What a gateway has that is on no sheet; a mesh has 200 nodes at the very most.
FOUND_MAX: Final = 200


class MqttRadio:
    """Every foreign thing of one driver process, and the gateways before them."""

    def __init__(self, setting: Setting, bus: Bus) -> None:
        self._setting = setting
        self._bus = bus
        self._clock = setting.clock
        self._house: House | None = None
        self._listening = False
        self._things = {
            thing.name: MqttThing(thing, _dialect(thing), bus=bus, clock=setting.clock)
            for thing in setting.things
        }
        for thing in self._things.values():
            thing.guest_locks = setting.options.get("guest_locks") is True
        self.gateways = sorted(
            {t.address.partition("/")[0] for t in setting.things if t.protocol == "zigbee2mqtt"}
        )
        self.found: dict[str, list[Listed]] = {}

    @property
    def devices(self) -> dict[str, Device]:
        """The things it has, by name."""
        return dict(self._things)

    async def run(self, house: House) -> None:
        """Listen until cancelled."""
        self._house = house
        try:
            if not self._listening:
                self._listening = True
                self._bus.on_connect(self._connected)
                await self._listen()
                if self._bus.connected:
                    await self._connected()
        except BusRefusedError as error:
            self._listening = False
            raise NeedsPersonError(
                f"{error} Give {self._setting.bridge} the prefix in `also` (docs/bus.md)."
            ) from error
        while True:
            await sleep(self._clock, LOOK_S)
            await self._look()

    async def permit_join(self, gateway: str, seconds: int) -> bool:
        """Let new things into a Zigbee2MQTT gateway's mesh; 0 closes it. False: it was not said."""
        if gateway not in self.gateways or not self._bus.connected:
            return False
        say = zigbee2mqtt.permit_join(gateway, seconds)
        await self._bus.publish(say.topic, say.payload, qos=0)
        return True

    async def _listen(self) -> None:
        for thing in self._things.values():
            # A sensor's word may wait for us. A lock's must not: what comes late is no proof.
            qos = 1 if thing.kind in {DeviceKind.LEAK, DeviceKind.SENSOR} else 0
            for topic_filter in thing.filters:
                await self._bus.subscribe(topic_filter, partial(self._hear, thing), qos=qos)
        for gateway in self.gateways:
            await self._bus.subscribe(f"{gateway}/bridge/+", partial(self._gateway, gateway), qos=0)

    async def _hear(self, thing: MqttThing, message: Message) -> None:
        if self._house is not None:
            await thing.hear(message, self._house)

    async def _gateway(self, gateway: str, message: Message) -> None:
        house, what = self._house, message.topic.rpartition("/")[2]
        if what == "devices":
            own = {t.thing.address.partition("/")[2] for t in self._things.values()}
            listed = zigbee2mqtt.devices(message.payload)
            self.found[gateway] = [d for d in listed if d.name not in own][:FOUND_MAX]
        if what != "state" or house is None:
            return
        said = mapping(message.payload)
        state = word(message.payload) if said is None else said.get("state")
        if state == "offline":
            await house.alarm(Alarm.RADIO_LOST, device=gateway)
        elif state == "online":
            await house.alarm(Alarm.RADIO_LOST, device=gateway, on=False)
            self._ask_all()

    async def _connected(self) -> None:
        """What was said while the line was away is not known: ask."""
        for thing in self._things.values():
            thing.forget()
        self._ask_all()

    def _ask_all(self) -> None:
        self._setting.nursery.mortal(f"{self._setting.id} asks", self._ask())

    async def _ask(self) -> None:
        for thing in self._things.values():
            if await thing.ask():
                await sleep(self._clock, ASK_PAUSE_S)

    async def _look(self) -> None:
        now_s = self._clock.monotonic()
        for thing in self._things.values():
            silent = thing.heard_s is not None and now_s - thing.heard_s > SILENT_S_MAX
            if self._house is not None and thing.heard_s is not None:
                await self._house.alarm(Alarm.DEVICE_SILENT, device=thing.name, on=silent)


def build(setting: Setting) -> MqttRadio:
    """A radio over the driver's own connection; raises NoSuchRadioError with the cure."""
    if setting.bus is None:
        raise NoSuchRadioError("a radio of the kind 'mqtt' needs the driver's own bus connection")
    return MqttRadio(setting, setting.bus)


def _dialect(thing: Thing) -> Dialect:
    make = DIALECTS.get(thing.protocol)
    if make is None:
        known = ", ".join(sorted(DIALECTS))
        raise NoSuchRadioError(
            f"{thing.name} has the protocol {thing.protocol!r}; write one of {known}"
        )
    if not thing.address or any(c in thing.address for c in "+#"):
        raise NoSuchRadioError(f"{thing.name} needs the address its maker's topics begin with")
    return make(thing)
