"""The vendor's cipher, written a second time so that two readings of the contract meet."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes


def seal(text: str, working_key: str) -> str:
    """Upper layer: PKCS#7 by hand, AES-128-CBC, hexadecimal."""
    raw = text.encode()
    pad = 16 - len(raw) % 16
    encryptor = _cipher(working_key).encryptor()
    return (encryptor.update(raw + bytes([pad]) * pad) + encryptor.finalize()).hex()


def unseal(text: str, working_key: str) -> str:
    """The other way; raises ValueError for what was not sealed with this key."""
    decryptor = _cipher(working_key).decryptor()
    padded = decryptor.update(bytes.fromhex(text)) + decryptor.finalize()
    pad = padded[-1] if padded else 0
    if not 1 <= pad <= 16 or padded[-pad:] != bytes([pad]) * pad:
        raise ValueError("the padding is wrong")
    return padded[:-pad].decode()


def _cipher(working_key: str) -> Cipher[modes.CBC]:
    key = hashlib.md5(working_key.encode(), usedforsecurity=False).digest()
    return Cipher(algorithms.AES(key), modes.CBC(bytes.fromhex("000102030405060708090a0b0c0d0e0f")))
