"""What any broker of ours promises, whichever is behind it: docs/bus.md, row by row."""

from __future__ import annotations

import asyncio
import ssl
import tracemalloc
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from appliance.bus import credentials
from appliance.bus.broker.packets import Publish, encode_publish
from appliance.bus.broker.settings import BrokerSettings, Limits
from support.brokers import KINDS, House, Running, new_pki, running, small_house
from support.mqtt_probe import PUBACK, Hello, Probe, close_probes, frame, probe

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

COMMAND = "np/lock-1/down/command"
EVENT = "np/lock-1/up/event"
# Short, so that a test of patience is over soon; the product's own figures are in settings.py.
LIMITS = Limits(connect_s_max=0.3)


@dataclass(frozen=True, slots=True)
class Bench:
    """A running broker and everybody's tokens."""

    broker: Running
    house: House
    kind: str

    async def enter(self, name: str, **unusual: object) -> Probe:
        """Connect as somebody, rightly."""
        connection = await probe(self.broker.port)
        hello = replace(self.hello(name), **unusual)  # type: ignore[arg-type]
        code, _ = await connection.hello(hello)
        assert code == 0
        return connection

    def hello(self, name: str) -> Hello:
        """The CONNECT this name would send."""
        return Hello(client_id=name, username=name, password=self.house.tokens[name])


async def _bench(kind: str, folder: Path) -> AsyncGenerator[Bench, None]:
    house = small_house()
    settings = BrokerSettings(limits=LIMITS)
    async with running(kind, settings, house.identities, folder) as broker:
        yield Bench(broker, house, kind)


@pytest.fixture(autouse=True)
async def _no_probe_is_left() -> AsyncGenerator[None, None]:
    yield
    await close_probes()


@pytest.fixture(params=KINDS)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Bench, None]:
    """Each broker in turn."""
    async for each in _bench(request.param, tmp_path):
        yield each


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncGenerator[Bench, None]:
    """Only the embedded broker: for what mosquitto leaves to the firewall."""
    async for each in _bench("embedded", tmp_path):
        yield each


# --- row 1: a session is taken over only after its name is proven


async def test_a_wrong_password_leaves_the_live_session_and_its_queue_alone(bench: Bench) -> None:
    lock = await bench.enter("lock-1", clean=False)
    await lock.subscribe(COMMAND)
    stranger = await probe(bench.broker.port)
    wrong = replace(bench.hello("lock-1"), password="wrong", clean=True)
    assert (await stranger.hello(wrong))[0] == 5
    core = await bench.enter("core")
    await core.publish(COMMAND, b"still here")
    assert (await lock.message()).payload == b"still here"


async def test_one_device_cannot_take_over_another_with_its_own_token(bench: Bench) -> None:
    lock = await bench.enter("lock-1")
    await lock.subscribe(COMMAND)
    other = await probe(bench.broker.port)
    # Refused by the embedded broker; mosquitto renames the client to its proven name.
    await other.hello(replace(bench.hello("lock-2"), client_id="lock-1"))
    core = await bench.enter("core")
    await core.publish(COMMAND, b"mine")
    assert (await lock.message()).payload == b"mine"


async def test_an_empty_client_id_is_refused(embedded: Bench) -> None:
    nobody = await probe(embedded.broker.port)
    assert (await nobody.hello(replace(embedded.hello("lock-1"), client_id="")))[0] == 2


# --- row 2: retained messages go to their own subscribers


async def test_a_retained_secret_for_one_lock_never_reaches_another(bench: Bench) -> None:
    core = await bench.enter("core")
    await core.publish("np/lock-1/down/pin", b"sealed", retain=True)
    waiting = await bench.enter("lock-1")
    await waiting.subscribe("np/lock-1/down/#")
    assert (await waiting.message()).retain
    other = await bench.enter("lock-2", clean=False)
    await other.subscribe("np/lock-2/down/#")
    await other.subscribe("np/lock-1/down/#")
    await other.subscribe("np/+/down/#")
    assert await other.nothing_more() == []
    await other.vanish()
    again = await bench.enter("lock-2", clean=False)
    assert await again.nothing_more() == []


