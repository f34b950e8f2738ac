"""Promises of tokens and links."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.engines.identity import tokens
from appliance.engines.identity.tokens import Tokens
from appliance.kernel.messages import Role
from appliance.kernel.secrets import token_secret
from appliance.kernel.vault import MasterKeys, Vault, open_vault
from appliance.kernel.virtual_clock import VirtualClock
from support.desk import FRIDAY_18_MS


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    vault = open_vault(tmp_path / "keys.db", MasterKeys(current=bytes(32)))
    yield vault
    vault.close()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(FRIDAY_18_MS)


def access(made: Tokens) -> str:
    return made.access(
        actor="staff:ida",
        roles=(Role.FRONT_DESK, Role.CONCIERGE),
        terminal="desk-1",
        shift="shift_1",
        session_hash="abc",
    )[0]


async def test_an_access_token_says_who_and_where_for_fifteen_minutes(
    vault: Vault, clock: VirtualClock
) -> None:
    made = Tokens(vault, clock)
    token = access(made)
    read = made.read_access(token)
    assert read is not None
    assert (read.actor, read.terminal, read.shift) == ("staff:ida", "desk-1", "shift_1")
    assert read.roles == (Role.FRONT_DESK, Role.CONCIERGE)
    await clock.advance(15 * 60)
    assert made.read_access(token) is None


def test_nobody_else_signs_access_tokens(vault: Vault, clock: VirtualClock) -> None:
    made = Tokens(vault, clock)
    claims = jwt.decode(access(made), options={"verify_signature": False})
    forged = jwt.encode(claims, b"another secret of thirty-two byte", algorithm="HS256")
    unsigned = jwt.encode(claims, "", algorithm="none")
    assert made.read_access(forged) is None
    assert made.read_access(unsigned) is None
    del claims["roles"]
    assert made.read_access(jwt.encode(claims, token_secret(vault), algorithm="HS256")) is None


@pytest.mark.parametrize("text", ["", "a.b.c", "ä" * 20, "x" * 100_000, "..", "\x00"])
def test_any_other_text_is_no_token_and_no_link(
    vault: Vault, clock: VirtualClock, text: str
) -> None:
    made = Tokens(vault, clock)
    assert made.read_access(text) is None
    assert made.read_link(text) is None


@given(text=st.text(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_breaks_the_reading(vault: Vault, text: str) -> None:
    made = Tokens(vault, VirtualClock(FRIDAY_18_MS))
    assert made.read_access(text) is None
    assert made.read_link(text) is None
    assert made.read_link(f"stay_1.9999999999.aa.{text}") is None


async def test_a_link_is_bound_to_its_stay_and_good_for_a_day(
    vault: Vault, clock: VirtualClock
) -> None:
    made = Tokens(vault, clock)
    link = made.link("stay_1")
    read = made.read_link(link)
    assert read is not None
    assert read.stay_id == "stay_1"
    assert made.read_link(link.replace("stay_1", "stay_2")) is None
    assert made.link("stay_1") != link
    await clock.advance(24 * 3_600)
    assert made.read_link(link) is None


def test_whoever_lost_the_answer_gets_the_same_successor(vault: Vault) -> None:
    token = tokens.new_token()
    assert len(base64.urlsafe_b64decode(token + "=")) == 32
    assert tokens.successor(token, vault) == tokens.successor(token, vault)
    assert tokens.successor(token, vault) not in {token, tokens.hash_of(token)}
