"""The port over a real broker: mqttium, with acknowledgement only after the handler is done."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mqttium.api import AsyncClient, PublishMessage, ReconnectPolicy
from mqttium.errors import (
    FlowControlError,
    MQTTError,
    NotConnectedError,
    SubscribeError,
)

from appliance.bus.lanes import Lanes
from appliance.bus.port import NO_CHECK_TIME, BusRefusedError, Message, Published, Standing
from appliance.kernel.clock import sleep, within

if TYPE_CHECKING:
    from pathlib import Path

    from mqttium.types import Message as Arrived

    from appliance.bus.port import Greeting, Handler, Will
    from appliance.kernel.clock import Clock
    from appliance.kernel.tasks import Nursery

logger = logging.getLogger(__name__)

# 2 s: on the box a broker answers in under a millisecond; a door waits 8 s in all.
ACCEPT_S_MAX = 2.0
# A quiet line is asked for a sign of life this often, so that its age means something.
PULSE_S = 10.0
PULSE_ANSWER_S_MAX = 5.0
SUBACK_S_MAX = 5.0
CONNECT_S_MAX = 5.0
# 0.2 to 5 s with jitter: a property of 200 locks is back within ten seconds of its broker.
RECONNECT_S_MIN = 0.2
RECONNECT_S_MAX = 5.0
# Twenty: what brokers take as given; more would be dropped by mosquitto without a word.
IN_FLIGHT_MAX = 20
UNACKNOWLEDGED_MAX = 1_000
# Telemetry (QoS 0) beyond this is shed: its next value is on the way anyhow.
WAITING_MAX = 5_000
PACKET_BYTES_MAX = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """What a device needs to speak TLS: the property's CA and its own certificate and key."""

    authority: Path
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class BusSettings:
    """Where the broker is and who is calling."""

    identity: str
    token: str | None = field(default=None, repr=False)
    host: str = "127.0.0.1"
    port: int = 1883
    unix_path: Path | None = None
    tls: TlsFiles | None = None
    keepalive_s: int = 15
    persistent: bool = True  # the broker keeps subscriptions and queue while this end is away
    will: Will | None = None


