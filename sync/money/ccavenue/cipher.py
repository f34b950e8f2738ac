"""CCAvenue's cipher, as its own kits have it (cloud.md 2.3).

AES-128-CBC; the key is the MD5 of the working key, the initial vector is 00 01 .. 0f, the padding
PKCS#7, the text lower-case hexadecimal. There is no authentication: whoever changes the bytes
changes the text, so nothing that is read here is believed by itself.
"""

from __future__ import annotations

import hashlib
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

_IV: Final = bytes(range(16))
# An answer about one order is below 2 KiB; a hundred times that is somebody's joke.
HEX_CHARS_MAX: Final = 400_000


class UnreadableError(Exception):
    """The text was not encrypted with this working key: compare it with the vendor's pages."""


def encrypt(plain: str, working_key: str) -> str:
    """UTF-8 text as lower-case hexadecimal."""
    padder = PKCS7(128).padder()
    padded = padder.update(plain.encode()) + padder.finalize()
    encryptor = _cipher(working_key).encryptor()
    return (encryptor.update(padded) + encryptor.finalize()).hex()


def decrypt(text: str, working_key: str) -> str:
    """The text behind hexadecimal digits; their lines may be broken. Raises UnreadableError."""
    if len(text) > HEX_CHARS_MAX:
        raise UnreadableError("it is longer than any answer about an order")
    try:
        sealed = bytes.fromhex("".join(text.split()))
        decryptor = _cipher(working_key).decryptor()
        padded = decryptor.update(sealed) + decryptor.finalize()
        unpadder = PKCS7(128).unpadder()
        return (unpadder.update(padded) + unpadder.finalize()).decode()
    except ValueError as error:
        raise UnreadableError("it was not encrypted with this working key") from error


def _cipher(working_key: str) -> Cipher[modes.CBC]:
    key = hashlib.md5(working_key.encode(), usedforsecurity=False).digest()
    return Cipher(algorithms.AES(key), modes.CBC(_IV))
