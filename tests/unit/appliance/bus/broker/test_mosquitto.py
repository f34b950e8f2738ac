"""mosquitto's files say what our own settings and permissions say."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.bus.broker.mosquitto import (
    Housing,
    acl,
    configuration,
    passwords,
    write_configuration,
)
from appliance.bus.broker.packets import matches
from appliance.bus.broker.permissions import Action, may
from appliance.bus.broker.settings import Address, BrokerSettings, TlsListener
from appliance.bus.credentials import Credentials, revoke
from support.brokers import small_house

HOUSING = Housing(folder=Path("/etc/nightporter/bus"), state=Path("/var/lib/nightporter/bus"))
TOPICS = [
    "np/lock-1/up/event",
    "np/lock-1/down/command",
    "np/lock-2/up/event",
    "np/lock-7/up/state",
    "np/lock-7/down/command",
    "np/driver-ble0/up/online",
    "homeassistant/status",
    "homeassistant/lock/x/config",
    "np/ha/up/x",
    "other",
    "np/lock-11/up/event",
    "np/plug-9/up/state",
    "zigbee2mqtt/Door 9/set",
    "zigbee2mqtt",
    "zigbee2mqttx/a",
    "esphome/room9/light/state",
    "esphome/room8/light/state",
    "homeassistant/sensor/room9/config",
    "homeassistant/sensor/room8/config",
]


def _allowed(file: str, name: str, action: Action, topic: str) -> bool:
    """An independent reading of an ACL file, as mosquitto's manual describes it."""
    speaker = None
    for line in file.splitlines():
        words = line.split()
        if words[:1] == ["user"]:
            speaker = words[1]
        elif words[:1] == ["topic"] and speaker == name and matches(words[2], topic):
            way = "write" if action is Action.PUBLISH else "read"
            if words[1] in {way, "readwrite"}:
                return True
    return False


@pytest.mark.parametrize("name", small_house().identities.identities)
def test_the_acl_file_and_our_permissions_agree_on_every_topic(name: str) -> None:
    identities = small_house().identities
    file = acl(identities)
    for topic in TOPICS:
        for action in (Action.PUBLISH, Action.RECEIVE):
            ours = may(identities.identities[name], action, topic)
            assert _allowed(file, name, action, topic) is ours, (name, action, topic)


def test_a_revoked_name_is_in_neither_file() -> None:
    identities = revoke(small_house().identities, "lock-1")
    assert "lock-1" not in acl(identities).replace("lock-11", "").split()
    assert "lock-1:" not in passwords(identities)
    assert "lock-2:" in passwords(identities)


def test_no_listener_lets_anybody_in_unproven_and_nagle_is_off() -> None:
    tls = TlsListener(
        address=Address(host="0.0.0.0", port=8883),  # noqa: S104 - devices come from outside
        authority=Path("ca.crt"),
        certificate=Path("broker.crt"),
        key=Path("broker.key"),
        revocations=Path("ca.crl"),
    )
    settings = BrokerSettings(plain=Address(port=1883), tls=tls, unix_path=Path("/run/x.sock"))
    lines = configuration(settings, HOUSING).splitlines()
    assert "set_tcp_nodelay true" in lines
    assert "allow_anonymous true" not in lines
    listeners = [at for at, line in enumerate(lines) if line.startswith("listener ")]
    for begin, end in zip(listeners, [*listeners[1:], len(lines)], strict=True):
        block = lines[begin:end]
        assert "allow_anonymous false" in block
        assert "use_username_as_clientid true" in block
        assert any(line.startswith(("password_file", "require_certificate true")) for line in block)


def test_queue_limits_are_numbers_and_snapshots_are_by_time() -> None:
    text = configuration(BrokerSettings(), HOUSING)
    assert "max_queued_messages 2000" in text
    assert "autosave_on_changes false" in text
    assert "persistence false" in configuration(
        BrokerSettings(), Housing(folder=Path("/x"), state=None)
    )


def test_all_files_are_private(tmp_path: Path) -> None:
    written = write_configuration(
        BrokerSettings(), Credentials(), Housing(folder=tmp_path, state=None)
    )
    assert written.name == "mosquitto.conf"
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
