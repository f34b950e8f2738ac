"""MQTT 3.1.1 packets as they arrive from strangers: bytes in, a word out, or a clear no."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

# 1,024 bytes: ours are below 80; a foreign device with longer topics is still served.
TOPIC_BYTES_MAX = 1_024
# 64 filters in one SUBSCRIBE: the largest client of ours sends six.
FILTERS_MAX = 64
LEVEL_311 = 4
# The shape of one length field, and of the two numbers every acknowledgement is made of.
_U16 = struct.Struct("!H")


class MalformedError(Exception):
    """The bytes break MQTT 3.1.1; the connection they came on is closed."""


class Refusal(IntEnum):
    """Why a CONNECT is answered with no: the codes of MQTT 3.1.1 section 3.2.2.3."""

    PROTOCOL_VERSION = 1
    CLIENT_ID = 2
    UNAVAILABLE = 3
    NOT_AUTHORISED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """An application message; as a will it has no packet id."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    duplicate: bool = False
    packet_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """The first packet. For another protocol level than 4 only the level is known."""

    level: int
    client_id: str = ""
    clean: bool = True
    keepalive_s: int = 0
    will: Publish | None = None
    username: str | None = None
    password: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe:
    """Filters with the QoS asked for."""

    packet_id: int
    filters: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsubscribe:
    """Filters no longer wanted."""

    packet_id: int
    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PubAck:
    """The client has a QoS 1 message."""

    packet_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PubRel:
    """The client releases a QoS 2 message of its own."""

    packet_id: int


@dataclass(frozen=True, slots=True)
class Ping:
    """The client is alive."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The client leaves on purpose: its will is forgotten."""


Packet = Connect | Publish | Subscribe | Unsubscribe | PubAck | PubRel | Ping | Disconnect


