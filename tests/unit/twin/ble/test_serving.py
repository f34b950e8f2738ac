"""Tier T2: an air, a lock and the driver, each a process of its own, over TCP."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bumble.transport import open_transport
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.bus.device_sheet import save
from appliance.bus.words import DeviceKind, Order, Outcome, Verb
from appliance.kernel.clock import SystemClock
from appliance.kernel.tasks import Nursery
from drivers.ble.radio import BleRadio
from drivers.ble.stack import Stack
from drivers.npk.codes import command_id
from drivers.port import Evidence, Told
from drivers.radios import Setting, Thing
from support.ble_doors import Keys
from support.ble_promises import PROMISES, Can, LaterInLife
from support.driver_house import HeardHouse
from support.lock_bench import ISSUER
from support.small_house import small_house
from twin.ble.backend import VirtualClient, VirtualScanner, adapter_on
from twin.ble.central import Central
from twin.journal import Journal
from twin.main import twin

ROOT = Path(__file__).resolve().parents[4]
PATIENCE_S = 30
DOOR = 204


class NoAdapter:
    async def power_cycle(self) -> bool:
        return False

    async def restart_stack(self) -> bool:
        return False


@asynccontextmanager
async def verb(*arguments: str) -> AsyncGenerator[tuple[Any, asyncio.subprocess.Process], None]:
    """A verb of the twin as a process, and what it said when it was ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from twin.main import twin; twin()",
        *arguments,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'hardware-in-loop'}", "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("ready "), line
        yield json.loads(line.removeprefix("ready ")), process
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(PATIENCE_S):
            await process.communicate()


@dataclass
class Processes:
    """Fills `support.ble_promises.Doors` with what processes can do."""

    radio: BleRadio
    clock: SystemClock
    keys: Keys
    journal: Journal
    can: frozenset[Can] = frozenset({Can.COUNT})
    first_door: int = DOOR
    number: list[int] = field(default_factory=lambda: [0])

    @property
    def now_s(self) -> int:
        return self.clock.read().wall_s

    def credential(self, *doors: int, stranger: bool = False, **claims: Any) -> bytes:
        holder = ec.generate_private_key(ec.SECP256R1()) if stranger else None
        return self.keys.credential(*(doors or (DOOR,)), holder=holder, **claims)

    def order(self, verb: Verb = Verb.UNLOCK, **fields: Any) -> Order:
        self.number[0] += 1
        fields.setdefault("id", f"order-{self.number[0]}")
        if verb is Verb.UNLOCK:
            fields.setdefault("credential", self.credential(now_s=self.now_s))
        return Order(verb=verb, expires_at_ms=(self.now_s + 8) * 1000, reply_topic="t", **fields)

    async def press(self, order: Order | None = None, door: int = 0, seconds: float = 8) -> Told:
        return await self.radio.devices[f"lock-{DOOR + door}"].carry_out(
            order or self.order(), deadline_s=self.clock.monotonic() + seconds
        )

    def moves(self, order_id: str | None = None) -> int:
        wanted = None if order_id is None else command_id(order_id).hex()
        return sum(
            wanted is None or entry.get("command") == wanted
            for kind in ("bolt", "held")
            for entry in self.journal.read(kind)
            if entry.get("to", "unlocked") == "unlocked"
        )

    async def lose_answer_once(self, door: int = 0) -> None:
        raise NotImplementedError


@asynccontextmanager
async def processes(
    folder: Path,
) -> AsyncGenerator[tuple[Processes, asyncio.subprocess.Process], None]:
    save(folder / "sheet.json", small_house(1))
    journal = folder / "journal.jsonl"
    lock_args = ("lock", f"lock-{DOOR}", "--sheet", str(folder / "sheet.json"))
    async with (
        verb("air", "--listen", "127.0.0.1:0", "--supervision-s", "1") as (air, _),
        verb(*lock_args, "--journal", str(journal), "--hci", air["hci"]) as (said, process),
        await open_transport(air["hci"]) as transport,
    ):
        clock, nursery = SystemClock(floor_path=None), Nursery(lambda _name, _error: None)
        keys = Keys(issuer=ISSUER)
        central = await Central.open(transport.source, transport.sink)
        thing = Thing(
            name=said["device"],
            kind=DeviceKind.LOCK,
            protocol="npk",
            address=said["address"],
            door_number=said["door_number"],
            options={"lock_point": said["lock_point"]},
        )
        setting = Setting(
            id="ble0",
            kind="ble",
            bridge="driver-ble0",
            things=(thing,),
            clock=clock,
            nursery=nursery,
            folder=folder,
            property_id="marina",
            issuer_points=keys.points,
            presser=keys.presser,
        )
        stack = Stack(
            adapter=NoAdapter(),
            scanner=VirtualScanner,
            client=VirtualClient,
            connected=adapter_on(central),
            scanner_more={"central": central},
        )
        radio = BleRadio(setting, stack)
        running = asyncio.ensure_future(radio.run(HeardHouse()))
        yield Processes(radio, clock, keys, Journal(journal)), process
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await nursery.close()
        await central.close()


async def test_every_promise_that_processes_can_be_asked_for_holds(tmp_path: Path) -> None:
    async with processes(tmp_path) as (doors, _):
        kept = [named for named in PROMISES if named.needs <= doors.can]
        assert len(kept) >= 6
        for named in kept:
            # A key of a higher generation kills those before: each promise begins with its own.
            await named.body(LaterInLife(doors, kept.index(named)))


async def test_a_killed_lock_is_noticed_and_remembers_what_it_did(tmp_path: Path) -> None:
    async with processes(tmp_path) as (doors, lock):
        order = doors.order()
        assert (await doors.press(order)).outcome is Outcome.DONE
        lock.kill()
        await lock.wait()
        told = await doors.press(seconds=3)
        assert told.outcome is Outcome.NOT_SENT
        assert told.evidence in {(Evidence.NEVER_LEFT,), (Evidence.STACK_REFUSED,)}
        assert doors.moves(order.id) == 1


def test_a_controller_that_is_not_there_says_what_to_try(tmp_path: Path) -> None:
    save(tmp_path / "sheet.json", small_house(1))
    arguments = ["lock", f"lock-{DOOR}", "--sheet", str(tmp_path / "sheet.json")]
    more = ["--journal", str(tmp_path / "j"), "--hci", "tcp-client:127.0.0.1:9"]
    ended = CliRunner().invoke(twin, [*arguments, *more])
    assert ended.exit_code == 1
    assert "start `nightporter twin air`" in ended.output
    ended = CliRunner().invoke(twin, ["air", "--listen", "nowhere"])
    assert "HOST:PORT" in ended.output
    ended = CliRunner().invoke(twin, ["lock", "room-204", *arguments[2:], *more])
    assert "has no lock room-204" in ended.output
