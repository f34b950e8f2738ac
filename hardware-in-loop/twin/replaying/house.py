"""The whole house in one loop on virtual time: box, bus, locks, sync and the PMS cloud."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, time
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from appliance.bus import device_sheet
from appliance.bus.credentials import BusRole
from appliance.bus.device_sheet import DeviceSheet
from appliance.bus.in_process import InProcessHub
from appliance.first_run import make_property
from appliance.kernel import codec
from appliance.kernel.clock import Clock, sleep
from appliance.kernel.deciding import Asking
from appliance.kernel.engine import Recorded
from appliance.kernel.messages import Answer, Done, Role, Surface, Who
from appliance.kernel.settings import Settings
from appliance.kernel.settings_files import ENVIRONMENT, load_settings
from appliance.kernel.tasks import Nursery
from appliance.kernel.virtual_clock import VirtualClock
from appliance.main import Box, Joined, open_box
from appliance.property_file import (
    ROOMS_MAX,
    BuildingEntry,
    PropertyEntry,
    PropertyFile,
    RoomsEntry,
    RoomTypeEntry,
    StaffEntry,
)
from appliance.where import CORE, DEVICE_SHEET
from sync.main import run as run_sync
from sync.pms.mews.client import MewsAccount
from sync.running import Running
from sync.settings import SyncSettings
from sync.transport import CallTransport
from twin.clouds.mews import ACCESS_TOKEN, CLIENT_TOKEN, MewsStore
from twin.clouds.mews.records import Category
from twin.clouds.serve import PMS_IN_PROCESS, Clouds, build
from twin.journal import Journal
from twin.line import Line
from twin.property import Property, Surroundings, hub_wire
from twin.replaying.home import LoopHome
from twin.replaying.plan import Plan

TIME_ZONE: Final = "Europe/Lisbon"
CURRENCY: Final = "EUR"
CLERK: Final = Who(actor="staff:desk", role=Role.FRONT_DESK, surface=Surface.KIOSK, terminal="1")
KEEPER: Final = Who(actor="staff:housekeeping", role=Role.HOUSEKEEPING, surface=Surface.KIOSK)
NIGHT: Final = Who(actor="staff:night", role=Role.MANAGER, surface=Surface.KIOSK, terminal="1")
# The replay asks sync to look whenever something happened; looks by the hour would find nothing.
PULL_NEVER_S: Final = 1e9
# The first minutes of a window's first day are the house's own.
OPENS: Final = time(0, 5)
# How long a moment of the day may take in virtual seconds before the house counts as hung.
MOMENT_S_MAX: Final = 6 * 3600


class TooManyRoomsError(Exception):
    """The window needs more rooms than one box serves: choose a shorter one or a smaller hotel."""


@dataclass(slots=True, kw_only=True)
class House:
    """Everything a replay touches, by name."""

    clock: VirtualClock
    zone: ZoneInfo
    box: Box
    twin: Property
    clouds: Clouds
    sync: Running
    home: LoopHome
    journal: Journal
    sheet: DeviceSheet
    rooms_of: Mapping[str, Sequence[str]]  # by the file's type name
    categories: Mapping[str, Category]
    died: list[str]
    stay_of: dict[str, str] = field(default_factory=dict)  # upstream id -> stay id
    keys: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # key id -> the fact's fields
    conflicts: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)  # by stay id
    number: int = 0

    @property
    def door_numbers(self) -> dict[str, int]:
        """The number by which keys name each lock's door."""
        return {each.device: each.door_number or 0 for each in self.sheet.devices}

    @property
    def store(self) -> MewsStore:
        """The PMS's own memory, as channels reach it."""
        return self.clouds.mews.store

    async def ask(self, name: str, who: Who = CLERK, **fields: Any) -> Answer:
        """Ask the box one command by its name, as a client of its API would."""
        self.number += 1
        command = codec.decode_command(name, msgspec.json.encode(fields))
        asking = Asking(command=command, command_id=f"replay:{self.number}", who=who)
        return await self.box.asker.ask(asking)

    async def done(self, name: str, who: Who = CLERK, **fields: Any) -> dict[str, Any] | str:
        """The result, or `engine.code` of a refusal."""
        answer = await self.ask(name, who, **fields)
        return answer.result if isinstance(answer, Done) else f"{answer.engine}.{answer.code}"

    async def settled(self) -> None:
        """Until the PMS knows what the box did, and the box what the PMS says."""
        await self.caught_up()
        await self.sync.quiet()
        await self.caught_up()

    async def caught_up(self) -> None:
        """Until sync has read the log to its head."""
        while self.sync.ledger.cursor().position < self.box.asker.head():
            await sleep(self.clock, 0.2)

    async def followed(self) -> None:
        """Until every follower has read the log to its head, or stands still."""
        for follower in self.box.followers.all.values():
            while (now := follower.standing()).quarantined is None and now.position < now.head:
                await sleep(self.clock, 0.2)

    def owed(self) -> list[str]:
        """A sentence for everything that is parked, held back or standing still."""
        ledger = self.sync.ledger
        sentences = [
            f"{effect.kind} to the PMS is {effect.state}: {effect.sentence}"
            for effect in ledger.effects("state NOT IN ('succeeded', 'expired')")
        ]
        held = ledger.db.execute("SELECT upstream_id, why FROM held")
        sentences += [f"the PMS's booking {upstream_id}: {why}" for upstream_id, why in held]
        letters = ledger.db.execute("SELECT name, refused FROM homeward")
        sentences += [f"{name} on its way home: {why}" for name, why in letters]
        stands = [each.standing() for each in self.box.followers.all.values()]
        return sentences + [
            f"follower {each.name} stands still at {each.position}: {each.quarantined}"
            for each in stands
            if each.quarantined is not None
        ]

    async def moment(self, local: datetime) -> None:
        """Let time pass to a local moment; nothing happens in between but what sleeps."""
        wait_s = local.replace(tzinfo=self.zone).timestamp() - self.clock.read().wall_ms / 1000
        if wait_s > 0:
            await self.clock.leap(wait_s)

    def notice(self, facts: Sequence[Recorded]) -> None:
        """Keep what the desk's screens would show: stays by their PMS id, keys, conflicts."""
        for fact in facts:
            kind = fact.event.kind
            if kind == "stays.booked.v1":
                told = msgspec.to_builtins(fact.event)
                self.stay_of[told["upstream_id"]] = told["stay_id"]
            elif kind == "doors.key_cut.v1":
                told = msgspec.to_builtins(fact.event)
                self.keys[told["key_id"]] = told
            elif kind == "stays.conflict_raised.v1":
                told = msgspec.to_builtins(fact.event)
                self.conflicts.setdefault(told["stay_id"], []).append(told)


