"""The signed list of what locks refuse: for couriers, phones, and locks that verify it themselves.

It is made from the tables whenever it is asked for. Its number rises when its content changes, and
a key that has ended by itself leaves it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from appliance.engines.doors.messages import DenylistIssued, IssueDenylist
from appliance.kernel.deciding import Asking
from appliance.kernel.edicts import (
    DENIED_PER_LIST_MAX,
    GENERATIONS_PER_LIST_MAX,
    Denied,
    Denylist,
)
from appliance.kernel.engine import Context, Decision, Facts, Yes
from appliance.kernel.messages import Answer, Done, Event, Role, Who

if TYPE_CHECKING:
    from appliance.engines.doors.credentials import Locksmith
    from appliance.kernel.clock import Clock
    from appliance.kernel.reader import Reader

STREAM: Final = "denylists/property"
_BOX: Final = Who(actor="box", role=Role.SERVICE)
# Keys for every door first; then the newest: what is older has the generation against it.
_DENIED: Final = """
SELECT cti, valid_until_s FROM (
    SELECT cti, valid_until_s, 0 AS rank, revoked_at_ms FROM doors_master
    WHERE revoked_at_ms IS NOT NULL AND valid_until_s > ?1
    UNION ALL
    SELECT cti, valid_until_s, 1, revoked_at_ms FROM doors_key
    WHERE revoked_at_ms IS NOT NULL AND valid_until_s > ?1)
ORDER BY rank, revoked_at_ms DESC, cti LIMIT ?2
"""
# The lowest generation that still opens a room's door, where a guest was sent away last.
_FLOORS: Final = """
SELECT d.number, max(k.generation) + 1 FROM doors_key k JOIN doors_door d ON d.door_id = k.door_id
WHERE d.room_id IS NOT NULL AND k.holder_kind IN ('stay', 'lease')
  AND k.revoked_at_ms IS NOT NULL AND k.valid_until_s > ?1 AND NOT EXISTS (
      SELECT 1 FROM doors_key o WHERE o.door_id = k.door_id AND o.revoked_at_ms IS NULL
      AND o.holder_kind IN ('stay', 'lease') AND o.generation <= k.generation)
GROUP BY d.number ORDER BY max(k.revoked_at_ms) DESC, d.number LIMIT ?2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """The last list: its number, its moment (UTC s), and what was in it."""

    seq: int = 0
    issued_s: int = 0
    digest: str = ""


def fold_denylist(state: Issued | None, events: Iterable[Event]) -> Issued:
    """The last list after some more facts."""
    state = state or Issued()
    for event in events:
        if isinstance(event, DenylistIssued):
            state = Issued(seq=event.seq, issued_s=event.issued_s, digest=event.digest)
    return state


def load_issued(facts: Facts, _command: IssueDenylist, _: Context) -> Issued:
    """The last list."""
    issued: Issued = facts.fold(STREAM)
    return issued


def issue_denylist(state: Issued, command: IssueDenylist, context: Context) -> Decision:
    """The same content keeps its number; another gets the next one."""
    if state.digest == command.digest:
        return Yes(events=[], result={"seq": state.seq, "issued_s": state.issued_s})
    event = DenylistIssued(
        # By the clock, so that a box that came from a backup goes on above what locks have by now:
        # a list with a lower number they would never take.
        seq=max(state.seq + 1, context.now.wall_s),
        # Its moment is proof of the time for a lock: it never goes back.
        issued_s=max(context.now.wall_s, state.issued_s),
        digest=command.digest,
        entries=command.entries,
    )
    return Yes(events=[event], result={"seq": event.seq, "issued_s": event.issued_s})


class Denylists:
    """Makes and signs the list of this moment."""

    def __init__(
        self,
        *,
        ask: Callable[[Asking], Awaitable[Answer]],
        reader: Reader,
        clock: Clock,
        locksmith: Locksmith,
    ) -> None:
        self._ask = ask
        self._reader = reader
        self._clock = clock
        self._locksmith = locksmith
        self._last: tuple[int, bytes] = (0, b"")

    async def current(self) -> bytes | None:
        """The signed list; None while the clock is unsure, because a lock believes its moment."""
        now = self._clock.read()
        if not now.sure:
            return None
        denied = tuple(
            sorted(
                {
                    cti: Denied(cti=bytes.fromhex(cti), exp_s=exp_s)
                    for cti, exp_s in await self._reader.rows(
                        _DENIED, (now.wall_s, DENIED_PER_LIST_MAX)
                    )
                }.values(),
                key=lambda one: one.cti,
            )
        )
        floors = await self._reader.rows(_FLOORS, (now.wall_s, GENERATIONS_PER_LIST_MAX))
        generations = tuple(sorted((int(number), int(floor)) for number, floor in floors))
        digest = hashlib.sha256(repr((denied, generations)).encode()).hexdigest()
        command = IssueDenylist(digest=digest, entries=len(denied))
        command_id = f"denylist:{digest[:16]}:{now.boot_id}:{now.boot_ms}"
        said = await self._ask(Asking(command=command, command_id=command_id, who=_BOX))
        if not isinstance(said, Done):
            return None
        seq = int(said.result["seq"])
        if seq != self._last[0]:
            listed = Denylist(
                seq=seq,
                issued_s=int(said.result["issued_s"]),
                denied=denied,
                generations=generations,
            )
            self._last = (seq, self._locksmith.denylist(listed))
        return self._last[1]
