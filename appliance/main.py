"""The composition root of the appliance: builds everything once and passes it by name."""

from __future__ import annotations

import asyncio
import base64
import errno
import functools
import gc
import logging
import os
import signal
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.bus import discovery
from appliance.bus.client import BusSettings, MqttBus
from appliance.bus.credentials import BusRole, CredentialsError
from appliance.bus.credentials import load as load_credentials
from appliance.bus.words import DeviceKind
from appliance.counterparties import Counterparties
from appliance.door_codes import DoorCodes
from appliance.engines.climate.gateway import Gateway as ClimateGateway
from appliance.engines.climate.telemetry import Telemetry
from appliance.engines.doors.credentials import Locksmith
from appliance.engines.doors.gateway import Gateway
from appliance.engines.doors.queries import key_by_id
from appliance.engines.doors.rounds import Rounds
from appliance.engines.identity.messages import PersonForgotten
from appliance.engines.inventory.messages import DeviceAdded
from appliance.engines.stays.directory import Directory
from appliance.engines.stays.rounds import Reminders
from appliance.kernel import log as kernel_log
from appliance.kernel import rebuild
from appliance.kernel.ask import Asker, Room
from appliance.kernel.clock import Clock, SystemClock
from appliance.kernel.deciding import Deciding
from appliance.kernel.discreet import start_logging, where
from appliance.kernel.durable import write_whole
from appliance.kernel.followers import Followers, keep_cursor
from appliance.kernel.health import Health
from appliance.kernel.log import Log
from appliance.kernel.messages import Admission
from appliance.kernel.reader import Reader, open_reader
from appliance.kernel.secrets import issuer_key, load_masters, read_private, settle_master
from appliance.kernel.settings import BankKind, PaymentKind, PmsKind, Settings
from appliance.kernel.socket import CommandSocket, Extra
from appliance.kernel.tasks import Nursery
from appliance.kernel.telemetry import Metrics, Tracer, build_metrics, open_tracer
from appliance.kernel.vault import Vault, VaultError, open_vault
from appliance.plan import own_bus_socket
from appliance.radios import Radios
from appliance.rebuilding import Rebuilding
from appliance.rooms import ENGINES
from appliance.vitals import Vitals, status
from appliance.where import CORE, CORE_TOKEN, data_option, say_and_stop, settings_of

if TYPE_CHECKING:
    from appliance.bus.port import Bus
    from appliance.kernel.engine import Engine, Recorded

logger = logging.getLogger(__name__)

