"""A lock behind Zigbee2MQTT: the one safe form, once, and never a claim without the lock's word."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from appliance.bus.words import DeviceKind, EventKind, LockRefusal, LockState, Outcome, Verb
from drivers.mqtt.zigbee2mqtt import devices, permit_join
from drivers.port import Alarm, Attempt, Evidence
from support.foreign_house import open_foreign_house, order, thing

TOPIC = "zigbee2mqtt/Back door"
LOCK = thing(DeviceKind.LOCK, "zigbee2mqtt", TOPIC)
UNLOCK = order(Verb.UNLOCK)
# As the gateway publishes an operation event with source RF.
BY_RADIO = {
    "state": "UNLOCK",
    "lock_state": "unlocked",
    "action": "unlock",
    "action_source_name": "rf",
    "action_user": None,
    "battery": 80,
}
LOCKED = {"state": "LOCK", "lock_state": "locked", "battery": 80}
UNLOCKED = {"state": "UNLOCK", "lock_state": "unlocked", "battery": 80}


async def test_an_unlock_is_said_once_in_the_form_that_is_never_sent_again() -> None:
    async with open_foreign_house(LOCK) as at:
        assert (await at.told(UNLOCK)).outcome is Outcome.UNKNOWN
        [(topic, payload)] = at.asked()
        assert topic == f"{TOPIC}/set"
        assert msgspec.json.decode(payload) == {
            "zclcommand": {
                "cluster": "closuresDoorLock",
                "command": "unlockDoor",
                "payload": {"pincodevalue": ""},
                "options": {"disableRecovery": True},
            }
        }
        [said] = [m for m in at.published if m.topic.endswith("/set")]
        assert said.qos == 0
        assert at.hub.retained_for(f"{TOPIC}/set") == []


async def test_the_locks_own_report_of_a_radio_unlock_is_the_end() -> None:
    async with open_foreign_house(LOCK) as at:
        work = at.carry_out(UNLOCK)
        await at.clock.settle()
        await at.say(TOPIC, BY_RADIO)
        told = await work
        assert (told.outcome, told.evidence) == (Outcome.DONE, (Evidence.EVENT,))
        [(_, event)] = at.house.happenings
        assert (event.kind, event.order_id) == (EventKind.UNLOCKED, "o1")


async def test_a_bolt_known_to_be_locked_that_now_is_not_is_the_end() -> None:
    async with open_foreign_house(LOCK) as at:
        await at.say(TOPIC, LOCKED)
        work = at.carry_out(UNLOCK)
        await at.clock.settle()
        await at.say(TOPIC, UNLOCKED)
        assert (await work).outcome is Outcome.DONE


@pytest.mark.parametrize(
    "word",
    [
        UNLOCKED,  # the gateway's memory, said again with a new battery value
        {**UNLOCKED, "action": "unlock", "action_source_name": "keypad", "action_user": 4},
        {**UNLOCKED, "action": "manual_unlock", "action_source_name": "manual"},
        {**UNLOCKED, "action": "unlock", "action_source_name": "RF"},
        LOCKED,
        {"battery": 79},
    ],
)
async def test_what_others_did_or_the_gateway_remembers_is_no_proof(word: dict[str, Any]) -> None:
    async with open_foreign_house(LOCK) as at:
        work = at.carry_out(UNLOCK)
        await at.clock.settle()
        await at.say(TOPIC, word)
        assert (await at.clock.run_until(work, 60)).outcome is Outcome.UNKNOWN


async def test_a_retained_word_is_no_proof_and_no_event() -> None:
    async with open_foreign_house(LOCK) as at:
        await at.say(TOPIC, LOCKED)
        work = at.carry_out(UNLOCK)
        await at.clock.settle()
        await at.gateway.publish(TOPIC, msgspec.json.encode(BY_RADIO), retain=True)
        await at.bus.cut()
        await at.bus.connect()
        assert (await at.clock.run_until(work, 60)).outcome is Outcome.DONE, "it was fresh once"
    async with open_foreign_house(LOCK) as at:
        await at.bus.cut()
        await at.gateway.publish(TOPIC, msgspec.json.encode(BY_RADIO), retain=True)
        await at.bus.connect()
        await at.clock.settle()
        assert at.house.happenings == []
        assert at.house.states == []
        assert (await at.told(UNLOCK)).outcome is Outcome.UNKNOWN


async def test_a_late_report_settles_the_order_and_nothing_is_said_again() -> None:
    async with open_foreign_house(LOCK) as at:
        assert (await at.told(UNLOCK)).outcome is Outcome.UNKNOWN
        await at.say(TOPIC, BY_RADIO)
        [(device, order_id, told)] = at.house.ends
        assert (device, order_id, told.outcome) == ("lock-9", "o1", Outcome.DONE)
        assert len(at.asked()) == 1


async def test_no_second_unlock_goes_out_while_the_first_may_still_move_the_bolt() -> None:
    async with open_foreign_house(LOCK) as at:
        await at.told(UNLOCK)
        told = await at.told(order(Verb.UNLOCK, 2))
        assert (told.outcome, told.refusal) == (Outcome.REFUSED, LockRefusal.BUSY)
        await at.clock.advance(16)
        assert (await at.told(order(Verb.UNLOCK, 3))).outcome is Outcome.UNKNOWN
        assert len(at.asked()) == 2


async def test_a_report_belongs_to_one_order_only() -> None:
    async with open_foreign_house(LOCK) as at:
        work = at.carry_out(UNLOCK)
        await at.clock.settle()
        await at.say(TOPIC, BY_RADIO)
        await at.say(TOPIC, LOCKED)
        assert (await work).outcome is Outcome.DONE
        again = at.carry_out(order(Verb.UNLOCK, 2))
        await at.clock.settle()
        assert (await at.clock.run_until(again, 60)).outcome is Outcome.UNKNOWN


async def test_how_a_bolt_stood_before_a_lost_turn_proves_nothing_of_the_next_one() -> None:
    async with open_foreign_house(LOCK) as at:
        first = at.carry_out(UNLOCK)
        await at.clock.settle()
        await at.say(TOPIC, LOCKED)
        assert (await at.clock.run_until(first, 60)).outcome is Outcome.UNKNOWN
        # The first turn moves the bolt now, and no word of it comes through.
        await at.clock.advance(30)
        second = at.carry_out(order(Verb.UNLOCK, 2))
        await at.clock.settle()
        await at.say(TOPIC, UNLOCKED)
        assert (await at.clock.run_until(second, 60)).outcome is Outcome.UNKNOWN
        # Told anew after that, it proves again.
        await at.clock.advance(30)
        await at.say(TOPIC, LOCKED)
        third = at.carry_out(order(Verb.UNLOCK, 3))
        await at.clock.settle()
        await at.say(TOPIC, UNLOCKED)
        assert (await third).outcome is Outcome.DONE


async def test_a_guests_door_is_not_opened_this_way_unless_a_setting_says_so() -> None:
    guests = replace(LOCK, room="204")
    async with open_foreign_house(guests) as at:
        told = await at.told(UNLOCK)
        assert (told.outcome, told.refusal) == (Outcome.REFUSED, LockRefusal.NOT_SUPPORTED)
        assert at.asked() == []
    async with open_foreign_house(guests, guest_locks=True) as at:
        await at.told(UNLOCK)
        assert len(at.asked()) == 1


@pytest.mark.parametrize("verb", [Verb.PUT_PIN, Verb.CLEAR_PIN, Verb.DENY, Verb.SET_CLOCK])
async def test_what_cannot_be_promised_is_not_supported_and_nothing_is_said(verb: Verb) -> None:
    async with open_foreign_house(LOCK) as at:
        told = await at.told(order(verb, slot=3, pin_sealed=b"x"))
        assert (told.outcome, told.refusal) == (Outcome.REFUSED, LockRefusal.NOT_SUPPORTED)
        assert at.asked() == []


@pytest.mark.parametrize("payload", [{"state": "offline"}, b"offline"])
async def test_to_a_thing_that_is_away_nothing_is_sent(payload: Any) -> None:
    async with open_foreign_house(LOCK) as at:
        await at.say(f"{TOPIC}/availability", payload, retain=True)
        assert (await at.told(UNLOCK)).outcome is Outcome.NOT_SENT
        assert at.asked() == []
        assert at.house.presences == [("lock-9", False)]


async def test_a_gateway_that_goes_takes_its_things_with_it_and_is_an_alarm() -> None:
    async with open_foreign_house(LOCK) as at:
        await at.say(TOPIC, LOCKED)
        await at.say("zigbee2mqtt/bridge/state", {"state": "offline"}, retain=True)
        assert at.house.presences[-1] == ("lock-9", False)
        assert at.house.alarms[Alarm.RADIO_LOST, "zigbee2mqtt"] is True
        assert (await at.told(UNLOCK)).outcome is Outcome.NOT_SENT
        await at.say("zigbee2mqtt/bridge/state", {"state": "online"}, retain=True)
        assert at.house.alarms[Alarm.RADIO_LOST, "zigbee2mqtt"] is False
        await at.clock.advance(1)
        assert at.published[-1].topic == f"{TOPIC}/get"


async def test_without_a_line_nothing_is_sent_and_it_says_so() -> None:
    async with open_foreign_house(LOCK) as at:
        await at.bus.cut()
        assert (await at.told(UNLOCK)).outcome is Outcome.NOT_SENT


async def test_the_end_of_an_order_is_found_by_reading_where_the_bolt_was_known() -> None:
    async with open_foreign_house(LOCK) as at:
        await at.say(TOPIC, LOCKED)
        begun = Attempt(device="lock-9", order_id="o1", verb="unlock", begun_ms=0, expires_at_ms=0)
        await at.told(UNLOCK)
        finding = at.nursery.mortal("find", at.thing.find_out(begun))
        await at.clock.settle()
        assert at.published[-1].topic == f"{TOPIC}/get"
        await at.say(TOPIC, UNLOCKED)
        told = await at.clock.run_until(finding, 10)
        assert told is not None
        assert told.outcome is Outcome.DONE
        stranger = replace(begun, order_id="from-another-life")
        assert await at.clock.run_until(at.thing.find_out(stranger), 10) is None
        assert len(at.asked()) == 1


async def test_a_bolt_that_somebody_opened_by_a_code_proves_nothing_of_a_lost_order() -> None:
    """Found by the campaign: a lost order became DONE when its bolt was read after a keypad's."""
    async with open_foreign_house(LOCK) as at:
        await at.say(TOPIC, LOCKED)
        begun = Attempt(device="lock-9", order_id="o1", verb="unlock", begun_ms=0, expires_at_ms=0)
        await at.told(UNLOCK)
        await at.say(TOPIC, {**UNLOCKED, "action": "unlock", "action_source_name": "keypad"})
        assert await at.clock.run_until(at.thing.find_out(begun), 20) is None


