"""One property for a schedule: real engines, real sync, a vendor's cloud, and rough weather."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

from appliance.engines.payments.room import ENGINE as PAYMENTS
from appliance.kernel.clock import sleep
from appliance.kernel.messages import Answer
from appliance.kernel.tasks import Nursery
from appliance.kernel.virtual_clock import VirtualClock
from campaigns.channels import CHANNELS, Channel
from support.hotel import Hotel
from support.hotel_home import HotelHome
from sync.home import Asked, DoorCode, Home, HomeAwayError, Page
from sync.money.stripe import StripeAccount
from sync.running import Running
from sync.settings import SyncSettings
from sync.transport import Answer as HttpAnswer
from sync.transport import CallTransport, NoAnswer, Request
from twin.clouds.inprocess import InProcess
from twin.clouds.serve import PAYMENTS_IN_PROCESS
from twin.clouds.stripe import SECRET_KEY, StripeCloud
from twin.journal import Journal
from twin.line import Line

# Few rooms, so that acts meet on them.
DOUBLES: Final = 8
ALLOTMENT: Final = 4
# What a request takes on its way and back: kills fall into the middle of exchanges.
LATENCY_S_MAX: Final = 0.3


class Weather:
    """What may happen to one process: its requests take time, it may be stopped (SIGSTOP)."""

    def __init__(self, clock: VirtualClock, chance: random.Random) -> None:
        self._clock = clock
        self._chance = chance
        self._running = asyncio.Event()
        self._running.set()

    def stop(self) -> None:
        """Nothing of the process goes on from here."""
        self._running.clear()

    def go_on(self) -> None:
        """SIGCONT."""
        self._running.set()

    async def pass_through(self) -> None:
        """Some time on the way, and as long as the process is stopped."""
        await sleep(self._clock, self._chance.random() * LATENCY_S_MAX)
        await self._running.wait()


class RoughTransport:
    """The clouds in process, with time between request, execution and answer."""

    def __init__(self, clouds: InProcess, weather: Weather) -> None:
        self._inner = CallTransport(clouds.send)
        self._weather = weather

    async def send(self, request: Request) -> HttpAnswer | NoAnswer:
        """Send once; a kill may fall before or after it is executed."""
        await self._weather.pass_through()
        reply = await self._inner.send(request)
        await self._weather.pass_through()
        return reply


class RoughHome:
    """The appliance, which may be away, over a socket that takes time."""

    def __init__(self, home: Home, weather: Weather) -> None:
        self._home = home
        self._weather = weather
        self.away = False

    async def ask(self, asked: Asked) -> Answer:
        """The answer may be lost after the command is on disk."""
        await self._there()
        answer = await self._home.ask(asked)
        await self._there()
        return answer

    async def feed(self, after: int, chain: str, limit: int, wait_s: float) -> Page:
        """As it is."""
        await self._there()
        return await self._home.feed(after, chain, limit, wait_s)

    async def report(self, standing: Mapping[str, Any]) -> None:
        """As it is."""
        await self._home.report(standing)

    async def door_code(self, stay_id: str) -> DoorCode | None:
        """As it is."""
        await self._there()
        return await self._home.door_code(stay_id)

    async def stay_doors(self, stay_id: str) -> tuple[str, ...]:
        """As it is."""
        await self._there()
        return await self._home.stay_doors(stay_id)

    async def _there(self) -> None:
        await self._weather.pass_through()
        if self.away:
            raise HomeAwayError("away")


class House:
    """Everything of one schedule; `kill` and `start` make a new process on the same file."""

    def __init__(
        self,
        folder: Path,
        vendor: str,
        chance: random.Random,
        *,
        doubles: int = DOUBLES,
        allotment: int = ALLOTMENT,
    ) -> None:
        self.chance = chance
        self.hotel = Hotel(folder, doubles=doubles, allotment=allotment, more=[PAYMENTS])
        self.clock = self.hotel.clock
        self.world = Nursery(lambda name, error: None)
        self.journal = Journal(clock=self.clock)
        self.line = Line(self.journal, self.clock, self.world)
        self.channel: Channel = CHANNELS[vendor](self.clock, self.journal)
        numbers = [str(101 + number) for number in range(doubles)]
        self.channel.furnish({"double": numbers, "suite": ["201"]})
        self.stripe = StripeCloud(self.clock, self.journal)
        clouds = {self.channel.account.base_url: self.channel.cloud}
        self._clouds = InProcess(
            {**clouds, PAYMENTS_IN_PROCESS: self.stripe}, self.line, self.clock
        )
        self.weather = Weather(self.clock, chance)
        self.home = RoughHome(HotelHome(self.hotel), self.weather)
        self._settings = SyncSettings(
            ledger_path=folder / "sync.db",
            pms=self.channel.account,
            stripe=StripeAccount(base_url=PAYMENTS_IN_PROCESS, secret_key=SECRET_KEY),
            # The product's own default; a day and more of looks is most of what a schedule costs.
            pull_interval_s=30.0,
            report_interval_s=600.0,
        )
        self.died: list[str] = []
        self.nursery = Nursery(self._note_death)
        self.running: Running | None = None

    @property
    def sync(self) -> Running:
        """The process, which must be alive."""
        assert self.running is not None, "it was killed"
        return self.running

    @property
    def today(self) -> date:
        """The property's business date."""
        [(text,)] = self.hotel.rows("SELECT business_date FROM stays_business_date")
        return date.fromisoformat(str(text))

    def start(self) -> None:
        """A new process on the same file."""
        if self.running is not None:
            return
        self.weather.go_on()
        self.nursery = Nursery(self._note_death)
        self.running = Running(
            self._settings,
            clock=self.clock,
            home=self.home,
            transport=RoughTransport(self._clouds, self.weather),
            nursery=self.nursery,
            chance=random.Random(self.chance.random()),
        )
        self.running.start()

    async def kill(self) -> None:
        """SIGKILL wherever it is."""
        if self.running is None:
            return
        await self.nursery.close()
        self.running.close()
        self.running = None

    async def quiet(self) -> None:
        """Until sync has read the log to its head, owes nothing and has told everything."""
        while True:
            [(head,)] = self.hotel.rows("SELECT coalesce(max(position), 0) FROM event")
            if self.sync.ledger.cursor().position >= head:
                break
            await sleep(self.clock, LATENCY_S_MAX)
        await self.sync.quiet()

    async def close(self) -> None:
        """Let go of everything."""
        await self.kill()
        await self.world.close()
        self.hotel.close()

    def _note_death(self, name: str, error: BaseException | None) -> None:
        self.died.append(f"{name}: {error!r}")
