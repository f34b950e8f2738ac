"""What carries radio between virtual controllers: connection events, range, loss, and mischief."""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from bumble import core, hci, ll
from bumble.link import LocalLink

from twin.ble.controller import VirtualController

if TYPE_CHECKING:
    from bumble.controller import Controller

# Vol 6, Part B, 4.5.2: six connection intervals without a word and the connect has failed.
CONNECT_TRIES: Final = 6
# Where no interval is simulated, failing to connect still takes a moment.
QUIET_INTERVAL_S: Final = 0.03
# L2CAP's header is four bytes; the attribute protocol has channel 4 (Vol 3, Part A, 2.1).
_L2CAP_HEADER: Final = 4
_ATT_CHANNEL: Final = 4
_NOTIFICATION: Final = 0x1B
_WRITES: Final = frozenset({0x12, 0x52})  # with and without response
_STRENGTH_DBM: Final = -60
_STRENGTH_SPREAD: Final = 9


class Fate(StrEnum):
    """What becomes of one frame in the air."""

    ARRIVES = "arrives"
    TWICE = "twice"  # delivered twice, as BlueZ does with notifications (bleak issue 2002)
    LINK_LOST = "link_lost"  # not delivered: the link is gone at both ends
    LINK_LOST_AFTER = "link_lost_after"  # delivered, and then the link is gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """One written or notified value on its way; `number` counts from 1 per link and direction."""

    source: str
    destination: str
    down: bool  # a write of the central, otherwise a notification
    value: bytes
    number: int


Mischief = Callable[[Crossing], Fate]
_Key = tuple[int, hci.Address]


