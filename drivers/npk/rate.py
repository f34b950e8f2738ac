"""How many handshakes a lock does, so that strangers cannot empty its cells."""

from __future__ import annotations

from typing import Final

# A family of four at the door, each trying twice.
HANDSHAKES_MAX: Final = 8
# A handshake costs a lock about 0.2 s of full power [est, ble.md 2.2]: one a second for ever would
# empty the cells in weeks, so failures slow it down to one in eight seconds.
REFILL_MS: Final = 1_000
# As at the keypad: a guest with an old key gets five tries before anything slows down.
FAILURES_FREE: Final = 5
_DOUBLINGS_MAX: Final = 3


class Bucket:
    """Eight handshakes at once and one a second; strangers' failures slow the second down to 8.

    Never shut entirely: nothing can be guessed here, and whoever shuts a door out for everybody
    by knocking has won. Kept in RAM: taking the cells out buys eight handshakes and no more.
    """

    def __init__(self) -> None:
        self._tokens = HANDSHAKES_MAX
        self._failures = 0
        self._since_ms = 0

    def take(self, now_ms: int) -> int:
        """0 where a handshake may begin, else the pause until one may (ms)."""
        pause_ms = self._pause_ms()
        gained = (now_ms - self._since_ms) // pause_ms
        if gained > 0:
            self._tokens = min(HANDSHAKES_MAX, self._tokens + gained)
            self._since_ms += gained * pause_ms
        if self._tokens == 0:
            return self._since_ms + pause_ms - now_ms
        if self._tokens == HANDSHAKES_MAX:
            self._since_ms = now_ms
        self._tokens -= 1
        return 0

    def wrong(self) -> None:
        """Somebody could not show a key of ours with the phone it belongs to."""
        self._failures += 1

    def right(self) -> None:
        """Somebody could."""
        self._failures = 0

    def _pause_ms(self) -> int:
        return REFILL_MS << min(max(0, self._failures - FAILURES_FREE), _DOUBLINGS_MAX)
