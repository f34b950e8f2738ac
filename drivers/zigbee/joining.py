"""How a thing comes into the house: the window for a room, the interview, what it is told to report.

A thing that stops half way is kept and shown; it goes on when it is heard again. Bare zigpy
configures nothing after the interview, so all of it is here.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from drivers.port import Alarm, Evidence
from drivers.zigbee.air import NoWordError, pause, reach
from drivers.zigbee.book import THINGS_MAX
from drivers.zigbee.kinds import recognise
from drivers.zigbee.thing import Entry, Thing
from drivers.zigbee.zone import IAS_ZONE

if TYPE_CHECKING:
    from appliance.bus.words import DeviceKind
    from drivers.zigbee.radio import ZigbeeRadio

# What Zigbee allows in one go (zigpy asserts it).
PERMIT_S_MAX: Final = 254
# Twenty at once were interviewed in 0.3 s; being told what to report is the longer part.
TAKEN_IN_AT_ONCE_MAX: Final = 8
TRIES_MAX: Final = 3
RETRY_S: Final = 2.0
NO_ROOM: Final = "unplaced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Who may come in: whatever joins before `until_s` belongs to this room."""

    room: str
    until_s: float
    kind: DeviceKind | None = None


class Joining:
    """Takes things in, and sees them leave."""

    def __init__(self, radio: ZigbeeRadio) -> None:
        self._radio = radio
        self._window: Window | None = None
        self._turns = asyncio.Semaphore(TAKEN_IN_AT_ONCE_MAX)
        self.half: dict[str, str] = {}  # address: what it waits for

    async def permit(
        self,
        room: str,
        seconds: int,
        *,
        through: str | None = None,
        kind: DeviceKind | None = None,
    ) -> None:
        """Open the network for a room. `through`: only by this router; None: by all.

        A lock should hang on the coordinator or a known good router, so it can be made to.
        """
        if not 0 <= seconds <= PERMIT_S_MAX:
            raise ValueError(f"a window lasts 0 to {PERMIT_S_MAX} s")
        app = self._radio.app
        if app is None:
            raise NoWordError(Evidence.NO_RADIO)
        if len(self._radio.book.entries) >= THINGS_MAX:
            raise ValueError(f"this stick has its {THINGS_MAX} things; a second one is needed")
        self._window = Window(room=room, until_s=self._radio.clock.monotonic() + seconds, kind=kind)
        node = None
        if through is not None:
            node = next((d.ieee for d in app.devices.values() if str(d.ieee) == through), None)
            if node is None:
                raise ValueError(f"no router {through} is known")
        until_s = self._radio.clock.monotonic() + self._radio.patience.request_s
        await reach(self._radio, app.permit(seconds, node=node), until_s)

    # --- what the stack calls

    def device_joined(self, node: Any) -> None:
        """It has the network key; nothing is known of it yet."""
        if self._radio.book.find(str(node.ieee)) is None:
            self._stuck(node, "interview")

    def device_initialized(self, node: Any) -> None:
        """The interview is through, the first time or after a restart."""
        if self._radio.is_coordinator(node):
            return
        self._radio.nursery.mortal(f"take in {node.ieee}", self._take_in(node))

    def device_init_failure(self, node: Any) -> None:
        """It fell silent in the interview: kept, shown, and asked again when it is heard."""
        self._stuck(node, "interview")

    def device_left(self, node: Any) -> None:
        """It said that it leaves; whether for good, a person decides (`forget`)."""
        thing = self._radio.thing_of(str(node.ieee))
        if thing is not None:
            name = thing.name
            self._radio.say(lambda house: house.present(name, online=False))
            self._radio.say(lambda house: house.alarm(Alarm.DEVICE_SILENT, device=name))

    # --- the way in

    async def _take_in(self, node: Any) -> None:
        async with self._turns:
            ieee = str(node.ieee)
            entry = self._radio.book.find(ieee)
            if entry is None:
                entry = await self._enter(node)
                if entry is None:
                    return
            thing = self._radio.admit(entry, node)
            if not entry.configured:
                await self.configure(thing)
            self._radio.backup_due.set()

    async def _enter(self, node: Any) -> Entry | None:
        """Find out what it is, and give it its name."""
        ieee, window = str(node.ieee), self._window
        zone_type = await self._zone_type(node)
        hint = None if window is None else window.kind
        planned = self._radio.planned(ieee)
        kind = recognise(node, zone_type, hint if planned is None else planned.kind)
        if kind is None:
            self._stuck(node, "a kind we know")
            return None
        room = NO_ROOM if window is None else window.room
        if planned is None:
            planned = self._radio.planned_for(room, kind)
        entry = Entry(
            ieee=ieee,
            name=self._radio.book.free_name(kind, room) if planned is None else planned.name,
            kind=kind,
            room=room if planned is None else planned.room or room,
            joined_ms=self._radio.clock.read().wall_ms,
            facts={} if zone_type is None else {"zone_type": zone_type},
        )
        self._radio.book.add(entry)
        self._unstuck(ieee)
        return entry

    async def configure(self, thing: Thing) -> None:
        """Bind, agree on reports, and what its kind wants; tried again while it is awake."""
        for turn in range(TRIES_MAX):
            try:
                thing.entry.quietest_s = await self._agree(thing)
                await thing.configured()
                await thing.look(self._until())
            except NoWordError:
                await pause(self._radio, RETRY_S * (turn + 1))
                continue
            thing.entry.configured = True
            self._radio.book.keep()
            break
        done, name = thing.entry.configured, thing.name
        self._radio.say(
            lambda house: house.alarm(Alarm.DEVICE_HALF_JOINED, device=name, on=not done)
        )
        if done:
            self.half.pop(thing.entry.ieee, None)
        else:
            self.half[thing.entry.ieee] = "being told what to report"
        thing.said()

    async def _agree(self, thing: Thing) -> int | None:
        """Bind and configure; returns how long it may be silent, in s."""
        numbers = list(dict.fromkeys([r.cluster for r in thing.reports] + list(thing.bound)))
        for number in numbers:
            cluster = thing.cluster(number)
            if cluster is not None:
                await reach(self._radio, cluster.bind(), self._until())
        longest: list[int] = []
        for report in thing.reports:
            cluster = thing.cluster(report.cluster)
            if cluster is None or report.attribute not in cluster.attributes_by_name:
                continue
            statuses = await reach(
                self._radio,
                cluster.configure_reporting(
                    report.attribute, report.min_s, report.max_s, report.change
                ),
                self._until(),
            )
            # Most things lack one attribute or another; those they have set the rhythm.
            if all(int(status) == 0 for status in statuses.values()):
                longest.append(report.max_s)
        return min(longest, default=None)

    async def _zone_type(self, node: Any) -> int | None:
        zones = [
            e.in_clusters[IAS_ZONE] for e in node.non_zdo_endpoints if IAS_ZONE in e.in_clusters
        ]
        if not zones:
            return None
        try:
            read, _ = await reach(
                self._radio,
                zones[0].read_attributes(["zone_type"], allow_cache=False),
                self._until(),
            )
        except NoWordError:
            return None
        return int(read["zone_type"]) if "zone_type" in read else None

    def _stuck(self, node: Any, waits_for: str) -> None:
        ieee = str(node.ieee)
        self.half[ieee] = waits_for
        name = provisional(ieee)
        self._radio.say(lambda house: house.alarm(Alarm.DEVICE_HALF_JOINED, device=name))

    def _unstuck(self, ieee: str) -> None:
        if self.half.pop(ieee, None) is not None:
            name = provisional(ieee)
            self._radio.say(
                lambda house: house.alarm(Alarm.DEVICE_HALF_JOINED, device=name, on=False)
            )

    def _until(self) -> float:
        return self._radio.clock.monotonic() + self._radio.patience.request_s


def provisional(ieee: str) -> str:
    """What a thing is called before it is known."""
    return f"zb-{ieee.replace(':', '')}"
