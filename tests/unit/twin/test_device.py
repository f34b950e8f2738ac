"""A device on the bus: what the box hears, whatever goes wrong in between."""

from __future__ import annotations

import random
import secrets
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import msgspec
import pytest

from appliance.bus.credentials import BusRole
from appliance.bus.device_sheet import DeviceSheet, SheetDevice
from appliance.bus.in_process import InProcessBus, InProcessHub
from appliance.bus.port import Message
from appliance.bus.words import (
    DeviceAnswer,
    DeviceEvent,
    DeviceKind,
    EventKind,
    LockRefusal,
    LockState,
    Order,
    Outcome,
    Presence,
    Verb,
    answer_topic,
    command_topic,
    encode,
)
from appliance.kernel.cose import Claims, point_of, sign
from appliance.kernel.tasks import Nursery
from appliance.kernel.virtual_clock import VirtualClock
from support.lock_bench import DOOR, ISSUER, NOON_MS
from twin.device import Device
from twin.faults import Fault, Trouble
from twin.journal import Journal
from twin.property import Property, hub_wire

LOCK = "lock-204"


@dataclass
class Stage:
    """A box's end of the bus, a lock, a thermostat and a leak sensor."""

    clock: VirtualClock
    hub: InProcessHub
    box: InProcessBus
    twin: Property
    journal: Journal
    answers: list[DeviceAnswer] = field(default_factory=list)
    events: list[DeviceEvent] = field(default_factory=list)
    states: list[bytes] = field(default_factory=list)
    online: list[bool] = field(default_factory=list)
    telemetry: list[str] = field(default_factory=list)
    numbers: int = 0

    @property
    def lock(self) -> Device:
        return self.twin.devices[LOCK]

    async def hear(self, message: Message) -> None:
        what = message.topic.rsplit("/", 1)[1]
        if what == "answer":
            self.answers.append(msgspec.json.decode(message.payload, type=DeviceAnswer))
        elif what == "event":
            self.events.append(msgspec.json.decode(message.payload, type=DeviceEvent))
        elif what == "online" and LOCK in message.topic:
            self.online.append(msgspec.json.decode(message.payload, type=Presence).online)
        elif what == "state" and LOCK in message.topic:
            self.states.append(message.payload)
        elif what == "telemetry":
            self.telemetry.append(message.topic)

    def unlock(self) -> Order:
        self.numbers += 1
        now_ms = self.clock.read().wall_ms
        claims = Claims(
            exp_s=now_ms // 1000 + 86_400,
            nbf_s=now_ms // 1000 - 60,
            cti=b"guest--1",
            doors=((DOOR, 1),),
            gen=1,
        )
        return Order(
            id=f"order-{self.numbers}",
            verb=Verb.UNLOCK,
            expires_at_ms=now_ms + 8_000,
            reply_topic=answer_topic(LOCK),
            credential=sign(claims, ISSUER),
        )

    async def send(self, order: Order, device: str = LOCK) -> None:
        await self.box.publish(command_topic(device), encode(order))
        await self.clock.settle()

    async def suffer(self, *faults: Fault, delay_s: float = 1.0) -> Order:
        """Send one order that suffers these faults."""
        self.lock.faults.script([Trouble(faults=frozenset(faults), delay_s=delay_s)])
        order = self.unlock()
        await self.send(order)
        return order

    @property
    def opened(self) -> int:
        return self.journal.count("bolt", to="unlocked")


@pytest.fixture
async def stage() -> AsyncGenerator[Stage, None]:
    clock = VirtualClock(NOON_MS)
    nursery = Nursery(lambda name, error: None)
    hub = InProcessHub(clock=clock, nursery=nursery)
    sheet = DeviceSheet(
        property_id="marina",
        issuer_keys=(point_of(ISSUER.public_key()).hex(),),
        devices=tuple(
            SheetDevice(
                device=name,
                kind=kind,
                secret_hex=secrets.token_hex(32),
                token="t",
                door_number=DOOR if kind is DeviceKind.LOCK else None,
            )
            for name, kind in [
                (LOCK, DeviceKind.LOCK),
                ("room-204", DeviceKind.THERMOSTAT),
                ("bath-204", DeviceKind.LEAK),
                ("meter-1", DeviceKind.METER),
            ]
        ),
    )
    journal = Journal(clock=clock)
    twin = Property(sheet, wire=hub_wire(hub), clock=clock, nursery=nursery, journal=journal)
    box = hub.join("box", role=BusRole.CORE)
    stage = Stage(clock=clock, hub=hub, box=box, twin=twin, journal=journal)
    await box.subscribe("np/+/up/+", stage.hear)
    await twin.start()
    await clock.settle()
    yield stage
    await twin.close()
    await nursery.close()


