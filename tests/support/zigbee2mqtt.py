"""The second judge of the simulated stick: Zigbee2MQTT from npm, on our own broker.

async with site(tmp_path) as here, running_z2m(here.path, tmp_path) as z2m:
    await z2m.permit()
    await here.join(Lock("lock-1", 0x00158D0000000001))
    await z2m.interviewed("0x00158d0000000001")
    await z2m.say("0x00158d0000000001/set", {"state": "LOCK"})
    await z2m.until("0x00158d0000000001", lambda said: said.get("state") == "LOCK")
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from appliance.bus.broker.settings import BrokerSettings
from appliance.bus.client import BusSettings, MqttBus
from appliance.kernel.clock import SystemClock
from appliance.kernel.tasks import Nursery
from support.brokers import running, small_house
from support.house import ROOT
from support.npm import fetched, plain_env

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping
    from pathlib import Path

    from appliance.bus.port import Message

VERSION = "2.14.1"
# Debian's Node is too old for it (^22.2 or ^24); npm brings one along.
PACKAGES = ("node@22", f"zigbee2mqtt@{VERSION}")
CACHED = ROOT / ".run" / "npm" / f"zigbee2mqtt-{VERSION}"
# Node, 4,500 converters and the stick's tables: 5 to 15 s on two busy cores.
START_S_MAX = 90.0
ANSWER_S_MAX = 45.0
BASE = "zigbee2mqtt"
# Identities of `support.brokers.small_house`.
GATEWAY, OBSERVER = "z2m", "driver-mqtt0"


@dataclass(slots=True)
class Zigbee2Mqtt:
    """A running gateway, and everything it has said below its topic."""

    bus: MqttBus
    process: asyncio.subprocess.Process
    data: Path
    port: int  # of the broker
    tokens: Mapping[str, str]
    log: list[str] = field(default_factory=list)  # the end of its own
    said: list[tuple[str, Any]] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def say(self, topic: str, what: object) -> None:
        """Publish below its base topic, as a client of it would."""
        await self.bus.publish(f"{BASE}/{topic}", json.dumps(what).encode(), qos=0)

    async def until(
        self, topic: str, holds: Callable[[Any], object], *, after: int = 0, seconds: float = 0
    ) -> Any:
        """The first thing said on this topic (since `len(said) == after`) that holds."""
        found: list[Any] = []

        def there() -> bool:
            found.extend(w for t, w in self.said[after:] if t == topic and holds(w))
            return bool(found)

        try:
            async with asyncio.timeout(seconds or ANSWER_S_MAX), self.news:
                await self.news.wait_for(there)
        except TimeoutError:
            raise AssertionError(f"nothing on {topic}; its log: {''.join(self.log)}") from None
        return found[0]

    async def ask(self, request: str, what: object = "") -> Any:
        """One request to the bridge; gives its `data`."""
        mark = len(self.said)
        await self.say(f"bridge/request/{request}", what)
        answer = await self.until(f"bridge/response/{request}", lambda _: True, after=mark)
        assert answer["status"] == "ok", answer
        return answer["data"]

    async def permit(self, seconds: int = 120) -> None:
        """Let strangers in; returns once the stick does."""
        await self.ask("permit_join", {"time": seconds})

    async def interviewed(self, ieee: str) -> Any:
        """Wait until it knows the device with this address; gives its definition."""

        def done(event: Any) -> object:
            about = event.get("data", {})
            return (
                event.get("type") == "device_interview"
                and about.get("status") == "successful"
                and about.get("ieee_address") == ieee
            )

        event = await self.until("bridge/event", done)
        return event["data"]["definition"]

    async def heard(self, message: Message) -> None:
        """What the observer's subscription calls."""
        topic = message.topic.removeprefix(f"{BASE}/")
        try:
            what = json.loads(message.payload)
        except ValueError:
            what = message.payload.decode(errors="replace")
        async with self.news:
            self.said.append((topic, what))
            self.news.notify_all()


def z2m_of(ieee: bytes) -> str:
    """A device's name there, from the twin's little-endian address."""
    return "0x" + ieee[::-1].hex()


async def installed() -> tuple[Path, Path]:
    """Its Node and its index.js; skips where npm cannot fetch them."""
    modules = await fetched(CACHED, PACKAGES)
    return modules / "node" / "bin" / "node", modules / "zigbee2mqtt" / "index.js"


