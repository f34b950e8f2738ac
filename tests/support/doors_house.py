"""A house of doors in one loop: engines, gateway, bus and the twin's locks, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from appliance.bus.credentials import BusRole
from appliance.bus.device_sheet import DeviceSheet, SheetDevice
from appliance.bus.in_process import InProcessBus, InProcessHub
from appliance.bus.words import DeviceKind
from appliance.engines.doors.credentials import HOUSE_ZONE, Locksmith, device_secret
from appliance.engines.doors.gateway import Gateway, Settled
from appliance.engines.doors.messages import CutKey, HolderKind, KeyReason, OpenDoor
from appliance.engines.doors.room import ENGINE
from appliance.kernel.cose import point_of
from appliance.kernel.deciding import Asking
from appliance.kernel.engine import Recorded
from appliance.kernel.messages import Admission, Answer, Done, Role, Who
from appliance.kernel.tasks import Nursery
from appliance.kernel.virtual_clock import VirtualClock
from support import news
from support.desk import CLERK, Desk
from support.lock_bench import ISSUER
from twin.journal import Journal
from twin.property import Property, Surroundings, hub_wire

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class LoopAsker:
    """The asker's port on the loop itself: no thread, so that a seed tells the whole story."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._listeners: list[Callable[[Sequence[Recorded]], None]] = []

    def listen(self, listener: Callable[[Sequence[Recorded]], None]) -> None:
        self._listeners.append(listener)

    async def ask(self, asking: Asking, admission: Admission | None = None) -> Answer:
        # As with the writer's thread, whoever asks lets others run before the answer is there.
        await asyncio.sleep(0)  # noqa: TID251 - a turn of the loop, no time
        [decided] = self._desk.deciding.carry_out([asking])
        self._desk.facts.extend(decided.facts)
        if decided.facts:
            for listener in self._listeners:
                listener(decided.facts)
        return decided.answer


class LoopReader:
    """The reader's port over the desk's own connection."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        await asyncio.sleep(0)  # noqa: TID251 - a turn of the loop, no time
        return self._desk.rows(sql, *parameters)

    async def row(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        return next(iter(await self.rows(sql, parameters)), None)


@dataclass(slots=True)
class DoorsHouse:
    """Everything a test may touch; `gateway` is replaced by `restart`."""

    desk: Desk
    clock: VirtualClock
    hub: InProcessHub
    twin: Property
    journal: Journal
    outside: Nursery  # the twin's tasks: they outlive a crash of the box
    inside: Nursery
    asker: LoopAsker
    gateway: Gateway
    bus: InProcessBus
    reader: Any = None
    number: int = 0
    openings: list[str] = field(default_factory=list)

    async def ask(self, command: Any, who: Who = CLERK) -> Answer:
        self.number += 1
        asking = Asking(command=command, command_id=f"h{self.number}", who=who, trace=TRACE)
        return await self.asker.ask(asking)

    async def done(self, command: Any, who: Who = CLERK) -> dict[str, Any]:
        answer = await self.ask(command, who)
        assert isinstance(answer, Done), answer
        return answer.result

    async def happen(self, event: Any) -> None:
        await self.done(news.Happen(event=event))

    async def cut(
        self, stay: str, number: int = 204, reason: KeyReason = KeyReason.FIRST
    ) -> dict[str, Any]:
        return await self.done(
            CutKey(
                holder_kind=HolderKind.STAY,
                holder_id=stay,
                door_id=f"door-{number}",
                reason=reason,
            )
        )

    async def press(self, stay: str, number: int = 204) -> str:
        """Commit one press; its opening's id."""
        who = Who(actor=f"stay:{stay}", role=Role.GUEST)
        command = OpenDoor(door_id=f"door-{number}", holder_kind=HolderKind.STAY, holder_id=stay)
        opening_id: str = (await self.done(command, who))["opening_id"]
        self.openings.append(opening_id)
        return opening_id

    async def press_and_wait(self, stay: str, number: int = 204) -> Settled:
        """One press and what the guest is told."""
        opening_id = await self.press(stay, number)
        settled = await self.gateway.outcome_of(opening_id)
        assert settled is not None
        return settled

    async def restart(self) -> None:
        """The box dies and comes back; locks and bus go on."""
        await self.crash()
        await self.boot()

    async def crash(self) -> None:
        """The box is gone, in the middle of whatever it did."""
        await self.bus.cut()
        await self.inside.close()
        await self.gateway.close()

    async def boot(self) -> None:
        """A new gateway on the same log."""
        self.inside = _nursery()
        self.asker = LoopAsker(self.desk)
        self.bus = self.hub.join(
            "appliance", role=BusRole.CORE, nursery=self.inside, connected=False
        )
        self.gateway = _gateway(self.desk, self.asker, self.bus, self.clock, self.inside)
        await self.gateway.start()
        await self.bus.connect()

    def openings_moved(self, opening_id: str) -> int:
        """How often the motor, or a bolt already open, served this order: the twin's own record."""
        return sum(
            entry.get("order_id") == opening_id
            and (entry["kind"] == "held" or entry.get("to") == "unlocked")
            for entry in self.journal.read()
            if entry["kind"] in {"bolt", "held"}
        )


