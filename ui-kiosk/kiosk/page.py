"""What every full screen is: a frame, a body, data that is loaded beside the keys."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar, TypeVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.css.query import NoMatches
from textual.message import Message
from textual.screen import Screen
from textual.widgets import DataTable, Static

from kiosk import say, standing
from kiosk.client import Broken
from kiosk.desk import Desk, Outcome
from kiosk.frame import Keys, Line
from kiosk.screens.confirm import Confirm
from kiosk.work import Work, start

R = TypeVar("R")


class OpenStay(Message):
    """Show one stay."""

    def __init__(self, stay_id: str) -> None:
        super().__init__()
        self.stay_id = stay_id
        """The stay's id."""


class Page(Screen[None]):
    """A full screen. Subclasses give `HEADING`, `body` and `load`."""

    HEADING: ClassVar[str] = ""
    HELP: ClassVar[str] = ""
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self._acting = False

    def compose(self) -> ComposeResult:
        """The frame; `body` fills it."""
        with Horizontal(id="top"):
            yield Line(id="heading")
            yield Line(id="clock", classes="masked")
        yield Line(id="banner", classes="masked")
        with Vertical(id="body"):
            yield from self.body()
        yield Line(id="answer", rows=2)
        yield Line(id="status", classes="masked")
        yield Keys(id="keys")

    def body(self) -> ComposeResult:
        """What is particular to this screen."""
        yield Static("")

    async def load(self) -> None:
        """Ask for data and show it. Runs beside the keys, again whenever something changed."""

    def heading(self) -> str:
        """The title's text."""
        return self.HEADING

    def on_mount(self) -> None:
        """First picture, then data. Textual calls each class's own `on_mount` by itself."""
        self.tick()

    def on_screen_resume(self) -> None:
        """Back on top: what was shown may be old."""
        self.reload()

    def reload(self) -> None:
        """Load in the background; a newer load replaces an older one."""
        start(self, self._load, group="load", alone=True)

    async def _load(self) -> None:
        try:
            await self.load()
        except Broken as error:
            self.say(str(error), "warn")
        except NoMatches:
            return  # the screen was being taken down while its answer came
        self.tick()

    def tick(self) -> None:
        """Write everything that depends on the time and on how the box stands."""
        with suppress(NoMatches):  # a screen that is being taken down has no lines left
            self._tick()

    def _tick(self) -> None:
        if not self.is_mounted:
            return
        desk = self.desk
        house = desk.standing.house.title if desk.standing else ""
        title = " · ".join(part for part in (self.heading(), house, say.day(desk.today)) if part)
        self.query_one("#heading", Line).write(title)
        who = " ".join(part for part in (desk.person, desk.terminal) if part)
        self.query_one("#clock", Line).write(
            f"{say.clip(who, 22)}  {say.moment(desk.now_ms(), desk.tz)}"
        )
        self.query_one("#banner", Line).write(standing.banner(desk))
        self.query_one("#status", Line).write(standing.status(desk))

    def say(self, text: str, kind: str = "plain") -> None:
        """The answer line, here or on whatever screen is on top when this one is gone."""
        if self.is_mounted and self.query("#answer"):
            self.query_one("#answer", Line).write(text, kind)
        elif (top := self.app.screen) is not self and isinstance(top, Page):
            # A screen that is on top but not drawn yet (the lock falling) has no line to write on.
            top.say(text, kind)

    def tell(self, outcome: Outcome) -> None:
        """How an act ended; then what it changed."""
        self.say(outcome.sentence, "done" if outcome.done else "warn")
        if self.is_mounted:
            self.reload()

    def act(self, work: Work) -> None:
        """Start an act that outlives this screen; one at a time."""
        if self._acting:
            self.say("One moment: the last act has no answer yet.")
            return
        self._acting = True
        start(self.app, partial(self._act, work), group="act")

    async def _act(self, work: Work) -> None:
        try:
            await work()
        except Broken as error:
            self.say(str(error), "warn")
        finally:
            self._acting = False

    async def confirm(self, question: str) -> bool:
        """Ask before what cannot be undone."""
        answer = await self.dialog(Confirm(question))
        return bool(answer)

    async def dialog(self, dialog: Screen[R]) -> R | None:
        """Show a dialog and wait for its answer; None at once when this screen is not on top.

        An answer of the box that comes late must not put names or a PIN over the lock screen.
        """
        if not self.is_current:
            return None
        answer: R | None = await self.app.push_screen_wait(dialog)
        return answer


