"""GraphQL of a stay's money: its folios, what is asked of providers, cash, slips and charges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import strawberry

from appliance.asked import Answer, Asked, Info, Minor, answer
from appliance.engines.payments import messages, queries
from appliance.engines.payments.messages import (
    DESK,
    AskCardSetUp,
    AskPayLink,
    BillFolio,
    CaptureHold,
    CorrectCharge,
    HoldCard,
    IntentState,
    PostCharge,
    RecordCash,
    RecordSlip,
    RefundPayment,
    ReleaseHold,
    RouteFolio,
    TakeDeposit,
    TransferCharge,
)
from appliance.engines.payments.state import Kind

FolioName = strawberry.enum(messages.Folio, name="FolioName")
RoutedKind = strawberry.enum(messages.Routed, name="RoutedKind")


@strawberry.type
class FolioLine:
    """One line: nights, fees and charges above zero, payments below."""

    id: strawberry.ID
    at_ms: Minor
    text: str
    amount_minor: Minor
    kind: str
    folio: FolioName  # type: ignore[valid-type]


@strawberry.type
class Intent:
    """Something asked of a provider and where it is, in a sentence.

    `kind` is deposit, hold, capture, refund, link or card; `ofId` the hold of a capture or the
    payment of a refund. A hold is gone after `captureByS`; `url` is the page that waits.
    """

    id: strawberry.ID
    amount_minor: Minor
    currency: str
    state: str
    sentence: str
    kind: str
    of_id: strawberry.ID
    stay_id: strawberry.ID
    not_after_s: Minor
    capture_by_s: Minor | None
    url: str | None


@strawberry.type
class Balance:
    """What a stay owes; pending money is not paid."""

    charges_minor: Minor
    paid_minor: Minor
    pending_minor: Minor
    due_minor: Minor
    currency: str
    lines: list[FolioLine]
    intents: list[Intent]
    saved_card: bool


def intent_of(asked: Asked, row: queries.IntentRow) -> Intent:
    """An intent as the API shows it."""
    because = row.state is IntentState.DECLINED and row.code
    part = {Kind.REFUND: "refund", Kind.LINK: "link", Kind.CARD: "card"}.get(row.kind, "intent")
    # Who holds the address may pay: it is for the desk, and for the guest on their own page.
    page = page_of(asked, row) if asked.who is not None and asked.who.role in DESK else None
    ending = "_because" if because else "_at_page" if page and part == "intent" else ""
    key = f"payments.{part}.{row.state.value}{ending}"
    return Intent(
        id=strawberry.ID(row.intent_id),
        amount_minor=Minor(row.amount_minor),
        currency=row.currency,
        state=row.state.value,
        sentence=asked.text(key, code=row.code) if because else asked.text(key),
        kind=row.kind.value,
        of_id=strawberry.ID(row.of_id),
        stay_id=strawberry.ID(row.stay_id),
        not_after_s=Minor(row.not_after_s),
        capture_by_s=None if row.capture_by_s is None else Minor(row.capture_by_s),
        url=page,
    )


def page_of(asked: Asked, row: queries.IntentRow) -> str | None:
    """The page that waits for the guest; None once something is known, or its time is over."""
    late = 0 < row.not_after_s < asked.clock.read().wall_s
    return None if late or row.state is not IntentState.REQUIRES_ACTION else row.url


async def load_balance(asked: Asked, stay_id: str, folio: str | None = None) -> Balance:
    """The balance of one stay, or of one of its folios."""
    row = await queries.balance(asked.reader, asked.vault, stay_id, folio)
    return Balance(
        charges_minor=Minor(row.charges_minor),
        paid_minor=Minor(row.paid_minor),
        pending_minor=Minor(row.pending_minor),
        due_minor=Minor(row.due_minor),
        currency=row.currency,
        lines=[
            FolioLine(
                id=strawberry.ID(line.line_id),
                at_ms=Minor(line.at_ms),
                text=line.text,
                amount_minor=Minor(line.amount_minor),
                kind=line.kind,
                folio=messages.Folio(line.folio),
            )
            for line in row.lines
        ],
        intents=[intent_of(asked, each) for each in row.intents],
        saved_card=row.saved_card,
    )


async def load_pending_intents(asked: Asked) -> list[Intent]:
    """Every intent whose end is not known: for the hand-over."""
    return [intent_of(asked, row) for row in await queries.pending_intents(asked.reader)]


async def load_pages(asked: Asked, stay_id: str) -> list[tuple[str, int, str, str]]:
    """The pages that wait for this stay's guest: kind, amount, currency, address."""
    rows = await queries.intents_of(asked.reader, stay_id)
    pages = [(row, page_of(asked, row)) for row in rows]
    return [(row.kind.value, row.amount_minor, row.currency, url) for row, url in pages if url]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cash:
    """What lies in the drawer of a shift."""

    amount_minor: int
    currency: str


async def load_cash(asked: Asked, shift: str | None) -> Cash:
    """Cash taken in a shift."""
    return Cash(
        amount_minor=await queries.cash_of_shift(asked.reader, shift),
        currency=await queries.currency(asked.reader),
    )


async def currency_of(asked: Asked) -> str:
    """The property's currency."""
    return await queries.currency(asked.reader)


@strawberry.type
class Query:
    """Questions of a stay's money, for the staff."""

    @strawberry.field
    async def folio(
        self,
        info: Info,
        stay_id: strawberry.ID,
        name: FolioName | None = None,  # type: ignore[valid-type]
    ) -> Balance:
        """The statement of a stay, or of one of its folios."""
        info.context.staff()
        return await load_balance(info.context, stay_id, name)


