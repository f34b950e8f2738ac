"""What sign-in asks of stays: who is in a room, whose code this is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from appliance.engines.identity.sign_in import Candidate, CandidateGuest
from appliance.engines.stays import queries
from appliance.engines.stays.directory import Directory
from appliance.engines.stays.messages import Guest
from appliance.engines.stays.queries import SealedText, StayLine
from appliance.kernel.reader import Reader
from appliance.kernel.vault import Vault


class StayGuests:
    """Finds stays for sign-in; names are opened only for the stays that are found."""

    def __init__(self, reader: Reader, vault: Vault, directory: Directory) -> None:
        self._reader = reader
        self._vault = vault
        self._directory = directory

    async def in_room(self, number: str) -> Sequence[Candidate]:
        """Stays in house in the room of this number, any case."""
        rows = await self._reader.rows(
            "SELECT number FROM stays_room WHERE number = ?1 OR lower(number) = ?1", (number,)
        )
        found = [await queries.in_room(self._reader, row[0]) for row in rows]
        return await self._candidates([line for line in found if line is not None])

    async def by_codes(self, forms: Sequence[str]) -> Sequence[Candidate]:
        """Stays whose own or upstream code is one of these."""
        found: dict[str, StayLine] = {}
        for form in forms:
            found |= {line.stay_id: line for line in await queries.by_code(self._reader, form)}
        return await self._candidates(list(found.values()))

    async def by_stay(self, stay_id: str) -> Candidate | None:
        """One stay."""
        line = await queries.stay(self._reader, stay_id)
        return None if line is None else (await self._candidates([line]))[0]

    async def _candidates(self, lines: Sequence[StayLine]) -> list[Candidate]:
        today = await queries.business_date(self._reader)
        return [
            Candidate(
                stay_id=line.stay_id,
                state=line.state,
                due=today is not None and line.arrival <= today,
                guests=await self._guests(line.stay_id),
            )
            for line in lines
        ]

    async def _guests(self, stay_id: str) -> tuple[CandidateGuest, ...]:
        known = self._directory.names(stay_id)
        if known:
            return tuple(_guest(person.person_id, person.guest) for person in known)
        sealed = (await queries.guests(self._reader, [stay_id])).get(stay_id, [])
        return await asyncio.to_thread(self._opened, sealed)

    def _opened(self, sealed: Sequence[SealedText]) -> tuple[CandidateGuest, ...]:
        found = []
        for text in sealed:
            clear = self._vault.open(text.sealed, text.place)
            if clear is not None:
                found.append(_guest(text.sealed.subject, msgspec.json.decode(clear, type=Guest)))
        return tuple(found)


def _guest(person_id: str, guest: Guest) -> CandidateGuest:
    return CandidateGuest(person_id=person_id, given=guest.given, family=guest.family)
