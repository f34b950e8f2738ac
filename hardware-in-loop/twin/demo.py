"""`nightporter demo`: a property of 24 rooms that is alive, with the kiosk in this terminal."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import click

from appliance.kernel.clock import Clock, ClockTrust, SystemClock, sleep
from twin.bookings import MadeBooking
from twin.feed import Feed
from twin.stage import STAFF, Scenery, Stage, StageError, made_bookings, staged

WEB_PORT: Final = 8080
# The bookings come through sync as they would from any PMS: 24 rooms take a few seconds.
LEARNED_S_MAX: Final = 90.0
DAYS_BACK: Final = 4
DAYS_AHEAD: Final = 10
DOOR_OF_ROOM: Final = "door-{}"
# A closed terminal ends the house as Ctrl-C does: nothing is left running without an owner.
ENDING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alive:
    """What the demo put into the house."""

    bookings: int
    in_house: int
    due_today: int
    example_room: str | None
    example_name: str | None


async def bring_alive(stage: Stage, clock: Clock, today: date) -> Alive:
    """Sell bookings upstream, wait until sync has brought them home, check the earlier ones in."""
    made = made_bookings(
        stage.scenery, today - timedelta(days=DAYS_BACK), days=DAYS_BACK + DAYS_AHEAD
    )
    # Booked before today, leaving after it: what a desk finds in the morning.
    made = [booking for booking in made if booking.departure > today]
    sold = {await stage.sell(booking): booking for booking in made}
    learned = await learn(stage, clock, len(sold))
    in_house = await _check_in(stage, sold, learned, today)
    example = in_house[0] if in_house else None
    return Alive(
        bookings=len(sold),
        in_house=len(in_house),
        due_today=sum(booking.arrival == today for booking in made),
        example_room=example[0] if example else None,
        example_name=example[1] if example else None,
    )


async def learn(stage: Stage, clock: Clock, count: int) -> dict[str, str]:
    """Stay ids by upstream id, once sync has brought this many bookings home."""
    feed = Feed(stage.data / "run" / "command.sock")
    stays: dict[str, str] = {}
    deadline = clock.monotonic() + LEARNED_S_MAX
    while len(stays) < count:
        for fact in await feed.news():
            if fact["kind"].startswith("stays.booked."):
                stays[fact["body"]["upstream_id"]] = fact["body"]["stay_id"]
        if clock.monotonic() > deadline:
            raise StageError(
                f"after {LEARNED_S_MAX:.0f} s sync has brought {len(stays)} of {count}"
            )
        await sleep(clock, 0.05)
    return stays


async def _check_in(
    stage: Stage, sold: dict[str, MadeBooking], learned: dict[str, str], today: date
) -> list[tuple[str, str]]:
    """Those who arrived before today get rooms and keys; (room, surname) of each."""
    free = {kind.id: list(kind.rooms) for kind in stage.scenery.sold}
    in_house = []
    for upstream, booking in sold.items():
        rooms = free[booking.room_type]
        if booking.arrival >= today or not rooms:
            continue
        room, stay = rooms.pop(0), learned[upstream]
        checked_in = await stage.ask(
            "stays.check_in", {"stay_id": stay, "room_id": room}, f"demo:in:{stay}"
        )
        if "done" not in checked_in.get("answer", {}):
            continue
        await stage.ask("doors.cut_key", _key(stay, room), f"demo:key:{stay}")
        in_house.append((room, booking.guest.last_name))
    return in_house


def _key(stay: str, room: str) -> dict[str, Any]:
    return {
        "holder_kind": "stay",
        "holder_id": stay,
        "door_id": DOOR_OF_ROOM.format(room),
        "reason": "first",
    }


def addresses(stage: Stage, alive: Alive) -> list[str]:
    """What somebody who wants to look around needs."""
    lines = [
        f"Guest pages      {stage.web_url}/",
        f"The twin         {stage.control_url}/journal  (locks, clouds, the line)",
        f"Folder           {stage.scenery.folder}",
        "",
        *(f"{person.name:<15} sign in as {person.id:<8} PIN {person.pin}" for person in STAFF),
    ]
    if alive.example_room:
        lines.append(f"{'A guest':<15} room {alive.example_room}, surname {alive.example_name}")
    lines += [
        "",
        (
            f"{alive.bookings} bookings from the PMS, {alive.in_house} in house,"
            f" {alive.due_today} due today."
        ),
        "",
        f"Cut the line:    {sys.argv[0]} twin line cut --at {stage.control_url}",
        "Heal it:         the same with `heal`",
    ]
    return lines


async def show(scenery: Scenery, *, headless: bool) -> None:
    """Bring the property up and stay until quit; the end may be asked for at any moment."""
    clock = SystemClock(floor_path=None, trust=ClockTrust.SYSTEM)
    stop = asyncio.Event()
    bringing_up = asyncio.current_task()
    assert bringing_up is not None, "a coroutine that runs has a task"

    def end() -> None:
        # Once is enough: a second Ctrl-C must not hurry the roles past their last words.
        if not stop.is_set():
            stop.set()
            bringing_up.cancel()

    for number in ENDING:
        asyncio.get_running_loop().add_signal_handler(number, end)
    try:
        await _serve(scenery, clock, stop, headless=headless)
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
        bringing_up.uncancel()
    _say("The house is closed.")


async def _serve(scenery: Scenery, clock: Clock, stop: asyncio.Event, *, headless: bool) -> None:
    _say("Bringing up 24 rooms, their locks, two clouds and the box ...")
    if scenery.web_port == 0:
        _say(f"(port {WEB_PORT} is taken by something else here; another one is used)")
    try:
        async with staged(scenery, clock) as stage:
            _say("The box is up; fetching bookings from the PMS ...")
            alive = await bring_alive(stage, clock, await business_date(stage))
            for line in addresses(stage, alive):
                click.echo(line)
            if headless:
                click.echo("\nServing. Ctrl-C ends it.")
                sys.stdout.flush()
                await stop.wait()
            else:
                await _enter_pressed()
                await _kiosk(stage)
            _say("Closing the house ...")
    except asyncio.CancelledError:
        _say("Stopped.")
        raise


def _say(words: str) -> None:
    # The terminal itself may be what went away.
    with contextlib.suppress(OSError):
        click.echo(words, err=True)


async def _enter_pressed() -> None:
    """The kiosk covers the addresses and PINs: it opens when they have been read."""
    click.echo("\nEnter opens the front desk; q there ends everything. ", nl=False)
    sys.stdout.flush()
    pressed = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin, pressed.set)
    try:
        await pressed.wait()
    finally:
        loop.remove_reader(sys.stdin)
    sys.stdin.readline()


async def business_date(stage: Stage) -> date:
    """The hotel's day, as the log says it; it begins with the local date."""
    feed = Feed(stage.data / "run" / "command.sock")
    day: date | None = None
    while facts := await feed.news():
        for fact in facts:
            if fact["kind"].startswith("stays.business_date_"):
                day = date.fromisoformat(fact["body"]["opened"])
            elif fact["kind"].startswith("inventory.property_set_up."):
                day = local_date(fact["at_wall_ms"], fact["body"]["time_zone"])
    assert day is not None, "init sets the property up"
    return day


