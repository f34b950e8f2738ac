"""Whether Guesty's older list, which ends on 2027-03-01 (cloud.md 0.6), still answers us.

Only it knows times of change and what Booking.com sold. One refusal is no end: a list that was
taken for gone too early hides bookings.
"""

from __future__ import annotations

import logging
from typing import Final

from appliance.kernel.clock import Clock
from sync.ledger import Ledger

logger = logging.getLogger(__name__)

# So long a refusal may be an accident of theirs (a deployment, a permission in doubt): ask on.
DOUBT_MS: Final = 600_000
# While in doubt: with each look, but not twice within one.
ASK_AGAIN_MS: Final = 10_000
# A list that ended is asked for once an hour; what it would have told is read then.
ASK_GONE_MS: Final = 3_600_000


class OlderList:
    """Remembers in sync.db since when it refuses us, and when it was last asked."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    @property
    def refuses(self) -> bool:
        """Whether its last answer was a refusal: the newer search must do alone."""
        return self._refused_ms() is not None

    def may_be_asked(self) -> bool:
        """Whether asking makes sense now."""
        refused_ms = self._refused_ms()
        if refused_ms is None:
            return True
        now_ms = self._clock.read().wall_ms
        asked_ms: int = self._ledger.kept("guesty.legacy_asked_ms", int, refused_ms)
        in_doubt = now_ms - refused_ms < DOUBT_MS
        return now_ms - asked_ms >= (ASK_AGAIN_MS if in_doubt else ASK_GONE_MS)

    def refused(self, error: Exception) -> None:
        """It said no."""
        now_ms = self._clock.read().wall_ms
        with self._ledger.transaction():
            self._ledger.keep("guesty.legacy_asked_ms", now_ms)
            if not self.refuses:
                logger.warning("guesty: the older list refuses us: %s", error)
                self._ledger.keep("guesty.legacy_gone_ms", now_ms)

    def answered(self) -> bool:
        """It answered; True when it had refused before, so that something may have been missed."""
        if not self.refuses:
            return False
        logger.info("guesty: the older list answers again")
        with self._ledger.transaction():
            self._ledger.db.execute("DELETE FROM kept WHERE name = 'guesty.legacy_gone_ms'")
        return True

    def _refused_ms(self) -> int | None:
        found: int | None = self._ledger.kept("guesty.legacy_gone_ms", int)
        return found
