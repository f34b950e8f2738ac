"""The devices of a hotel, put together from clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twin.zigbee.clusters.door_lock import DoorLock
from twin.zigbee.clusters.general import Basic, Cells, Groups, Identify, PollControl
from twin.zigbee.clusters.hvac import Thermostat
from twin.zigbee.clusters.ias import ContactZone, IasZone, MotionZone
from twin.zigbee.clusters.measuring import Humidity, Occupancy, Temperature
from twin.zigbee.clusters.power import Electrical, Level, Metering, OnOff
from twin.zigbee.node import Node

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Device types of the home automation profile.
LIGHT_DIMMABLE: Final = 0x0101
LOCK: Final = 0x000A
MAINS_OUTLET: Final = 0x0009
PLUG: Final = 0x0051
SENSOR: Final = 0x0302
THERMOSTAT: Final = 0x0301
ZONE: Final = 0x0402


class Lock(Node):
    """A door lock on cells with a keypad."""

    def __init__(self, name: str, ieee: int, *, sleepy: bool = True) -> None:
        super().__init__(name, ieee, model="TWIN-LOCK-1", sleepy=sleepy)
        self.add(1, LOCK, Basic, Cells, Identify, PollControl, DoorLock)

    @property
    def lock(self) -> DoorLock:
        """Its lock."""
        found = self.cluster(DoorLock.id)
        assert isinstance(found, DoorLock)
        return found


class Trv(Node):
    """A thermostat with mains, which is a router too."""

    def __init__(self, name: str, ieee: int, *, router: bool = True) -> None:
        super().__init__(name, ieee, model="TWIN-TRV-1", sleepy=not router, router=router)
        self.add(1, THERMOSTAT, Basic, Identify, Groups, Thermostat)

    @property
    def thermostat(self) -> Thermostat:
        """Its thermostat."""
        found = self.cluster(Thermostat.id)
        assert isinstance(found, Thermostat)
        return found


class AlarmZone(Node):
    """An alarm sensor on cells."""

    model_name = ""
    server: type[IasZone] = IasZone

    def __init__(self, name: str, ieee: int, *, sleepy: bool = True) -> None:
        super().__init__(name, ieee, model=self.model_name, sleepy=sleepy)
        self.add(1, ZONE, Basic, Cells, Identify, self.server)

    @property
    def zone(self) -> IasZone:
        """Its alarm zone."""
        found = self.cluster(IasZone.id)
        assert isinstance(found, IasZone)
        return found


class Leak(AlarmZone):
    """Two feet in the water."""

    model_name = "TWIN-LEAK-1"


class Contact(AlarmZone):
    """A reed contact."""

    model_name = "TWIN-CONTACT-1"
    server = ContactZone


class Motion(AlarmZone):
    """An infrared eye."""

    model_name = "TWIN-MOTION-1"
    server = MotionZone

    def __init__(self, name: str, ieee: int, *, sleepy: bool = True) -> None:
        super().__init__(name, ieee, sleepy=sleepy)
        self.add(2, SENSOR, Occupancy)


class Plug(Node):
    """A smart plug with a meter; it has mains, so it routes."""

    def __init__(self, name: str, ieee: int) -> None:
        super().__init__(name, ieee, model="TWIN-PLUG-1", router=True)
        self.add(1, PLUG, Basic, Identify, Groups, OnOff, Metering, Electrical)

    @property
    def relay(self) -> OnOff:
        """Its relay."""
        found = self.cluster(OnOff.id)
        assert isinstance(found, OnOff)
        return found

    def load(self, watts: float, watt_hours: int = 0) -> None:
        """Something is plugged in that draws and has drawn so much."""
        draws, counts = self.cluster(Electrical.id), self.cluster(Metering.id)
        assert isinstance(draws, Electrical)
        assert isinstance(counts, Metering)
        draws.draw(watts)
        counts.count(watt_hours)


class Weather(Node):
    """A temperature and humidity sensor on a coin cell."""

    def __init__(self, name: str, ieee: int, *, sleepy: bool = True) -> None:
        super().__init__(name, ieee, model="TWIN-TH-1", sleepy=sleepy)
        self.add(1, SENSOR, Basic, Cells, Identify, Temperature, Humidity)

    def measure(self, *, c100: int, humidity_pct100: int) -> None:
        """Other air around it."""
        self.cluster(Temperature.id).set(0x0000, c100)
        self.cluster(Humidity.id).set(0x0000, humidity_pct100)


class Light(Node):
    """A dimmable lamp."""

    def __init__(self, name: str, ieee: int) -> None:
        super().__init__(name, ieee, model="TWIN-LIGHT-1", router=True)
        self.add(1, LIGHT_DIMMABLE, Basic, Identify, Groups, OnOff, Level)

    @property
    def relay(self) -> OnOff:
        """Its switch."""
        found = self.cluster(OnOff.id)
        assert isinstance(found, OnOff)
        return found


class Valve(Node):
    """A motor on the water main: on is open. It starts open, as water does in a hotel."""

    def __init__(self, name: str, ieee: int) -> None:
        super().__init__(name, ieee, model="TWIN-VALVE-1", router=True)
        self.add(1, MAINS_OUTLET, Basic, Identify, OnOff)
        self.relay.attrs[0x0000].value = 1

    @property
    def relay(self) -> OnOff:
        """Its motor."""
        found = self.cluster(OnOff.id)
        assert isinstance(found, OnOff)
        return found


KINDS: Final[Mapping[str, Callable[[str, int], Node]]] = {
    "lock": Lock,
    "thermostat": Trv,
    "leak": Leak,
    "contact": Contact,
    "motion": Motion,
    "plug": Plug,
    "sensor": Weather,
    "light": Light,
    "valve": Valve,
}
