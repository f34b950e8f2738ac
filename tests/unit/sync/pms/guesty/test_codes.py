"""Promises of the guest's door code at Guesty: read back before it is believed, kept nowhere."""

from __future__ import annotations

import logging

import pytest

from support.guesty_bench import GuestyBench
from support.odd_answers import put_between, said
from support.sync_bench import FRIDAY_MS
from sync.home import DoorCode
from sync.ledger import Draft, EffectState, Priority
from sync.transport import Answer, Request
from twin.clouds.faults import Fault
from twin.clouds.guesty.records import Reservation

DIGITS = "730164"


def code(digits: str = DIGITS, generation: int = 1) -> DoorCode:
    return DoorCode(
        stay_id="stay_1",
        room_id="r101",
        generation=generation,
        valid_from_s=FRIDAY_MS // 1000,
        valid_until_s=FRIDAY_MS // 1000 + 86_400,
        digits=digits,
    )


async def known(bench: GuestyBench, *, legacy: bool) -> Reservation:
    one = bench.book_there(legacy=legacy)
    await bench.turn()
    bench.sell(room_id=None, source="guesty", upstream_id=one.id)
    while await bench.running.follower.turn():
        pass
    return one


async def tell(bench: GuestyBench, told: DoorCode | None, key: str = "1") -> EffectState:
    """A key changed: the code as the box says it by now is to be told."""
    if told is None:
        bench.box.codes.pop("stay_1", None)
    else:
        bench.box.codes["stay_1"] = told
    ledger = bench.running.ledger
    with ledger.transaction():
        ledger.owe(
            Draft(
                natural_key=f"guesty.door_code:stay_1:{key}",
                counterparty="guesty",
                lane="stay:stay_1",
                kind="pms.door_code",
                body=b'{"stay_id":"stay_1","room_id":"r101"}',
                priority=Priority.STAY,
                made_ms=FRIDAY_MS,
            ),
            FRIDAY_MS,
        )
    await bench.heal(3)
    (effect,) = ledger.effects("natural_key = ?", f"guesty.door_code:stay_1:{key}")
    return effect.state


@pytest.mark.parametrize("legacy", [False, True])
async def test_a_code_is_written_by_the_door_that_opens_and_read_back(
    bench: GuestyBench, *, legacy: bool
) -> None:
    one = await known(bench, legacy=legacy)
    assert await tell(bench, code()) is EffectState.SUCCEEDED
    assert one.notes == {"keyCode": DIGITS}
    (effect,) = bench.effects("pms.door_code")
    assert effect.sentence == "Guesty has the code"
    assert await tell(bench, code("118822", 2), "2") is EffectState.SUCCEEDED
    assert one.notes == {"keyCode": "118822"}
    assert await tell(bench, None, "3") is EffectState.SUCCEEDED
    assert one.notes["keyCode"] == ""


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.LOST_REQUEST, Fault.SERVER_ERROR])
@pytest.mark.parametrize("legacy", [False, True])
async def test_a_lost_answer_leaves_the_right_code(
    bench: GuestyBench, fault: Fault, *, legacy: bool
) -> None:
    one = await known(bench, legacy=legacy)
    door = "PUT /v1/reservations/{id}" if legacy else "PUT /v1/reservations-v3/{id}/notes"
    bench.cloud.faults.plan(door, fault)
    bench.cloud.faults.plan("GET /v1/reservations-v3", fault, skip=1)
    assert await tell(bench, code()) is EffectState.SUCCEEDED
    assert one.notes == {"keyCode": DIGITS}


async def test_an_answer_of_200_that_changed_nothing_is_not_believed(bench: GuestyBench) -> None:
    one = await known(bench, legacy=True)
    bench.store.legacy_update_sets_key_code = False
    assert await tell(bench, code()) is EffectState.PARKED
    (effect,) = bench.effects("pms.door_code")
    assert "does not show it" in effect.sentence
    assert not one.notes


async def test_somebody_elses_code_is_not_taken_away(bench: GuestyBench) -> None:
    one = await known(bench, legacy=False)
    one.notes["keyCode"] = "9999"
    assert await tell(bench, None) is EffectState.SUCCEEDED
    assert one.notes == {"keyCode": "9999"}


async def test_the_code_is_in_no_file_of_ours_and_in_no_log(
    bench: GuestyBench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await known(bench, legacy=True)
    bench.cloud.faults.plan("PUT /v1/reservations/{id}", Fault.LOST_ANSWER)
    await tell(bench, code())
    bench.running.ledger.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert DIGITS.encode() not in bench.settings.ledger_path.read_bytes()
    assert DIGITS not in caplog.text
    assert DIGITS not in str(bench.running.report())


async def test_one_answer_without_the_booking_parks_no_code(bench: GuestyBench) -> None:
    between = put_between(bench)
    one = await known(bench, legacy=False)
    reads = [0]

    def sparse(request: Request, reply: Answer) -> Answer:
        if "/v1/reservations-v3?reservationIds" not in request.url or not one.notes:
            return reply
        reads[0] += 1
        return said([])(reply) if reads[0] == 1 else reply

    between.change = sparse
    assert await tell(bench, code()) is EffectState.SUCCEEDED
    assert reads[0] > 1
