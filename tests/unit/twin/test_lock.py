"""A lock decides by itself, once, and remembers what must not be forgotten."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.bus.words import EventKind, LockRefusal, Order, Outcome, Verb
from support.lisbon_hours import LISBON, MOMENTS, NINE_TO_TEN
from support.lock_bench import DOOR, NOON_MS, SECRET, STRANGER, LockBench
from twin.flash import Flash
from twin.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path

    from twin.core import Reply


@pytest.fixture
def bench() -> LockBench:
    return LockBench()


def refusal(reply: Reply) -> LockRefusal | None:
    assert reply.answer is not None
    assert (reply.answer.outcome is Outcome.REFUSED) == (reply.answer.refusal is not None)
    return reply.answer.refusal


def test_a_key_opens_its_door_with_the_box_off(bench: LockBench) -> None:
    reply = bench.hold(bench.key())
    assert refusal(reply) is None
    assert [e.kind for e in reply.events] == [EventKind.UNLOCKED]
    assert bench.lock.state(bench.now).bolt == "unlocked"
    assert bench.opened == 1


def test_the_previous_guest_is_refused_at_the_lock_with_the_box_off(bench: LockBench) -> None:
    previous, next_guest = bench.key(gen=1), bench.key(gen=2, cti=b"guest--2")
    assert refusal(bench.hold(previous)) is None
    assert refusal(bench.hold(next_guest)) is None
    assert refusal(bench.hold(previous)) is LockRefusal.SUPERSEDED
    assert bench.journal.count("refusal", reason="superseded", cti=b"guest--1".hex()) == 1


def test_the_previous_guests_pin_is_refused_once_the_next_key_was_used(bench: LockBench) -> None:
    bench.put_pin("2580", generation=1)
    assert refusal(bench.pin("2580")) is None
    bench.hold(bench.key(gen=2))
    assert refusal(bench.pin("2580")) is LockRefusal.SUPERSEDED


def test_a_refused_newer_key_does_not_kill_the_older_one(bench: LockBench) -> None:
    future = bench.key(gen=9, nbf_s=NOON_MS // 1000 + 3_600)
    assert refusal(bench.hold(future)) is LockRefusal.NOT_YET
    assert refusal(bench.hold(bench.key(gen=1))) is None


def test_a_repeated_order_moves_the_bolt_once(bench: LockBench) -> None:
    order = bench.order(credential=bench.key())
    first = bench.give(order)
    bench.wait(10)
    again = bench.give(order)
    assert first.answer is not None
    assert again.answer is not None
    assert not first.answer.repeated
    assert again.answer.repeated
    assert again.answer.outcome is Outcome.DONE
    assert again.answer.seq == first.answer.seq
    assert again.events == ()
    assert bench.opened == 1


def test_a_repeated_order_moves_the_bolt_once_also_after_a_restart(bench: LockBench) -> None:
    order = bench.order(credential=bench.key())
    bench.give(order)
    bench.wait(10)
    bench.restart()
    again = bench.give(order)
    assert again.answer is not None
    assert again.answer.repeated
    assert bench.opened == 1


def test_a_lock_that_died_while_moving_says_unknown_and_moves_nothing_again() -> None:
    class Cut(Exception):  # noqa: N818 - it is the end of the power, not an error
        pass

    class DyingJournal(Journal):
        dying = True

        def note(self, kind: str, **fields: object) -> None:
            super().note(kind, **fields)
            if self.dying and kind == "bolt":
                raise Cut

    journal = DyingJournal()
    bench = LockBench(journal=journal)
    order = bench.order(credential=bench.key())
    with pytest.raises(Cut):
        bench.give(order)
    journal.dying = False
    bench.restart()
    assert bench.lock.state(bench.now).bolt == "unknown"
    again = bench.give(order)
    assert again.answer is not None
    assert (again.answer.outcome, again.answer.repeated) == (Outcome.UNKNOWN, True)
    assert bench.opened == 1


class PowerCutError(Exception):
    """The cells fell out."""


class DyingFlash(Flash):
    """Loses power at the n-th write, just before or just after it."""

    def __init__(self, path: Path, cut_at: int, *, after: bool) -> None:
        self.writes, self.cut_at, self.after = 0, cut_at, after
        super().__init__(path)

    def commit(self) -> None:
        self.writes += 1
        if self.writes == self.cut_at and not self.after:
            raise PowerCutError
        super().commit()
        if self.writes == self.cut_at:
            raise PowerCutError


@pytest.mark.parametrize("after", [False, True], ids=["before the write", "after the write"])
def test_cut_at_every_write_no_order_moves_the_bolt_twice_or_is_called_done_unmoved(
    tmp_path: Path, *, after: bool
) -> None:
    cuts = 0
    for cut_at in range(1, 40):
        bench = LockBench()
        orders = [bench.order(credential=bench.key(gen=g)) for g in (1, 2, 3)]
        bench.flash = Flash(tmp_path / f"f{cut_at}")
        bench.restart()
        bench.flash = DyingFlash(tmp_path / f"f{cut_at}", cut_at, after=after)
        try:
            bench.restart()
            for order in orders:
                bench.give(order)
                bench.wait(6)
                for event in bench.lock.pending():
                    bench.lock.taken(event.seq)
        except PowerCutError:
            cuts += 1
        said = bench.lock.state(bench.now).seq
        bench.now_ms = NOON_MS
        bench.flash = Flash(tmp_path / f"f{cut_at}")
        bench.restart()
        for order in orders:
            answer = bench.give(order).answer
            assert answer is not None
            moves = bench.journal.count("bolt", to="unlocked", order_id=order.id)
            acts = moves + bench.journal.count("held", order_id=order.id)
            assert moves <= acts <= 1
            assert answer.outcome is not Outcome.DONE or acts == 1
        assert bench.lock.state(bench.now).seq >= said - 1
    assert cuts > 15


def test_a_refusal_is_answered_again_too(bench: LockBench) -> None:
    order = bench.order(credential=bench.key(doors=((DOOR + 1, 1),)))
    assert refusal(bench.give(order)) is LockRefusal.WRONG_DOOR
    assert refusal(bench.give(order)) is LockRefusal.WRONG_DOOR
    assert bench.journal.count("refusal") == 1


def test_an_expired_order_does_nothing(bench: LockBench) -> None:
    late = bench.order(credential=bench.key(), expires_at_ms=bench.now_ms - 1)
    assert refusal(bench.give(late)) is LockRefusal.EXPIRED
    assert bench.opened == 0


def test_the_same_key_held_twice_with_one_id_opens_once(bench: LockBench) -> None:
    key = bench.key()
    bench.hold(key, "tap-1")
    bench.wait(10)
    assert bench.hold(key, "tap-1").answer.repeated  # type: ignore[union-attr]
    assert bench.opened == 1
    other = bench.key(cti=b"guest--2")
    assert not bench.hold(other, "tap-1").answer.repeated  # type: ignore[union-attr]


def test_a_key_of_another_property_is_refused(bench: LockBench) -> None:
    assert refusal(bench.hold(bench.key(issuer=STRANGER))) is LockRefusal.UNKNOWN_ISSUER
    assert refusal(bench.hold(bench.key(aud="seaview"))) is LockRefusal.WRONG_DOOR
    assert bench.opened == 0


def test_a_key_with_a_forged_signature_is_refused(bench: LockBench) -> None:
    good, other = bench.key(), bench.key(issuer=ec.generate_private_key(ec.SECP256R1()))
    assert refusal(bench.hold(good[:-64] + other[-64:])) is LockRefusal.BAD_SIGNATURE


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"doors": ((DOOR + 1, 1),)}, LockRefusal.WRONG_DOOR),
        ({"doors": ((DOOR, 8),)}, LockRefusal.WRONG_DOOR),
        ({"exp_s": NOON_MS // 1000 - 10}, LockRefusal.EXPIRED),
        ({"nbf_s": NOON_MS // 1000 + 10}, LockRefusal.NOT_YET),
        ({"exp_s": NOON_MS // 1000 - 1}, None),
        ({"doors": ((0x8001, 1),)}, None),
    ],
    ids=["another door", "no right to unlock", "over", "not yet", "within the doubt", "zone"],
)
def test_a_key_opens_only_what_and_when_it_says(
    bench: LockBench, claims: dict[str, Any], expected: LockRefusal | None
) -> None:
    assert refusal(bench.hold(bench.key(**claims))) is expected
    assert bench.opened == (expected is None)


def test_a_staff_zone_key_is_not_superseded_by_a_guest(bench: LockBench) -> None:
    bench.hold(bench.key(gen=5))
    assert refusal(bench.hold(bench.key(gen=0, doors=((0x8001, 1),)))) is None
    assert bench.lock.state(bench.now).generation == 5


def test_a_lost_clock_refuses_time_bound_keys_until_it_is_set(bench: LockBench) -> None:
    bench.put_pin("2580")
    bench.lock.rtc.lose()
    assert refusal(bench.hold(bench.key())) is LockRefusal.NO_TIME
    assert refusal(bench.pin("2580")) is LockRefusal.NO_TIME
    assert refusal(bench.give(bench.order(credential=bench.key()))) is LockRefusal.NO_TIME
    assert refusal(bench.hold(bench.key(doors=((DOOR, 5),)))) is None, "admin opens always"
    bench.restart()
    assert refusal(bench.hold(bench.key())) is LockRefusal.NO_TIME
    assert refusal(bench.give(bench.order(Verb.SET_CLOCK, wall_ms=bench.now_ms))) is None
    assert refusal(bench.hold(bench.key())) is None


def test_a_clock_not_set_for_seventy_days_is_no_clock(bench: LockBench) -> None:
    bench.wait(70 * 86_400)
    assert refusal(bench.hold(bench.key())) is LockRefusal.NO_TIME


def test_the_clock_is_never_set_before_a_key_was_issued(bench: LockBench) -> None:
    bench.hold(bench.key())
    order = bench.order(Verb.SET_CLOCK, wall_ms=bench.now_ms - 7_200_000)
    assert refusal(bench.give(order)) is LockRefusal.NO_TIME


def test_a_denied_key_is_refused_after_a_restart_too(bench: LockBench) -> None:
    bench.give(bench.order(Verb.DENY, denied=(b"guest--1",)))
    bench.restart()
    assert refusal(bench.hold(bench.key())) is LockRefusal.DENIED
    assert refusal(bench.hold(bench.key(cti=b"guest--2"))) is None


def test_a_minimum_generation_ends_older_keys(bench: LockBench) -> None:
    bench.give(bench.order(Verb.DENY, generation=4))
    assert refusal(bench.hold(bench.key(gen=3))) is LockRefusal.SUPERSEDED
    assert bench.lock.state(bench.now).generation == 0, "nobody has opened it yet"
    assert refusal(bench.hold(bench.key(gen=4))) is None


def test_the_generation_survives_a_restart(tmp_path: Path) -> None:
    bench = LockBench(flash=Flash(tmp_path / "lock.flash"))
    bench.hold(bench.key(gen=7))
    bench.flash.close()
    bench.flash = Flash(tmp_path / "lock.flash")
    bench.restart()
    assert bench.lock.state(bench.now).generation == 7
    assert refusal(bench.hold(bench.key(gen=6))) is LockRefusal.SUPERSEDED


def test_a_pin_never_appears_in_the_state_file_or_the_journal(tmp_path: Path) -> None:
    flash, journal = tmp_path / "lock.flash", tmp_path / "journal.jsonl"
    bench = LockBench(flash=Flash(flash), journal=Journal(journal))
    bench.put_pin("83746512")
    assert refusal(bench.pin("83746512")) is None
    bench.pin("83746513")
    assert "8374651" not in flash.read_text() + journal.read_text()
    assert SECRET.hex() not in flash.read_text()
    bench.flash.close()
    bench.flash = Flash(flash)
    bench.restart()
    assert refusal(bench.pin("83746512")) is None
    assert "8374651" not in flash.read_text() + journal.read_text()
    assert "8374651" not in repr(bench.lock)


def test_a_pin_of_another_device_is_not_taken(bench: LockBench) -> None:
    order = bench.order(Verb.PUT_PIN, slot=1, pin_sealed=bytes(40), valid_until_s=1 << 33)
    assert refusal(bench.give(order)) is LockRefusal.BAD_FRAME


def test_a_cleared_pin_opens_nothing(bench: LockBench) -> None:
    bench.put_pin("2580")
    bench.give(bench.order(Verb.CLEAR_PIN, slot=1))
    assert refusal(bench.pin("2580")) is LockRefusal.WRONG_PIN


def test_a_pin_without_a_generation_outlives_guests(bench: LockBench) -> None:
    bench.put_pin("2580", generation=None)
    bench.hold(bench.key(gen=9))
    assert refusal(bench.pin("2580")) is None
    assert bench.lock.state(bench.now).generation == 9


def test_a_pin_outside_its_days_is_refused(bench: LockBench) -> None:
    bench.put_pin("2580", valid_until_s=NOON_MS // 1000 - 60)
    assert refusal(bench.pin("2580")) is LockRefusal.EXPIRED


def test_guessing_is_slowed_and_a_rightful_guest_waits_a_minute_at_most(bench: LockBench) -> None:
    bench.put_pin("2580")
    for _ in range(5):
        assert refusal(bench.pin("0000")) is LockRefusal.WRONG_PIN
    assert refusal(bench.pin("2580")) is LockRefusal.RATE_LIMITED
    for _ in range(20):
        bench.wait(60)
        assert refusal(bench.pin("0000")) is LockRefusal.WRONG_PIN
        assert refusal(bench.pin("0000")) is LockRefusal.RATE_LIMITED, "and does not lengthen it"
    bench.restart()
    assert refusal(bench.pin("2580")) is LockRefusal.RATE_LIMITED, "new cells buy no new tries"
    bench.wait(60)
    assert refusal(bench.pin("2580")) is None
    assert refusal(bench.pin("0000")) is LockRefusal.WRONG_PIN


def test_guessing_at_the_keypad_does_not_stop_the_desk_or_a_key(bench: LockBench) -> None:
    for _ in range(6):
        bench.pin("0000")
    assert refusal(bench.hold(bench.key())) is None
    assert refusal(bench.give(bench.order(credential=bench.key()))) is None


def test_a_lock_locks_again_by_itself(bench: LockBench) -> None:
    bench.hold(bench.key())
    assert bench.lock.due_ms() == bench.now_ms + 5_000
    assert bench.wait(4.9).events == ()
    reply = bench.wait(0.1)
    assert [e.kind for e in reply.events] == [EventKind.LOCKED]
    assert bench.lock.due_ms() is None
    assert bench.journal.count("bolt", to="locked", via="timer") == 1


def test_a_door_that_stands_open_is_not_locked(bench: LockBench) -> None:
    bench.hold(bench.key())
    bench.lock.swing(bench.now, ajar=True)
    assert bench.wait(30).events == ()
    bench.lock.swing(bench.now, ajar=False)
    assert [e.kind for e in bench.wait(5).events] == [EventKind.LOCKED]


def test_privacy_keeps_keys_out_but_not_an_override(bench: LockBench) -> None:
    bench.lock.set_privacy(on=True)
    assert refusal(bench.hold(bench.key())) is LockRefusal.PRIVACY
    assert refusal(bench.hold(bench.key(doors=((DOOR, 3),)))) is None


def test_a_jam_is_said_and_never_called_done(bench: LockBench) -> None:
    bench.lock.bolt.stuck = True
    reply = bench.give(bench.order(credential=bench.key()))
    assert refusal(reply) is LockRefusal.JAMMED
    assert [e.kind for e in reply.events] == [EventKind.JAMMED]
    assert reply.state is not None
    assert bench.lock.state(bench.now).bolt == "jammed"
    assert bench.opened == 0


def test_cells_run_down_with_use_and_warn_once() -> None:
    bench = LockBench(battery_pct=16)
    for _ in range(220):
        bench.hold(bench.key())
        bench.wait(5)
    kinds = [e.kind for e in bench.lock.pending()]
    left = bench.lock.state(bench.now).battery_pct
    assert left is not None
    assert left <= 15
    assert kinds.count(EventKind.BATTERY_LOW) == 1


def test_a_lock_with_flat_cells_says_nothing() -> None:
    bench = LockBench(battery_pct=0)
    assert bench.hold(bench.key()).answer is None
    assert bench.give(bench.order(credential=bench.key())).answer is None
    bench.lock.bolt.new_cells()
    assert refusal(bench.hold(bench.key())) is None


def test_events_are_numbered_for_ever_and_kept_until_taken(bench: LockBench) -> None:
    for _ in range(3):
        bench.hold(bench.key())
        bench.wait(5)
    assert [e.seq for e in bench.lock.pending()] == [1, 2, 3, 4, 5, 6]
    bench.lock.taken(1)
    bench.lock.taken(3)
    bench.restart()
    assert [e.seq for e in bench.lock.pending()] == [2, 4, 5, 6]
    assert bench.hold(bench.key()).events[0].seq == 7


def test_answers_are_forgotten_only_after_their_order_has_expired(bench: LockBench) -> None:
    orders = [bench.order(credential=bench.key()) for _ in range(400)]
    for order in orders:
        bench.give(order)
    assert bench.give(orders[0]).answer.repeated  # type: ignore[union-attr]
    bench.wait(3_600)
    for _ in range(500):
        bench.give(bench.order(credential=bench.key()))
    opened = bench.journal.count("bolt") + bench.journal.count("held")
    assert refusal(bench.give(orders[0])) in {None, LockRefusal.EXPIRED}
    assert bench.journal.count("bolt") + bench.journal.count("held") == opened


@pytest.mark.parametrize(
    "fields",
    [
        {"verb": Verb.UNLOCK},
        {"verb": Verb.UNLOCK, "credential": b""},
        {"verb": Verb.PUT_PIN},
        {"verb": Verb.PUT_PIN, "slot": 9_999, "pin_sealed": b"", "valid_until_s": 1},
        {"verb": Verb.CLEAR_PIN},
        {"verb": Verb.DENY, "denied": (b"short",)},
        {"verb": Verb.SET_CLOCK},
        {"verb": Verb.SET_POINT, "set_point_c10": 210},
    ],
    ids=lambda fields: f"{fields['verb']}-{len(fields)}",
)
def test_an_order_of_the_wrong_shape_is_a_bad_frame(
    bench: LockBench, fields: dict[str, Any]
) -> None:
    assert refusal(bench.give(bench.order(**fields))) is LockRefusal.BAD_FRAME


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.text(max_size=20))
def test_nothing_held_or_typed_makes_a_lock_raise_or_open(data: bytes, digits: str) -> None:
    bench = LockBench()
    bench.hold(data)
    bench.pin(digits)
    assert bench.opened == 0


def test_ten_thousand_faulted_orders_never_move_the_bolt_twice_for_one_id() -> None:
    dice = random.Random(20_161_121)
    bench = LockBench()
    key = bench.key()
    recent: list[Order] = []
    for _ in range(10_000):
        if recent and dice.random() < 0.4:
            order = dice.choice(recent)
        else:
            order = bench.order(credential=key)
            recent = [*recent[-30:], order]
        bench.give(order)
        chance = dice.random()
        if chance < 0.02:
            bench.restart()
        elif chance < 0.03:
            bench.lock.rtc.lose()
        elif chance < 0.05:
            bench.give(bench.order(Verb.SET_CLOCK, wall_ms=bench.now_ms))
        elif chance < 0.5:
            bench.wait(dice.uniform(0, 6))
        for event in bench.lock.pending()[:2]:
            bench.lock.taken(event.seq)
    moves = [e["order_id"] for e in bench.journal.read("bolt") if e["to"] == "unlocked"]
    acts = moves + [e["order_id"] for e in bench.journal.read("held")]
    assert len(moves) > 500
    assert len(acts) == len(set(acts))


@pytest.mark.parametrize(("hours", "now_ms", "holds"), MOMENTS)
def test_weekly_hours_hold_by_the_propertys_clocks_in_summer_and_winter(
    hours: tuple[int, int, int], now_ms: int, *, holds: bool
) -> None:
    bench = LockBench(now_ms=now_ms, time_zone=LISBON)
    expected = None if holds else LockRefusal.SCHEDULE
    assert refusal(bench.hold(bench.key(schedule=hours))) is expected
    assert refusal(bench.give(bench.order(credential=bench.key(schedule=hours)))) is expected


def test_a_lock_that_was_told_no_time_zone_takes_no_key_with_hours() -> None:
    _, now_ms, _ = MOMENTS[0]
    bench = LockBench(now_ms=now_ms)
    assert refusal(bench.hold(bench.key(schedule=NINE_TO_TEN))) is LockRefusal.SCHEDULE
