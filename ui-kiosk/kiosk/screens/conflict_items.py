"""One conflict, point by point: both versions, who said each and when; each is taken or kept."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from kiosk import queries, say
from kiosk.desk import Desk
from kiosk.page import ListPage
from kiosk.words import Conflict, ConflictItem


class ConflictItems(ListPage):
    """Nothing is sent before s: until then every point is the box's."""

    CSS_PATH = "conflicts.tcss"
    HEADING = "Point by point"
    HELP = "a takes the bookings' version of a point, r keeps the box's, s settles them all."
    COLUMNS: ClassVar[tuple[tuple[str, int], ...]] = (
        ("Taken", 7),
        ("What", 9),
        ("The box says", 18),
        ("by", 8),
        ("The bookings say", 18),
        ("at", 5),
    )
    EMPTY = "This conflict has no points."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "mark(True)", "Accept theirs"),
        Binding("r", "mark(False)", "Reject: ours"),
        Binding("s", "settle", "Settle all"),
        Binding("enter", "none", "Read it"),
        Binding("escape", "leave", "Back"),
    ]

    def __init__(self, desk: Desk, conflict: Conflict) -> None:
        super().__init__(desk)
        self.conflict = conflict
        self.accepted: set[str] = set()
        self.items = {item.field: item for item in conflict.items}

    def heading(self) -> str:
        """What it is about."""
        return f"{self.HEADING}: {self.conflict.what.replace('_', ' ')}"

    async def load(self) -> None:
        """The points as they were when the inbox was read."""
        self.show([(key, self._cells(item)) for key, item in self.items.items()], None)

    def _cells(self, item: ConflictItem) -> tuple[str, ...]:
        at_ms = item.upstream_at_ms
        return (
            "theirs" if item.field in self.accepted else "the box",
            item.field.replace("_", " ").lower(),
            item.box_says,
            (item.box_by or "-").removeprefix("staff:"),
            item.upstream_says,
            "-" if at_ms is None else say.moment(at_ms, self.desk.tz),
        )

    def action_mark(self, theirs: bool) -> None:  # noqa: FBT001 (Textual passes the key's word)
        """Decide the point under the cursor; nothing is sent yet."""
        chosen = self.chosen()
        self.accepted = self.accepted | {chosen} if theirs else self.accepted - {chosen}
        self.reload()

    def action_settle(self) -> None:
        """Send what was decided."""
        self.act(partial(self._settle, sorted(self.accepted)))

    async def _settle(self, accept: list[str]) -> None:
        taken = ", ".join(each.replace("_", " ").lower() for each in accept) or "nothing"
        if not await self.confirm(f"Take from the bookings: {taken}.\n\nKeep the rest as here?"):
            return
        outcome = await self.desk.perform(
            queries.SETTLE_CONFLICT,
            stayId=self.conflict.stay_id,
            conflictId=self.conflict.id,
            takeUpstream=False,
            accept=accept,
        )
        if outcome.done and self.is_current:
            self.app.pop_screen()
        else:
            self.tell(outcome)

    @on(DataTable.RowSelected)
    def read(self, event: DataTable.RowSelected) -> None:
        """The whole point under the cursor: who, where and when, on both sides."""
        item = self.items.get(event.row_key.value or "")
        if item is None:
            return
        who = item.box_by or "nobody here"
        where = f" at {item.box_terminal}" if item.box_terminal else ""
        version = self.conflict.upstream_version or "-"
        self.say(
            f"{item.field.replace('_', ' ').lower()}: {item.box_says} by {who}{where}"
            f"{self._at(item.box_at_ms)}; bookings, version {version}: {item.upstream_says}"
            f"{self._at(item.upstream_at_ms)}."
        )

    def _at(self, at_ms: int | None) -> str:
        return "" if at_ms is None else f", {say.moment(at_ms, self.desk.tz)}"

    def action_leave(self) -> None:
        """Back to the inbox; what was marked is forgotten."""
        self.app.pop_screen()

    def action_none(self) -> None:
        """The table itself takes this key while it has the focus."""
