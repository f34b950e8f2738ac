"""Promises of the file keys.db: durable, its owner's, every key bound to its row."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.kernel.keysdb import (
    ERASED,
    KEY_BYTES,
    SCHEMA,
    TamperedError,
    committing,
    connect,
    unwrap,
    wrap,
)

if TYPE_CHECKING:
    from pathlib import Path

MASTER = AESGCM(bytes(KEY_BYTES))


def test_a_wrapped_key_opens_only_in_its_own_row() -> None:
    wrapped = wrap(MASTER, b"k" * KEY_BYTES, b"person:p1")
    assert unwrap(MASTER, wrapped, b"person:p1") == b"k" * KEY_BYTES
    for other in (wrapped[:-1], b"", ERASED):
        with pytest.raises(TamperedError, match="person:p1"):
            unwrap(MASTER, other, b"person:p1")
    with pytest.raises(TamperedError, match="person:p2"):
        unwrap(MASTER, wrapped, b"person:p2")


def test_an_erased_key_is_as_long_as_a_key_so_that_it_is_overwritten_in_place() -> None:
    assert len(wrap(MASTER, b"k" * KEY_BYTES, b"x")) == len(ERASED)


def test_a_block_that_raises_leaves_nothing_behind(tmp_path: Path) -> None:
    with closing(connect(tmp_path / "keys.db")) as connection:
        connection.executescript(SCHEMA)
        connection.execute("BEGIN")
        with pytest.raises(sqlite3.IntegrityError), committing(connection):
            connection.executemany("INSERT INTO forgotten VALUES (?, 1)", [("p1",), ("p1",)])
        assert not connection.in_transaction
        assert connection.execute("SELECT * FROM forgotten").fetchall() == []