async def test_a_retained_message_is_shown_with_the_granted_qos_and_cleared_by_an_empty_one(
    bench: Bench,
) -> None:
    lock = await bench.enter("lock-1")
    await lock.publish("np/lock-1/up/state", b"locked", retain=True)
    core = await bench.enter("core")
    await core.subscribe("np/+/up/state", 0)
    shown = await core.message()
    assert (shown.payload, shown.retain, shown.qos) == (b"locked", True, 0)
    await lock.publish("np/lock-1/up/state", b"", retain=True)
    assert not (await core.message()).retain
    late = await bench.enter("ha")
    await late.subscribe("np/+/up/state")
    assert await late.nothing_more() == []


# --- row 3: a will is a publication


async def test_a_will_outside_its_owners_topics_is_never_published(bench: Bench) -> None:
    victim = await bench.enter("lock-2")
    await victim.subscribe("np/lock-2/down/#")
    forged = Publish(topic="np/lock-2/down/command", payload=b"open", qos=1)
    attacker = await probe(bench.broker.port)
    await attacker.hello(replace(bench.hello("lock-1"), will=forged))
    await attacker.vanish()
    assert await victim.nothing_more() == []


async def test_a_will_is_published_for_who_vanishes_and_not_for_who_leaves(bench: Bench) -> None:
    core = await bench.enter("core")
    await core.subscribe("np/+/up/online")
    will = Publish(topic="np/lock-1/up/online", payload=b"gone", qos=1, retain=True)
    lock = await bench.enter("lock-1", will=will)
    await lock.leave()
    lock = await bench.enter("lock-1", will=will)
    assert await core.nothing_more() == []
    await lock.vanish()
    assert (await core.message()).payload == b"gone"
    late = await bench.enter("ha")
    await late.subscribe("np/lock-1/up/online")
    assert (await late.message()).retain


# --- row 4: silence has an end


async def test_a_client_silent_for_one_and_a_half_keepalives_is_cut_and_its_will_is_published(
    bench: Bench,
) -> None:
    core = await bench.enter("core")
    await core.subscribe("np/+/up/online")
    will = Publish(topic="np/lock-1/up/online", payload=b"gone", qos=1)
    lock = await bench.enter("lock-1", keepalive_s=1, will=will)
    # mosquitto looks every few seconds only.
    assert await lock.gone(within_s=20)
    assert (await core.message()).payload == b"gone"


async def test_a_client_that_pings_is_not_cut(embedded: Bench) -> None:
    lock = await embedded.enter("lock-1", keepalive_s=1)
    for _ in range(4):
        # Half the keepalive each: together twice as long as silence may last.
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(lock.reader.readexactly(1), 0.5)
        assert await lock.nothing_more() == []


async def test_a_socket_that_never_says_connect_is_cut(embedded: Bench) -> None:
    silent = await probe(embedded.broker.port)
    assert await silent.gone()


async def test_a_connect_that_comes_byte_by_byte_is_cut(embedded: Bench) -> None:
    slow = await probe(embedded.broker.port)
    slow.send(embedded.hello("lock-1").encode()[:7])
    assert await slow.gone()


# --- row 5: sizes


async def test_an_oversized_publish_is_cut_and_reaches_nobody(bench: Bench) -> None:
    core = await bench.enter("core")
    await core.subscribe("np/+/up/#")
    lock = await bench.enter("lock-1")
    lock.send(encode_publish(Publish(topic=EVENT, payload=bytes(LIMITS.packet_bytes_max))))
    assert await lock.gone()
    assert await core.nothing_more() == []


async def test_an_oversized_connect_is_cut(embedded: Bench) -> None:
    big = await probe(embedded.broker.port)
    big.send(replace(embedded.hello("lock-1"), client_id="x" * 5_000).encode())
    assert await big.gone()


# --- row 6: QoS 1 means until acknowledged


