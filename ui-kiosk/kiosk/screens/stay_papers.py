"""Acts on a stay's money, notes, requests and conflicts."""

from __future__ import annotations

from functools import partial
from typing import Any

from kiosk import queries, say
from kiosk.desk import Outcome
from kiosk.screens.choose import Choose
from kiosk.screens.form import Field, Form
from kiosk.screens.qr import Qr
from kiosk.screens.requests import REQUEST_TYPES
from kiosk.screens.stay_moves import StayActs
from kiosk.words import Intent

PAY_HINT = "Scan it, or send the link. It works while the line is up."


def _page_words(intent: Intent) -> str:
    if not intent.currency:
        return "Leave a card"
    act = "Pay" if intent.kind == "link" else "Confirm"
    return f"{act} {say.money(intent.amount_minor, intent.currency)}"


class PaperActs(StayActs):
    """Deposit, cash, slip, charge, note, request, conflict."""

    def _due(self) -> str:
        balance = self.stay.balance if self.stay else None
        if balance is None or balance.due_minor <= 0:
            return ""
        return say.money(balance.due_minor, balance.currency).split()[0]

    def action_deposit(self) -> None:
        """From the card saved at the provider; pending until it confirms."""
        field = Field(name="amountMinor", label="Amount", kind="money", value=self._due())
        title = "Deposit from the saved card (pending until confirmed)"
        self.act(partial(self.fill, title, queries.TAKE_DEPOSIT, [field]))

    def action_cash(self) -> None:
        """Cash counts for the shift."""
        field = Field(name="amountMinor", label="Cash received", kind="money", value=self._due())
        self.act(partial(self.fill, "Cash", queries.RECORD_CASH, [field]))

    def action_slip(self) -> None:
        """What the standalone card terminal printed."""
        fields = [
            Field(name="amountMinor", label="Amount", kind="money", value=self._due()),
            Field(name="slipNumber", label="Slip number"),
        ]
        self.act(partial(self.fill, "Card terminal slip", queries.RECORD_SLIP, fields))

    def action_pay_page(self) -> None:
        """The page where the guest confirms, pays or leaves a card, while one waits."""
        self.act(self._pay_page)

    async def _pay_page(self) -> None:
        balance = self.stay.balance if self.stay else None
        waiting = {each.id: each for each in balance.intents if each.url} if balance else {}
        if not waiting:
            self.say("No payment of this stay waits for the guest.", "warn")
            return
        standing = self.desk.standing
        if standing is None or standing.health.line_down_since_ms is not None:
            self.say("The line is down: the link works again when it is back.", "warn")
            return
        chosen: str | None = next(iter(waiting))
        if len(waiting) > 1:
            rows = [(name, _page_words(each)) for name, each in waiting.items()]
            chosen = await self.dialog(Choose("Which link?", rows))
        if (intent := waiting.get(chosen or "")) is not None and intent.url:
            title = f"{self.guest()}\n{_page_words(intent)}"
            self.app.push_screen(Qr(title, intent.url, PAY_HINT, spelled=True))

    def action_charge(self) -> None:
        """Something to pay for."""
        fields = [
            Field(name="text", label="What for"),
            Field(name="amountMinor", label="Amount", kind="money"),
        ]
        self.act(partial(self.fill, "Charge", queries.POST_CHARGE, fields))

    def action_note(self) -> None:
        """A line for the next shift."""
        self.act(partial(self.fill, "Note", queries.ADD_NOTE, [Field(name="text", label="Note")]))

    def action_request(self) -> None:
        """What the guest asks for."""
        self.act(self._request)

    async def _request(self) -> None:
        kind = await self.dialog(Choose("A request: what for?", REQUEST_TYPES))
        if kind is None:
            return

        async def submit(values: dict[str, Any]) -> Outcome:
            given = {"type": kind, "stayId": self.stay_id, "roomId": None, **values}
            return await self.desk.perform(queries.MAKE_REQUEST, **given)

        fields = [Field(name="text", label="Words")]
        form = Form("Request", fields, submit, desk=self.desk, intro=self.guest())
        outcome = await self.dialog(form)
        if outcome is not None:
            self.tell(outcome)

    def action_conflict(self) -> None:
        """Take one of two versions."""
        self.act(self._conflict)

    async def _conflict(self) -> None:
        still = [each for each in self.stay.conflicts if each.open] if self.stay else []
        if not still:
            self.say("This stay has no open conflict.")
            return
        first = still[0]
        sides = [
            ("box", f"Box:      {say.clip(first.box_says, 56)}"),
            ("upstream", f"Bookings: {say.clip(first.upstream_says, 56)}"),
        ]
        title = f"{first.what.replace('_', ' ')}: which is right?"
        taken = await self.dialog(Choose(title, sides))
        if taken is not None:
            given = {"conflictId": first.id, "takeUpstream": taken == "upstream"}
            await self.do(queries.SETTLE_CONFLICT, **given)
