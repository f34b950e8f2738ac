"""Full nights: who might be asked to sleep elsewhere, and what to offer, the better room first."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from kiosk import queries, say
from kiosk.desk import Desk, Outcome
from kiosk.page import ListPage, OpenStay
from kiosk.screens.choose import Choose
from kiosk.screens.form import Field, Form
from kiosk.words import Candidate, CrowdedNight, WayOut

WALK = "WALK"


class Walks(ListPage):
    """Who is in house is never in this list."""

    CSS_PATH = "conflicts.tcss"
    HEADING = "Full nights"
    HELP = "More guests than rooms: choose whom to ask, then what to offer; another house is last."
    COLUMNS: ClassVar[tuple[tuple[str, int], ...]] = (
        ("Night", 7),
        ("Type", 10),
        ("Clock", 8),
        ("Guest", 16),
        ("Stay", 8),
        ("A night", 11),
        ("From", 6),
    )
    EMPTY = "No night has more guests than rooms."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "none", "Offer"),
        Binding("o", "open", "Open the stay"),
        Binding("9", "app.go('conflicts')", "Conflicts"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.lines: dict[str, Candidate] = {}

    async def load(self) -> None:
        """Every overbooked night, with its first candidates."""
        told = await self.desk.told(queries.CROWDED)
        rows = []
        self.lines = {}
        for night in told.data or []:
            for one in night.candidates:
                key = f"{night.night} {night.room_type_id} {one.rank}"
                self.lines[key] = one
                rows.append((key, self._cells(night, one)))
            if not night.candidates:
                # A full house is said even where nobody in it may be asked.
                key = f"{night.night} {night.room_type_id} nobody"
                rows.append((key, self._nobody(night)))
        self.show(rows, told.as_of_ms)

    def _cells(self, night: CrowdedNight, one: Candidate) -> tuple[str, ...]:
        return (
            f"{night.night:%d.%m.}",
            self.desk.type_title(night.room_type_id),
            self._clock(night),
            f"{one.rank}. {say.name_of(one.stay)}",
            f"{one.nights} night" + ("" if one.nights == 1 else "s"),
            say.money(one.rate_minor, one.currency or self.desk.currency),
            "portal" if one.ota else "direct",
        )

    def _nobody(self, night: CrowdedNight) -> tuple[str, ...]:
        beyond = night.held - night.rooms
        return (
            f"{night.night:%d.%m.}",
            self.desk.type_title(night.room_type_id),
            self._clock(night),
            "all are in house",
            f"{beyond} over",
            "-",
            "-",
        )

    def _clock(self, night: CrowdedNight) -> str:
        if night.overdue:
            return "OVERDUE"
        if night.decide_by_ms is None:
            return "-"
        left_min = -(-max(0, night.decide_by_ms - self.desk.now_ms()) // 60_000)
        return f"{left_min} min" if left_min < 120 else f"{left_min // 60} h"

    def on_data_table_row_selected(self) -> None:
        """Enter: what to offer."""
        one = self.lines.get(self.chosen())
        if one is not None:
            self.act(partial(self._offer, one))

    def action_none(self) -> None:
        """The table itself takes this key while it has the focus."""

    def action_open(self) -> None:
        """The stay of the guest under the cursor."""
        one = self.lines.get(self.chosen())
        if one is not None:
            self.post_message(OpenStay(one.stay.id))

    async def _offer(self, one: Candidate) -> None:
        lines = [(str(number), _offer_text(way)) for number, way in enumerate(one.alternatives)]
        chosen = await self.dialog(Choose(f"Offer {say.name_of(one.stay)}", lines))
        if chosen is None:
            return
        way = one.alternatives[int(chosen)]
        if way.way == WALK:
            await self._walk(one)
            return
        question = f"Room {way.room_number}, {way.title}, at the price of now for this guest?"
        if await self.confirm(question):
            outcome = await self.desk.perform(
                queries.REHOUSE,
                stayId=one.stay.id,
                roomTypeId=way.room_type_id,
                roomId=way.room_id,
            )
            self.tell(outcome)

    async def _walk(self, one: Candidate) -> None:
        async def submit(values: dict[str, Any]) -> Outcome:
            return await self.desk.perform(
                queries.WALK_GUEST,
                stayId=one.stay.id,
                whereTo=values["where"],
                costMinor=values["cost"],
                approvedBy=values["manager"] or None,
                approvedPin=values["pin"],
            )

        fields = [
            Field(name="where", label="To which house"),
            Field(name="cost", label="What it costs", kind="money"),
            Field(name="manager", label="Manager", optional=True),
            Field(name="pin", label="Manager's PIN", kind="secret", optional=True),
        ]
        intro = "The stay ends here, and the bookings are told that it is cancelled."
        form = Form("Another house", fields, submit, desk=self.desk, intro=intro)
        outcome = await self.dialog(form)
        if outcome is not None:
            self.tell(outcome)


def _offer_text(way: WayOut) -> str:
    if way.way == WALK:
        return "Another house: a manager's decision"
    what = "Better" if way.way == "UPGRADE" else "Other"
    return f"{what}: {way.title}, room {way.room_number}, {way.free} free"