async def test_an_unacknowledged_command_comes_again_after_a_reconnect_marked_as_repeat(
    bench: Bench,
) -> None:
    lock = await bench.enter("lock-1", clean=False)
    await lock.subscribe(COMMAND)
    core = await bench.enter("core")
    await core.publish(COMMAND, b"1")
    await core.publish(COMMAND, b"2")
    assert (await lock.message(acknowledge=False)).payload == b"1"
    assert (await lock.message()).payload == b"2"
    assert await lock.nothing_more() == []
    await lock.vanish()
    lock = await bench.enter("lock-1", clean=False)
    repeated = await lock.message()
    assert (repeated.payload, repeated.duplicate) == (b"1", True)
    await lock.nothing_more()
    await lock.vanish()
    lock = await bench.enter("lock-1", clean=False)
    assert await lock.nothing_more() == []


async def test_at_most_twenty_messages_are_in_flight_and_none_is_lost(bench: Bench) -> None:
    lock = await bench.enter("lock-1")
    await lock.subscribe(COMMAND)
    core = await bench.enter("core")
    for number in range(30):
        await core.publish(COMMAND, b"%d" % number)
    in_flight = [await lock.message(acknowledge=False) for _ in range(20)]
    assert await lock.nothing_more() == []
    for message in in_flight:
        lock.send(bytes([PUBACK, 2]) + message.packet_id.to_bytes(2, "big"))
    rest = [await lock.message() for _ in range(10)]
    assert [m.payload for m in (*in_flight, *rest)] == [b"%d" % n for n in range(30)]


async def test_a_sleeping_lock_gets_its_commands_in_order_when_it_wakes(bench: Bench) -> None:
    lock = await bench.enter("lock-1", clean=False)
    await lock.subscribe(COMMAND)
    await lock.leave()
    core = await bench.enter("core")
    for number in range(50):
        await core.publish(COMMAND, b"%d" % number)
    connection = await probe(bench.broker.port)
    assert await connection.hello(replace(bench.hello("lock-1"), clean=False)) == (0, True)
    got = [await connection.message() for _ in range(50)]
    assert [m.payload for m in got] == [b"%d" % n for n in range(50)]


# --- row 7: QoS and the retain flag mean what MQTT says


@pytest.mark.parametrize(("sent", "granted", "delivered"), [(0, 1, 0), (1, 0, 0), (1, 1, 1)])
async def test_delivery_has_the_lower_of_both_qos(
    bench: Bench, sent: int, granted: int, delivered: int
) -> None:
    core = await bench.enter("core")
    assert await core.subscribe(EVENT, granted) == granted
    lock = await bench.enter("lock-1")
    await lock.publish(EVENT, b"x", qos=sent)
    assert (await core.message()).qos == delivered


async def test_subscribing_again_replaces_the_granted_qos(bench: Bench) -> None:
    core = await bench.enter("core")
    await core.subscribe(EVENT, 1)
    await core.subscribe(EVENT, 0)
    lock = await bench.enter("lock-1")
    await lock.publish(EVENT, b"x", qos=1)
    assert [m.qos for m in await _until_seen(core, lock)] == [0]


async def test_a_queued_message_does_not_claim_to_be_retained(bench: Bench) -> None:
    core = await bench.enter("core", clean=False)
    await core.subscribe("np/+/up/#")
    await core.leave()
    lock = await bench.enter("lock-1")
    await lock.publish("np/lock-1/up/state", b"locked", retain=True)
    core = await bench.enter("core", clean=False)
    assert not (await core.message()).retain


async def test_a_qos_2_subscription_is_granted_qos_1_by_the_embedded_broker(
    embedded: Bench,
) -> None:
    core = await embedded.enter("core")
    assert await core.subscribe(EVENT, 2) == 1
    lock = await embedded.enter("lock-1")
    await lock.publish(EVENT, b"x", qos=2)
    assert (await core.message()).qos == 1