async def test_a_keypad_and_its_slot_are_told_and_a_wrong_code_is_a_refusal() -> None:
    async with open_foreign_house(LOCK) as at:
        await at.say(
            TOPIC,
            {**UNLOCKED, "action": "unlock", "action_source_name": "keypad", "action_user": 4},
        )
        await at.say(TOPIC, {**LOCKED, "action": "unlock_failure_invalid_pin_or_id"})
        kinds = [(e.kind, e.slot, e.refusal) for _, e in at.house.happenings]
        assert kinds == [
            (EventKind.UNLOCKED, 4, None),
            (EventKind.REFUSED, None, LockRefusal.WRONG_PIN),
            (EventKind.LOCKED, None, None),
        ]


async def test_the_state_is_what_was_heard_since_the_line_came_up() -> None:
    async with open_foreign_house(LOCK) as at:
        await at.say(TOPIC, {**LOCKED, "battery": 12})
        [(_, state)] = at.house.states
        assert isinstance(state, LockState)
        assert (state.bolt, state.battery_pct) == ("locked", 12)
        assert [e.kind for _, e in at.house.happenings] == [EventKind.BATTERY_LOW]
        await at.bus.cut()
        await at.bus.connect()
        await at.clock.settle()
        assert await at.clock.run_until(at.thing.state(), 10) is None


