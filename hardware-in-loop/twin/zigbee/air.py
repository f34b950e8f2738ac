"""The air between the coordinator and its devices: joining, hearing, sleeping, and trouble.

What it holds to: a frame is heard only with the same network, key, channel and a frame counter that
rose (Zigbee 4.3.1.2); a sleeping child gets its frames when it polls its parent, within 7.68 s
(macTransactionPersistenceTime), else the stick reports 0xF0; a copy with a known APS counter is
dropped by the receiver (2.2.8.4.2). What it does not model: signal strength, collisions, routing.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Final

from appliance.kernel.clock import within
from twin.zigbee import zdo
from twin.zigbee.faults import Act, Confirm, Fault, Way
from twin.zigbee.network import BROADCAST, Coordinator, Down, Network, Seat
from twin.zigbee.zdo import Zdo

if TYPE_CHECKING:
    from collections.abc import Callable

    from twin.journal import Journal
    from twin.zigbee.node import Node
    from twin.zigbee.timers import Timers

# 500 beacon intervals of 15.36 ms: how long a parent keeps a frame for a sleeping child.
PERSISTENCE_S: Final = 7.68
# apscMaxFrameRetries 3 with apscAckWaitDuration of about 1.6 s each (2.2.7.1).
ACK_WAIT_S: Final = 4.8
# What a route discovery that finds nobody takes (nwkcRouteDiscoveryTime).
ROUTE_S: Final = 0.25
# Three MAC tries and their backing off, with the stack's own second round.
MAC_RETRY_S: Final = 1.0
# Frames a parent holds for all its sleeping children together (MAC_CFG_TX_DATA_MAX is 5 and less).
HELD_FRAMES_MAX: Final = 16
NODES_MAX: Final = 64  # the stick's own address table


class Air:
    """One building full of radios around at most one coordinator."""

    def __init__(
        self,
        timers: Timers,
        journal: Journal,
        *,
        latency_s: float = 0.004,
        scale: float = 1.0,
        seed: int = 0,
    ) -> None:
        """`latency_s` a hop; `scale` shortens what a failure takes (7.68 s, 4.8 s, ...)."""
        self.timers = timers
        self.journal = journal
        self.latency_s = latency_s
        self.scale = scale
        self.nodes: dict[bytes, Node] = {}
        self.seats: dict[bytes, Seat] = {}
        self.coordinator: Coordinator | None = None
        self.faults: list[Fault] = []
        self.replays_dropped = 0
        self._random = random.Random(seed)
        self._aps_counter = 0
        self._tsn = 0
        self._held = 0

    # --- who is where

    def by_nwk(self, nwk: int) -> Node | None:
        """The device with this short address."""
        return next((n for n in self.nodes.values() if n.nwk == nwk), None)

    def seat(self, node: Node) -> Seat:
        """What the device knows of its network. Raises KeyError before it joined."""
        return self.seats[node.ieee]

    async def join(self, node: Node, parent: Node | None = None) -> bool:
        """Press the device's pairing button near the coordinator or a router; False: not let in."""
        stick = self.coordinator
        if stick is None or not stick.up or not self._lets_in(stick, parent):
            return False
        known = node.ieee in self.nodes
        if not known and len(self.nodes) >= NODES_MAX:
            return False
        node.wire(self.timers, self.journal)
        node.air = self
        if node.nwk is None:
            node.nwk = self._free_address()
        self.nodes[node.ieee] = node
        self.seats[node.ieee] = Seat(stick.network(), parent=parent)
        stick.joined(node, 0 if parent is None else parent.address)
        await self.timers.sleep(3 * self.latency_s)
        self.announce(node)
        return True

    def announce(self, node: Node) -> None:
        """Tell everybody where it is (ZDO Device_annce)."""
        self._tsn = (self._tsn + 1) & 0xFF
        if (stick := self._hearing(node)) is not None:
            body = node.address.to_bytes(2, "little") + node.ieee + bytes((node.capability,))
            stick.heard_zdo(node.address, Zdo.DEVICE_ANNCE, self._tsn, body)

    def move(self, node: Node, parent: Node | None) -> None:
        """A child found another parent: it has a new short address and says so."""
        self.seat(node).parent = parent
        node.nwk = self._free_address()
        self.announce(node)

    def leave(self, node: Node, *, tell: bool = True) -> None:
        """The device forgets the network; `tell=False`: by a reset that nobody hears."""
        if tell and (stick := self._hearing(node)) is not None:
            stick.gone(node)
        self.nodes.pop(node.ieee, None)
        self.seats.pop(node.ieee, None)
        node.forget_network()

    def permit(self, node: Node, seconds: int) -> None:
        """A router lets strangers in for so long (255: until told otherwise)."""
        until_s = float("inf") if seconds == 255 else self.timers.now() + seconds
        self.seat(node).permit_until_s = until_s

    def retune(self, network: Network) -> None:
        """The coordinator moved; who hears it follows."""
        for seat in self.seats.values():
            if not seat.away and not seat.asleep:
                seat.network = network

    # --- sleep and range

    def sleep(self, node: Node) -> None:
        """The device polls its parent no more."""
        self.seat(node).asleep = True

    def wake(self, node: Node) -> None:
        """The device polls: what its parent still holds for it arrives."""
        seat = self.seat(node)
        seat.asleep = False
        woken, seat.woken = seat.woken, asyncio.Event()
        woken.set()

    def heard(self, node: Node, counter: int) -> bool:
        """Whether a frame of the coordinator with this counter is accepted by the device."""
        if self._hearing(node) is None:
            return False
        seat = self.seat(node)
        if counter <= seat.last_counter:
            self.replays_dropped += 1
            return False
        seat.last_counter = counter
        return True

    # --- down

    def to_node(self, frame: Down, confirm: Callable[[int], None]) -> None:
        """Send one frame to a device; `confirm` is told what the stick's stack believes."""
        self._aps_counter = (self._aps_counter + 1) & 0xFF
        self.timers.start("zigbee down", self._down(frame, self._aps_counter, confirm))

    def to_all(self, frame: Down, groups: int | None = None) -> None:
        """A broadcast (or a groupcast): who is awake hears it, nobody confirms."""
        for node in list(self.nodes.values()):
            seat = self.seat(node)
            member = groups is None or any(g == groups for _, g in node.groups)
            if member and not node.sleepy and not seat.asleep and not seat.away:
                one = Down(
                    nwk=node.address,
                    from_endpoint=frame.from_endpoint,
                    endpoint=1 if frame.endpoint == 0xFF or groups is not None else frame.endpoint,
                    cluster=frame.cluster,
                    data=frame.data,
                    zdo_tsn=frame.zdo_tsn,
                )
                self.to_node(one, lambda _status: None)

    async def _down(self, frame: Down, aps_counter: int, confirm: Callable[[int], None]) -> None:
        node = self.by_nwk(frame.nwk)
        hops = 1 if node is None or self.seat(node).parent is None else 2
        await self.timers.sleep(hops * self.latency_s)
        if node is None or self._cut_off(node):
            await self.timers.sleep(ROUTE_S * self.scale)
            confirm(Confirm.NWK_NO_ROUTE)
            return
        # A device's own objects are never troubled: a scripted fault means an application's frame.
        fault = self._fault(Way.DOWN, node, frame.cluster, frame.data) if frame.endpoint else None
        status = await self._carry(node, frame, aps_counter, fault)
        if status is not None:
            confirm(status)

    async def _carry(
        self, node: Node, frame: Down, aps_counter: int, fault: Fault | None
    ) -> int | None:
        act = fault.act if fault is not None else None
        if fault is not None and act is Act.REFUSE:
            return fault.status
        if fault is not None and act is Act.DELAY:
            await self.timers.sleep(fault.seconds)
        if act is Act.DROP:
            await self.timers.sleep(ACK_WAIT_S * self.scale if frame.ack else self.latency_s)
            return Confirm.APS_NO_ACK if frame.ack else Confirm.SUCCESS
        if (failed := await self._reach(node)) is not None:
            return failed
        if not self._deliver(node, frame, aps_counter):
            await self.timers.sleep(MAC_RETRY_S * self.scale)
            return Confirm.MAC_NO_ACK
        if act is Act.DUPLICATE:
            self._deliver(node, frame, aps_counter)
        await self.timers.sleep(self.latency_s)
        if fault is not None and act is Act.ACK_LOST:
            return fault.status
        return None if act is Act.NO_CONFIRM else Confirm.SUCCESS

    async def _reach(self, node: Node) -> int | None:
        """Wait for the device's radio; the failure where it does not come."""
        seat = self.seats.get(node.ieee)
        if seat is None or (seat.away and not node.sleepy):
            await self.timers.sleep(MAC_RETRY_S * self.scale)
            return Confirm.MAC_NO_ACK
        wait_s = self._until_poll_s(seat)
        if wait_s == 0:
            return None
        if self._held >= HELD_FRAMES_MAX:
            return Confirm.BUFFER_FULL
        self._held += 1
        try:
            return None if await self._polled(seat, wait_s) else Confirm.MAC_EXPIRED
        finally:
            self._held -= 1

    async def _polled(self, seat: Seat, wait_s: float) -> bool:
        persistence_s = PERSISTENCE_S * self.scale
        if not seat.asleep and not seat.away and wait_s <= persistence_s:
            await self.timers.sleep(wait_s)
            return True
        woken = asyncio.ensure_future(seat.woken.wait())
        try:
            await within(self.timers.clock, persistence_s, woken)
        except TimeoutError:
            return False
        finally:
            woken.cancel()
        return True

    def _until_poll_s(self, seat: Seat) -> float:
        if seat.asleep or seat.away:
            return float("inf")
        if not seat.poll_s:
            return 0.0
        now_s = self.timers.now()
        return seat.poll_s - now_s % seat.poll_s

    def _deliver(self, node: Node, frame: Down, aps_counter: int) -> bool:
        """False where the radio of the device did not take it: foreign, deaf or replayed."""
        stick = self.coordinator
        if stick is None or not self.heard(node, stick.next_counter()):
            return False
        seat = self.seat(node)
        if aps_counter in seat.copies:
            return True
        seat.copies.append(aps_counter)
        if frame.endpoint == 0:
            self._objects(node, frame)
        else:
            node.take(frame.from_endpoint, frame.endpoint, frame.cluster, frame.data)
        return True

    def _objects(self, node: Node, frame: Down) -> None:
        if frame.cluster == Zdo.MGMT_PERMIT_JOINING and node.router:
            self.permit(node, frame.data[0])
        body = zdo.answer(node, frame.cluster, frame.data)
        if body is None:
            return
        leaves = frame.cluster == Zdo.MGMT_LEAVE
        nwk, told = node.address, body

        def tell() -> None:
            if (stick := self._hearing(node)) is not None:
                stick.heard_zdo(nwk, frame.cluster | zdo.ANSWER, frame.zdo_tsn, told)
            if leaves:
                self.leave(node)

        self.timers.after(self.latency_s, "zigbee objects", tell)

    # --- up

    def from_node(self, node: Node, endpoint: int, to: int, cluster: int, data: bytes) -> None:
        """Send one frame of an application to the coordinator."""
        self.timers.start("zigbee up", self._up(node, endpoint, to, cluster, data))

    async def _up(self, node: Node, endpoint: int, to: int, cluster: int, data: bytes) -> None:
        fault = self._fault(Way.UP, node, cluster, data)
        act = fault.act if fault is not None else None
        if act is Act.DROP:
            return
        if fault is not None and act is Act.DELAY:
            await self.timers.sleep(fault.seconds)
        hops = 1 if self._parent(node) is None else 2
        await self.timers.sleep(hops * self.latency_s)
        for _ in range(2 if act is Act.DUPLICATE else 1):
            if (stick := self._hearing(node)) is not None:
                stick.heard_zcl(node, endpoint, to, cluster, data)

    # --- who hears whom

    def _hearing(self, node: Node) -> Coordinator | None:
        """The coordinator, where it and the device are of one network and in range."""
        stick, seat = self.coordinator, self.seats.get(node.ieee)
        if stick is None or seat is None or seat.away or self._cut_off(node) or not stick.up:
            return None
        ours, theirs = stick.network(), seat.network
        same = (ours.epid, ours.pan, ours.channel, ours.key) == (
            theirs.epid, theirs.pan, theirs.channel, theirs.key,
        )  # fmt: skip
        return stick if same else None

    def _parent(self, node: Node) -> Node | None:
        seat = self.seats.get(node.ieee)
        return None if seat is None else seat.parent

    def _cut_off(self, node: Node) -> bool:
        """Whether the router it hangs on is gone."""
        parent = self._parent(node)
        if parent is None:
            return False
        seat = self.seats.get(parent.ieee)
        return seat is None or seat.away

    def _lets_in(self, stick: Coordinator, parent: Node | None) -> bool:
        if parent is None:
            return stick.joinable()
        seat = self.seats.get(parent.ieee)
        return seat is not None and not seat.away and self.timers.now() < seat.permit_until_s

    def _fault(self, way: Way, node: Node, cluster: int, data: bytes) -> Fault | None:
        return next((f for f in self.faults if f.takes(way, node, cluster, data)), None)

    def _free_address(self) -> int:
        while True:
            nwk = self._random.randrange(1, BROADCAST - 1)
            if self.by_nwk(nwk) is None:
                return nwk
