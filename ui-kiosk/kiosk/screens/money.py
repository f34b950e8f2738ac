"""Money that a person must see to: what is left over, what is pending or unknown, and the drawer."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from kiosk import queries, say
from kiosk.desk import Desk, Outcome
from kiosk.frame import Line
from kiosk.page import ListPage, OpenStay
from kiosk.screens.form import Field, Form
from kiosk.words import Money

# What a row is, by the first part of its key.
ITEM, INTENT = "item", "intent"


class MoneyPage(ListPage):
    """Every row says in a sentence what is the matter and what can be done."""

    CSS_PATH = "money.tcss"
    HEADING = "Money"
    HELP = "Money without a booking, bookings without money, and what no bank has answered yet."
    COLUMNS: ClassVar[tuple[tuple[str, int], ...]] = (
        ("What", 22),
        ("Amount", 12),
        ("Until", 12),
        ("Since", 9),
        ("Stands", 13),
    )
    EMPTY = "Every booking has its money, and all money its booking."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("w", "read", "Words"),
        Binding("enter", "none", "Open the stay"),
        Binding("a", "accept", "Accept on my word"),
        Binding("o", "open_drawer", "Open the drawer"),
        Binding("c", "close_drawer", "Count and close it"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._stays: dict[str, str] = {}
        self._sentences: dict[str, str] = {}
        self._drawer_id = ""

    def body(self) -> ComposeResult:
        """The drawer above the table."""
        yield Line(id="drawer")
        yield from super().body()

    async def load(self) -> None:
        """The lists, or the last ones known."""
        told = await self.desk.told(queries.MONEY)
        money = told.data or Money()
        self.query_one("#drawer", Line).write(self._drawer_words(money))
        self._stays, self._sentences = {}, {}
        rows = self._items(money) + self._intents(money)
        self.show(rows, told.as_of_ms)

    def _drawer_words(self, money: Money) -> str:
        here = self.desk.terminal
        mine = [each for each in money.drawers if each.terminal == here]
        self._drawer_id = mine[0].id if mine else ""
        others = [each.terminal for each in money.drawers if each.terminal != here]
        words = "The drawer of this terminal is closed (o)."
        if mine:
            since = say.age(self.desk.now_ms() - mine[0].opened_at_ms)
            held = say.money(mine[0].float_minor, mine[0].currency)
            words = f"The drawer is open since {since}, begun with {held} (c counts it)."
        return f"{words} Open elsewhere: {', '.join(others)}." if others else words

    def _items(self, money: Money) -> list[tuple[str, tuple[str, ...]]]:
        now_ms = self.desk.now_ms()
        rows: list[tuple[str, tuple[str, ...]]] = []
        for each in money.recovery:
            key = f"{ITEM}:{each.id}"
            self._keep(key, each.stay_id, each.sentence)
            until = "-" if each.by_s is None else say.when(each.by_s, self.desk.tz)
            since = "-" if not each.at_ms else say.age(now_ms - each.at_ms)
            amount = say.money(each.amount_minor, each.currency)
            rows.append((key, (each.what.replace("_", " "), amount, until, since, "for a person")))
        return rows

    def _intents(self, money: Money) -> list[tuple[str, tuple[str, ...]]]:
        rows: list[tuple[str, tuple[str, ...]]] = []
        for each in money.pending_intents:
            key = f"{INTENT}:{each.id}"
            self._keep(key, each.stay_id, each.sentence)
            amount = say.money(each.amount_minor, each.currency) if each.currency else "-"
            rows.append((key, (each.kind, amount, "-", "-", each.state.replace("_", " "))))
        return rows

    def _keep(self, key: str, stay_id: str | None, sentence: str) -> None:
        self._sentences[key] = sentence
        if stay_id:
            self._stays[key] = stay_id

    @on(DataTable.RowSelected)
    def open_stay(self, event: DataTable.RowSelected) -> None:
        """The stay whose money it is; where there is none, the sentence."""
        key = event.row_key.value or ""
        if stay_id := self._stays.get(key):
            self.post_message(OpenStay(stay_id))
        else:
            self.say(self._sentences.get(key, ""))

    def action_none(self) -> None:
        """The table itself takes this key while it has the focus."""

    def action_read(self) -> None:
        """The whole sentence of the row under the cursor."""
        self.say(self._sentences.get(self.chosen(), ""))

    def action_accept(self) -> None:
        """Needs a reason; who accepted it is on the record."""
        kind, _, item_id = self.chosen().partition(":")
        if kind == ITEM:
            field = Field(name="reason", label="Why it is all right")
            self.act(
                partial(self._form, "On my word", queries.ACCEPT_UNPAID, [field], itemId=item_id)
            )

    def action_open_drawer(self) -> None:
        """With what lies in it now."""
        field = Field(name="floatMinor", label="Money in it", kind="money", optional=True)
        self.act(partial(self._form, "Open the drawer", queries.OPEN_DRAWER, [field]))

    def action_close_drawer(self) -> None:
        """Counted before it is said what should be there."""
        if not self._drawer_id:
            self.say("The drawer of this terminal is not open.")
            return
        fields = [
            Field(name="countedMinor", label="Cash counted", kind="money", optional=True),
            Field(name="slipsMinor", label="Slips added up", kind="money", optional=True),
        ]
        title = "Count and close the drawer"
        given = {"drawerId": self._drawer_id}
        self.act(partial(self._form, title, queries.CLOSE_DRAWER, fields, **given))

    async def _form(self, title: str, act: queries.Act, fields: list[Field], **fixed: Any) -> None:
        async def submit(values: dict[str, Any]) -> Outcome:
            # An amount that is left out is none: an empty drawer is counted too.
            amounts = {each.name: 0 for each in fields if each.kind == "money"}
            typed = {name: value for name, value in values.items() if value is not None}
            return await self.desk.perform(act, **fixed, **{**amounts, **typed})

        outcome = await self.dialog(Form(title, fields, submit, desk=self.desk))
        if outcome is not None:
            self.tell(outcome)
