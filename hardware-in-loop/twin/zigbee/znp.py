"""The firmware of the stick: a TI Z-Stack 3.x network co-processor (CC2652) as its host sees it.

Commands come as UNPI frames of three types (MT, "Monitor and Test"): SREQ is answered by one SRSP,
AREQ by none; the firmware speaks unasked by AREQ. What each subsystem answers stands in the `mt_*`
modules; here is what they share, and the side that the air sees.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from twin.zigbee.mt_frames import Frames
from twin.zigbee.mt_objects import Objects
from twin.zigbee.mt_setup import Setup
from twin.zigbee.mt_system import System
from twin.zigbee.network import Network
from twin.zigbee.nvram import Item, Nib, Nvram
from twin.zigbee.unpi import Frame, Splitter, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from twin.zigbee.air import Air
    from twin.zigbee.node import Node

    Handler = Callable[[bytes], bytes | None]

SREQ: Final = 0x20
AREQ: Final = 0x40
SRSP: Final = 0x60
FIRST_IEEE: Final = 0x00124B0001020304  # an address of TI, as such sticks have
# The counter is written to flash every so many frames, and this much ahead (Z-Stack: 0x03E8).
COUNTER_STEP: Final = 16
REQUESTS_MAX: Final = 2000  # remembered for a test to look at
STARTED: Final = 9  # DEV_ZB_COORD
_FORMING: Final = 8


class Subsystem(IntEnum):
    """The lower five bits of command 0."""

    RPC = 0
    SYS = 1
    AF = 4
    ZDO = 5
    SAPI = 6
    UTIL = 7
    APP_CNF = 15


class RpcError(IntEnum):
    """Why a command was not understood (RPC_SYS answer)."""

    SUBSYSTEM = 1
    COMMAND = 2
    PARAMETER = 3
    LENGTH = 4


class Znp:
    """One stick. It has power from `power_on` to `power_off`, and its flash for ever."""

    def __init__(self, air: Air, *, ieee: int = FIRST_IEEE, nvram: Path | None = None) -> None:
        """A stick near these devices; `nvram` keeps its flash in a file."""
        self.air = air
        self.timers = air.timers
        self.factory_ieee = ieee.to_bytes(8, "little")
        self.nv = Nvram(self.factory_ieee, nvram)
        self.write: Callable[[bytes], None] = lambda _data: None  # set by the port
        self.hung = False  # the firmware hangs: the port opens, nothing answers, nothing is heard
        self.state = 0
        self.permit_until_s = 0.0
        self.counter = 0
        self._running: Network | None = None  # what a host writes to flash counts from a reset on
        self.requests: list[Frame] = []
        self._splitter = Splitter()
        self.frames = Frames(self)
        self.objects = Objects(self)
        self.setup = Setup(self)
        self._commands: dict[int, Mapping[int, Handler]] = {
            Subsystem.SYS: System(self).commands,
            Subsystem.AF: self.frames.commands,
            Subsystem.ZDO: self.objects.commands,
            Subsystem.UTIL: self.setup.util_commands,
            Subsystem.APP_CNF: self.setup.commands,
        }

    # --- serial side

    @property
    def noise_met(self) -> int:
        """How often bytes from the host made no frame."""
        return self._splitter.dropped

    def feed(self, data: bytes) -> None:
        """Bytes of the host."""
        for frame in self._splitter.feed(data):
            if not self.hung:
                self._obey(frame)

    def tell(self, subsystem: int, command: int, data: bytes) -> None:
        """Say something unasked (AREQ)."""
        if not self.hung:
            self.write(encode(Frame(AREQ | subsystem, command, data)))

    def soon(self, name: str, act: Callable[[], None], seconds: float = 0.0) -> None:
        """Do it after the answer to the present command is out."""
        self.timers.after(seconds, name, act)

    def _obey(self, frame: Frame) -> None:
        self.requests.append(frame)
        del self.requests[:-REQUESTS_MAX]
        kind, subsystem = frame.command0 & 0xE0, frame.command0 & 0x1F
        known = self._commands.get(subsystem)
        handler = None if known is None else known.get(frame.command1)
        if handler is None:
            self._misunderstood(
                frame, RpcError.SUBSYSTEM if known is None else RpcError.COMMAND, kind
            )
            return
        try:
            answer = handler(frame.data)
        except (struct.error, IndexError):
            self._misunderstood(frame, RpcError.LENGTH, kind)
            return
        if kind == SREQ and answer is not None:
            self.write(encode(Frame(SRSP | subsystem, frame.command1, answer)))

    def _misunderstood(self, frame: Frame, why: RpcError, kind: int) -> None:
        if kind == SREQ:
            self.write(encode(Frame(SRSP, 0x00, bytes((why, frame.command0, frame.command1)))))

    # --- power

    def power_on(self) -> None:
        """Plugged in: on the air only after a host has started it."""
        self.air.coordinator = self
        self.reset()

    def power_off(self) -> None:
        """Pulled out. Nothing is written any more: flash holds a counter that lies ahead."""
        self.state = 0
        self._running = None
        self._splitter = Splitter()
        if self.air.coordinator is self:
            self.air.coordinator = None

    def reset(self) -> None:
        """What a reset of the chip does; flash stays, unless the host asked to clear it."""
        options = self.nv.get(Item.STARTUP_OPTION) or b"\x00"
        if options[0] & 0x03:
            self.nv.put(Item.STARTUP_OPTION, b"\x00")
            self.nv.forget_network()
        if self.nv.get(Item.EXTADDR) is None:
            self.nv.put(Item.EXTADDR, self.factory_ieee)
        self.frames.reset()
        self.objects.reset()
        self.state = 0
        self._running = None
        self.permit_until_s = 0.0
        self.nv.save()

    def start(self) -> None:
        """Come up on the stored network, or form one (BDB formation)."""
        if self.nv.get(Item.BDB_ON_A_NETWORK) != b"\x01" or self.nv.nib() is None:
            self.setup.form()
            self.objects.state_changed(_FORMING)
        self._run()
        assert self._running is not None
        self.counter = self.nv.counter(self._running.epid)
        self._keep_counter()
        self.state = STARTED
        self.objects.state_changed(STARTED)
        self.setup.commissioned()

    # --- air side (`air.Coordinator`)

    @property
    def up(self) -> bool:
        """Whether it runs a network now."""
        return self.state == STARTED and not self.hung

    @property
    def ieee(self) -> bytes:
        """Its address, little-endian."""
        return self.nv.get(Item.EXTADDR) or self.factory_ieee

    def network(self) -> Network:
        """The network it runs. Raises RuntimeError without one."""
        if self._running is None:
            raise RuntimeError("the stick runs no network")
        return self._running

    def joinable(self) -> bool:
        """Whether a stranger may join at the stick itself."""
        return self.up and self.timers.now() < self.permit_until_s

    def next_counter(self) -> int:
        """The frame counter of the frame that goes out now."""
        self.counter += 1
        if self.counter % COUNTER_STEP == 0:
            self._keep_counter()
        return self.counter

    def joined(self, node: Node, parent: int) -> None:
        """Remember the device and tell the host (ZDO_TC_DEV_IND)."""
        self.nv.put_device(node.ieee, node.address)
        self.nv.save()
        self.objects.let_in(node, parent)

    def gone(self, node: Node) -> None:
        """Forget the device and tell the host (ZDO_LEAVE_IND)."""
        self.nv.forget_device(node.ieee)
        self.nv.save()
        self.objects.left(node)

    def heard_zcl(self, node: Node, endpoint: int, to: int, cluster: int, data: bytes) -> None:
        """A frame for an application of the host (AF_INCOMING_MSG)."""
        self.frames.incoming(node.address, endpoint, to, cluster, data)

    def heard_zdo(self, nwk: int, cluster: int, tsn: int, body: bytes) -> None:
        """A frame of the device objects."""
        self.objects.incoming(nwk, cluster, tsn, body)

    def move_to(self, channel: int) -> None:
        """Change the channel and let the network follow (Mgmt_NWK_Update_req)."""
        raw, nib = self.nv.get(Item.NIB), self.nv.nib()
        if raw is None or nib is None:
            return
        update_id = (nib.update_id + 1) & 0xFF
        moved = Nib(pan=nib.pan, epid=nib.epid, channel=channel, update_id=update_id)
        self.nv.put(Item.NIB, moved.write(raw))
        self.nv.save()
        self._run()
        self.air.retune(self.network())

    def _run(self) -> None:
        nib = self.nv.nib()
        assert nib is not None
        self._running = Network(
            epid=nib.epid,
            pan=nib.pan,
            channel=nib.channel,
            key=self.nv.key(),
            update_id=nib.update_id,
        )

    def _keep_counter(self) -> None:
        self.nv.put_counter(self.network().epid, self.counter + COUNTER_STEP)
        self.nv.save()