class NavPage(Page):
    """A page from which all others are one key away."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "app.go('arrivals')", "Arrivals"),
        Binding("2", "app.go('departures')", "Departures"),
        Binding("3", "app.go('in_house')", "In house"),
        Binding("4", "app.go('search')", "Search"),
        Binding("5", "app.go('rooms')", "Rooms"),
        Binding("6", "app.go('walk_in')", "Walk-in"),
        Binding("7", "app.go('requests')", "Requests"),
        Binding("8", "app.go('cleaning')", "Cleaning"),
        Binding("9", "app.go('conflicts')", "Conflicts"),
        Binding("0", "app.go('hand_over')", "Hand-over"),
        Binding("l", "app.go('alarms')", "Alarms"),
        Binding("h", "app.go('doors')", "Doors"),
        # From the hand-over it has a key that is shown; two lines of keys are full.
        Binding("dollar_sign", "app.go('money')", "Money", show=False),
        Binding("y", "app.go('night_audit')", "Night audit"),
        Binding("v", "app.go('health')", "Health"),
        Binding("question_mark", "app.go('help')", "Help"),
        Binding("ctrl+l", "app.lock", "Lock"),
        Binding("q", "app.ask_quit", "Quit"),
    ]


class ListPage(NavPage):
    """A page that is one table. `COLUMNS` are (title, cells wide); 2 cells more go between."""

    AUTO_FOCUS = "#table"
    COLUMNS: ClassVar[tuple[tuple[str, int], ...]] = ()
    EMPTY: ClassVar[str] = "Nothing here."

    def body(self) -> ComposeResult:
        """The table, and a sentence where it is empty."""
        yield DataTable(id="table", cursor_type="row", zebra_stripes=True)
        yield Line(id="empty")

    @property
    def table(self) -> DataTable[Text]:
        """The table."""
        return self.query_one("#table", DataTable)

    def on_mount(self) -> None:
        """The columns, where no answer of the box came before them."""
        self._add_columns()

    def _add_columns(self) -> None:
        """Columns of fixed width: nothing ever spills."""
        if not self.table.columns:
            for title, width in self.COLUMNS:
                self.table.add_column(title, width=width)

    def show(self, rows: Sequence[tuple[str, tuple[str, ...]]], as_of_ms: int | None) -> None:
        """Fill the table anew, the cursor on the row it was on."""
        # On a slow machine an answer may be here before the page is mounted.
        self._add_columns()
        table, chosen = self.table, self.chosen()
        place = table.cursor_row
        table.clear()
        for key, cells in rows:
            widths = [width for _, width in self.COLUMNS]
            clipped = [
                Text(say.clip(cell, width), no_wrap=True)
                for cell, width in zip(cells, widths, strict=True)
            ]
            table.add_row(*clipped, key=key)
        keys = [key for key, _ in rows]
        if keys:
            row = keys.index(chosen) if chosen in keys else min(place, len(keys) - 1)
            table.move_cursor(row=row, animate=False)
        self.query_one("#empty", Line).write(_emptiness(rows, as_of_ms, self.EMPTY, self.desk))

    def chosen(self) -> str:
        """The key of the row under the cursor; "" where there is none."""
        table = self.table
        if not table.row_count:
            return ""
        return table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value or ""


def _emptiness(rows: Sequence[Any], as_of_ms: int | None, empty: str, desk: Desk) -> str:
    if as_of_ms is None:
        return "" if rows else empty
    if not as_of_ms:
        return "Not known yet: the box has not answered since this terminal started."
    return f"As of {say.moment(as_of_ms, desk.tz)}, {say.age(desk.now_ms() - as_of_ms)} old."
