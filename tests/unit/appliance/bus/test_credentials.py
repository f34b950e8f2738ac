"""The credentials file: strict to read, whole to write, and no secret in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from appliance.bus.credentials import (
    BusRole,
    Credentials,
    CredentialsError,
    add,
    load,
    parse,
    revoke,
    write,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_a_token_proves_its_own_name_only() -> None:
    known, token = add(Credentials(), "lock-1", BusRole.DEVICE)
    known, other = add(known, "lock-2", BusRole.DEVICE)
    found = known.by_token("lock-1", token.encode())
    assert found is not None
    assert found.role is BusRole.DEVICE
    for name, proof in (
        ("lock-1", other.encode()),
        ("lock-1", b""),
        ("lock-1", None),
        (None, None),
        ("nobody", token.encode()),
    ):
        assert known.by_token(name, proof) is None


def test_a_revoked_name_is_proven_by_nothing_until_it_is_given_a_new_token() -> None:
    known, token = add(Credentials(), "lock-1", BusRole.DEVICE)
    shut = revoke(known, "lock-1")
    assert shut.by_token("lock-1", token.encode()) is None
    again, fresh = add(shut, "lock-1", BusRole.DEVICE)
    assert again.by_token("lock-1", token.encode()) is None
    assert again.by_token("lock-1", fresh.encode()) is not None


def test_the_file_comes_back_as_it_was_and_holds_no_token(tmp_path: Path) -> None:
    path = tmp_path / "bus-credentials.json"
    known, token = add(
        Credentials(), "driver@ble0", BusRole.BRIDGE, devices=("lock-7",), also=("z2m",)
    )
    write(path, known)
    assert load(path) == known
    assert path.stat().st_mode & 0o777 == 0o600
    assert token not in path.read_text()
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"identities": {"a/b": {"role": "device"}}}',
        b'{"identities": {"+": {"role": "device"}}}',
        b'{"identities": {"a": {"role": "king"}}}',
        b'{"identities": {"a": {"role": "device", "token": "x"}}}',
        b'{"identities": {"a": {"role": "device", "token_sha256": "00"}}}',
        b'{"identities": {"a": {"role": "bridge", "devices": ["#"]}}}',
    ],
)
def test_a_damaged_file_is_refused_with_a_cure(data: bytes) -> None:
    with pytest.raises(CredentialsError, match=r"\. (Restore|Use|Issue)"):
        parse(data)


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bus-credentials.json"
    write(path, Credentials())
    path.chmod(0o644)
    with pytest.raises(CredentialsError, match="chmod 600"):
        load(path)


def test_a_missing_file_is_said_with_its_cure(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match="nightporter init"):
        load(tmp_path / "none.json")


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "#",
        "zigbee2mqtt/#",
        "+/room9",
        "$SYS",
        "np",
        "np/lock-1/down",
        "two words",
        "a/",
        "/".join("a" * 9),
        "homeassistant/lock",
        "homeassistant/lock/np_lock-1",
    ],
)
def test_topics_of_ours_or_of_everybody_are_given_to_no_bridge(prefix: str) -> None:
    with pytest.raises(CredentialsError, match=r"\. (Write|Name)"):
        add(Credentials(), "driver-mqtt0", BusRole.BRIDGE, also=(prefix,))


@pytest.mark.parametrize("role", [role for role in BusRole if role is not BusRole.BRIDGE])
def test_other_peoples_topics_are_for_bridges(role: BusRole) -> None:
    with pytest.raises(CredentialsError, match=r"\. Drop"):
        add(Credentials(), "lock-1", role, also=("zigbee2mqtt",))


def test_a_prefix_in_the_file_is_looked_at_as_well() -> None:
    with pytest.raises(CredentialsError, match=r"\. Name"):
        parse(b'{"identities": {"a": {"role": "bridge", "also": ["np/lock-1"]}}}')