async def test_an_order_is_answered_and_its_event_and_state_follow(stage: Stage) -> None:
    await stage.send(stage.unlock())
    assert [(a.outcome, a.repeated) for a in stage.answers] == [(Outcome.DONE, False)]
    assert [(e.seq, e.kind, e.order_id) for e in stage.events] == [
        (1, EventKind.UNLOCKED, "order-1")
    ]
    assert msgspec.json.decode(stage.states[-1], type=LockState).bolt == "unlocked"
    await stage.clock.advance(6)
    assert [e.kind for e in stage.events] == [EventKind.UNLOCKED, EventKind.LOCKED]
    assert msgspec.json.decode(stage.states[-1], type=LockState).bolt == "locked"


async def test_a_sheets_unknown_kinds_are_left_out_and_named(stage: Stage) -> None:
    assert stage.twin.left_out == ("meter-1",)


async def test_state_is_retained_and_presence_is_true_while_it_lives(stage: Stage) -> None:
    assert stage.online == [True]
    await stage.lock.unplug()
    await stage.clock.settle()
    assert stage.online[-1] is False
    await stage.lock.plug_in()
    await stage.clock.settle()
    assert stage.online[-1] is True


async def test_malformed_orders_change_nothing_and_are_written_down(stage: Stage) -> None:
    for payload in (b"", b"{", b"[]", b'{"id": 5}', b"\xff" * 9, b"x" * 20_000):
        await stage.box.publish(command_topic(LOCK), payload)
    await stage.clock.settle()
    assert stage.journal.count("bad_message") == 6
    assert stage.answers == []
    await stage.send(stage.unlock())
    assert stage.opened == 1


async def test_a_person_at_the_door_gets_in_while_the_bus_is_away_and_it_is_told_later(
    stage: Stage,
) -> None:
    bus = stage.lock.bus
    assert isinstance(bus, InProcessBus)
    await bus.cut()
    credential = stage.unlock().credential
    assert credential is not None
    core = stage.twin.lock(LOCK)
    stage.lock.happened(core.try_credential(credential, stage.clock.read()))
    await stage.clock.advance(30)
    assert stage.opened == 1
    assert stage.events == []
    await bus.connect()
    await stage.clock.settle()
    assert [(e.seq, e.kind) for e in stage.events] == [
        (1, EventKind.UNLOCKED),
        (2, EventKind.LOCKED),
    ]
    assert stage.twin.lock(LOCK).pending() == []


async def test_a_dropped_request_moves_nothing(stage: Stage) -> None:
    await stage.suffer(Fault.DROP_REQUEST)
    assert (stage.answers, stage.opened) == ([], 0)
    assert stage.journal.count("fault", faults=["drop_request"]) == 1


async def test_a_dropped_answer_leaves_an_event_and_the_repeat_moves_nothing(stage: Stage) -> None:
    order = await stage.suffer(Fault.DROP_ANSWER)
    assert stage.answers == []
    assert [e.order_id for e in stage.events] == [order.id]
    await stage.send(order)
    assert [(a.outcome, a.repeated) for a in stage.answers] == [(Outcome.DONE, True)]
    assert stage.opened == 1


async def test_a_duplicated_request_moves_the_bolt_once(stage: Stage) -> None:
    await stage.suffer(Fault.DUPLICATE_REQUEST)
    assert [a.repeated for a in stage.answers] == [False, True]
    assert stage.opened == 1


async def test_a_duplicated_answer_says_the_same(stage: Stage) -> None:
    await stage.suffer(Fault.DUPLICATE_ANSWER)
    first, second = stage.answers
    assert first == second


async def test_a_request_delayed_past_its_expiry_does_nothing(stage: Stage) -> None:
    await stage.suffer(Fault.DELAY_REQUEST, delay_s=9)
    await stage.clock.advance(10)
    assert [a.refusal for a in stage.answers] == [LockRefusal.EXPIRED]
    assert stage.opened == 0