async def test_a_qos_2_publication_sent_twice_under_one_number_is_delivered_once(
    bench: Bench,
) -> None:
    core = await bench.enter("core")
    await core.subscribe(EVENT, 1)
    lock = await bench.enter("lock-1")
    twice = Publish(topic=EVENT, payload=b"x", qos=2, packet_id=9)
    lock.send(encode_publish(twice) + encode_publish(replace(twice, duplicate=True)))
    await lock.answer(0x50)
    await lock.answer(0x50)
    lock.send(bytes([0x62, 2, 0, 9]))
    await lock.answer(0x70)
    assert len(await _until_seen(core, lock)) == 1


async def test_a_qos_2_publication_is_finished_after_a_lost_line(bench: Bench) -> None:
    core = await bench.enter("core")
    await core.subscribe(EVENT, 1)
    lock = await bench.enter("lock-1", clean=False)
    lock.send(encode_publish(Publish(topic=EVENT, payload=b"x", qos=2, packet_id=9)))
    await lock.answer(0x50)
    await lock.vanish()
    lock = await bench.enter("lock-1", clean=False)
    for _ in range(2):
        lock.send(bytes([0x62, 2, 0, 9]))
        await lock.answer(0x70)
    assert len(await _until_seen(core, lock)) == 1


# --- row 8: sessions begin and end as they were asked to


async def test_a_clean_session_leaves_nothing_to_resume(bench: Bench) -> None:
    lock = await bench.enter("lock-1", clean=True)
    await lock.subscribe(COMMAND)
    await lock.leave()
    core = await bench.enter("core")
    await core.publish(COMMAND, b"to nobody")
    connection = await probe(bench.broker.port)
    assert await connection.hello(replace(bench.hello("lock-1"), clean=False)) == (0, False)
    await core.publish(COMMAND, b"to nobody either")
    assert await connection.nothing_more() == []


@pytest.mark.parametrize("clean", [True, False], ids=["clean", "persistent"])
async def test_a_second_connection_of_one_name_ends_the_first(bench: Bench, *, clean: bool) -> None:
    first = await bench.enter("lock-1", clean=clean)
    second = await bench.enter("lock-1", clean=clean)
    assert await first.gone()
    assert await second.subscribe(COMMAND) == 1
    core = await bench.enter("core")
    await core.publish(COMMAND, b"x")
    assert (await second.message()).payload == b"x"


# --- row 9: a client that does not read costs only itself


async def test_a_stalled_subscriber_is_cut_and_the_others_are_served(embedded: Bench) -> None:
    stalled = await embedded.enter("ha")
    await stalled.subscribe("np/+/up/#", 0)
    stalled.writer.transport.pause_reading()  # type: ignore[attr-defined]
    core = await embedded.enter("core")
    await core.subscribe(EVENT, 0)
    lock = await embedded.enter("lock-1")
    tracemalloc.start()
    # 32 MiB: far beyond what the kernel's socket buffers and the limit take together.
    for _ in range(256):
        await lock.publish(EVENT, bytes(131_072), qos=0)
        assert len((await core.message()).payload) == 131_072
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # One mebibyte of unread output, and the few packets that are on their way.
    assert peak < 4 * LIMITS.write_buffer_bytes_max
    stalled.writer.transport.resume_reading()  # type: ignore[attr-defined]
    assert await stalled.gone()


async def test_what_waits_for_a_client_that_never_acknowledges_is_bounded(bench: Bench) -> None:
    deaf = await bench.enter("lock-1", clean=False)
    await deaf.subscribe(COMMAND)
    await deaf.leave()
    core = await bench.enter("core")
    # 4 MiB are queued at most: of 100 x 128 KiB the first 32 fit.
    for _ in range(100):
        await core.publish(COMMAND, bytes(131_072))
    deaf = await bench.enter("lock-1", clean=False)
    came = 0
    while (await deaf.message()).payload != b"end":
        came += 1
        if came == 1:
            await core.publish(COMMAND, b"end")
    assert 20 <= came <= 60


# --- rows 10 and 11: proof


async def test_two_hundred_devices_log_in_at_once(tmp_path: Path) -> None:
    house = small_house()
    for number in range(200):
        house.admit(f"many-{number}", credentials.BusRole.DEVICE)
    settings = BrokerSettings()
    async with running("embedded", settings, house.identities, tmp_path) as broker:
        bench = Bench(broker, house, "embedded")
        together = [bench.enter(f"many-{number}") for number in range(200)]
        everybody = await asyncio.gather(*together)
        assert all([await each.nothing_more() == [] for each in everybody])


