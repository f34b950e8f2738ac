"""The words of payments: intents the box is master of, outcomes the provider is master of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import ClassVar

from appliance.kernel.messages import Admission, Command, Event, Role, asked, fact
from appliance.kernel.sealed import Sealed

DESK = frozenset({Role.FRONT_DESK, Role.MANAGER, Role.ADMIN})
BOX = frozenset({Role.SERVICE})
MANAGERS = frozenset({Role.MANAGER, Role.ADMIN})


class IntentState(StrEnum):
    """Where something asked of a provider is; "paid" is said of SUCCEEDED and CAPTURED alone.

    SUCCEEDED, DECLINED, EXPIRED, CAPTURED and RELEASED are final. REQUIRES_ACTION waits for the
    guest and keeps no other deposit away; MANUAL may have moved money, so it does. HELD is money
    set aside on a card: not paid, and gone by itself after `capture_by_s`.
    """

    QUEUED = "queued"
    SENDING = "sending"
    UNKNOWN = "unknown"
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    REQUIRES_ACTION = "requires_action"
    EXPIRED = "expired"  # `not_after` passed before it was ever sent, or the provider let it go
    MANUAL = "manual"  # a person must look
    HELD = "held"
    CAPTURED = "captured"
    RELEASED = "released"


class DisputeState(StrEnum):
    """Where a cardholder's dispute is; WON and LOST are final."""

    OPEN = "open"  # evidence is wanted until `due_s`
    UNDER_REVIEW = "under_review"
    WON = "won"
    LOST = "lost"


class Folio(StrEnum):
    """Whose part of a stay's bill."""

    GUEST = "guest"
    COMPANY = "company"


class Routed(StrEnum):
    """What may be routed to a company's folio."""

    NIGHT = "night"
    FEE = "fee"
    CHARGE = "charge"