@asynccontextmanager
async def open_house(plan: Plan, folder: Path) -> AsyncGenerator[House, None]:
    """Build the property in a folder and start every role of it."""
    zone = ZoneInfo(TIME_ZONE)
    began = datetime.combine(plan.first, OPENS, zone)
    clock = VirtualClock(int(began.timestamp() * 1000))
    described, rooms_of = describe(plan)
    settings = _settings(folder)
    make_property(described, settings, clock)
    sheet = device_sheet.load(settings.data_dir / DEVICE_SHEET)
    died: list[str] = []
    outside = Nursery(lambda name, error: died.append(f"{name}: {error!r}"))
    inside = Nursery(lambda name, error: died.append(f"{name}: {error!r}"))
    journal = Journal(folder / "journal.jsonl", clock)
    hub = InProcessHub(clock=clock, nursery=outside)
    twin = Property(
        sheet,
        wire=hub_wire(hub),
        clock=clock,
        nursery=outside,
        journal=journal,
        around=Surroundings(seed=plan.seed),
    )
    clouds, categories = _clouds(plan, journal, clock, outside, rooms_of)

    def join(_clock: Clock, nursery: Nursery) -> Joined:
        bus = hub.join(CORE, role=BusRole.CORE, nursery=nursery, connected=False)
        return Joined(bus=bus, start=bus.appear)

    async with open_box(settings, clock, inside, join) as box:
        clock.watch(lambda: box.asker.busy)
        clock.watch(lambda: box.reader.busy)
        home = LoopHome(asker=box.asker, reader=box.reader, vault=box.vault, clock=clock)
        sync_nursery = Nursery(lambda name, error: died.append(f"{name}: {error!r}"))
        running = await run_sync(
            _sync_settings(settings),
            clock,
            home,
            CallTransport(clouds.in_process().send),
            sync_nursery,
        )
        house = House(
            clock=clock,
            zone=zone,
            box=box,
            twin=twin,
            clouds=clouds,
            sync=running,
            home=home,
            journal=journal,
            sheet=sheet,
            rooms_of=rooms_of,
            categories=categories,
            died=died,
        )
        box.asker.listen(house.notice)
        try:
            await twin.start()
            yield house
        finally:
            await sync_nursery.close()
            running.close()
            await outside.close()
            journal.close()


