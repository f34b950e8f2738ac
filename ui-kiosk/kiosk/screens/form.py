"""A small form: typed text stays until the act is done or thrown away on purpose."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from kiosk import say
from kiosk.desk import Desk, Outcome
from kiosk.frame import Keys, Line
from kiosk.work import start

# The box takes longer texts, a desk does not type them.
TEXT_MAX = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One line to type. `kind`: text, money, date, number, secret."""

    name: str
    label: str
    kind: str = "text"
    value: str = ""
    optional: bool = False


def value_of(field: Field, typed: str, desk: Desk) -> tuple[Any, str]:
    """What was typed as the box wants it, and what is wrong with it ("" if nothing)."""
    text = typed.strip()
    if not text:
        return (None if field.kind != "text" else ""), (
            "" if field.optional else f"{field.label} is missing."
        )
    if field.kind != "secret" and say.card_number_in(text):
        return None, "That looks like a card number. It must not enter the box: use the slip."
    if field.kind == "money":
        minor = say.minor_of(text, desk.currency)
        return minor, "" if minor else f"{field.label}: type an amount like 120.00"
    if field.kind == "date":
        date = say.date_of(text, desk.today)
        return date, "" if date else f"{field.label}: type a date like 24.11 or +1"
    if field.kind == "number":
        return (int(text), "") if text.isdecimal() else (None, f"{field.label}: type a number.")
    return text, ""


class Form(ModalScreen[Outcome | None]):
    """Fields, then one act. A refusal or a box out of reach leaves everything as typed."""

    CSS_PATH = "form.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "app.focus_next", "Next field"),
        Binding("enter", "none", "Next, at the end: do it"),
        Binding("escape", "leave", "Leave"),
    ]

    def __init__(
        self,
        title: str,
        fields: list[Field],
        submit: Callable[[dict[str, Any]], Awaitable[Outcome]],
        *,
        desk: Desk,
        intro: str = "",
    ) -> None:
        super().__init__()
        self._title, self._intro = title, intro
        self._fields, self._submit, self._desk = fields, submit, desk
        self._leaving = False
        self._asking = False
        self._done: Outcome | None = None

    def compose(self) -> ComposeResult:
        """Title, what is known, fields, the answer."""
        with Vertical(id="box", classes="box"):
            yield Static(self._title, id="question", markup=False)
            if self._intro:
                yield Static(self._intro, id="intro", markup=False)
            for field in self._fields:
                with Horizontal(classes="field"):
                    yield Static(field.label, classes="label", markup=False)
                    yield Input(
                        value=field.value,
                        id=f"in-{field.name}",
                        password=field.kind == "secret",
                        max_length=TEXT_MAX,
                        compact=True,
                        select_on_focus=bool(field.value),
                    )
            yield Line(id="wrong", rows=2)
            yield Keys(id="keys")

    def on_mount(self) -> None:
        """Ready to type."""
        self.query(Input).first().focus()

    def on_screen_resume(self) -> None:
        """On top again: close when the act was done meanwhile."""
        if self._done is not None and self.is_active:
            self.dismiss(self._done)

    def input_of(self, field: Field) -> Input:
        """The line of one field."""
        return self.query_one(f"#in-{field.name}", Input)

    @property
    def dirty(self) -> bool:
        """Whether something was typed that leaving would lose."""
        return any(self.input_of(field).value != field.value for field in self._fields)

    def hide_secrets(self) -> None:
        """The desk is locked: nothing secret stays in a field."""
        for field in self._fields:
            if field.kind == "secret":
                self.input_of(field).value = ""

    def wrong(self, text: str, kind: str = "warn") -> None:
        """The line under the fields."""
        self.query_one("#wrong", Line).write(text, kind)

    @on(Input.Changed)
    def typed(self) -> None:
        """Typing takes back a half-asked leave."""
        self._leaving = False

    @on(Input.Submitted)
    def entered(self, event: Input.Submitted) -> None:
        """Enter: the next line, or the act after the last one."""
        last = self.input_of(self._fields[-1])
        if event.input is not last:
            self.focus_next()
            return
        values: dict[str, Any] = {}
        for field in self._fields:
            value, complaint = value_of(field, self.input_of(field).value, self._desk)
            if complaint:
                self.wrong(complaint)
                self.input_of(field).focus()
                return
            values[field.name] = value
        if not self._asking:
            self._asking = True
            self.wrong("Asking the box ...", "plain")
            start(self.app, partial(self._ask, values), group="act")

    async def _ask(self, values: dict[str, Any]) -> None:
        try:
            outcome = await self._submit(values)
        finally:
            self._asking = False
        if outcome.done:
            # Under the lock screen nothing can be dismissed; a form that stayed would be sent anew.
            self._done = outcome
            self.on_screen_resume()
            return
        self.hide_secrets()
        self.wrong(outcome.sentence)

    def action_leave(self) -> None:
        """Twice when something was typed."""
        if self._asking:
            self.wrong("One moment: the box has not answered yet.")
        elif self.dirty and not self._leaving:
            self._leaving = True
            self.wrong("Throw away what you typed? Esc again: yes. Type on: no.")
        else:
            self.dismiss(None)

    def action_none(self) -> None:
        """The field itself takes this key while it has the focus."""
