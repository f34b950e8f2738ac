"""The box's own secrets: the master key on disk, and the keys that sign for the box."""

from __future__ import annotations

import base64
import binascii
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from appliance.kernel.durable import write_whole
from appliance.kernel.keysdb import KEY_BYTES, MasterKeys, VaultError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.kernel.vault import Vault

CREDENTIAL = "nightporter-master"
_FIRST_LINE = "nightporter master key 1"
# Two keys in base64 and the first line; anything longer is another file.
MASTER_FILE_BYTES_MAX = 512


def load_masters(path: Path, environment: Mapping[str, str]) -> MasterKeys:
    """Read the master key: from the systemd credential when there is one, else from this file.

    Raises VaultError, with the cure, when it is missing, readable by others or not a key.
    """
    if folder := environment.get("CREDENTIALS_DIRECTORY"):
        credential = Path(folder) / CREDENTIAL
        if credential.exists():
            return _parse(credential, credential.read_bytes())
    try:
        return _parse(path, read_private(path))
    except FileNotFoundError:
        msg = (
            f"there is no master key at {path}. `nightporter init` makes one; on a restored box, "
            "put back the key file kept with the backup."
        )
        raise VaultError(msg) from None


def read_private(path: Path) -> bytes:
    """Read a file only its owner may read; refuses any other mode with the line that cures it.

    The same rule holds for every secret named in the settings (PMS tokens, payment keys).
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        if mode & 0o077:
            msg = f"{path} may be read by others (mode {mode:04o}): run `chmod 600 {path}`."
            raise VaultError(msg)
        return file.read()


def read_secret(path: Path, environment: Mapping[str, str]) -> bytes:
    """Read a secret the settings point at: a 0600 file, or one that systemd handed over.

    White space around it is dropped. Raises VaultError, with the cure, when it cannot be used.
    """
    folder = environment.get("CREDENTIALS_DIRECTORY")
    try:
        # systemd guards its folder with an access list, which shows as a group's right to read.
        handed_over = folder is not None and path.parent == Path(folder)
        content = path.read_bytes() if handed_over else read_private(path)
    except OSError as error:
        msg = f"the secret {path} cannot be read ({error.strerror}): write it there with mode 0600."
        raise VaultError(msg) from None
    if not content.strip():
        msg = f"the secret {path} is empty: write it there with mode 0600."
        raise VaultError(msg)
    return content.strip()


def make_master(path: Path) -> MasterKeys:
    """Make the box's master key, once; refuses to replace one."""
    if path.exists():
        msg = f"{path} already holds a master key: without it keys.db is lost, so it is kept."
        raise VaultError(msg)
    masters = MasterKeys(current=os.urandom(KEY_BYTES))
    write_whole(path, _render(masters))
    return masters


def change_master(vault: Vault, path: Path) -> None:
    """Give the box a new master key. A cut at any instant leaves a box that opens.

    First both keys are on disk, then keys.db is wrapped again, then the old key goes; whichever
    step the power takes, `open_vault` finds a key that fits, and `settle_master` ends the change.
    """
    if not path.exists():
        msg = (
            f"there is no master key file at {path}: this box gets its key from systemd. Make a "
            f"credential {CREDENTIAL} of three lines (its first line, a new key, the present key), "
            "restart the box, then take the last line away."
        )
        raise VaultError(msg)
    old = load_masters(path, {})
    if old.previous is not None:
        vault.rotate(old.current)
    fresh = MasterKeys(current=os.urandom(KEY_BYTES), previous=old.current)
    write_whole(path, _render(fresh))
    vault.rotate(fresh.current)
    settle_master(path)


def settle_master(path: Path) -> None:
    """Drop the previous key from the file. Call it after `open_vault` succeeded, at every start."""
    if not path.exists():  # the key is a systemd credential: whoever wrote it ends the change
        return
    masters = load_masters(path, {})
    if masters.previous is not None:
        write_whole(path, _render(MasterKeys(current=masters.current)))


def issuer_key(vault: Vault) -> ec.EllipticCurvePrivateKey:
    """Give the P-256 key that signs door credentials; made on first use, kept in keys.db."""
    key = load_der_private_key(vault.secret("door issuer", _new_issuer), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey), "the issuer key is P-256"
    return key


def token_secret(vault: Vault) -> bytes:
    """Give the 32 bytes that sign access tokens; made on first use, kept in keys.db."""
    return vault.secret("access tokens", lambda: os.urandom(KEY_BYTES))


def _new_issuer() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _render(masters: MasterKeys) -> bytes:
    keys = [masters.current] + ([masters.previous] if masters.previous else [])
    lines = [_FIRST_LINE, *(base64.b64encode(key).decode() for key in keys)]
    return "".join(f"{line}\n" for line in lines).encode()


def _parse(path: Path, content: bytes) -> MasterKeys:
    lines = content[:MASTER_FILE_BYTES_MAX].decode("ascii", "replace").split("\n")
    try:
        keys = [base64.b64decode(line, validate=True) for line in lines[1:] if line]
    except binascii.Error:
        keys = []
    if lines[0] != _FIRST_LINE or len(keys) not in {1, 2}:
        msg = f"{path} is not a master key file: put back the one kept with the backup."
        raise VaultError(msg)
    return MasterKeys(current=keys[0], previous=keys[1] if len(keys) > 1 else None)
