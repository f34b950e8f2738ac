"""What guests and the house asked for, and how far it is."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from kiosk import queries, say
from kiosk.desk import Outcome
from kiosk.page import ListPage
from kiosk.screens.choose import Choose
from kiosk.screens.form import Field, Form

REQUEST_TYPES = [
    ("help", "Help"),
    ("towels", "Towels"),
    ("cleaning", "Cleaning"),
    ("maintenance", "Something is broken"),
    ("luggage", "Luggage"),
    ("wake_up", "Wake-up call"),
    ("leak", "A leak"),
    ("other", "Something else"),
]


class Requests(ListPage):
    """Open requests; one key moves each on."""

    CSS_PATH = "requests.tcss"
    HEADING = "Requests"
    HELP = "What was asked for. Pending, then seen, then done."
    COLUMNS: ClassVar[tuple[tuple[str, int], ...]] = (
        ("Room", 6),
        ("What", 12),
        ("Status", 12),
        ("Words", 29),
        ("Since", 9),
    )
    EMPTY = "Nobody waits for anything."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "status('acknowledged')", "Seen"),
        Binding("c", "status('completed')", "Done"),
        Binding("f", "status('failed')", "Cannot be done"),
        Binding("n", "new", "New"),
    ]

    async def load(self) -> None:
        """The list, or the last one known."""
        told = await self.desk.told(queries.REQUESTS)
        now_ms = self.desk.now_ms()
        rows = [
            (
                each.id,
                (
                    each.room_number or "-",
                    each.type.replace("_", " ").lower(),
                    each.status.lower(),
                    each.text,
                    say.age(now_ms - each.at_ms),
                ),
            )
            for each in told.data or []
        ]
        self.show(rows, told.as_of_ms)

    def action_status(self, status: str) -> None:
        """Move the request under the cursor on."""
        if request_id := self.chosen():
            self.act(partial(self._status, request_id, status))

    async def _status(self, request_id: str, status: str) -> None:
        given = {"requestId": request_id, "status": status}
        self.tell(await self.desk.perform(queries.SET_REQUEST_STATUS, **given))

    def action_new(self) -> None:
        """A request of the house itself, or of a guest at the desk."""
        self.act(self._new)

    async def _new(self) -> None:
        kind = await self.dialog(Choose("A request: what for?", REQUEST_TYPES))
        if kind is None:
            return

        async def submit(values: dict[str, Any]) -> Outcome:
            given = {"type": kind, "stayId": None, "roomId": None, **values}
            return await self.desk.perform(queries.MAKE_REQUEST, **given)

        form = Form("Request", [Field(name="text", label="Words")], submit, desk=self.desk)
        outcome = await self.dialog(form)
        if outcome is not None:
            self.tell(outcome)