class Refusal(StrEnum):
    """Why no money is asked for or recorded."""

    UNKNOWN_STAY = "unknown_stay"
    UNKNOWN_INTENT = "unknown_intent"
    UNKNOWN_PAYMENT = "unknown_payment"
    UNKNOWN_CHARGE = "unknown_charge"
    UNKNOWN_STRAY = "unknown_stray"
    UNKNOWN_ITEM = "unknown_item"
    UNKNOWN_DRAWER = "unknown_drawer"
    UNKNOWN_LEASE = "unknown_lease"
    UNKNOWN_LINE = "unknown_line"
    BAD_AMOUNT = "bad_amount"
    BAD_CURRENCY = "bad_currency"
    NO_SAVED_CARD = "no_saved_card"
    CARD_NUMBER = "card_number"
    ALREADY_FINAL = "already_final"
    DEPOSIT_EXISTS = "deposit_exists"
    HOLD_EXISTS = "hold_exists"
    NOT_HELD = "not_held"
    TOO_LATE = "too_late"
    WRONG_NEWS = "wrong_news"
    BAD_PAGE = "bad_page"
    ALREADY_CORRECTED = "already_corrected"
    ALREADY_SETTLED = "already_settled"
    SAME_FOLIO = "same_folio"
    DRAWER_OPEN = "drawer_open"
    ALREADY_CLOSED = "already_closed"
    NO_TERMINAL = "no_terminal"
    BAD_DATES = "bad_dates"
    RENT_AGREED = "rent_agreed"
    MORE_THAN_LEFT = "more_than_left"
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
    folio: Folio = Folio.GUEST


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
    folio: Folio = Folio.GUEST


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
    folio: Folio = Folio.GUEST


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectCharge(Command):
    """Take a charge back by a reversal; the charge itself stays in the books."""

    name: ClassVar[str] = "payments.correct_charge"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = MANAGERS
    charge_id: str
    reason: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class TransferCharge(Command):
    """Put a charge on another folio: of the same stay ("guest", "company") or of another one."""

    name: ClassVar[str] = "payments.transfer_charge"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = DESK
    charge_id: str
    to_stay_id: str
    to_folio: Folio
    reason: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class RouteFolio(Command):
    """From now on these kinds of lines go on the company's folio; an empty list: none does."""

    name: ClassVar[str] = "payments.route_folio"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = DESK
    stay_id: str
    kinds: tuple[Routed, ...]
    payer: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class BillFolio(Command):
    """What a company or an OTA pays later leaves the folio for the city ledger."""

    name: ClassVar[str] = "payments.bill_folio"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = DESK
    stay_id: str
    folio: Folio
    amount_minor: int
    currency: str
    payer: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class SettleStray(Command):
    """Say whose money it is that nobody knew, or give it back (`stay_id` None)."""

    name: ClassVar[str] = "payments.settle_stray"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = MANAGERS
    stray_id: str
    stay_id: str | None
    reason: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptUnpaid(Command):
    """A person's word: this recovery item needs nothing more; who and why is on the record."""

    name: ClassVar[str] = "payments.accept_unpaid"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = DESK
    item_id: str
    reason: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRecovery(Command):
    """Look for money without a booking and bookings without money; each is told once."""

    name: ClassVar[str] = "payments.check_recovery"
    admission: ClassVar[Admission] = Admission.BULK
    roles: ClassVar[frozenset[Role]] = BOX


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class HoldCard(Command):
    """Set money aside on the stay's saved card without taking it; not asked after `not_after_s`."""

    name: ClassVar[str] = "payments.hold_card"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = DESK
    stay_id: str
    amount_minor: int
    currency: str
    not_after_s: int | None = None


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureHold(Command):
    """Take all or part of a hold, once, before it runs out; the rest goes back to the guest."""

    name: ClassVar[str] = "payments.capture_hold"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = DESK
    intent_id: str
    amount_minor: int
    currency: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseHold(Command):
    """Let a hold go: nothing of it is taken."""

    name: ClassVar[str] = "payments.release_hold"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = DESK
    intent_id: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class RefundPayment(Command):
    """Give back a payment or a part of it, the way it came; never more than is left of it.

    Cash leaves the drawer at once, a slip is refunded at its terminal by hand; what came through a
    provider is asked for there, under an id of its own.
    """

    name: ClassVar[str] = "payments.refund_payment"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = DESK
    payment_id: str
    amount_minor: int
    currency: str
    reason: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class AskPayLink(Command):
    """Ask for a page where the guest pays by themselves; it ends at `expires_s`."""

    name: ClassVar[str] = "payments.ask_pay_link"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = DESK
    stay_id: str
    amount_minor: int
    currency: str
    expires_s: int | None = None


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class AskCardSetUp(Command):
    """Ask for a page where the guest leaves a card with the provider; no number enters the box."""

    name: ClassVar[str] = "payments.ask_card_set_up"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = DESK
    stay_id: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class NoteIntent(Command):
    """What sync learned of a deposit or a hold, with its evidence ("answer", "found_by_reference", ...).

    `capture_by_s` comes with HELD: until then the provider keeps the money aside. SUCCEEDED under
    another `provider_ref` than before is a second charge for one intent: it is refunded by itself.
    `amount_minor` is said where it is not what was asked for: a hold taken in part elsewhere.
    `url` comes with REQUIRES_ACTION: the page where the guest confirms, while it can be shown.
    """

    name: ClassVar[str] = "payments.note_intent"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = BOX
    intent_id: str
    state: IntentState
    provider_ref: str | None = None
    code: str | None = None
    evidence: str = ""
    capture_by_s: int | None = None
    amount_minor: int | None = None
    url: str | None = None


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class NoteCapture(Command):
    """What sync learned of a capture."""

    name: ClassVar[str] = "payments.note_capture"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = BOX
    capture_id: str
    state: IntentState
    provider_ref: str | None = None
    code: str | None = None
    evidence: str = ""


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class NoteRefund(Command):
    """What sync learned of a refund; `provider_ref` is the refund's own."""

    name: ClassVar[str] = "payments.note_refund"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = BOX
    refund_id: str
    state: IntentState
    provider_ref: str | None = None
    code: str | None = None
    evidence: str = ""


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class NotePayLink(Command):
    """What sync learned of a pay link. REQUIRES_ACTION with its `url` is a page that waits.

    With SUCCEEDED the provider's own amount and currency come too; where they are not what was
    asked for, a person must look.
    """

    name: ClassVar[str] = "payments.note_pay_link"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = BOX
    link_id: str
    state: IntentState
    provider_ref: str | None = None
    code: str | None = None
    evidence: str = ""
    url: str | None = None
    amount_minor: int | None = None
    currency: str | None = None


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class NoteCardSetUp(Command):
    """What sync learned of a card left with the provider; SUCCEEDED brings its two ids."""

    name: ClassVar[str] = "payments.note_card_set_up"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = BOX
    set_up_id: str
    state: IntentState
    provider_ref: str | None = None
    code: str | None = None
    evidence: str = ""
    url: str | None = None
    customer_ref: str | None = None
    method_ref: str | None = None


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class NoteDispute(Command):
    """A cardholder disputes a payment, by the provider's own id of the dispute.

    `provider_ref` is the payment's (as NoteIntent said it); `due_s` is the end of the time for evidence.
    """

    name: ClassVar[str] = "payments.note_dispute"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = BOX
    dispute_id: str
    provider: str
    provider_ref: str
    amount_minor: int
    currency: str
    state: DisputeState
    reason: str = ""
    due_s: int | None = None
    evidence: str = ""


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class NoteStrayPayment(Command):
    """Money at a provider under no reference of ours, or for a stay nobody knows.

    `our_ref` is what the provider shows in the place of our reference, if anything.
    """

    name: ClassVar[str] = "payments.note_stray_payment"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = BOX
    provider: str
    provider_ref: str
    amount_minor: int
    currency: str
    our_ref: str = ""
    evidence: str = ""


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class NoteBankLine(Command):
    """One line of a bank account's statement, by the bank feed's own id; above zero money came in.

    A posted line names the pending one it stands for (`pending_line_id`); `removed` takes it back.
    """

    name: ClassVar[str] = "payments.note_bank_line"
    admission: ClassVar[Admission] = Admission.BULK
    roles: ClassVar[frozenset[Role]] = BOX
    line_id: str
    account_ref: str
    amount_minor: int
    currency: str
    booked_on: date
    reference: str
    pending: bool = False
    removed: bool = False
    pending_line_id: str | None = None
    evidence: str = ""


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class NoteBankFeed(Command):
    """The feed of a bank account has been read through this moment, and all its lines were told.

    Until it is after a due day nobody is late: what is owed is "expected, unconfirmed".
    """

    name: ClassVar[str] = "payments.note_bank_feed"
    admission: ClassVar[Admission] = Admission.BULK
    roles: ClassVar[frozenset[Role]] = BOX
    account_ref: str
    through_s: int


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
    capture_by_s: int | None = None  # with HELD
    url: str | None = None  # with REQUIRES_ACTION: the page that waits for the guest


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentSettled(Event):
    """Money has arrived for a stay. For ledger and notices; never for doors."""

    kind: ClassVar[str] = "payments.payment_settled.v1"
    payment_id: str
    stay_id: str
    intent_id: str | None
    means: str  # "saved_card", "hold", "pay_link", "stray", "cash", "slip"
    amount_minor: int
    currency: str
    provider_ref: str | None
    slip_number: str | None = None
    folio: Folio = Folio.GUEST


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
    folio: Folio = Folio.GUEST


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class HoldAsked(Event):
    """Money is to be set aside on a card, committed before anything is sent."""

    kind: ClassVar[str] = "payments.hold_asked.v1"
    intent_id: str
    stay_id: str
    amount_minor: int
    currency: str
    customer_ref: str
    method_ref: str
    not_after_s: int


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureAsked(Event):
    """A hold is to be taken, all or in part; past `capture_by_s` it cannot be."""

    kind: ClassVar[str] = "payments.capture_asked.v1"
    capture_id: str
    intent_id: str
    stay_id: str
    amount_minor: int
    currency: str
    provider_ref: str
    capture_by_s: int


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureNoted(Event):
    """A capture is in this state now, on this evidence."""

    kind: ClassVar[str] = "payments.capture_noted.v1"
    capture_id: str
    intent_id: str
    stay_id: str
    state: IntentState
    provider_ref: str | None
    code: str | None
    evidence: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class HoldReleaseAsked(Event):
    """A hold is to be let go; RELEASED is said of its intent when it is."""

    kind: ClassVar[str] = "payments.hold_release_asked.v1"
    intent_id: str
    stay_id: str
    provider_ref: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class RefundAsked(Event):
    """A payment of the provider's is to be given back, all or in part, under an id of its own."""

    kind: ClassVar[str] = "payments.refund_asked.v1"
    refund_id: str
    payment_id: str
    stay_id: str
    intent_id: str | None
    provider_ref: str
    amount_minor: int
    currency: str
    because: str  # "asked", "second_charge", "stray"
    means: str = "saved_card"  # how it had come: "saved_card", "hold", "pay_link"
    reason: Sealed | None = None


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class RefundNoted(Event):
    """A refund is in this state now, on this evidence.

    `came_back_minor` is what had gone back already and was returned by the guest's bank.
    """

    kind: ClassVar[str] = "payments.refund_noted.v1"
    refund_id: str
    payment_id: str
    stay_id: str
    state: IntentState
    provider_ref: str | None
    code: str | None
    evidence: str
    came_back_minor: int = 0
    currency: str = ""  # with it, as with `means`
    means: str = ""


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRefunded(Event):
    """Money has gone back the way it came."""

    kind: ClassVar[str] = "payments.payment_refunded.v1"
    refund_id: str
    payment_id: str
    stay_id: str
    means: str
    amount_minor: int
    currency: str
    provider_ref: str | None = None
    reason: Sealed | None = None  # of cash and slips, which are given back at once
    folio: Folio = Folio.GUEST


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class SecondChargeFound(Event):
    """The provider took one intent twice; what is too much goes back by the refund named here."""

    kind: ClassVar[str] = "payments.second_charge_found.v1"
    payment_id: str
    intent_id: str
    stay_id: str
    amount_minor: int
    currency: str
    provider_ref: str
    refund_id: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class PayLinkAsked(Event):
    """A page where the guest pays; `order_ref` is its reference at the provider, at most 30 letters."""

    kind: ClassVar[str] = "payments.pay_link_asked.v1"
    link_id: str
    stay_id: str
    order_ref: str
    amount_minor: int
    currency: str
    expires_s: int


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class PayLinkNoted(Event):
    """A pay link is in this state now, on this evidence."""

    kind: ClassVar[str] = "payments.pay_link_noted.v1"
    link_id: str
    stay_id: str
    state: IntentState
    provider_ref: str | None
    url: str | None
    code: str | None
    evidence: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class CardSetUpAsked(Event):
    """A page where the guest leaves a card with the provider, for later."""

    kind: ClassVar[str] = "payments.card_set_up_asked.v1"
    set_up_id: str
    stay_id: str
    customer_ref: str | None


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class CardSetUpNoted(Event):
    """A card set-up is in this state now, on this evidence."""

    kind: ClassVar[str] = "payments.card_set_up_noted.v1"
    set_up_id: str
    stay_id: str
    state: IntentState
    url: str | None
    code: str | None
    evidence: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeNoted(Event):
    """A dispute is in this state now; `stay_id` None: of no payment we know."""

    kind: ClassVar[str] = "payments.dispute_noted.v1"
    dispute_id: str
    provider: str
    provider_ref: str
    payment_id: str | None
    stay_id: str | None
    amount_minor: int
    currency: str
    state: DisputeState
    reason: str
    due_s: int | None
    evidence: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class StrayMoneyFound(Event):
    """Money arrived for no stay; a person must say whose it is, or give it back."""

    kind: ClassVar[str] = "payments.stray_money_found.v1"
    stray_id: str
    provider: str
    provider_ref: str
    amount_minor: int
    currency: str
    our_ref: str
    evidence: str
    stay_id: str | None = None  # of an intent of ours that had ended without money


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class BankLineNoted(Event):
    """One line of a bank account, as the feed says it now."""

    kind: ClassVar[str] = "payments.bank_line_noted.v1"
    line_id: str
    account_ref: str
    amount_minor: int
    currency: str
    booked_on: date
    reference: Sealed
    pending: bool
    pending_line_id: str | None
    evidence: str
    lease_id: str | None = None  # whose rent it is
    matched: str = ""  # by "reference", by "amount", or as "before" for the line it replaces


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class BankLineRemoved(Event):
    """The bank feed took a line back."""

    kind: ClassVar[str] = "payments.bank_line_removed.v1"
    line_id: str
    evidence: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeCorrected(Event):
    """A charge was taken back; `reason` is why."""

    kind: ClassVar[str] = "payments.charge_corrected.v1"
    charge_id: str
    stay_id: str
    amount_minor: int
    currency: str
    reason: Sealed


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeTransferred(Event):
    """A charge stands on another folio now."""

    kind: ClassVar[str] = "payments.charge_transferred.v1"
    charge_id: str
    stay_id: str
    folio: Folio
    to_stay_id: str
    to_folio: Folio
    amount_minor: int
    currency: str
    reason: Sealed


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class FolioRouted(Event):
    """These kinds of lines go on the company's folio from now on."""

    kind: ClassVar[str] = "payments.folio_routed.v1"
    stay_id: str
    kinds: tuple[Routed, ...]
    payer: Sealed


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class FolioBilled(Event):
    """An amount left a folio for the city ledger: somebody pays it later."""

    kind: ClassVar[str] = "payments.folio_billed.v1"
    bill_id: str
    stay_id: str
    folio: Folio
    amount_minor: int
    currency: str
    payer: Sealed


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class StraySettled(Event):
    """A person said whose money it is, or that it goes back."""

    kind: ClassVar[str] = "payments.stray_settled.v1"
    stray_id: str
    stay_id: str | None
    reason: Sealed


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryDue(Event):
    """Money without a booking, or a booking without money: for notices, told once."""

    kind: ClassVar[str] = "payments.recovery_due.v1"
    item_id: str
    what: str
    stay_id: str | None
    amount_minor: int
    currency: str
    by_s: int | None


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class UnpaidAccepted(Event):
    """A person took a recovery item on their word."""

    kind: ClassVar[str] = "payments.unpaid_accepted.v1"
    item_id: str
    stay_id: str | None
    reason: Sealed
