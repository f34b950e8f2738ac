"""Hand-over: what one shift owes the next, acknowledged one by one."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from kiosk import queries, say
from kiosk.desk import Desk
from kiosk.frame import Line
from kiosk.journal import Entry
from kiosk.page import ListPage, OpenStay
from kiosk.words import HandOver

# What a row is, by the first part of its key.
OPENING, JOURNAL, STAY, OTHER = "opening", "journal", "stay", "other"


class HandOverPage(ListPage):
    """Open unknowns, acts without an answer, parked items, conflicts, requests, cash."""

    CSS_PATH = "hand_over.tcss"
    HEADING = "Hand-over"
    HELP = "Read every line to the next shift. Unknown doors are acknowledged one by one."
    COLUMNS: ClassVar[tuple[tuple[str, int], ...]] = (
        ("What", 18),
        ("Words", 43),
        ("Stands", 11),
    )
    EMPTY = "Nothing is open."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "acknowledge", "Acknowledge"),
        Binding("f", "finish", "Finish"),
        Binding("enter", "none", "Open the stay"),
        Binding("s", "open_shift", "Open my shift"),
        Binding("z", "close_shift", "Close my shift"),
        Binding("m", "app.go('money')", "Money"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.acknowledged: set[str] = set()
        self._owed = HandOver()
        self._stays: dict[str, str] = {}

    def body(self) -> ComposeResult:
        """Cash and shift above the table."""
        yield Line(id="cash")
        yield from super().body()

    async def load(self) -> None:
        """Everything open, or the last one known; the terminal's own file comes first."""
        told = await self.desk.told(queries.HAND_OVER)
        self._owed = told.data or HandOver()
        me = self.desk.standing.me if self.desk.standing else None
        shift = "a shift is open" if me is not None and me.shift else "no shift is open (s)"
        cash = say.money(self._owed.cash_minor, self._owed.currency or self.desk.currency)
        self.query_one("#cash", Line).write(f"Cash of the shift: {cash}; {shift}")
        self.show(self._own_rows() + self._box_rows(), told.as_of_ms)

    def _own_rows(self) -> list[tuple[str, tuple[str, ...]]]:
        return [
            (
                f"{JOURNAL}:{entry.command_id}",
                ("act, no answer", self._entry_words(entry), "f finish"),
            )
            for entry in self.desk.client.journal.entries
        ]

    def _entry_words(self, entry: Entry) -> str:
        act = queries.ACTS.get(entry.act)
        at = say.moment(self.desk.at_ms(entry.at_ms), self.desk.tz)
        return f"{act.label if act else entry.act}, {at}: it may have happened"

    def _box_rows(self) -> list[tuple[str, tuple[str, ...]]]:
        owed = self._owed
        rows: list[tuple[str, tuple[str, ...]]] = []
        self._stays = {}
        for opening in owed.unknown_openings:
            key = f"{OPENING}:{opening.id}"
            self._stays[key] = opening.stay_id or ""
            seen = "[x] seen" if opening.id in self.acknowledged else "[ ] a"
            words = f"{opening.door_title}: {opening.sentence or 'nobody knows if it opened'}"
            rows.append((key, ("door, unknown", words, seen)))
        for stay in owed.unfinished:
            key = f"{STAY}:{stay.id}"
            self._stays[key] = stay.id
            words = f"{say.name_of(stay)}: {' '.join(stay.unfinished)}"
            rows.append((key, ("unfinished stay", words, "Enter opens")))
        for conflict in owed.conflicts:
            key = f"{OTHER}:{conflict.id}"
            self._stays[key] = conflict.stay_id
            words = f"{conflict.what.replace('_', ' ')}: {conflict.box_says}"
            rows.append((key, ("conflict", words, "9 settles")))
        for intent in owed.pending_intents:
            words = f"{say.money(intent.amount_minor, intent.currency)}: {intent.sentence}"
            rows.append((f"{OTHER}:{intent.id}", ("money", words, "pending")))
        for parked in owed.parked:
            waits = say.age(self.desk.now_ms() - parked.since_ms)
            words = f"{parked.entity}: {parked.sentence}"
            rows.append((f"{OTHER}:{parked.id}", ("parked sync", words, waits)))
        for request in owed.open_requests:
            words = f"{request.room_number or '-'}: {request.text}"
            rows.append((f"{OTHER}:{request.id}", ("request", words, request.status.lower())))
        return rows

    def action_acknowledge(self) -> None:
        """The line was read aloud and understood."""
        kind, _, name = self.chosen().partition(":")
        if kind == OPENING:
            self.acknowledged ^= {name}
            self.reload()
        elif kind == JOURNAL:
            self.act(partial(self._give_up, name))
        else:
            self.say("This line needs no word: it stays until it is settled where it belongs.")

    async def _give_up(self, command_id: str) -> None:
        question = "Take this act off the list without an answer?\nLook at the stay first."
        if await self.confirm(question):
            self.desk.client.journal.end(command_id)
            self.reload()

    def action_finish(self) -> None:
        """Ask again, with the same id: it counts once."""
        kind, _, name = self.chosen().partition(":")
        entry = next((e for e in self.desk.client.journal.entries if e.command_id == name), None)
        signed_in = self.desk.client.signed_in
        if kind != JOURNAL or entry is None:
            self.say("Only an act without an answer can be finished from here.")
        elif signed_in is None or signed_in.person != entry.person:
            self.say("Only the person who asked can finish it: ask them to sign in.", "warn")
        elif not entry.whole and not self.desk.client.remembers(name):
            self.say("Its words were not kept. Look at the stay, then take it off (a).", "warn")
        else:
            self.act(partial(self._finish, name))

    async def _finish(self, command_id: str) -> None:
        self.say("Asking the box ...")
        self.tell(await self.desk.finish(command_id))

    def action_open_shift(self) -> None:
        """Take this terminal over."""
        self.act(self._shift)

    async def _shift(self) -> None:
        outcome = await self.desk.perform(queries.OPEN_SHIFT)
        await self.desk.look()
        self.tell(outcome)

    def action_close_shift(self) -> None:
        """After every unknown was acknowledged."""
        unread = [o for o in self._owed.unknown_openings if o.id not in self.acknowledged]
        if unread:
            count = len(unread)
            doors = "door is" if count == 1 else "doors are"
            self.say(f"{count} unknown {doors} not acknowledged yet (a on each line).", "warn")
        else:
            self.act(self._close)

    async def _close(self) -> None:
        cash = say.money(self._owed.cash_minor, self._owed.currency or self.desk.currency)
        if await self.confirm(f"Close the shift?\nCash to hand over: {cash}"):
            given = {"acknowledged": sorted(self.acknowledged)}
            outcome = await self.desk.perform(queries.CLOSE_SHIFT, **given)
            await self.desk.look()
            self.tell(outcome)

    @on(DataTable.RowSelected)
    def opened(self, event: DataTable.RowSelected) -> None:
        """Enter."""
        stay_id = self._stays.get(event.row_key.value or "")
        if stay_id:
            self.post_message(OpenStay(stay_id))

    def action_none(self) -> None:
        """The table itself takes this key while it has the focus."""
