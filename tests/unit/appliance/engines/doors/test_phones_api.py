"""Phones through GraphQL: enrolled by their holder, given keys that are bound to them and end soon."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import strawberry
from cryptography.hazmat.primitives.asymmetric import ec
from strawberry.schema.config import StrawberryConfig

from appliance.asked import SCALARS, NeedsSignInError
from appliance.engines.doors import phones_api, queries
from appliance.engines.doors.door import fold_door
from appliance.engines.doors.messages import KeyReason
from appliance.engines.doors.mobile import NPK_SERVICE, door_tag
from appliance.engines.doors.phones import MOBILE_S_MAX
from appliance.kernel.cose import Claims, Flaw, issuers, point_of, verify
from appliance.kernel.edicts import read_time
from appliance.kernel.messages import Role, Who
from drivers.ble.things import salt_of
from drivers.npk import advert
from drivers.npk.codes import SERVICE_UUID
from support import news
from support.doors_house import DoorsHouse, open_doors_house
from support.fake_asked import FakeAsked
from support.lock_bench import ISSUER

GUEST = Who(actor="stay:stay-204", role=Role.GUEST)
OTHER = Who(actor="stay:stay-205", role=Role.GUEST)
SCHEMA = strawberry.Schema(
    query=phones_api.Query,
    mutation=phones_api.Mutation,
    config=StrawberryConfig(scalar_map=SCALARS),
)
ENROL = 'mutation { enrolPhone(id: "%s", point: "%s") { done code result } }'
KEYS = '{ mobileKeys(phoneId: "%s") { doorId number credential endsS lockPoint tunnel protocol } }'


@pytest.fixture
async def house(tmp_path: Path) -> AsyncGenerator[DoorsHouse, None]:
    async with open_doors_house(tmp_path) as opened:
        yield opened


async def say(house: DoorsHouse, query: str, who: Who | None = GUEST) -> Any:
    """The one answer, without errors."""
    work = SCHEMA.execute(query, context_value=FakeAsked(house, who))
    result = await house.clock.run_until(work, 20)
    assert result.errors is None, result.errors
    assert result.data is not None
    [said] = result.data.values()
    return said


def read(key: dict[str, Any]) -> Claims:
    """What a lock of the house reads in a mobile key."""
    claims = verify(base64.b64decode(key["credential"]), issuers([point_of(ISSUER.public_key())]))
    assert not isinstance(claims, Flaw), claims
    return claims


def new_point() -> bytes:
    return point_of(ec.generate_private_key(ec.SECP256R1()).public_key())


async def enrolled(house: DoorsHouse, point: bytes, who: Who = GUEST) -> str:
    said = await say(house, ENROL % (f"e-{point.hex()[:20]}", point.hex()), who)
    assert said["done"], said
    return str(said["result"]["phone_id"])


async def test_a_mobile_key_is_bound_to_the_phone_and_ends_within_26_hours(
    house: DoorsHouse,
) -> None:
    await house.cut("stay-204")
    point = new_point()
    phone_id = await enrolled(house, point)
    [key] = await say(house, KEYS % phone_id)
    claims = read(key)
    assert claims.cnf == point
    assert claims.doors == ((key["number"], 1),)
    assert (key["doorId"], claims.gen) == ("door-204", 1)
    assert claims.exp_s == key["endsS"] == house.clock.read().wall_s + MOBILE_S_MAX


async def test_a_phone_gets_its_holders_own_key_and_not_a_joiners(house: DoorsHouse) -> None:
    own = (await house.cut("stay-204"))["key_id"]
    await house.cut("stay-204", reason=KeyReason.JOINER)
    phone_id = await enrolled(house, new_point())
    [key] = await say(house, KEYS % phone_id)
    [row] = house.desk.rows("SELECT cti FROM doors_key WHERE key_id = ?", own)
    assert read(key).cti.hex() == row[0]


async def test_every_fetch_makes_the_key_anew_and_nothing_of_it_is_kept(house: DoorsHouse) -> None:
    await house.cut("stay-204")
    phone_id = await enrolled(house, new_point())
    before = len(house.desk.events())
    [first] = await say(house, KEYS % phone_id)
    await house.clock.leap(3_600)
    [second] = await say(house, KEYS % phone_id)
    assert second["endsS"] == first["endsS"] + 3_600
    assert len(house.desk.events()) == before
    assert first["credential"] not in str(house.desk.rows("SELECT * FROM event"))


async def test_a_phone_that_is_not_the_askers_gets_no_key(house: DoorsHouse) -> None:
    await house.cut("stay-204")
    await house.cut("stay-205", 205)
    phone_id = await enrolled(house, new_point())
    assert await say(house, KEYS % phone_id, OTHER) is None
    assert await say(house, KEYS % "phone-nobody") is None
    work = SCHEMA.execute(KEYS % phone_id, context_value=FakeAsked(house, None))
    result = await house.clock.run_until(work, 20)
    assert result.errors is not None
    assert type(result.errors[0].original_error) is NeedsSignInError


async def test_a_phone_gets_no_key_after_its_key_or_it_was_taken_away(house: DoorsHouse) -> None:
    await house.cut("stay-204")
    phone_id = await enrolled(house, new_point())
    remove = f'mutation {{ removePhone(id: "r1", phoneId: "{phone_id}") {{ done code }} }}'
    assert (await say(house, remove, OTHER))["code"] == "unknown_phone"
    assert len(await say(house, KEYS % phone_id)) == 1
    assert (await say(house, remove.replace("r1", "r2")))["done"]
    assert await say(house, KEYS % phone_id) is None
    assert await say(house, "{ phones { id } }") == []


async def test_the_generation_of_those_who_come_and_go_is_the_one_the_rules_know(
    house: DoorsHouse,
) -> None:
    async def both() -> tuple[int, int]:
        now_s = house.clock.read().wall_s
        told = await queries.generation_now(house.reader, "door-204", now_s)
        facts = [f.event for f in house.desk.facts if f.stream == "doors/door-204"]
        return told, fold_door(None, facts).generation_now(now_s)

    assert await both() == (1, 1)
    await house.cut("stay-204")
    assert await both() == (1, 1)
    await house.cut("stay-204", reason=KeyReason.LOST)
    assert await both() == (2, 2)
    await house.happen(news.checked_out("stay-204", 204))
    assert await both() == (3, 3)
    await house.happen(news.checked_in("next", 204))
    await house.cut("next")
    assert await both() == (3, 3)


async def test_after_check_out_the_phone_gets_nothing(house: DoorsHouse) -> None:
    await house.cut("stay-204")
    phone_id = await enrolled(house, new_point())
    assert await say(house, "{ phones { id } }") == [{"id": phone_id}]
    await house.happen(news.checked_out("stay-204", 204))
    assert await say(house, KEYS % phone_id) is None


@pytest.mark.parametrize("point", ["", "04", "x" * 5_000, "04" * 65, "ÿ" * 130])
async def test_what_is_no_point_is_a_sentence_and_no_phone(house: DoorsHouse, point: str) -> None:
    assert (await say(house, ENROL % ("e1", point)))["code"] == "bad_point"
    assert await say(house, "{ phones { id } }") == []


async def test_the_tag_of_a_door_is_the_one_that_its_driver_looks_for() -> None:
    assert door_tag("marina", 204) == advert.door_tag(salt_of("marina"), 204)
    assert NPK_SERVICE == SERVICE_UUID


async def test_the_time_is_signed_for_the_lock_that_asks_and_for_nothing_else(
    house: DoorsHouse,
) -> None:
    nonce = bytes(range(16))
    asked = f'{{ lockTime(nonce: "{nonce.hex()}") }}'
    signed = base64.b64decode(await say(house, asked))
    keys = issuers([point_of(ISSUER.public_key())])
    assert read_time(signed, nonce, keys) == house.clock.read().wall_s
    assert isinstance(read_time(signed, bytes(16), keys), Flaw)
    for bad in ("", "00", "zz" * 16, "00" * 17, "ÿ" * 32, "x" * 10_000):
        assert await say(house, f'{{ lockTime(nonce: "{bad}") }}') is None
    work = SCHEMA.execute(asked, context_value=FakeAsked(house, None))
    assert (await house.clock.run_until(work, 20)).errors
