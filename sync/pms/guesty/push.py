"""Pushes the box's acts to Guesty, which has no idempotency keys: read back before any repeat."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any, Final

import msgspec

from appliance.kernel.clock import Clock
from appliance.kernel.money import decimal_of
from sync.gate import Gate
from sync.home import Home
from sync.ledger import Effect, EffectState, Ledger
from sync.mirror import Known, Mirror
from sync.outcome import Expired, Homeward, NotSent, Outcome, Refused, Succeeded
from sync.pms.guesty.book import GuestyBooking, unit_of
from sync.pms.guesty.client import Fine, GuestyClient, failure, id_of, rows_of
from sync.pms.guesty.codes import NOT_THERE, GuestyCodes
from sync.pms.guesty.house import HOUSE
from sync.pms.guesty.rows import known_of, record_of
from sync.pms.guesty.source import RESERVATIONS
from sync.pms.guesty.steps import MAKE_IT_SO, Act, Step
from sync.pms.guesty.words import SOURCE, House, UnreadableError
from sync.pms.linking import retold
from sync.pms.port import LATE_MS, LOOKS, NotFetchedError, unread

# How the vendor calls money that came another way; since 2026-03-23 plain CASH may charge a card.
METHOD: Final = {"cash": "RECORDED_CASH"}
OTHER_METHOD: Final = "OTHER"
# Until the listings are there, nothing can be said in Guesty's words.
NO_HOUSE_WAIT_MS: Final = 2_000
GONE: Final = "Guesty no longer shows this reservation"
HAD_PAYMENT: Final = Succeeded(sentence="Guesty had the payment already", evidence="read_back")
NO_ROOM_STATES: Final = "Guesty keeps no states of rooms through its interface"
# The vendor records nothing smaller than one unit of the currency.
PAYMENT_UNITS_MIN: Final = 1


class GuestyPush:
    """One counterparty of the carrier."""

    gives_up = True
    late_ms = LATE_MS

    def __init__(
        self, *, client: GuestyClient, ledger: Ledger, mirror: Mirror, clock: Clock, home: Home
    ) -> None:
        self.gate: Gate = client.gate
        self._client = client
        self._ledger = ledger
        self._mirror = mirror
        self._clock = clock
        self._booking = GuestyBooking(client=client, ledger=ledger, mirror=mirror, clock=clock)
        self._codes = GuestyCodes(client=client, ledger=ledger, home=home)

    async def reconcile(self, effect: Effect) -> Outcome | None:
        """Read back whether the act is done there already; None: go on and send it."""
        return await self._with_house(effect, self._reconcile)

    async def push(self, effect: Effect) -> Outcome:
        """Try one act once."""
        outcome = await self._with_house(effect, self._push)
        assert outcome is not None, "sending has an outcome"
        return outcome

    def told(self, effect: Effect, state: EffectState, outcome: Outcome | None) -> list[Homeward]:
        """The box hears of a stay's life only by what Guesty says in a pull."""
        del effect, state, outcome
        return []

    def retell(self, effect: Effect, generation: int) -> list[Homeward]:
        """A restored box hears again by which id Guesty knows its sale."""
        return retold(SOURCE, self._mirror, effect, generation)

    async def _with_house(
        self, effect: Effect, work: Callable[[Effect, dict[str, Any], House], Awaitable[Any]]
    ) -> Outcome | None:
        house: House | None = self._ledger.kept(HOUSE, House)
        if house is None:
            sentence = "Guesty's listings are not known yet"
            return NotSent(sentence=sentence, wait_ms=NO_HOUSE_WAIT_MS)
        try:
            outcome: Outcome | None = await work(effect, msgspec.json.decode(effect.body), house)
        except NotFetchedError as error:
            return unread("Guesty", error)
        return outcome

    async def _push(self, effect: Effect, told: dict[str, Any], house: House) -> Outcome:
        if effect.kind == "pms.room_state":
            return Expired(sentence=NO_ROOM_STATES)
        if effect.kind == "pms.book":
            return await self._booking.push(told, house)
        if effect.kind == "pms.door_code":
            return await self._code(told)
        act = self._act_of(told, house)
        if not isinstance(act, Act):
            return act
        if effect.kind == "pms.payment":
            return await self._pay(told, act.upstream_id)
        return await self._act(effect, act)

    async def _reconcile(
        self, effect: Effect, told: dict[str, Any], house: House
    ) -> Outcome | None:
        if effect.kind == "pms.book":
            return await self._booking.reconcile(effect, told, house)
        if effect.kind in {"pms.door_code", "pms.room_state"}:
            return None  # every push of these reads first
        act = self._act_of(told, house)
        if not isinstance(act, Act):
            return None  # sending says why it cannot be
        if effect.kind == "pms.payment":
            had = await self._has_payment(act.upstream_id, told["payment_id"])
            return HAD_PAYMENT if had else None
        return await self._read_back(effect, act)

    async def _read_back(self, effect: Effect, act: Act) -> Outcome | None:
        # What is read here is what the steps are decided by when it is sent.
        known = await self._read(act)
        steps = known if isinstance(known, Refused) else MAKE_IT_SO[effect.kind](act, known)
        if isinstance(steps, Refused):
            return steps
        return None if steps else _had_it(act)

    # -- acts on a reservation that Guesty knows -------------------------------------------------

    async def _act(self, effect: Effect, act: Act) -> Outcome:
        kept = self._mirror.booking(SOURCE, act.upstream_id)
        if kept is not None and "check_in" in kept.known.extra:
            outcome = await self._make_it_so(effect, act, kept.known)
            if not isinstance(outcome, Refused):
                return outcome
        # What we believed of the reservation may be old: the truth is read before giving up.
        known = await self._read(act)
        return known if isinstance(known, Refused) else await self._make_it_so(effect, act, known)

    async def _make_it_so(self, effect: Effect, act: Act, known: Known) -> Outcome:
        steps = MAKE_IT_SO[effect.kind](act, known)
        if isinstance(steps, Refused):
            return steps
        for step in steps:
            reply = await self._client.ask("PUT", step.path, fields=step.fields)
            if not isinstance(reply, Fine):
                return failure(reply)
            self._believe(act.upstream_id, step)
        if not steps:
            return _had_it(act)
        return Succeeded(sentence="Guesty has it", provider_ref=act.upstream_id)

    def _believe(self, upstream_id: str, step: Step) -> None:
        with self._ledger.transaction():
            self._mirror.put_known(SOURCE, upstream_id, step.after)

    async def _read(self, act: Act) -> Known | Refused:
        query = [
            ("reservationIds[]", act.upstream_id),
            ("mergeAccommodationFarePriceComponents", "true"),
        ]
        for _ in range(LOOKS):
            rows = rows_of(await self._client.read(RESERVATIONS, query))
            if row := next((each for each in rows if id_of(each) == act.upstream_id), None):
                break
        else:
            return Refused(sentence=GONE)
        before = self._mirror.booking(SOURCE, act.upstream_id)
        had = None if before is None else before.known
        try:
            record = record_of(row, had, act.house)
        except UnreadableError as error:
            sentence = f"reservation {act.upstream_id} cannot be read: {error}"
            raise NotFetchedError(sentence, answered=True) from error
        known = known_of(record, had, act.house, self._today(act.house))
        with self._ledger.transaction():
            self._mirror.put_known(SOURCE, act.upstream_id, known)
        return known

    def _act_of(self, told: dict[str, Any], house: House) -> Act | Refused:
        stay = self._mirror.stay(told["stay_id"])
        if stay is None or stay.upstream_id is None:
            return Refused(sentence="Guesty does not know this booking: it was never taken there")
        unit_id = None
        if told.get("room_id") is not None:
            unit_id = unit_of(self._mirror, told["room_id"], house)
            if unit_id is None:
                number = (self._mirror.room(told["room_id"]) or (told["room_id"], None))[0]
                return Refused(sentence=f"Guesty has no unit {number}: give it its upstream id")
        return Act(upstream_id=stay.upstream_id, told=told, unit_id=unit_id, house=house)

    async def _code(self, told: dict[str, Any]) -> Outcome:
        stay = self._mirror.stay(told["stay_id"])
        if stay is None or stay.upstream_id is None:
            return NOT_THERE
        return await self._codes.push(stay.stay_id, stay.upstream_id)

    # -- money taken at the desk -----------------------------------------------------------------

    async def _pay(self, told: dict[str, Any], upstream_id: str) -> Outcome:
        amount = decimal_of(told["amount_minor"], told["currency"])
        if amount < PAYMENT_UNITS_MIN:
            sentence = (
                f"Guesty records no payment below 1 {told['currency']}: note it there by hand"
            )
            return Refused(sentence=sentence)
        kept = self._mirror.booking(SOURCE, upstream_id)
        currency = "" if kept is None else kept.known.extra.get("currency", "")
        if currency and currency != told["currency"]:
            sentence = f"it was paid in {told['currency']}, Guesty keeps this booking in {currency}"
            return Refused(sentence=sentence)
        fields = {
            "reservationId": upstream_id,
            "amount": float(amount),
            "paymentMethod": {"method": METHOD.get(told["means"], OTHER_METHOD)},
            "note": f"Nightporter {told['payment_id']}",
        }
        reply = await self._client.ask("POST", "/payments/recorded", fields=fields)
        if not isinstance(reply, Fine):
            return failure(reply)
        ref = id_of(reply.fields)
        return Succeeded(sentence="Guesty has the payment", provider_ref=ref or None)

    async def _has_payment(self, upstream_id: str, payment_id: str) -> bool:
        found = await self._client.read("/payments", [("reservationId", upstream_id)])
        rows = found.get("payments") if isinstance(found, dict) else found
        notes = [str(row.get("note") or "") for row in rows_of(rows)]
        return any(payment_id in note.split() for note in notes)

    def _today(self, house: House) -> date:
        return house.day((self.gate.vendor_now_ms() or self._clock.read().wall_ms) // 1000)


def _had_it(act: Act) -> Succeeded:
    return Succeeded(
        sentence="Guesty had it already", provider_ref=act.upstream_id, evidence="read_back"
    )