class Air(LocalLink):
    """The air of one place.

    `interval_s` None: data arrives in the next turn of the loop. Otherwise it leaves at the next
    connection event, and `per_event` link-layer packets of `packet_bytes` fit into one event.
    """

    def __init__(
        self,
        interval_s: float | None = None,
        *,
        packet_bytes: int = 251,
        per_event: int = 4,
        supervision_s: float = 2.0,
        seed: int = 1,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # bumble's constructor has no types
        self.interval_s = interval_s
        self.packet_bytes = packet_bytes
        self.per_event = per_event
        self.supervision_s = supervision_s
        self.advert_loss = 0.0  # chance (0 to 1) that one advertisement is not heard
        self.mischief: Mischief | None = None
        self.att_bytes = 0  # carried so far, for the bench
        self._random = random.Random(seed)
        self._away: set[str] = set()
        self._free_at: dict[_Key, float] = {}
        self._queues: dict[_Key, deque[tuple[float, Callable[[], None]]]] = {}
        self._crossed: dict[tuple[int, str], int] = {}
        self._broken: set[tuple[str, str]] = set()  # links that are cut and do not know yet

    def controller(self, name: str, **more: Any) -> VirtualController:
        """A new radio in this air."""
        return VirtualController(name, air=self, **more)

    def strength(self) -> int:
        """How strong one report was, in dBm; never twice the same for long."""
        return _STRENGTH_DBM + self._random.randint(-_STRENGTH_SPREAD, _STRENGTH_SPREAD)

    def walk_away(self, address: str) -> None:
        """That radio leaves everybody's range; its links end after the supervision timeout."""
        self._away.add(address)
        for controller in list(self.controllers):
            for connection in list(controller.le_connections.values()):
                if not self._in_range(connection.self_address, connection.peer_address):
                    self._lose_later(controller, connection.peer_address, self.supervision_s)

    def come_back(self, address: str) -> None:
        """It is in range again."""
        self._away.discard(address)

    def cut(self, address: str) -> None:
        """Every link of that radio breaks now; the radio stays in range."""
        for controller in list(self.controllers):
            for connection in list(controller.le_connections.values()):
                ends = _text(connection.self_address), _text(connection.peer_address)
                if address in ends:
                    self._broken.add(ends)
                    self._lose_later(controller, connection.peer_address, 0.0)
                    asyncio.get_running_loop().call_later(0.0, self._broken.discard, ends)

    def other_end(self, address: hci.Address, _of: VirtualController) -> VirtualController | None:
        """The controller that holds this address."""
        found = self.find_le_controller(address)
        return found if isinstance(found, VirtualController) else None

    # --- what bumble's controllers call

    def send_advertising_pdu(
        self, sender_controller: Controller, packet: ll.AdvertisingPdu
    ) -> None:
        """An advertisement, or a request to connect, reaches whoever is in range."""
        if isinstance(packet, ll.ConnectInd):
            if not self._in_range(packet.advertiser_address, packet.initiator_address):
                wait_s = CONNECT_TRIES * (self.interval_s or QUIET_INTERVAL_S)
                self._lose_later(
                    sender_controller,
                    packet.advertiser_address,
                    wait_s,
                    hci.HCI_ErrorCode.CONNECTION_FAILED_TO_BE_ESTABLISHED_ERROR,
                )
                return
        elif self.advert_loss and self._random.random() < self.advert_loss:
            return
        if isinstance(packet, ll.AdvInd | ll.AdvExtInd) and not self._in_range(
            packet.advertiser_address
        ):
            return
        super().send_advertising_pdu(sender_controller, packet)

    def send_acl_data(
        self,
        sender_controller: Controller,
        destination_address: hci.Address,
        transport: core.PhysicalTransport,
        data: bytes,
    ) -> None:
        """Data of one link, at the pace of its connection events."""
        connection = sender_controller.le_connections.get(destination_address)
        if connection is None or not self._in_range(destination_address, connection.self_address):
            return
        if (_text(connection.self_address), _text(destination_address)) in self._broken:
            return
        self.att_bytes += max(0, len(data) - _L2CAP_HEADER)
        fate = self._fate(sender_controller, destination_address, connection.self_address, data)
        if fate is Fate.LINK_LOST:
            self.cut(_text(connection.self_address))
            return
        source = connection.self_address

        def arrive() -> None:
            peer = self.find_le_controller(destination_address)
            if peer is not None and not getattr(sender_controller, "gone", False):
                for _ in range(2 if fate is Fate.TWICE else 1):
                    peer.on_link_acl_data(source, transport, data)
                if fate is Fate.LINK_LOST_AFTER:
                    self.cut(_text(source))

        if self.interval_s is None:
            asyncio.get_running_loop().call_soon(arrive)
        else:
            key = (id(sender_controller), destination_address)
            self._at_event(key, len(data), self.interval_s, arrive)

    def send_ll_control_pdu(
        self, sender_address: hci.Address, receiver_address: hci.Address, packet: ll.ControlPdu
    ) -> None:
        """Control travels behind data: a lock's last word arrives before its hanging up."""
        sender = self.find_le_controller(sender_address)
        key = (id(sender), receiver_address)
        if self.find_le_controller(receiver_address) is None:
            return  # it has left the air in the meantime
        queue = self._queues.get(key)
        if queue:
            send = super().send_ll_control_pdu
            queue.append((queue[-1][0], lambda: send(sender_address, receiver_address, packet)))
        else:
            super().send_ll_control_pdu(sender_address, receiver_address, packet)

    def _at_event(
        self, key: _Key, size: int, interval_s: float, arrive: Callable[[], None]
    ) -> None:
        loop = asyncio.get_running_loop()
        slot_s = interval_s / self.per_event
        anchor = math.floor(loop.time() / interval_s + 1) * interval_s
        end = max(anchor, self._free_at.get(key, 0.0)) + slot_s * max(
            1, math.ceil(size / self.packet_bytes)
        )
        self._free_at[key] = end
        # The event that carries the last packet.
        at = max(anchor, math.floor((end - 1e-9) / interval_s) * interval_s)
        # Timers of one deadline do not ring in the order they were set: so one queue a direction.
        queue = self._queues.setdefault(key, deque())
        queue.append((at, arrive))
        if len(queue) == 1:
            loop.call_at(at, self._drain, key)

    def _drain(self, key: _Key) -> None:
        loop, queue = asyncio.get_running_loop(), self._queues[key]
        while queue and queue[0][0] <= loop.time() + 1e-4:
            queue.popleft()[1]()
        if queue:
            loop.call_at(queue[0][0], self._drain, key)
        else:
            del self._queues[key]

    def _fate(
        self, sender: Controller, destination: hci.Address, source: hci.Address, data: bytes
    ) -> Fate:
        if self.mischief is None or len(data) <= _L2CAP_HEADER + 3:
            return Fate.ARRIVES
        channel = int.from_bytes(data[2:4], "little")
        operation = data[_L2CAP_HEADER]
        if channel != _ATT_CHANNEL or operation not in _WRITES | {_NOTIFICATION}:
            return Fate.ARRIVES
        connection = sender.le_connections[destination]
        key = (id(connection), _text(source))
        self._crossed[key] = self._crossed.get(key, 0) + 1
        return self.mischief(
            Crossing(
                source=_text(source),
                destination=_text(destination),
                down=operation in _WRITES,
                value=data[_L2CAP_HEADER + 3 :],
                number=self._crossed[key],
            )
        )

    def _in_range(self, *addresses: hci.Address) -> bool:
        return not any(_text(address) in self._away for address in addresses)

    def _lose_later(
        self,
        controller: Controller,
        peer: hci.Address,
        wait_s: float,
        reason: int = hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR,
    ) -> None:
        if isinstance(controller, VirtualController):
            # Never in the middle of the call that brought the frame.
            asyncio.get_running_loop().call_later(wait_s, controller.link_lost, peer, reason)


def _text(address: hci.Address) -> str:
    return address.to_string(with_type_qualifier=False)
