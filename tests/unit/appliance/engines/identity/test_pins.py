"""Promises of PINs: what is allowed, the same hash twice, and no loop held up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.engines.identity import pins
from appliance.engines.identity.pins import BadPinError, PinChecks, hash_pin
from appliance.kernel.vault import MasterKeys, Vault, open_vault

GOOD = "7305"


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    vault = open_vault(tmp_path / "keys.db", MasterKeys(current=bytes(32)))
    yield vault
    vault.close()


def test_asking_twice_hashes_the_same(vault: Vault) -> None:
    first = hash_pin(GOOD, vault, actor="staff:ida", command_id="one")
    assert hash_pin(GOOD, vault, actor="staff:ida", command_id="one") == first
    assert hash_pin(GOOD, vault, actor="staff:ida", command_id="two") != first
    assert hash_pin(GOOD, vault, actor="staff:idao", command_id="ne") != first


def test_a_hash_names_its_cost_and_not_the_pin(vault: Vault) -> None:
    hashed = hash_pin("73059264", vault, actor="staff:ida", command_id="one")
    assert hashed.startswith("$argon2id$v=19$m=19456,t=3,p=1$")
    assert "73059264" not in hashed


def test_the_hash_is_worthless_without_the_box(vault: Vault, tmp_path: Path) -> None:
    hashed = hash_pin(GOOD, vault, actor="staff:ida", command_id="one")
    other = open_vault(tmp_path / "other.db", MasterKeys(current=bytes(32)))
    assert pins.matches(GOOD, hashed, vault)
    assert not pins.matches(GOOD, hashed, other)
    other.close()


@pytest.mark.parametrize(
    "pin",
    ["", "123", "123456789", "12a4", "١٢٣٤", " 7305", "7305\n", "-730"],
)
def test_what_is_no_pin_is_refused(pin: str) -> None:
    with pytest.raises(BadPinError, match="4 to 8 digits"):
        pins.check(pin)


@pytest.mark.parametrize(
    "pin",
    ["0000", "1234", "4321", "8901", "1212", "73737373", "7373", "123123", "2580", "99999999"],
)
def test_a_pin_that_guessers_try_first_is_refused(pin: str) -> None:
    with pytest.raises(BadPinError, match="guesser"):
        pins.check(pin)


@given(st.text(max_size=12))
def test_a_refusal_never_quotes_the_pin(pin: str) -> None:
    try:
        pins.check(pin)
    except BadPinError as error:
        assert len(pin) < 4 or pin not in str(error)  # noqa: PT017 - most texts are no PINs


async def test_only_the_right_pin_of_somebody_matches(vault: Vault) -> None:
    checks = PinChecks(vault)
    hashed = hash_pin(GOOD, vault, actor="staff:ida", command_id="one")
    assert await checks.matches(GOOD, hashed)
    assert not await checks.matches("7306", hashed)
    assert not await checks.matches("7" * 10_000, hashed)
    assert not await checks.matches(GOOD, "no hash at all")
    assert not await checks.matches(GOOD, None)
