"""Whether a lock opens: the one decision of ble.md 2.9, for every vendor's lock.

A lock of our own decides by itself, with this. For a lock that cannot verify a key (Zigbee, Nuki),
the driver decides before it transmits, with this and a memory of its own. Order: issuer and
signature, possession, door, denylist, generation, clock, times, weekly hours, privacy.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from appliance.bus.words import LockRefusal
from appliance.kernel.clock import UNCERTAINTY_SURE_MS_MAX
from appliance.kernel.cose import (
    ADMIN_BIT,
    CTI_BYTES,
    OFFICE_BIT,
    OVERRIDE_BIT,
    UNLOCK_BIT,
    Claims,
    Flaw,
    split1,
    verify,
)
from appliance.kernel.edicts import Denylist, read_denylist
from drivers.local_time import LocalTime, in_hours

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric import ec

# ble.md 2.9: a guest, a partner, two staff and their renewals.
VERIFIED_MAX: Final = 16
# The signed list of 100 is 1.6 kB; ten of those is what a lock's flash gives away.
DENIED_MAX: Final = 1_000
_FLAWS: Final = {flaw: LockRefusal(flaw.value) for flaw in Flaw}


class Memory(Protocol):
    """Sections of small JSON records that outlive a power cut: a lock's flash, a driver's file.

    `put` and `drop` show at once; who owns the memory makes them durable.
    """

    def section(self, section: str) -> dict[str, Any]:
        """All records of one section, oldest first."""
        ...

    def get(self, section: str, key: str, default: Any = None) -> Any:
        """One record, or the default."""
        ...

    def put(self, section: str, key: str, value: object) -> None:
        """Set one record."""
        ...

    def drop(self, section: str, key: str) -> None:
        """Forget one record; a record that is not there is no error."""
        ...


class Door(Protocol):
    """What a lock was given when it was provisioned."""

    @property
    def door_number(self) -> int:
        """What keys call this door."""
        ...

    @property
    def zones(self) -> frozenset[int]:
        """Numbers of groups (0x8000 and above) that this lock answers to as well."""
        ...

    @property
    def property_id(self) -> str:
        """A key for another property is no key here."""
        ...

    @property
    def issuers(self) -> Mapping[bytes, ec.EllipticCurvePublicKey]:
        """Whose signatures count, by kid; may change while the lock runs."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorFacts:
    """A `Door` written down, for a driver that judges in place of a lock."""

    door_number: int
    property_id: str
    issuers: Mapping[bytes, ec.EllipticCurvePublicKey]
    zones: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class DeviceTime:
    """What the device believes: UTC in ms, and the half-width of the interval that holds truth.

    With `known` false, `ms` is the latest moment that is certainly past.
    """

    ms: int
    uncertainty_ms: int
    known: bool

    @property
    def sure(self) -> bool:
        """Whether keys and orders that depend on time may be judged."""
        return self.known and self.uncertainty_ms <= UNCERTAINTY_SURE_MS_MAX

    @property
    def past_ms(self) -> int:
        """A moment that is certainly past, however much is in doubt."""
        return self.ms - self.uncertainty_ms if self.known else self.ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """A right that holds: who came in, and what the lock remembers of it."""

    cti: str | None = None  # hex
    slot: int | None = None
    generation: int | None = None  # None where generations do not count: zones, admins
    issued_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class No:
    """A refusal, and as much as is known of who was refused."""

    refusal: LockRefusal
    cti: str | None = None
    slot: int | None = None
    generation: int | None = None


