"""A guest's phone at one end of a tunnel and the reference lock at the other; the box between."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.bus import device_sheet
from appliance.bus.credentials import BusRole
from appliance.bus.port import Bus, Message
from appliance.bus.words import TunnelFrame, decode, encode, tunnel_topic
from appliance.engines.inventory.messages import FitDoor, LockProtocol
from appliance.kernel.clock import ClockTrust, SystemClock
from appliance.kernel.cose import issuers, point_of
from appliance.where import DEVICE_SHEET
from drivers.npk.codes import Command
from drivers.npk.codes import Message as Npk
from drivers.npk.frames import Framer, Reassembler
from drivers.npk.phone import PhoneSession, Verdict
from drivers.npk.session import LockSession, Out
from support.desk import MANAGER
from support.whole_house import Browser, WholeHouse
from twin.flash import Flash
from twin.journal import Journal
from twin.npk_lock import NpkIdentity, NpkLock

Bend = Callable[[TunnelFrame], Sequence[TunnelFrame]]


def as_it_is(frame: TunnelFrame) -> Sequence[TunnelFrame]:
    """A relay that keeps its hands off."""
    return [frame]


@dataclass
class TunnelLock:
    """The driver's end, as short as it can be. `bend` is what a dishonest relay does to frames."""

    bus: Bus
    device: str
    identity: NpkIdentity
    lock: NpkLock
    journal: Journal
    bend_down: Bend = as_it_is
    bend_up: Bend = as_it_is
    heard: list[TunnelFrame] = field(default_factory=list)
    said: list[TunnelFrame] = field(default_factory=list)
    links: dict[str, LockSession] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    deaf: bool = False
    first: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def opened(self) -> int:
        """How often the motor opened the bolt."""
        return self.journal.count("bolt", to="unlocked")

    @property
    def served(self) -> int:
        """How many presses it did, the bolt being drawn already or not."""
        return self.opened + self.journal.count("held")

    async def start(self) -> None:
        """Listen."""
        await self.bus.subscribe(tunnel_topic(self.device, down=True), self._came)

    async def say(self, frame: TunnelFrame) -> None:
        """One frame to whoever listens, by way of the relay."""
        for each in self.bend_up(frame):
            await self.bus.publish(tunnel_topic(self.device, down=False), encode(each), qos=1)

    async def _came(self, message: Message) -> None:
        frame = decode(message.payload, TunnelFrame)
        assert frame is not None
        self.heard.append(frame)
        (self.over if frame.end else self.first).set()
        if self.deaf:
            return
        for each in self.bend_down(frame):
            await self._take(each)

    async def _take(self, frame: TunnelFrame) -> None:
        link = self.links.get(frame.session)
        if frame.end:
            if link is not None:
                link.close()
            return
        if link is None:
            link = self.lock.core.connect(244)
            assert link is not None, "the lock has no link left"
            self.links[frame.session] = link
        await self._answer(frame.session, link.feed(frame.frame))

    async def _answer(self, session: str, out: Out) -> None:
        for value in out.frames:
            await self._numbered(session, frame=value)
        if out.hang_up:
            await self._numbered(session, end=True, why="hung_up")

    async def _numbered(self, session: str, **fields: Any) -> None:
        number = self.numbers.get(session, 0)
        self.numbers[session] = number + 1
        frame = TunnelFrame(session=session, number=number, **fields)
        self.said.append(frame)
        await self.say(frame)


async def fit(house: WholeHouse, room: str = "101") -> TunnelLock:
    """An NPK lock in place of the twin's at a room, known to the box by its point."""
    door_id = await house.door_of(room)
    row = await house.box.reader.row(
        "SELECT number, device_id FROM doors_door WHERE door_id = ?", (door_id,)
    )
    assert row is not None
    sheet = device_sheet.load(house.box.settings.data_dir / DEVICE_SHEET)
    journal = Journal()
    me = NpkIdentity(
        device=row[1],
        door_number=row[0],
        property_id="marina",
        issuers=issuers(sheet.issuer_points),
        secret=bytes(32),
    )
    lock = NpkLock(
        me,
        flash=Flash(),
        journal=journal,
        clock=SystemClock(floor_path=None, trust=ClockTrust.SYSTEM),
    )
    presser = ec.generate_private_key(ec.SECP256R1())
    await house.done(
        FitDoor(
            door_id=door_id,
            device_id=row[1],
            protocol=LockProtocol.NPK,
            bridge="driver-ble9",
            presser_point=point_of(presser.public_key()).hex(),
            lock_point=lock.point.hex(),
            new_lock=True,
        ),
        MANAGER,
    )
    bus = house.hub.join("driver-ble9", role=BusRole.BRIDGE, devices=(row[1],))
    fitted = TunnelLock(bus=bus, device=row[1], identity=me, lock=lock, journal=journal)
    await fitted.start()
    return fitted


@dataclass
class GuestPhone:
    """A phone that a signed-in guest holds: its own key, and the bundle the box gave it."""

    browser: Browser
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    keys: list[dict[str, Any]] = field(default_factory=list)

    async def ask(self, query: str, **variables: Any) -> Any:
        """GraphQL as the page asks it; the one answer."""
        body = {"query": query, "variables": variables}
        headers = {"X-Nightporter": "1", "Origin": self.browser.url}
        url = self.browser.url + "/graphql"
        async with self.browser.session.post(url, json=body, headers=headers) as answer:
            said = await answer.json()
        assert "errors" not in said, said
        [found] = said["data"].values()
        return found

    async def enrol(self) -> dict[str, Any]:
        """Enrol and fetch; the key of the first door."""
        point = point_of(self.key.public_key()).hex()
        enrol = """mutation ($i: String!, $p: String!) {
          enrolPhone(id: $i, point: $p) { done code result } }"""
        said = await self.ask(enrol, i=f"enrol-{point[:24]}", p=point)
        assert said["done"], said
        fetch = """query ($p: ID!) { mobileKeys(phoneId: $p) {
          doorId number title credential lockPoint tunnel service endsS } }"""
        self.keys = await self.ask(fetch, p=said["result"]["phone_id"])
        return self.keys[0]

    @asynccontextmanager
    async def tunnel(
        self, door_id: str, **headers: str
    ) -> AsyncGenerator[aiohttp.ClientWebSocketResponse, None]:
        """The WebSocket of the door."""
        headers = {"Origin": self.browser.url} | headers
        url = f"{self.browser.url}/my/doors/{door_id}/tunnel"
        async with self.browser.session.ws_connect(url, headers=headers) as socket:
            yield socket

    async def open(self, bundle: dict[str, Any], command_id: bytes = b"press--1") -> Verdict:
        """A whole session through the tunnel."""
        session = PhoneSession(
            key=self.key,
            credential=base64.b64decode(bundle["credential"]),
            lock_id=bundle["number"],
            lock_point=base64.b64decode(bundle["lockPoint"]),
        )
        framer, reassembler = Framer(), Reassembler()
        async with self.tunnel(bundle["doorId"]) as socket:

            async def talk(kind: int, message: bytes) -> bytes:
                for value in framer.split(kind, message, 180):
                    await socket.send_bytes(value)
                while True:
                    whole = reassembler.feed(await socket.receive_bytes())
                    if whole is not None:
                        return whole[1]

            session.on_m2(await talk(Npk.M1, session.m1()))
            sealed = session.m3(Command.UNLOCK, command_id)
            return session.on_m4(await talk(Npk.M3, sealed))
