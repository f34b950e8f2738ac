"""What all things of a Zigbee network have in common: where they are, when they were heard, how they are asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from appliance.bus.words import DeviceKind, EventKind, LockRefusal, Order, Outcome, Verb
from drivers.port import Evidence, Happening, Told
from drivers.zigbee.air import NoWordError, reach

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from appliance.bus.words import State
    from drivers.port import Attempt, Pin
    from drivers.zigbee.air import Air

SUCCESS: Final = 0x00
BASIC: Final = 0x0000
POWER: Final = 0x0001
IDENTIFY: Final = 0x0003
REPORT_ATTRIBUTES: Final = 0x0A
BATTERY_LEFT: Final = 0x0021  # half percents
# Same as the twin's locks: a week at least is left of a lock's cells.
BATTERY_LOW_PCT: Final = 20
BATTERY_CRITICAL_PCT: Final = 8
BLINK_S: Final = 5

NOT_SUPPORTED: Final = Told(
    outcome=Outcome.REFUSED,
    evidence=(Evidence.NOT_SUPPORTED,),
    refusal=LockRefusal.NOT_SUPPORTED,
)
NO_RADIO: Final = Told(outcome=Outcome.NOT_SENT, evidence=(Evidence.NO_RADIO,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One attribute a thing is to report by itself: at most every `min_s`, at least every `max_s`."""

    cluster: int
    attribute: str
    min_s: int
    max_s: int
    change: int


@dataclass(slots=True, kw_only=True)
class Entry:
    """What is known of a thing for good. `ieee` as zigpy writes it.

    `quietest_s`: the longest it may be silent by the reports it has agreed to; None: it has agreed
    to none. `facts` are small numbers that its kind has learned, as the lock's auto-relock time.
    """

    ieee: str
    name: str
    kind: DeviceKind
    room: str | None = None
    joined_ms: int = 0
    quietest_s: int | None = None
    configured: bool = False
    facts: dict[str, int] = field(default_factory=dict)