def local_date(wall_ms: int, time_zone: str) -> date:
    """The date at a place at a moment."""
    return datetime.fromtimestamp(wall_ms / 1000, UTC).astimezone(ZoneInfo(time_zone)).date()


async def _kiosk(stage: Stage) -> None:
    words = ["kiosk", "--url", stage.web_url, "--terminal", "desk-1"]
    # Not the person's own kiosk journal: an act of a property that is gone cannot be finished.
    words += ["--journal", str(stage.scenery.folder / "kiosk-journal.json")]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "appliance.kernel.verbs", *words, env=stage.environment
    )
    try:
        await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


def port_is_free(port: int) -> bool:
    """Whether the usual port can be had."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@click.command(epilog="Example: nightporter demo --headless")
@click.option("--headless", is_flag=True, help="No kiosk: print the addresses and keep serving.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="Keep the property here (default: a scratch folder, gone afterwards).",
)
def demo(folder: Path | None, *, headless: bool) -> None:
    """A living property of 24 rooms with everything around it; nothing needs to run already."""
    headless = headless or not (sys.stdin.isatty() and sys.stdout.isatty())
    with contextlib.ExitStack() as stack:
        if folder is None:
            scratch = tempfile.TemporaryDirectory(prefix="nightporter-demo-")
            folder = Path(stack.enter_context(scratch))
        folder.mkdir(parents=True, exist_ok=True)
        scenery = Scenery(
            folder=folder.resolve(), web_port=WEB_PORT if port_is_free(WEB_PORT) else 0
        )
        try:
            asyncio.run(show(scenery, headless=headless))
        except StageError as error:
            raise SystemExit(f"nightporter: {error}") from error
