"""A session's queue: in order, bounded, and owed until acknowledged."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.bus.broker.outgoing import PACKET_IDS, Outgoing
from appliance.bus.broker.packets import Publish
from appliance.bus.broker.settings import Limits


def _message(number: int, size: int = 1) -> Publish:
    return Publish(topic="t", payload=b"%d" % number + bytes(size), qos=1)


def _numbers(messages: list[Publish]) -> list[int]:
    return [int(m.payload.rstrip(b"\0")) for m in messages]


def test_the_window_opens_with_each_acknowledgement() -> None:
    outgoing = Outgoing(Limits(in_flight_max=2))
    for number in range(4):
        assert outgoing.offer(_message(number))
    first = list(outgoing.sendable())
    assert _numbers(first) == [0, 1]
    assert list(outgoing.sendable()) == []
    assert outgoing.acknowledged(first[0].packet_id)
    assert not outgoing.acknowledged(first[0].packet_id)
    assert _numbers(list(outgoing.sendable())) == [2]


def test_what_is_in_flight_is_repeated_under_its_own_number() -> None:
    outgoing = Outgoing(Limits())
    outgoing.offer(_message(1))
    (sent,) = outgoing.sendable()
    (again,) = outgoing.repeated()
    assert (again.packet_id, again.payload, again.duplicate) == (sent.packet_id, sent.payload, True)


def test_the_queue_is_bounded_by_number_and_by_bytes() -> None:
    few = Outgoing(Limits(queued_messages_max=3))
    assert [few.offer(_message(n)) for n in range(4)] == [True, True, True, False]
    small = Outgoing(Limits(queued_bytes_max=1_000))
    assert [small.offer(_message(n, 600)) for n in range(2)] == [True, False]
    assert (few.dropped, small.dropped) == (1, 1)


def test_packet_ids_go_round_without_meeting_one_in_flight() -> None:
    outgoing = Outgoing(Limits(in_flight_max=2))
    outgoing.offer(_message(0))
    (held,) = outgoing.sendable()
    for number in range(PACKET_IDS + 5):
        outgoing.offer(_message(number))
        (message,) = outgoing.sendable()
        assert 0 < message.packet_id <= PACKET_IDS
        assert message.packet_id != held.packet_id
        outgoing.acknowledged(message.packet_id)


@given(st.lists(st.sampled_from(["offer", "send", "acknowledge", "reconnect"]), max_size=80))
def test_whatever_happens_messages_leave_once_and_in_order(steps: list[str]) -> None:
    outgoing, offered, acknowledged = Outgoing(Limits(in_flight_max=3)), 0, 0
    in_flight: list[Publish] = []
    sent: list[int] = []
    for step in steps:
        if step == "offer":
            outgoing.offer(_message(offered))
            offered += 1
        elif step == "send":
            fresh = list(outgoing.sendable())
            sent += _numbers(fresh)
            in_flight += fresh
        elif step == "acknowledge" and in_flight:
            assert outgoing.acknowledged(in_flight.pop(0).packet_id)
            acknowledged += 1
        elif step == "reconnect":
            assert _numbers(list(outgoing.repeated())) == _numbers(in_flight)
    assert sent == list(range(len(sent)))
    assert len(outgoing) == offered - acknowledged
