"""What opens: a key's signed credential, one press's credential, and a PIN, each derived again.

Nothing here is stored. The same key gives the same digits for as long as it lives, so that a guest
who was told a PIN keeps it, also when the stay is extended.
"""

from __future__ import annotations

import hmac
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.kernel.cose import (
    ADMIN_BIT,
    CTI_BYTES,
    OVERRIDE_BIT,
    UNLOCK_BIT,
    Claims,
    sign,
)
from appliance.kernel.edicts import Denylist, sign_denylist, sign_time

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

    from appliance.engines.doors.messages import OpenAsked

PIN_DIGITS: Final = 6
# 10^6 numbers shared out among 200 slots: a slot's PINs are its own 5,000.
PINS_PER_SLOT: Final = 5_000
_HALF: Final = 1_000
# Ten rounds: what NIST SP 800-38G asks of FF1, the construction this one is shaped after.
_ROUNDS: Final = 10
# A lock may be behind the box by as much as it may be unsure and still judge times (ble.md 2.9).
PRESS_BACKDATED_S: Final = 600
# As a phone's key (ble.md 2.9): a driver cut off from the box goes on collecting for a day.
ERRAND_S: Final = 26 * 3_600
_NONCE_BYTES: Final = 12
# ble.md 2.8: every lock of the property answers to it (`SheetDevice.zones`).
HOUSE_ZONE: Final = 0x8000
_RUN_MIN: Final = 3


