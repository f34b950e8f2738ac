"""Whatever a host or the air brings, the stick and its devices stay on their feet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.kernel.tasks import Nursery
from appliance.kernel.virtual_clock import VirtualClock
from support.bare_stick import SREQ, SYS, Wire
from twin.journal import Journal
from twin.zigbee.air import Air
from twin.zigbee.devices import KINDS
from twin.zigbee.timers import Timers
from twin.zigbee.unpi import Frame, encode
from twin.zigbee.znp import Subsystem, Znp

if TYPE_CHECKING:
    from twin.zigbee.node import Node

START_MS = 1_780_000_000_000
SUBSYSTEMS = (Subsystem.SYS, Subsystem.AF, Subsystem.ZDO, Subsystem.UTIL, Subsystem.APP_CNF)
# Small numbers are addresses, tables, rows and clusters that exist.
TELLING = st.lists(
    st.sampled_from([0, 1, 2, 3, 4, 6, 7, 0x21, 0x31, 0x38, 0xFE, 0xFF]), max_size=40
)
MT = st.tuples(
    st.sampled_from(SUBSYSTEMS),
    st.integers(0, 0x60),
    st.one_of(st.binary(max_size=40), TELLING.map(bytes)),
)
ZCL = st.tuples(st.sampled_from([1, 2, 3]), st.integers(0, 0x0D), st.binary(max_size=20))


async def building(clock: VirtualClock, nursery: Nursery) -> tuple[Znp, list[Node], Timers]:
    """A started stick with one device of each kind."""
    timers = Timers(clock, nursery)
    air = Air(timers, Journal(), latency_s=0.001)
    stick = Znp(air)
    stick.power_on()
    stick.start()
    stick.permit_until_s = float("inf")
    nodes = []
    for number, make in enumerate(KINDS.values(), 1):
        nodes.append(make(f"node-{number}", number))
        assert await clock.run_until(air.join(nodes[-1]), 60)
    return stick, nodes, timers


@settings(max_examples=150, deadline=None)
@given(commands=st.lists(MT, min_size=1, max_size=12))
async def test_no_command_of_a_host_breaks_the_stick(
    commands: list[tuple[Subsystem, int, bytes]],
) -> None:
    clock, nursery = VirtualClock(START_MS), Nursery(lambda name, error: None)
    stick, _, timers = await building(clock, nursery)
    wire = Wire(stick)
    for subsystem, command, data in commands:
        mark = len(wire.said)
        stick.feed(encode(Frame(SREQ | subsystem, command, data)))
        answers = [f for f in wire.said[mark:] if f.command0 & 0xE0 == 0x60]
        # A reset alone is answered by what the stick says when it is up again.
        assert len(answers) == (0 if (subsystem, command) == (SYS, 0x00) else 1)
        await clock.advance(30)
    await nursery.close()
    assert not timers.broke
    assert wire.ask(SYS, 0x01) == b"\x59\x06"


@settings(max_examples=150, deadline=None)
@given(which=st.integers(0, len(KINDS) - 1), frames=st.lists(ZCL, min_size=1, max_size=8))
async def test_no_frame_of_the_air_breaks_a_device(
    which: int, frames: list[tuple[int, int, bytes]]
) -> None:
    clock, nursery = VirtualClock(START_MS), Nursery(lambda name, error: None)
    stick, nodes, timers = await building(clock, nursery)
    node, wire = nodes[which], Wire(stick)
    wire.register()
    for cluster in sorted(node.endpoints[1].servers):
        for control, command, body in frames:
            wire.send(node.address, cluster, bytes((control & 1, 7, command)) + body)
            await clock.advance(1)
    await nursery.close()
    assert not timers.broke


FORM = (Subsystem.APP_CNF, 0x05, b"\x04")
CLEARED = [
    (Subsystem.SYS, 0x09, b"\x03\x00\x00\x01\x03"),  # STARTUP_OPTION: forget the network
    (Subsystem.SYS, 0x00, b"\x01"),
]


@pytest.mark.parametrize(
    "commands",
    [
        [*CLEARED, (Subsystem.ZDO, 0x31, b"\x00\x00\x00")],  # neighbours without a network
        [*CLEARED, (Subsystem.ZDO, 0x37, b"\x00\x00\x02\x00\x80\x00\x00\xfe\x00\x00\x00")],
        [*CLEARED, FORM],
        [(Subsystem.SYS, 0x31, b"\x00\x07\x00\x00\x00"), FORM],  # a counter's row deleted
        [(Subsystem.SYS, 0x31, b"\x00\x01\x00\x00\x00"), *CLEARED, FORM],  # an address's row
        [(Subsystem.SYS, 0x12, b"\x21\x00\x74\x00"), FORM],  # the network's own item
        [(Subsystem.SYS, 0x12, b"\x3a\x00\x11\x00"), FORM],  # its key
        [(Subsystem.SYS, 0x34, b"\x00\x00\x00\x01\x00\x00\x00\x01\x00"), FORM],
        [
            (Subsystem.SYS, 0x12, b"\x21\x00\x74\x00"),
            (Subsystem.SYS, 0x07, b"\x21\x00\x02\x00\x00"),
            FORM,
        ],
    ],
)
async def test_a_flash_written_half_breaks_nothing(
    commands: list[tuple[Subsystem, int, bytes]],
) -> None:
    clock, nursery = VirtualClock(START_MS), Nursery(lambda name, error: None)
    stick, nodes, timers = await building(clock, nursery)
    wire = Wire(stick)
    for subsystem, command, data in commands:
        stick.feed(encode(Frame(SREQ | subsystem, command, data)))
        await clock.advance(1)
    stick.air.announce(nodes[0])
    stick.air.leave(nodes[1])
    await clock.advance(30)
    await nursery.close()
    assert not timers.broke
    assert wire.ask(SYS, 0x01) == b"\x59\x06"
