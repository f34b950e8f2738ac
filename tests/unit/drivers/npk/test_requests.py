"""Each request is answered to those who may ask it, and changes nothing for anybody else."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.bus.words import LockRefusal
from appliance.kernel.cose import COURIER_BIT, OFFICE_BIT, OVERRIDE_BIT, UNLOCK_BIT
from drivers.npk.codes import Command, Flag, LogKind, Op, Status
from support.npk_bench import DOOR, NpkBench
from twin.pin_slots import seal_pin

BOX: dict[str, Any] = {"device": "lock-204", "secret": bytes(32), "nonce": bytes(12)}
# Arguments with which each request would be carried out, if it may be.
ASKED: dict[Op, list[Any]] = {
    Op.DENYLIST: [b""],
    Op.TIME: [b""],
    Op.ISSUER: [b""],
    Op.LOG: [0, 40],
    Op.STATE: [],
    Op.ACK: [0, bytes(32)],
    Op.SET_TIME: [2_000_000_000],
    Op.LOCAL_TIME: [[[0, 60]]],
    Op.LOCK: [b"lock---1"],
    Op.FIND: [b"guest--1", b"press--1"],
    Op.DENY: [[b"guest--1"], 9],
    Op.BLINK: [],
    Op.PUT_PIN: [1, seal_pin("482915", **BOX), 0, 2_000_000_000, 1],
    Op.CLEAR_PIN: [1],
}
ANYBODY = {Op.DENYLIST, Op.TIME}
COURIER = ANYBODY | {Op.ISSUER, Op.LOG, Op.STATE}


def test_every_request_is_in_the_table() -> None:
    assert set(ASKED) == set(Op)


@pytest.mark.parametrize("op", Op)
def test_nobody_but_the_entitled_is_answered(op: Op) -> None:
    bench = NpkBench()
    guest = bench.phone()
    guest.greet()
    status, result = guest.request(op, *ASKED[op])
    assert (status == Status.DENIED) == (op not in ANYBODY)
    courier = bench.admin(COURIER_BIT)
    status, result = courier.request(op, *ASKED[op])
    assert (status == Status.DENIED) == (op not in COURIER)
    if status == Status.DENIED:
        assert result == 0
    status, _ = bench.admin().request(op, *ASKED[op])
    assert status != Status.DENIED


@pytest.mark.parametrize("op", Op)
def test_a_request_with_other_arguments_is_a_bad_frame(op: Op) -> None:
    bench = NpkBench()
    before = len(bench.lock.core.log._entries)
    status, _ = bench.admin().request(op, *ASKED[op], "more")
    assert status == Status.BAD_FRAME
    assert len(bench.lock.core.log._entries) == before + 1  # the session itself


def test_a_request_that_the_lock_does_not_know_is_not_supported() -> None:
    bench = NpkBench()
    assert bench.admin().request(99)[0] == Status.NOT_SUPPORTED  # type: ignore[arg-type]


def test_anybody_may_carry_a_denylist_and_it_holds_at_once() -> None:
    bench = NpkBench()
    assert bench.lock.core.flags() & Flag.DENYLIST_OLD
    neighbour = bench.phone(bench.key(cti=b"guest--2"))
    neighbour.greet()
    assert neighbour.request(Op.DENYLIST, bench.denylist(4, b"guest--1")) == (Status.DONE, 4)
    assert neighbour.command(command_id=b"press--2").done
    assert bench.press().refusal is LockRefusal.DENIED
    assert not bench.lock.core.flags() & Flag.DENYLIST_OLD
    bench.wait(86_401)
    assert bench.lock.core.flags() & Flag.DENYLIST_OLD


def test_a_denylist_of_yesterday_is_not_taken_after_todays() -> None:
    bench = NpkBench()
    courier = bench.admin(COURIER_BIT)
    courier.request(Op.DENYLIST, bench.denylist(4, b"guest--1"))
    assert courier.request(Op.DENYLIST, bench.denylist(3)) == (Status.SUPERSEDED, 4)
    bench.restart()
    assert bench.press().refusal is LockRefusal.DENIED


def test_a_courier_carries_the_log_and_cannot_make_the_lock_forget_it() -> None:
    bench = NpkBench()
    courier = bench.admin(COURIER_BIT)
    status, blob = courier.request(Op.LOG, 0, 40)
    assert status == Status.DONE
    assert isinstance(blob, bytes)
    assert courier.request(Op.ACK, 1, bytes(32))[0] == Status.DENIED
    assert bench.lock.core.log.waiting > 0


def test_an_admin_denies_keys_and_generations() -> None:
    bench = NpkBench()
    admin = bench.admin()
    assert admin.request(Op.DENY, [b"guest--1"], -1) == (Status.DONE, 0)
    assert bench.press().refusal is LockRefusal.DENIED
    assert bench.press(bench.key(cti=b"guest--2")).done
    assert admin.request(Op.DENY, [], 5) == (Status.DONE, 0)
    assert bench.press(bench.key(cti=b"guest--2")).refusal is LockRefusal.SUPERSEDED
    assert admin.request(Op.DENY, [b"short"], -1)[0] == Status.BAD_FRAME


def test_the_bolt_is_thrown_once_for_one_command() -> None:
    bench = NpkBench()
    bench.press()
    admin = bench.admin()
    told = [admin.request(Op.LOCK, b"lock---1") for _ in range(2)]
    assert [status for status, _ in told] == [Status.DONE, Status.DONE]
    assert bench.journal.count("bolt", to="locked", via="lock") == 1


def test_office_mode_holds_the_door_until_it_is_locked() -> None:
    bench = NpkBench()
    assert bench.press(bench.key(OFFICE_BIT, cti=b"staff--1"), Command.OFFICE).done
    bench.wait(3_600)
    assert bench.lock.core.flags() & Flag.OFFICE
    assert bench.lock.state().bolt == "unlocked"
    bench.restart()
    bench.wait(3_600)
    assert bench.lock.state().bolt == "unlocked"
    assert bench.press().done  # a guest goes through and does not end it
    bench.wait(60)
    assert bench.lock.state().bolt == "unlocked"
    bench.admin().request(Op.LOCK, b"lock---1")
    assert bench.lock.state().bolt == "locked"
    assert bench.press().done
    bench.wait(10)
    assert bench.lock.state().bolt == "locked"


def test_what_became_of_a_press_can_be_asked_later() -> None:
    bench = NpkBench()
    opened = bench.press(command_id=b"press--1")
    refused = bench.press(bench.key(doors=((DOOR + 1, 1),)), command_id=b"press--2")
    assert refused.refusal is LockRefusal.WRONG_DOOR
    admin = bench.admin()
    asked = {
        name: admin.request(Op.FIND, b"guest--1", name)[1]
        for name in (b"press--1", b"press--2", b"press--3")
    }
    assert asked == {
        b"press--1": [Status.DONE, opened.event, opened.wall_s],
        b"press--2": [Status.WRONG_DOOR, refused.event, refused.wall_s],
        b"press--3": 0,
    }


def test_privacy_shuts_out_everybody_but_the_right_to_override() -> None:
    bench = NpkBench()
    bench.lock.set_privacy(on=True)
    assert bench.lock.core.flags() & Flag.PRIVACY
    assert bench.press().refusal is LockRefusal.PRIVACY
    assert bench.press(bench.key(UNLOCK_BIT | OVERRIDE_BIT, cti=b"rescue-1")).done


def test_a_jammed_bolt_is_not_called_done() -> None:
    bench = NpkBench()
    bench.lock.body.bolt.stuck = True
    verdict = bench.press(command_id=b"press--1")
    assert verdict.refusal is LockRefusal.JAMMED
    bench.lock.body.bolt.stuck = False
    assert bench.press(command_id=b"press--1").refusal is LockRefusal.JAMMED
    assert bench.opened == 0


def test_what_happens_at_the_door_is_in_its_log() -> None:
    bench = NpkBench()
    bench.press()
    bench.lock.swing(ajar=True)
    bench.lock.swing(ajar=False)
    bench.wait(10)
    bench.lock.tamper()
    bench.lock.body.bolt.new_cells(10)
    bench.lock.tick()
    bench.lock.tick()
    assert bench.lock.core.flags() & Flag.BATTERY_LOW
    assert [entry.kind for entry in bench.lock.core.log._entries] == [
        LogKind.STARTED,
        LogKind.UNLOCK,
        LogKind.DOOR_OPENED,
        LogKind.DOOR_CLOSED,
        LogKind.RELOCK,
        LogKind.TAMPER,
        LogKind.BATTERY_LOW,
    ]


def test_blinking_shows_the_door_and_moves_nothing() -> None:
    bench = NpkBench()
    assert bench.admin().request(Op.BLINK)[0] == Status.DONE
    assert bench.journal.count("blink", device="lock-204") == 1
    assert bench.moves == 0
