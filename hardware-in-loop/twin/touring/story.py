"""Friday 18:00, told once: the same steps on the same screens, with the line up or cut."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from textual.widgets import DataTable

from appliance.kernel.clock import Clock, sleep
from kiosk.app import Kiosk
from kiosk.client import Client
from kiosk.clock import TerminalClock
from kiosk.journal import Journal
from twin.caller import SET_ROOM_STATUS, Caller
from twin.demo import business_date, learn
from twin.feed import Feed
from twin.stage import STAFF, Scenery, Stage
from twin.touring.clerk import Clerk, Step

ROOM: Final = "101"
LOCK: Final = "lock-101"
DEPOSIT_MINOR: Final = 5_000
SETTLED_S_MAX: Final = 90.0
# A lock that lost the bus tries again every few seconds at most; a busy machine needs longer.
LOCKS_BACK_S_MAX: Final = 30.0
REVEAL_PIN: Final = "mutation($stay:ID!,$key:ID!){revealPin(stayId:$stay,keyId:$key)}"
PLAYERS: Final = (
    # family, given, room type, arrives in days, nights
    ("Almeida", "Bruno", "double", -1, 2),
    ("Lindqvist", "Alma", "double", 0, 2),
    ("O'Neil", "Sean", "single", 0, 1),
    ("Garcia-Lopez", "Ines", "double", 0, 3),
)


class PromiseBrokenError(Exception):
    """The story found a promise broken; the text says which."""


@dataclass(slots=True)
class Run:
    """One telling, with what it left behind for the judge."""

    dark: bool
    steps: list[Step] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    counted: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Guest:
    """What a guest carries: a phone with a key, a PIN in the head."""

    stay_id: str
    credential: bytes = field(default=b"", repr=False)
    pin: str = field(default="", repr=False)


class Story:
    """One run on one stage."""

    def __init__(self, stage: Stage, clock: Clock, clerk: Clerk, run: Run, today: date) -> None:
        self._stage = stage
        self._clock = clock
        self._clerk = clerk
        self._run = run
        self._today = today
        self._stays: dict[str, str] = {}
        self._upstream: dict[str, str] = {}
        self._bruno = Guest("")
        self._alma = Guest("")

    # -- before the curtain -------------------------------------------------------------

    async def set_up(self) -> None:
        """Four bookings from the PMS; Bruno has slept in 101 and has a key; leaves a day early."""
        for family, given, kind, arrives, nights in PLAYERS:
            arrival = self._today + timedelta(days=arrives)
            sold = await self._stage.post(
                "/clouds/mews/reservations",
                {
                    "LastName": family,
                    "FirstName": given,
                    "Category": kind,
                    "StartUtc": f"{arrival}T06:00:00Z",
                    "EndUtc": f"{arrival + timedelta(days=nights)}T11:00:00Z",
                    "NightsMinor": [12_000] * nights,
                    "Adults": 1,
                    "Channel": "Booking.com",
                    "ChannelNumber": f"{family}-1",
                },
            )
            self._upstream[family] = sold["Id"]
        stays = await learn(self._stage, self._clock, len(PLAYERS))
        self._stays = {family: stays[sold] for family, sold in self._upstream.items()}
        self._bruno = Guest(self._stays["Almeida"])
        self._alma = Guest(self._stays["Lindqvist"])
        await self._ask("stays.check_in", stay_id=self._bruno.stay_id, room_id=ROOM)
        await self._ask(
            "doors.cut_key",
            holder_kind="stay",
            holder_id=self._bruno.stay_id,
            door_id=f"door-{ROOM}",
            reason="first",
        )
        await self._carry(self._bruno)
        await self._expect_at_lock("Bruno's own key opened 101 last night", self._bruno, opens=True)
        card = await self._stage.save_card("Alma Lindqvist")
        await self._ask(
            "payments.save_card_reference",
            stay_id=self._alma.stay_id,
            customer_ref=card["customer"],
            method_ref=card["payment_method"],
        )

    # -- the story ------------------------------------------------------------------------

    async def tell(self) -> None:
        """All steps, in order."""
        clerk = self._clerk
        await clerk.step("sign in by PIN", self._sign_in)
        await clerk.step("in house", lambda: self._go("3", "Almeida|101"))
        await clerk.step("open the stay that leaves", lambda: self._go("enter", "Almeida|Money"))
        await clerk.step("check it out; its key dies", self._check_out)
        await clerk.aside("the room is cleaned and inspected", self._clean)
        await clerk.step("arrivals", lambda: self._go("1", "Lindqvist"))
        await clerk.step("open the arriving stay", self._open_alma)
        if self._run.dark:
            await clerk.aside("THE LINE IS CUT", lambda: self._stage.line("cut"))
        else:
            await clerk.aside("(the line stays up)", self._nothing)
        await clerk.step("check in to 101", self._check_in)
        await clerk.step("cut a key", self._cut_key)
        await clerk.step("open the door", self._open_door)
        await clerk.aside("the box is switched off", self._box_off)
        await clerk.aside("at the lock: the new key opens, the old one does not", self._at_the_lock)
        await clerk.aside("the box is switched on again", self._box_on)
        await clerk.step("open the door again", self._open_door)
        await clerk.aside("the payment service stops answering", self._money_goes_silent)
        await clerk.step("take a deposit of 50.00", self._deposit)
        await clerk.aside("kill -9 the appliance", self._kill)
        await clerk.step("the stay, as it was left", self._see_pending)
        await clerk.step("a walk-in is sold", self._walk_in)
        await clerk.step("check the walk-in in", self._walk_in_checks_in)
        await clerk.step("a key for the walk-in", self._cut_key)
        await clerk.step("the walk-in's door", self._open_door)
        await clerk.step("hand-over, nothing hidden", lambda: self._go("0", "money|pending"))
        await clerk.aside("the line heals, everything is reconciled", self._heal)
        await clerk.step("the arrival's money", self._see_received)
        await self._judge()

    async def _sign_in(self) -> str:
        await self._clerk.until("Front desk")
        await self._clerk.press("home", *(["down"] * self._place_of("Front desk")), "enter")
        await self._clerk.until("PIN of Front desk")
        await self._clerk.type(STAFF[1].pin)
        await self._clerk.press("enter")
        return "Arrivals|Lindqvist"

    def _place_of(self, name: str) -> int:
        names = sorted(person.name for person in STAFF)
        return names.index(name)

    async def _go(self, key: str, words: str) -> str:
        await self._clerk.press(key)
        return words

    async def _check_out(self) -> str:
        await self._clerk.press("o")
        await self._clerk.until("The keys stop working")
        await self._clerk.press("y")
        return "Almeida|departed|Done"

    async def _clean(self) -> None:
        async with Caller(self._stage.web_url, terminal="pantry") as house:
            await house.sign_in(STAFF[2].id, STAFF[2].pin)
            for status in ("CLEAN", "INSPECTED"):
                told = await house.one(
                    SET_ROOM_STATUS, id=f"tour-{status}", room=ROOM, status=status
                )
                self._promise("housekeeping can make the room ready", holds=told["done"])

    async def _open_alma(self) -> str:
        await self._choose_row("Lindqvist")
        return "Lindqvist|expected|Money"

    async def _choose_row(self, name: str) -> None:
        table = self._clerk.app.screen.query_one("#table", DataTable)
        names = [str(table.get_row_at(n)[0]) for n in range(table.row_count)]
        place = next(n for n, text in enumerate(names) if name in text)
        await self._clerk.press("home", *(["down"] * place), "enter")

    async def _check_in(self) -> str:
        await self._clerk.press("i")
        await self._clerk.until("Check in: which room?")
        await self._clerk.press("home", "enter")
        return "Lindqvist|in house|101"

    async def _cut_key(self) -> str:
        await self._clerk.press("k")
        return "PIN at the lock"

    async def _open_door(self) -> str:
        await self._clerk.press("x")
        return "the lock confirmed it"

    async def _deposit(self) -> str:
        await self._clerk.press("e")
        await self._clerk.until("Deposit")
        await self._clerk.type("50.00")
        await self._clerk.press("enter")
        return "pending"

    async def _see_pending(self) -> str:
        await self._clerk.press("3")
        await self._clerk.until("In house|Lindqvist")
        await self._choose_row("Lindqvist")
        return "Lindqvist|pending|in house"

    async def _walk_in(self) -> str:
        await self._clerk.press("escape", "6")
        await self._clerk.until("Family name|Room type")
        for text in ("Nkemelu", "Chidi", "", "1", "1", "1"):
            if text:
                await self._clerk.type(text)
            await self._clerk.press("enter")
        return "Nkemelu|Sold by"

    async def _walk_in_checks_in(self) -> str:
        await self._clerk.press("i")
        return "Nkemelu|in house"

    async def _see_received(self) -> str:
        await self._clerk.press("3")
        await self._clerk.until("In house|Lindqvist")
        await self._choose_row("Lindqvist")
        return "Lindqvist|received 50.00"

    # -- the world around the desk ----------------------------------------------------------

    async def _nothing(self) -> None:
        return

    async def _box_off(self) -> None:
        await self._carry(self._alma)
        await self._stage.stop("up")

    async def _box_on(self) -> None:
        await self._stage.open_box()
        await self._clerk.until("Lindqvist|in house")
        await self._online_again()
        await self._locks_back()

    async def _at_the_lock(self) -> None:
        await self._expect_at_lock("the key cut in the dark opens", self._alma, opens=True)
        await self._expect_at_lock("the guest before cannot", self._bruno, opens=False)

    async def _money_goes_silent(self) -> None:
        await self._stage.fault("stripe", "POST /v1/payment_intents", "no_answer", times=50)

    async def _kill(self) -> None:
        pid = self._stage.pid_of("appliance")
        self._stage.kill("appliance")
        await self._stage.back("appliance", pid)
        await self._online_again()

    async def _locks_back(self) -> None:
        """Until the locks have found the bus again: they look at growing intervals."""
        deadline = self._clock.monotonic() + LOCKS_BACK_S_MAX
        while any(not device["connected"] for device in await self._stage.get("/devices")):
            if self._clock.monotonic() > deadline:
                self._run.broken.append(f"no bus for every lock after {LOCKS_BACK_S_MAX:.0f} s")
                return
            await sleep(self._clock, 0.05)

    async def _online_again(self) -> None:
        """Until the kiosk itself has noticed that the box answers."""
        while not self._clerk.app.desk.client.reach.reachable:
            self._clerk.app.poll()
            await sleep(self._clock, 0.05)
            await self._clerk.pilot.pause(0)

    async def _heal(self) -> None:
        await self._stage.delete("/clouds/faults")
        if self._run.dark:
            await self._stage.line("heal")
        deadline = self._clock.monotonic() + SETTLED_S_MAX
        while owed := [*await self._owed(), *await self._pending()]:
            if self._clock.monotonic() > deadline:
                self._run.broken.append(f"not reconciled after {SETTLED_S_MAX:.0f} s: {owed}")
                return
            await sleep(self._clock, 0.2)

    async def _pending(self) -> list[str]:
        """Money the desk still calls pending."""
        async with Caller(self._stage.web_url) as desk:
            await desk.sign_in(STAFF[1].id, STAFF[1].pin)
            owed = await desk.one("{handOver{pendingIntents{state}}}")
        return [f"a deposit is {intent['state']}" for intent in owed["pendingIntents"]]

    async def _owed(self) -> list[str]:
        """What the clouds have not been told yet, by their own account."""
        counted = await self._count()
        wanted = {"sold": 1, "checked in": 3, "checked out": 1, "charged": 1}
        return [
            f"{what}: {counted[what]} of {n}" for what, n in wanted.items() if counted[what] < n
        ]

    async def _count(self) -> dict[str, int]:
        journal = await self._stage.journalled()
        added = [row for row in journal if row["kind"] == "pms.reservation.added"]
        return {
            "sold": len(added) - len(PLAYERS),
            "checked in": sum(row["kind"] == "pms.reservation.started" for row in journal),
            "checked out": sum(row["kind"] == "pms.reservation.processed" for row in journal),
            "charged": sum(row["kind"] == "payments.charged" for row in journal),
        }

    # -- the judge ------------------------------------------------------------------------

    async def _judge(self) -> None:
        """Nothing lost and nothing doubled, counted by the twin and by nobody of ours."""
        self._run.counted = await self._count()
        for what, wanted in {"sold": 1, "checked in": 3, "checked out": 1, "charged": 1}.items():
            found = self._run.counted[what]
            self._promise(f"{what} exactly {wanted} time(s), not {found}", holds=found == wanted)
        moves: dict[str, int] = {}
        for row in await self._stage.journalled("bolt"):
            if row.get("to") == "unlocked" and row.get("order_id"):
                moves[row["order_id"]] = moves.get(row["order_id"], 0) + 1
        self._promise("one press moves one bolt once", holds=all(n == 1 for n in moves.values()))
        self._run.counted["bolts moved by the desk"] = len(moves)
        facts = await Feed(self._stage.data / "run" / "command.sock").all()
        conflicts = sum(fact["kind"].startswith("stays.conflict_raised.") for fact in facts)
        self._promise("no conflict out of our own echo", holds=conflicts == 0)

    async def _expect_at_lock(self, promise: str, guest: Guest, *, opens: bool) -> None:
        """By phone and by PIN, at the lock, without the box."""
        for how, tried in (
            ("key", await self._stage.try_key(LOCK, guest.credential)),
            ("PIN", await self._stage.try_pin(LOCK, guest.pin)),
        ):
            opened = tried["outcome"] == "done"
            self._promise(f"{promise} ({how}: {tried})", holds=opened is opens)

    async def _carry(self, guest: Guest) -> None:
        """The guest's phone gets the key, and the desk reads the PIN aloud."""
        async with Caller(self._stage.web_url) as desk:
            await desk.sign_in(STAFF[1].id, STAFF[1].pin)
            keys = await desk.one(
                "query($id:ID!){stay(id:$id){keys{id live pinAtLock}}}", id=guest.stay_id
            )
            while not keys["keys"][-1]["pinAtLock"]:
                await sleep(self._clock, 0.05)
                keys = await desk.one(
                    "query($id:ID!){stay(id:$id){keys{id live pinAtLock}}}", id=guest.stay_id
                )
            key_id = keys["keys"][-1]["id"]
            guest.pin = await desk.one(REVEAL_PIN, stay=guest.stay_id, key=key_id)
        told = await self._stage.request({"credential": key_id})
        guest.credential = base64.b64decode(told["credential"]["cwt"])

    async def _ask(self, name: str, **body: Any) -> None:
        answer = await self._stage.ask(name, body, f"tour:{name}:{body.get('stay_id', ROOM)}")
        if "done" not in answer.get("answer", {}):
            raise PromiseBrokenError(f"setting the scene: {name} was answered {answer}")

    def _promise(self, sentence: str, *, holds: bool) -> None:
        if not holds:
            self._run.broken.append(sentence)