@pytest.mark.parametrize(
    ("username", "password"),
    [
        (None, None),
        ("lock-1", None),
        ("lock-1", ""),
        ("lock-1", "wrong"),
        ("", ""),
        ("nobody", "x"),
    ],
    ids=["anonymous", "no password", "empty", "wrong", "no name", "unknown"],
)
async def test_nobody_enters_without_proof(
    bench: Bench, username: str | None, password: str | None
) -> None:
    nobody = await probe(bench.broker.port)
    hello = Hello(client_id="lock-1", username=username, password=password)
    assert (await nobody.hello(hello))[0] in {4, 5}


async def test_a_revoked_name_is_cut_at_once_and_stays_out(bench: Bench) -> None:
    lock = await bench.enter("lock-1", clean=False)
    await bench.broker.adopt(credentials.revoke(bench.house.identities, "lock-1"))
    assert await lock.gone()
    again = await probe(bench.broker.port)
    assert (await again.hello(bench.hello("lock-1")))[0] == 5
    other = await bench.enter("lock-2")
    assert await other.nothing_more() == []


# --- rows 12 and 13: permissions


async def test_a_device_speaks_and_hears_only_in_its_own_name(bench: Bench) -> None:
    core = await bench.enter("core")
    await core.subscribe("np/#")
    lock = await bench.enter("lock-1")
    for topic in ("np/lock-2/up/event", "np/lock-1/down/command", "homeassistant/x", "other"):
        await lock.publish(topic, b"forged")
    await lock.publish(EVENT, b"true")
    seen = await _until_seen(core, lock)
    assert [m.payload for m in seen] == [b"true"]
    for topic_filter in ("#", "np/#", "np/+/down/#", "np/lock-2/down/#", "np/lock-1/up/#"):
        await lock.subscribe(topic_filter)
    await core.publish("np/lock-2/down/command", b"not yours")
    assert await lock.nothing_more() == []


async def test_a_bridge_speaks_for_its_devices_and_no_other(bench: Bench) -> None:
    core = await bench.enter("core")
    await core.subscribe("np/+/up/#")
    driver = await bench.enter("driver-ble0")
    await driver.subscribe("np/lock-7/down/#")
    await driver.publish("np/lock-1/up/event", b"forged")
    await driver.publish("np/lock-7/up/event", b"true")
    assert [m.payload for m in await _until_seen(core, driver)] == [b"true"]
    await core.publish("np/lock-7/down/command", b"for seven")
    assert (await driver.message()).payload == b"for seven"


async def test_a_bridge_hears_and_says_what_it_was_given_of_others_and_no_more(
    bench: Bench,
) -> None:
    driver, gateway = await bench.enter("driver-mqtt0"), await bench.enter("z2m")
    await gateway.subscribe("zigbee2mqtt/#")
    for topic in ("esphome/room9/x", "zigbee2mqttx/a", "homeassistant/lock/np_x/config", "other"):
        await driver.publish(topic, b"forged")
    await driver.publish("zigbee2mqtt/Door 9/set", b"for the door")
    assert (await gateway.message()).payload == b"for the door"
    await driver.subscribe("zigbee2mqtt/+")
    await driver.subscribe("np/plug-9/down/#")
    await gateway.publish("np/plug-9/up/state", b"forged")
    await gateway.publish("np/plug-9/down/command", b"forged")
    await gateway.publish("homeassistant/lock/np_x/config", b"forged")
    await gateway.publish("zigbee2mqtt/Door 9", b"true")
    assert (await driver.message()).payload == b"true"


async def test_who_announces_things_announces_below_its_own_node_only(bench: Bench) -> None:
    driver, esp = await bench.enter("driver-mqtt0"), await bench.enter("esp-9")
    await driver.subscribe("homeassistant/#")
    await esp.publish("homeassistant/sensor/room8/config", b"forged")
    await esp.publish("homeassistant/sensor/room9/config", b"true")
    assert (await driver.message()).payload == b"true"


