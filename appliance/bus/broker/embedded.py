"""amqtt's sessions, subscriptions and retained messages, with the delivery rules made right.

Only `admission.py` may hand a client over: by then it is known who is speaking. What is overridden
here, and why, is the table of `docs/bus.md`; private names of amqtt are used, so its version is
pinned and `test_promises.py` guards the upgrade.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol, cast

from amqtt.broker import Broker
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.session import Session

from appliance.bus.broker import packets
from appliance.bus.broker.outgoing import Outgoing
from appliance.bus.broker.packets import (
    MalformedError,
    PubAck,
    Publish,
    PubRel,
    Subscribe,
    Unsubscribe,
    encode_answer,
    encode_publish,
)
from appliance.bus.broker.permissions import Action, may
from appliance.bus.credentials import BusRole
from appliance.bus.words import device_of

if TYPE_CHECKING:
    from amqtt.adapters import ReaderAdapter, WriterAdapter

    from appliance.bus.broker.packets import Connect, Packet
    from appliance.bus.broker.settings import Limits
    from appliance.bus.credentials import Credentials, Identity

logger = logging.getLogger(__name__)

REFUSED = 0x80
# Topics whose receivers are remembered; ours are about ten per device.
ROUTES_MAX = 8_192
# Received but not released QoS 2 messages of one client; ours send none.
UNRELEASED_MAX = 20
OUTGOING = "nightporter.outgoing"
UNRELEASED = "nightporter.unreleased"


class Wire(Protocol):
    """One admitted connection, as `admission.py` gives it."""

    async def receive(self) -> Packet | None:
        """Await the next packet, or None where the line is lost; raises MalformedError."""
        ...

    def send(self, data: bytes) -> None:
        """Write whole packets; a client that does not read is cut here."""
        ...

    def cut(self) -> None:
        """End the connection now."""
        ...


class Line(BrokerProtocolHandler):  # type: ignore[misc] # amqtt carries no types
    """What amqtt keeps beside a session: here only the means to cut its connection."""

    def __init__(self, broker: NightBroker, session: Session, wire: Wire) -> None:
        super().__init__(broker.plugins_manager)
        # amqtt's own reader never runs: packets come whole from the admission's wire.
        nothing = cast("tuple[ReaderAdapter, WriterAdapter]", (None, None))
        self.attach(session, *nothing)
        self.wire = wire

    async def stop(self) -> None:
        """Cut the connection; amqtt calls this when it forgets the session."""
        self.wire.cut()


class NightBroker(Broker):  # type: ignore[misc] # amqtt carries no types
    """amqtt behind admission: every message is checked, queued within limits, and redelivered."""

    def __init__(self, credentials: Credentials, limits: Limits) -> None:
        super().__init__(
            {
                "listeners": {"default": {"type": "external"}},
                "session_expiry_interval": limits.session_s_max,
                # Named, because amqtt's default plug-ins let anonymous clients in.
                "plugins": {},
            }
        )
        self._credentials = credentials
        self._limits = limits
        self._routes: dict[str, list[tuple[Session, int]]] = {}

    async def adopt(self, credentials: Credentials) -> None:
        """Take other credentials from now on; sessions of identities shut out are forgotten."""
        self._credentials = credentials
        self._routes.clear()
        for name in [name for name in self._sessions if credentials.active(name) is None]:
            await self._cleanup_session(name)

    async def serve(self, connect: Connect, wire: Wire) -> None:
        """Speak with an admitted client until its connection ends; its id is its identity."""
        session, present = await self._session_for(connect)
        line = Line(self, session, wire)
        session.transitions.connect()
        self._sessions[connect.client_id] = (session, line)
        wire.send(packets.encode_connack(session_present=present))
        for message in _outgoing(session).repeated():
            wire.send(encode_publish(message))
        self._pump(session)
        on_purpose = False
        try:
            on_purpose = await self._converse(line)
        except MalformedError as error:
            logger.warning("%s is cut: %s", connect.client_id, error)
        finally:
            wire.cut()
            session.transitions.disconnect()
            if session.clean_session and self._live(session):
                await self._cleanup_session(connect.client_id)
            if connect.will is not None and not on_purpose:
                await self.publish(connect.client_id, connect.will)

    async def publish(self, name: str, message: Publish) -> None:
        """Give a message to everybody who may have it, if its sender may send it."""
        who = self._credentials.active(name)
        if who is None or not may(who, Action.PUBLISH, message.topic):
            logger.info("%s may not publish on %s", name, message.topic)
            return
        if message.retain and self._may_retain(who, message):
            await self.retain_message(None, message.topic, message.payload, message.qos)
        for session, granted in self._receivers(message.topic):
            self._give(
                session,
                Publish(
                    topic=message.topic, payload=message.payload, qos=min(message.qos, granted)
                ),
            )

    async def add_subscription(self, subscription: tuple[str, int], session: Session) -> int:
        """Grant at most QoS 1 to a filter; asking again replaces what was granted before."""
        topic_filter, asked = subscription
        mine = sum(
            s.client_id == session.client_id for x in self._subscriptions.values() for s, _ in x
        )
        who = self._credentials.active(session.client_id)
        if (
            who is None
            or mine >= self._limits.subscriptions_max
            or not packets.filter_is_sound(topic_filter)
            or not may(who, Action.SUBSCRIBE, topic_filter)
        ):
            return REFUSED
        granted = min(asked, 1)
        self._del_subscription(topic_filter, session)
        self._subscriptions.setdefault(topic_filter, []).append((session, granted))
        self._routes.clear()
        return granted

    async def internal_message_broadcast(
        self, topic: str, data: bytes, qos: int | None = None
    ) -> None:
        """Refuse amqtt's way around permissions; nothing of ours uses it."""
        del topic, data, qos
        raise PermissionError("publish through a client of the bus: its permissions are checked")

    async def _converse(self, line: Line) -> bool:
        """Answer packets one by one, in order; True where the client said good-bye."""
        while (packet := await line.wire.receive()) is not None:
            if isinstance(packet, packets.Disconnect):
                return True
            await self._answer(line, packet)
        return False

    async def _answer(self, line: Line, packet: Packet) -> None:
        match packet:
            case Publish():
                await self._published(line, packet)
            case PubAck():
                if _outgoing(_session(line)).acknowledged(packet.packet_id):
                    self._pump(_session(line))
            case PubRel():
                await self._released(line, packet)
            case Subscribe():
                await self._subscribed(line, packet)
            case Unsubscribe():
                for topic_filter in packet.filters:
                    self._del_subscription(topic_filter, _session(line))
                line.wire.send(encode_answer(0xB0, packet.packet_id))
            case packets.Ping():
                line.wire.send(packets.PINGRESP)
            case _:
                raise MalformedError("a second CONNECT")

    async def _published(self, line: Line, message: Publish) -> None:
        if message.qos < 2:
            await self.publish(str(_session(line).client_id), message)
            if message.qos:
                line.wire.send(encode_answer(0x40, message.packet_id))
            return
        unreleased = _unreleased(_session(line))
        if len(unreleased) >= UNRELEASED_MAX and message.packet_id not in unreleased:
            raise MalformedError(f"more than {UNRELEASED_MAX} QoS 2 messages without PUBREL")
        unreleased[message.packet_id] = message
        line.wire.send(encode_answer(0x50, message.packet_id))

    async def _released(self, line: Line, packet: PubRel) -> None:
        # An unknown id is answered too: it was released before the line was lost.
        released = _unreleased(_session(line)).pop(packet.packet_id, None)
        if released is not None:
            await self.publish(str(_session(line).client_id), released)
        line.wire.send(encode_answer(0x70, packet.packet_id))

    async def _subscribed(self, line: Line, packet: Subscribe) -> None:
        session = _session(line)
        codes = [await self.add_subscription(wanted, session) for wanted in packet.filters]
        line.wire.send(packets.encode_suback(packet.packet_id, codes))
        who = self._credentials.active(session.client_id)
        for (topic_filter, _), granted in zip(packet.filters, codes, strict=True):
            if granted == REFUSED or who is None:
                continue
            for topic, kept in list(self._retained_messages.items()):
                if packets.matches(topic_filter, topic) and may(who, Action.RECEIVE, topic):
                    qos = min(granted, kept.qos or 0)
                    payload = bytes(kept.data)
                    self._give(session, Publish(topic=topic, payload=payload, qos=qos, retain=True))

    async def _session_for(self, connect: Connect) -> tuple[Session, bool]:
        """The session to use, and whether it was there before."""
        found = self._sessions.get(connect.client_id, (None, None))[0]
        if found is not None and not connect.clean and not found.clean_session:
            return found, True
        if found is not None:
            await self._cleanup_session(connect.client_id)
        session = Session()
        session.client_id = connect.client_id
        session.clean_session = connect.clean
        session.attributes[OUTGOING] = Outgoing(self._limits)
        session.attributes[UNRELEASED] = {}
        return session, False

    def _give(self, session: Session, message: Publish) -> None:
        connected = session.transitions.state == "connected"
        if message.qos == 0:
            if connected and (line := self._line(session)) is not None:
                line.wire.send(encode_publish(message))
            return
        if not connected and session.clean_session:
            return
        outgoing = _outgoing(session)
        if not outgoing.offer(message) and outgoing.dropped == 1:
            logger.warning("%s does not take its messages: some are dropped", session.client_id)
        if connected:
            self._pump(session)

    def _pump(self, session: Session) -> None:
        line = self._line(session)
        if line is not None:
            for message in _outgoing(session).sendable():
                line.wire.send(encode_publish(message))

    def _receivers(self, topic: str) -> list[tuple[Session, int]]:
        """Each session once, with the best QoS among its matching filters."""
        known = self._routes.get(topic)
        if known is not None:
            return known
        best: dict[str, tuple[Session, int]] = {}
        for topic_filter, subscribers in self._subscriptions.items():
            if not packets.matches(topic_filter, topic):
                continue
            for session, granted in subscribers:
                name = str(session.client_id)
                who = self._credentials.active(name)
                if who is None or not may(who, Action.RECEIVE, topic):
                    continue
                if name not in best or best[name][1] < granted:
                    best[name] = (session, granted)
        if len(self._routes) >= ROUTES_MAX:
            self._routes.clear()
        receivers = self._routes[topic] = list(best.values())
        return receivers

    def _may_retain(self, who: Identity, message: Publish) -> bool:
        if not message.payload or message.topic in self._retained_messages:
            return True
        if len(self._retained_messages) >= self._limits.retained_max:
            logger.warning("%s is not retained: the broker keeps as much as it may", message.topic)
            return False
        if who.role is BusRole.CORE:
            return True
        device = device_of(message.topic)
        kept = sum(device_of(topic) == device for topic in self._retained_messages)
        return kept < self._limits.retained_per_device_max

    def _line(self, session: Session) -> Line | None:
        found: Any = self._sessions.get(str(session.client_id), (None, None))
        return found[1] if found[0] is session else None

    def _live(self, session: Session) -> bool:
        return self._sessions.get(str(session.client_id), (None, None))[0] is session

    def _del_subscription(self, a_filter: str, session: Session) -> int:
        self._routes.clear()
        return int(super()._del_subscription(a_filter, session))


def _outgoing(session: Session) -> Outgoing:
    return cast("Outgoing", session.attributes[OUTGOING])


def _unreleased(session: Session) -> dict[int, Publish]:
    return cast("dict[int, Publish]", session.attributes[UNRELEASED])


def _session(line: Line) -> Session:
    assert line.session is not None, "a line is attached for its whole life"
    return line.session
