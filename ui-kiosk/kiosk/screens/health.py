"""How everything stands: each counterparty and engine, with ages. Never a green dot."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from kiosk.page import ListPage
from kiosk.standing import one_line


class HealthPage(ListPage):
    """What the status line has no room for."""

    CSS_PATH = "health.tcss"
    HEADING = "Health"
    HELP = "Each counterparty's last confirmed exchange, what waits, what has stopped."
    COLUMNS: ClassVar[tuple[tuple[str, int], ...]] = (
        ("What", 14),
        ("State", 12),
        ("Confirmed", 12),
        ("Waiting", 16),
        ("Words", 14),
    )
    BINDINGS: ClassVar[list[BindingType]] = [Binding("s", "app.go('sync')", "Outside")]
    EMPTY = "Nothing was heard from the box yet."

    async def load(self) -> None:
        """As the last answer said, aged by now."""
        await self.desk.look()
        vitals = self.desk.standing.health.vitals if self.desk.standing else []
        now_ms = self.desk.now_ms()
        rows = [(vital.name, (*one_line(vital, now_ms), vital.sentence)) for vital in vitals]
        self.show(rows, None)
        chosen = next((vital for vital in vitals if vital.name == self.chosen()), None)
        if chosen is not None:
            self.say(f"{chosen.name}: {chosen.sentence}" if chosen.sentence else "")
