"""The server side of one cluster: attributes, and the commands that every cluster knows (ZCL8 2.5)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from twin.zigbee.reporting import Reporting
from twin.zigbee.zcl import ANALOG, General, Header, Kind, Status, Value, pack, unpack

if TYPE_CHECKING:
    from twin.zigbee.node import Node

# What fits into one APS frame without fragments beside a secured header.
ANSWER_BYTES_MAX: Final = 70
# A value is set aside by this mark in Configure Reporting: stop reporting (2.5.7.1.6).
NEVER_S: Final = 0xFFFF


@dataclass(slots=True)
class Attr:
    """One attribute. `writable` is said to the network, not to the device's own hand."""

    kind: Kind
    value: Value
    writable: bool = False
    reportable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One command that reached a cluster; it may be answered at once, later, or never."""

    node: Node
    cluster: int
    endpoint: int  # of the device
    from_endpoint: int  # of the coordinator
    header: Header

    def answer(self, command: int, body: bytes) -> None:
        """Answer with a response command of the same kind (general or of the cluster)."""
        header = Header(
            tsn=self.header.tsn,
            command=command,
            specific=self.header.specific,
            to_client=True,
            no_default_rsp=True,
        )
        self._send(header.write() + body)

    def default(self, status: int) -> None:
        """Answer with a Default Response, where one is due (2.5.12)."""
        if status == Status.SUCCESS and self.header.no_default_rsp:
            return
        if not self.header.specific and self.header.command == General.DEFAULT_RSP:
            return
        header = Header(
            tsn=self.header.tsn, command=General.DEFAULT_RSP, to_client=True, no_default_rsp=True
        )
        self._send(header.write() + bytes((self.header.command, status)))

    def _send(self, frame: bytes) -> None:
        self.node.send(self.endpoint, self.from_endpoint, self.cluster, frame)


class Cluster:
    """One server cluster of one endpoint. A kind of device fills `attrs` and answers `command`."""

    id: int = 0

    def __init__(self, node: Node, endpoint: int) -> None:
        self.node = node
        self.endpoint = endpoint
        self.attrs: dict[int, Attr] = {}
        self.reporting: dict[int, Reporting] = {}

    def get(self, attr: int) -> Value:
        """The attribute's value now."""
        return self.attrs[attr].value

    def number(self, attr: int) -> int:
        """The same where it is a number."""
        return int(self.attrs[attr].value)

    def set(self, attr: int, value: Value) -> None:
        """Change it from inside; subscribers hear of it by the rules of reporting."""
        self.attrs[attr].value = value
        self.node.reporter.changed(self, attr)

    def may_write(self, attr: int, value: Value) -> Status:
        """Whether the network may write this value; the device's own judgement."""
        del attr, value
        return Status.SUCCESS

    def command(self, command: int, body: bytes, asked: Request) -> None:
        """One command of this cluster. Raises what a short body raises: it becomes MALFORMED."""
        del command, body
        asked.default(Status.UNSUP_CLUSTER_COMMAND)

    def event(self, command: int, body: bytes, *, tsn: int | None = None) -> None:
        """Tell everybody who is bound, unasked (2.4.1.1.3: server to client)."""
        for target in self.node.bound(self.endpoint, self.id):
            self.tell(target, command, body, tsn=tsn)

    def tell(self, to_endpoint: int, command: int, body: bytes, *, tsn: int | None = None) -> None:
        """Tell the coordinator's endpoint a command of this cluster, unasked."""
        header = Header(
            tsn=self.node.next_tsn() if tsn is None else tsn,
            command=command,
            specific=True,
            to_client=True,
            no_default_rsp=True,
        )
        self.node.send(self.endpoint, to_endpoint, self.id, header.write() + body)

    def general(self, body: bytes, asked: Request) -> None:
        """A command that every cluster knows."""
        match asked.header.command:
            case General.READ:
                asked.answer(General.READ_RSP, self._read(body))
            case General.WRITE | General.WRITE_UNDIVIDED:
                refused = self._write(body)
                asked.answer(General.WRITE_RSP, refused or bytes((Status.SUCCESS,)))
            case General.WRITE_NO_RSP:
                self._write(body)
            case General.CONFIGURE_REPORTING:
                refused = self._configure(body)
                asked.answer(General.CONFIGURE_REPORTING_RSP, refused or bytes((Status.SUCCESS,)))
            case General.READ_REPORTING:
                asked.answer(General.READ_REPORTING_RSP, self._read_reporting(body))
            case General.DISCOVER:
                asked.answer(General.DISCOVER_RSP, self._discover(body))
            case General.DEFAULT_RSP | General.READ_RSP | General.REPORT:
                pass
            case _:
                asked.default(Status.UNSUP_GENERAL_COMMAND)

    def _read(self, body: bytes) -> bytes:
        answer = b""
        for (attr,) in struct.iter_unpack("<H", body[: len(body) // 2 * 2]):
            known = self.attrs.get(attr)
            if known is None:
                record = struct.pack("<HB", attr, Status.UNSUPPORTED_ATTRIBUTE)
            else:
                record = struct.pack("<HBB", attr, Status.SUCCESS, known.kind)
                record += pack(known.kind, known.value)
            if len(answer) + len(record) > ANSWER_BYTES_MAX:
                record = struct.pack("<HB", attr, Status.INSUFFICIENT_SPACE)
            answer += record
        return answer

    def _write(self, body: bytes) -> bytes:
        """Records of what was refused; nothing where all was taken."""
        refused = b""
        while body:
            attr, kind = struct.unpack_from("<HB", body)
            value, body = unpack(kind, body[3:])
            status = self._judge(attr, kind, value)
            if status is Status.SUCCESS:
                self.set(attr, value)
            else:
                refused += struct.pack("<BH", status, attr)
        return refused

    def _judge(self, attr: int, kind: int, value: Value) -> Status:
        known = self.attrs.get(attr)
        if known is None:
            return Status.UNSUPPORTED_ATTRIBUTE
        if not known.writable:
            return Status.READ_ONLY
        if known.kind != kind:
            return Status.INVALID_DATA_TYPE
        return self.may_write(attr, value)

    def _configure(self, body: bytes) -> bytes:
        refused = b""
        while body:
            direction, attr = struct.unpack_from("<BH", body)
            body = body[3:]
            if direction:  # what the coordinator will report to us, with a timeout only
                body = body[2:]
                continue
            kind, min_s, max_s = struct.unpack_from("<BHH", body)
            body, change = body[5:], None
            if kind in ANALOG:
                change, body = unpack(kind, body)
            status = self._subscribe(attr, kind, Reporting(min_s, max_s, change))
            if status is not Status.SUCCESS:
                refused += struct.pack("<BBH", status, direction, attr)
        return refused

    def _subscribe(self, attr: int, kind: int, wanted: Reporting) -> Status:
        known = self.attrs.get(attr)
        if known is None:
            return Status.UNSUPPORTED_ATTRIBUTE
        if not known.reportable:
            return Status.UNREPORTABLE_ATTRIBUTE
        if known.kind != kind:
            return Status.INVALID_DATA_TYPE
        if wanted.max_s == NEVER_S:
            self.reporting.pop(attr, None)
        else:
            wanted.last_value, wanted.last_sent_s = known.value, self.node.timers.now()
            self.reporting[attr] = wanted
        self.node.reporter.plan()
        return Status.SUCCESS

    def _read_reporting(self, body: bytes) -> bytes:
        answer = b""
        while body:
            direction, attr = struct.unpack_from("<BH", body)
            body = body[3:]
            known, reporting = self.attrs.get(attr), self.reporting.get(attr)
            if known is None or reporting is None:
                why = Status.UNSUPPORTED_ATTRIBUTE if known is None else Status.NOT_FOUND
                answer += struct.pack("<BBH", why, direction, attr)
                continue
            answer += struct.pack("<BBHB", Status.SUCCESS, direction, attr, known.kind)
            answer += struct.pack("<HH", reporting.min_s, reporting.max_s)
            if reporting.change is not None:
                answer += pack(known.kind, reporting.change)
        return answer

    def _discover(self, body: bytes) -> bytes:
        start, count = struct.unpack_from("<HB", body)
        found = sorted(attr for attr in self.attrs if attr >= start)
        answer = bytes((len(found) <= count,))
        for attr in found[:count]:
            answer += struct.pack("<HB", attr, self.attrs[attr].kind)
        return answer