class Judge:
    """Holds generation, denylists and privacy; says yes or no and changes only what a yes changes."""

    def __init__(self, door: Door, memory: Memory) -> None:
        self._door = door
        self._memory = memory
        self._verified: OrderedDict[bytes, tuple[bytes | None, Claims]] = OrderedDict()
        self.generation: int = memory.get("number", "generation", 0)
        self._generation_min: int = memory.get("number", "generation_min", 0)
        self.privacy: bool = memory.get("number", "privacy", default=False)
        self.denylist_seq: int = memory.get("number", "denylist_seq", 0)
        self.denylist_at_s: int = memory.get("number", "denylist_at_s", 0)

    def read(self, data: bytes) -> Claims | Flaw:
        """The key's claims if an issuer of ours signed them; remembers the last 16."""
        kept = self._verified.get(data)
        # An issuer may have been taken away since.
        if kept is not None and kept[0] in self._door.issuers:
            self._verified.move_to_end(data)
            return kept[1]
        found = verify(data, self._door.issuers)
        if isinstance(found, Claims):
            signed = split1(data)
            self._verified[data] = (None if signed is None else signed.kid, found)
            if len(self._verified) > VERIFIED_MAX:
                self._verified.popitem(last=False)
        return found

    def judge_key(  # noqa: PLR0911 - in order
        self,
        claims: Claims,
        time: DeviceTime,
        *,
        want: int = UNLOCK_BIT,
        presser: bytes | None = None,
        local: LocalTime | None = None,
    ) -> Pass | No:
        """Decide on a key whose signature holds.

        `want` is the right bit that the act needs, `presser` the 65-byte point that has proved
        possession (None: nobody has, so a key that is bound to a phone is refused), `local` the
        property's time (None: keys with weekly hours are refused).
        """
        cti = claims.cti.hex()
        bits, zone = self._rights(claims)
        generation = None if zone or bits & ADMIN_BIT else claims.gen

        def no(refusal: LockRefusal) -> No:
            return No(refusal=refusal, cti=cti, generation=generation)

        if claims.cnf is not None and claims.cnf != presser:
            return no(LockRefusal.BAD_SIGNATURE)
        if not bits & want or claims.aud not in {None, self._door.property_id}:
            return no(LockRefusal.WRONG_DOOR)
        if self.is_denied(cti):
            return no(LockRefusal.DENIED)
        if generation is not None and self.superseded(generation):
            return no(LockRefusal.SUPERSEDED)
        if not time.sure and not bits & ADMIN_BIT:
            return no(LockRefusal.NO_TIME)
        if (late := _out_of_time(claims, time, local)) is not None:
            return no(late)
        if self.privacy and want in {UNLOCK_BIT, OFFICE_BIT} and not bits & OVERRIDE_BIT:
            return no(LockRefusal.PRIVACY)
        # A key may start a little after what is certainly past, so its start is no proof by itself.
        issued_ms = max(0, min(claims.nbf_s * 1000, time.past_ms)) if time.sure else 0
        return Pass(cti=cti, generation=generation, issued_ms=issued_ms)

    def rights(self, claims: Claims) -> int:
        """The right bits that a key has at this door."""
        return self._rights(claims)[0]

    def is_denied(self, cti: str) -> bool:
        """Whether a key (its cti in hex) is on the box's list or on the signed one."""
        return cti in self._memory.section("denied") or cti in self._memory.section("denylist")

    def superseded(self, generation: int) -> bool:
        """Whether a newer key has opened this door, or the box has said that this one is over."""
        return generation < max(self.generation, self._generation_min)

    def admit(self, right: Pass) -> None:
        """Somebody came in: the next guest's key kills the previous guest's."""
        if right.generation is not None and right.generation > self.generation:
            self.generation = right.generation
            self._memory.put("number", "generation", right.generation)

    def deny(self, ctis: tuple[bytes, ...], generation_min: int | None) -> bool:
        """Take plain entries of the box's denylist; False where one is no cti."""
        if not all(len(cti) == CTI_BYTES for cti in ctis):
            return False
        denied = self._memory.section("denied")
        for cti in ctis:
            self._memory.put("denied", cti.hex(), value=1)
        while len(denied) > DENIED_MAX:
            self._memory.drop("denied", next(iter(denied)))
        self._raise_generation(generation_min)
        return True

    def take_denylist(self, data: bytes) -> Denylist | LockRefusal:
        """Take a signed denylist in place of the signed one before; SUPERSEDED for one not newer.

        Whoever brings it: the signature counts. Its own moment is proof of the time for the clock.
        """
        found = read_denylist(data, self._door.issuers)
        if isinstance(found, Flaw):
            return flaw_refusal(found)
        if found.seq <= self.denylist_seq:
            return LockRefusal.SUPERSEDED
        wanted = {entry.cti.hex(): entry.exp_s for entry in found.denied}
        for gone in [cti for cti in self._memory.section("denylist") if cti not in wanted]:
            self._memory.drop("denylist", gone)
        for cti, exp_s in wanted.items():
            self._memory.put("denylist", cti, exp_s)
        self._raise_generation(dict(found.generations).get(self._door.door_number))
        self.denylist_seq, self.denylist_at_s = found.seq, found.issued_s
        self._memory.put("number", "denylist_seq", found.seq)
        self._memory.put("number", "denylist_at_s", found.issued_s)
        return found

    def set_privacy(self, *, on: bool) -> None:
        """The guest turned the knob inside."""
        self.privacy = on
        self._memory.put("number", "privacy", on)

    def _raise_generation(self, generation_min: int | None) -> None:
        if generation_min is not None and generation_min > self._generation_min:
            self._generation_min = generation_min
            self._memory.put("number", "generation_min", generation_min)

    def _rights(self, claims: Claims) -> tuple[int, bool]:
        """Right bits for this door and whether they come from a zone; (0, False) for none."""
        rights = dict(claims.doors)
        own = rights.get(self._door.door_number)
        if own is not None:
            return own, False
        return next(((rights[z], True) for z in self._door.zones if z in rights), (0, False))


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


def _out_of_time(claims: Claims, time: DeviceTime, local: LocalTime | None) -> LockRefusal | None:
    if not time.sure:
        # Only an admin comes here; what certainly ended is over for an admin too.
        return LockRefusal.EXPIRED if claims.exp_s * 1000 <= time.past_ms else None
    if (late := outside(claims.nbf_s, claims.exp_s, time)) is not None:
        return late
    if claims.schedule is None:
        return None
    if local is None or not in_hours(claims.schedule, time.ms, time.uncertainty_ms, local):
        return LockRefusal.SCHEDULE
    return None
