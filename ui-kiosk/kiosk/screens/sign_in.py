"""Who is at the desk: a name, a PIN; also the lock screen."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from kiosk import say
from kiosk.client import Broken, Refusal, Unreachable
from kiosk.desk import Desk
from kiosk.page import Page
from kiosk.words import StaffName

# Longer than any PIN a house uses; the box has its own limit.
PIN_MAX = 12


class SignedInAs(Message):
    """Somebody is at the desk now."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        """The name as the list shows it."""


class SignIn(Page):
    """Choose a name, type the PIN. The digits leave this field only towards the box."""

    CSS_PATH = "sign_in.tcss"
    HEADING = "Sign in"
    HELP = "Choose your name, type your PIN."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "none", "and"),
        Binding("down", "none", "choose"),
        Binding("enter", "none", "Go on"),
        Binding("escape", "names", "Other name"),
        Binding("ctrl+c", "app.ask_quit", "Quit"),
    ]

    def __init__(self, desk: Desk, *, locked: bool = False, why: str = "") -> None:
        super().__init__(desk)
        self.locked = locked
        self._why = why
        self._names: list[StaffName] = []
        self._chosen: StaffName | None = None

    def body(self) -> ComposeResult:
        """Names above, the PIN below."""
        word = "Locked. Nothing you typed is lost." if self.locked else "Who is at the desk?"
        yield Static(self._why or word, id="question", markup=False)
        yield OptionList(id="names")
        yield Static("PIN", id="pin-label")
        yield Input(id="pin", password=True, max_length=PIN_MAX, restrict="[0-9]*")

    def heading(self) -> str:
        """Locked or new."""
        return "Locked" if self.locked else self.HEADING

    async def load(self) -> None:
        """The names this terminal may offer; asked again until the box answers."""
        if self._names:
            return
        try:
            self._names = await self.desk.client.staff_names()
        except Unreachable:
            self.say("The box cannot be reached, so nobody can sign in. Asking again ...", "warn")
            return
        self.say("")
        names = self.query_one("#names", OptionList)
        names.add_options(
            [Option(Text(say.clip(each.name, 40)), id=each.person) for each in self._names]
        )
        names.highlighted = self._mine()
        names.focus()

    def _mine(self) -> int:
        known = [each.name for each in self._names]
        return known.index(self.desk.person) if self.desk.person in known else 0

    @on(OptionList.OptionSelected, "#names")
    def chosen(self, event: OptionList.OptionSelected) -> None:
        """Enter on a name."""
        self._chosen = next(each for each in self._names if each.person == event.option.id)
        label = f"PIN of {say.clip(self._chosen.name, 40)}"
        self.query_one("#pin-label", Static).update(Text(label))
        self.query_one("#pin", Input).focus()

    @on(Input.Submitted, "#pin")
    def entered(self, event: Input.Submitted) -> None:
        """Enter on the PIN: it leaves the screen before anything else happens."""
        pin, event.input.value = event.input.value, ""
        if self._chosen is None:
            self.action_names()
        elif pin:
            self.say("Asking the box ...")
            self.act(partial(self._sign_in, self._chosen, pin))

    async def _sign_in(self, person: StaffName, pin: str) -> None:
        try:
            answer = await self.desk.client.sign_in(person.person, pin)
        except Unreachable:
            self.say("The box cannot be reached: a PIN cannot be checked. Try again.", "warn")
            return
        except Broken as error:
            self.say(str(error), "warn")
            return
        if isinstance(answer, Refusal):
            wait = f" Wait {answer.wait_s} s." if answer.wait_s else ""
            self.say(f"{answer.sentence}{wait}", "warn")
            return
        self.post_message(SignedInAs(person.name))

    def action_names(self) -> None:
        """Back to the names."""
        self.query_one("#pin", Input).value = ""
        self.query_one("#names", OptionList).focus()

    def action_none(self) -> None:
        """The list or the field takes this key while it has the focus."""
