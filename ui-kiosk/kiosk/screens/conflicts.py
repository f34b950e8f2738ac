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
from kiosk.words import Conflict


class Conflicts(ListPage):
    """Nothing is overwritten silently: every line here waits for a person."""

    CSS_PATH = "conflicts.tcss"
    HEADING = "Conflicts"
    HELP = "Where the box and the bookings disagree. Take one of the two."
    COLUMNS: ClassVar[tuple[tuple[str, int], ...]] = (
        ("What", 20),
        ("The box says", 25),
        ("The bookings say", 25),
    )
    EMPTY = "Nobody disagrees."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("b", "take(False)", "Take the box's"),
        Binding("u", "take(True)", "Take the bookings'"),
        Binding("enter", "none", "Open the stay"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.by_id: dict[str, Conflict] = {}

    async def load(self) -> None:
        """The inbox, or the last one known."""
        told = await self.desk.told(queries.CONFLICTS)
        self.by_id = {each.id: each for each in told.data or []}
        rows = [
            (each.id, (each.what.replace("_", " "), each.box_says, each.upstream_says))
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
        if conflict is not None:
            self.post_message(OpenStay(conflict.stay_id))

    def action_none(self) -> None:
        """The table itself takes this key while it has the focus."""
