"""What the box decided by itself, or a person in the inbox: each with what an undoing would do."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from kiosk import queries, say
from kiosk.desk import Desk
from kiosk.page import ListPage, OpenStay
from kiosk.words import Decision

STEPS = {
    "REINSTATE": "confirm it again",
    "CANCEL_AGAIN": "cancel it again here",
    "UNDO_CHECK_IN": "take the check-in back",
    "CHECK_IN_AGAIN": "check in again",
    "DATES": "the dates of before",
    "DEPARTURE": "the departure of before",
    "ROOM_TYPE": "the type of before",
    "PRICE": "the prices of before",
    "ROOM_BACK": "the room of before, if free",
    "ROOM_AWAY": "no room",
    "REOPEN": "the conflict waits again",
}
KINDS = {"learned": "bookings", "settled": "inbox", "cleared": "by itself"}


class Undo(ListPage):
    """A day long; after that, or when somebody acted on it, by hand."""

    CSS_PATH = "conflicts.tcss"
    HEADING = "Undo"
    HELP = (
        "What was decided in the last day without you. u puts it back; enter says what that does."
    )
    COLUMNS: ClassVar[tuple[tuple[str, int], ...]] = (
        ("When", 7),
        ("Decided", 8),
        ("What changed", 30),
        ("Undo would", 24),
    )
    EMPTY = "Nothing was decided without a person in the last day."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "undo", "Undo it"),
        Binding("enter", "none", "Read it"),
        Binding("o", "open", "Open the stay"),
        Binding("9", "app.go('conflicts')", "Conflicts"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.by_id: dict[str, Decision] = {}

    async def load(self) -> None:
        """The newest first."""
        told = await self.desk.told(queries.DECISIONS)
        self.by_id = {each.id: each for each in told.data or []}
        now_ms = self.desk.now_ms()
        rows = [
            (
                each.id,
                (
                    say.age(now_ms - each.at_ms),
                    KINDS.get(each.kind, each.kind),
                    _changes(each),
                    _steps(each) if each.undoable else "not possible",
                ),
            )
            for each in self.by_id.values()
        ]
        self.show(rows, told.as_of_ms)

    @on(DataTable.RowSelected)
    def read(self, event: DataTable.RowSelected) -> None:
        """What it changed and what an undoing does, whole."""
        made = self.by_id.get(event.row_key.value or "")
        if made is not None:
            then = f"Undo: {_steps(made)}." if made.undoable else made.why
            self.say(f"{_changes(made)}. {then}")

    def action_none(self) -> None:
        """The table itself takes this key while it has the focus."""

    def action_open(self) -> None:
        """The stay that it is about."""
        made = self.by_id.get(self.chosen())
        if made is not None:
            self.post_message(OpenStay(made.stay_id))

    def action_undo(self) -> None:
        """After a question."""
        made = self.by_id.get(self.chosen())
        if made is None:
            return
        if made.undoable:
            self.act(partial(self._undo, made))
        else:
            self.say(made.why, "warn")

    async def _undo(self, made: Decision) -> None:
        if await self.confirm(f"{_changes(made)}\n\nUndo: {_steps(made)}?"):
            given = {"stayId": made.stay_id, "decisionId": made.id}
            self.tell(await self.desk.perform(queries.UNDO_DECISION, **given))


def _changes(made: Decision) -> str:
    if not made.changes:
        return "a conflict was closed"
    return "; ".join(
        f"{each.what.replace('_id', '').replace('_', ' ')} {each.before or '-'} to {each.after or '-'}"
        for each in made.changes
    )


def _steps(made: Decision) -> str:
    return ", ".join(STEPS.get(step, step.lower()) for step in made.steps)
