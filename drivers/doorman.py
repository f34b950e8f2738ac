"""In place of a lock that cannot verify a key: decides before anything goes on the air.

The order of the decision is the judge's, the same as in a lock of our own; here it meets orders,
sealed PINs and the keep.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.bus.words import EventKind, LockRefusal, Order, Outcome, Verb
from appliance.kernel.cose import Flaw
from drivers.judge import DeviceTime, Judge, No, Pass, flaw_refusal
from drivers.local_time import local_for
from drivers.port import Evidence, Happening, Pin, Told

if TYPE_CHECKING:
    import datetime as dt

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
    right: Pass | None = None


class Doorman:
    """Stands at one door whose lock opens for everybody that its radio lets through.

    The judge's memory is in the driver's file: what is admitted or denied inside a transaction of
    the keep is on disk with it.
    """

    def __init__(
        self,
        device: str,
        judge: Judge,
        *,
        secret: bytes,
        presser: bytes | None = None,
        zone: dt.tzinfo | None = None,
    ) -> None:
        """`secret`: the 32 bytes under which the box seals this device's PINs.

        `presser`: the 65-byte point whose key this driver holds; a press may be bound to it.
        `zone`: by whose clocks weekly hours count; without one, keys with hours are refused.
        """
        self._device = device.encode()
        self._judge = judge
        self._box = AESGCM(secret)
        self._presser = presser
        self._zone = zone

    @property
    def generation(self) -> int:
        """The highest generation that has come in."""
        return self._judge.generation

    def rule(self, order: Order, time: DeviceTime) -> Ruling:
        """Decide on one order; a refusal changes nothing but the log."""
        match order.verb:
            case Verb.UNLOCK:
                return self._unlock(order, time)
            case Verb.DENY:
                return Ruling(told=self._deny(order))
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

    def _unlock(self, order: Order, time: DeviceTime) -> Ruling:
        verdict = self._judged(order.credential, time)
        if isinstance(verdict, Pass):
            return Ruling(right=verdict)
        event = Happening(
            kind=EventKind.REFUSED,
            order_id=order.id,
            cti=verdict.cti,
            generation=verdict.generation,
            refusal=verdict.refusal,
        )
        return Ruling(told=_no(verdict.refusal), event=event)

    def _judged(self, credential: bytes | None, time: DeviceTime) -> Pass | No:
        if credential is None:
            return No(refusal=LockRefusal.BAD_FRAME)
        claims = self._judge.read(credential)
        if isinstance(claims, Flaw):
            return No(refusal=flaw_refusal(claims))
        local = local_for(claims, self._zone, time.past_ms)
        return self._judge.judge_key(claims, time, presser=self._presser, local=local)

    def _deny(self, order: Order) -> Told:
        if order.denylist is not None:
            taken = self._judge.take_denylist(order.denylist)
            # One that is not newer is one that we have.
            if isinstance(taken, LockRefusal) and taken is not LockRefusal.SUPERSEDED:
                return _no(taken)
        if not self._judge.deny(order.denied, order.generation):
            return _no(LockRefusal.BAD_FRAME)
        return _DONE

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
