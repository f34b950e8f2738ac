"""The world outside: when each service last answered, what waits for it, what waits for a person."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import ClassVar, Final

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from kiosk import queries, say
from kiosk.desk import Desk
from kiosk.page import ListPage
from kiosk.standing import INSIDE, sentence_of
from kiosk.words import HandOver, Parked

# Three lines of the question's box; the whole sentence is one key (Enter) away.
SENTENCE_CHARS_MAX: Final = 150
QUESTIONS: Final = {
    "retry": "Try this again? It is looked up there first.",
    "done": "Mark this done? Only if it was done at the vendor: nothing more is sent.",
}


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
            self.say("This does not wait for a person: put the cursor on an item that does.")
        else:
            self.act(partial(self._decide, item, act))

    async def _decide(self, item: Parked, act: str) -> None:
        wish = queries.RETRY_PARKED if act == "retry" else queries.MARK_PARKED_DONE
        what = f"{item.entity}\n{say.clip(item.sentence, SENTENCE_CHARS_MAX)}"
        if await self.confirm(f"{QUESTIONS[act]}\n\n{what}"):
            self.tell(await self.desk.perform(wish, itemId=item.id))

    def action_none(self) -> None:
        """The table itself takes this key while it has the focus."""


def _standing(item: Parked, now_ms: int, tz: dt.tzinfo) -> str:
    """What is wrong with it; first what was asked, and whether sync has said anything to that."""
    text = f"for {say.age(now_ms - item.since_ms)}: {item.sentence}"
    if item.asked is None or item.asked_ms is None:
        return text
    said = item.said or "sync has not said yet"
    return f"{item.asked} asked at {say.moment(item.asked_ms, tz)}, {said} | {text}"
