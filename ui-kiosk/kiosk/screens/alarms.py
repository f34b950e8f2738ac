"""What devices suffer from: the most urgent that nobody has taken on stands first."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from kiosk import queries, say
from kiosk.page import ListPage


class Alarms(ListPage):
    """Alarms that are up. Each stays until its cause is gone, whoever has taken it on."""

    CSS_PATH = "alarms.tcss"
    HEADING = "Alarms"
    HELP = "What devices suffer from. Take one on with a; it goes when its cause is gone."
    COLUMNS: ClassVar[tuple[tuple[str, int], ...]] = (
        ("Room", 6),
        ("Device", 15),
        ("What", 13),
        ("Left", 6),
        ("Since", 8),
        ("Taken on by", 14),
    )
    EMPTY = "No device suffers from anything it or its radio has told us of."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "take_on", "Take it on"),
        Binding("enter", "none", "Read it"),
        Binding("o", "valve(True)", "Open the valve"),
        Binding("c", "valve(False)", "Close it"),
    ]

    async def load(self) -> None:
        """The list, or the last one known."""
        told = await self.desk.told(queries.DEVICE_ALARMS)
        now_ms = self.desk.now_ms()
        self._sentences = {f"{row.device_id} {row.alarm}": row.sentence for row in told.data or []}
        rows = [
            (
                f"{row.device_id} {row.alarm}",
                (
                    row.room_id or "-",
                    row.device_id,
                    row.alarm.replace("_", " ").lower(),
                    "-" if row.days_left is None else f"{row.days_left} d",
                    say.age(now_ms - row.since_ms),
                    row.seen_by or "nobody yet",
                ),
            )
            for row in told.data or []
        ]
        self.show(rows, told.as_of_ms)

    @on(DataTable.RowSelected)
    def read(self, event: DataTable.RowSelected) -> None:
        """The whole sentence of the alarm under the cursor, with its cure."""
        self.say(self._sentences.get(event.row_key.value or "", ""))

    def action_none(self) -> None:
        """The table itself takes this key while it has the focus."""

    def action_take_on(self) -> None:
        """Everybody sees from now on who looks after it."""
        if chosen := self.chosen():
            self.act(partial(self._take_on, *chosen.split(" ", 1)))

    def action_valve(self, open_it: bool) -> None:  # noqa: FBT001 (Textual passes the key's word)
        """Move the valve under the cursor."""
        if chosen := self.chosen():
            self.act(partial(self._valve, chosen.split(" ", 1)[0], open_it=open_it))

    async def _take_on(self, device_id: str, alarm: str) -> None:
        given = {"deviceId": device_id, "alarm": alarm}
        self.tell(await self.desk.perform(queries.ACKNOWLEDGE_ALARM, **given))

    async def _valve(self, device_id: str, *, open_it: bool) -> None:
        if open_it and not await self.confirm(f"Open {device_id}? Water will run."):
            return
        given = {"deviceId": device_id, "open": open_it}
        self.tell(await self.desk.perform(queries.MOVE_VALVE, **given))
