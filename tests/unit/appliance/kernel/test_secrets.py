"""Promises of the box's own secrets: private files, sentences that cure, a safe change of key."""

from __future__ import annotations

import base64
import os
import sys
import warnings
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.kernel import secrets, vault
from appliance.kernel.secrets import (
    CREDENTIAL,
    change_master,
    issuer_key,
    load_masters,
    make_master,
    read_private,
    read_secret,
    settle_master,
    token_secret,
)
from appliance.kernel.vault import Vault, VaultError, open_vault

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType
    from typing import Any

AAD = b"place"


@pytest.fixture
def key_path(tmp_path: Path) -> Path:
    path = tmp_path / "master.key"
    make_master(path)
    return path


def _open(tmp_path: Path, key_path: Path) -> Vault:
    opened = open_vault(tmp_path / "keys.db", load_masters(key_path, {}))
    settle_master(key_path)
    return opened


def test_the_master_key_file_is_made_once_and_private(key_path: Path) -> None:
    assert key_path.stat().st_mode & 0o777 == 0o600
    before = load_masters(key_path, {})
    with pytest.raises(VaultError, match="already holds a master key"):
        make_master(key_path)
    assert load_masters(key_path, {}) == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_secret_others_can_read_is_refused_with_the_cure(key_path: Path, mode: int) -> None:
    key_path.chmod(mode)
    with pytest.raises(VaultError, match=f"chmod 600 {key_path}"):
        load_masters(key_path, {})
    with pytest.raises(VaultError, match="chmod 600"):
        read_private(key_path)


def test_a_missing_or_foreign_key_file_is_answered_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="nightporter init"):
        load_masters(tmp_path / "none", {})
    for content in (
        b"",
        b"hello\n",
        b"nightporter master key 1\n",
        b"nightporter master key 1\n!\n",
    ):
        (tmp_path / "bad").write_bytes(content)
        (tmp_path / "bad").chmod(0o600)
        with pytest.raises(VaultError, match="not a master key file"):
            load_masters(tmp_path / "bad", {})


def test_a_secret_the_settings_point_at_is_read_from_a_private_file_or_from_systemd(
    tmp_path: Path,
) -> None:
    token = tmp_path / "token"
    with pytest.raises(VaultError, match="No such file"):
        read_secret(token, {})
    token.write_bytes(b"tok_1\n")
    token.chmod(0o440)
    with pytest.raises(VaultError, match="chmod 600"):
        read_secret(token, {})
    assert read_secret(token, {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == b"tok_1"
    token.chmod(0o600)
    assert read_secret(token, {}) == b"tok_1"
    token.write_bytes(b"\n")
    with pytest.raises(VaultError, match="is empty"):
        read_secret(token, {})


def test_the_systemd_credential_wins_over_the_file(tmp_path: Path, key_path: Path) -> None:
    folder = tmp_path / "credentials"
    folder.mkdir()
    masters = make_master(folder / CREDENTIAL)
    environment = {"CREDENTIALS_DIRECTORY": str(folder)}
    assert load_masters(key_path, environment) == masters
    (folder / CREDENTIAL).unlink()
    assert load_masters(key_path, environment) == load_masters(key_path, {})


def test_signing_keys_are_made_once_and_survive_a_change_of_master(
    tmp_path: Path, key_path: Path
) -> None:
    with closing(_open(tmp_path, key_path)) as first:
        issuer = issuer_key(first)
        token = token_secret(first)
        change_master(first, key_path)
    assert isinstance(issuer.curve, ec.SECP256R1)
    with closing(_open(tmp_path, key_path)) as second:
        assert issuer_key(second).private_numbers() == issuer.private_numbers()
        assert token_secret(second) == token


def test_after_a_change_the_old_master_is_gone_from_disk(tmp_path: Path, key_path: Path) -> None:
    old = key_path.read_bytes().split(b"\n")[1]
    with closing(_open(tmp_path, key_path)) as opened:
        change_master(opened, key_path)
    assert load_masters(key_path, {}).previous is None
    assert old not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


def test_a_box_with_a_systemd_credential_is_told_how_to_change_it_and_follows(
    tmp_path: Path, key_path: Path
) -> None:
    with closing(_open(tmp_path, key_path)) as opened:
        sealed = opened.seal("p1", "Ortega", AAD)
        opened.commit_new_keys()
        first, present, _ = key_path.read_bytes().split(b"\n")
        key_path.unlink()
        with pytest.raises(VaultError, match="a new key, the present key"):
            change_master(opened, key_path)
    fresh = base64.b64encode(b"n" * 32)
    (tmp_path / CREDENTIAL).write_bytes(b"\n".join([first, fresh, present]))
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    open_vault(tmp_path / "keys.db", load_masters(key_path, environment)).close()
    (tmp_path / CREDENTIAL).write_bytes(b"\n".join([first, fresh]))
    masters = load_masters(key_path, environment)
    with closing(open_vault(tmp_path / "keys.db", masters)) as opened:
        assert opened.open(sealed, AAD) == "Ortega"


def test_a_cut_at_any_line_of_a_change_of_master_leaves_a_box_that_opens(
    tmp_path: Path, key_path: Path
) -> None:
    with closing(_open(tmp_path, key_path)) as opened:
        sealed = opened.seal("p1", "Ortega", AAD)
        opened.commit_new_keys()
        pin = opened.derive("pin", "s1")
    cuts = 0
    masters = {load_masters(key_path, {}).current}
    while _change_and_die(tmp_path, key_path, line=cuts):
        cuts += 1
        with closing(_open(tmp_path, key_path)) as opened:
            assert opened.open(sealed, AAD) == "Ortega"
            assert opened.derive("pin", "s1") == pin
        found = load_masters(key_path, {})
        assert found.previous is None
        masters.add(found.current)
    assert cuts > 40
    assert len(masters) > 10  # some cuts kept the old key, the others finished the change


def _change_and_die(tmp_path: Path, key_path: Path, *, line: int) -> bool:
    """Change the master in a child that dies before its n-th line; False: it reached the end."""
    with warnings.catch_warnings():
        # Idle threads of other tests are no danger to a child that only dies.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        opened = open_vault(tmp_path / "keys.db", load_masters(key_path, {}))
        left = line
        ours = {secrets.__file__, vault.__file__}

        def die(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal left
            if frame.f_code.co_filename not in ours:
                return None
            if event == "line":
                if left == 0:
                    os._exit(9)
                left -= 1
            return die

        sys.settrace(die)
        change_master(opened, key_path)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
