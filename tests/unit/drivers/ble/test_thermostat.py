"""An eQ-3 on the virtual air, driven by the real driver."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from appliance.bus.words import EventKind, LockRefusal, Order, Outcome, ThermostatState, Verb
from drivers.ble.thermostat import Eq3Device
from drivers.port import Evidence
from support.ble_bench import Host, ends, on_the_air
from twin.ble.air import Air, Fate
from twin.ble.eq3 import Eq3Thermostat
from twin.ble.peripheral import Manner


class Room:
    """One thermostat and its driver."""

    def __init__(self, host: Host, thing: Eq3Thermostat, device: Eq3Device) -> None:
        self.host, self.thing, self.device = host, thing, device

    async def order(self, verb: Verb = Verb.SET_POINT, **fields: Any) -> Any:
        order = Order(id="o", verb=verb, expires_at_ms=0, reply_topic="t", **fields)
        return await self.device.carry_out(order, deadline_s=self.host.by(30))


@asynccontextmanager
async def room(measured: int | None = 203) -> AsyncGenerator[Room, None]:
    air = Air()
    thing = Eq3Thermostat(ends(air, "eq3"), Manner(name="CC-RT-BLE", mtu_max=23))
    await thing.start()
    host = await Host.open(air)
    ears = host.ears({thing.address: "radiator-1"})
    await ears.open()
    device = Eq3Device(
        "radiator-1",
        ears=ears,
        links=host.links(),
        clock=host.clock,
        local_time=lambda: dt.datetime(2026, 11, 28, 21, 0),  # noqa: DTZ001 - local
        measured=lambda: measured,
    )
    device.house = host.house
    try:
        yield Room(host, thing, device)
    finally:
        await ears.close()
        await host.close()


@on_the_air
async def test_a_set_point_reaches_the_radiator_and_is_read_back() -> None:
    async with room() as it:
        told = await it.order(set_point_c10=213)
        assert told.outcome is Outcome.DONE
        assert told.evidence == (Evidence.ANSWER,)
        assert it.thing.dial.half_degrees == 43
        assert it.thing.dial.mode & 1, "it keeps what is set, not its own programme"
        assert it.host.house.states[-1] == (
            "radiator-1",
            ThermostatState(
                set_point_c10=215,
                measured_c10=203,
                eco=False,
                heating=True,
                wall_ms=it.host.house.states[-1][1].wall_ms,
            ),
        )


@on_the_air
async def test_eco_never_heats_above_the_guests_own_wish_and_gives_it_back() -> None:
    async with room() as it:
        await it.order(set_point_c10=220)
        await it.order(eco=True)
        assert it.thing.dial.half_degrees == 32
        await it.order(eco=False)
        assert it.thing.dial.half_degrees == 44
        await it.order(set_point_c10=100, eco=True)
        assert it.thing.dial.half_degrees == 20


@on_the_air
async def test_a_thermostat_without_a_room_sensor_does_not_invent_a_temperature() -> None:
    async with room(measured=None) as it:
        await it.order(Verb.READ)
        state = it.host.house.states[-1][1]
        assert isinstance(state, ThermostatState)
        assert state.measured_c10 is None
        assert it.thing.frames == [bytes([3, 26, 11, 28, 21, 0, 0])], "its clock is set on a visit"


@on_the_air
async def test_a_lost_answer_is_asked_for_again_because_setting_is_idempotent() -> None:
    async with room() as it:
        it.thing.deaf = 2
        told = await it.order(set_point_c10=190)
        assert told.outcome is Outcome.DONE
        assert it.thing.dial.half_degrees == 38


@on_the_air
async def test_a_link_lost_in_the_middle_is_made_again() -> None:
    async with room() as it:
        cuts = [True]

        def cut_once(crossing: Any) -> Fate:
            return Fate.LINK_LOST if crossing.value[:1] == b"\x41" and cuts.pop() else Fate.ARRIVES

        it.host.air.mischief = lambda crossing: cut_once(crossing) if cuts else Fate.ARRIVES
        told = await it.order(set_point_c10=190)
        assert told.outcome is Outcome.DONE
        assert not cuts
        assert it.thing.dial.half_degrees == 38


@on_the_air
async def test_a_thermostat_out_of_range_was_sent_nothing() -> None:
    async with room() as it:
        it.host.air.walk_away(it.thing.address)
        told = await it.order(set_point_c10=190)
        assert told.outcome is Outcome.NOT_SENT
        assert it.thing.frames == []


@on_the_air
async def test_one_that_never_answers_is_not_done() -> None:
    async with room() as it:
        it.thing.deaf = 99
        told = await it.order(set_point_c10=190)
        assert told.outcome is Outcome.NOT_SENT, "the set point itself was never sent"
        assert it.thing.dial.half_degrees == 42


@on_the_air
async def test_low_cells_are_said_once() -> None:
    async with room() as it:
        it.thing.dial.mode = 0x80
        await it.order(Verb.READ)
        await it.order(Verb.READ)
        kinds = [what.kind for _, what in it.host.house.happenings]
        assert kinds == [EventKind.BATTERY_LOW]


@on_the_air
async def test_a_radiator_is_not_unlocked() -> None:
    async with room() as it:
        told = await it.order(Verb.UNLOCK)
        assert told.outcome is Outcome.REFUSED
        assert told.refusal is LockRefusal.NOT_SUPPORTED
        assert it.thing.frames == []
