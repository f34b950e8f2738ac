"""One calendar feed: looked at with manners, judged as a whole, told home in order."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urljoin, urlsplit
from zoneinfo import ZoneInfo

from appliance.engines.stays.messages import StayState
from appliance.kernel.clock import Clock
from appliance.kernel.messages import Command, Origin
from appliance.kernel.values import derived_id
from sync.feeds.absence import FeedState, Gone, Held, Judged, Told, accept, judge
from sync.feeds.entries import Kind
from sync.feeds.reading import NoCalendar, read
from sync.feeds.telling import Layer, Place, booking_of, closures_of, layers_of
from sync.gate import Gate
from sync.gate import Held as NotSent
from sync.ledger import Ledger
from sync.manners import Rule, Standing
from sync.mirror import Mirror
from sync.outcome import Homeward
from sync.transport import Answer, NoAnswer, Request

logger = logging.getLogger(__name__)

# One look, its redirects, and a person who asks again: far below what any channel minds.
FEED_RULES: Final = (Rule(requests_max=8, window_ms=60_000),)
# A channel's address leads over at most a country's host and a signed file.
REDIRECTS_MAX: Final = 3
# A made-anew file of a large account takes a channel some seconds.
ANSWER_S_MAX: Final = 30.0
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
HTTP_OK: Final = 200
HTTP_NOT_MODIFIED: Final = 304
HTTP_SERVER_ERROR: Final = 500
HTTP_LOOP: Final = 310  # not a real answer: redirects that lead nowhere, or out of https
# RFC 9110 sets no limit to an ETag; real ones are 20 to 70 characters.
VALIDATOR_CHARS_MAX: Final = 255
AGENT: Final = "Nightporter (calendar feed)"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedAccount:
    """One feed as the installer named it. The address is a secret: whoever has it, reads it."""

    name: str
    url: str = field(repr=False)
    channel: str
    room_type: str  # its id or its title
    room: str | None  # its id or its number; None: any room of the type
    interval_s: float = 900.0

    @property
    def source(self) -> str:
        """The source of its bookings."""
        return f"ical:{self.name}"


class Looked(StrEnum):
    """What became of one look."""

    READ = "read"
    UNCHANGED = "unchanged"  # 304: the channel has nothing new
    UNUSABLE = "unusable"  # an answer that says nothing about anybody
    BROKEN = "broken"  # an error of theirs; a little later it may be over
    NOT_REACHED = "not_reached"


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What is remembered of a feed beside its bookings; written only when it changes."""

    etag: str = ""
    modified: str = ""
    trouble: str = ""  # why the last answer could not be used
    trouble_since_ms: int = 0
    closed: tuple[Layer, ...] = ()  # as told home last
    closed_on: date | None = None  # the day they were told
    tell_all: bool = False  # the box may have forgotten what we told it, or a person asked


