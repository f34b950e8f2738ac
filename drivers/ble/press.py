"""One press of a door: sessions under one command id, until the lock has said what it did."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from appliance.bus.words import LockRefusal, Outcome
from appliance.kernel.clock import sleep
from drivers.ble.conversations import NotHeardError
from drivers.ble.links import LinkLostError, NoLinkError
from drivers.ble.talk import DeclinedError, Talk
from drivers.npk.codes import Command, ProtocolError, Status, refusal_of
from drivers.npk.phone import NotThisLockError
from drivers.port import Evidence, Told

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from appliance.kernel.clock import Clock
    from drivers.ble.conversations import Conversations
    from drivers.npk.phone import Greeting, Verdict

# Presses within one deadline. A connect takes a second, so there is time for no more.
TRIES_MAX: Final = 5
# A lock says these before it looks whether it has done the command already.
_BEFORE_THE_BOOK: Final = frozenset({LockRefusal.BUSY, LockRefusal.RATE_LIMITED})

NOT_HEARD: Final = Told(outcome=Outcome.NOT_SENT, evidence=(Evidence.NEVER_LEFT,), note="not heard")
_NO_TIME_YET: Final = Told(
    outcome=Outcome.NOT_SENT, evidence=(Evidence.ANSWER,), note="the lock has no time"
)


class Presser:
    """Presses one lock. `opened` is told of every yes; `needs_time` may bring the time first."""

    def __init__(
        self,
        conversations: Conversations,
        *,
        clock: Clock,
        needs_time: Callable[[Greeting], bool],
        opened: Callable[[Greeting, Verdict], Awaitable[None]],
    ) -> None:
        self._conversations = conversations
        self._clock = clock
        self._needs_time = needs_time
        self._opened = opened
        self._pause_s = 0.0  # what the lock asked for in the session just ended

    async def press(self, credential: bytes, command_id: bytes, deadline_s: float) -> Told:
        """At most one move of the bolt, however many sessions it takes."""
        told = NOT_HEARD
        for _ in range(TRIES_MAX):
            if self._clock.monotonic() >= deadline_s:
                break
            self._pause_s = 0.0
            latest = await self._session(credential, command_id, deadline_s)
            if self._pause_s and self._clock.monotonic() + self._pause_s < deadline_s:
                # Eight sessions at once and one a second is what a lock's cells allow.
                told = latest if told.outcome is not Outcome.UNKNOWN else told
                await sleep(self._clock, self._pause_s)
                continue
            if told.outcome is Outcome.UNKNOWN:
                # It may have heard us before: now only its own word about this command counts.
                if latest.outcome is Outcome.NOT_SENT or latest.refusal in _BEFORE_THE_BOOK:
                    continue
                told = replace(latest, evidence=(*told.evidence, *latest.evidence))
            else:
                told = latest
            if told.outcome in {Outcome.DONE, Outcome.REFUSED} or _final(told):
                break
        return told

    async def _session(self, credential: bytes, command_id: bytes, deadline_s: float) -> Told:
        talk: Talk | None = None
        try:
            async with self._conversations.talk(credential, deadline_s) as talk:
                greeting = await talk.greet()
                if self._needs_time(greeting):
                    return _NO_TIME_YET
                verdict = await talk.command(Command.UNLOCK, command_id)
                told = told_of(
                    verdict.status,
                    verdict.event,
                    Evidence.REPEATED if verdict.repeated else Evidence.ANSWER,
                )
        except (NotHeardError, NoLinkError, ProtocolError, LinkLostError, TimeoutError) as error:
            return _broken(error, committed=talk is not None and talk.committed)
        except DeclinedError as error:
            self._pause_s = error.wait_ms / 1000
            return _declined(error, committed=talk is not None and talk.committed)
        if told.outcome is Outcome.DONE:
            await self._opened(greeting, verdict)
        return told


def told_of(status: int, event: int | None, evidence: Evidence) -> Told:
    """A lock's word as an outcome."""
    refusal = refusal_of(status)
    if status == Status.DONE:
        outcome = Outcome.DONE
    else:
        outcome = Outcome.UNKNOWN if refusal is None else Outcome.REFUSED
    return Told(outcome=outcome, evidence=(evidence,), refusal=refusal, seq=event or None)


def _broken(error: Exception, *, committed: bool) -> Told:
    """A session that broke off. NOT_SENT only where the lock cannot have had the whole of M3."""
    note = ""
    match error:
        case NotHeardError():
            return NOT_HEARD
        case NoLinkError():
            evidence, note = Evidence.STACK_REFUSED, str(error)
        case NotThisLockError():
            evidence, note = Evidence.MISMATCH, "another lock answers there"
        case ProtocolError():
            evidence = Evidence.MISMATCH
        case LinkLostError():
            evidence = Evidence.LINK_LOST
        case _:
            evidence = Evidence.DEADLINE
    outcome = Outcome.UNKNOWN if committed else Outcome.NOT_SENT
    return Told(outcome=outcome, evidence=(evidence,), note=note)


def _declined(error: DeclinedError, *, committed: bool) -> Told:
    """The lock said no in clear, which anybody in the air could: no word on what it has done."""
    if committed:
        return Told(outcome=Outcome.UNKNOWN, evidence=(Evidence.MISMATCH,))
    return Told(
        outcome=Outcome.REFUSED,
        evidence=(Evidence.ANSWER,),
        refusal=refusal_of(error.status) or LockRefusal.BUSY,
    )


def _final(told: Told) -> bool:
    """Whether the lock itself does not know: asking again will not tell either."""
    return told.outcome is Outcome.UNKNOWN and Evidence.REPEATED in told.evidence
