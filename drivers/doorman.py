"""In place of a lock that cannot verify a key: decides before anything goes on the air.

The order of the decision is the judge's, the same as in a lock of our own; here it meets orders,
sealed PINs and the keep.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.bus.words import EventKind, LockRefusal, Order, Outcome, Verb
from drivers.port import Evidence, Happening, Pin, Told

NONCE_BYTES: Final = 12
# What keypads take; a box that holds anything else is not ours.
PIN_DIGITS_MIN: Final = 4
PIN_DIGITS_MAX: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What the desk is to do: `told` ends the order here, without one it is sent.

    `event` is what a lock of our own would write into its log, `right` what is remembered once the
    order is begun.
    """

    told: Told | None = None
    event: Happening | None = None
    pin: Pin | None = field(default=None, repr=False)
    right: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A judge's word on one key: `right` where it holds, otherwise `refusal`."""

    refusal: LockRefusal | None = None
    cti: str | None = None  # hex
    generation: int | None = None
    right: Any = None


class Judging(Protocol):
    """The judge of one door: what it remembers outlives this process."""

    @property
    def generation(self) -> int:
        """The highest generation that has come in."""
        ...

    def judge(self, credential: bytes, now_ms: int) -> Verdict:
        """Decide on a key; changes nothing."""
        ...

    def admit(self, right: Any) -> None:
        """Somebody comes in by that right: a newer generation ends the older one."""
        ...

    def deny(self, ctis: tuple[bytes, ...], generation_min: int | None) -> bool:
        """Take denied names and a floor of generations; False where one is no name."""
        ...


class Doorman:
    """Stands at one door whose lock opens for everybody that its radio lets through."""

    def __init__(self, device: str, judge: Judging, *, secret: bytes) -> None:
        """`secret`: the 32 bytes under which the box seals this device's PINs."""
        self._device = device.encode()
        self._judge = judge
        self._box = AESGCM(secret)

    @property
    def generation(self) -> int:
        """The highest generation that has come in."""
        return self._judge.generation

    def rule(self, order: Order, now_ms: int) -> Ruling:
        """Decide on one order; a refusal changes nothing but the log."""
        match order.verb:
            case Verb.UNLOCK:
                return self._unlock(order, now_ms)
            case Verb.DENY:
                taken = self._judge.deny(order.denied, order.generation)
                return Ruling(told=_DONE if taken else _no(LockRefusal.BAD_FRAME))
            case Verb.PUT_PIN:
                pin = self._open(order.pin_sealed)
                if pin is None or order.slot is None:
                    return Ruling(told=_no(LockRefusal.BAD_FRAME))
                return Ruling(pin=pin)
            case _:
                return Ruling()

    def admit(self, ruling: Ruling) -> None:
        """The order is begun: from here on the previous guest is out, whatever comes of it."""
        if ruling.right is not None:
            self._judge.admit(ruling.right)

    def _unlock(self, order: Order, now_ms: int) -> Ruling:
        if order.credential is None:
            return Ruling(told=_no(LockRefusal.BAD_FRAME))
        verdict = self._judge.judge(order.credential, now_ms)
        if verdict.refusal is None:
            return Ruling(right=verdict.right)
        event = Happening(
            kind=EventKind.REFUSED,
            order_id=order.id,
            cti=verdict.cti,
            generation=verdict.generation,
            refusal=verdict.refusal,
        )
        return Ruling(told=_no(verdict.refusal), event=event)

    def _open(self, sealed: bytes | None) -> Pin | None:
        if sealed is None:
            return None
        try:
            digits = self._box.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], self._device)
        except (InvalidTag, ValueError):
            return None
        if not (PIN_DIGITS_MIN <= len(digits) <= PIN_DIGITS_MAX and digits.isdigit()):
            return None
        return Pin(digits=digits.decode("ascii"))


_DONE: Final = Told(outcome=Outcome.DONE, evidence=(Evidence.DESK,))


def _no(refusal: LockRefusal) -> Told:
    return Told(outcome=Outcome.REFUSED, evidence=(Evidence.DESK,), refusal=refusal)