class MqttBus:
    """One identity on a real broker. Subscribe first, then `start`: nothing kept for it is lost."""

    def __init__(self, settings: BusSettings, *, clock: Clock, nursery: Nursery) -> None:
        self._settings = settings
        self._clock = clock
        self._nursery = nursery
        self._lanes = Lanes(clock=clock, nursery=nursery)
        self._wanted: dict[str, int] = {}
        self._greetings: list[Greeting] = []
        self._client = self._new_client()
        self._confirmed_s: float | None = None
        self._closing = False
        self._ended = asyncio.Event()
        self._ended.set()
        self.shed = 0  # telemetry dropped because handlers could not keep up

    @property
    def identity(self) -> str:
        """The name this end speaks under."""
        return self._settings.identity

    @property
    def connected(self) -> bool:
        """Whether the broker has let us in and the line has not been lost since."""
        return self._client.is_connected

    def standing(self) -> Standing:
        """How the connection is, with the age of that knowledge."""
        confirmed_s = self._confirmed_s
        return Standing(
            connected=self.connected,
            confirmed_age_s=None if confirmed_s is None else self._clock.monotonic() - confirmed_s,
            outgoing=self._client.stats().receipts.publish,
            waiting=self._lanes.waiting,
            oldest_wait_s=self._lanes.oldest_wait_s,
            parked=self._lanes.parked,
        )

    def start(self) -> None:
        """Begin to connect; returns at once, whatever the broker does."""
        self._ended.clear()
        self._nursery.mortal(f"bus {self.identity}", self._run())
        self._nursery.mortal(f"bus {self.identity} pulse", self._feel_pulse())

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False
    ) -> Published:
        """Publish once; raises mqttium's ProtocolError for a topic that is none."""
        client = self._client
        if not client.is_connected:
            return Published.NOT_SENT
        try:
            receipt = client.publish_nowait(topic, payload, qos=qos, retain=retain)
        except (FlowControlError, NotConnectedError):
            return Published.NOT_SENT
        if qos == 0:
            return Published.ACCEPTED
        try:
            await within(self._clock, ACCEPT_S_MAX, asyncio.ensure_future(receipt.wait()))
        except (TimeoutError, MQTTError):
            return Published.UNKNOWN
        self._confirm()
        return Published.ACCEPTED

    async def subscribe(self, topic_filter: str, handler: Handler, *, qos: int = 1) -> None:
        """Have messages handled, now and after every reconnect."""
        self._lanes.add(topic_filter, handler)
        self._wanted[topic_filter] = max(qos, self._wanted.get(topic_filter, 0))
        if self.connected:
            with suppress(NotConnectedError, TimeoutError):
                await self._ask_for([(topic_filter, self._wanted[topic_filter])])

    def on_connect(self, greeting: Greeting) -> None:
        """Have this awaited after every connect and re-subscription."""
        self._greetings.append(greeting)

    async def close(self) -> None:
        """Say good-bye (the will is not published) and stop."""
        self._closing = True
        await self._client.disconnect()
        await self._ended.wait()

    def _new_client(self) -> AsyncClient:
        settings, will = self._settings, self._settings.will
        client = AsyncClient(
            settings.identity,
            clean_start=not settings.persistent,
            keepalive=settings.keepalive_s,
            username=None if settings.token is None else settings.identity,
            password=settings.token,
            will=None
            if will is None
            else PublishMessage(will.topic, will.payload, qos=will.qos, retain=will.retain),
            maximum_packet_size=PACKET_BYTES_MAX,
            max_outbound_inflight=IN_FLIGHT_MAX,
            max_unacknowledged_messages=UNACKNOWLEDGED_MAX,
            manual_ack=True,
            connect_timeout=CONNECT_S_MAX,
            subscribe_timeout=SUBACK_S_MAX,
            reconnect=ReconnectPolicy(
                initial_delay=RECONNECT_S_MIN,
                max_delay=RECONNECT_S_MAX,
                stable_after=RECONNECT_S_MAX,
                # A device may be switched on before its credential reaches the broker.
                retry_refused=True,
            ),
        )
        client.on_connect = self._greet
        return client

    async def _run(self) -> None:
        """Keep a client alive; mqttium reconnects by itself, a client it gives up is replaced."""
        try:
            while not self._closing:
                try:
                    await self._connect()
                    async for arrived in self._client.messages():
                        self._receive(self._client, arrived)
                except (MQTTError, OSError) as error:
                    logger.warning("the bus client is replaced: %s", type(error).__name__)
                if not self._closing:
                    # Jitter spreads clients, it keeps no secret.
                    await sleep(self._clock, RECONNECT_S_MAX * random.uniform(0.1, 1))  # noqa: S311
                    await self._client.disconnect()
                    self._client = self._new_client()
        finally:
            self._ended.set()
            if not self._closing:
                await self._client.disconnect()

    async def _connect(self) -> None:
        settings = self._settings
        if settings.unix_path is not None:
            await self._client.connect_unix(str(settings.unix_path))
            return
        context = None if settings.tls is None else client_context(settings.tls)
        await self._client.connect(settings.host, settings.port, ssl=context)

    async def _greet(self, _connack: object) -> None:
        self._confirm()
        try:
            if self._wanted:
                await self._ask_for(list(self._wanted.items()))
            for greeting in self._greetings:
                await greeting()
        except BusRefusedError as error:
            logger.error("%s", error)  # noqa: TRY400 - the sentence says all there is
        except (MQTTError, TimeoutError):
            logger.info("the line was lost again while greeting")
        except Exception:
            logger.exception("a greeting failed")

    async def _ask_for(self, wanted: list[tuple[str, int]]) -> None:
        try:
            await self._client.subscribe(wanted)
        except SubscribeError as error:
            refused = [
                topic_filter
                for (topic_filter, _), code in zip(wanted, error.result.reason_codes, strict=True)
                if code >= 0x80
            ]
            sentence = (
                f"The broker does not let {self.identity!r} read {', '.join(refused)}. "
                "Look at its role in the bus credentials."
            )
            raise BusRefusedError(sentence) from error
        self._confirm()

    def _receive(self, client: AsyncClient, arrived: Arrived) -> None:
        self._confirm()
        if arrived.qos == 0 and self._lanes.waiting >= WAITING_MAX:
            self.shed += 1
            return

        async def settled() -> None:
            # A line lost meanwhile makes the broker deliver again: at least once, as promised.
            with suppress(MQTTError):
                await client.ack(arrived)

        message = Message(
            topic=arrived.topic,
            payload=arrived.payload,
            qos=int(arrived.qos),
            retained=arrived.retain,
            repeated=arrived.dup,
        )
        self._lanes.put(message, settled if arrived.qos else None)

    async def _feel_pulse(self) -> None:
        """Ask a quiet broker to answer something that changes nothing."""
        while not self._closing:
            await sleep(self._clock, PULSE_S)
            confirmed_s = self._confirmed_s or 0.0
            if self.connected and self._clock.monotonic() - confirmed_s >= PULSE_S:
                with suppress(MQTTError, TimeoutError):
                    # Every broker answers this, also for a filter nobody subscribed to.
                    await self._client.unsubscribe(
                        f"np/{self.identity}/down/pulse", timeout=PULSE_ANSWER_S_MAX
                    )
                    self._confirm()

    def _confirm(self) -> None:
        self._confirmed_s = self._clock.monotonic()


async def open_bus(settings: BusSettings, *, clock: Clock, nursery: Nursery) -> MqttBus:
    """Make a bus that is already connecting, for an end that nothing was kept for."""
    bus = MqttBus(settings, clock=clock, nursery=nursery)
    bus.start()
    return bus


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """Trust the property's CA alone, show our certificate, compare no dates (see listeners.py)."""
    context = ssl.create_default_context(cafile=str(files.authority))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags = ssl.VerifyFlags(context.verify_flags | NO_CHECK_TIME)
    context.load_cert_chain(files.certificate, files.key)
    return context
