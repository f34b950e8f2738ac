"""A lock that nobody presses from the box is asked all the same, with a key for errands."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.bus.credentials import BusRole
from appliance.bus.port import Bus, Message
from appliance.bus.words import Order, Verb, command_topic, decode
from appliance.engines.doors.errands import ERRAND_S, PAUSES_S
from appliance.engines.inventory.messages import LockProtocol
from appliance.kernel.cose import ADMIN_BIT, Claims, issuers, point_of, verify
from appliance.kernel.edicts import Denylist, read_denylist
from support import news
from support.doors_house import DoorsHouse, open_doors_house
from support.lock_bench import ISSUER

POINT = point_of(ec.derive_private_key(7, ec.SECP256R1()).public_key())
LOCK_POINT = point_of(ec.derive_private_key(8, ec.SECP256R1()).public_key())
ISSUERS = issuers([point_of(ISSUER.public_key())])


@pytest.fixture
async def house(tmp_path: Path) -> AsyncGenerator[DoorsHouse, None]:
    """204 has a lock that phones open by themselves; nobody presses it from the box."""
    async with open_doors_house(tmp_path, spares={"spare": 204}) as opened:
        yield opened


async def fit(
    house: DoorsHouse, protocol: LockProtocol = LockProtocol.NPK, device: str = "spare"
) -> None:
    fitted = news.door_fitted(
        204, device, protocol=protocol, presser_point=POINT.hex(), lock_point=LOCK_POINT.hex()
    )
    await house.happen(fitted)
    await house.clock.settle()


async def errands(house: DoorsHouse, bus: Bus | None = None) -> list[Order]:
    """The orders with a key for errands that leave for the lock from now on."""
    orders: list[Order] = []

    async def keep(message: Message) -> None:
        order = decode(message.payload, Order)
        assert order is not None
        if order.errand_key is not None:
            orders.append(order)

    device = "spare" if bus is None else "silent"
    lock = bus or house.twin.devices["spare"].bus
    assert lock is not None
    await lock.subscribe(command_topic(device), keep)
    return orders


async def test_a_door_is_read_at_its_fitting_after_a_restart_and_every_six_hours(
    house: DoorsHouse,
) -> None:
    asked = await errands(house)
    await fit(house)
    assert [order.verb for order in asked] == [Verb.READ]
    await house.clock.advance(1)
    await house.restart()
    await house.clock.settle()
    assert len(asked) == 2
    await house.clock.advance(ERRAND_S - 60)
    assert len(asked) == 2
    await house.clock.advance(120)
    assert len(asked) == 3
    assert len({order.id for order in asked}) == 3, "a known id would read nothing"


async def test_the_key_opens_nothing_is_the_drivers_own_and_outlives_a_day(
    house: DoorsHouse,
) -> None:
    asked = await errands(house)
    await fit(house)
    [order] = asked
    assert order.errand_key is not None
    claims = verify(order.errand_key, ISSUERS)
    assert isinstance(claims, Claims)
    assert (claims.cnf, claims.doors) == (POINT, ((204, ADMIN_BIT),))
    assert claims.exp_s - house.clock.read().wall_s > 86_400
    assert order.denylist is not None
    assert isinstance(read_denylist(order.denylist, ISSUERS), Denylist)


async def test_a_lock_of_another_kind_gets_no_key_and_one_that_was_changed_gets_no_more(
    house: DoorsHouse,
) -> None:
    asked = await errands(house)
    await fit(house, LockProtocol.ZIGBEE)
    await house.clock.advance(2 * ERRAND_S)
    assert asked == []
    await fit(house)
    await fit(house, LockProtocol.ZIGBEE)
    await house.clock.advance(2 * ERRAND_S)
    assert len(asked) == 1


async def test_a_lock_that_gives_no_word_is_asked_again_and_less_and_less_often(
    house: DoorsHouse,
) -> None:
    driver = house.hub.join(
        "driver-ble0", role=BusRole.BRIDGE, devices=("silent",), nursery=house.outside
    )
    asked = await errands(house, driver)
    await fit(house, device="silent")
    await house.clock.advance(10 + PAUSES_S[0])
    assert len(asked) >= 2
    await house.clock.advance(ERRAND_S)
    assert 3 < len(asked) <= len(PAUSES_S) + 1 + ERRAND_S / PAUSES_S[-1]