async def test_a_reader_sees_states_and_no_commands(bench: Bench) -> None:
    reader = await bench.enter("ha")
    await reader.subscribe("np/+/up/#")
    await reader.subscribe("np/+/down/#")
    await reader.subscribe("homeassistant/#")
    core = await bench.enter("core")
    await core.publish(COMMAND, b"secret")
    await core.publish("homeassistant/lock/x/config", b"config")
    await reader.publish(COMMAND, b"forged")
    assert [m.payload for m in await _until_seen(reader, core)] == [b"config"]


async def test_permissions_still_hold_for_a_resumed_session(bench: Bench) -> None:
    core = await bench.enter("core")
    await core.subscribe("np/#")
    lock = await bench.enter("lock-1", clean=False)
    await lock.subscribe(COMMAND)
    await lock.vanish()
    lock = await bench.enter("lock-1", clean=False)
    await lock.publish("np/lock-2/up/event", b"forged")
    await lock.publish(EVENT, b"true")
    assert [m.payload for m in await _until_seen(core, lock)] == [b"true"]
    await core.publish(COMMAND, b"yours")
    assert (await lock.message()).payload == b"yours"


# --- MQTT 3.1.1 for other vendors' clients


async def test_mqtt_5_is_answered_with_code_1_by_the_embedded_broker(embedded: Bench) -> None:
    modern = await probe(embedded.broker.port)
    code, _ = await modern.hello(replace(embedded.hello("lock-1"), level=5))
    assert code == 1
    assert await modern.gone()


@pytest.mark.parametrize(
    "packet",
    [
        frame(0x36, b"\0\1x\0\1"),
        frame(0x80, b"\0\1\0\1x\0"),
        frame(0x82, b"\0\0\0\1x\0"),
        frame(0x82, b"\0\1"),
        frame(0x82, b"\0\1\0\1x\3"),
        frame(0x30, b"\0\3a+b"),
        frame(0x30, b"\0\2\xc3\x28"),
        frame(0x30, b"\0\x09x"),
        frame(0x00, b""),
        frame(0xF0, b""),
        frame(0x20, b"\0\0"),
        b"\x30\xff\xff\xff\xff\x7f",
        Hello(client_id="lock-1").encode(),
    ],
    ids=[
        "qos 3", "subscribe flags", "packet id 0", "no filter", "subscribe qos 3", "wildcard topic",
        "not utf-8", "cut short", "type 0", "type 15", "a connack", "endless length",
        "second connect",
    ],
)  # fmt: skip
async def test_a_packet_that_breaks_the_protocol_ends_only_its_own_connection(
    bench: Bench, packet: bytes
) -> None:
    core = await bench.enter("core")
    lock = await bench.enter("lock-1")
    lock.send(packet)
    assert await lock.gone()
    assert await core.nothing_more() == []


async def test_anything_before_connect_is_cut(bench: Bench) -> None:
    hasty = await probe(bench.broker.port)
    hasty.send(encode_publish(Publish(topic=EVENT, payload=b"x")))
    assert await hasty.gone()


async def test_unsubscribing_stops_the_messages(bench: Bench) -> None:
    core = await bench.enter("core")
    await core.subscribe(EVENT)
    await core.unsubscribe(EVENT)
    lock = await bench.enter("lock-1")
    await lock.publish(EVENT, b"x")
    assert await core.nothing_more() == []


async def test_a_hash_takes_in_its_parent_and_a_plus_one_level(bench: Bench) -> None:
    core = await bench.enter("core")
    await core.subscribe("np/+/up/state/#", 1)
    lock = await bench.enter("lock-1")
    for topic in ("np/lock-1/up/state", "np/lock-1/up/state/a/b", "np/lock-1/up/event"):
        await lock.publish(topic, topic.encode())
    assert [m.payload for m in await _until_seen(core, lock)] == [
        b"np/lock-1/up/state",
        b"np/lock-1/up/state/a/b",
    ]


