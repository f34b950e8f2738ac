"""The conflict inbox: two versions side by side, and a person takes one."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from kiosk import queries
from kiosk.desk import Desk
from kiosk.page import ListPage, OpenStay
from kiosk.screens.conflict_items import ConflictItems
from kiosk.words import Conflict

# An hour: a clock that runs out tomorrow is no clock yet.
CLOCK_SHOWN_MS = 3_600_000


class Conflicts(ListPage):
    """Nothing is overwritten silently: every line here waits for a person."""

    CSS_PATH = "conflicts.tcss"
    HEADING = "Conflicts"
    HELP = "Where the box and the bookings disagree: take one of the two, or decide point by point."
    COLUMNS: ClassVar[tuple[tuple[str, int], ...]] = (
        ("What", 20),
        ("The box says", 25),
        ("The bookings say", 25),
    )
    EMPTY = "Nobody disagrees."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("b", "take(False)", "Take the box's"),
        Binding("u", "take(True)", "Take the bookings'"),
        Binding("enter", "none", "Point by point"),
        Binding("o", "open", "Open the stay"),
        Binding("w", "app.go('walks')", "Full nights"),
        Binding("z", "app.go('undo')", "Undo"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.by_id: dict[str, Conflict] = {}

    async def load(self) -> None:
        """The inbox, or the last one known."""
        told = await self.desk.told(queries.CONFLICTS)
        self.by_id = {each.id: each for each in told.data or []}
        rows = [
            (each.id, (_what(each, self.desk.now_ms()), each.box_says, each.upstream_says))
            for each in self.by_id.values()
        ]
        self.show(rows, told.as_of_ms)

    def action_take(self, upstream: bool) -> None:  # noqa: FBT001 (an action's argument)
        """Settle the conflict under the cursor."""
        conflict = self.by_id.get(self.chosen())
        if conflict is not None:
            self.act(partial(self._take, conflict, upstream=upstream))

    async def _take(self, conflict: Conflict, *, upstream: bool) -> None:
        says = conflict.upstream_says if upstream else conflict.box_says
        whose = "the bookings'" if upstream else "the box's"
        if await self.confirm(f"Take {whose} version?\n\n{says}"):
            outcome = await self.desk.perform(
                queries.SETTLE_CONFLICT,
                stayId=conflict.stay_id,
                conflictId=conflict.id,
                takeUpstream=upstream,
            )
            self.tell(outcome)

    @on(DataTable.RowSelected)
    def opened(self, event: DataTable.RowSelected) -> None:
        """Enter."""
        conflict = self.by_id.get(event.row_key.value or "")
        if conflict is None:
            return
        if conflict.items:
            self.app.push_screen(ConflictItems(self.desk, conflict))
        else:
            self.say("This has no points: look at the full nights with w, or open the stay with o.")

    def action_open(self) -> None:
        """The stay that it is about."""
        conflict = self.by_id.get(self.chosen())
        if conflict is not None:
            self.post_message(OpenStay(conflict.stay_id))

    def action_none(self) -> None:
        """The table itself takes this key while it has the focus."""


def _what(conflict: Conflict, now_ms: int) -> str:
    """What it is, or how long there is to decide it."""
    if conflict.overdue:
        return "OVERDUE: " + conflict.what.replace("_", " ")
    left_ms = None if conflict.decide_by_ms is None else conflict.decide_by_ms - now_ms
    if left_ms is None or left_ms > CLOCK_SHOWN_MS:
        return conflict.what.replace("_", " ")
    return f"{-(-max(0, left_ms) // 60_000)} min: {conflict.what.replace('_', ' ')}"
