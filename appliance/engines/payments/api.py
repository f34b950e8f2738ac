"""GraphQL of payments: a stay's balance, deposits, cash, slips and charges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import strawberry

from appliance.asked import Answer, Asked, Info, Minor, answer
from appliance.engines.payments import queries
from appliance.engines.payments.messages import (
    IntentState,
    PostCharge,
    RecordCash,
    RecordSlip,
    TakeDeposit,
)


@strawberry.type
class FolioLine:
    """One line: nights, fees and charges above zero, payments below."""

    id: strawberry.ID
    at_ms: Minor
    text: str
    amount_minor: Minor
    kind: str


@strawberry.type
class Intent:
    """A deposit asked for and where it is, in a sentence."""

    id: strawberry.ID
    amount_minor: Minor
    currency: str
    state: str
    sentence: str


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
    key = f"payments.intent.{row.state.value}{'_because' if because else ''}"
    return Intent(
        id=strawberry.ID(row.intent_id),
        amount_minor=Minor(row.amount_minor),
        currency=row.currency,
        state=row.state.value,
        sentence=asked.text(key, code=row.code) if because else asked.text(key),
    )


async def load_balance(asked: Asked, stay_id: str) -> Balance:
    """The balance of one stay."""
    row = await queries.balance(asked.reader, asked.vault, stay_id)
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
            )
            for line in row.lines
        ],
        intents=[intent_of(asked, each) for each in row.intents],
        saved_card=row.saved_card,
    )


async def load_pending_intents(asked: Asked) -> list[Intent]:
    """Every intent whose end is not known: for the hand-over."""
    return [intent_of(asked, row) for row in await queries.pending_intents(asked.reader)]


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
