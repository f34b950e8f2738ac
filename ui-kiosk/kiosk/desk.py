"""What every screen shares: the client, what was last known, the box's clock, and acts."""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar

import msgspec

from kiosk import queries, say
from kiosk.client import Broken, Client, SignedOut, Unreachable
from kiosk.clock import Clock
from kiosk.queries import Act, Query
from kiosk.words import Answer, Opening, RoomType, Standing

T = TypeVar("T")

# Lists and stays a clerk looked at this shift; the oldest go first.
KNOWN_MAX = 300


@dataclass(frozen=True, kw_only=True)
class Told(Generic[T]):
    """An answer, or the last one known: then `as_of_ms` says from when (the box's clock)."""

    data: T | None
    as_of_ms: int | None = None


class Ended(StrEnum):
    """How an act ended for the clerk."""

    DONE = "done"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"  # nothing was sent
    UNANSWERED = "unanswered"  # it may have happened; kept under its id
    SIGNED_OUT = "signed_out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a screen says after an act."""

    ended: Ended
    sentence: str
    code: str = ""
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """Whether it happened."""
        return self.ended is Ended.DONE


class Desk:
    """One terminal's memory. Personal data lives here in memory only, and is cleared on exit."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self.client = client
        self.clock = clock
        self.terminal = client.terminal
        self.standing: Standing | None = None
        self.room_types: dict[str, RoomType] = {}
        self.person = ""  # the name as the sign-in list shows it
        self.search_text = ""
        self.on_signed_out: Callable[[], None] = lambda: None
        self._standing_at_s = 0.0
        self._known: OrderedDict[bytes, tuple[Any, int]] = OrderedDict()

    # --- time and place -------------------------------------------------------

    def now_ms(self) -> int:
        """The box's clock, carried forward; this terminal's before the box ever answered."""
        if self.standing is None:
            return self.clock.wall_ms()
        passed_s = self.clock.monotonic() - self._standing_at_s
        return self.standing.house.now_ms + round(passed_s * 1000)

    def at_ms(self, terminal_ms: int) -> int:
        """A moment of this terminal's clock on the box's."""
        return terminal_ms + self.now_ms() - self.clock.wall_ms()

    @property
    def tz(self) -> dt.tzinfo:
        """The property's time zone."""
        return say.zone(self.standing.house.time_zone) if self.standing else dt.UTC

    @property
    def today(self) -> dt.date:
        """The business date; the calendar's before the box ever answered."""
        if self.standing is not None:
            return self.standing.house.business_date
        return dt.datetime.fromtimestamp(self.now_ms() / 1000, self.tz).date()

    @property
    def currency(self) -> str:
        """The property's currency."""
        return self.standing.house.currency if self.standing else "EUR"

    def type_title(self, room_type_id: str) -> str:
        """A room type as people call it."""
        known = self.room_types.get(room_type_id)
        return known.title if known else room_type_id

    # --- reading --------------------------------------------------------------

    async def look(self) -> None:
        """How the house and the box stand; and once, what can be sold."""
        try:
            told = await self.told(queries.STANDING)
        except Broken:
            return  # what was known stays, with its growing age
        if told.data is not None and told.as_of_ms is None:
            self.standing = told.data
            self._standing_at_s = self.clock.monotonic()
        if not self.room_types:
            types = await self.told(queries.ROOM_TYPES)
            self.room_types = {each.id: each for each in types.data or []}

    async def told(self, query: Query[T], **variables: Any) -> Told[T]:
        """Ask; fall back to what is known. Raises Broken."""
        key = msgspec.json.encode([query.name, variables], order="sorted")
        try:
            data = await self.client.ask(query, **variables)
        except (Unreachable, SignedOut) as error:
            if isinstance(error, SignedOut):
                self.on_signed_out()
            if key in self._known:
                kept, as_of_ms = self._known[key]
                return Told(data=kept, as_of_ms=as_of_ms)
            return Told(data=query.empty, as_of_ms=0)
        self._known[key] = (data, self.now_ms())
        self._known.move_to_end(key)
        while len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)
        return Told(data=data)

    # --- acting ---------------------------------------------------------------

    async def perform(self, act: Act, **variables: Any) -> Outcome:
        """Do one act and say how it ended; never raises for the world's sake."""
        return await self._ended(self.client.act(act, variables), act)

    async def finish(self, command_id: str) -> Outcome:
        """Ask again, with its id, for an act of the journal."""
        entry = next(e for e in self.client.journal.entries if e.command_id == command_id)
        act = queries.ACTS[entry.act]
        return await self._ended(self.client.finish(entry, act), act)

    async def _ended(self, asked: Any, act: Act) -> Outcome:
        try:
            answer: Answer = await asked
        except Unreachable as error:
            ended = Ended.UNANSWERED if error.sent else Ended.UNREACHABLE
            return Outcome(ended=ended, sentence=str(error))
        except SignedOut:
            self.on_signed_out()
            return Outcome(ended=Ended.SIGNED_OUT, sentence="Sign in again, then once more.")
        except Broken as error:
            return Outcome(ended=Ended.REFUSED, sentence=str(error), code="broken")
        if answer.done:
            sentence = answer.sentence or f"{act.label}: done."
            return Outcome(ended=Ended.DONE, sentence=sentence, result=answer.result or {})
        return Outcome(ended=Ended.REFUSED, sentence=say.refused(answer), code=answer.code or "")

    async def revealed(self, stay_id: str, key_id: str) -> str | None:
        """A key's PIN, straight from the box and kept nowhere. Raises Broken."""
        try:
            return await self.client.ask(queries.REVEAL_PIN, stayId=stay_id, keyId=key_id)
        except Unreachable:
            return None
        except SignedOut:
            self.on_signed_out()
            return None

    async def open_door(self, stay_id: str) -> tuple[str, str]:
        """Press a stay's door: (kind of word, what to say and what to do now)."""
        try:
            opening = await self.client.open_door(queries.OPEN_DOOR, {"stayId": stay_id})
        except Unreachable as error:
            if not error.sent:
                return "warn", "The box cannot be reached: nothing was sent. Use the PIN (p)."
            return "warn", f"{DOOR_SAYS['UNKNOWN']} Press x again: it counts once."
        except SignedOut:
            self.on_signed_out()
            return "warn", "Sign in again, then once more."
        except Broken as error:
            return "warn", str(error)
        return door_word(opening)


DOOR_SAYS = {
    "DONE": "The door is open: the lock confirmed it.",
    "REFUSED": "The lock refused.",
    "NOT_SENT": "Nothing reached the lock. Read the PIN aloud (p) or go with the guest.",
    "UNKNOWN": "Nobody knows if it opened. Look at the door before you press again; PIN is p.",
}


NO_LIVE_KEY = {"no_key", "key_expired"}


def door_word(opening: Opening) -> tuple[str, str]:
    """What a clerk hears about one press; an outcome that is missing is unknown, never done."""
    outcome = opening.outcome if opening.outcome in DOOR_SAYS else "UNKNOWN"
    sentence = DOOR_SAYS[outcome]
    if outcome == "REFUSED" and opening.refusal in NO_LIVE_KEY:
        # The box said so; no lock was asked.
        sentence = "No key is live for this stay: cut one first (k)."
    elif outcome == "REFUSED" and opening.sentence:
        # Without an opening the box itself said no, and no lock was asked.
        sentence = f"{sentence} {opening.sentence}" if opening.id else opening.sentence
    return ("done" if outcome == "DONE" else "warn"), sentence
