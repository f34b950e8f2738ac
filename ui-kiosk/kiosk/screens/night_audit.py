"""Night audit: close the business date by decision, never by the clock."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from kiosk import queries, say
from kiosk.desk import Desk
from kiosk.page import ListPage


class NightAudit(ListPage):
    """Who has not come is marked by a person; then the date rolls."""

    CSS_PATH = "night_audit.tcss"
    HEADING = "Night audit"
    HELP = "Mark who did not come, then close the business date. It can be repeated."
    COLUMNS: ClassVar[tuple[tuple[str, int], ...]] = (
        ("No-show", 8),
        ("Guest", 30),
        ("Booked for", 13),
        ("Code", 18),
    )
    EMPTY = "Everybody expected has come."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "Mark as no-show"),
        Binding("r", "run", "Close the business date"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.marked: set[str] = set()
        self._rows: list[tuple[str, tuple[str, ...]]] = []

    async def load(self) -> None:
        """Everybody expected who is not in house."""
        told = await self.desk.told(queries.ARRIVALS)
        missing = [stay for stay in told.data or [] if stay.state == "CONFIRMED"]
        self.marked &= {stay.id for stay in missing}
        rows = [
            (
                stay.id,
                (
                    "[x]" if stay.id in self.marked else "[ ]",
                    say.name_of(stay),
                    f"{stay.arrival:%d %b}-{stay.departure:%d %b}",
                    stay.code,
                ),
            )
            for stay in missing
        ]
        self.show(rows, told.as_of_ms)

    def action_mark(self) -> None:
        """Mark or unmark the line under the cursor."""
        if stay_id := self.chosen():
            self.marked ^= {stay_id}
            self.reload()

    def action_run(self) -> None:
        """Roll the business date."""
        self.act(self._run)

    async def _run(self) -> None:
        closing = self.desk.today
        count = len(self.marked)
        question = f"Close {say.day(closing)}?\n{count} marked as no-show; the date rolls on."
        if not await self.confirm(question):
            return
        given = {"closing": closing, "noShows": sorted(self.marked)}
        outcome = await self.desk.perform(queries.RUN_NIGHT_AUDIT, **given)
        await self.desk.look()
        self.tell(outcome)
        totals = [
            f"{name.replace('_', ' ')} {value}"
            for name, value in outcome.result.items()
            if isinstance(value, str | int)
        ]
        if totals:
            self.say(f"{outcome.sentence} {', '.join(totals)}", "done" if outcome.done else "warn")
