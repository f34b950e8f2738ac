"""Pushes the box's acts to Mews, which has no idempotency keys: read back before any repeat."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from appliance.kernel.clock import Clock
from appliance.kernel.money import decimal_of
from sync.gate import Gate
from sync.home import Home
from sync.ledger import Effect, EffectState, Ledger
from sync.mirror import Known, Mirror
from sync.outcome import Homeward, Manual, NotSent, Outcome, Refused, Succeeded
from sync.pms.linking import retold
from sync.pms.mews.book import MewsBooking
from sync.pms.mews.client import Fine, MewsClient, failure
from sync.pms.mews.codes import NOT_THERE, MewsCodes
from sync.pms.mews.commands import DEVICE_COMMAND, MewsCommands
from sync.pms.mews.rooms import push_room_state
from sync.pms.mews.rows import known_of
from sync.pms.mews.source import HOUSE, RESERVATIONS
from sync.pms.mews.steps import MAKE_IT_SO, Act, Step
from sync.pms.mews.words import SOURCE, House
from sync.pms.port import LATE_MS, LOOKS, NotFetchedError, unread

# What Mews calls the ways in which money came.
PAYMENT_TYPE: Final = {
    "cash": "Cash",
    "slip": "CreditCard",
    "saved_card": "CreditCard",
    "hold": "CreditCard",
    "pay_link": "OnlinePayment",
    "stray": "OnlinePayment",
}
# Until the configuration is there, nothing can be said in Mews' words.
NO_HOUSE_WAIT_MS: Final = 2_000
NO_UNDO: Final = (
    "Mews cannot undo a check-in through its interface: "
    "open the reservation in Mews and undo the check-in there"
)
_HAD_PAYMENT: Final = Succeeded(sentence="Mews had the payment already", evidence="read_back")
# Every push of these reads first or says the same again.
LOOKS_ITSELF: Final = frozenset({"pms.door_code", "pms.room_state", DEVICE_COMMAND})
GONE: Final = "Mews no longer shows this reservation"


class MewsPush:
    """One counterparty of the carrier."""

    gives_up = True
    late_ms = LATE_MS

    def __init__(
        self, *, client: MewsClient, ledger: Ledger, mirror: Mirror, clock: Clock, home: Home
    ) -> None:
        self.gate: Gate = client.gate
        self._client = client
        self._ledger = ledger
        self._mirror = mirror
        self._clock = clock
        self._booking = MewsBooking(client=client, ledger=ledger, mirror=mirror)
        self._codes = MewsCodes(client=client, home=home)
        self._commands = MewsCommands(
            client=client, ledger=ledger, mirror=mirror, clock=clock, home=home
        )

    async def reconcile(self, effect: Effect) -> Outcome | None:
        """Read back whether the act is done there already; None: go on and send it."""
        return await self._with_house(effect, self._reconcile)

    async def push(self, effect: Effect) -> Outcome:
        """Try one act once."""
        outcome = await self._with_house(effect, self._push)
        assert outcome is not None, "sending has an outcome"
        return outcome

    async def _with_house(
        self, effect: Effect, work: Callable[[Effect, dict[str, Any], House], Awaitable[Any]]
    ) -> Outcome | None:
        house: House | None = self._ledger.kept(HOUSE, House)
        if house is None:
            sentence = "Mews' configuration is not known yet"
            return NotSent(sentence=sentence, wait_ms=NO_HOUSE_WAIT_MS)
        try:
            outcome: Outcome | None = await work(effect, msgspec.json.decode(effect.body), house)
        except NotFetchedError as error:
            return unread("Mews", error)
        return outcome

    async def _push(self, effect: Effect, told: dict[str, Any], house: House) -> Outcome:
        if effect.kind == "pms.book":
            return await self._booking.push(effect, told, house)
        if effect.kind == "pms.undo_start":
            return Manual(sentence=NO_UNDO)
        if effect.kind == "pms.door_code":
            return await self._code(told, house)
        if effect.kind == DEVICE_COMMAND:
            return await self._commands.push(effect, told, house)
        if effect.kind == "pms.room_state":
            return await push_room_state(self._client, told, self._room(told["room_id"], house))
        return await self._act(effect, told, house)

    async def _code(self, told: dict[str, Any], house: House) -> Outcome:
        stay = self._mirror.stay(told["stay_id"])
        if stay is None or stay.upstream_id is None:
            return NOT_THERE
        return await self._codes.push(
            stay.stay_id, stay.upstream_id, lambda room_id: self._room(room_id, house)
        )

    async def _reconcile(
        self, effect: Effect, told: dict[str, Any], house: House
    ) -> Outcome | None:
        if effect.kind == "pms.book":
            return await self._booking.reconcile(effect, told, house)
        if effect.kind in LOOKS_ITSELF:
            return None
        act = self._act_of(told, house)
        if not isinstance(act, Act) or effect.kind == "pms.undo_start":
            return None  # sending says why it cannot be
        if effect.kind == "pms.payment":
            had = await self._has_payment(act.upstream_id, told["payment_id"])
            return _HAD_PAYMENT if had else None
        return await self._read_back(effect, act)

    async def _read_back(self, effect: Effect, act: Act) -> Outcome | None:
        # What is read here is what the steps are decided by when it is sent.
        known = await self._read(act.upstream_id)
        if known is None:
            return Refused(sentence=GONE)
        steps = MAKE_IT_SO[effect.kind](act, known)
        if isinstance(steps, Refused):
            return steps
        return None if steps else _had_it(act)

    def told(self, effect: Effect, state: EffectState, outcome: Outcome | None) -> list[Homeward]:
        """The box hears of a stay's life only by what Mews says in a pull."""
        del effect, state, outcome
        return []

    def retell(self, effect: Effect, generation: int) -> list[Homeward]:
        """A restored box hears again by which id Mews knows its sale."""
        return retold(SOURCE, self._mirror, effect, generation)

    # -- acts on a reservation that Mews knows ---------------------------------------------------

    async def _act(self, effect: Effect, told: dict[str, Any], house: House) -> Outcome:
        act = self._act_of(told, house)
        if not isinstance(act, Act):
            return act
        if effect.kind == "pms.payment":
            return await self._pay(told, act.upstream_id)
        kept = self._mirror.booking(SOURCE, act.upstream_id)
        if kept is not None:
            outcome = await self._make_it_so(effect, act, kept.known)
            if not isinstance(outcome, Refused):
                return outcome
        # What we believed of the reservation may be old: the truth is read before giving up.
        known = await self._read(act.upstream_id)
        if known is None:
            return Refused(sentence=GONE)
        return await self._make_it_so(effect, act, known)

    def _act_of(self, told: dict[str, Any], house: House) -> Act | Refused:
        stay = self._mirror.stay(told["stay_id"])
        if stay is None or stay.upstream_id is None:
            return Refused(sentence="Mews does not know this booking: it was never taken there")
        room, room_id = None, told.get("room_id") or told.get("left_room_id")
        if room_id is not None:
            room = self._room(room_id, house)
            # Where the guest has left, the room matters only if Mews never saw them arrive.
            if room is None and told.get("room_id") is not None:
                number = (self._mirror.room(told["room_id"]) or (told["room_id"], None))[0]
                return Refused(sentence=f"Mews has no room {number}: give it its upstream id")
        return Act(
            upstream_id=stay.upstream_id,
            told=told,
            room_upstream_id=room,
            house=house,
            now_s=(self.gate.vendor_now_ms() or self._clock.read().wall_ms) // 1000,
            send_reason=self._client.account.send_cancellation_reason,
        )

    async def _make_it_so(self, effect: Effect, act: Act, known: Known) -> Outcome:
        steps = MAKE_IT_SO[effect.kind](act, known)
        if isinstance(steps, Refused):
            return steps
        for step in steps:
            reply = await self._client.ask(step.endpoint, step.body)
            if not isinstance(reply, Fine):
                return failure(reply)
            self._believe(act.upstream_id, step)
        if not steps:
            return _had_it(act)
        return Succeeded(sentence="Mews has it", provider_ref=act.upstream_id)

    def _believe(self, upstream_id: str, step: Step) -> None:
        with self._ledger.transaction():
            self._mirror.put_known(SOURCE, upstream_id, step.after)

    async def _read(self, upstream_id: str) -> Known | None:
        body = {"ReservationIds": [upstream_id]}
        for _ in range(LOOKS):
            rows = await self._client.all_of(RESERVATIONS, body, "Reservations")
            if row := next((each for each in rows if each.get("Id") == upstream_id), None):
                break
        else:
            return None
        before = self._mirror.booking(SOURCE, upstream_id)
        try:
            known = known_of(row, None if before is None else before.known)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            sentence = f"reservation {upstream_id} cannot be read ({type(error).__name__})"
            raise NotFetchedError(sentence, answered=True) from error
        with self._ledger.transaction():
            self._mirror.put_known(SOURCE, upstream_id, known)
        return known

    def _room(self, room_id: str, house: House) -> str | None:
        room = self._mirror.room(room_id)
        if room is None:
            return None
        number, upstream_id = room
        named = (each for each, name in house.resources.items() if name == number)
        return upstream_id or next(named, None)

    # -- money taken at the desk -----------------------------------------------------------------

    async def _pay(self, told: dict[str, Any], upstream_id: str) -> Outcome:
        # What was given back is less than nothing: `payments/refund` takes only what Mews charged.
        payment_id = told["payment_id"]
        kept = self._mirror.booking(SOURCE, upstream_id)
        known = kept.known if kept is not None else await self._read(upstream_id)
        if known is None or known.customer_id is None:
            return Refused(sentence="Mews shows no guest account to put this payment on")
        value = float(decimal_of(told["amount_minor"], told["currency"]))
        body = {
            "AccountId": known.customer_id,
            "ReservationId": upstream_id,
            "Amount": {"Currency": told["currency"], "GrossValue": value},
            "Type": PAYMENT_TYPE.get(told["means"], "Unspecified"),
            "ExternalIdentifier": payment_id,
        }
        reply = await self._client.ask("payments/addExternal", body)
        if isinstance(reply, Fine):
            ref = reply.fields.get("ExternalPaymentId")
            return Succeeded(sentence="Mews has the payment", provider_ref=str(ref))
        return failure(reply)

    async def _has_payment(self, upstream_id: str, payment_id: str) -> bool:
        body = {"ReservationIds": [upstream_id]}
        for row in await self._client.all_of("payments/getAll", body, "Payments"):
            data = row.get("Data")
            external = data.get("External") if isinstance(data, dict) else None
            named = external.get("ExternalIdentifier") if isinstance(external, dict) else None
            if payment_id in {row.get("Identifier"), named}:
                return True
        return False


def _had_it(act: Act) -> Succeeded:
    return Succeeded(
        sentence="Mews had it already", provider_ref=act.upstream_id, evidence="read_back"
    )