def describe(plan: Plan) -> tuple[PropertyFile, dict[str, list[str]]]:
    """The property's file, and the rooms of each of the booking file's types."""
    total = sum(plan.rooms.values())
    if total > ROOMS_MAX:
        raise TooManyRoomsError(f"the window needs {total} rooms; one box serves {ROOMS_MAX}")
    rooms_of = {
        kind: [f"{index}{number:03d}" for number in range(1, count + 1)]
        for index, (kind, count) in enumerate(plan.rooms.items(), start=1)
    }
    described = PropertyFile(
        property=PropertyEntry(
            id="replay",
            account="replay",
            title="Replay",
            time_zone=TIME_ZONE,
            currency=CURRENCY,
        ),
        building=(BuildingEntry(id="main", title="Main house"),),
        room_type=tuple(
            RoomTypeEntry(
                id=type_id(index),
                title=f"Type {kind} of the file",
                sleeps=2,
                rate="100.00",
                offline_allotment=0,  # everything is sold by the PMS
            )
            for index, kind in enumerate(rooms_of, start=1)
        ),
        rooms=tuple(
            RoomsEntry(
                numbers=tuple(numbers), type=type_id(index), building="main", thermostats=False
            )
            for index, numbers in enumerate(rooms_of.values(), start=1)
        ),
        staff=(
            StaffEntry(id="night", name="Night manager", roles=(Role.MANAGER,), pin="730914"),
            StaffEntry(id="desk", name="Front desk", roles=(Role.FRONT_DESK,), pin="460271"),
        ),
    )
    return described, rooms_of


def type_id(index: int) -> str:
    """The box's own name of the file's n-th room type, which may be called anything there."""
    return f"kind-{index}"


def _settings(folder: Path) -> Settings:
    own = folder / "replay.toml"
    own.write_text('data_dir = "."\nrun_dir = "run"\n', encoding="utf-8")
    # The settings of a box that may live on this machine are none of a replay's business.
    return load_settings({ENVIRONMENT: str(own)}, etc=folder / "none").settings


def _sync_settings(settings: Settings) -> SyncSettings:
    account = MewsAccount(
        base_url=PMS_IN_PROCESS, client_token=CLIENT_TOKEN, access_token=ACCESS_TOKEN
    )
    return SyncSettings(ledger_path=settings.sync_file, pms=account, pull_interval_s=PULL_NEVER_S)


def _clouds(
    plan: Plan,
    journal: Journal,
    clock: Clock,
    nursery: Nursery,
    rooms_of: Mapping[str, Sequence[str]],
) -> tuple[Clouds, dict[str, Category]]:
    """The PMS with the same house in it."""
    store = MewsStore(clock, journal, time_zone=TIME_ZONE, currency=CURRENCY, seed=plan.seed)
    categories = {}
    for index, (kind, numbers) in enumerate(rooms_of.items(), start=1):
        categories[kind] = store.add_category(type_id(index), short=f"{kind} ({index})")
        for number in numbers:
            store.add_room(number, categories[kind])
    line = Line(journal, clock, nursery)
    return build(journal, clock, line, mews_store=store), categories