class Derives(Protocol):
    """The little of the vault that is needed here."""

    def derive(self, purpose: str, *parts: str) -> bytes:
        """32 bytes that always follow from these words and never leave the box otherwise."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """A key as the log has it. Times in UTC seconds, `cti` in hex."""

    key_id: str
    door_id: str
    door_number: int
    device_id: str
    generation: int
    valid_from_s: int
    valid_until_s: int
    cti: str
    slot: int
    pin_ref: str
    hours: tuple[int, int, int] | None = None  # weekdays, from minute, to minute
    zone: int | None = None  # the group of doors that the key opens as well

    @property
    def doors(self) -> tuple[tuple[int, int], ...]:
        """What the key opens, as (number, rights)."""
        numbers = [self.door_number, *([] if self.zone is None else [self.zone])]
        return tuple((number, UNLOCK_BIT) for number in numbers)


class Locksmith:
    """Makes what opens doors, with the property's issuer key and the vault's secrets."""

    def __init__(self, *, vault: Derives, issuer: ec.EllipticCurvePrivateKey) -> None:
        self._vault = vault
        self._issuer = issuer
        # The lock refuses a key of another property; set once the property is known.
        self.property_id: str | None = None

    def credential(self, key: KeyFacts) -> bytes:
        """The key for a phone: a CWT that the lock verifies by itself."""
        claims = Claims(
            nbf_s=key.valid_from_s,
            exp_s=key.valid_until_s,
            cti=bytes.fromhex(key.cti),
            doors=key.doors,
            gen=key.generation,
            aud=self.property_id,
            schedule=key.hours,
        )
        return sign(claims, self._issuer)

    def mobile(self, key: KeyFacts, point: bytes, ends_s: int) -> bytes:
        """The same key for one phone and no other, until `ends_s` (UTC seconds)."""
        claims = Claims(
            nbf_s=key.valid_from_s,
            exp_s=ends_s,
            cti=bytes.fromhex(key.cti),
            doors=key.doors,
            gen=key.generation,
            aud=self.property_id,
            schedule=key.hours,
            cnf=point,
        )
        return sign(claims, self._issuer)

    def time(self, nonce: bytes, wall_s: int) -> bytes:
        """The time for the one lock that has just made up this nonce; a phone carries it there."""
        return sign_time(nonce, wall_s, self._issuer)

    def master(
        self, *, cti: str, from_s: int, until_s: int, point: bytes | None, emergency: bool
    ) -> bytes:
        """A key for every door of the house, past privacy; an emergency's also without a clock."""
        rights = UNLOCK_BIT | OVERRIDE_BIT | (ADMIN_BIT if emergency else 0)
        claims = Claims(
            nbf_s=from_s,
            exp_s=until_s,
            cti=bytes.fromhex(cti),
            doors=((HOUSE_ZONE, rights),),
            gen=0,
            aud=self.property_id,
            cnf=point,
        )
        return sign(claims, self._issuer)

    def denylist(self, listed: Denylist) -> bytes:
        """The list of what locks refuse, as they verify it."""
        return sign_denylist(listed, self._issuer)

    def press(self, opening: OpenAsked, presser: bytes | None = None) -> bytes:
        """The credential of one press: the key's own name and generation, dead with the order.

        `presser` is the point of the driver that presses; nobody else's press is then believed.
        """
        expires_s = -(-opening.expires_at_ms // 1000)
        claims = Claims(
            nbf_s=expires_s - PRESS_BACKDATED_S,
            exp_s=expires_s,
            cti=bytes.fromhex(opening.cti),
            doors=((opening.door_number, UNLOCK_BIT),),
            gen=opening.generation,
            aud=self.property_id,
            cnf=presser,
        )
        return sign(claims, self._issuer)

    def errand(self, door_number: int, presser: bytes, now_s: int) -> bytes:
        """A driver's key to visit that lock: collect its log, set its clock. It opens nothing."""
        named = self._vault.derive("errand", str(door_number), str(now_s))
        claims = Claims(
            nbf_s=now_s - PRESS_BACKDATED_S,
            exp_s=now_s + ERRAND_S,
            cti=named[:CTI_BYTES],
            doors=((door_number, ADMIN_BIT),),
            gen=0,
            aud=self.property_id,
            cnf=presser,
        )
        return sign(claims, self._issuer)

    def pin(self, key: KeyFacts) -> str:
        """Six digits. Keys in different slots of one door never have the same ones."""
        seed = self._vault.derive("pin", key.pin_ref)
        mixer = self._vault.derive("pin-door", key.door_id)
        first = int.from_bytes(seed[:8], "big") % PINS_PER_SLOT
        for step in range(PINS_PER_SLOT):
            number = key.slot * PINS_PER_SLOT + (first + step) % PINS_PER_SLOT
            digits = f"{_mixed(number, mixer):0{PIN_DIGITS}d}"
            if not is_trivial(digits):
                return digits
        raise AssertionError("5,000 PINs cannot all be trivial")

    def sealed_pin(self, key: KeyFacts) -> bytes:
        """The PIN in a box that only the device opens: nonce, then AES-256-GCM.

        The nonce follows from digits and device, so the same PIN gives the same box and no nonce
        is used for two texts.
        """
        digits = self.pin(key).encode("ascii")
        secret = self._vault.derive("device-secret", key.device_id)
        nonce = hmac.digest(secret, b"pin-nonce" + digits, "sha256")[:_NONCE_BYTES]
        return nonce + AESGCM(secret).encrypt(nonce, digits, key.device_id.encode())


def device_secret(vault: Derives, device_id: str) -> bytes:
    """The 32 bytes a device is given when it is provisioned."""
    return vault.derive("device-secret", device_id)


def is_trivial(digits: str) -> bool:
    """Whether somebody would try this one: runs, repeats, 123456, 121212, 112233, a year."""
    steps = {(int(b) - int(a)) % 10 for a, b in itertools.pairwise(digits)}
    return (
        len(steps) == 1
        or len(set(digits)) < _RUN_MIN
        or digits[: len(digits) // 2] == digits[len(digits) // 2 :]
        or digits[::2] == digits[1::2]
        or digits.startswith(("19", "20"))
    )


def _mixed(number: int, mixer: bytes) -> int:
    """A permutation of 0 to 999,999 that nobody without the mixer can follow (Feistel, HMAC)."""
    left, right = divmod(number, _HALF)
    for turn in range(_ROUNDS):
        digest = hmac.digest(mixer, bytes([turn]) + right.to_bytes(2, "big"), "sha256")
        left, right = right, (left + int.from_bytes(digest[:8], "big")) % _HALF
    return left * _HALF + right
