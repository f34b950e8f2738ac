"""PINs of the staff: which are allowed, how they are hashed, and checks that never block the desk."""

from __future__ import annotations

import asyncio
import re
from typing import Final

from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type, hash_secret, verify_secret

from appliance.kernel.vault import Vault

PIN_DIGITS_MIN = 4
PIN_DIGITS_MAX = 8
# RFC 9106 lets memory pay for the rest: 19 MiB, three passes, one lane are some 45 ms on the box's
# class of processor, and two at once stay far below the memory goal of the whole appliance.
MEMORY_KIB = 19_456
PASSES = 3
LANES = 1
HASH_BYTES = 32
SALT_BYTES = 16
# Two checks at a time: a guesser may slow other guessers, never the event loop or the doors.
CHECKS_MAX = 2

_DIGITS = re.compile(rf"[0-9]{{{PIN_DIGITS_MIN},{PIN_DIGITS_MAX}}}")
_CIRCLE: Final = "01234567890123456789"
# The middle column of the key pad is the only shape that the rules below do not catch.
_FAVOURITES: Final = frozenset({"2580", "0852", "1004", "2468", "1379"})


class BadPinError(ValueError):
    """A PIN nobody should have; the text says what a good one is and never quotes the PIN."""


def check(pin: str) -> None:
    """Raise `BadPinError` for a PIN that is no PIN, or that a guesser tries first."""
    if not _DIGITS.fullmatch(pin):
        raise BadPinError(f"a PIN has {PIN_DIGITS_MIN} to {PIN_DIGITS_MAX} digits, nothing else")
    if _is_trivial(pin):
        raise BadPinError("this PIN is among the first a guesser tries: take one without a pattern")


def _is_trivial(pin: str) -> bool:
    half = len(pin) // 2
    repeated = len(set(pin)) == 1 or (len(pin) % 2 == 0 and pin[:half] == pin[half:])
    run = pin in _CIRCLE or pin in _CIRCLE[::-1]
    pairs = len(set(pin)) <= 2 and pin[::2] == pin[0] * len(pin[::2])
    return repeated or run or pairs or pin in _FAVOURITES


def hash_pin(pin: str, vault: Vault, *, actor: str, command_id: str) -> str:
    """The argon2id hash of a PIN, the same whenever the same asker repeats the same command.

    The salt derives from asker and command id, so that asking twice has one body. Four digits are
    no secret to whoever holds their hash: a key of the box is mixed in first. Raises `BadPinError`.
    """
    check(pin)
    place = f"{len(actor)}:{actor}{command_id}".encode()
    salt = vault.keyed_hash(place, "pin salt")[:SALT_BYTES]
    hashed = hash_secret(
        _peppered(pin, vault), salt, PASSES, MEMORY_KIB, LANES, HASH_BYTES, Type.ID
    )
    return hashed.decode()


def matches(pin: str, pin_hash: str, vault: Vault) -> bool:
    """Whether a PIN is the one hashed. Takes some 45 ms of a processor: off the event loop."""
    try:
        return verify_secret(pin_hash.encode(), _peppered(pin, vault), Type.ID)
    except (VerificationError, InvalidHashError):
        return False


def _peppered(pin: str, vault: Vault) -> bytes:
    return vault.keyed_hash(pin.encode(), "pin pepper")


class PinChecks:
    """Checks PINs on threads, two at a time."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._turn = asyncio.Semaphore(CHECKS_MAX)
        # Nobody's hash: a person who does not exist costs a guesser the same time as one who does.
        self._nobody = hash_secret(
            vault.derive("nobody's pin"),
            vault.derive("nobody's salt")[:SALT_BYTES],
            PASSES,
            MEMORY_KIB,
            LANES,
            HASH_BYTES,
            Type.ID,
        ).decode()

    async def matches(self, pin: str, pin_hash: str | None) -> bool:
        """Whether the PIN is right; None is nobody's hash and takes as long."""
        typed = pin if len(pin) <= PIN_DIGITS_MAX else ""
        async with self._turn:
            right = await asyncio.to_thread(matches, typed, pin_hash or self._nobody, self._vault)
        return right and pin_hash is not None
