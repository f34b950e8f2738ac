"""The world outside: when each service last answered, what waits for it, what waits for a person."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import Any, ClassVar, Final

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from kiosk import queries, say
from kiosk.desk import Desk, Ended, Outcome
from kiosk.page import ListPage
from kiosk.screens.form import Field, Form
from kiosk.standing import INSIDE, sentence_of
from kiosk.words import HandOver, Parked

# Three lines of the question's box; the whole sentence is one key (Enter) away.
SENTENCE_CHARS_MAX: Final = 150
QUESTIONS: Final = {
    "retry": "Try this again? It is looked up there first.",
    "done": "Mark this done? Only if it was done at the vendor: nothing more is sent.",
}
NO_ITEM: Final = "This does not wait for a person: put the cursor on an item that does."
NOTHING_TO_EDIT: Final = "Nothing of this can be edited: retry it (r), or mark it done (d)."
# What of an act can be told otherwise: how the desk calls it, and how it is typed.
LABELS: Final = {
    "ROOM": ("Room, or none", "text"),
    "ADULTS": ("Adults", "number"),
    "CHILDREN": ("Children", "number"),
    "DEPARTURE": ("Departure", "date"),
    "LEFT_ON": ("Left on", "date"),
}
UNCHANGED: Final = Outcome(ended=Ended.REFUSED, sentence="Nothing is changed yet.")


class SyncPage(ListPage):
    """Ages and depths, never a dot; parked items with what is wrong with each."""

    CSS_PATH = "health.tcss"
    HEADING = "Outside"
    HELP = "When each service last answered, what waits for it; items that wait for a person."
    COLUMNS: ClassVar[tuple[tuple[str, int], ...]] = (("What", 18), ("How it stands", 56))
    EMPTY = "Nothing outside is connected to this box."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "none", "Read it"),
        Binding("r", "decide('retry')", "Retry"),
        Binding("e", "edit", "Edit"),
        Binding("d", "decide('done')", "Mark done"),
        Binding("9", "app.go('conflicts')", "Conflicts"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.parked: dict[str, Parked] = {}
        self.whole: dict[str, str] = {}

    async def load(self) -> None:
        """Services first, then money without an answer, then what is parked."""
        await self.desk.look()
        standing = self.desk.standing
        vitals = standing.health.vitals if standing else []
        now_ms, tz = self.desk.now_ms(), self.desk.tz
        lines = [
            (f"v {vital.name}", vital.name, sentence_of(vital, now_ms, tz))
            for vital in vitals
            if not vital.name.startswith(INSIDE) and vital.state != "quarantined"
        ]
        if standing is not None and standing.health.line_down_since_ms is not None:
            allotment = await self.desk.told(queries.ALLOTMENT)
            lines += [
                (
                    f"a {each.room_type_id}",
                    self.desk.type_title(each.room_type_id),
                    f"may be sold offline tonight: {each.left} more ({each.sold} of {each.rooms} sold)",
                )
                for each in allotment.data or []
            ]
        told = await self.desk.told(queries.HAND_OVER)
        work = told.data or HandOver()
        lines += [
            (
                f"i {each.id}",
                "payment",
                f"{say.money(each.amount_minor, each.currency)}: {each.sentence or each.state}",
            )
            for each in work.pending_intents
        ]
        lines += [
            (f"p {each.id}", each.entity, _standing(each, now_ms, tz)) for each in work.parked
        ]
        self.parked = {f"p {each.id}": each for each in work.parked}
        self.whole = {key: f"{name}: {text}" for key, name, text in lines}
        self.show([(key, (name, text)) for key, name, text in lines], told.as_of_ms)

    @on(DataTable.RowSelected)
    def read(self, event: DataTable.RowSelected) -> None:
        """The whole line under the cursor."""
        self.say(self.whole.get(event.row_key.value or "", ""))

    def action_decide(self, act: str) -> None:
        """Ask sync to do something about the parked item under the cursor."""
        item = self.parked.get(self.chosen())
        if item is None:
            self.say(NO_ITEM)
        else:
            self.act(partial(self._decide, item, act))

    async def _decide(self, item: Parked, act: str) -> None:
        wish = queries.RETRY_PARKED if act == "retry" else queries.MARK_PARKED_DONE
        what = f"{item.entity}\n{say.clip(item.sentence, SENTENCE_CHARS_MAX)}"
        if await self.confirm(f"{QUESTIONS[act]}\n\n{what}"):
            self.tell(await self.desk.perform(wish, itemId=item.id))

    def action_edit(self) -> None:
        """Change what the vendor is told of the item under the cursor."""
        item = self.parked.get(self.chosen())
        if item is None:
            self.say(NO_ITEM)
        elif not item.editable:
            self.say(NOTHING_TO_EDIT)
        else:
            self.act(partial(self._edit, item))

    async def _edit(self, item: Parked) -> None:
        fields = [_field(each.field, each.value) for each in item.editable]
        stands = {each.name: each.value for each in fields}

        async def submit(values: dict[str, Any]) -> Outcome:
            changes = [
                {"field": name, "value": text}
                for name, value in values.items()
                if (text := "" if value is None else str(value)) != stands[name]
            ]
            if not changes:
                return UNCHANGED
            return await self.desk.perform(queries.EDIT_PARKED, itemId=item.id, changes=changes)

        what = say.clip(item.sentence, SENTENCE_CHARS_MAX)
        intro = f"{item.entity}: {what}\nOnly what is told there changes; the stay here does not."
        form = Form("Edit, and try again", fields, submit, desk=self.desk, intro=intro)
        outcome = await self.dialog(form)
        if outcome is not None:
            self.tell(outcome)

    def action_none(self) -> None:
        """The table itself takes this key while it has the focus."""


def _field(name: str, value: str) -> Field:
    label, kind = LABELS.get(name, (name.replace("_", " ").capitalize(), "text"))
    return Field(name=name, label=label, kind=kind, value=value, optional=not value)


def _standing(item: Parked, now_ms: int, tz: dt.tzinfo) -> str:
    """What is wrong with it; first what was asked, and whether sync has said anything to that."""
    text = f"for {say.age(now_ms - item.since_ms)}: {item.sentence}"
    if item.asked is None or item.asked_ms is None:
        return text
    said = item.said or "sync has not said yet"
    return f"{item.asked} asked at {say.moment(item.asked_ms, tz)}, {said} | {text}"
