"""A key for every door works with the box dead, is nobody's secret, and is loud when it is seen."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import strawberry
from cryptography.hazmat.primitives.asymmetric import ec
from strawberry.schema.config import StrawberryConfig

from appliance.asked import SCALARS
from appliance.bus.port import Message
from appliance.bus.words import (
    DeviceEvent,
    EventKind,
    LockRefusal,
    Order,
    Outcome,
    Verb,
    decode,
    encode,
)
from appliance.engines.doors import masters_api, queries
from appliance.engines.doors.credentials import HOUSE_ZONE
from appliance.engines.doors.messages import (
    CutMaster,
    HolderKind,
    IssueDenylist,
    MasterKind,
    NoteMasterShown,
    NoteMasterUsed,
    Refusal,
    RevokeKeys,
    RevokeMaster,
)
from appliance.engines.identity.messages import StaffAdded, StaffDeactivated
from appliance.engines.inventory.messages import LockProtocol
from appliance.kernel.cose import Claims, issuers, point_of, verify
from appliance.kernel.edicts import Denylist, read_denylist
from appliance.kernel.messages import Command, Refused, Role, Who
from appliance.kernel.sealed import Sealed
from support import news
from support.desk import BOX, CLERK, FRIDAY_18_MS, MANAGER
from support.doors_house import DoorsHouse, open_doors_house
from support.fake_asked import FakeAsked
from support.lock_bench import ISSUER

NOW_S = FRIDAY_18_MS // 1000
SECOND = replace(MANAGER, approved_by="owner")
POINT = point_of(ec.derive_private_key(7, ec.SECP256R1()).public_key())
KEYS = issuers([point_of(ISSUER.public_key())])
SEALED = Sealed(subject="porter", box=b"sealed")
CUT = CutMaster(
    master_kind=MasterKind.MASTER,
    holder_id="porter",
    label="Safe, envelope 1",
    valid_until_s=NOW_S + 30 * 86_400,
)
SCHEMA = strawberry.Schema(
    query=masters_api.Query,
    mutation=masters_api.Mutation,
    config=StrawberryConfig(scalar_map=SCALARS),
)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncGenerator[DoorsHouse, None]:
    """Two rooms, and a night porter who answers for keys."""
    async with open_doors_house(tmp_path) as opened:
        porter = StaffAdded(
            person_id="porter",
            display_name=SEALED,
            staff_roles=(Role.MAINTENANCE,),
            pin_hash=SEALED,
        )
        await opened.happen(porter)
        yield opened


async def refused(house: DoorsHouse, command: Command, who: Who = SECOND) -> str:
    said = await house.ask(command, who)
    assert isinstance(said, Refused), said
    return said.code


async def cut(house: DoorsHouse, **more: Any) -> tuple[str, bytes]:
    """A key for every door: its id and the key itself."""
    master_id = (await house.done(replace(CUT, **more), SECOND))["master_id"]
    found = await queries.masters(house.reader)
    [master] = [each for each in found if each.master_id == master_id]
    key = house.gateway.locksmith.master(
        cti=master.cti,
        from_s=master.valid_from_s,
        until_s=master.valid_until_s,
        point=master.point,
        emergency=master.kind is MasterKind.EMERGENCY,
    )
    return master_id, key


async def test_a_master_opens_every_lock_past_privacy_with_the_box_off(house: DoorsHouse) -> None:
    _, key = await cut(house)
    await house.crash()
    for device in ("lock-204", "lock-205"):
        lock = house.twin.lock(device)
        lock.set_privacy(on=True)
        reply = lock.try_credential(key, house.clock.read())
        assert reply.answer is not None
        assert reply.answer.outcome is Outcome.DONE
        # And no guest's key is ended by it.
        assert lock.judge.generation == 0


async def test_what_a_master_says_is_what_it_is_for(house: DoorsHouse) -> None:
    _, master = await cut(house)
    _, emergency = await cut(house, master_kind=MasterKind.EMERGENCY, point=POINT.hex())
    said = [verify(key, KEYS) for key in (master, emergency)]
    assert all(isinstance(claims, Claims) for claims in said)
    assert [(claims.doors, claims.cnf) for claims in said if isinstance(claims, Claims)] == [
        (((HOUSE_ZONE, 0b011),), None),
        (((HOUSE_ZONE, 0b111),), POINT),
    ]


async def test_a_master_that_is_seen_is_loud_at_once_with_who_holds_it(house: DoorsHouse) -> None:
    master_id, key = await cut(house)
    device = house.twin.devices["lock-204"]
    device.happened(house.twin.lock("lock-204").try_credential(key, house.clock.read()))
    await house.clock.advance(1)
    [use] = await queries.master_uses(house.reader)
    assert (use.master_id, use.holder_id, use.door_id) == (master_id, "porter", "door-204")
    assert use.event is EventKind.UNLOCKED
    [line] = await queries.access_log(house.reader, holder_id="porter")
    assert line.key_id == master_id


async def test_a_revoked_master_is_refused_by_every_lock_and_loud_there_too(
    house: DoorsHouse,
) -> None:
    master_id, key = await cut(house)
    away = house.twin.devices["lock-205"]
    await away.unplug()
    await house.done(RevokeMaster(master_id=master_id, reason="lost"), MANAGER)
    await house.done(RevokeMaster(master_id=master_id, reason="again"), MANAGER)
    await house.clock.advance(30)
    await house.restart()
    await away.plug_in()
    await house.clock.advance(600)
    for device in ("lock-204", "lock-205"):
        lock = house.twin.lock(device)
        reply = house.twin.devices[device].happened(lock.try_credential(key, house.clock.read()))
        assert reply.answer is not None
        assert reply.answer.refusal is LockRefusal.DENIED
    await house.clock.advance(1)
    assert {use.event for use in await queries.master_uses(house.reader)} == {EventKind.REFUSED}
    assert len(await queries.master_uses(house.reader)) == 2
    assert await refused(house, NoteMasterShown(master_id=master_id)) == Refusal.UNKNOWN_MASTER


async def test_a_master_ends_with_the_work_of_who_answers_for_it(house: DoorsHouse) -> None:
    await cut(house)
    await house.happen(StaffDeactivated(person_id="porter"))
    [master] = await queries.masters(house.reader)
    assert master.revoked_at_ms is not None


async def test_a_master_is_cut_by_two_for_somebody_who_is_here_and_for_a_year_at_most(
    house: DoorsHouse,
) -> None:
    for more, who, refusal in (
        ({}, MANAGER, Refusal.NEEDS_SECOND),
        ({}, replace(MANAGER, approved_by="manager"), Refusal.NEEDS_SECOND),
        ({}, CLERK, "wrong_role"),
        ({"holder_id": "nobody"}, SECOND, Refusal.UNKNOWN_HOLDER),
        ({"label": " "}, SECOND, Refusal.REASON_NEEDED),
        ({"label": "x" * 81}, SECOND, Refusal.TOO_LONG),
        ({"point": "04" * 65}, SECOND, Refusal.BAD_POINT),
        ({"valid_until_s": NOW_S}, SECOND, Refusal.BAD_WINDOW),
        ({"valid_until_s": NOW_S + 400 * 86_400}, SECOND, Refusal.BAD_WINDOW),
    ):
        assert await refused(house, replace(CUT, **more), who) == refusal
    house.clock.uncertainty_ms = 10**12
    assert await refused(house, CUT) == Refusal.BAD_WINDOW
    assert await queries.masters(house.reader) == []
    unknown = NoteMasterUsed(
        master_id="none",
        door_id="door-204",
        device_id="lock-204",
        seq=1,
        event=EventKind.UNLOCKED,
        device_wall_ms=FRIDAY_18_MS,
    )
    assert await refused(house, unknown, BOX) == Refusal.UNKNOWN_MASTER
    gone = RevokeMaster(master_id="none", reason="lost")
    assert await refused(house, gone) == Refusal.UNKNOWN_MASTER


async def test_a_master_that_has_ended_is_handed_to_nobody(house: DoorsHouse) -> None:
    master_id, _ = await cut(house)
    await house.clock.advance(31 * 86_400)
    assert await refused(house, NoteMasterShown(master_id=master_id)) == Refusal.KEY_EXPIRED


async def test_a_key_that_is_handed_out_is_a_fact_first(house: DoorsHouse) -> None:
    master_id, key = await cut(house)
    ask = f'mutation {{ said: revealMaster(masterId: "{master_id}") }}'
    for who, allowed in ((CLERK, False), (MANAGER, True)):
        work = SCHEMA.execute(ask, context_value=FakeAsked(house, who))
        result = await house.clock.run_until(work, 5)
        shown = house.desk.rows("SELECT 1 FROM event WHERE kind = 'doors.master_shown.v1'")
        assert len(shown) == int(allowed)
        if allowed:
            assert result.data is not None
            revealed = verify(base64.urlsafe_b64decode(result.data["said"]), KEYS)
            assert revealed == verify(key, KEYS)
        else:
            assert result.errors
    listed = SCHEMA.execute(
        "{ masters { id label live onPhone } masterUses { doorTitle } }",
        context_value=FakeAsked(house, MANAGER),
    )
    answer = await house.clock.run_until(listed, 5)
    assert answer.errors is None
    assert answer.data is not None
    [row] = answer.data["masters"]
    assert row == {"id": master_id, "label": "Safe, envelope 1", "live": True, "onPhone": False}


# -- the signed list --------------------------------------------------------------------------


async def signed(house: DoorsHouse) -> Denylist:
    data = await house.clock.run_until(house.gateway.denylists.current(), 5)
    assert data is not None
    found = read_denylist(data, KEYS)
    assert isinstance(found, Denylist)
    return found


async def test_the_signed_list_rises_with_its_content_and_forgets_what_has_ended(
    house: DoorsHouse,
) -> None:
    await house.cut("stay-204")
    first = await signed(house)
    assert first.denied == ()
    assert (await signed(house)).seq == first.seq
    await house.happen(news.checked_out("stay-204", 204))
    master_id, _ = await cut(house)
    await house.done(RevokeMaster(master_id=master_id, reason="lost"), MANAGER)
    second = await signed(house)
    assert (len(second.denied), second.generations) == (2, ((204, 2),))
    assert second.seq > first.seq
    await house.restart()
    assert (await signed(house)).seq == second.seq
    await house.clock.advance(5 * 86_400)
    third = await signed(house)
    assert (len(third.denied), third.generations) == (1, ())
    assert third.seq > second.seq


async def test_a_box_from_a_backup_signs_lists_that_the_locks_still_take(
    house: DoorsHouse, tmp_path: Path
) -> None:
    await house.cut("stay-204")
    await signed(house)
    await house.happen(news.checked_out("stay-204", 204))
    at_the_locks = await signed(house)
    (tmp_path / "restored").mkdir()
    async with open_doors_house(tmp_path / "restored") as restored:
        await restored.clock.advance(3_600)
        assert (await signed(restored)).seq > at_the_locks.seq


async def test_more_denials_than_a_list_holds_leave_the_newest_and_the_masters(
    house: DoorsHouse,
) -> None:
    master_id, key = await cut(house)
    await house.done(RevokeMaster(master_id=master_id, reason="lost"), MANAGER)
    for number in range(112):
        await house.happen(news.checked_in(f"guest-{number}", 205))
        await house.cut(f"guest-{number}", 205)
        everything = RevokeKeys(
            holder_kind=HolderKind.STAY,
            holder_id=f"guest-{number}",
            door_id="door-205",
            reason="left",
        )
        await house.done(everything)
    listed = await signed(house)
    assert len(listed.denied) == 110
    claims = verify(key, KEYS)
    assert isinstance(claims, Claims)
    assert claims.cti in {entry.cti for entry in listed.denied}
    assert listed.generations == ((205, 113),)


async def test_no_list_is_signed_while_the_clock_is_unsure(house: DoorsHouse) -> None:
    house.clock.uncertainty_ms = 10**12
    assert await house.clock.run_until(house.gateway.denylists.current(), 5) is None


async def test_an_npk_lock_is_sent_the_signed_list_with_its_denials(house: DoorsHouse) -> None:
    fitted = news.door_fitted(
        204, "lock-204", LockProtocol.NPK, presser_point=POINT.hex(), lock_point=POINT.hex()
    )
    await house.happen(fitted)
    await house.cut("stay-204")
    orders = await heard(house, "lock-204")
    await house.happen(news.checked_out("stay-204", 204))
    await house.clock.advance(5)
    [deny] = [order for order in orders if order.verb is Verb.DENY]
    assert deny.denylist is not None
    found = read_denylist(deny.denylist, KEYS)
    assert isinstance(found, Denylist)
    assert tuple(entry.cti for entry in found.denied) == deny.denied


def test_a_list_is_the_boxs_own_to_issue(tmp_path: Path) -> None:
    assert IssueDenylist.roles == {Role.SERVICE}


# -- numbers that were left out ---------------------------------------------------------------


async def heard(house: DoorsHouse, device_id: str) -> list[Order]:
    orders: list[Order] = []

    async def keep(message: Message) -> None:
        order = decode(message.payload, Order)
        assert order is not None
        orders.append(order)

    lock = house.twin.devices[device_id].bus
    assert lock is not None
    await lock.subscribe(f"np/{device_id}/down/command", keep)
    return orders


async def say(house: DoorsHouse, seq: int) -> None:
    event = DeviceEvent(seq=seq, kind=EventKind.DOOR_OPENED, wall_ms=FRIDAY_18_MS + seq)
    lock = house.twin.devices["lock-204"].bus
    assert lock is not None
    await lock.publish("np/lock-204/up/event", encode(event))
    await house.clock.settle()


async def test_numbers_that_are_missing_are_asked_for_once_and_taken_late(
    house: DoorsHouse,
) -> None:
    orders = await heard(house, "lock-204")
    for seq in (1, 2, 6, 7):
        await say(house, seq)
    reads = [order for order in orders if order.verb is Verb.READ]
    assert [order.after_seq for order in reads] == [2]
    for seq in (5, 4, 6, 3, 3):
        await say(house, seq)
    log = await queries.access_log(house.reader, door_id="door-204")
    assert [line.seq for line in reversed(log)] == [1, 2, 6, 7, 5, 4, 3]
    assert [line.missed for line in reversed(log)] == [0, 0, 3, 0, 0, 0, 0]
    await house.clock.advance(60)
    assert len([order for order in orders if order.verb is Verb.READ]) == 1


async def test_the_access_log_is_read_page_by_page(house: DoorsHouse) -> None:
    for seq in range(1, 8):
        await say(house, seq)
    pages: list[list[int]] = []
    before: int | None = None
    while True:
        page = await queries.access_log(house.reader, door_id="door-204", limit=3, before=before)
        if not page:
            break
        pages.append([line.seq for line in page])
        before = page[-1].position
    assert pages == [[7, 6, 5], [4, 3, 2], [1]]
    assert await queries.access_log(house.reader, door_id="door-205") == []
