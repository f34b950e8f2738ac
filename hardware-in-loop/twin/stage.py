"""A whole property in a scratch folder: the twin, every role as a process, and hands to try it.

Demo, tour, chaos and the door benchmark stand on it. Everything is started as an installer would,
by verbs; nothing of the box is imported.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import web

from appliance.kernel.clock import Clock, sleep
from twin.bookings import Bookings, Fate, MadeBooking, RoomType
from twin.clouds.mews import ACCESS_TOKEN, CLIENT_TOKEN
from twin.clouds.stripe import SECRET_KEY

# A minute: a loaded machine starts the four Python processes in a few seconds.
READY_S_MAX: Final = 60.0
STOP_S_MAX: Final = 15.0
LOOK_S: Final = 0.02
LINE_BYTES_MAX: Final = 1_048_576
LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SoldType:
    """A room type of the staged house."""

    id: str
    title: str
    sleeps: int
    rate_minor: int
    rooms: Sequence[str]
    allotment: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody of the staff, with a PIN that is good for a scratch property only."""

    id: str
    name: str
    role: str
    pin: str


TWENTY_FOUR: Final = (
    SoldType(
        id="double",
        title="Double",
        sleeps=2,
        rate_minor=12_000,
        rooms=[f"{floor}{n:02d}" for floor in (1, 2) for n in range(1, 9)],
        allotment=2,
    ),
    SoldType(
        id="single",
        title="Single",
        sleeps=1,
        rate_minor=8_400,
        rooms=[f"3{n:02d}" for n in range(1, 7)],
        allotment=1,
    ),
    SoldType(
        id="suite", title="Suite", sleeps=4, rate_minor=24_000, rooms=["401", "402"], allotment=1
    ),
)
STAFF: Final = (
    Person(id="manager", name="Manager", role="manager", pin="8352"),
    Person(id="desk", name="Front desk", role="front_desk", pin="4073"),
    Person(id="house", name="Housekeeping", role="housekeeping", pin="7916"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenery:
    """What the staged property is to be."""

    folder: Path
    sold: Sequence[SoldType] = TWENTY_FOUR
    staff: Sequence[Person] = STAFF
    time_zone: str = "Europe/Lisbon"
    web_port: int = 0
    clouds: bool = True
    water: bool = False  # a leak sensor and a valve in every room
    pull_interval_s: float = 2.0
    environment: Mapping[str, str] = field(default_factory=dict)  # added to every process's


class StageError(Exception):
    """The property could not be brought up; the text says which part, and shows its last lines."""


@dataclass(slots=True)
class Stage:
    """A running property and the hands to try it: the line, the locks, the clouds, kill -9."""

    scenery: Scenery
    clock: Clock
    web_url: str = ""
    control_url: str = ""
    _processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    _http: aiohttp.ClientSession | None = None

    @property
    def data(self) -> Path:
        """The property's folder."""
        return self.scenery.folder / "property"

    @property
    def journal(self) -> Path:
        """What the twin wrote down: the oracle outside the box."""
        return self.scenery.folder / "twin-journal.jsonl"

    @property
    def environment(self) -> dict[str, str]:
        """In which verbs find this property."""
        found = {**os.environ, **self.scenery.environment}
        return found | {"NIGHTPORTER_CONFIG": str(self.data / "nightporter.toml")}

    # -- bringing it up ------------------------------------------------------------------

    async def prepare(self) -> None:
        """The folder, `nightporter init`, and the twin; the box itself stays off."""
        self.data.mkdir(parents=True, exist_ok=True)
        bus_port, web_port = free_port(), self.scenery.web_port or free_port()
        self.web_url = f"http://{LOOPBACK}:{web_port}"
        described = self.scenery.folder / "property.toml"
        described.write_text(property_text(self.scenery))
        described.chmod(0o600)
        secrets = {"mews-client": CLIENT_TOKEN, "mews-access": ACCESS_TOKEN, "stripe": SECRET_KEY}
        for name, text in secrets.items():
            path = self.data / f"{name}.secret"
            path.touch(mode=0o600)
            path.write_text(text)
        settings = self.data / "nightporter.toml"
        settings.write_text(settings_text(self.data, web_port, bus_port))
        await self._verb("init", str(described), "--data", str(self.data))
        ready = self.scenery.folder / "twin.ready"
        words = ["twin", "up", "--sheet", str(self.data / "device-sheet.json")]
        words += ["--journal", str(self.journal), "--ready-file", str(ready)]
        words += ["--state", str(self.scenery.folder / "twin")]
        if self.scenery.clouds:
            words.append("--clouds")
        await self.start("twin", *words)
        await self._until(ready.exists, "the twin")
        addresses = json.loads(ready.read_text())
        self.control_url = addresses["control"]
        if self.scenery.clouds:
            with settings.open("a") as file:
                file.write(clouds_text(self.data, addresses, self.scenery.pull_interval_s))
            await self.set_up_house()

    async def open_box(self) -> None:
        """`nightporter up`: every role as a process; returns when the desk can be used."""
        ready = self.data / "run" / "appliance.ready"
        ready.unlink(missing_ok=True)
        await self.start("up", "up", "--data", str(self.data))
        await self._until(ready.exists, "the box", self._processes["up"])

    async def start(self, name: str, *words: str) -> None:
        """One verb as a process of its own; its words go to a file beside the property."""
        with (self.scenery.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "appliance.kernel.verbs",
                *words,
                env=self.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def stop(self, name: str) -> None:
        """End a verb as a person would, and wait for it."""
        process = self._processes.pop(name, None)
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S_MAX):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def close(self) -> None:
        """Everything down again, in the reverse order."""
        for name in reversed(list(self._processes)):
            await self.stop(name)
        if self._http is not None:
            await self._http.close()

    # -- kill -9 and coming back -----------------------------------------------------------

    def pid_of(self, role: str) -> int:
        """The process of one role, as its supervisor wrote it down."""
        return int((self.data / "run" / f"{role}.pid").read_text())

    def process_id(self, name: str) -> int:
        """The process of a verb that was started here."""
        return self._processes[name].pid

    def kill(self, role: str) -> None:
        """SIGKILL: the process has no last word."""
        os.kill(self.pid_of(role), signal.SIGKILL)

    async def back(self, role: str = "appliance", killed_pid: int = 0) -> None:
        """Until a killed role is there again and ready."""

        def is_back() -> bool:
            with contextlib.suppress(OSError, ValueError):
                ready = self.data / "run" / f"{role}.ready"
                return self.pid_of(role) != killed_pid and (role == "sync" or ready.exists())
            return False

        await self._until(is_back, role)

    # -- the world outside the box ----------------------------------------------------------

    async def line(self, state: str, **more: Any) -> None:
        """Do one of cut, heal or slow to the line."""
        await self.post("/line", {"state": state, **more})

    async def fault(self, cloud: str, where: str, fault: str, **more: Any) -> None:
        """Plan a fault of a cloud, such as an answer that never comes."""
        await self.post("/clouds/faults", {"cloud": cloud, "where": where, "fault": fault, **more})

    async def set_up_house(self) -> None:
        """The same rooms in the PMS cloud, by the same numbers."""
        kinds = [
            {
                "Name": kind.title,
                "Short": kind.id,
                "Capacity": kind.sleeps,
                "Rooms": list(kind.rooms),
            }
            for kind in self.scenery.sold
        ]
        await self.post(
            "/clouds/mews/house",
            {"TimeZone": self.scenery.time_zone, "Currency": "EUR", "Categories": kinds},
        )

    async def sell(self, booking: MadeBooking) -> str:
        """Let a channel sell one booking; the PMS's id of it."""
        sold = await self.post(
            "/clouds/mews/reservations",
            {
                "LastName": booking.guest.last_name,
                "FirstName": booking.guest.first_name,
                "Email": booking.guest.email,
                "Category": booking.room_type,
                "StartUtc": f"{booking.arrival}T14:00:00Z",
                "EndUtc": f"{booking.departure}T10:00:00Z",
                "Adults": booking.adults,
                "Children": booking.children,
                "NightsMinor": list(booking.nights_minor),
                "Channel": str(booking.channel),
                "ChannelNumber": booking.channel_number,
            },
        )
        return str(sold["Id"])

    async def save_card(self, name: str, card: str = "pm_card_visa") -> dict[str, str]:
        """A guest's card at the provider: customer and payment method."""
        saved: dict[str, str] = await self.post(
            "/clouds/stripe/cards", {"Name": name, "Card": card}
        )
        return saved

    async def try_key(self, device: str, credential: bytes) -> dict[str, Any]:
        """A person holds a phone at the lock; the box is not asked."""
        cwt = base64.b64encode(credential).decode()
        tried: dict[str, Any] = await self.post(f"/lock/{device}/credential", {"cwt": cwt})
        return tried

    async def try_pin(self, device: str, digits: str) -> dict[str, Any]:
        """A person types a PIN at the lock."""
        tried: dict[str, Any] = await self.post(f"/lock/{device}/pin", {"digits": digits})
        return tried

    async def journalled(self, kind: str | None = None) -> list[dict[str, Any]]:
        """What the twin saw."""
        query = "" if kind is None else f"?kind={kind}"
        found = await self.get(f"/journal{query}")
        rows: list[dict[str, Any]] = found["journal"] if isinstance(found, dict) else found
        return rows

    async def ask(self, name: str, body: dict[str, Any], command_id: str) -> dict[str, Any]:
        """A command over the box's own socket."""
        return await self.request(
            {"ask": {"name": name, "id": command_id, "body": body, "actor": "box"}}
        )

    async def request(self, request: dict[str, Any]) -> dict[str, Any]:
        """Anything over the box's own socket."""
        reader, writer = await asyncio.open_unix_connection(
            self.data / "run" / "command.sock", limit=LINE_BYTES_MAX
        )
        try:
            writer.write(json.dumps({"n": 1, **request}).encode() + b"\n")
            answer: dict[str, Any] = json.loads(await reader.readline())
        finally:
            writer.close()
        return answer

    async def get(self, path: str) -> Any:
        """Ask the twin."""
        return await self._call("GET", path, None)

    async def post(self, path: str, body: Any) -> Any:
        """Tell the twin."""
        return await self._call("POST", path, body)

    async def delete(self, path: str) -> Any:
        """Let the twin forget something."""
        return await self._call("DELETE", path, None)

    async def _call(self, method: str, path: str, body: Any) -> Any:
        if self._http is None:
            self._http = aiohttp.ClientSession()
        async with self._http.request(method, self.control_url + path, json=body) as response:
            if response.status >= web.HTTPBadRequest.status_code:
                raise StageError(f"the twin says to {path}: {await response.text()}")
            return await response.json()

    async def _verb(self, *words: str) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "appliance.kernel.verbs",
            *words,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is ours to answer
        )
        try:
            said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise StageError(f"nightporter {words[0]} said: {said.decode().strip()}")

    async def _until(
        self,
        is_so: Callable[[], bool],
        what: str,
        process: asyncio.subprocess.Process | None = None,
    ) -> None:
        deadline = self.clock.monotonic() + READY_S_MAX
        while not is_so():
            if process is not None and process.returncode is not None:
                raise StageError(f"{what} ended ({process.returncode}): {self._last_words('up')}")
            if self.clock.monotonic() > deadline:
                raise StageError(
                    f"{what} is not ready after {READY_S_MAX:.0f} s: {self._last_words('up')}"
                )
            await sleep(self.clock, LOOK_S)

    def _last_words(self, name: str) -> str:
        path = self.scenery.folder / f"{name}.log"
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        return " | ".join(lines[-5:])


@asynccontextmanager
async def staged(scenery: Scenery, clock: Clock) -> AsyncGenerator[Stage, None]:
    """A property that is up; it is down again at the end, whatever happens."""
    stage = Stage(scenery, clock)
    try:
        await stage.prepare()
        await stage.open_box()
        yield stage
    finally:
        await stage.close()


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def made_bookings(
    scenery: Scenery, today: date, *, days: int = 14, seed: int = 1
) -> list[MadeBooking]:
    """Bookings of the days around today in realistic proportions, those that cancel left out."""
    types = [
        RoomType(
            code=kind.id, rooms=len(kind.rooms), capacity=kind.sleeps, rate_minor=kind.rate_minor
        )
        for kind in scenery.sold
    ]
    made = Bookings(types, seed=seed).fill(today, today + timedelta(days=days))
    return [booking for booking in made if booking.fate is not Fate.CANCELS]


def property_text(scenery: Scenery) -> str:
    """The property's file for `nightporter init`."""
    parts = [
        (
            "[property]\n"
            'id = "staged"\naccount = "staged"\ntitle = "Riverside Hotel"\n'
            f'time_zone = "{scenery.time_zone}"\ncurrency = "EUR"\n'
        ),
        '[[building]]\nid = "main"\ntitle = "Main house"\n',
    ]
    for kind in scenery.sold:
        rate = f"{kind.rate_minor // 100}.{kind.rate_minor % 100:02d}"
        parts.append(
            f'[[room_type]]\nid = "{kind.id}"\ntitle = "{kind.title}"\nsleeps = {kind.sleeps}\n'
            f'rate = "{rate}"\noffline_allotment = {kind.allotment}\n'
        )
        numbers = json.dumps(list(kind.rooms))
        rooms = f'[[rooms]]\nnumbers = {numbers}\ntype = "{kind.id}"\nbuilding = "main"\n'
        parts.append(rooms + ("leak_sensors = true\nvalves = true\n" if scenery.water else ""))
    parts += [
        f'[[staff]]\nid = "{person.id}"\nname = "{person.name}"\n'
        f'roles = ["{person.role}"]\npin = "{person.pin}"\n'
        for person in scenery.staff
    ]
    return "\n".join(parts)


def settings_text(data: Path, web_port: int, bus_port: int) -> str:
    """The settings of a property that lives in one folder."""
    return (
        f'data_dir = "{data}"\nrun_dir = "{data / "run"}"\n\n[web]\nport = {web_port}\n\n'
        f'[bus]\nport = {bus_port}\n\n[clock]\ntrust = "system"\n'
    )


def clouds_text(data: Path, addresses: dict[str, str], pull_interval_s: float) -> str:
    """Where sync finds the clouds of the twin."""
    return (
        f'\n[sync.pms]\nkind = "mews"\nbase_url = "{addresses["pms"]}"\n'
        f'client_token_file = "{data / "mews-client.secret"}"\n'
        f'access_token_file = "{data / "mews-access.secret"}"\n'
        f"pull_interval_s = {pull_interval_s}\n\n"
        f'[sync.payments]\nkind = "stripe"\nbase_url = "{addresses["payments"]}"\n'
        f'key_file = "{data / "stripe.secret"}"\n'
    )
