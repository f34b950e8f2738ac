"""One component of a Shelly over HTTP: JSON-RPC, one call at a time, each call once.

https://shelly-api-docs.shelly.cloud/gen2/General/RPCChannels. With a password the device asks for
digest authentication; a 401 is its word that it did nothing, so the one call after it is no repeat.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import msgspec

from appliance.bus.words import DeviceKind, EventKind, LockRefusal, Order, Outcome, Verb
from appliance.kernel.clock import sleep
from drivers.facts import NOTHING, Facts, state_of, turns
from drivers.http.digest import Challenge, authorization, read_challenge
from drivers.http.wire import Ask, CutError, NotSentError
from drivers.port import Evidence, Happening, Told
from drivers.shelly import Shelly

if TYPE_CHECKING:
    from appliance.bus.words import State
    from appliance.kernel.clock import Clock
    from drivers.http.wire import Reply, Wire
    from drivers.port import Attempt, House, Pin
    from drivers.radios import Thing

# Its answers come from its own memory: 15 s is how late a hand at the switch is seen.
POLL_S: Final = 15.0
READ_S_MAX: Final = 3.0
# A strike is at rest again by then; a call that was lost has acted or never will.
LATE_S_MAX: Final = 15.0
# How long how it stands is taken for the doing of the newest order.
PROOF_S_MAX: Final = 120.0
_USER: Final = "admin"  # the only one a Shelly has
_STATUS: Final = {
    "switch": "Switch",
    "light": "Light",
    "cover": "Cover",
    "pm1": "PM1",
    "em1": "EM1",
    "temperature": "Temperature",
    "humidity": "Humidity",
    "flood": "Flood",
}


class ShellyHost:
    """The way to one device: calls in turn, proven by its password where it has one."""

    def __init__(self, wire: Wire, *, password: str, clock: Clock) -> None:
        self._wire = wire
        self._password = password
        self._clock = clock
        self._challenge: Challenge | None = None
        self._mutex = asyncio.Lock()

    async def call(self, method: str, parameters: object, *, deadline_s: float) -> Reply:
        """Call once. Raises NotSentError or CutError; a 401 that stays is NotSentError."""
        frame = {"id": 1, "src": "np", "method": method, "params": parameters}
        body = msgspec.json.encode(frame)
        async with self._mutex:
            reply = await self._post(body, deadline_s)
            if reply.status == 401 and self._password:
                # It did nothing and said so, with what it wants to see.
                self._challenge = read_challenge(reply.challenge)
                if self._challenge is None:
                    raise NotSentError("no SHA-256 digest")
                reply = await self._post(body, deadline_s)
            if reply.status == 401:
                raise NotSentError("wrong password")
            return reply

    async def close(self) -> None:
        """Let go of the host."""
        await self._wire.close()

    async def _post(self, body: bytes, deadline_s: float) -> Reply:
        headers = {"Content-Type": "application/json"}
        if self._challenge is not None:
            headers["Authorization"] = authorization(
                self._challenge, user=_USER, password=self._password, method="POST", path="/rpc"
            )
        ask = Ask(method="POST", path="/rpc", headers=headers, body=body)
        return await self._wire.ask(ask, deadline_s=deadline_s)


class ShellyThing:
    """A `Device` of the http radio."""

    decides = False

    def __init__(self, thing: Thing, host: ShellyHost, *, clock: Clock) -> None:
        self.thing = thing
        self._host = host
        self._clock = clock
        self._shelly = Shelly(thing)
        self._facts = NOTHING
        self._online: bool | None = None
        self._stated: State | None = None
        self._pending_s = 0.0
        # The newest order, what was known before it, and since when it runs.
        self._newest: tuple[str, Facts, float] | None = None
        self._done: list[str] = []
        self._bell = asyncio.Event()

    @property
    def name(self) -> str:
        """Its name on the bus."""
        return self.thing.name

    @property
    def kind(self) -> DeviceKind:
        """What it is."""
        return self.thing.kind

    async def state(self) -> State | None:
        """Asked; None where it does not answer."""
        facts = await self._status()
        if facts is None:
            return None
        return state_of(self.kind, self._facts.updated(facts), self._clock.read().wall_ms)

    async def carry_out(self, order: Order, *, deadline_s: float, pin: Pin | None = None) -> Told:  # noqa: ARG002 - it has no keypad
        """One call."""
        found = self._shelly.call(order)
        if isinstance(found, LockRefusal):
            return _refused(found, Evidence.NOT_SUPPORTED)
        opens = order.verb is Verb.UNLOCK
        if opens and self._clock.monotonic() < self._pending_s:
            return _refused(LockRefusal.BUSY, Evidence.NEVER_LEFT)
        method, parameters, proof = found
        self._newest = (order.id, self._facts, self._clock.monotonic())
        try:
            reply = await self._host.call(method, parameters, deadline_s=deadline_s)
        except NotSentError as error:
            return Told(outcome=Outcome.NOT_SENT, evidence=(Evidence.NO_RADIO,), note=str(error))
        except CutError as error:
            told = Told(outcome=Outcome.UNKNOWN, evidence=(Evidence.LINK_LOST,), note=str(error))
        else:
            told = _read(reply)
        if told.outcome is Outcome.UNKNOWN:
            if opens:
                self._pending_s = self._clock.monotonic() + LATE_S_MAX
            settled = await self._settle(order.id, proof)
            if settled is not None:
                told = Told(outcome=Outcome.DONE, evidence=(*told.evidence, Evidence.STATE_READ))
        if told.outcome is Outcome.DONE:
            self._acted(order.id, opens=opens)
        return told

    async def find_out(self, attempt: Attempt) -> Told | None:
        """How the component stands; nothing is called again."""
        order = Order(id=attempt.order_id, verb=Verb(attempt.verb), expires_at_ms=0, reply_topic="")
        found = self._shelly.call(order)
        if isinstance(found, LockRefusal):
            return None
        settled = await self._settle(attempt.order_id, found[2])
        if settled is not None:
            self._acted(attempt.order_id, opens=order.verb is Verb.UNLOCK)
        return settled

    async def watch(self, house: House) -> None:
        """Look again and again, until cancelled."""
        while True:
            facts = await self._status()
            online = facts is not None
            if online is not self._online:
                self._online = online
                await house.present(self.name, online=online)
            if facts is not None:
                await self._report(house, facts)
            await self._rest()

    async def _rest(self) -> None:
        ringing = asyncio.ensure_future(self._bell.wait())
        waiting = asyncio.ensure_future(sleep(self._clock, POLL_S))
        try:
            await asyncio.wait({ringing, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ringing.cancel()
            waiting.cancel()
        self._bell.clear()

    async def _report(self, house: House, facts: Facts) -> None:
        before = self._facts
        self._facts = before.updated(facts)
        seen = turns(before, self._facts)
        for order_id in self._done:
            what = Happening(kind=EventKind.UNLOCKED, order_id=order_id, key=f"unlocked:{order_id}")
            await house.happened(self.name, what)
            seen = [kind for kind in seen if kind is not EventKind.UNLOCKED]
        self._done.clear()
        for kind in seen:
            await house.happened(self.name, Happening(kind=kind))
        bare = state_of(self.kind, self._facts, 0)
        state = state_of(self.kind, self._facts, self._clock.read().wall_ms)
        if state is not None and bare != self._stated:
            self._stated = bare
            await house.stated(self.name, state)
        if facts.power_w10 is not None:
            await house.measured(self.name, {"power_w10": float(facts.power_w10)})

    async def _status(self) -> Facts | None:
        name = _STATUS.get(self._shelly.component)
        if name is None:
            return None
        deadline_s = self._clock.monotonic() + READ_S_MAX
        try:
            reply = await self._host.call(
                f"{name}.GetStatus", {"id": self._shelly.id}, deadline_s=deadline_s
            )
        except (NotSentError, CutError):
            return None
        result, _ = _frame(reply)
        return None if result is None else self._shelly.facts(result)

    async def _settle(self, order_id: str, proof: Facts) -> Told | None:
        """A contact's place is its own proof; a strike's only where it was known to be at rest."""
        if self._newest is None or not proof.said():
            return None
        newest, before, begun_s = self._newest
        # After a later order, or after so long, it could be somebody else's doing.
        if newest != order_id or self._clock.monotonic() - begun_s > PROOF_S_MAX:
            return None
        if self._shelly.pulses and before.bolt in {None, proof.bolt}:
            return None
        facts = await self._status()
        if facts is None or not facts.holds(proof):
            return None
        return Told(outcome=Outcome.DONE, evidence=(Evidence.STATE_READ,))

    def _acted(self, order_id: str, *, opens: bool) -> None:
        if opens:
            self._pending_s = 0.0
            self._done.append(order_id)
        self._bell.set()


def _read(reply: Reply) -> Told:
    result, code = _frame(reply)
    if result is not None:
        return Told(outcome=Outcome.DONE, evidence=(Evidence.ANSWER,))
    if code is not None:
        return Told(
            outcome=Outcome.REFUSED,
            evidence=(Evidence.ANSWER,),
            refusal=LockRefusal.NOT_SUPPORTED,
            note=f"rpc error {code}",
        )
    return Told(
        outcome=Outcome.UNKNOWN, evidence=(Evidence.MISMATCH,), note=f"status {reply.status}"
    )


def _frame(reply: Reply) -> tuple[Any | None, int | None]:
    """Result and error code of an answer; neither where it is none of ours."""
    try:
        found = msgspec.json.decode(reply.body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None, None
    if not isinstance(found, dict) or found.get("id") != 1:
        return None, None
    error = found.get("error")
    if isinstance(error, dict) and isinstance(code := error.get("code"), int):
        return None, code
    result = found.get("result")
    return (result, None) if reply.status == 200 and isinstance(result, dict) else (None, None)


def _refused(refusal: LockRefusal, evidence: Evidence) -> Told:
    return Told(outcome=Outcome.REFUSED, evidence=(evidence,), refusal=refusal)
