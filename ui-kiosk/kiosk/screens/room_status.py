"""Setting a room's status from a list of rooms."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from kiosk import queries
from kiosk.desk import Outcome
from kiosk.page import ListPage
from kiosk.screens.form import Field, Form


class RoomActs(ListPage):
    """C, D, I and X on the room under the cursor (its row's key is the room's id)."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "status('CLEAN')", "Clean"),
        Binding("d", "status('DIRTY')", "Dirty"),
        Binding("i", "status('INSPECTED')", "Inspected"),
        Binding("x", "status('OUT_OF_ORDER')", "Out of order"),
    ]

    def action_status(self, status: str) -> None:
        """Say how the room is."""
        room_id = self.chosen()
        if room_id:
            self.act(partial(self._status, room_id, status))

    async def _status(self, room_id: str, status: str) -> None:
        given = {"roomId": room_id, "status": status}
        if status != "OUT_OF_ORDER":
            self.say("Asking the box ...")
            self.tell(await self.desk.perform(queries.SET_ROOM_STATUS, **given, reason=""))
            return

        async def submit(values: dict[str, Any]) -> Outcome:
            return await self.desk.perform(queries.SET_ROOM_STATUS, **given, **values)

        fields = [Field(name="reason", label="Why")]
        form = Form("Out of order", fields, submit, desk=self.desk)
        outcome = await self.dialog(form)
        if outcome is not None:
            self.tell(outcome)