@asynccontextmanager
async def kiosk_at(stage: Stage, clock: Clock, folder: Path) -> AsyncGenerator[Clerk, None]:
    """A kiosk of 80x24 in this process, over HTTP like any other."""
    terminal = TerminalClock()
    client = Client(stage.web_url, "desk-1", clock=terminal, journal=Journal(folder / "acts.json"))
    app = Kiosk(client, clock=terminal, idle_s=3_600, poll_s=1.0)
    async with app.run_test(size=(80, 24)) as pilot:
        yield Clerk(app, pilot, clock)


async def tell(folder: Path, clock: Clock, *, dark: bool) -> Run:
    """One telling on a property of its own; what breaks is in the run, never raised."""
    run = Run(dark=dark)
    stage = Stage(Scenery(folder=folder), clock)
    try:
        await stage.prepare()
        await stage.open_box()
        today = await business_date(stage)
        async with kiosk_at(stage, clock, folder) as clerk:
            run.steps = clerk.steps
            story = Story(stage, clock, clerk, run, today)
            await story.set_up()
            await story.tell()
    except Exception as error:  # noqa: BLE001 - the table of steps is worth more than a traceback
        run.broken.append(f"{type(error).__name__}: {error}")
    finally:
        with contextlib.suppress(Exception):
            await stage.close()
    return run
