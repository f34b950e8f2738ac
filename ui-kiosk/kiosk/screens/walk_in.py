"""A sale at the desk: six fields, a quote, and what the box may sell by itself."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widgets import Input, Static

from kiosk import queries, say
from kiosk.desk import Desk, Outcome
from kiosk.frame import Line
from kiosk.page import OpenStay, Page
from kiosk.screens.form import TEXT_MAX, Field, Form, value_of

FIELDS = (
    Field(name="family", label="Family name"),
    Field(name="given", label="Given name"),
    Field(name="phone", label="Phone", optional=True),
    Field(name="type", label="Room type", kind="number", value="1"),
    Field(name="nights", label="Nights", kind="number", value="1"),
    Field(name="adults", label="Adults", kind="number", value="1"),
)
# Two years: what the box itself takes as a stay.
NIGHTS_MAX = 730
PAUSE_S = 0.2
# Codes under which the box wants a manager's word.
BEYOND = frozenset({"allotment_spent", "needs_manager", "needs_approval"})
TYPES_SHOWN_MAX = 5


class WalkIn(Page):
    """Type, Enter through the fields, Enter on the last one sells."""

    CSS_PATH = "walk_in.tcss"
    AUTO_FOCUS = "#in-family"
    HEADING = "Walk-in"
    HELP = "Six fields; the price and what is left to sell stand below."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "app.focus_next", "Next field"),
        Binding("enter", "none", "Next, at the end: sell"),
        Binding("escape", "leave", "Leave"),
        Binding("ctrl+l", "app.lock", "Lock"),
        Binding("ctrl+c", "app.ask_quit", "Quit"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._timer: Timer | None = None
        self._leaving = False

    def body(self) -> ComposeResult:
        """Six lines to type, then what the box says to them."""
        for field in FIELDS:
            with Horizontal(classes="field"):
                yield Static(field.label, classes="label", markup=False)
                yield Input(
                    value=field.value,
                    id=f"in-{field.name}",
                    max_length=TEXT_MAX,
                    compact=True,
                    select_on_focus=True,
                )
        yield Static("", id="types", markup=False)
        yield Line(id="quote")
        yield Line(id="left")

    def _input(self, name: str) -> Input:
        return self.query_one(f"#in-{name}", Input)

    @property
    def dirty(self) -> bool:
        """Whether something was typed that leaving would lose."""
        return any(self._input(field.name).value != field.value for field in FIELDS)

    async def load(self) -> None:
        """Types, the quote, and how many may still be sold."""
        types = list(self.desk.room_types.values())
        lines = [
            f"{number}  {each.title} (sleeps {each.sleeps})"
            for number, each in enumerate(types[:TYPES_SHOWN_MAX], 1)
        ]
        self.query_one("#types", Static).update("\n".join(lines))
        window = self._window()
        if window is None:
            self.query_one("#quote", Line).write("")
            self.query_one("#left", Line).write("")
            return
        quote = await self.desk.told(queries.QUOTE, **window)
        free = await self.desk.told(queries.FREE, **window)
        self.query_one("#quote", Line).write(self._quote_line(quote.data))
        if free.as_of_ms is not None:
            text = "The box cannot be reached: nothing can be sold now. What you typed stays."
            self.query_one("#left", Line).write(text, "warn")
            return
        left = next(iter(free.data or []), None)
        if left is not None:
            beyond = left.allotment_left <= 0
            text = f"{left.free_count} free; the desk may sell {max(0, left.allotment_left)}"
            text += ", beyond that a manager's PIN is needed" if beyond else " by itself"
            self.query_one("#left", Line).write(text, "warn" if beyond else "plain")

    def _quote_line(self, quote: Any) -> str:
        if quote is None:
            return "No price is known for this."
        nights = len(quote.nights)
        total = say.money(quote.total_minor, quote.currency)
        return f"{total} for {nights} night{'s' if nights != 1 else ''}"

    def _window(self) -> dict[str, Any] | None:
        types = list(self.desk.room_types.values())
        chosen, nights = self._input("type").value.strip(), self._input("nights").value.strip()
        if not (chosen.isdigit() and nights.isdigit()):
            return None
        if not (1 <= int(chosen) <= len(types) and 1 <= int(nights) <= NIGHTS_MAX):
            return None
        arrival = self.desk.today
        return {
            "roomTypeId": types[int(chosen) - 1].id,
            "arrival": arrival,
            "departure": arrival + dt.timedelta(days=int(nights)),
        }

    @on(Input.Changed)
    def typed(self, event: Input.Changed) -> None:
        """A new price after a pause."""
        self._leaving = False
        if event.input.id in {"in-type", "in-nights"}:
            if self._timer is not None:
                self._timer.stop()
            self._timer = self.set_timer(PAUSE_S, self.reload)

    @on(Input.Submitted)
    def entered(self, event: Input.Submitted) -> None:
        """Enter: the next line, or the sale after the last one."""
        if event.input.id != f"in-{FIELDS[-1].name}":
            self.focus_next()
            return
        values: dict[str, Any] = {}
        for field in FIELDS:
            values[field.name], complaint = value_of(
                field, self._input(field.name).value, self.desk
            )
            if complaint:
                self.say(complaint, "warn")
                self._input(field.name).focus()
                return
        window = self._window()
        if window is None or not values["adults"]:
            self.say("Room type, nights and adults: numbers from 1, types as listed.", "warn")
            return
        guest = {key: values[key] for key in ("given", "family", "phone")} | {"email": ""}
        given = window | {"guests": [guest], "adults": values["adults"]}
        self.act(partial(self._sell, given))

    async def _sell(self, given: dict[str, Any]) -> None:
        self.say("Asking the box ...")
        bare = given | {"note": "", "approvedBy": None, "approvedPin": None}
        outcome: Outcome | None = await self.desk.perform(queries.SELL_WALK_IN, **bare)
        if outcome is not None and outcome.code in BEYOND:
            self.say(outcome.sentence, "warn")
            outcome = await self._with_manager(given, outcome.sentence)
        if outcome is None:
            return
        self.say(outcome.sentence, "done" if outcome.done else "warn")
        if outcome.done:
            stay_id = str(outcome.result.get("stay_id", ""))
            for field in FIELDS:
                self._input(field.name).value = field.value
            if stay_id:
                self.app.post_message(OpenStay(stay_id))

    async def _with_manager(self, given: dict[str, Any], sentence: str) -> Outcome | None:
        async def submit(values: dict[str, Any]) -> Outcome:
            word = {
                "approvedBy": values["manager"],
                "approvedPin": values["pin"],
                "note": f"Sold beyond the allotment: {values['reason']}",
            }
            return await self.desk.perform(queries.SELL_WALK_IN, **given, **word)

        fields = [
            Field(name="manager", label="Manager"),
            Field(name="reason", label="Why"),
            Field(name="pin", label="Manager's PIN", kind="secret"),
        ]
        form = Form("A manager's word is needed", fields, submit, desk=self.desk, intro=sentence)
        return await self.dialog(form)

    async def action_leave(self) -> None:
        """Twice when something was typed."""
        if self.dirty and not self._leaving:
            self._leaving = True
            self.say("Throw away what you typed? Esc again: yes. Type on: no.", "warn")
            return
        await self.app.run_action("app.go('arrivals')")

    def action_none(self) -> None:
        """The field itself takes this key while it has the focus."""