async def test_words_that_come_late_or_twice_change_nothing() -> None:
    async with open_foreign_house(LOCK) as at:
        await at.say(TOPIC, {**LOCKED, "last_seen": 1_800_000_002_000})
        await at.say(TOPIC, {**UNLOCKED, "last_seen": 1_800_000_001_000})
        await at.say(TOPIC, {**LOCKED, "last_seen": 1_800_000_002_000})
        assert at.house.happenings == []
        assert len(at.house.states) == 1


async def test_a_flood_is_dropped_and_counted() -> None:
    async with open_foreign_house(LOCK) as at:
        for number in range(400):
            await at.gateway.publish(
                TOPIC, b'{"lock_state":"%s"}' % [b"locked", b"unlocked"][number % 2], qos=0
            )
        await at.clock.settle()
        assert len(at.house.happenings) <= 101
        at_lock = at.radio._things["lock-9"]
        assert at_lock.flooded >= 290


def _listed(name: str, **more: Any) -> dict[str, Any]:
    return {
        "ieee_address": "0x00124b0000000001",
        "friendly_name": name,
        "type": "EndDevice",
        "supported": True,
        "interview_completed": True,
        "definition": {"vendor": "Yale", "model": "YRD226", "exposes": []},
        **more,
    }


async def test_a_thing_that_joined_half_or_is_unknown_to_the_gateway_is_an_alarm() -> None:
    async with open_foreign_house(LOCK) as at:
        topic = "zigbee2mqtt/bridge/devices"
        for usable, entry in (
            (False, _listed("Back door", definition=None, supported=False)),
            (False, _listed("Back door", interview_completed=False, interview_state="FAILED")),
            (True, _listed("Back door")),
        ):
            await at.say(topic, [_listed("Coordinator", type="Coordinator"), entry])
            assert at.house.alarms[Alarm.DEVICE_HALF_JOINED, "lock-9"] is not usable
        data = {"friendly_name": "Back door", "ieee_address": "0x1", "status": "failed"}
        await at.say("zigbee2mqtt/bridge/event", {"type": "device_interview", "data": data})
        assert at.house.alarms[Alarm.DEVICE_HALF_JOINED, "lock-9"] is True


async def test_what_joined_and_is_on_no_sheet_is_listed_and_the_door_can_be_opened() -> None:
    async with open_foreign_house(LOCK) as at:
        await at.say("zigbee2mqtt/bridge/devices", [_listed("0xabc"), _listed("Back door")])
        assert [d.name for d in at.radio.found["zigbee2mqtt"]] == ["0xabc"]
        assert await at.radio.permit_join("zigbee2mqtt", 900) is True
        assert await at.radio.permit_join("elsewhere", 60) is False
        assert permit_join("z", 900).payload == b'{"time":254}'


def test_a_list_that_is_none_is_an_empty_one() -> None:
    for data in (b"", b"{}", b"[1, null, {}]", b"[" * 5000, b"\xff", b'[{"friendly_name": 7}]'):
        assert devices(data) == []
