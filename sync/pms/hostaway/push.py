"""Pushes the box's acts to Hostaway, which has no idempotency keys: read back before any repeat."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from appliance.kernel.clock import Clock
from sync.gate import Gate
from sync.ledger import Effect, EffectState, Ledger
from sync.mirror import Known, Mirror
from sync.outcome import Homeward, NotSent, Outcome, Refused, Succeeded
from sync.pms.hostaway.book import HostawayBooking
from sync.pms.hostaway.client import Fine, HostawayClient, failure
from sync.pms.hostaway.door_code import GONE, DoorCodeField, DoorCodes
from sync.pms.hostaway.house import House
from sync.pms.hostaway.money import OfflineCharges
from sync.pms.hostaway.rows import known_of, trimmed
from sync.pms.hostaway.source import HOUSE, RESERVATIONS
from sync.pms.hostaway.steps import MAKE_IT_SO, Act, nothing
from sync.pms.hostaway.words import SOURCE, TITLE
from sync.pms.linking import retold
from sync.pms.port import LATE_MS, LOOKS, NotFetchedError, unread

# Until the listings are read, nothing can be said in Hostaway's words.
NO_HOUSE_WAIT_MS = 2_000
NO_PLACE = f"{TITLE} keeps neither rooms nor check-ins of a stay: there is nothing to tell"
# These are not looked up before they are sent: they read while they do it.
LOOKS_ITSELF = frozenset({"pms.door_code", "pms.room_state"})


class HostawayPush:
    """One counterparty of the carrier."""

    gives_up = True
    late_ms = LATE_MS

    def __init__(
        self,
        *,
        client: HostawayClient,
        ledger: Ledger,
        mirror: Mirror,
        clock: Clock,
        home: DoorCodes,
    ) -> None:
        self.gate: Gate = client.gate
        self._client = client
        self._ledger = ledger
        self._mirror = mirror
        self._clock = clock
        self._booking = HostawayBooking(client=client, mirror=mirror)
        self._charges = OfflineCharges(client)
        self._door_code = DoorCodeField(client, home)

    async def reconcile(self, effect: Effect) -> Outcome | None:
        """Read back whether the act is done there already; None: go on and send it."""
        house: House | None = self._ledger.kept(HOUSE, House)
        if house is None:
            return _no_house()
        told = msgspec.json.decode(effect.body)
        try:
            if effect.kind == "pms.book":
                return await self._booking.reconcile(effect, told, house)
            upstream_id = self._upstream_id(told)
            if upstream_id is None or effect.kind in LOOKS_ITSELF:
                return None  # sending says why it cannot be, or reads by itself
            if effect.kind == "pms.payment":
                return await self._charges.find(told, upstream_id)
            return await self._read_back(effect, told, upstream_id, house)
        except NotFetchedError as error:
            return unread(TITLE, error)

    async def push(self, effect: Effect) -> Outcome:
        """Try one act once."""
        house: House | None = self._ledger.kept(HOUSE, House)
        if house is None:
            return _no_house()
        told = msgspec.json.decode(effect.body)
        try:
            if effect.kind == "pms.book":
                return await self._booking.push(told, house)
            return await self._act(effect, told, house)
        except NotFetchedError as error:
            # Reading changed nothing: the act is as far as it was.
            return unread(TITLE, error)

    def told(self, effect: Effect, state: EffectState, outcome: Outcome | None) -> list[Homeward]:
        """The box hears of a stay's life only by what Hostaway says in a pull."""
        del effect, state, outcome
        return []

    def retell(self, effect: Effect, generation: int) -> list[Homeward]:
        """A restored box hears again by which id Hostaway knows its sale."""
        return retold(SOURCE, self._mirror, effect, generation)

    # -- acts on a reservation that Hostaway knows -----------------------------------------------

    async def _act(self, effect: Effect, told: dict[str, Any], house: House) -> Outcome:
        upstream_id = self._upstream_id(told)
        if effect.kind == "pms.room_state" or (
            upstream_id is not None and MAKE_IT_SO.get(effect.kind) is nothing
        ):
            return Succeeded(sentence=NO_PLACE, provider_ref=upstream_id)
        if upstream_id is None:
            return Refused(sentence=f"{TITLE} does not know this booking: it was never taken there")
        if effect.kind == "pms.door_code":
            return await self._door_code.make_equal(told["stay_id"], upstream_id)
        kept = self._mirror.booking(SOURCE, upstream_id)
        believed = kept.known if kept is not None and kept.known.extra else None
        if believed is not None:
            outcome = await self._try(effect, told, upstream_id, believed)
            if not isinstance(outcome, Refused):
                return outcome
        # What we believed of the reservation may be old: the truth is read before giving up.
        known = await self._read(upstream_id, house)
        if known is None:
            return Refused(sentence=GONE)
        return await self._try(effect, told, upstream_id, known)

    async def _try(
        self, effect: Effect, told: dict[str, Any], upstream_id: str, known: Known
    ) -> Outcome:
        if effect.kind == "pms.payment":
            return await self._charges.push(told, upstream_id, known, self._now_s())
        return await self._make_it_so(effect, Act(upstream_id=upstream_id, told=told), known)

    async def _read_back(
        self, effect: Effect, told: dict[str, Any], upstream_id: str, house: House
    ) -> Outcome | None:
        make_it_so = MAKE_IT_SO[effect.kind]
        if make_it_so is nothing:
            return None
        # What is read here is what the steps are decided by when it is sent.
        known = await self._read(upstream_id, house)
        if known is None:
            return Refused(sentence=GONE)
        steps = make_it_so(Act(upstream_id=upstream_id, told=told), known)
        if isinstance(steps, Refused):
            return steps
        return None if steps else self._had_it(effect, upstream_id, known)

    async def _make_it_so(self, effect: Effect, act: Act, known: Known) -> Outcome:
        steps = MAKE_IT_SO[effect.kind](act, known)
        if isinstance(steps, Refused):
            return steps
        for step in steps:
            reply = await self._client.ask("PUT", step.path, query=step.query, body=step.body)
            if not isinstance(reply, Fine):
                return failure(reply)
            self._believe(act.upstream_id, step.after)
        if not steps:
            return self._had_it(effect, act.upstream_id, known)
        return Succeeded(sentence=f"{TITLE} has it", provider_ref=act.upstream_id)

    def _had_it(self, effect: Effect, upstream_id: str, known: Known) -> Succeeded:
        if effect.kind == "pms.no_show":
            # Hostaway has only a cancellation; why it is one, nobody but the box remembers.
            self._believe(upstream_id, replace(known, no_show_by_us=True))
        return Succeeded(
            sentence=f"{TITLE} had it already", provider_ref=upstream_id, evidence="read_back"
        )

    def _believe(self, upstream_id: str, known: Known) -> None:
        with self._ledger.transaction():
            self._mirror.put_known(SOURCE, upstream_id, known)

    async def _read(self, upstream_id: str, house: House) -> Known | None:
        for _ in range(LOOKS):
            row = await self._client.read(f"{RESERVATIONS}/{upstream_id}")
            if isinstance(row, dict):
                break
        else:
            return None
        before = self._mirror.booking(SOURCE, upstream_id)
        try:
            known = known_of(trimmed(row), house, None if before is None else before.known)
        except (ValueError, OverflowError) as error:
            raise NotFetchedError(f"reservation {upstream_id}: {error}", answered=True) from error
        self._believe(upstream_id, known)
        return known

    def _upstream_id(self, told: dict[str, Any]) -> str | None:
        stay = self._mirror.stay(told.get("stay_id") or "")
        return None if stay is None else stay.upstream_id

    def _now_s(self) -> int:
        return (self.gate.vendor_now_ms() or self._clock.read().wall_ms) // 1000


def _no_house() -> NotSent:
    return NotSent(sentence=f"{TITLE}'s listings are not known yet", wait_ms=NO_HOUSE_WAIT_MS)
