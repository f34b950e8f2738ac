"""What the inbox does by the clock: it says when the time to decide an overbooking has run out.

It reads the tables and keeps nothing itself: after a restart the next round finds what is due.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from appliance.engines.stays.messages import ConflictRaised, RemindConflict
from appliance.kernel.clock import within
from appliance.kernel.deciding import Asking
from appliance.kernel.messages import Role, Who

if TYPE_CHECKING:
    from appliance.kernel.ask import Asker
    from appliance.kernel.clock import Clock
    from appliance.kernel.engine import Recorded
    from appliance.kernel.reader import Reader

logger = logging.getLogger(__name__)

# A minute: a clock of half an hour that is read a minute late is still the desk's clock.
PAUSE_S: Final = 60.0
# As many as the inbox shows at once.
DUE_MAX: Final = 500
_BOX: Final = Who(actor="box", role=Role.SERVICE)
_DUE: Final = (
    "SELECT stay_id, conflict_id FROM stays_conflict WHERE settled_at_ms IS NULL"
    " AND overdue_at_ms IS NULL AND decide_by_ms <= ? ORDER BY decide_by_ms LIMIT ?"
)


class Reminders:
    """Looks once a minute, and when a conflict comes."""

    def __init__(self, *, asker: Asker, reader: Reader, clock: Clock) -> None:
        self._asker = asker
        self._reader = reader
        self._clock = clock
        self._bell: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """Until the box stops."""
        self._asker.listen(self._notice)
        while True:
            self._bell = asyncio.get_running_loop().create_future()
            try:
                await self.look()
            except Exception:
                # The next look begins anew; one conflict must not cost the others their reminder.
                logger.exception("a look at the conflicts' clocks broke off")
            try:
                await within(self._clock, PAUSE_S, self._bell)
            except TimeoutError:
                continue

    async def look(self) -> int:
        """Once; how many were reminded of."""
        due = await self._reader.rows(_DUE, (self._clock.read().wall_ms, DUE_MAX))
        for stay_id, conflict_id in due:
            remind = RemindConflict(stay_id=stay_id, conflict_id=conflict_id)
            asking = Asking(command=remind, command_id=f"remind:{conflict_id}", who=_BOX)
            await self._asker.ask(asking)
        return len(due)

    def _notice(self, facts: Sequence[Recorded]) -> None:
        bell = self._bell
        if bell is None or bell.done():
            return
        if any(isinstance(fact.event, ConflictRaised) for fact in facts):
            bell.set_result(None)
