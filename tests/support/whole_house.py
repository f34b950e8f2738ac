"""A whole box in one loop over real HTTP: its own root, every engine, the bus, the twin's locks."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Self

import aiohttp
import pytest

from appliance.bus import device_sheet
from appliance.bus.credentials import BusRole
from appliance.bus.in_process import InProcessHub
from appliance.engines.doors.messages import CutKey, HolderKind, KeyReason
from appliance.engines.stays.messages import (
    CheckIn,
    CheckOut,
    Guest,
    LearnBooking,
    Night,
    StayState,
)
from appliance.first_run import make_property
from appliance.kernel.clock import Clock, ClockTrust, SystemClock
from appliance.kernel.deciding import Asking
from appliance.kernel.engine import Engine
from appliance.kernel.messages import Command, Done, Role, Who
from appliance.kernel.settings import Settings
from appliance.kernel.settings_files import load_settings
from appliance.kernel.tasks import Nursery
from appliance.main import Box, Joined, open_box
from appliance.property_file import parse
from appliance.rooms import ENGINES
from appliance.web.context import Ports
from appliance.web.serving import build_ports, serve_ports
from appliance.where import DEVICE_SHEET
from twin.journal import Journal
from twin.property import Property, hub_wire

PROPERTY = """
[property]
id = "marina"
title = "Hotel Marina"
time_zone = "Europe/Lisbon"
currency = "EUR"
[[building]]
id = "main"
title = "Main house"
[[room_type]]
id = "double"
title = "Double"
sleeps = 2
rate = "120.00"
offline_allotment = 1
[[rooms]]
numbers = ["101-104"]
type = "double"
building = "main"
[[staff]]
id = "ida"
name = "Ida"
roles = ["front_desk"]
pin = "4711"
[[staff]]
id = "max"
name = "Max"
roles = ["manager"]
pin = "8642"
[[staff]]
id = "mara"
name = "Mara"
roles = ["housekeeping"]
pin = "2975"
"""
SETTINGS = """
data_dir = "{folder}/data"
run_dir = "{folder}/run"
[property]
id = "marina"
name = "Hotel Marina"
[web]
port = 0
[clock]
trust = "system"
"""
PINS = {"ida": "4711", "max": "8642", "mara": "2975"}
SYNC = Who(actor="sync", role=Role.SERVICE)
CLERK = Who(actor="staff:ida", role=Role.FRONT_DESK, terminal="desk-1")


@dataclass(slots=True)
class WholeHouse:
    """Everything a test may touch."""

    box: Box
    ports: Ports
    url: str
    twin: Property
    journal: Journal
    folder: Path
    nursery: Nursery
    hub: InProcessHub
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    async def done(self, command: Command, who: Who = CLERK) -> dict[str, Any]:
        """Ask and insist on yes."""
        asking = Asking(command=command, command_id=f"w{next(self.numbers)}", who=who)
        answer = await self.box.asker.ask(asking)
        assert isinstance(answer, Done), answer
        return answer.result

    async def today(self) -> date:
        """The hotel's date."""
        row = await self.box.reader.row("SELECT business_date FROM stays_business_date")
        assert row is not None
        return date.fromisoformat(row[0])

    async def booked(
        self, family: str = "Weber", *, given: str = "Jonas", code: str = "K7Q2M9X4TB", **more: Any
    ) -> str:
        """A booking of the PMS for two nights from today; the stay's id."""
        arrival = more.pop("arrival", await self.today())
        departure = arrival + timedelta(days=2)
        nights = tuple(
            Night(
                date=arrival + timedelta(days=number),
                amount_minor=12_000,
                currency="EUR",
                price_source="upstream",
            )
            for number in range(2)
        )
        command = LearnBooking(
            source="pms",
            upstream_id=code,
            upstream_version="1",
            code=code,
            state=StayState.CONFIRMED,
            room_type_id="double",
            room_id=None,
            arrival=arrival,
            departure=departure,
            guests=(Guest(given=given, family=family),),
            adults=1,
            children=0,
            nights=nights,
            **more,
        )
        return str((await self.done(command, SYNC))["stay_id"])

    async def checked_in(self, family: str = "Weber", *, room: str = "101", **more: Any) -> str:
        """A guest in house with a key."""
        stay_id = await self.booked(family, **more)
        await self.done(CheckIn(stay_id=stay_id, room_id=room))
        await self.done(
            CutKey(
                holder_kind=HolderKind.STAY,
                holder_id=stay_id,
                door_id=await self.door_of(room),
                reason=KeyReason.FIRST,
            )
        )
        return stay_id

    async def check_out(self, stay_id: str) -> None:
        """The guest leaves."""
        await self.done(CheckOut(stay_id=stay_id))

    async def door_of(self, room: str) -> str:
        """The door of a room."""
        row = await self.box.reader.row("SELECT door_id FROM doors_door WHERE room_id = ?", (room,))
        assert row is not None, room
        return str(row[0])

    def lock_of(self, room: str) -> Any:
        """The twin's lock at a room."""
        [name] = [name for name in self.twin.devices if name.startswith("lock") and room in name]
        return self.twin.devices[name]

    def unlocks(self) -> int:
        """How often a motor opened a bolt: the twin's own record."""
        return sum(
            entry["kind"] == "bolt" and entry.get("to") == "unlocked"
            for entry in self.journal.read()
        )

    async def facts(self, kind: str) -> int:
        """How many facts of a kind the log holds."""
        row = await self.box.reader.row("SELECT count(*) FROM event WHERE kind = ?", (kind,))
        assert row is not None
        return int(row[0])

    def browser(self, language: str = "en", **headers: str) -> Browser:
        """A guest's browser with its own cookies."""
        return Browser(self.url, {"Accept-Language": language, **headers})


