"""One Zigbee stick and everything behind it: one life of it per `run`, from the port to the last thing.

zigpy has no reconnect and does not fail what is in the air when the stick goes; so one life ends
whole, with RadioLostError, and the supervisor begins the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from appliance.kernel.clock import within
from drivers.port import Alarm, Evidence, NeedsPersonError, RadioLostError
from drivers.zigbee.air import NoWordError, Pace, Patience, pause, reach
from drivers.zigbee.backup import Backups, Taken, WorseBackupError
from drivers.zigbee.book import NetworkBook
from drivers.zigbee.forming import Start
from drivers.zigbee.installer import Installer
from drivers.zigbee.joining import Joining
from drivers.zigbee.kinds import thing_for
from drivers.zigbee.quiet import quieten
from drivers.zigbee.slots import SlotBook
from drivers.zigbee.stack import Kind, controller
from drivers.zigbee.starting import DATABASE, bring_up, stack_config
from drivers.zigbee.thing import Thing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from appliance.bus.words import DeviceKind
    from drivers.port import Device, House
    from drivers.radios import Setting
    from drivers.radios import Thing as Planned
    from drivers.zigbee.thing import Entry

logger = logging.getLogger(__name__)

# A burst of a whole house's reports; what is beyond is dropped and said, oldest kept.
NEWS_MAX: Final = 2_000
# From plugging in to working: forming takes 1.3 s, a full NVRAM of a real stick about 20 s to read.
START_S_MAX: Final = 90.0
STOP_S_MAX: Final = 5.0
# A report may be late once and lost once.
SILENCE_OF_REPORTS: Final = 2.5
LOOK_EVERY_S: Final = 30.0
# The frame counter in a backup ages with every frame.
BACKUP_EVERY_S: Final = 86_400.0


class ZigbeeRadio:
    """A stick, as the driver's process sees it."""

    def __init__(self, setting: Setting, *, patience: Patience | None = None) -> None:
        options, folder = setting.options, setting.folder
        self.kind = Kind(str(options.get("stick", Kind.ZNP)))
        self.clock = setting.clock
        self.nursery = setting.nursery
        self.patience = patience or Patience()
        self.lost = asyncio.Event()
        self.lost.set()
        self.up_s = 0.0
        self.backup_due = asyncio.Event()
        self.book = NetworkBook(folder / "things.json")
        self.slots = SlotBook(folder / "slots.json")
        self.backups = Backups(folder / "backups")
        self.joining = Joining(self)
        self._setting = setting
        self._pace = Pace(self.clock)
        self._news: asyncio.Queue[Callable[[House], Awaitable[None]]] = asyncio.Queue(NEWS_MAX)
        self._things: dict[str, Thing] = {}  # by name
        self._away: set[str] = set()
        self._silent = False
        self._app: Any = None
        self._backed_up_s: float | None = None
        for entry in self.book.entries:
            if (planned := self.planned(entry.ieee)) is not None:
                entry.name = planned.name
            self._things[entry.name] = thing_for(entry, self, self.slots)

    @property
    def devices(self) -> dict[str, Device]:
        """The things that have joined, by name."""
        return dict(self._things)

    @property
    def app(self) -> Any:
        """The running stack, or None."""
        return self._app

    async def run(self, house: House) -> None:
        """One life of the stick; ends with RadioLostError, or NeedsPersonError."""
        quieten()
        talking = asyncio.ensure_future(self._talk(house))
        try:
            await self._live(house)
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)

    async def _live(self, house: House) -> None:
        app = await self._start(house)
        self._app = app
        self.up_s = self.clock.monotonic()
        self.lost.clear()
        work: list[asyncio.Future[Any]] = []
        try:
            self._plug_all(app)
            self.backup_due.set()
            work = [
                asyncio.ensure_future(turn)
                for turn in (
                    self.lost.wait(),
                    self._watch(app),
                    self._look_after(),
                    self._back_up(app),
                    Installer(self, self._setting.folder / "zigbee.sock").serve(),
                )
            ]
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            if app.hung:
                await house.alarm(Alarm.RADIO_HUNG)
                raise RadioLostError("the stick answers no more: replug it")
            for ended in done:
                ended.result()
            raise RadioLostError("the stick was unplugged, or its port closed")
        finally:
            self.lost.set()
            for waiting in work:
                waiting.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            for thing in self._things.values():
                thing.unplug()
            self._app = None
            await self._stop(app)

    # --- what things and the way in use

    def say(self, telling: Callable[[House], Awaitable[None]]) -> None:
        """Tell the house something, in order."""
        try:
            self._news.put_nowait(telling)
        except asyncio.QueueFull:
            logger.warning("%d reports wait for the house; one more was dropped", NEWS_MAX)

    async def turn(self) -> None:
        """Wait until a command that is no door may go out."""
        await self._pace.turn()

    def remember(self) -> None:
        """A thing learned something."""
        self.book.keep()

    def thing(self, name: str) -> Thing:
        """The thing of this name; raises KeyError."""
        return self._things[name]

    def thing_of(self, ieee: str) -> Thing | None:
        """The thing with this address."""
        entry = self.book.find(ieee)
        return None if entry is None else self._things.get(entry.name)

    def planned(self, ieee: str) -> Planned | None:
        """What the driver's sheet has for this address."""
        return next((p for p in self._setting.things if p.address.lower() == ieee), None)

    def planned_for(self, room: str, kind: DeviceKind) -> Planned | None:
        """A thing of the sheet that this room still waits for."""
        for planned in self._setting.things:
            free = not planned.address and self.book.named(planned.name) is None
            if free and planned.room == room and planned.kind is kind:
                return planned
        return None

    def is_coordinator(self, node: Any) -> bool:
        """Whether the stack speaks of the stick itself."""
        return self._app is None or node.ieee == self._app.state.node_info.ieee

    def admit(self, entry: Entry, node: Any) -> Thing:
        """A thing is known to stack and book: it may be used."""
        thing = self._things.get(entry.name)
        if thing is None or thing.entry is not entry:
            thing = self._things[entry.name] = thing_for(entry, self, self.slots)
        thing.plug(node)
        self._noticed(thing)
        name = thing.name
        self.say(lambda house: house.present(name, online=True))
        return thing

    async def forget(self, name: str) -> None:
        """Ask a thing to leave, and strike it out; raises NoWordError, KeyError."""
        thing = self._things[name]
        node = next(
            (n for n in self._app.devices.values() if str(n.ieee) == thing.entry.ieee), None
        )
        if node is not None:
            until_s = self.clock.monotonic() + self.patience.request_s
            await reach(self, self._app.remove(node.ieee), until_s)
        self.slots.of(thing.entry.ieee).clear()
        self.slots.keep()
        self.book.drop(thing.entry.ieee)
        del self._things[name]
        self.say(lambda house: house.present(name, online=False))
        self.backup_due.set()

    async def back_up(self, app: Any) -> Taken:
        """Take a backup now; raises WorseBackupError, NoWordError."""
        known = [entry.ieee for entry in self.book.entries]
        until_s = self.clock.monotonic() + START_S_MAX
        try:
            taken = await reach(self, self.backups.take(app, known), until_s)
        except NoWordError as error:
            self.say(lambda house: house.alarm(Alarm.BACKUP_STALE))
            if isinstance(error.__cause__, WorseBackupError):
                raise error.__cause__ from None
            raise
        stale = bool(taken.missing)
        self.say(lambda house: house.alarm(Alarm.BACKUP_STALE, on=stale))
        return taken

    # --- a life

    async def _start(self, house: House) -> Any:
        """Open the port and bring the network up, or say why not."""
        port = str(self._setting.options.get("port", ""))
        if port.startswith("/") and not await asyncio.to_thread(Path(port).exists):
            raise RadioLostError(f"there is no {port}: is the stick plugged in?")
        config = stack_config(self.kind, port, self._setting.folder, self._setting.options)
        if self.kind is Kind.ZNP:
            asked_s = max(1, round(self.patience.watch_every_s))
            config["znp_config"]["sync_request_timeout"] = asked_s
        app = await controller(self.kind).new(config, start_radio=False)
        # The stack keeps the network's key in it, and gives it the mode of the day.
        await asyncio.to_thread((self._setting.folder / DATABASE).chmod, 0o600)
        app.now = self.clock.monotonic
        app.heard = self._heard
        try:
            up = asyncio.ensure_future(self._bring_up(app))
            try:
                start = await within(self.clock, START_S_MAX, up)
            finally:
                up.cancel()
                await asyncio.gather(up, return_exceptions=True)
        except BaseException as error:
            await self._stop(app)
            if isinstance(error, asyncio.CancelledError | NeedsPersonError):
                if isinstance(error, NeedsPersonError):
                    await house.alarm(Alarm.RADIO_FOREIGN)
                raise
            raise RadioLostError(
                f"the stick at {port} does not start ({type(error).__name__}): replug it"
            ) from error
        await house.alarm(Alarm.RADIO_FOREIGN, on=False)
        await house.alarm(Alarm.RADIO_HUNG, on=False)
        logger.info("zigbee: %s, channel %d", start, int(app.state.network_info.channel))
        return app

    async def _bring_up(self, app: Any) -> Start:
        start = await bring_up(
            app,
            self.backups,
            virgin=self.book.virgin and not self.book.entries,
            adopt=bool(self._setting.options.get("adopt", False)),
            now_ms=self.clock.read().wall_ms,
        )
        if start is Start.FORM:
            self.book.keep()
        return start

    async def _stop(self, app: Any) -> None:
        with contextlib.suppress(Exception):
            if self._app is None and self.lost.is_set():
                app.drop_link()
        stopping = asyncio.ensure_future(app.shutdown())
        try:
            await within(self.clock, STOP_S_MAX, stopping)
        except Exception as error:  # noqa: BLE001 - a stick that is gone raises anything at all
            logger.info("zigbee: the stack did not stop cleanly: %s", type(error).__name__)
        finally:
            stopping.cancel()
            await asyncio.gather(stopping, return_exceptions=True)

    def _plug_all(self, app: Any) -> None:
        app.add_listener(self)
        app.add_listener(self.joining)
        for node in list(app.devices.values()):
            if not self.is_coordinator(node) and getattr(node, "is_initialized", False):
                self.joining.device_initialized(node)

    def connection_lost(self, error: Exception | None) -> None:
        """The stack says that the port is gone; the only place that is told."""
        del error
        self.lost.set()

    def _heard(self, packet: Any) -> None:
        """Anything from the air: whose it is was heard now."""
        if self._app is None:
            return
        try:
            node = self._app.get_device_with_address(packet.src)
        except (KeyError, ValueError):
            return
        thing = self.thing_of(str(node.ieee))
        if thing is None:
            return
        self._noticed(thing)
        if not thing.entry.configured and thing.entry.ieee in self.joining.half:
            # It is awake now, so this is the moment.
            self.joining.half.pop(thing.entry.ieee)
            self.nursery.mortal(f"configure {thing.name}", self.joining.configure(thing))

    def _noticed(self, thing: Thing) -> None:
        thing.heard_s = self.clock.monotonic()
        thing.heard_ms = self.clock.read().wall_ms
        if thing.name in self._away:
            self._away.discard(thing.name)
            name = thing.name
            self.say(lambda house: house.present(name, online=True))
            self.say(lambda house: house.alarm(Alarm.DEVICE_SILENT, device=name, on=False))

    # --- what goes on while it lives

    async def _talk(self, house: House) -> None:
        while True:
            telling = await self._news.get()
            try:
                await telling(house)
            except Exception:
                logger.exception("the house could not be told")

    async def _watch(self, app: Any) -> None:
        """Ask the stick for a sign of life; zigpy would notice a hung one after 45 s."""
        while True:
            await pause(self, self.patience.watch_every_s)
            until_s = self.clock.monotonic() + self.patience.watch_every_s
            try:
                await reach(self, app.alive(), until_s)
            except NoWordError as error:
                app.hung = app.hung or error.evidence is not Evidence.LINK_LOST
                raise RadioLostError("the stick gives no sign of life") from error

    async def _look_after(self) -> None:
        """Who has been silent for longer than it agreed to is away; asking would only cost cells."""
        began_s = self.clock.monotonic()
        while True:
            await pause(self, LOOK_EVERY_S)
            self.look_round(began_s)

    def look_round(self, began_s: float) -> None:
        """One look at everybody's silence."""
        now_s = self.clock.monotonic()
        for thing in self._things.values():
            agreed_s = thing.entry.quietest_s
            heard_s = began_s if thing.heard_s is None else max(thing.heard_s, began_s)
            if agreed_s is None or now_s - heard_s <= agreed_s * SILENCE_OF_REPORTS:
                continue
            if thing.name not in self._away:
                self._away.add(thing.name)
                self._say_away(thing.name)

        everybody = len(self._things) > 1 and len(self._away) == len(self._things)
        if everybody is not self._silent:
            # One thing that is away is that thing's trouble; all of them are the stick's.
            self._silent = everybody
            self.say(lambda house: house.alarm(Alarm.RADIO_SILENT, on=everybody))

    def _say_away(self, name: str) -> None:
        self.say(lambda house: house.present(name, online=False))
        self.say(lambda house: house.alarm(Alarm.DEVICE_SILENT, device=name))

    async def _back_up(self, app: Any) -> None:
        """After every join, and once a day for the frame counter."""
        while True:
            with contextlib.suppress(TimeoutError):
                await within(
                    self.clock, BACKUP_EVERY_S, asyncio.ensure_future(self.backup_due.wait())
                )
            await pause(self, self.patience.tidy_s)
            self.backup_due.clear()
            try:
                taken = await self.back_up(app)
            except (NoWordError, WorseBackupError) as error:
                logger.warning("no backup was taken: %s", error)
            else:
                logger.info("backup %d: %d keys", taken.generation, taken.keys)


def build(setting: Setting) -> ZigbeeRadio:
    """The radio of one stick; `options`: `port`, `stick` ("znp" or "ezsp"), `baudrate`, `adopt`."""
    return ZigbeeRadio(setting)