@strawberry.type
class OfStay:
    """What payments knows of a stay; the web grafts it onto `Stay`."""

    @strawberry.field
    async def balance(self, info: Info) -> Balance:
        """What the stay owes."""
        stay: Any = self
        return await load_balance(info.context, stay.id)


@strawberry.type
class Mutation:
    """Acts of payments; amounts are in the property's currency."""

    @strawberry.mutation
    async def take_deposit(
        self, info: Info, id: str, stay_id: strawberry.ID, amount_minor: Minor
    ) -> Answer:
        """Charge the saved card once, now or when the line is back."""
        command = TakeDeposit(
            stay_id=stay_id, amount_minor=amount_minor, currency=await currency_of(info.context)
        )
        return await answer(info, command, id)

    @strawberry.mutation
    async def record_cash(
        self, info: Info, id: str, stay_id: strawberry.ID, amount_minor: Minor
    ) -> Answer:
        """Cash taken at the desk."""
        command = RecordCash(
            stay_id=stay_id, amount_minor=amount_minor, currency=await currency_of(info.context)
        )
        return await answer(info, command, id)

    @strawberry.mutation
    async def record_slip(
        self,
        info: Info,
        id: str,
        stay_id: strawberry.ID,
        amount_minor: Minor,
        slip_number: str,
    ) -> Answer:
        """A card terminal's slip."""
        command = RecordSlip(
            stay_id=stay_id,
            amount_minor=amount_minor,
            currency=await currency_of(info.context),
            slip_number=slip_number,
        )
        return await answer(info, command, id)

    @strawberry.mutation
    async def post_charge(
        self, info: Info, id: str, stay_id: strawberry.ID, amount_minor: Minor, text: str
    ) -> Answer:
        """A line on the folio."""
        command = PostCharge(
            stay_id=stay_id,
            amount_minor=amount_minor,
            currency=await currency_of(info.context),
            text=text,
        )
        return await answer(info, command, id)

    @strawberry.mutation
    async def hold_card(
        self, info: Info, id: str, stay_id: strawberry.ID, amount_minor: Minor
    ) -> Answer:
        """Set money aside on the saved card without taking it."""
        command = HoldCard(
            stay_id=stay_id, amount_minor=amount_minor, currency=await currency_of(info.context)
        )
        return await answer(info, command, id)

    @strawberry.mutation
    async def capture_hold(
        self, info: Info, id: str, intent_id: strawberry.ID, amount_minor: Minor
    ) -> Answer:
        """Take all or part of what is set aside."""
        command = CaptureHold(
            intent_id=intent_id, amount_minor=amount_minor, currency=await currency_of(info.context)
        )
        return await answer(info, command, id)

    @strawberry.mutation
    async def release_hold(self, info: Info, id: str, intent_id: strawberry.ID) -> Answer:
        """Let go what is set aside."""
        command = ReleaseHold(intent_id=intent_id)
        return await answer(info, command, id)

    @strawberry.mutation
    async def refund_payment(
        self, info: Info, id: str, payment_id: strawberry.ID, amount_minor: Minor, reason: str
    ) -> Answer:
        """Give a payment back, all or in part, the way it came."""
        command = RefundPayment(
            payment_id=payment_id,
            amount_minor=amount_minor,
            currency=await currency_of(info.context),
            reason=reason,
        )
        return await answer(info, command, id)

    @strawberry.mutation
    async def ask_pay_link(
        self, info: Info, id: str, stay_id: strawberry.ID, amount_minor: Minor
    ) -> Answer:
        """A page where the guest pays."""
        command = AskPayLink(
            stay_id=stay_id, amount_minor=amount_minor, currency=await currency_of(info.context)
        )
        return await answer(info, command, id)

    @strawberry.mutation
    async def ask_card_set_up(self, info: Info, id: str, stay_id: strawberry.ID) -> Answer:
        """A page where the guest leaves a card with the provider."""
        command = AskCardSetUp(stay_id=stay_id)
        return await answer(info, command, id)

    @strawberry.mutation
    async def correct_charge(
        self, info: Info, id: str, charge_id: strawberry.ID, reason: str
    ) -> Answer:
        """Take a charge back: a manager's."""
        command = CorrectCharge(charge_id=charge_id, reason=reason)
        return await answer(info, command, id)

    @strawberry.mutation
    async def transfer_charge(
        self,
        info: Info,
        id: str,
        charge_id: strawberry.ID,
        to_stay_id: strawberry.ID,
        to_folio: FolioName,  # type: ignore[valid-type]
        reason: str,
    ) -> Answer:
        """Put a charge on another folio."""
        command = TransferCharge(
            charge_id=charge_id, to_stay_id=to_stay_id, to_folio=to_folio, reason=reason
        )
        return await answer(info, command, id)

    @strawberry.mutation
    async def route_folio(
        self,
        info: Info,
        id: str,
        stay_id: strawberry.ID,
        kinds: list[RoutedKind],  # type: ignore[valid-type]
        payer: str,
    ) -> Answer:
        """Which kinds of lines a company pays."""
        command = RouteFolio(stay_id=stay_id, kinds=tuple(kinds), payer=payer)
        return await answer(info, command, id)

    @strawberry.mutation
    async def bill_folio(
        self,
        info: Info,
        id: str,
        stay_id: strawberry.ID,
        folio: FolioName,  # type: ignore[valid-type]
        amount_minor: Minor,
        payer: str,
    ) -> Answer:
        """What a company or an OTA pays later."""
        command = BillFolio(
            stay_id=stay_id,
            folio=folio,
            amount_minor=amount_minor,
            currency=await currency_of(info.context),
            payer=payer,
        )
        return await answer(info, command, id)