class Browser:
    """A browser without JavaScript: cookies, forms, redirects; it remembers the last page."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self.url = url
        # `unsafe`: cookies of an address without a name, as in every test.
        self.session = aiohttp.ClientSession(
            headers={"Accept": "text/html", **headers}, cookie_jar=aiohttp.CookieJar(unsafe=True)
        )
        self.status = 0
        self.at = ""
        self.text = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *of: object) -> None:
        await self.session.close()

    async def get(self, path: str, **more: Any) -> str:
        """Go to a page."""
        async with self.session.get(self.url + path, **more) as response:
            return await self._keep(response)

    async def post(self, path: str, fields: dict[str, str], **more: Any) -> str:
        """Send a form."""
        async with self.session.post(self.url + path, data=fields, **more) as response:
            return await self._keep(response)

    async def _keep(self, response: aiohttp.ClientResponse) -> str:
        self.status, self.at = response.status, response.url.path
        self.text = await response.text()
        return self.text

    def hidden(self, name: str, form: int = 0) -> str:
        """A hidden field of the page."""
        return str(re.findall(rf'name="{name}" value="([^"]*)"', self.text)[form])

    async def sign_in(self, room: str = "101", surname: str = "Weber") -> str:
        """Sign in by room and surname."""
        return await self.post("/sign-in", {"room": room, "surname": surname})

    async def open_door(self, **more: Any) -> str:
        """Press the button of the stay page."""
        fields = {"id": self.hidden("id"), "door": self.hidden("door")}
        return await self.post("/door", fields, **more)

    async def until_settled(self) -> str:
        """Look again, as the page does by itself, until the door's end is known."""
        for _ in range(400):
            if 'http-equiv="refresh"' not in self.text:
                return self.text
            await self.get(self.at)
        raise AssertionError("the page waits for ever")


@dataclass(slots=True)
class ApiClient:
    """A staff terminal: signed in, asks GraphQL."""

    session: aiohttp.ClientSession
    url: str
    access: str | None = None

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The whole answer."""
        headers = {} if self.access is None else {"Authorization": f"Bearer {self.access}"}
        body = {"query": query, "variables": variables}
        async with self.session.post(self.url + "/graphql", json=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            found: dict[str, Any] = await answer.json()
            return found

    async def data(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data; insists on no errors."""
        answer = await self.ask(query, **variables)
        assert "errors" not in answer, answer["errors"]
        found: dict[str, Any] = answer["data"]
        return found


@asynccontextmanager
async def terminal(
    house: WholeHouse, person: str | None = "ida"
) -> AsyncGenerator[ApiClient, None]:
    """A terminal with somebody signed in (None: nobody)."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        client = ApiClient(session, house.url)
        if person is not None:
            form = {"person": person, "pin": PINS[person], "terminal": "desk-1"}
            async with session.post(house.url + "/sign-in/staff", json=form) as answer:
                assert answer.status == 200, await answer.text()
                client.access = (await answer.json())["access"]
        yield client


def make_house(folder: Path) -> Settings:
    """A property that was set up once, to be copied for each test."""
    file = folder / "nightporter.toml"
    file.write_text(SETTINGS.format(folder=folder))
    settings = load_settings({}, files=[file], etc=folder / "etc").settings
    made = make_property(parse(PROPERTY), settings, SystemClock(floor_path=None))
    assert not made.refused, made.refused
    return settings


@pytest.fixture(scope="session")
def property_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The set-up property that tests copy: PIN hashes and keys are made once."""
    folder = tmp_path_factory.mktemp("property")
    make_house(folder)
    return folder


def copied(property_folder: Path, folder: Path) -> Settings:
    """A property of its own for one test."""
    shutil.copytree(property_folder / "data", folder / "data")
    (folder / "run").mkdir()
    file = folder / "nightporter.toml"
    file.write_text(SETTINGS.format(folder=folder))
    return load_settings({}, files=[file], etc=folder / "etc").settings


@asynccontextmanager
async def open_whole_house(
    settings: Settings,
    folder: Path,
    *,
    change: Callable[[Ports], Ports] = lambda ports: ports,
    plugged_in: bool = True,
    engines: Sequence[Engine] = ENGINES,
) -> AsyncGenerator[WholeHouse, None]:
    """Start the box as its own root does, with locks on an in-process bus and the web on loopback."""
    clock: Clock = SystemClock(floor_path=None, trust=ClockTrust.SYSTEM)
    outside = Nursery(lambda name, error: None)
    nursery = Nursery(lambda name, error: None)
    hub = InProcessHub(clock=clock, nursery=outside)
    journal = Journal()
    sheet = device_sheet.load(settings.data_dir / DEVICE_SHEET)
    twin = Property(sheet, wire=hub_wire(hub), clock=clock, nursery=outside, journal=journal)

    def join(_clock: Clock, inside: Nursery) -> Joined:
        return Joined(bus=hub.join("core", role=BusRole.CORE, nursery=inside))

    try:
        async with open_box(settings, clock, nursery, join, engines) as box:
            if plugged_in:
                await twin.start()
            ports = change(build_ports(box))
            async with serve_ports(ports) as url:
                yield WholeHouse(
                    box=box,
                    ports=ports,
                    url=url,
                    twin=twin,
                    journal=journal,
                    folder=folder,
                    nursery=outside,
                    hub=hub,
                )
    finally:
        await outside.close()