class Thing:
    """One thing. Its kind says what it can do; this is how it is reached."""

    reports: tuple[Report, ...] = ()
    bound: tuple[int, ...] = ()  # clusters that are bound though they report no attribute

    def __init__(self, entry: Entry, air: Air) -> None:
        self.entry = entry
        self._air = air
        self._node: Any = None
        self._battery_pct: int | None = None
        self._said_battery: EventKind | None = None
        self.heard_s: float | None = None
        self.heard_ms: int | None = None

    @property
    def name(self) -> str:
        """Its name on the bus."""
        return self.entry.name

    @property
    def kind(self) -> DeviceKind:
        """What it is."""
        return self.entry.kind

    @property
    def decides(self) -> bool:
        """Nothing of a Zigbee network can verify a key of ours."""
        return False

    @property
    def plugged(self) -> bool:
        """Whether the stack knows it and there is a stick."""
        return self._node is not None

    @property
    def sleepy(self) -> bool:
        """Whether it listens only when it wakes: silence of minutes is then its nature."""
        described = getattr(self._node, "node_desc", None)
        return described is not None and not described.is_receiver_on_when_idle

    def plug(self, node: Any) -> None:
        """The stack knows it (again): listen to it, once."""
        if node is self._node:
            return
        self._node = node
        cells = self.cluster(POWER)
        if cells is not None and self._battery_pct is None:
            # The stack remembers the last report; the next one may be half a day away.
            left = cells.get("battery_percentage_remaining")
            self._battery_pct = None if left in {None, 0xFF} else int(left) // 2
        for endpoint in node.non_zdo_endpoints:
            for cluster in [*endpoint.in_clusters.values(), *endpoint.out_clusters.values()]:
                cluster.add_listener(_Ear(self, cluster))

    def unplug(self) -> None:
        """The stick is gone, and with it the way to this thing."""
        self._node = None

    async def carry_out(self, order: Order, *, deadline_s: float, pin: Pin | None = None) -> Told:
        """Do one order. What is no door may be asked for twice without harm."""
        if self._node is None or self._air.lost.is_set():
            return NO_RADIO
        if order.verb is Verb.READ:
            return await self._answered(self._refresh(deadline_s))
        await self._air.turn()
        if order.verb is Verb.BLINK:
            return await self._answered(self._blink(deadline_s))
        return await self._answered(self._do(order, deadline_s, pin))

    async def find_out(self, attempt: Attempt) -> Told | None:
        """By default nothing can be said."""
        del attempt
        return None

    async def state(self) -> State | None:
        """How it stands as far as it has said."""
        return None

    async def look(self, until_s: float) -> None:
        """Read once what its reports will say from now on; raises NoWordError."""
        await self._refresh(until_s)

    async def configured(self) -> None:
        """What a kind does beyond binding and reports; raises NoWordError."""

    def reported(self, cluster: int, attribute: int, value: Any) -> None:
        """It said how an attribute stands."""
        if (cluster, attribute) == (POWER, BATTERY_LEFT) and int(value) != 0xFF:
            self._weigh(int(value) // 2)

    def commanded(self, cluster: int, tsn: int, command: int, args: Any) -> None:
        """It sent a command of its own."""

    def heard_number(self, cluster: int, tsn: int) -> None:
        """The number it gave a frame that it sent by itself."""

    def answered_late(self, cluster: int, tsn: int, command: int, status: int) -> None:
        """A default response nobody waited for."""

    def cluster(self, number: int) -> Any:
        """Its first cluster of that number; None where it has none or the stick is gone."""
        if self._node is None:
            return None
        for endpoint in self._node.non_zdo_endpoints:
            if number in endpoint.in_clusters:
                return endpoint.in_clusters[number]
        return None

    def said(self) -> None:
        """Publish how it stands now."""

        async def tell(house: Any) -> None:
            if (state := await self.state()) is not None:
                await house.stated(self.name, state)

        self._air.say(tell)

    def happened(self, what: Happening) -> None:
        """Report something."""
        self._air.say(lambda house: house.happened(self.name, what))

    def _now_ms(self) -> int:
        return self._air.clock.read().wall_ms

    async def _do(self, order: Order, deadline_s: float, pin: Pin | None) -> Told:
        del order, deadline_s, pin
        return NOT_SUPPORTED

    async def _answered(self, doing: Coroutine[Any, Any, Told]) -> Told:
        try:
            return await doing
        except NoWordError as error:
            note = "asleep" if self.sleepy and error.evidence is Evidence.DEADLINE else error.note
            return Told(outcome=Outcome.UNKNOWN, evidence=(error.evidence,), note=note)

    async def _refresh(self, deadline_s: float) -> Told:
        """Read what its reports would say."""
        wanted: dict[int, list[str]] = {}
        for report in self.reports:
            wanted.setdefault(report.cluster, []).append(report.attribute)
        for number, names in wanted.items():
            await self._read(number, names, deadline_s)
        self.said()
        return Told(outcome=Outcome.DONE, evidence=(Evidence.STATE_READ,))

    async def _blink(self, deadline_s: float) -> Told:
        return await self._command(IDENTIFY, "identify", deadline_s, identify_time=BLINK_S)

    async def _read(self, number: int, names: list[str], until_s: float) -> dict[str, Any]:
        """Attributes by name; those that the thing lacks are missing."""
        cluster = self.cluster(number)
        if cluster is None:
            return {}
        names = [name for name in names if name in cluster.attributes_by_name]
        if not names:
            return {}
        found, _ = await reach(
            self._air,
            cluster.read_attributes(names, allow_cache=False, ask_for_ack=True),
            self._bound(until_s),
        )
        read = {str(name): value for name, value in found.items()}
        for name, value in read.items():
            self.reported(number, int(cluster.attributes_by_name[name].id), value)
        return read

    async def _write(self, number: int, values: dict[str, int], until_s: float) -> int:
        """The first status that is no success, or success."""
        cluster = self.cluster(number)
        if cluster is None:
            return 0xC3  # UNSUPPORTED_CLUSTER
        call = cluster.write_attributes(values, ask_for_ack=True)
        records = await reach(self._air, call, self._bound(until_s))
        return next((int(r.status) for r in records[0] if int(r.status)), SUCCESS)

    async def _command(self, number: int, name: str, until_s: float, **values: Any) -> Told:
        """A command that may be repeated without harm; its answer is a default response."""
        cluster = self.cluster(number)
        if cluster is None:
            return NOT_SUPPORTED
        call = getattr(cluster, name)(ask_for_ack=True, **values)
        answer = await reach(self._air, call, self._bound(until_s))
        return verdict(int(getattr(answer, "status", SUCCESS)))

    def _bound(self, until_s: float) -> float:
        return min(until_s, self._air.clock.monotonic() + self._air.patience.request_s)

    def _weigh(self, percent: int) -> None:
        """Note the cells; each worse step is told once, and again after new cells."""
        self._battery_pct = percent
        step = None
        if percent <= BATTERY_CRITICAL_PCT:
            step = EventKind.BATTERY_CRITICAL
        elif percent <= BATTERY_LOW_PCT:
            step = EventKind.BATTERY_LOW
        if step is not None and step is not self._said_battery:
            self.happened(Happening(kind=step))
        self._said_battery = step
        self.said()


class _Ear:
    """A zigpy listener: what one cluster of a thing says without being asked."""

    def __init__(self, thing: Thing, cluster: Any) -> None:
        self._thing = thing
        self._cluster = cluster

    def cluster_command(self, tsn: int, command: int, args: Any) -> None:
        """One of its own commands, or an answer that came too late."""
        self._thing.commanded(int(self._cluster.cluster_id), int(tsn), int(command), args)

    def general_command(self, header: Any, args: Any) -> None:
        """A report, or a late default response."""
        number = int(self._cluster.cluster_id)
        if int(header.command_id) == REPORT_ATTRIBUTES:
            self._thing.heard_number(number, int(header.tsn))
            for report in args.attribute_reports:
                self._thing.reported(number, int(report.attrid), report.value.value)
        elif type(args).__name__ == "Default_Response":
            self._thing.answered_late(
                number, int(header.tsn), int(args.command_id), int(args.status)
            )


def verdict(status: int) -> Told:
    """What a thing's own status says."""
    if status == SUCCESS:
        return Told(outcome=Outcome.DONE, evidence=(Evidence.ANSWER,))
    return Told(
        outcome=Outcome.REFUSED,
        evidence=(Evidence.ANSWER,),
        refusal=LockRefusal.NOT_SUPPORTED if status in _LACKS else LockRefusal.BAD_FRAME,
        note=f"status {status:#04x}",
    )


# UNSUP_CLUSTER_COMMAND, UNSUP_GENERAL_COMMAND, UNSUPPORTED_ATTRIBUTE, UNSUPPORTED_CLUSTER
_LACKS: Final = frozenset({0x81, 0x82, 0x86, 0xC3})
