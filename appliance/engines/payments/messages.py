"""The words of payments: intents the box is master of, outcomes the provider is master of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from appliance.kernel.messages import Admission, Command, Event, Role, asked, fact
from appliance.kernel.sealed import Sealed

DESK = frozenset({Role.FRONT_DESK, Role.MANAGER, Role.ADMIN})
BOX = frozenset({Role.SERVICE})


class IntentState(StrEnum):
    """Where a deferred charge is; "paid" is said of SUCCEEDED alone.

    SUCCEEDED, DECLINED and EXPIRED are final. REQUIRES_ACTION waits for the guest and keeps no
    other deposit away; MANUAL may have moved money, so it does.
    """

    QUEUED = "queued"
    SENDING = "sending"
    UNKNOWN = "unknown"
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    REQUIRES_ACTION = "requires_action"
    EXPIRED = "expired"  # `not_after` passed before it was ever sent
    MANUAL = "manual"  # a person must look


class Refusal(StrEnum):
    """Why no money is asked for or recorded."""

    UNKNOWN_STAY = "unknown_stay"
    UNKNOWN_INTENT = "unknown_intent"
    BAD_AMOUNT = "bad_amount"
    BAD_CURRENCY = "bad_currency"
    NO_SAVED_CARD = "no_saved_card"
    CARD_NUMBER = "card_number"
    ALREADY_FINAL = "already_final"
    DEPOSIT_EXISTS = "deposit_exists"
    NOTHING_DUE = "nothing_due"
    EMPTY = "empty"
    TOO_LONG = "too_long"


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class SaveCardReference(Command):
    """The provider keeps a card for this stay: its customer and payment method ids, no number."""

    name: ClassVar[str] = "payments.save_card_reference"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = DESK | BOX
    stay_id: str
    customer_ref: str
    method_ref: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class TakeDeposit(Command):
    """Charge the stay's saved card once, now or when the line is back, not after `not_after_s`."""

    name: ClassVar[str] = "payments.take_deposit"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = DESK
    stay_id: str
    amount_minor: int
    currency: str
    not_after_s: int | None = None


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class RecordCash(Command):
    """Cash taken at the desk in this shift."""

    name: ClassVar[str] = "payments.record_cash"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = DESK
    stay_id: str
    amount_minor: int
    currency: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSlip(Command):
    """A stand-alone card terminal's slip, by its number."""

    name: ClassVar[str] = "payments.record_slip"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = DESK
    stay_id: str
    amount_minor: int
    currency: str
    slip_number: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class PostCharge(Command):
    """A line on the folio that is not a night: minibar, late check-out."""

    name: ClassVar[str] = "payments.post_charge"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = DESK
    stay_id: str
    amount_minor: int
    currency: str
    text: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class NoteIntent(Command):
    """What sync learned of an intent, with its evidence ("answer", "found_by_reference", ...)."""

    name: ClassVar[str] = "payments.note_intent"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = BOX
    intent_id: str
    state: IntentState
    provider_ref: str | None = None
    code: str | None = None
    evidence: str = ""


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class CardReferenceSaved(Event):
    """The provider keeps a card for this stay."""

    kind: ClassVar[str] = "payments.card_reference_saved.v1"
    stay_id: str
    customer_ref: str
    method_ref: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class DepositAsked(Event):
    """An intent to charge, committed before anything is sent; sync makes it one frozen request."""

    kind: ClassVar[str] = "payments.deposit_asked.v1"
    intent_id: str
    stay_id: str
    amount_minor: int
    currency: str
    customer_ref: str
    method_ref: str
    not_after_s: int


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class IntentNoted(Event):
    """An intent is in this state now, on this evidence."""

    kind: ClassVar[str] = "payments.intent_noted.v1"
    intent_id: str
    stay_id: str
    state: IntentState
    provider_ref: str | None
    code: str | None
    evidence: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentSettled(Event):
    """Money has arrived for a stay. For ledger and notices; never for doors."""

    kind: ClassVar[str] = "payments.payment_settled.v1"
    payment_id: str
    stay_id: str
    intent_id: str | None
    means: str  # "saved_card", "cash", "slip"
    amount_minor: int
    currency: str
    provider_ref: str | None
    slip_number: str | None = None


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class ChargePosted(Event):
    """A line on the folio."""

    kind: ClassVar[str] = "payments.charge_posted.v1"
    charge_id: str
    stay_id: str
    amount_minor: int
    currency: str
    text: Sealed