async def test_messages_of_one_publisher_arrive_in_order(bench: Bench) -> None:
    core = await bench.enter("core")
    await core.subscribe("np/+/up/#")
    lock = await bench.enter("lock-1")
    for number in range(200):
        await lock.publish(EVENT, b"%d" % number)
    assert [(await core.message()).payload for _ in range(200)] == [b"%d" % n for n in range(200)]


# --- certificates


async def _tls(folder: Path, name: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
    return context


@pytest.mark.parametrize("kind", KINDS)
async def test_a_certificate_is_the_identity_until_it_is_revoked(kind: str, tmp_path: Path) -> None:
    pki = new_pki(tmp_path)
    issued = pki.device("lock-1")
    pki.device("lock-2")
    house = small_house()
    settings = BrokerSettings(tls=pki.listener(), limits=LIMITS)
    async with running(kind, settings, house.identities, tmp_path) as broker:
        core = await Bench(broker, house, kind).enter("core")
        await core.subscribe("np/+/up/#")
        lock = await probe(broker.tls_port, await _tls(tmp_path, "lock-1"))
        assert (await lock.hello(Hello(client_id="lock-1")))[0] == 0
        await lock.publish("np/lock-2/up/event", b"forged")
        await lock.publish(EVENT, b"true")
        assert [m.payload for m in await _until_seen(core, lock)] == [b"true"]
        await lock.leave()

        pki.revoke(issued.serial)
        await broker.adopt(credentials.revoke(house.identities, "lock-1"))
        assert await _refused(broker.tls_port, await _tls(tmp_path, "lock-1"), "lock-1", core)
        other = await probe(broker.tls_port, await _tls(tmp_path, "lock-2"))
        assert (await other.hello(Hello(client_id="lock-2")))[0] == 0
        await other.leave()


async def test_a_revoked_certificate_alone_cuts_the_live_connection(tmp_path: Path) -> None:
    pki = new_pki(tmp_path)
    issued = pki.device("lock-1")
    house = small_house()
    settings = BrokerSettings(tls=pki.listener(), limits=LIMITS)
    async with running("embedded", settings, house.identities, tmp_path) as broker:
        lock = await probe(broker.tls_port, await _tls(tmp_path, "lock-1"))
        assert (await lock.hello(Hello(client_id="lock-1")))[0] == 0
        pki.revoke(issued.serial)
        await broker.adopt(house.identities)
        assert await lock.gone()
        again = await probe(broker.tls_port, await _tls(tmp_path, "lock-1"))
        assert (await again.hello(Hello(client_id="lock-1")))[0] == 5


@pytest.mark.parametrize("kind", KINDS)
async def test_a_certificate_of_another_property_opens_nothing(kind: str, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    pki, foreign = new_pki(ours), new_pki(theirs)
    foreign.device("lock-1")
    house = small_house()
    settings = BrokerSettings(tls=pki.listener(), limits=LIMITS)
    async with running(kind, settings, house.identities, tmp_path) as broker:
        core = await Bench(broker, house, kind).enter("core")
        context = await _tls(theirs, "lock-1")
        context.load_verify_locations(ours / "ca.crt")
        assert await _refused(broker.tls_port, context, "lock-1", core)
        bare = ssl.create_default_context(cafile=str(ours / "ca.crt"))
        assert await _refused(broker.tls_port, bare, "lock-1", core)


async def _refused(port: int, context: ssl.SSLContext, name: str, core: Probe) -> bool:
    """Whether such a client is turned away, or can at least say nothing to anybody."""
    try:
        connection = await probe(port, context)
        code, _ = await connection.hello(Hello(client_id=name))
    except (ssl.SSLError, OSError, asyncio.IncompleteReadError):
        return True
    if code:
        return True
    await connection.publish(f"np/{name}/up/event", b"revoked")
    return await core.nothing_more() == []


async def _until_seen(receiver: Probe, sender: Probe) -> list[Publish]:
    """Everything the receiver has been given once the broker has dealt with the sender's last."""
    await sender.nothing_more()
    return await receiver.nothing_more()
