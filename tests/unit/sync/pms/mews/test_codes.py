"""A door's code at Mews: one token, the right one, whatever answer is lost; its digits nowhere."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.engines.doors.messages import (
    HolderKind,
    KeyAtRisk,
    KeyCut,
    KeyReason,
    KeyRevoked,
    KeyRiskCleared,
    Risk,
)
from appliance.engines.housekeeping.messages import RoomStatus, RoomStatusSet
from support.sync_bench import FRIDAY_MS, SyncBench, sync_bench
from sync.home import DoorCode
from sync.ledger import EffectState
from twin.clouds.faults import Fault
from twin.clouds.mews import ACCESS_TOKEN, CLIENT_TOKEN
from twin.clouds.mews.records import AccessToken

CODE = DoorCode(
    stay_id="stay_1",
    room_id="r101",
    generation=4,
    valid_from_s=FRIDAY_MS // 1000,
    valid_until_s=FRIDAY_MS // 1000 + 2 * 86_400,
    digits="480316",
)
LOST = [
    Fault.LOST_REQUEST,
    Fault.LOST_ANSWER,
    Fault.NO_ANSWER,
    Fault.CUT_BODY,
    Fault.SERVER_ERROR,
    Fault.BROKEN_STORED,
    Fault.TOO_MANY,
    Fault.TOO_MANY_BARE,
    Fault.CONFLICT,
    Fault.TOO_HEAVY,
    Fault.UNAUTHORIZED,
]
ENDPOINTS = [
    "resourceAccessTokens/getAll",
    "resourceAccessTokens/add",
    "resourceAccessTokens/update",
    "resourceAccessTokens/delete",
]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[SyncBench]:
    async with sync_bench(tmp_path) as found:
        found.settings = replace(found.settings, door_codes=True, room_states=True)
        found.start_again()
        upstream = found.book_upstream(room=True)
        found.box.say_booked(upstream)
        await found.turn()
        yield found


@contextmanager
def discreet(bench: SyncBench, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What nobody may read: not in sync.db, not in a log at any level, not in the report."""
    caplog.set_level(logging.DEBUG)
    yield
    files = sorted(bench.settings.ledger_path.parent.glob("sync.db*"))
    assert files
    kept = b"".join(path.read_bytes() for path in files)
    said = caplog.text + str(msgspec.json.encode(bench.running.report()))
    for secret in (CODE.digits, "559911", CLIENT_TOKEN, ACCESS_TOKEN):
        assert secret.encode() not in kept
        assert secret not in said


def cut(bench: SyncBench, code: DoorCode = CODE, key_id: str = "key_1", **more: Any) -> None:
    """A key is cut here, and from now on this is its code."""
    bench.box.codes["stay_1"] = code
    fields: dict[str, Any] = {
        "key_id": key_id,
        "holder_kind": HolderKind.STAY,
        "holder_id": "stay_1",
        "door_id": "door-101",
        "generation": code.generation,
        "valid_from_s": code.valid_from_s,
        "valid_until_s": code.valid_until_s,
        "reason": KeyReason.FIRST,
        "cti": "00",
        "slot": 3,
    }
    bench.box.say(KeyCut(**{**fields, **more}))


def revoke(bench: SyncBench, key_id: str = "key_1") -> None:
    bench.box.say(
        KeyRevoked(
            key_id=key_id,
            holder_kind=HolderKind.STAY,
            holder_id="stay_1",
            door_id="door-101",
            generation=4,
            cti="00",
            slot=3,
            reason="checked_out",
        )
    )


def tokens(bench: SyncBench) -> list[AccessToken]:
    return [one for one in bench.clouds.mews.store.access_tokens.values() if one.active]


def asked(bench: SyncBench) -> int:
    return len(bench.running.ledger.effects("kind = 'pms.door_code'"))


async def test_a_key_is_cut_and_mews_has_its_code_with_room_and_validity(
    bench: SyncBench, caplog: pytest.LogCaptureFixture
) -> None:
    with discreet(bench, caplog):
        cut(bench)
        await bench.turns(2)
    [token] = tokens(bench)
    assert (token.value, token.type, token.serial) == ("480316", "PinCode", "nightporter")
    assert bench.clouds.mews.store.room_name(token.room_id) == "101"
    assert (token.from_s, token.until_s) == (CODE.valid_from_s, CODE.valid_until_s)
    effect = bench.effect("pms.door_code")
    assert (effect.state, effect.provider_ref) == (EffectState.SUCCEEDED, token.id)


async def test_a_later_end_changes_the_token_and_adds_none(bench: SyncBench) -> None:
    cut(bench)
    await bench.turns(2)
    [before] = tokens(bench)
    cut(bench, replace(CODE, valid_until_s=CODE.valid_until_s + 86_400), "key_2")
    await bench.turns(2)
    [after] = tokens(bench)
    assert (after.id, after.until_s) == (before.id, CODE.valid_until_s + 86_400)


async def test_another_code_replaces_the_first_and_the_end_withdraws_it(
    bench: SyncBench, caplog: pytest.LogCaptureFixture
) -> None:
    with discreet(bench, caplog):
        cut(bench)
        await bench.turns(2)
        cut(bench, replace(CODE, digits="559911", generation=5, room_id="r102"), "key_2")
        await bench.turns(2)
        [token] = tokens(bench)
        assert token.value == "559911"
        assert bench.clouds.mews.store.room_name(token.room_id) == "102"
        bench.box.codes.clear()
        revoke(bench, "key_2")
        await bench.turns(2)
    assert tokens(bench) == []


