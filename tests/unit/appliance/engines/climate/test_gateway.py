"""The last wish wins, an overtaken one is never sent, and what came of each is written down."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from support.warm_room import Warmth, open_warmth
from twin.faults import Fault, Trouble
from twin.leak import LeakCore


@pytest.fixture
async def warmth(tmp_path: Path) -> AsyncGenerator[Warmth, None]:
    async with open_warmth(tmp_path) as opened:
        yield opened


async def test_a_wish_reaches_the_thermostat_and_is_done(warmth: Warmth) -> None:
    await warmth.wish(235)
    await warmth.desk.clock.advance(1)
    assert warmth.set_points == [235]
    assert warmth.ends == [(235, "done", "answer")]
    state = warmth.gateway.thermostats.of("room-204").state
    assert state is not None
    assert state.set_point_c10 == 235


async def test_eco_keeps_an_empty_room_cool(warmth: Warmth) -> None:
    await warmth.wish(210, eco=True)
    await warmth.desk.clock.advance(1)
    assert warmth.set_points == [160]


async def test_an_overtaken_wish_is_not_sent_later(warmth: Warmth) -> None:
    await warmth.thermostat.unplug()
    await warmth.bus.cut()
    for c10 in (200, 220, 240):
        await warmth.wish(c10)
    await warmth.desk.clock.advance(20)
    await warmth.thermostat.plug_in()
    await warmth.bus.connect()
    await warmth.desk.clock.advance(60)
    assert warmth.set_points == [240]
    assert warmth.ends == [
        (200, "not_sent", "superseded"),
        (220, "not_sent", "superseded"),
        (240, "done", "answer"),
    ]


async def test_a_late_request_does_not_undo_the_wish_after_it(warmth: Warmth) -> None:
    slow = Trouble(faults=frozenset({Fault.DELAY_REQUEST}), delay_s=9.0)
    warmth.thermostat.faults.script([slow])
    await warmth.wish(200)
    await warmth.desk.clock.advance(0.5)
    await warmth.wish(240)
    await warmth.desk.clock.advance(60)
    assert warmth.set_points == [240]
    assert [end[1] for end in warmth.ends] == ["unknown", "done"]


async def test_a_stale_wish_ends_and_is_not_sent(warmth: Warmth) -> None:
    await warmth.bus.cut()
    await warmth.wish(240)
    await warmth.desk.clock.advance(16 * 60)
    await warmth.bus.connect()
    await warmth.desk.clock.advance(60)
    assert warmth.set_points == []
    assert warmth.ends == [(240, "not_sent", "expired")]


async def test_a_lost_answer_is_asked_for_again_until_it_comes(warmth: Warmth) -> None:
    lost = Trouble(faults=frozenset({Fault.DROP_ANSWER}))
    warmth.thermostat.faults.script([lost, lost])
    await warmth.wish(240)
    await warmth.desk.clock.advance(60)
    assert warmth.ends == [(240, "done", "answer")]
    assert warmth.set_points == [240]


async def test_a_leak_is_a_fact_as_soon_as_the_sensor_says_it(warmth: Warmth) -> None:
    device = warmth.twin.devices["bath-204"]
    core = device.core
    assert isinstance(core, LeakCore)
    device.happened(core.water(warmth.desk.clock.read(), wet=True))
    await warmth.desk.clock.advance(1)
    assert warmth.desk.rows("SELECT room_id, wet FROM climate_leak") == [("room-204", 1)]
    assert warmth.gateway.sensors.of("bath-204").state is not None
    device.happened(core.water(warmth.desk.clock.read(), wet=False))
    await warmth.desk.clock.advance(1)
    assert warmth.desk.rows("SELECT wet FROM climate_leak") == [(0,)]


async def test_measurements_are_stored_and_strangers_are_not(warmth: Warmth) -> None:
    bus = warmth.thermostat.bus
    assert bus is not None
    await bus.publish(
        "np/room-204/up/telemetry", b'{"measured_c10": 201, "power_w": 40.5, "note": "x"}', qos=0
    )
    await bus.publish("np/room-204/up/telemetry", b"not json", qos=0)
    await bus.publish("np/stranger/up/telemetry", b'{"measured_c10": 1}', qos=0)
    await warmth.desk.clock.settle()
    await warmth.telemetry.flush()
    assert await warmth.telemetry.points("stranger", "measured_c10", since_ms=0) == []
    points = await warmth.telemetry.points("room-204", "power_w", since_ms=0)
    assert [value for _, value in points] == [40.5]
