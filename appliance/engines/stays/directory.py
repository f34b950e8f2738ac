"""Names of people due and in house, opened and held in memory for search and sorting.

Names are sealed everywhere else; a prefix search over sealed texts is not possible, and a whole
guest file in the clear is not wanted. What is held is who the desk may meet these days.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import msgspec

from appliance.engines.stays import queries
from appliance.engines.stays.messages import (
    Booked,
    BookingChanged,
    BusinessDateRolled,
    CheckedIn,
    CheckedOut,
    CheckInUndone,
    DepartedElsewhere,
    Guest,
    NoShowMarked,
    Reinstated,
    StayCancelled,
    StayState,
)
from appliance.kernel.engine import Recorded
from appliance.kernel.messages import Event
from appliance.kernel.reader import Reader
from appliance.kernel.sealed import Sealed
from appliance.kernel.values import normalise_name
from appliance.kernel.vault import TamperedError, Vault

logger = logging.getLogger(__name__)

# Three days: what a desk prepares ahead (keys are prepared 72 h ahead).
DAYS_AHEAD = 3
# Beyond this a list is not looked through by eye; the clerk types another letter.
FOUND_MAX = 100
_LIVE = frozenset({StayState.CONFIRMED, StayState.IN_HOUSE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A guest whose name is open: `person_id` is whom it is sealed for."""

    person_id: str
    guest: Guest


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A stay that a search met, with its guests, the one who booked first."""

    stay_id: str
    people: tuple[Person, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    state: StayState
    arrival: date
    sealed: tuple[queries.SealedText, ...]
    people: tuple[Person, ...] = ()
    words: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"_Entry({self.state}, {self.arrival})"


class Directory:
    """Fed from committed facts; answers at once and asks nobody."""

    def __init__(self, reader: Reader, vault: Vault) -> None:
        self._reader = reader
        self._vault = vault
        self._entries: dict[str, _Entry] = {}
        self._forgotten: set[str] = set()
        self._today: date | None = None

    async def load(self) -> None:
        """Read who is confirmed or in house; open the names of those the desk may meet."""
        self._today = await queries.business_date(self._reader)
        last = ""
        # A large house has more bookings ahead than one answer holds.
        while rows := await self._reader.rows(
            "SELECT stay_id, state, arrival FROM stays_stay WHERE stay_id > ?"
            " AND state IN ('confirmed', 'in_house') ORDER BY stay_id LIMIT ?",
            (last, _PAGE),
        ):
            guests = await queries.guests(self._reader, [row[0] for row in rows])
            for stay_id, state, arrival in rows:
                self._entries[stay_id] = _Entry(
                    state=StayState(state),
                    arrival=date.fromisoformat(arrival),
                    sealed=tuple(guests[stay_id]),
                )
            last = rows[-1][0]
        self._open_all()

    def notice(self, facts: Sequence[Recorded]) -> None:
        """Called with every batch after its commit."""
        for fact in facts:
            self._notice_one(fact.event)

    def names(self, stay_id: str) -> tuple[Person, ...]:
        """The open names of a stay that is due or in house; empty otherwise."""
        entry = self._entries.get(stay_id)
        return entry.people if entry is not None else ()

    def search(self, typed: str, limit: int = FOUND_MAX) -> list[Found]:
        """Stays where every word typed begins a word of some guest's name; by name, then id."""
        wanted = _words(typed)
        if not wanted:
            return []
        met = [
            (entry.words, stay_id)
            for stay_id, entry in self._entries.items()
            if all(any(word.startswith(part) for word in entry.words) for part in wanted)
        ]
        ordered = self.in_order(stay_id for _, stay_id in met)
        return [
            Found(stay_id=stay_id, people=self.names(stay_id))
            for stay_id in ordered[: min(limit, FOUND_MAX)]
        ]

    def in_order(self, stay_ids: Iterable[str]) -> list[str]:
        """Stay ids by family name, then given name, as a clerk looks for them."""
        return sorted(stay_ids, key=self._sorting)

    def drop(self, person_id: str) -> None:
        """A person is forgotten: their name leaves memory at once."""
        self._forgotten.add(person_id)
        for stay_id, entry in self._entries.items():
            if any(text.sealed.subject == person_id for text in entry.sealed):
                self._keep(stay_id, entry)

    def _notice_one(self, event: Event) -> None:
        match event:
            case Booked():
                sealed = _texts(event.guests, f"{event.kind}:guests")
                entry = _Entry(state=StayState.CONFIRMED, arrival=event.arrival, sealed=sealed)
                self._keep(event.stay_id, entry)
            case BookingChanged():
                sealed = _texts(event.guests, f"{event.kind}:guests")
                self._change(event.stay_id, arrival=event.arrival, sealed=sealed)
            case Reinstated():
                self._change(event.stay_id, arrival=event.arrival, state=StayState.CONFIRMED)
            case CheckedIn():
                self._change(event.stay_id, state=StayState.IN_HOUSE)
            case CheckInUndone():
                self._change(event.stay_id, state=StayState.CONFIRMED)
            case CheckedOut() | DepartedElsewhere():
                self._change(event.stay_id, state=StayState.DEPARTED)
            case StayCancelled():
                self._change(event.stay_id, state=StayState.CANCELLED)
            case NoShowMarked():
                self._change(event.stay_id, state=StayState.NO_SHOW)
            case BusinessDateRolled():
                self._today = event.opened
                self._open_all()
            case _:
                pass

    def _change(
        self,
        stay_id: str,
        *,
        state: StayState | None = None,
        arrival: date | None = None,
        sealed: tuple[queries.SealedText, ...] = (),
    ) -> None:
        entry = self._entries.get(stay_id)
        if entry is None:
            return
        changed = replace(
            entry,
            state=state or entry.state,
            arrival=arrival or entry.arrival,
            sealed=sealed or entry.sealed,
        )
        self._keep(stay_id, changed)

    def _open_all(self) -> None:
        for stay_id, entry in list(self._entries.items()):
            self._keep(stay_id, entry)

    def _keep(self, stay_id: str, entry: _Entry) -> None:
        """Open the names where the desk may meet the guest, close them where it will not."""
        if entry.state is StayState.DEPARTED:
            self._entries.pop(stay_id, None)  # a cancelled one may come back, a departed one not
            return
        people = tuple(self._people(entry)) if self._near(entry) else ()
        words = {
            word
            for person in people
            for word in _words(f"{person.guest.given} {person.guest.family}")
        }
        self._entries[stay_id] = replace(entry, people=people, words=tuple(sorted(words)))

    def _near(self, entry: _Entry) -> bool:
        if entry.state is StayState.IN_HOUSE:
            return True
        if entry.state not in _LIVE:
            return False
        if self._today is None:
            return True
        ahead = timedelta(days=DAYS_AHEAD)
        # Who was due earlier and is no no-show yet is still expected: arrivals survive midnight.
        return entry.arrival <= self._today + ahead

    def _people(self, entry: _Entry) -> Iterable[Person]:
        for text in entry.sealed:
            if text.sealed.subject in self._forgotten:
                continue
            try:
                opened = self._vault.open(text.sealed, text.place)
            except TamperedError:
                logger.exception("the name of %s cannot be opened", text.sealed.subject)
                continue
            if opened is not None:
                guest = msgspec.json.decode(opened, type=Guest)
                yield Person(person_id=text.sealed.subject, guest=guest)

    def _sorting(self, stay_id: str) -> tuple[bool, str, str, str]:
        people = self.names(stay_id)
        if not people:
            return (True, "", "", stay_id)
        guest = people[0].guest
        return (False, normalise_name(guest.family), normalise_name(guest.given), stay_id)


def _texts(guests: Sequence[Sealed], place: str) -> tuple[queries.SealedText, ...]:
    return tuple(queries.SealedText(sealed=guest, place=place.encode()) for guest in guests)


def _words(text: str) -> list[str]:
    """Words as they are compared: `García-López` is two, `d'Arc` is two."""
    apart = "".join(letter if unicodedata.category(letter)[0] in "LM" else " " for letter in text)
    return [word for part in apart.split() if (word := normalise_name(part))]


# Stays read at once: small enough that other questions get their turn between two pages.
_PAGE = 500
