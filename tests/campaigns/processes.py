"""The same weather over real processes: one staged property, one burst of trouble after another.

Guests come and go all the while. After each burst the line heals, stopped processes go on, killed
ones are back; something of what waits must move within ten seconds. After the end the queue is
waited for as long as it shrinks, and a person tries once more what was parked; then it is empty,
and the box, the PMS and the payment provider hold the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from appliance.kernel.clock import ClockTrust, SystemClock, sleep
from support.story import Story, Told, judge
from sync.control import SyncAwayError, ask
from twin.demo import business_date
from twin.feed import Feed
from twin.stage import TWENTY_FOUR, Scenery, SoldType, Stage, staged

PROGRESS_S_MAX: Final = 10.0
# A loaded machine of two processors starts four Python processes in this.
BACK_S_MAX: Final = 60.0
# What was lost may still be carried out for a minute (LATE_MS), its repeat comes a minute after
# that at the latest (RETRY_MS_MAX), and whoever waits for that room is next.
STANDS_S_MAX: Final = 150.0
# Twice the trouble of 200 schedules: by then the chain of one room is over, or never.
QUIET_S_MAX: Final = 1_800.0
# Two looks of five seconds and the way home: what the PMS has to tell is told by then.
CALM_S: Final = 15.0
LOOK_S: Final = 0.1
# A house turns a room over once a day; a guest each two seconds is one each 150 s for a room here.
ROOMS_OF_A_TYPE: Final = 24
MEWS_WRITES: Final = ("*", "reservations/*", "customers/add", "reservations/add", "payments/*")
FAULTS: Final = ("lost_request", "lost_answer", "cut_body", "server_error", "broken_stored")

# What each fact makes of a stay, in the words of the PMS.
STATES: Final = {
    "stays.booked": "Confirmed",
    "stays.checked_in": "Started",
    "stays.checked_out": "Processed",
    "stays.cancelled": "Canceled",
}


def sold() -> list[SoldType]:
    """A property of 72 rooms; of each type as many may be sold offline as the staged one allows."""
    return [
        replace(kind, rooms=[f"{floor}{n:02d}" for n in range(1, ROOMS_OF_A_TYPE + 1)])
        for floor, kind in enumerate(TWENTY_FOUR, start=1)
    ]


@dataclass(slots=True)
class Weathered:
    """What came of it."""

    schedules: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    progress_s: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    shown: dict[str, str] = field(default_factory=dict)  # what waits for a person, by lane
    guests: int = 0
    queued: int = 0  # at the end of the trouble
    empty_s: float | None = None  # after it, until nothing was queued for good


class Bursts:
    """Trouble for one staged property."""

    def __init__(self, stage: Stage, clock: SystemClock, seed: int) -> None:
        self._stage = stage
        self._socket = stage.data / "run" / "sync.sock"
        self._clock = clock
        self._chance = random.Random(seed)
        self._stopped: set[int] = set()
        self._asked_again: set[str] = set()
        self.found = Weathered()

    async def go(self, number: int) -> None:
        """One schedule: trouble, healing, progress."""
        self.found.schedules += 1
        for _ in range(self._chance.randint(1, 3)):
            await self._trouble()
            await sleep(self._clock, self._chance.uniform(0.02, 1.0))
        await self._channel_sells(number)
        await self._heal()
        await self._progress()

    async def _trouble(self) -> None:
        what = self._chance.choice(
            ["cut", "cut", "fault", "fault", "fault", "stop", "kill sync", "kill appliance"]
        )
        self.found.counts[what] += 1
        match what:
            case "cut":
                await self._stage.line("cut", how=self._chance.choice(["silent", "refused"]))
            case "fault":
                cloud = self._chance.choice(["mews", "stripe"])
                where = self._chance.choice(MEWS_WRITES) if cloud == "mews" else "*"
                fault = self._chance.choice(FAULTS)
                await self._stage.fault(cloud, where, fault, times=self._chance.randint(1, 3))
            case "stop":
                self._stop(self._chance.choice(["sync", "appliance"]))
            case _:
                await self._kill(what.removeprefix("kill "))

    def _stop(self, role: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            pid = self._stage.pid_of(role)
            os.kill(pid, signal.SIGSTOP)
            self._stopped.add(pid)

    async def _kill(self, role: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            pid = self._stage.pid_of(role)
            self._stage.kill(role)
            self._stopped.discard(pid)
            await self._stage.back(role, pid)

    async def _channel_sells(self, number: int) -> None:
        today = await business_date(self._stage) if not self._stopped else None
        if today is None:
            return
        await self._stage.post(
            "/clouds/mews/reservations",
            {
                "LastName": f"Guest{number}",
                "Category": self._chance.choice(["double", "single"]),
                "StartUtc": f"{today + timedelta(days=3)}T14:00:00Z",
                "EndUtc": f"{today + timedelta(days=4)}T10:00:00Z",
                "Adults": 1,
                "NightsMinor": [9_000],
                "Channel": "Booking.com",
            },
        )
        self.found.counts["channel sold"] += 1

    async def _heal(self) -> None:
        for pid in self._stopped:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGCONT)
        self._stopped.clear()
        await self._stage.delete("/clouds/faults")
        await self._stage.line("heal")

    async def _progress(self) -> None:
        healed_s, healed_ms = self._clock.monotonic(), self._clock.read().wall_ms
        while True:
            status = await self.status()
            passed_s = self._clock.monotonic() - healed_s
            if status is not None:
                mews = _of(status, "mews")
                limited = mews["state"] in {"limited", "refused"}
                if mews["queued"] == 0 or limited or (mews["last_confirmed_ms"] or 0) > healed_ms:
                    break
            if passed_s > BACK_S_MAX:
                self.found.broken.append(f"schedule {self.found.schedules}: no progress at all")
                return
            await sleep(self._clock, LOOK_S)
        self.found.progress_s.append(passed_s)
        if passed_s > PROGRESS_S_MAX:
            self.found.broken.append(
                f"schedule {self.found.schedules}: no progress for {passed_s:.1f} s"
            )

    async def ask_again(self, status: dict[str, Any]) -> None:
        """What the trouble left to a person is tried again by one, once, as the desk would."""
        for item in status["parked"]:
            name = item["id"]
            if name.startswith("eff_") and name not in self._asked_again:
                self._asked_again.add(name)
                with contextlib.suppress(SyncAwayError):
                    await asyncio.to_thread(ask, self._socket, ["retry", name])
                    self.found.counts["tried again by a person"] += 1

    async def shown(self) -> dict[str, str]:
        """What waits for a person: lanes and sentences."""
        status = await self.status()
        return {} if status is None else {p["entity"]: p["sentence"] for p in status["parked"]}

    async def status(self) -> dict[str, Any] | None:
        """What sync says of itself; None while it is not there."""
        try:
            said = await asyncio.to_thread(ask, self._socket, ["status"])
        except SyncAwayError:
            return None
        found: dict[str, Any] | None = said.get("status")
        return found


async def weather(folder: Path, schedules: int, seed: int) -> Weathered:
    """So many bursts over one property, then silence, then the judgement."""
    clock = SystemClock(floor_path=None, trust=ClockTrust.SYSTEM)
    told, stop = Told(), asyncio.Event()
    scenery = Scenery(folder=folder, sold=sold(), pull_interval_s=5.0)
    async with staged(scenery, clock) as stage:
        today = await business_date(stage)
        bursts = Bursts(stage, clock, seed)

        async def guests(story: Story) -> None:
            number = 0
            while not stop.is_set():
                await story.guest(number)
                number += 1
                await sleep(clock, 1.0)

        story = asyncio.ensure_future(guests(Story(stage, told, today, seed=seed, all_rooms=True)))
        try:
            for number in range(schedules):
                await bursts.go(number)
        finally:
            stop.set()
        await story
        await _quiet(bursts, clock)
        found = bursts.found
        found.guests = told.guests
        found.broken += await judge(stage, told)
        found.shown = await bursts.shown()
        found.broken += await _equal(stage, found.shown)
    return found


class Draining:
    """The queue after the trouble: as long as it shrinks it is waited for. All times in seconds."""

    def __init__(self, now_s: float) -> None:
        self._began_s = self._shrank_s = now_s
        self._empty_s: float | None = None
        self._least: int | None = None
        self.most = 0
        self.broken: str | None = None

    @property
    def empty_s(self) -> float | None:
        """How long it took until nothing was queued for good; None: it never came to that."""
        return None if self._empty_s is None else self._empty_s - self._began_s

    def is_over(self, queued: int | None, now_s: float) -> bool:
        """Tell it how much is queued, None where nobody answers; True when there is an end."""
        if queued is not None:
            self.most = max(self.most, queued)
            if self._least is None or queued < self._least:
                self._least, self._shrank_s = queued, now_s
        if queued == 0:
            self._empty_s = now_s if self._empty_s is None else self._empty_s
            return now_s - self._empty_s >= CALM_S
        self._empty_s = None
        if now_s - self._shrank_s > STANDS_S_MAX:
            self.broken = f"the queue did not become empty: it stands at {queued}"
        elif now_s - self._began_s > QUIET_S_MAX:
            self.broken = f"the queue did not become empty in {QUIET_S_MAX:.0f} s: {queued} wait"
        return self.broken is not None


async def _quiet(bursts: Bursts, clock: SystemClock) -> None:
    draining, found = Draining(clock.monotonic()), bursts.found
    while True:
        status = await bursts.status()
        queued = None if status is None else sum(c["queued"] for c in status["counterparties"])
        if draining.is_over(queued, clock.monotonic()):
            break
        if status is not None:
            await bursts.ask_again(status)
        await sleep(clock, LOOK_S)
    found.queued, found.empty_s = draining.most, draining.empty_s
    if draining.broken is not None:
        found.broken.append(draining.broken)


async def _equal(stage: Stage, shown: dict[str, str]) -> list[str]:
    """Where the box, the PMS and the payment provider differ and nobody has been told."""
    facts = await Feed(stage.data / "run" / "command.sock").all()
    rows = (await stage.get("/clouds/mews/reservations"))["Reservations"]
    charged = await stage.journalled("payments.charged")
    posted = await stage.journalled("pms.payment.added")
    return bookings_alike(facts, rows, shown) + money_alike(facts, charged, posted, shown)


def money_alike(
    facts: list[dict[str, Any]],
    charged: list[dict[str, Any]],
    posted: list[dict[str, Any]],
    shown: dict[str, str],
) -> list[str]:
    """What was charged has arrived at the box, once and as much, and so at the PMS.

    The facts are the log's, the other two the twin's journal: the provider's and the PMS's.
    """
    settled = [
        fact["body"] for fact in facts if fact["kind"].startswith("payments.payment_settled.")
    ]
    here = Counter((each["intent_id"], each["amount_minor"]) for each in settled)
    there = Counter((row["metadata"].get("outbox_id"), row["amount_minor"]) for row in charged)
    broken = [
        f"{intent}: {minor} came {here[intent, minor]} times here and was charged"
        f" {there[intent, minor]} times"
        for intent, minor in sorted(here.keys() | there.keys(), key=str)
        if here[intent, minor] != there[intent, minor]
    ]
    told = {each["payment_id"] for each in settled if f"stay:{each['stay_id']}" in shown}
    ours = Counter((each["payment_id"], each["amount_minor"]) for each in settled)
    theirs = Counter((row["external_identifier"], row["amount_minor"]) for row in posted)
    return broken + [
        f"{payment}: {minor} came {ours[payment, minor]} times here and"
        f" {theirs[payment, minor]} times to the PMS"
        for payment, minor in sorted(ours.keys() | theirs.keys(), key=str)
        if ours[payment, minor] != theirs[payment, minor]
        and not (payment in told and not theirs[payment, minor])
    ]


def bookings_alike(
    facts: list[dict[str, Any]], rows: list[dict[str, Any]], shown: dict[str, str]
) -> list[str]:
    """Every booking of the PMS is one stay, every sale of the box one booking, in one state.

    What a person has been told about, by lane, may differ in its state, never in its number.
    """
    linked: Counter[str] = Counter()
    state_of: dict[str, str] = {}
    name_of: dict[str, str] = {}
    for fact in facts:
        body, kind = fact["body"], fact["kind"].rpartition(".v")[0]
        if kind in {"stays.booked", "stays.upstream_linked"} and body.get("upstream_id"):
            linked[body["upstream_id"]] += 1
            name_of[body["stay_id"]] = body["upstream_id"]
        if kind in STATES:
            state_of[body["stay_id"]] = kind.partition(".")[2]
    theirs = {row["Id"]: row["State"] for row in rows}
    by_us = Counter(row["ChannelNumber"] for row in rows if row.get("Origin") == "Connector")
    broken = [f"{ref} is {n} bookings at the PMS" for ref, n in by_us.items() if n > 1]
    broken += [f"{name} is {linked[name]} stays here" for name in theirs if linked[name] != 1]
    for stay_id, ours in state_of.items():
        state = theirs.get(name_of.get(stay_id, ""))
        if state != STATES[f"stays.{ours}"] and f"stay:{stay_id}" not in shown:
            broken.append(f"{stay_id} is {ours} here and {state} at the PMS")
    return broken


def _of(status: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(c for c in status["counterparties"] if c["name"] == name)
    return found
