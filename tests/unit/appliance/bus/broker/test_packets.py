"""Packets from strangers: read rightly or refused clearly, never anything else."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.bus.broker.packets import (
    Connect,
    MalformedError,
    Publish,
    Subscribe,
    encode_publish,
    filter_is_sound,
    matches,
    parse,
    topic_is_sound,
)
from support.mqtt_probe import Hello

topics = st.text(
    st.characters(exclude_characters="+#\0", exclude_categories=["Cs"]), min_size=1, max_size=40
)


def _split(packet: bytes) -> tuple[int, bytes]:
    at = 1
    while packet[at] & 128:
        at += 1
    return packet[0], packet[at + 1 :]


@given(st.integers(0, 255), st.binary(max_size=300))
def test_any_bytes_are_a_packet_or_a_clear_no(first: int, body: bytes) -> None:
    with contextlib.suppress(MalformedError):
        assert parse(first, body) is not None


@given(
    topic=topics, payload=st.binary(max_size=70_000), qos=st.integers(0, 2), retain=st.booleans()
)
def test_a_publish_is_read_as_it_was_written(
    topic: str, payload: bytes, qos: int, *, retain: bool
) -> None:
    sent = Publish(topic=topic, payload=payload, qos=qos, retain=retain, packet_id=7 if qos else 0)
    assert parse(*_split(encode_publish(sent))) == sent


def test_a_connect_is_read_in_full() -> None:
    will = Publish(topic="np/a/up/online", payload=b"gone", qos=1, retain=True)
    hello = Hello(client_id="a", username="a", password="secret", keepalive_s=15, will=will)
    assert parse(*_split(hello.encode())) == Connect(
        level=4,
        client_id="a",
        clean=True,
        keepalive_s=15,
        will=will,
        username="a",
        password=b"secret",
    )


@pytest.mark.parametrize("level", [3, 5, 6])
def test_of_another_protocol_level_only_the_level_is_read(level: int) -> None:
    packet = parse(*_split(Hello(client_id="a", level=level).encode()))
    assert packet == Connect(level=level)


def test_a_subscribe_names_its_filters() -> None:
    packet = parse(0x82, b"\0\x05\0\x03a/b\x01\0\x01#\x00")
    assert packet == Subscribe(packet_id=5, filters=(("a/b", 1), ("#", 0)))


@pytest.mark.parametrize(
    ("topic_filter", "topic", "taken"),
    [
        ("a/b", "a/b", True),
        ("a/+", "a/b", True),
        ("a/+", "a", False),
        ("a/+", "a/b/c", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("#", "a/b", True),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("$SYS/#", "$SYS/x", True),
        ("+/+", "/b", True),
        ("/+", "/b", True),
        ("+", "/b", False),
        ("a//b", "a//b", True),
        ("a/+/b", "a//b", True),
    ],
)
def test_wildcards_take_in_what_mqtt_says(topic_filter: str, topic: str, *, taken: bool) -> None:
    assert matches(topic_filter, topic) is taken


@pytest.mark.parametrize("bad", ["", "a#", "a/#/b", "a+/b", "+a", "x" * 1_025])
def test_unsound_filters_are_known(bad: str) -> None:
    assert not filter_is_sound(bad)


@pytest.mark.parametrize("bad", ["", "a/+", "#", "x" * 1_025])
def test_unsound_topics_are_known(bad: str) -> None:
    assert not topic_is_sound(bad)
