"""Lists of stays: what arrivals, departures, in house and search have in common."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from kiosk import say
from kiosk.desk import Desk, Told
from kiosk.page import ListPage, OpenStay
from kiosk.queries import Query
from kiosk.words import Stay


class StayList(ListPage):
    """One line per stay; Enter opens it."""

    QUERY: ClassVar[Query[list[Stay]]]
    COLUMNS: ClassVar[tuple[tuple[str, int], ...]] = (
        ("Guest", 25),
        ("Room", 5),
        ("Type", 12),
        ("Nights", 13),
        ("Stands", 12),
    )
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "none", "Open")]

    async def load(self) -> None:
        """The list, or the last one known."""
        self.fill(await self.desk.told(self.QUERY))

    def fill(self, told: Told[list[Stay]]) -> None:
        """One row each."""
        stays = told.data or []
        self.show([(stay.id, cells(stay, self.desk)) for stay in stays], told.as_of_ms)

    @on(DataTable.RowSelected)
    def opened(self, event: DataTable.RowSelected) -> None:
        """Enter."""
        if event.row_key.value:
            self.post_message(OpenStay(event.row_key.value))

    def action_none(self) -> None:
        """The table itself takes this key while it has the focus."""


def cells(stay: Stay, desk: Desk) -> tuple[str, ...]:
    """A stay as a row."""
    nights = f"{stay.arrival:%d %b}-{stay.departure:%d %b}"
    return (
        say.name_of(stay),
        stay.room_number or "-",
        desk.type_title(stay.room_type_id),
        nights,
        how_it_stands(stay),
    )


def how_it_stands(stay: Stay) -> str:
    """The most worrying thing first, in words."""
    if stay.unfinished:
        return "UNFINISHED"
    if any(conflict.open for conflict in stay.conflicts):
        return "CONFLICT"
    if stay.at_risk:
        return "AT RISK"
    if stay.state != "CONFIRMED":
        return say.STAY_STATE.get(stay.state, stay.state.lower())
    if stay.room_number is None:
        return "no room"
    return {True: "ready", False: "not ready", None: "expected"}[stay.room_ready]