def _know_the_lock(data: Path, index: Path) -> None:
    """A definition such as its 24 known locks have; a generated one has no PINs and no events."""
    converters = index.parents[1] / "zigbee-herdsman-converters" / "dist" / "lib"
    folder = data / "external_converters"
    folder.mkdir(exist_ok=True)
    (folder / "twin-lock.mjs").write_text(
        f"import * as made from '{(converters / 'modernExtend.js').as_uri()}';\n"
        "export default {zigbeeModel: ['TWIN-LOCK-1'], model: 'TWIN-LOCK-1', vendor: 'Twin',"
        " description: 'Door lock', extend: [made.battery(), made.lock({pinCodeCount: 20})]};\n"
    )


@asynccontextmanager
async def running_z2m(
    stick: str, folder: Path, *, more: Mapping[str, Any] | None = None, known_lock: bool = False
) -> AsyncGenerator[Zigbee2Mqtt, None]:
    """Our broker, Zigbee2MQTT on this stick, and an observer that hears everything it says.

    `known_lock`: it has a definition of the twin's lock, as of one it was made for.
    """
    node, index = await installed()
    clock = SystemClock(floor_path=None)
    nursery = Nursery(lambda _name, _error: None)
    house = small_house()
    async with running("embedded", BrokerSettings(), house.identities, folder) as broker:
        bus = MqttBus(
            BusSettings(identity=OBSERVER, token=house.tokens[OBSERVER], port=broker.port),
            clock=clock,
            nursery=nursery,
        )
        data = folder / "z2m"
        data.mkdir(exist_ok=True)
        settings = configuration(stick, broker.port, house.tokens[GATEWAY]) | dict(more or {})
        # JSON is YAML too; it writes its own into the same file later.
        if not (data / "configuration.yaml").exists():
            (data / "configuration.yaml").write_text(json.dumps(settings))
        if known_lock:
            _know_the_lock(data, index)
        # Below our own checkout it would take our commit for its own, and build itself anew.
        own = {"ZIGBEE2MQTT_DATA": str(data), "GIT_DIR": os.devnull, "Z2M_ONBOARD_NO_SERVER": "1"}
        process = await asyncio.create_subprocess_exec(
            node, index, cwd=index.parent, env=plain_env() | own,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        gateway = Zigbee2Mqtt(bus, process, data, broker.port, house.tokens)
        reading = nursery.mortal("z2m log", _read(process, gateway.log))
        await bus.subscribe(f"{BASE}/#", gateway.heard)
        bus.start()
        try:
            await _started(gateway, reading)
            yield gateway
        finally:
            if process.returncode is None:
                process.terminate()
            await asyncio.wait([reading], timeout=ANSWER_S_MAX)
            if process.returncode is None:
                process.kill()
            await process.wait()
            await bus.close()
            await nursery.close()


def configuration(stick: str, port: int, token: str) -> dict[str, Any]:
    """As a property would run it: no web page, no updates, keys of its own, our loopback broker."""
    return {
        "version": 5,
        "mqtt": {
            "base_topic": BASE,
            "server": f"mqtt://127.0.0.1:{port}",
            "user": GATEWAY,
            "password": token,
            "client_id": GATEWAY,
        },
        "serial": {"port": stick.replace("socket://", "tcp://"), "adapter": "zstack"},
        "frontend": {"enabled": False},
        "homeassistant": {"enabled": False},
        "availability": {"enabled": True},
        "ota": {"disable_automatic_update_check": True},
        "advanced": {
            "log_output": ["console"],
            "log_level": "info",
            "channel": 25,
            "network_key": list(secrets.token_bytes(16)),
            "pan_id": 0x1A00 + secrets.randbelow(0x1000),
            "ext_pan_id": list(secrets.token_bytes(8)),
        },
    }


async def _started(gateway: Zigbee2Mqtt, reading: asyncio.Future[Any]) -> None:
    # It says "online" before it listens to requests; this is the last thing of its start.
    online = asyncio.ensure_future(
        gateway.until(
            "bridge/logging",
            lambda said: said["message"].endswith("Zigbee2MQTT started!"),
            seconds=START_S_MAX,
        )
    )
    await asyncio.wait({online, reading}, return_when=asyncio.FIRST_COMPLETED)
    try:
        assert online.done(), "".join(gateway.log)
        await online
    finally:
        online.cancel()


async def _read(process: asyncio.subprocess.Process, log: list[str]) -> None:
    assert process.stdout is not None
    while line := await process.stdout.readline():
        log.append(line.decode(errors="replace"))
        del log[:-60]