async def test_tokens_of_other_systems_are_left_alone(bench: SyncBench) -> None:
    store = bench.clouds.mews.store
    cut(bench)
    await bench.turns(2)
    [ours] = tokens(bench)
    other = replace(ours, id="00000000-0000-4000-8000-000000000001", serial=None, value="111222")
    store.access_tokens[other.id] = other
    bench.box.codes.clear()
    revoke(bench)
    await bench.turns(2)
    assert [one.value for one in tokens(bench)] == ["111222"]


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_whatever_answer_is_lost_there_is_one_token_and_it_is_the_last_code(
    bench: SyncBench, endpoint: str, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    with discreet(bench, caplog):
        bench.clouds.mews.faults.plan(endpoint, fault)
        cut(bench)
        await bench.heal()
        cut(bench, replace(CODE, valid_until_s=CODE.valid_until_s + 86_400), "key_2")
        await bench.heal()
        cut(bench, replace(CODE, digits="559911", generation=5), "key_3")
        await bench.heal()
        assert [one.value for one in tokens(bench)] == ["559911"]
        assert bench.clouds.mews.faults.waiting() == []
        bench.box.codes.clear()
        revoke(bench, "key_3")
        await bench.heal()
    assert tokens(bench) == []
    assert bench.running.report()["parked"] == []


async def test_a_kill_after_mews_took_it_leaves_one_token(bench: SyncBench) -> None:
    bench.clouds.mews.faults.plan("resourceAccessTokens/add", Fault.NO_ANSWER)
    cut(bench)
    running = bench.running
    while await running.follower.turn():
        pass
    sending = bench.nursery.mortal("push", running.carrier.step())
    await bench.clock.advance(1)
    sending.cancel()
    await bench.nursery.close()
    bench.fresh_nursery()
    bench.start_again()
    await bench.turns(4)
    assert [one.value for one in tokens(bench)] == ["480316"]


async def test_many_keys_in_the_dark_are_one_request_for_the_last(bench: SyncBench) -> None:
    for number in range(5):
        cut(bench, key_id=f"key_{number}")
    while await bench.running.follower.turn():
        pass
    states = [one.state for one in bench.running.ledger.effects("kind = 'pms.door_code'")]
    assert states == [*[EffectState.EXPIRED] * 4, EffectState.QUEUED]


async def test_reading_the_log_again_loses_no_code(bench: SyncBench) -> None:
    cut(bench, key_id="key_1")
    cut(bench, key_id="key_2")
    while await bench.running.follower.turn():
        pass
    bench.running.follower.start_over("a test")
    await bench.turns(3)
    assert [one.value for one in tokens(bench)] == ["480316"]


async def test_a_code_that_the_lock_refuses_is_withdrawn_and_told_again_once_it_is_taken(
    bench: SyncBench,
) -> None:
    cut(bench)
    await bench.turns(2)
    code = bench.box.codes.pop("stay_1")
    bench.box.say(KeyAtRisk(stay_id="stay_1", door_id="door-101", why=Risk.LOCK_REFUSED))
    await bench.turns(2)
    assert tokens(bench) == []
    bench.box.codes["stay_1"] = code
    bench.box.say(KeyRiskCleared(stay_id="stay_1", door_id="door-101", because="cured"))
    await bench.turns(2)
    assert len(tokens(bench)) == 1


async def test_a_box_that_is_away_is_asked_again(bench: SyncBench) -> None:
    cut(bench)
    while await bench.running.follower.turn():
        pass
    bench.box.away = True
    await bench.clock.run_until(bench.running.carrier.step(), limit_s=60)
    assert bench.effect("pms.door_code").state is EffectState.QUEUED
    bench.box.away = False
    await bench.turns(2)
    assert len(tokens(bench)) == 1


@pytest.mark.parametrize(
    "more", [{"joiner": 1}, {"holder_kind": HolderKind.STAFF}, {"holder_id": "nobody"}]
)
async def test_keys_of_others_are_no_business_of_the_pms(
    bench: SyncBench, more: dict[str, Any]
) -> None:
    cut(bench, **more)
    await bench.turns(2)
    assert (asked(bench), tokens(bench)) == (0, [])


async def test_it_is_off_unless_it_is_asked_for(bench: SyncBench) -> None:
    bench.settings = replace(bench.settings, door_codes=False, room_states=False)
    bench.start_again()
    cut(bench)
    bench.box.say(RoomStatusSet(room_id="r101", status=RoomStatus.DIRTY, reason=""))
    await bench.turns(2)
    assert (asked(bench), tokens(bench)) == (0, [])
    assert bench.running.ledger.effects("kind = 'pms.room_state'") == []


async def test_an_old_log_asks_nothing_for_stays_that_are_over(bench: SyncBench) -> None:
    await bench.clock.advance((date(2026, 8, 25) - date(2026, 8, 14)).days * 86_400)
    cut(bench)
    await bench.turns(2)
    assert asked(bench) == 0


@pytest.mark.parametrize(
    ("status", "theirs"),
    [
        (RoomStatus.DIRTY, "Dirty"),
        (RoomStatus.CLEAN, "Clean"),
        (RoomStatus.INSPECTED, "Inspected"),
        (RoomStatus.OUT_OF_ORDER, "OutOfService"),
    ],
)
async def test_mews_hears_how_a_room_is(bench: SyncBench, status: RoomStatus, theirs: str) -> None:
    bench.clouds.mews.faults.plan("resources/update", Fault.LOST_ANSWER)
    bench.box.say(RoomStatusSet(room_id="r101", status=RoomStatus.CLEAN, reason=""))
    bench.box.say(RoomStatusSet(room_id="r101", status=status, reason=""))
    await bench.heal()
    states = [str(room.state) for room in bench.clouds.mews.store.rooms.values()]
    assert states == [theirs, "Inspected"]
