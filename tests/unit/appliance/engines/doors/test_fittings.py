"""A door changes its lock with a guest in house: nobody notices, and the old lock has no say."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.bus.port import Message
from appliance.bus.words import (
    DeviceAnswer,
    DeviceEvent,
    EventKind,
    Order,
    Outcome,
    Verb,
    decode,
    encode,
)
from appliance.engines.doors.messages import HolderKind, LogAccess, NoteDelivery, Refusal
from appliance.engines.doors.queries import fitting_of, keys_of
from appliance.engines.inventory.messages import LockProtocol
from appliance.kernel.cose import ADMIN_BIT, Claims, issuers, point_of, verify
from appliance.kernel.messages import Refused
from support import news
from support.desk import BOX
from support.doors_house import DoorsHouse, open_doors_house
from support.lock_bench import ISSUER
from twin.faults import Fault, Trouble

POINT = point_of(ec.derive_private_key(7, ec.SECP256R1()).public_key())
LOCK_POINT = point_of(ec.derive_private_key(8, ec.SECP256R1()).public_key())


@pytest.fixture
async def house(tmp_path: Path) -> AsyncGenerator[DoorsHouse, None]:
    """204 with a guest and a PIN; `spare`, another lock for 204, is on the bus and at no door."""
    async with open_doors_house(tmp_path, spares={"spare": 204}) as opened:
        await opened.cut("stay-204")
        await opened.clock.settle()
        yield opened


async def fit(house: DoorsHouse, device_id: str = "spare", **more: Any) -> None:
    await house.happen(news.door_fitted(204, device_id, **more))
    await house.clock.settle()


async def heard(house: DoorsHouse, device_id: str) -> list[Order]:
    """Every order that leaves for a device from now on."""
    orders: list[Order] = []

    async def keep(message: Message) -> None:
        order = decode(message.payload, Order)
        assert order is not None
        orders.append(order)

    lock = house.twin.devices[device_id].bus
    assert lock is not None
    await lock.subscribe(f"np/{device_id}/down/command", keep)
    return orders


async def pin_and_key(house: DoorsHouse, holder: str) -> tuple[str, bytes]:
    [key, *_] = await keys_of(house.reader, HolderKind.STAY, holder)
    smith = house.gateway.locksmith
    return smith.pin(key.facts), smith.credential(key.facts)


async def say(house: DoorsHouse, device_id: str, seq: int) -> None:
    """The device reports that somebody opened the leaf."""
    event = DeviceEvent(seq=seq, kind=EventKind.DOOR_OPENED, wall_ms=house.clock.read().wall_ms)
    device = house.twin.devices[device_id].bus
    assert device is not None
    await device.publish(f"np/{device_id}/up/event", encode(event))
    await house.clock.settle()


def end_of(house: DoorsHouse, opening_id: str) -> tuple[str | None, str | None]:
    [row] = house.desk.rows(
        "SELECT outcome, evidence FROM doors_opening WHERE opening_id = ?", opening_id
    )
    return row[0], row[1]


async def test_the_guest_in_house_opens_the_new_lock_with_press_and_pin(house: DoorsHouse) -> None:
    pin, _ = await pin_and_key(house, "stay-204")
    await fit(house)
    settled = await house.clock.run_until(house.press_and_wait("stay-204"), 8)
    assert settled.outcome is Outcome.DONE
    reply = house.twin.lock("spare").try_pin(pin, house.clock.read())
    assert reply.answer is not None
    assert reply.answer.outcome is Outcome.DONE


async def test_the_guest_before_is_refused_at_the_new_lock(house: DoorsHouse) -> None:
    pin, key = await pin_and_key(house, "stay-204")
    await house.happen(news.checked_out("stay-204", 204))
    await house.happen(news.checked_in("next", 204))
    await house.cut("next")
    await house.clock.settle()
    await fit(house)
    lock, now = house.twin.lock("spare"), house.clock.read()
    for reply in (lock.try_credential(key, now), lock.try_pin(pin, now)):
        assert reply.answer is not None
        assert reply.answer.outcome is Outcome.REFUSED
    # Also one whose key nobody would deny any more: the generation came with the list.
    assert lock.judge.superseded(1)
    assert not lock.judge.superseded(2)


async def test_the_generation_reaches_a_new_lock_also_when_all_old_keys_have_ended(
    house: DoorsHouse,
) -> None:
    await house.happen(news.checked_out("stay-204", 204))
    await house.clock.advance(10 * 86_400)
    await fit(house)
    assert house.twin.lock("spare").judge.superseded(1)


async def test_what_was_delivered_to_the_old_lock_is_owed_to_the_new_one_once(
    house: DoorsHouse,
) -> None:
    orders = await heard(house, "spare")
    await fit(house)
    await house.clock.advance(600)
    assert [order.verb for order in orders] == [Verb.PUT_PIN]
    await fit(house)  # said again: the same lock
    await house.restart()
    await house.clock.advance(600)
    assert len(orders) == 1


async def test_a_door_gets_its_old_lock_back_with_everything_it_missed(house: DoorsHouse) -> None:
    await fit(house)
    await house.happen(news.checked_out("stay-204", 204))
    await house.happen(news.checked_in("next", 204))
    await house.cut("next")
    await fit(house, "lock-204")
    pin, _ = await pin_and_key(house, "next")
    reply = house.twin.lock("lock-204").try_pin(pin, house.clock.read())
    assert reply.answer is not None
    assert reply.answer.outcome is Outcome.DONE


async def test_the_word_of_a_lock_that_was_taken_off_is_not_taken(house: DoorsHouse) -> None:
    [key, *_] = await keys_of(house.reader, HolderKind.STAY, "stay-204")
    await fit(house)
    event = LogAccess(
        device_id="lock-204", seq=99, event=EventKind.UNLOCKED, device_wall_ms=1_793_383_200_000
    )
    said = await house.ask(event, BOX)
    assert isinstance(said, Refused)
    assert said.code == Refusal.UNKNOWN_DEVICE
    late = NoteDelivery(
        door_id="door-204", key_id=key.facts.key_id, what="pin_put", outcome=Outcome.DONE
    )
    said = await house.ask(late, BOX)
    assert isinstance(said, Refused)
    assert said.code == Refusal.OTHER_LOCK


async def test_an_answer_of_a_lock_that_was_taken_off_meanwhile_is_unknown(
    house: DoorsHouse,
) -> None:
    slow = Trouble(faults=frozenset(), delay_s=3.0)
    house.twin.devices["lock-204"].faults.script([slow])
    opening_id = await house.press("stay-204")
    await fit(house)
    await house.clock.advance(10)
    assert end_of(house, opening_id) == ("unknown", "other_lock")
    # And nobody asks a lock that hangs elsewhere by now what became of it.
    orders = await heard(house, "lock-204")
    await house.clock.advance(600)
    assert orders == []


async def test_a_late_answer_of_a_lock_that_was_taken_off_changes_nothing(
    house: DoorsHouse,
) -> None:
    house.twin.devices["lock-204"].faults.script([Trouble(faults=frozenset({Fault.DROP_REQUEST}))])
    opening_id = await house.press("stay-204")
    await house.clock.advance(7.6)
    await fit(house)
    answer = DeviceAnswer(id=opening_id, outcome=Outcome.DONE)
    await house.gateway._late("lock-204", answer)
    assert end_of(house, opening_id)[0] == "unknown"


async def test_another_lock_under_the_same_name_says_nothing_of_a_press_at_the_old_one(
    house: DoorsHouse,
) -> None:
    # The new one has never begun it, which is true and proves nothing of the old one.
    house.twin.devices["lock-204"].faults.script([Trouble(faults=frozenset({Fault.DROP_REQUEST}))])
    opening_id = await house.press("stay-204")
    await house.clock.advance(7.6)
    orders = await heard(house, "lock-204")
    await fit(house, "lock-204", new_lock=True)
    await house.clock.advance(600)
    assert end_of(house, opening_id)[0] == "unknown"
    assert not any(order.about for order in orders)


async def test_a_driver_whose_file_begins_after_a_press_does_not_say_it_never_was(
    house: DoorsHouse,
) -> None:
    """The lock was moved to another radio, or the driver's file was lost or came from a backup."""
    house.twin.devices["lock-204"].faults.script([Trouble(faults=frozenset({Fault.DROP_REQUEST}))])
    opening_id = await house.press("stay-204")
    await house.clock.advance(7.6)
    opening = house.gateway._open[opening_id]
    now_ms = house.clock.read().wall_ms

    async def read_back(_: object) -> DeviceAnswer:
        return DeviceAnswer(
            id="read",
            outcome=Outcome.DONE,
            about=opening_id,
            wall_ms=now_ms + 60_000,
            since_ms=now_ms,
        )

    house.gateway._read_back = read_back  # type: ignore[method-assign,assignment] # the other radio's driver
    await house.clock.advance(600)
    assert end_of(house, opening_id)[0] == "unknown"
    # Its own word may still come, as an event.
    assert opening_id in house.gateway.open_unknowns()
    assert opening.door_id == "door-204"