class _Cursor:
    """Reads fields off a body and never past its end."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def take(self, count: int) -> bytes:
        piece = self._body[self._at : self._at + count]
        if len(piece) != count:
            raise MalformedError("a field runs past the end of the packet")
        self._at += count
        return piece

    def number(self) -> int:
        return int(_U16.unpack(self.take(2))[0])

    def packet_id(self) -> int:
        number = self.number()
        if number == 0:
            raise MalformedError("packet id 0")
        return number

    def binary(self) -> bytes:
        return self.take(self.number())

    def text(self) -> str:
        try:
            text = self.binary().decode()
        except UnicodeDecodeError:
            raise MalformedError("a string is not UTF-8") from None
        if "\0" in text:
            raise MalformedError("a string holds U+0000")
        return text

    def rest(self) -> bytes:
        return self.take(len(self._body) - self._at)

    def end(self) -> None:
        if self._at != len(self._body):
            raise MalformedError("bytes are left over")

    def more(self) -> bool:
        return self._at < len(self._body)


def parse(first: int, body: bytes) -> Packet:
    """Read one packet: its first byte and everything after the length; raises MalformedError."""
    kind, flags = first >> 4, first & 15
    cursor = _Cursor(body)
    if kind == 3:
        return _publish(cursor, flags)
    # SUBSCRIBE, UNSUBSCRIBE and PUBREL carry 0010 in their flags, everything else 0000.
    if flags != (2 if kind in {6, 8, 10} else 0):
        raise MalformedError("reserved flag bits are set")
    packet: Packet
    match kind:
        case 1:
            packet = _connect(cursor)
        case 4:
            packet = PubAck(packet_id=cursor.packet_id())
        case 6:
            packet = PubRel(packet_id=cursor.packet_id())
        case 8:
            packet = _subscribe(cursor)
        case 10:
            packet = _unsubscribe(cursor)
        case 12:
            packet = Ping()
        case 14:
            packet = Disconnect()
        case _:
            raise MalformedError(f"packet type {kind} is not for a broker")
    if not isinstance(packet, Connect) or packet.level == LEVEL_311:
        cursor.end()
    return packet


def _publish(cursor: _Cursor, flags: int) -> Publish:
    qos = flags >> 1 & 3
    if qos == 3 or (qos == 0 and flags & 8):
        raise MalformedError("QoS 3, or a repeat of QoS 0")
    topic = cursor.text()
    if not topic_is_sound(topic):
        raise MalformedError("the topic is empty, too long, or holds a wildcard")
    return Publish(
        topic=topic,
        qos=qos,
        retain=bool(flags & 1),
        duplicate=bool(flags & 8),
        packet_id=cursor.packet_id() if qos else 0,
        payload=cursor.rest(),
    )


def _connect(cursor: _Cursor) -> Connect:
    name = cursor.text()
    if name not in {"MQTT", "MQIsdp"}:
        raise MalformedError("not MQTT")
    level = cursor.take(1)[0]
    if level != LEVEL_311 or name != "MQTT":
        return Connect(level=level if level != LEVEL_311 else 3)
    flags = cursor.take(1)[0]
    keepalive_s = cursor.number()
    will_qos = flags >> 3 & 3
    if flags & 1 or will_qos == 3 or (not flags & 4 and flags & 0x38):
        raise MalformedError("CONNECT flags contradict each other")
    if flags & 0x40 and not flags & 0x80:
        raise MalformedError("a password without a user name")
    client_id = cursor.text()
    will = None
    if flags & 4:
        topic, payload = cursor.text(), cursor.binary()
        if not topic_is_sound(topic):
            raise MalformedError("the will's topic is empty, too long, or holds a wildcard")
        will = Publish(topic=topic, payload=payload, qos=will_qos, retain=bool(flags & 0x20))
    return Connect(
        level=level,
        client_id=client_id,
        clean=bool(flags & 2),
        keepalive_s=keepalive_s,
        will=will,
        username=cursor.text() if flags & 0x80 else None,
        password=cursor.binary() if flags & 0x40 else None,
    )


def _subscribe(cursor: _Cursor) -> Subscribe:
    packet_id, filters = cursor.packet_id(), []
    while cursor.more():
        topic_filter, qos = cursor.text(), cursor.take(1)[0]
        if qos > 2:
            raise MalformedError("a subscription asks for a QoS above 2")
        filters.append((topic_filter, qos))
    if not 0 < len(filters) <= FILTERS_MAX:
        raise MalformedError(f"a SUBSCRIBE names 1 to {FILTERS_MAX} filters")
    return Subscribe(packet_id=packet_id, filters=tuple(filters))


def _unsubscribe(cursor: _Cursor) -> Unsubscribe:
    packet_id, filters = cursor.packet_id(), []
    while cursor.more():
        filters.append(cursor.text())
    if not 0 < len(filters) <= FILTERS_MAX:
        raise MalformedError(f"an UNSUBSCRIBE names 1 to {FILTERS_MAX} filters")
    return Unsubscribe(packet_id=packet_id, filters=tuple(filters))


def topic_is_sound(topic: str) -> bool:
    """Whether a message may be published there at all (MQTT 3.1.1 section 4.7)."""
    return 0 < len(topic.encode()) <= TOPIC_BYTES_MAX and "+" not in topic and "#" not in topic


def filter_is_sound(topic_filter: str) -> bool:
    """Whether the wildcards stand where MQTT 3.1.1 section 4.7.1 lets them stand."""
    if not 0 < len(topic_filter.encode()) <= TOPIC_BYTES_MAX:
        return False
    levels = topic_filter.split("/")
    hashes_right = all("#" not in level for level in levels[:-1]) and (
        "#" not in levels[-1] or levels[-1] == "#"
    )
    return hashes_right and all("+" not in level or level == "+" for level in levels)


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a sound filter takes in a topic; wildcards never take in `$SYS` and its like."""
    if topic[:1] == "$" and topic_filter[:1] in {"+", "#"}:
        return False
    wanted, levels = topic_filter.split("/"), topic.split("/")
    for at, level in enumerate(wanted):
        if level == "#":
            return True
        if at >= len(levels) or level not in {"+", levels[at]}:
            return False
    return len(wanted) == len(levels)


def encode_publish(message: Publish) -> bytes:
    """Write a PUBLISH."""
    first = 0x30 | message.duplicate << 3 | message.qos << 1 | message.retain
    topic = message.topic.encode()
    head = _U16.pack(len(topic)) + topic
    if message.qos:
        head += _U16.pack(message.packet_id)
    return _frame(first, head + message.payload)


def encode_connack(*, session_present: bool = False, code: int = 0) -> bytes:
    """Write a CONNACK."""
    return bytes([0x20, 2, session_present, code])


def encode_suback(packet_id: int, codes: list[int]) -> bytes:
    """Write a SUBACK: the granted QoS or 0x80 for each filter."""
    return _frame(0x90, _U16.pack(packet_id) + bytes(codes))


def encode_answer(first: int, packet_id: int) -> bytes:
    """Write a PUBACK (0x40), PUBREC (0x50), PUBCOMP (0x70) or UNSUBACK (0xB0)."""
    return bytes([first, 2]) + _U16.pack(packet_id)


PINGRESP = bytes([0xD0, 0])


def _frame(first: int, body: bytes) -> bytes:
    head, left = bytearray([first]), len(body)
    while True:
        head.append(left & 127 | (128 if left > 127 else 0))
        left >>= 7
        if not left:
            return bytes(head) + body