# A port that is taken, a folder or file that is not ours or not there: starting again cures none.
NEEDS_A_PERSON = frozenset(
    {errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES, errno.EPERM, errno.ENOENT, errno.EROFS}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Everything of a running appliance, by name; the web and the socket are built on it."""

    settings: Settings
    engines: Sequence[Engine]
    clock: Clock
    nursery: Nursery
    vault: Vault
    asker: Asker
    reader: Reader
    followers: Followers
    bus: Bus
    doors: Gateway
    climate: ClimateGateway
    telemetry: Telemetry
    locksmith: Locksmith
    directory: Directory
    health: Health
    counterparties: Counterparties
    metrics: Metrics
    tracer: Tracer


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """The bus and how to start it, once everybody who must hear its first message has subscribed."""

    bus: Bus
    start: Callable[[], None] = lambda: None


JoinBus = Callable[[Clock, Nursery], Joined]


@asynccontextmanager
async def open_box(
    settings: Settings,
    clock: Clock,
    nursery: Nursery,
    join_bus: JoinBus,
    engines: Sequence[Engine] = ENGINES,
) -> AsyncGenerator[Box, None]:
    """Open the log, start the writer, its followers and the gateways. Waits for no network."""
    vault = open_vault(settings.keys_file, load_masters(settings.master_file, os.environ))
    settle_master(settings.master_file)
    db = kernel_log.connect(settings.log_file)
    metrics = build_metrics("appliance")
    try:
        for name in rebuild.settle_forms(db, engines):
            logger.info("the read model %s was built again", name)
        log = Log(db)
        _raise_floor(clock, db)
        deciding = Deciding(log, vault, clock, engines)
        tracer = open_tracer(
            "appliance",
            otlp_endpoint=settings.telemetry.otlp_endpoint,
            traced_share=settings.telemetry.traced_share,
        )
        asker = Asker(deciding, room=_room(settings), metrics=metrics, tracer=tracer)
        async with open_reader(settings.log_file) as reader:
            joined = join_bus(clock, nursery)
            bus = joined.bus
            box = _build(
                settings=settings,
                engines=engines,
                clock=clock,
                nursery=nursery,
                vault=vault,
                asker=asker,
                reader=reader,
                bus=bus,
                metrics=metrics,
                tracer=tracer,
            )
            asker.start()
            nursery.deadly("log writer", asker.run())
            await _start(box)
            joined.start()
            try:
                yield box
            finally:
                await box.climate.close()
                await box.doors.close()
                await bus.close()
                await nursery.close()
                await box.telemetry.close()
                await asker.stop()
    finally:
        db.close()
        vault.close()


def _build(  # noqa: PLR0913 - the parts of one box, each by its own name
    *,
    settings: Settings,
    engines: Sequence[Engine],
    clock: Clock,
    nursery: Nursery,
    vault: Vault,
    asker: Asker,
    reader: Reader,
    bus: Bus,
    metrics: Metrics,
    tracer: Tracer,
) -> Box:
    locksmith = Locksmith(vault=vault, issuer=issuer_key(vault))
    health = Health()
    telemetry = Telemetry(settings.telemetry_file, clock)
    followers = Followers(asker, reader, metrics)
    followers.enrol(engines)
    box = Box(
        settings=settings,
        engines=engines,
        clock=clock,
        nursery=nursery,
        vault=vault,
        asker=asker,
        reader=reader,
        followers=followers,
        bus=bus,
        doors=Gateway(
            bus=bus,
            asker=asker,
            reader=reader,
            clock=clock,
            nursery=nursery,
            locksmith=locksmith,
            tracer=tracer,
        ),
        climate=ClimateGateway(
            bus=bus,
            asker=asker,
            reader=reader,
            clock=clock,
            nursery=nursery,
            telemetry=telemetry,
        ),
        telemetry=telemetry,
        locksmith=locksmith,
        directory=Directory(reader=reader, vault=vault),
        health=health,
        counterparties=Counterparties(clock, health),
        metrics=metrics,
        tracer=tracer,
    )
    followers.add("forget", functools.partial(_forget, box), on=[PersonForgotten])
    return box


async def _start(box: Box) -> None:
    await box.directory.load()
    box.asker.listen(box.directory.notice)
    await box.followers.start(box.nursery)
    await box.doors.start()
    await box.climate.start()
    rounds = Rounds(
        asker=box.asker, reader=box.reader, clock=box.clock, fittings=box.doors.fittings
    )
    box.nursery.mortal("rounds of the doors", rounds.run())
    reminders = Reminders(asker=box.asker, reader=box.reader, clock=box.clock)
    box.nursery.mortal("clocks of the conflicts", reminders.run())
    await Radios(
        bus=box.bus,
        clock=box.clock,
        health=box.health,
        behind=functools.partial(_behind, box.settings),
    ).start()
    box.nursery.mortal("measurements", box.telemetry.run())
    await _announce(box)
    await _watch(box)


def _behind(settings: Settings, bridge: str) -> tuple[str, ...]:
    """The things a bridge may speak for, by the file that lets it in."""
    try:
        known = load_credentials(settings.bus_credentials_file).active(bridge)
    except CredentialsError:
        return ()
    return known.devices if known is not None and known.role is BusRole.BRIDGE else ()


async def _watch(box: Box) -> None:
    """Let every part say how it stands; sync's silence too, where sync belongs to this box."""
    last = await box.reader.row("SELECT at_wall FROM event ORDER BY position DESC LIMIT 1")
    vitals = Vitals(
        log=box.asker,
        faults=box.asker.deciding.faults,
        unstored=lambda: box.asker.deciding.unstored,
        deaf=box.asker.listener_faults,
        bus=box.bus,
        followers=box.followers,
        data_dir=box.settings.data_dir,
        since_ms=box.clock.read().wall_ms,
        last_fact_ms=None if last is None else last[0],
    )
    box.asker.listen(vitals.notice)
    vitals.register(box.health, [engine.name for engine in box.engines])
    sync = box.settings.sync
    if (
        sync.pms.kind is not PmsKind.NONE
        or sync.payments.kind is not PaymentKind.NONE
        or sync.bank.kind is not BankKind.NONE
    ):
        box.counterparties.expect()


def _raise_floor(clock: Clock, db: Any) -> None:
    """The last fact was written at a time; it is not earlier now."""
    row = db.execute(
        "SELECT at_wall, boot_id, at_boot FROM event ORDER BY position DESC LIMIT 1"
    ).fetchone()
    if row is not None and isinstance(clock, SystemClock):
        clock.raise_floor(row[0], row[1], row[2])


def _room(settings: Settings) -> Room:
    limits = settings.limits
    waiting = {
        Admission.DOOR: limits.door_queue,
        Admission.DESK: limits.desk_queue,
        Admission.MONEY: limits.money_queue,
        Admission.GUEST: limits.guest_queue,
        Admission.BULK: limits.bulk_queue,
    }
    return Room(waiting=waiting, batch=limits.batch)


async def _forget(box: Box, facts: Sequence[Recorded]) -> None:
    """Destroy the keys of the people who are to be forgotten; safe to repeat."""
    for fact in facts:
        if isinstance(fact.event, PersonForgotten):
            person, at_wall_ms = fact.event.person_id, fact.at_wall_ms
            await asyncio.to_thread(box.vault.forget, person, at_wall_ms)
            box.directory.drop(person)
    last = facts[-1].position
    await box.asker.apply(lambda db: keep_cursor(db, "forget", last))


async def _announce(box: Box) -> None:
    """Let an existing Home Assistant see every device, now and whenever either comes back."""
    rows = await box.reader.rows("SELECT device_id, kind, room_id FROM inventory_device")
    known = [_announced(device_id, kind, room_id) for device_id, kind, room_id in rows]

    def notice(facts: Sequence[Recorded]) -> None:
        for fact in facts:
            if isinstance(fact.event, DeviceAdded):
                added = fact.event
                known.append(_announced(added.device_id, added.device_kind, added.room_id))

    box.asker.listen(notice)
    await discovery.keep_announced(box.bus, lambda: known)


def _announced(device_id: str, kind: str, room_id: str | None) -> discovery.Announced:
    area = None if room_id is None else f"Room {room_id}"
    return discovery.Announced(
        device=device_id, kind=DeviceKind(kind), name=area or device_id, area=area
    )


def status_of(box: Box) -> Extra:
    """The word `status` on the command socket."""

    async def told(_fields: Any) -> dict[str, Any]:
        return status(box.health, box.clock)

    return told


async def credential(box: Box, key_id: Any) -> dict[str, Any]:
    """A key as its holder's phone carries it: base64 of the CWT, derived again, never stored."""
    key = await key_by_id(box.reader, str(key_id))
    if key is None:
        return {"error": f"there is no key {key_id}"}
    return {"cwt": base64.b64encode(box.locksmith.credential(key.facts)).decode()}


def command_socket(box: Box) -> CommandSocket:
    """The socket of the box's own processes, with every word it knows."""
    socket = CommandSocket(
        asker=box.asker,
        reader=box.reader,
        vault=box.vault,
        clock=box.clock,
        nursery=box.nursery,
    )
    socket.add("report", box.counterparties.take)
    socket.add("status", status_of(box))
    rebuilding = Rebuilding(box.engines, box.settings.log_file, box.asker, box.followers)
    socket.add("rebuild", rebuilding.take)
    socket.add("credential", functools.partial(credential, box))
    codes = DoorCodes(asker=box.asker, reader=box.reader, locksmith=box.locksmith, clock=box.clock)
    socket.add("door_code", codes.take)
    socket.add("stay_doors", codes.doors)
    return socket


def mqtt(settings: Settings) -> JoinBus:
    """How the appliance joins the bus of its settings, as the one identity that may command."""

    def join(clock: Clock, nursery: Nursery) -> Joined:
        token = read_private(settings.data_dir / CORE_TOKEN).decode().strip()
        where = BusSettings(
            identity=CORE,
            token=token,
            host=settings.bus.host,
            port=settings.bus.port,
            unix_path=own_bus_socket(settings),
        )
        bus = MqttBus(where, clock=clock, nursery=nursery)
        return Joined(bus=bus, start=bus.start)

    return join


async def run(settings: Settings) -> int:
    """The appliance as a process, until SIGTERM or until one of its own limbs dies."""
    from appliance.web.serving import serve_web  # noqa: PLC0415 - the desk's socket comes first

    clock = SystemClock(floor_path=settings.floor_file, trust=settings.clock.trust)
    stop = asyncio.Event()
    died: list[str] = []

    def mourn(name: str, error: BaseException | None) -> None:
        died.append(name if error is None else f"{name}: {where(error)}")
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    nursery = Nursery(mourn)
    async with open_box(settings, clock, nursery, mqtt(settings)) as box:
        nursery.deadly("clock floor", clock.keep_floor())
        socket = command_socket(box)
        async with socket.serve(settings.command_socket), serve_web(box) as address:
            ready = settings.run_dir / "appliance.ready"
            write_whole(ready, address.encode())
            # What stands now stays: no collection walks over it again while somebody presses.
            gc.freeze()
            await stop.wait()
            ready.unlink(missing_ok=True)
    for sentence in died:
        logger.error("ended because %s", sentence)
    return 1 if died else 0


@click.command(epilog="Example: nightporter appliance --data ~/riverside")
@data_option
def appliance(data: Path | None) -> None:
    """Run the appliance role alone; `nightporter up` runs all of them."""
    settings = settings_of(data)
    start_logging(logging.WARNING)
    # Ours alone: libraries tell of every request, press and query.
    logging.getLogger("appliance").setLevel(settings.log_level.value.upper())
    if not settings.log_file.exists():
        say_and_stop(f"there is no property in {settings.data_dir}: run `nightporter init FILE`.")
    settings.run_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
    try:
        code = asyncio.run(run(settings))
    except VaultError as error:
        say_and_stop(str(error))
    except OSError as error:
        if error.errno not in NEEDS_A_PERSON:
            raise  # a disk that hiccups is tried again by the supervisor
        say_and_stop(str(error))
    raise SystemExit(code)