async def test_a_late_answer_comes_late(stage: Stage) -> None:
    await stage.suffer(Fault.DELAY_ANSWER, delay_s=20)
    assert (stage.opened, stage.answers) == (1, [])
    await stage.clock.advance(21)
    assert [a.outcome for a in stage.answers] == [Outcome.DONE]


async def test_a_lie_says_done_before_the_bolt_moves(stage: Stage) -> None:
    await stage.suffer(Fault.LIE, delay_s=3)
    assert ([a.outcome for a in stage.answers], stage.opened) == ([Outcome.DONE], 0)
    await stage.clock.advance(4)
    assert (len(stage.answers), stage.opened) == (1, 1)


async def test_a_deadly_lie_is_told_only_by_the_journal_and_the_missing_event(stage: Stage) -> None:
    await stage.suffer(Fault.LIE_AND_DIE)
    await stage.clock.advance(60)
    assert [a.outcome for a in stage.answers] == [Outcome.DONE]
    assert (stage.opened, stage.events) == (0, [])


async def test_a_lock_unplugged_after_its_act_tells_it_when_it_is_back(stage: Stage) -> None:
    order = await stage.suffer(Fault.UNPLUG_AFTER, delay_s=60)
    assert stage.opened == 1
    assert stage.answers == []
    await stage.clock.advance(61)
    assert [e.order_id for e in stage.events if e.kind is EventKind.UNLOCKED] == [order.id]
    assert stage.online[-1] is True


async def test_an_unplugged_lock_does_nothing_and_comes_back(stage: Stage) -> None:
    await stage.suffer(Fault.UNPLUG, delay_s=60)
    assert (stage.opened, stage.answers, stage.online[-1]) == (0, [], False)
    await stage.clock.advance(61)
    await stage.send(stage.unlock())
    assert stage.opened == 1


async def test_a_lost_clock_and_a_jam_are_said(stage: Stage) -> None:
    await stage.suffer(Fault.JAM)
    await stage.suffer(Fault.CLOCK_LOST)
    assert [a.refusal for a in stage.answers] == [LockRefusal.JAMMED, LockRefusal.NO_TIME]


async def test_a_thermostat_takes_a_set_point_and_streams_what_it_measures(stage: Stage) -> None:
    order = Order(
        id="warm",
        verb=Verb.SET_POINT,
        expires_at_ms=NOON_MS + 8_000,
        reply_topic=answer_topic("room-204"),
        set_point_c10=225,
    )
    await stage.send(order, "room-204")
    assert [a.outcome for a in stage.answers] == [Outcome.DONE]
    assert [e.kind for e in stage.events] == [EventKind.SET_POINT_CHANGED]
    await stage.clock.advance(180)
    assert len(stage.telemetry) >= 3


async def test_water_is_told_at_once(stage: Stage) -> None:
    device = stage.twin.devices["bath-204"]
    device.happened(device.core.water(stage.clock.read(), wet=True))  # type: ignore[attr-defined]
    await stage.clock.settle()
    assert [e.kind for e in stage.events] == [EventKind.LEAK]


async def test_a_thousand_orders_under_every_fault_move_no_bolt_twice_for_one_id(
    stage: Stage,
) -> None:
    dice = random.Random(18)
    stage.lock.faults.chances = {fault: 0.06 for fault in Fault if fault is not Fault.CLOCK_LOST}
    stage.lock.faults.delay_s = 4
    sent: list[Order] = []
    for _ in range(1_000):
        order = dice.choice(sent[-10:]) if sent and dice.random() < 0.3 else stage.unlock()
        sent.append(order)
        await stage.box.publish(command_topic(LOCK), encode(order))
        await stage.clock.advance(dice.uniform(0, 3))
    stage.lock.faults.clear()
    await stage.clock.advance(120)
    acts = [e for e in stage.journal.read() if e["kind"] in {"bolt", "held"}]
    ids = [e["order_id"] for e in acts if e.get("via") == "order"]
    assert len(ids) > 300
    assert len(ids) == len(set(ids))
    numbers = {e.seq for e in stage.events}
    assert numbers == set(range(1, max(numbers) + 1)), "every event arrived"
    told = {e.order_id for e in stage.events if e.kind is EventKind.UNLOCKED}
    assert told == set(ids)
