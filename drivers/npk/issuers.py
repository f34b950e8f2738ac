"""Whose signatures a lock trusts: those it was given, and up to four that the root vouches for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from appliance.bus.words import LockRefusal
from appliance.kernel.cose import Flaw, kid_of, point_key
from appliance.kernel.edicts import IssuerCertificate, read_issuer
from drivers.judge import flaw_refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric import ec

    from drivers.judge import Memory

# ble.md 2.4: this year's and next year's box, and a spare of each.
ISSUERS_MAX: Final = 4
_SECTION: Final = "npk_issuer"


class IssuerBook:
    """Issuer keys by kid. A certificate's start is not judged: the lock may have lost the time."""

    def __init__(
        self,
        memory: Memory,
        *,
        given: Mapping[bytes, ec.EllipticCurvePublicKey],
        root: ec.EllipticCurvePublicKey | None,
        property_id: str,
    ) -> None:
        self._memory = memory
        self._given = dict(given)
        self._root = root
        self._property_id = property_id
        self._floor: int = memory.get("npk", "issuer_generation_min", 0)
        self._trusted: dict[bytes, ec.EllipticCurvePublicKey] = {}
        self._next_end_s = 0
        self._read()

    def trusted(self, past_s: int) -> Mapping[bytes, ec.EllipticCurvePublicKey]:
        """Who may sign, at a moment (UTC s) that is certainly past."""
        if past_s >= self._next_end_s:
            self._drop_ended(past_s)
            self._read()
        return self._trusted

    def take(self, data: bytes, past_s: int) -> IssuerCertificate | LockRefusal:
        """Trust one more issuer, or one longer; SUPERSEDED for what is not newer."""
        if self._root is None:
            return LockRefusal.NOT_SUPPORTED
        found = read_issuer(data, self._root)
        if isinstance(found, Flaw):
            return flaw_refusal(found)
        if found.property_id != self._property_id:
            return LockRefusal.WRONG_DOOR
        if found.exp_s <= past_s:
            return LockRefusal.EXPIRED
        if found.generation < self._floor or not self._has_room(found):
            return LockRefusal.SUPERSEDED
        kid = kid_of(point_key(found.point)).hex()
        record = [found.point.hex(), found.exp_s, found.generation]
        self._memory.put(_SECTION, kid, record)
        if found.generation_min > self._floor:
            self._floor = found.generation_min
            self._memory.put("npk", "issuer_generation_min", self._floor)
            self._drop_below()
        self._read()
        return found

    def _has_room(self, new: IssuerCertificate) -> bool:
        """Whether it may come in; the issuer of the lowest generation makes room."""
        held = self._memory.section(_SECTION)
        kid = kid_of(point_key(new.point)).hex()
        if kid in held:
            return bool((new.generation, new.exp_s) > (held[kid][2], held[kid][1]))
        if len(held) < ISSUERS_MAX:
            return True
        oldest = min(held, key=lambda k: (held[k][2], held[k][1]))
        if (new.generation, new.exp_s) <= (held[oldest][2], held[oldest][1]):
            return False
        self._memory.drop(_SECTION, oldest)
        return True

    def _drop_ended(self, past_s: int) -> None:
        held = self._memory.section(_SECTION)
        for kid in [kid for kid, (_, exp_s, _) in held.items() if exp_s <= past_s]:
            self._memory.drop(_SECTION, kid)

    def _drop_below(self) -> None:
        held = self._memory.section(_SECTION)
        for kid in [kid for kid, (_, _, gen) in held.items() if gen < self._floor]:
            self._memory.drop(_SECTION, kid)

    def _read(self) -> None:
        held = self._memory.section(_SECTION)
        # Those given at installation are generation 0: a root that ends 0 ends them.
        self._trusted = {} if self._floor else dict(self._given)
        for point, _, _ in held.values():
            key = point_key(bytes.fromhex(point))
            self._trusted[kid_of(key)] = key
        self._next_end_s = min((exp_s for _, exp_s, _ in held.values()), default=1 << 62)
