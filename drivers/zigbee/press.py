"""One press of a door and what speaks for it: its answer, the lock's event, the bolt that was read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from appliance.bus.words import LockRefusal, Outcome
from drivers.port import Evidence, Told
from drivers.zigbee.journey import JOURNEY, RecalledError
from drivers.zigbee.stack import never_sent

if TYPE_CHECKING:
    from drivers.zigbee.air import Air
    from drivers.zigbee.journey import Journey
    from drivers.zigbee.stack import Kind

# The stack's priority that skips its queues: nobody stands waiting at a thermostat.
CRITICAL: Final = 2
# NOT_AUTHORIZED: the lock wants a PIN with every command of the radio.
NOT_AUTHORIZED: Final = 0x7E


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Unlock or lock. Toggle (0x02) is not here: what it does depends on what was before."""

    command: str
    number: int
    event: int  # the operation event that reports it
    state: int  # `lock_state` when it is done
    opens: bool


OPEN: Final = Act(command="unlock_door", number=0x01, event=0x02, state=0x02, opens=True)
SHUT: Final = Act(command="lock_door", number=0x00, event=0x01, state=0x01, opens=False)


@dataclass(slots=True, kw_only=True)
class Press:
    """One transmission of one order. `word` is the first evidence that came after the deadline."""

    order_id: str
    act: Act
    begun_s: float
    journey: Journey
    told: Told | None = None
    reported: bool = False  # its operation event was seen
    seen_open: bool = False  # the bolt was reported or read open since
    before: bool = False  # whether the bolt was certainly where the act starts from
    word: asyncio.Future[Told] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    @property
    def may_have_moved(self) -> bool:
        """Whether the lock may have heard it."""
        told = self.told
        return self.journey.left and not (told is not None and told.outcome is Outcome.NOT_SENT)

    def hear(self, told: Told) -> None:
        """Evidence came; the first counts."""
        if not self.word.done():
            self.word.set_result(told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclear:
    """What the transmission ended in where that proves nothing."""

    why: Evidence
    note: str = ""
    stray: Any = None  # a frame of the lock that was taken for the answer


def by_status(status: int, evidence: Evidence, *, jammed: bool = False) -> Told:
    """The lock's own answer."""
    if status == 0:
        return Told(outcome=Outcome.DONE, evidence=(evidence,))
    refusal = LockRefusal.WRONG_PIN if status == NOT_AUTHORIZED else None
    return Told(
        outcome=Outcome.REFUSED,
        evidence=(evidence,),
        refusal=LockRefusal.JAMMED if jammed else refusal,
        note=f"status {status:#04x}",
    )


def by_answer(act: Act, answer: Any, *, jammed: bool) -> Told | Unclear:
    """Read what the stack took for the answer.

    zigpy hands over any frame of the lock whose number is ours, also an event of the lock's own
    (60 of 60 where the counters run in step); only an answer to this very command counts.
    """
    kind = type(answer).__name__
    if kind == f"{act.command}_response":
        return by_status(int(answer.status), Evidence.ANSWER, jammed=jammed)
    if kind == "Default_Response" and int(answer.command_id) == act.number:
        return by_status(int(answer.status), Evidence.ANSWER, jammed=jammed)
    return Unclear(why=Evidence.MISMATCH, note=kind, stray=answer)


def by_error(kind: Kind, journey: Journey, error: BaseException) -> Told | Unclear:
    """Read what the stack raised; only what proves that nothing went out is NOT_SENT."""
    note = type(error).__name__
    status = journey.refused if journey.refused is not None else journey.status
    if status is not None:
        note = f"{note} {status:#04x}"
    if isinstance(error, RecalledError) or journey.recall():
        return Told(outcome=Outcome.NOT_SENT, evidence=(Evidence.NEVER_LEFT,), note=note)
    if never_sent(kind, journey):
        return Told(outcome=Outcome.NOT_SENT, evidence=(Evidence.STACK_REFUSED,), note=note)
    return Unclear(why=Evidence.DEADLINE, note=note)


async def send_once(
    air: Air, cluster: Any, press: Press, until_s: float, *, jammed: bool
) -> Told | Unclear:
    """Hand the frame over once. Everything the libraries would do again is off here."""
    app, journey = air.app, press.journey
    token = JOURNEY.set(journey)
    try:
        call = asyncio.ensure_future(
            getattr(cluster, press.act.command)(
                pin_code="", tsn=journey.tsn, retries=0, ask_for_ack=True, priority=CRITICAL
            )
        )
    finally:
        JOURNEY.reset(token)
    lost = asyncio.ensure_future(air.lost.wait())
    late = asyncio.ensure_future(air.clock.sleep_until(until_s))
    either: set[asyncio.Future[Any]] = {call, lost, late}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        ended, gone = call.done(), lost.done()
        kept_back = not ended and journey.recall()
    finally:
        # Also where we are cancelled: a frame that has not left by now never may.
        journey.recall()
        for waiting in (call, lost, late):
            waiting.cancel()
        ends = await asyncio.gather(call, lost, late, return_exceptions=True)
    why = Evidence.LINK_LOST if gone else Evidence.DEADLINE
    if not ended:
        if kept_back:
            return Told(outcome=Outcome.NOT_SENT, evidence=(why, Evidence.NEVER_LEFT))
        if not gone and not journey.taken and app is not None:
            # The stick has not said that it has it: the bytes may be stuck on the way and
            # would open the door when the jam clears (5.0 s, measured).
            app.drop_link()
        return Unclear(why=why)
    end = ends[0]
    if isinstance(end, BaseException):
        return by_error(air.kind, journey, end)
    return by_answer(press.act, end, jammed=jammed)


def after(why: Evidence, found: Told, note: str) -> Told:
    """What was found, with what came before it."""
    return Told(
        outcome=found.outcome,
        evidence=(why, *(e for e in found.evidence if e is not why)),
        refusal=found.refusal,
        seq=found.seq,
        note=found.note or note,
    )
