"""Serves the web of a running box: builds its parts from the box, listens, stops in order."""

from __future__ import annotations

import asyncio
import functools
import logging
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

from aiohttp import web

from appliance.engines.identity.sessions import Sessions
from appliance.engines.identity.sign_in import SignIn
from appliance.engines.identity.tokens import Tokens
from appliance.kernel.ask import Asker
from appliance.kernel.clock import Clock, sleep
from appliance.kernel.deciding import Asking
from appliance.kernel.followers import Followers
from appliance.kernel.health import Health
from appliance.kernel.messages import Answer, Command, Role, Who
from appliance.kernel.reader import Reader
from appliance.kernel.settings import Settings, WebSettings
from appliance.kernel.tasks import Nursery
from appliance.kernel.telemetry import Metrics, Tracer
from appliance.kernel.vault import Vault
from appliance.web.calendars import Calendars
from appliance.web.context import DeviceNow, Parked, Ports, SyncStanding
from appliance.web.guests import StayGuests
from appliance.web.limits import KEEP_ALIVE_S, LINE_BYTES_MAX
from appliance.web.news import News
from appliance.web.server import build_app
from appliance.web.sessions import approve
from appliance.web.texts import load_texts

logger = logging.getLogger(__name__)

BOX = Who(actor="box", role=Role.SERVICE)
# 128 connections may wait for the loop; a house of phones that wake at once.
BACKLOG = 128
# How often the parts are asked whether one stands otherwise; screens are told only of changes.
HEALTH_S = 2.0
STOP_S = 2.0


class Box(Protocol):
    """What the web takes of the composition root's box."""

    settings: Settings
    clock: Clock
    nursery: Nursery
    vault: Vault
    asker: Asker
    reader: Reader
    followers: Followers
    health: Health
    metrics: Metrics
    tracer: Tracer
    doors: Any
    climate: Any
    locksmith: Any
    bus: Any
    directory: Any
    counterparties: Any


class BusDevices:
    """What the gateways last heard, in one place."""

    def __init__(self, doors: Any, climate: Any) -> None:
        self._doors = doors
        self._climate = climate

    def now(self, device_id: str) -> DeviceNow:
        """One thing; a stranger was never heard."""
        lock = self._doors.fittings.of(device_id)
        if lock.state is not None or lock.online is not None:
            return DeviceNow(online=lock.online, age_ms=lock.heard_age_ms, lock=lock.state)
        warm = self._climate.thermostats.of(device_id)
        return DeviceNow(online=warm.online, age_ms=warm.heard_age_ms, thermostat=warm.state)


def build_ports(box: Any, *, public_url: str | None = None) -> Ports:
    """The named parts of the web, from a running box. `public_url` stands in QR codes."""
    settings: WebSettings = box.settings.web
    guests = StayGuests(box.reader, box.vault, box.directory)

    async def ask_box(command: Command, command_id: str) -> Answer:
        answer: Answer = await box.asker.ask(
            Asking(command=command, command_id=command_id, who=BOX)
        )
        return answer

    sign_in = SignIn(ask_box, box.reader, box.vault, box.clock, guests)
    sessions = Sessions(box.reader, box.vault, box.clock)
    box.asker.listen(sessions.notice)
    news = News()
    box.asker.listen(news.notice)
    base = settings.public_url or public_url or _address(settings, settings.port)

    async def guest_link(stay_id: str) -> str | None:
        return f"{base}/k/{sign_in.link_of(stay_id)}"

    return Ports(
        asker=box.asker,
        reader=box.reader,
        vault=box.vault,
        clock=box.clock,
        nursery=box.nursery,
        tracer=box.tracer,
        metrics=box.metrics,
        health=box.health,
        followers=box.followers,
        settings=settings,
        texts=load_texts(),
        outcomes=box.doors,
        sign_in=sign_in,
        sessions=sessions,
        tokens=Tokens(box.vault, box.clock),
        guest_link=guest_link,
        approve=approve,
        directory=box.directory,
        locksmith=box.locksmith,
        bus=box.bus,
        devices=BusDevices(box.doors, box.climate),
        standing=functools.partial(_standing, box.counterparties),
        news=news,
        version=_version(),
        more={
            "calendars": Calendars(box.reader, box.vault, box.clock, box.settings.sync.feeds, base)
        },
    )


def _standing(counterparties: Any) -> SyncStanding:
    return SyncStanding(
        line_down_since_ms=counterparties.line_down_since_ms(),
        parked=tuple(
            Parked(
                id=item.id,
                entity=item.entity,
                sentence=item.sentence,
                since_ms=item.since_ms,
                said=item.said,
                said_of_ms=item.said_of_ms,
                editable=item.editable,
            )
            for item in counterparties.last.parked
        ),
        reported_at_ms=counterparties.heard_ms,
    )


def _version() -> str:
    try:
        return version("nightporter")
    except PackageNotFoundError:
        return "0"


def _address(settings: WebSettings, port: int) -> str:
    scheme = "https" if settings.tls_certificate_file is not None else "http"
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104 - read, not bound
    return f"{scheme}://{host}:{port}"


def _tls(settings: WebSettings) -> ssl.SSLContext | None:
    if settings.tls_certificate_file is None or settings.tls_key_file is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.tls_certificate_file, settings.tls_key_file)
    return context


@asynccontextmanager
async def serve_web(box: Any) -> AsyncGenerator[str, None]:
    """Listen; yields the address. Asking it to stop ends requests within two seconds."""
    ports = build_ports(box)
    async with serve_ports(ports) as address:
        yield address


@asynccontextmanager
async def serve_ports(ports: Ports) -> AsyncGenerator[str, None]:
    """Listen with these parts; raises OSError with the port where it is taken."""
    settings = ports.settings
    app = build_app(ports)
    runner = web.AppRunner(
        app,
        access_log=None,
        keepalive_timeout=KEEP_ALIVE_S,
        max_line_size=LINE_BYTES_MAX,
        max_field_size=LINE_BYTES_MAX,
        # A small body that unpacks to a large one is nobody's honest form.
        auto_decompress=False,
        shutdown_timeout=STOP_S,
    )
    await runner.setup()
    try:
        # asyncio sets TCP_NODELAY on every stream socket (DESIGN section 12); a test holds it to it.
        site = web.TCPSite(
            runner,
            settings.host,
            settings.port,
            ssl_context=_tls(settings),
            backlog=BACKLOG,
            reuse_address=True,
        )
        await site.start()
        watching = ports.nursery.mortal("health watch", watch_health(ports))
        try:
            yield _address(settings, runner.addresses[0][1])
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
    finally:
        await runner.cleanup()


async def watch_health(ports: Ports) -> None:
    """Tell screens when a part stands otherwise than before."""
    before: dict[str, str] = {}
    while True:
        now = {vital.name: vital.state.value for vital in ports.health.snapshot(ports.clock)}
        if now != before:
            ports.news.health_changed(ports.asker.head())
            before = now
        await sleep(ports.clock, HEALTH_S)
