"""The kiosk as one application: which screen is on top, the lock, the news."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segments
from rich.traceback import Traceback
from textual import events, on
from textual.app import App
from textual.binding import Binding, BindingType

from kiosk.client import Client
from kiosk.clock import Clock
from kiosk.desk import Desk
from kiosk.live import Live
from kiosk.page import OpenStay, Page
from kiosk.screens.alarms import Alarms
from kiosk.screens.arrivals import Arrivals
from kiosk.screens.cleaning import Cleaning
from kiosk.screens.confirm import Confirm
from kiosk.screens.conflicts import Conflicts
from kiosk.screens.departures import Departures
from kiosk.screens.doors import Doors
from kiosk.screens.form import Form
from kiosk.screens.hand_over import HandOverPage
from kiosk.screens.health import HealthPage
from kiosk.screens.help import Help
from kiosk.screens.in_house import InHouse
from kiosk.screens.money import MoneyPage
from kiosk.screens.night_audit import NightAudit
from kiosk.screens.pin_aloud import PinAloud
from kiosk.screens.requests import Requests
from kiosk.screens.rooms import Rooms
from kiosk.screens.search import Search
from kiosk.screens.sign_in import SignedInAs, SignIn
from kiosk.screens.stay import StayPage
from kiosk.screens.sync import SyncPage
from kiosk.screens.undo import Undo
from kiosk.screens.walk_in import WalkIn
from kiosk.screens.walks import Walks
from kiosk.work import start

PAGES: dict[str, type[Page]] = {
    "arrivals": Arrivals,
    "departures": Departures,
    "in_house": InHouse,
    "search": Search,
    "rooms": Rooms,
    "walk_in": WalkIn,
    "requests": Requests,
    "alarms": Alarms,
    "doors": Doors,
    "cleaning": Cleaning,
    "conflicts": Conflicts,
    "hand_over": HandOverPage,
    "money": MoneyPage,
    "walks": Walks,
    "undo": Undo,
    "sync": SyncPage,
    "night_audit": NightAudit,
    "health": HealthPage,
}
# 60 s: the hand-over story's idle lock (F7).
IDLE_S = 60.0
# What a screen may be behind when no news come.
POLL_S = 5.0
# Several facts of one act arrive together and are shown once.
NEWS_PAUSE_S = 0.1


class Kiosk(App[None]):
    """The front desk. `client` is opened and closed here; `live` False leaves out the news."""

    TITLE = "Nightporter"
    CSS_PATH = "screens/page.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "ask_quit", "Quit", priority=True, show=False),
        Binding("ctrl+q", "ask_quit", "Quit", priority=True, show=False),
    ]

    def __init__(
        self,
        client: Client,
        *,
        clock: Clock,
        idle_s: float = IDLE_S,
        poll_s: float = POLL_S,
        live: bool = True,
    ) -> None:
        super().__init__()
        self.desk = Desk(client, clock)
        self.desk.on_signed_out = self._signed_out
        self._client, self._clock = client, clock
        self._idle_s, self._poll_s = idle_s, poll_s
        self._live = Live(client, clock, lambda _topic: self._changed()) if live else None
        self._touched_s = clock.monotonic()
        self._news_waiting = False

    # --- begin and end --------------------------------------------------------

    async def on_mount(self) -> None:
        """Open the way to the box, ask who is there."""
        self.theme = "textual-dark"
        await self._client.open()
        self._client.on_reach = lambda _reach: self._reached()
        self.push_screen(SignIn(self.desk))
        self.set_interval(1.0, self.tick)
        self.set_interval(self._poll_s, self.poll)
        if self._live is not None:
            start(self, self._live.run, group="live")

    async def on_unmount(self) -> None:
        """Close the way to the box."""
        await self._client.close()

    async def on_event(self, event: events.Event) -> None:
        """Every key is a sign of life."""
        if isinstance(event, events.InputEvent):
            self._touched_s = self._clock.monotonic()
        await super().on_event(event)

    def _fatal_error(self) -> None:
        # As Textual does, without the locals: a PIN may be among them.
        self.bell()
        self._exit_renderables.append(Segments(self.console.render(Traceback(show_locals=False))))
        self._close_messages_no_wait()

    # --- time and news --------------------------------------------------------

    @property
    def page(self) -> Page | None:
        """The uppermost full screen, also under a dialog."""
        return next((s for s in reversed(self.screen_stack) if isinstance(s, Page)), None)

    def tick(self) -> None:
        """Once a second: clock, ages, idle lock."""
        if self.page is not None:
            self.page.tick()
        idle_s = self._clock.monotonic() - self._touched_s
        if self._client.signed_in is not None and idle_s >= self._idle_s:
            self.action_lock()

    def poll(self) -> None:
        """Ask how things stand; ask for the screen's data too where no news come."""
        start(self, self._poll, group="poll", alone=True)

    async def _poll(self) -> None:
        page = self.page
        if self._client.signed_in is None:
            if isinstance(page, SignIn):
                page.reload()
            return
        was_reachable = self._client.reach.reachable
        await self.desk.look()
        newsless = self._live is None or not self._live.connected
        if page is not None and page is self.page and (newsless or not was_reachable):
            page.reload()

    def _changed(self) -> None:
        if not self._news_waiting:
            self._news_waiting = True
            self.set_timer(NEWS_PAUSE_S, self._show_news)

    def _show_news(self) -> None:
        self._news_waiting = False
        if self._client.signed_in is not None and self.page is not None:
            self.page.reload()

    def _reached(self) -> None:
        if self.page is not None:
            self.page.tick()

    # --- who ------------------------------------------------------------------

    @on(SignedInAs)
    async def signed_in(self, message: SignedInAs) -> None:
        """First time: to the arrivals. After a lock: back to where it was."""
        self.desk.person = message.name
        self._touched_s = self._clock.monotonic()
        locked = isinstance(self.screen, SignIn) and self.screen.locked
        await self.desk.look()
        if locked:
            await self.pop_screen()
        else:
            await self.action_go("arrivals")

    def action_lock(self) -> None:
        """Cover everything; what was typed stays underneath, secrets do not."""
        self._lock("")

    def _signed_out(self) -> None:
        self._lock("Your session ended. Sign in to go on; nothing you typed is lost.")

    def _lock(self, why: str) -> None:
        if isinstance(self.page, SignIn):
            return
        for screen in self.screen_stack:
            if isinstance(screen, PinAloud):
                screen.action_hide()
            elif isinstance(screen, Form):
                screen.hide_secrets()
        self._client.forget()
        self.push_screen(SignIn(self.desk, locked=True, why=why))

    # --- where ----------------------------------------------------------------

    async def action_go(self, name: str) -> None:
        """To another full screen; not past the lock."""
        if isinstance(self.page, SignIn) and self.page.locked:
            return
        while len(self.screen_stack) > 2:
            await self.pop_screen()
        if name == "help":
            await self.push_screen(Help(self.desk, [*PAGES.values(), StayPage, SignIn]))
        else:
            await self.switch_screen(PAGES[name](self.desk))

    async def action_back(self) -> None:
        """One screen back."""
        if len(self.screen_stack) > 2:
            await self.pop_screen()

    @on(OpenStay)
    async def open_stay(self, message: OpenStay) -> None:
        """One stay on top of the list it was found in; not over the lock."""
        if isinstance(self.page, SignIn):
            return
        if isinstance(self.screen, StayPage):
            await self.pop_screen()
        await self.push_screen(StayPage(self.desk, message.stay_id))

    def action_ask_quit(self) -> None:
        """Never without a question."""
        if isinstance(self.screen, Confirm):
            return
        question = "Leave the kiosk?"
        if any(getattr(screen, "dirty", False) for screen in self.screen_stack):
            question += "\nWhat you typed and did not send is lost."
        waiting = len(self._client.journal.entries)
        if waiting:
            question += f"\n{waiting} without an answer: kept for the hand-over."
        self.push_screen(Confirm(question), self._quit)

    def _quit(self, yes: bool | None) -> None:  # noqa: FBT001 (a screen's result)
        if yes:
            start(self, self._leave, group="quit")

    async def _leave(self) -> None:
        await self._client.sign_out()
        self.exit()
