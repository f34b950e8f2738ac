"""Whether a lock opens: the decision of ble.md 2.9, made from what the lock itself knows."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from appliance.bus.words import LockRefusal
from appliance.kernel.cose import (
    ADMIN_BIT,
    CTI_BYTES,
    OVERRIDE_BIT,
    UNLOCK_BIT,
    Claims,
    Flaw,
    verify,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric import ec

    from twin.flash import Flash
    from twin.rtc import DeviceTime

# ble.md 2.9: a guest, a partner, two staff and their renewals.
VERIFIED_MAX: Final = 16
# The signed list of 100 is 1.5 kB; ten of those is what a lock's flash gives away.
DENIED_MAX: Final = 1_000
_FLAWS: Final = {flaw: LockRefusal(flaw.value) for flaw in Flaw}


@dataclass(frozen=True, slots=True, kw_only=True)
class LockIdentity:
    """What a lock was given when it was provisioned, and what it is sold as."""

    device: str
    door_number: int
    property_id: str
    issuers: Mapping[bytes, ec.EllipticCurvePublicKey]
    secret: bytes = field(repr=False)  # 32 bytes, opens sealed PINs
    zones: frozenset[int] = frozenset()
    relock_s: float = 5.0
    drift_ppm: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """A right that holds: who came in, and what the lock remembers of it."""

    cti: str | None = None  # hex
    slot: int | None = None
    generation: int | None = None  # None where generations do not count: zones
    issued_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class No:
    """A refusal, and as much as is known of who was refused."""

    refusal: LockRefusal
    cti: str | None = None
    slot: int | None = None
    generation: int | None = None


class Judge:
    """Holds generation, denylist and privacy; says yes or no and changes only what a yes changes."""

    def __init__(self, identity: LockIdentity, flash: Flash) -> None:
        self._me = identity
        self._flash = flash
        self._verified: OrderedDict[bytes, Claims] = OrderedDict()
        self.generation: int = flash.get("number", "generation", 0)
        self._generation_min: int = flash.get("number", "generation_min", 0)
        self.privacy: bool = flash.get("number", "privacy", default=False)

    def read(self, data: bytes) -> Claims | Flaw:
        """The key's claims if an issuer of ours signed them; remembers the last 16."""
        claims = self._verified.get(data)
        if claims is not None:
            self._verified.move_to_end(data)
            return claims
        found = verify(data, self._me.issuers)
        if isinstance(found, Claims):
            self._verified[data] = found
            if len(self._verified) > VERIFIED_MAX:
                self._verified.popitem(last=False)
        return found

    def judge_key(self, claims: Claims, time: DeviceTime) -> Pass | No:  # noqa: PLR0911 - in order
        """Decide on a key whose signature holds."""
        cti = claims.cti.hex()
        bits, zone = self._rights(claims)
        generation = None if zone else claims.gen

        def no(refusal: LockRefusal) -> No:
            return No(refusal=refusal, cti=cti, generation=generation)

        if not bits & UNLOCK_BIT or claims.aud not in {None, self._me.property_id}:
            return no(LockRefusal.WRONG_DOOR)
        if cti in self._flash.section("denied"):
            return no(LockRefusal.DENIED)
        if generation is not None and self.superseded(generation):
            return no(LockRefusal.SUPERSEDED)
        if not time.sure and not bits & ADMIN_BIT:
            return no(LockRefusal.NO_TIME)
        if time.sure and (late := outside(claims.nbf_s, claims.exp_s, time)) is not None:
            return no(late)
        if self.privacy and not bits & OVERRIDE_BIT:
            return no(LockRefusal.PRIVACY)
        return Pass(cti=cti, generation=generation, issued_ms=claims.nbf_s * 1000)

    def superseded(self, generation: int) -> bool:
        """Whether a newer key has opened this door, or the box has said that this one is over."""
        return generation < max(self.generation, self._generation_min)

    def admit(self, right: Pass) -> None:
        """Somebody came in: the next guest's key kills the previous guest's."""
        if right.generation is not None and right.generation > self.generation:
            self.generation = right.generation
            self._flash.put("number", "generation", right.generation)

    def deny(self, ctis: tuple[bytes, ...], generation_min: int | None) -> bool:
        """Take entries of the box's denylist; False where one is no cti."""
        if not all(len(cti) == CTI_BYTES for cti in ctis):
            return False
        denied = self._flash.section("denied")
        for cti in ctis:
            self._flash.put("denied", cti.hex(), value=1)
        while len(denied) > DENIED_MAX:
            self._flash.drop("denied", next(iter(denied)))
        if generation_min is not None and generation_min > self._generation_min:
            self._generation_min = generation_min
            self._flash.put("number", "generation_min", generation_min)
        return True

    def set_privacy(self, *, on: bool) -> None:
        """The guest turned the knob inside."""
        self.privacy = on
        self._flash.put("number", "privacy", on)

    def _rights(self, claims: Claims) -> tuple[int, bool]:
        """Right bits for this door and whether they come from a zone; (0, False) for none."""
        rights = dict(claims.doors)
        own = rights.get(self._me.door_number)
        if own is not None:
            return own, False
        return next(((rights[z], True) for z in self._me.zones if z in rights), (0, False))


def flaw_refusal(flaw: Flaw) -> LockRefusal:
    """The lock's word for a key that is none."""
    return _FLAWS[flaw]


def outside(from_s: int, until_s: int, time: DeviceTime) -> LockRefusal | None:
    """Whether the device's time lies outside [from, until), widened by its own doubt."""
    if time.ms + time.uncertainty_ms < from_s * 1000:
        return LockRefusal.NOT_YET
    if time.ms - time.uncertainty_ms >= until_s * 1000:
        return LockRefusal.EXPIRED
    return None
