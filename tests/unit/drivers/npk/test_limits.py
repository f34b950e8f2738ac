"""Crowds, floods and people who stay on the line: the next guest gets in."""

from __future__ import annotations

import pytest

from drivers.npk.codes import Command, LogKind, Message, Op, Status
from drivers.npk.lock import LINKS_MAX
from drivers.npk.rate import HANDSHAKES_MAX, Bucket
from drivers.npk.session import ANSWER_MS_MAX, IDLE_MS_MAX, SERVING_MS_MAX, SESSION_MS_MAX
from support.npk_bench import OTHER_PHONE, DeclinedError, HungUpError, NpkBench


def test_a_flood_of_connections_holds_the_door_for_eight_seconds_and_no_longer() -> None:
    bench = NpkBench()
    idle = [bench.phone() for _ in range(LINKS_MAX)]
    with pytest.raises(HungUpError):
        bench.phone()
    bench.clock.passed_ms += IDLE_MS_MAX
    assert not any(phone.link.tick().hang_up for phone in idle)
    bench.clock.passed_ms += 1
    assert all(phone.link.tick().hang_up for phone in idle)
    assert bench.press().done


def test_a_link_that_is_closed_makes_room() -> None:
    bench = NpkBench()
    for _ in range(20):
        bench.phone().link.close()
    assert bench.press().done


def test_a_trickle_of_frames_does_not_stretch_a_session() -> None:
    bench = NpkBench()
    phone = bench.phone(value_bytes=20)
    frames = phone.framer.split(Message.M1, phone.session.m1(), 20)
    for frame in frames[:-1]:
        phone.write(frame)
        bench.clock.passed_ms += 1_990
    assert bench.clock.passed_ms < SESSION_MS_MAX
    bench.clock.passed_ms = SESSION_MS_MAX + 1
    assert phone.write(frames[-1]) == []
    assert phone.hung_up


def test_a_relay_that_needs_more_than_three_seconds_is_hung_up_on() -> None:
    bench = NpkBench()
    phone = bench.phone()
    phone.greet()
    bench.clock.passed_ms += ANSWER_MS_MAX + 1
    assert phone.send(Message.M3, phone.session.m3(Command.UNLOCK, b"press--1")) == []
    assert phone.hung_up
    assert bench.opened == 0


def test_three_seconds_are_enough() -> None:
    bench = NpkBench()
    phone = bench.phone()
    phone.greet()
    assert phone.link.due_ms() == ANSWER_MS_MAX
    bench.clock.passed_ms += ANSWER_MS_MAX
    assert phone.command().done


def test_an_admin_is_served_for_a_minute_and_not_longer() -> None:
    bench = NpkBench()
    admin = bench.admin()
    while bench.clock.passed_ms + 5_000 <= SERVING_MS_MAX:
        bench.clock.passed_ms += 5_000
        assert admin.request(Op.STATE)[0] == Status.DONE
    bench.clock.passed_ms += 5_000
    assert admin.send(Message.REQUEST, admin.session.request(Op.STATE)) == []
    assert admin.hung_up


def test_too_many_handshakes_are_declined_with_the_pause_until_the_next() -> None:
    bench = NpkBench()
    for _ in range(HANDSHAKES_MAX):
        bench.press()
    with pytest.raises(DeclinedError) as declined:
        bench.press()
    status, wait_ms = declined.value.args
    assert status == Status.RATE_LIMITED
    bench.clock.passed_ms += wait_ms
    assert bench.press().done


def test_strangers_who_knock_for_hours_leave_the_guest_a_turn_every_eight_seconds() -> None:
    bench = NpkBench()
    declined = 0
    for _ in range(200):
        bench.clock.passed_ms += 4_000
        try:
            bench.press(key=OTHER_PHONE)
        except DeclinedError:
            declined += 1
    assert declined > 80
    bench.clock.passed_ms += 8_000
    assert bench.press().done


def test_strangers_write_into_the_log_once_an_hour() -> None:
    bench = NpkBench()
    for _ in range(100):
        bench.wait(60)
        bench.press(key=OTHER_PHONE)
    kinds = [entry.kind for entry in bench.lock.core.log._entries]
    assert kinds.count(LogKind.STRANGERS) == 2


def test_a_bucket_never_gives_more_than_it_holds() -> None:
    bucket = Bucket()
    assert [bucket.take(0) for _ in range(HANDSHAKES_MAX + 1)] == [0] * HANDSHAKES_MAX + [1_000]
    assert [bucket.take(3_600_000) for _ in range(HANDSHAKES_MAX)] == [0] * HANDSHAKES_MAX
    assert bucket.take(3_600_000) > 0
    for _ in range(50):
        bucket.wrong()
    assert bucket.take(3_600_001) == 7_999
    bucket.right()
    assert bucket.take(3_602_000) == 0


def test_before_m3_a_phone_may_bring_two_papers_and_no_more() -> None:
    bench = NpkBench()
    phone = bench.phone()
    phone.greet()
    for seq in (1, 2):
        assert phone.request(Op.DENYLIST, bench.denylist(seq)) == (Status.DONE, seq)
    with pytest.raises(HungUpError):
        phone.request(Op.DENYLIST, bench.denylist(3))
    assert bench.lock.core.judge.denylist_seq == 2