class Feed:
    """Reads one feed; what it holds survives a restart."""

    def __init__(
        self, account: FeedAccount, *, gate: Gate, ledger: Ledger, mirror: Mirror, clock: Clock
    ) -> None:
        self.account = account
        self.gate = gate
        self._ledger = ledger
        self._mirror = mirror
        self._clock = clock
        self._state_name = f"feed.{account.name}.state"
        self._memory_name = f"feed.{account.name}.memory"

    @property
    def state(self) -> FeedState:
        """What is held of it."""
        found: FeedState = self._ledger.kept(self._state_name, FeedState, FeedState())
        return found

    @property
    def memory(self) -> Memory:
        """What is remembered beside it."""
        found: Memory = self._ledger.kept(self._memory_name, Memory, Memory())
        return found

    async def look(self) -> Looked:
        """Look once. What cannot be used whole changes nothing."""
        if self._place() is None:
            self._note_trouble(NO_PLACE.format(self.account.room_type, self.account.room or ""))
            return Looked.UNUSABLE
        answer = await self._fetch()
        if answer is None:
            return Looked.NOT_REACHED
        if answer.status >= HTTP_SERVER_ERROR:
            return Looked.BROKEN
        if answer.status == HTTP_NOT_MODIFIED:
            self._commit(Judged(state=self.state), self.memory)
            return Looked.UNCHANGED
        found = (
            read(answer.body, self._zone())
            if answer.status == HTTP_OK
            else NoCalendar(sentence=f"the channel answers {answer.status}")
        )
        if isinstance(found, NoCalendar):
            self._note_trouble(found.sentence)
            return Looked.UNUSABLE
        reading = self._clock.read()
        judged = judge(
            self.state, found, now_ms=reading.wall_ms, today=self._today(), sure=reading.sure
        )
        etag = answer.headers.get("etag", "")[:VALIDATOR_CHARS_MAX]
        modified = answer.headers.get("last-modified", "")[:VALIDATOR_CHARS_MAX]
        self._commit(judged, replace(self.memory, etag=etag, modified=modified))
        return Looked.READ

    def accept(self) -> str:
        """A person says that what is missing is gone indeed; says what was done."""
        judged = accept(self.state)
        if not judged.acts:
            return f"nothing is missing from {self.account.name}"
        self._commit(judged, self.memory)
        return f"{len(judged.acts)} entries of {self.account.name} are taken for gone"

    def tell_again(self) -> None:
        """Tell everything anew with the next look. Joins a transaction."""
        with self._ledger.transaction():
            self._ledger.keep(self._memory_name, replace(self.memory, tell_all=True, etag=""))

    def parked(self) -> list[dict[str, Any]]:
        """What of this feed waits for a person."""
        state, memory = self.state, self.memory
        found = []
        if state.frozen_since_ms is not None:
            sentence = FROZEN.format(len(state.missing), len(state.held), self.account.name)
            found.append((sentence, state.frozen_since_ms))
        if memory.trouble:
            found.append(
                (TROUBLE.format(self.account.name, memory.trouble), memory.trouble_since_ms)
            )
        return [
            {
                "id": self.account.source,
                "entity": self.account.source,
                "sentence": sentence,
                "since_ms": since_ms,
            }
            for sentence, since_ms in found
        ]

    # -- the line --------------------------------------------------------------------------------

    async def _fetch(self) -> Answer | None:
        """The file as it is now, over at most a few redirects; None: not reached."""
        url = self.account.url
        for _ in range(REDIRECTS_MAX + 1):
            reply = await self._send(url)
            if not isinstance(reply, Answer) or reply.status not in REDIRECTS:
                return reply if isinstance(reply, Answer) else None
            try:
                there = urljoin(url, reply.headers.get("location", ""))
                in_the_open = urlsplit(url).scheme == "https" != urlsplit(there).scheme
            except ValueError:
                break  # no address at all
            if in_the_open:
                break  # the address is a secret: it does not go over the line in the open
            url = there
        return Answer(status=HTTP_LOOP, headers={}, body=b"")

    async def _send(self, url: str) -> Answer | NoAnswer | NotSent:
        headers = {"Accept": "text/calendar, */*;q=0.1", "User-Agent": AGENT}
        memory = self.memory
        # While something is missing each look must be an opinion of its own, not a cached one.
        if not self.state.missing and not memory.tell_all:
            headers |= {"If-None-Match": memory.etag} if memory.etag else {}
            headers |= {"If-Modified-Since": memory.modified} if memory.modified else {}
        request = Request(method="GET", url=url, headers=headers, timeout_s=ANSWER_S_MAX)
        # Nobody probes a feed between two looks: a look is rare enough to be the probe itself.
        probe = self.gate.breaker.standing in {Standing.DOWN, Standing.REFUSED}
        return await self.gate.send(request, probe=probe)

    # -- what goes home --------------------------------------------------------------------------

    def _commit(self, judged: Judged, memory: Memory) -> None:
        """State and letters in one transaction; nothing is written where nothing is new."""
        before, today = self.memory, self._today()
        place = self._place()
        assert place is not None, "looked up before anything was asked"
        now_ms = self._clock.read().wall_ms
        layers = tuple(layers_of(judged.state.held, today, one_room=place.room_id is not None))
        gone = any(isinstance(act, Gone) for act in judged.acts)
        with self._ledger.transaction():
            for act in judged.acts:
                if isinstance(act, Gone):
                    self._tell(
                        act.held, place, StayState.CANCELLED, again=before.tell_all, now_ms=now_ms
                    )
            # Nights that others held then may be free by now: what is closed is said once a day.
            due = layers != before.closed or gone or before.tell_all
            if due or (layers and before.closed_on != today):
                for command in closures_of(layers, place, today, len(before.closed)):
                    self._post(command, ("close", command.closure_id, str(now_ms)), now_ms)
                memory = replace(memory, closed=layers, closed_on=today)
            fresh = [act.held for act in judged.acts if isinstance(act, Told)]
            for held in judged.state.held if before.tell_all else fresh:
                self._tell(held, place, StayState.CONFIRMED, again=before.tell_all, now_ms=now_ms)
            memory = replace(memory, trouble="", trouble_since_ms=0, tell_all=False)
            if judged.state != self.state:
                self._ledger.keep(self._state_name, judged.state)
            if memory != before:
                self._ledger.keep(self._memory_name, memory)

    def _tell(
        self,
        held: Held,
        place: Place,
        state: StayState,
        *,
        again: bool,
        now_ms: int,
    ) -> None:
        if held.kind is not Kind.RESERVED:
            return
        over = state is StayState.CANCELLED
        version = max(now_ms // 1_000, held.version + 1) if over else held.version
        command = booking_of(held, place, state=state, version=version)
        generation = self._ledger.kept("home.generation", int, 0)
        told = ("learn", place.source, held.key, str(version), state.value, str(generation))
        self._mirror.let_go(place.source, held.key)
        self._post(
            command,
            (*told, str(now_ms)) if again else told,
            now_ms,
            Origin(
                source=place.source,
                upstream_id=held.key,
                version=str(version),
                occurred_at_ms=now_ms,
            ),
        )

    def _post(
        self, command: Command, told: tuple[str, ...], now_ms: int, origin: Origin | None = None
    ) -> None:
        # One lane for a feed: a closure that opens for a booking must be there before it.
        letter = Homeward(
            command_id=derived_id(*told), lane=self.account.source, command=command, origin=origin
        )
        self._ledger.post(letter, now_ms)

    def _note_trouble(self, sentence: str) -> None:
        memory = self.memory
        if memory.trouble == sentence:
            return
        logger.warning("the calendar of %s: %s", self.account.name, sentence)
        since_ms = memory.trouble_since_ms or self._clock.read().wall_ms
        with self._ledger.transaction():
            self._ledger.keep(
                self._memory_name, replace(memory, trouble=sentence, trouble_since_ms=since_ms)
            )

    # -- here ------------------------------------------------------------------------------------

    def _place(self) -> Place | None:
        room_type_id = self._mirror.type_named(self.account.room_type)
        room_id = None if self.account.room is None else self._mirror.room_named(self.account.room)
        if room_type_id is None or (self.account.room is not None and room_id is None):
            return None
        return Place(
            source=self.account.source,
            channel=self.account.channel,
            room_type_id=room_type_id,
            room_id=room_id,
        )

    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self._ledger.kept("property.time_zone", str, "UTC"))

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock.read().wall_s, self._zone()).date()


NO_PLACE: Final = "there is no room type {!r} or no room {!r} here: say its id, title or number"
FROZEN: Final = (
    "{0} of {1} entries vanished at once from {2}: nothing is cancelled by that. Look at the "
    "channel; if they are gone indeed, say `nightporter sync feeds accept {2}`"
)
TROUBLE: Final = "the calendar of {} changes nothing: {}"