async def test_a_press_at_an_npk_door_is_bound_to_the_driver_that_presses(
    house: DoorsHouse,
) -> None:
    points = {"presser_point": POINT.hex(), "lock_point": LOCK_POINT.hex()}
    orders = await heard(house, "spare")
    for bound in (True, False):
        protocol = LockProtocol.NPK if bound else LockProtocol.ZIGBEE
        await fit(house, protocol=protocol, **points)
        await house.restart()  # what a door is fitted with is not forgotten
        await house.clock.settle()
        await house.press("stay-204")
        await house.clock.settle()
        [press] = [order for order in orders if order.verb is Verb.UNLOCK]
        orders.clear()
        assert press.credential is not None
        claims = verify(press.credential, issuers([point_of(ISSUER.public_key())]))
        assert isinstance(claims, Claims)
        assert claims.cnf == (POINT if bound else None)
        assert (press.errand_key is not None) is bound
        if press.errand_key is not None:
            errand = verify(press.errand_key, issuers([point_of(ISSUER.public_key())]))
            assert isinstance(errand, Claims)
            assert (errand.cnf, errand.doors) == (POINT, ((204, ADMIN_BIT),)), "it opens nothing"
        await house.clock.advance(10)
    fitting = await fitting_of(house.reader, "door-204")
    assert fitting is not None
    assert (fitting.protocol, fitting.lock_point) == ("zigbee", LOCK_POINT)


async def test_another_lock_under_the_same_name_counts_from_the_start(house: DoorsHouse) -> None:
    for seq in (1, 2):
        await say(house, "lock-205", seq)
    assert len(house.desk.rows("SELECT 1 FROM doors_access WHERE device_id = 'lock-205'")) == 2
    await house.happen(news.door_fitted(205, "lock-205", new_lock=True))
    await say(house, "lock-205", 1)
    await house.restart()
    await say(house, "lock-205", 1)
    await say(house, "lock-205", 2)
    rows = house.desk.rows(
        "SELECT seq, missed FROM doors_access WHERE device_id = 'lock-205' ORDER BY position"
    )
    assert rows == [(1, 0), (2, 0), (1, 0), (2, 0)]