def _nursery() -> Nursery:
    return Nursery(lambda name, error: None)


def _gateway(
    desk: Desk, asker: LoopAsker, bus: InProcessBus, clock: VirtualClock, nursery: Nursery
) -> Gateway:
    return Gateway(
        bus=bus,
        asker=asker,  # type: ignore[arg-type]  # the part of the port that a gateway uses
        reader=LoopReader(desk),  # type: ignore[arg-type]
        clock=clock,
        nursery=nursery,
        locksmith=Locksmith(vault=desk.vault, issuer=ISSUER),
    )


def sheet(
    desk: Desk, numbers: Sequence[int], spares: Mapping[str, int] = MappingProxyType({})
) -> DeviceSheet:
    """What the locks were told when they were provisioned; `spares` wait for a door's number."""
    locks = {f"lock-{number}": number for number in numbers} | dict(spares)
    return DeviceSheet(
        property_id="marina",
        issuer_keys=(point_of(ISSUER.public_key()).hex(),),
        devices=tuple(
            SheetDevice(
                device=device,
                kind=DeviceKind.LOCK,
                secret_hex=device_secret(desk.vault, device).hex(),
                token="none",
                door_number=number,
                zones=(HOUSE_ZONE,),
            )
            for device, number in locks.items()
        ),
    )


@asynccontextmanager
async def open_doors_house(
    folder: Path,
    numbers: Sequence[int] = (204, 205),
    *,
    seed: int = 0,
    spares: Mapping[str, int] = MappingProxyType({}),
) -> AsyncGenerator[DoorsHouse, None]:
    """Rooms with doors, one stay in each (`stay-204`), locks plugged in; nobody has a key yet."""
    desk = Desk(folder, [news.NEWS, ENGINE])
    # The promises of the log are tested elsewhere; here only the order of things counts.
    desk.db.execute("PRAGMA synchronous=OFF")
    clock = desk.clock
    outside, journal = _nursery(), Journal()
    hub = InProcessHub(clock=clock, nursery=outside)
    twin = Property(
        sheet(desk, numbers, spares),
        wire=hub_wire(hub),
        clock=clock,
        nursery=outside,
        journal=journal,
        around=Surroundings(seed=seed),
    )
    inside = _nursery()
    asker = LoopAsker(desk)
    bus = hub.join("appliance", role=BusRole.CORE, nursery=inside, connected=False)
    gateway = _gateway(desk, asker, bus, clock, inside)
    house = DoorsHouse(
        desk=desk,
        clock=clock,
        hub=hub,
        twin=twin,
        journal=journal,
        outside=outside,
        inside=inside,
        asker=asker,
        gateway=gateway,
        bus=bus,
        reader=LoopReader(desk),
    )
    try:
        await gateway.start()
        await bus.connect()
        await house.happen(news.property_set_up())
        for number in numbers:
            await house.happen(news.door_added(number))
            await house.happen(news.checked_in(f"stay-{number}", number))
        await twin.start()
        await clock.settle()
        yield house
    finally:
        await house.inside.close()
        await house.gateway.close()
        await outside.close()
        desk.close()
