"""How a lock slows down somebody who guesses, without shutting out the guest for long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from twin.flash import Flash

# Five: a guest with wet fingers and a wrong digit remembered.
WRONG_MAX: Final = 5
FIRST_WAIT_MS: Final = 10_000
# A rightful guest waits a minute at worst. At one try a minute, 10,000 PINs take a week.
WAIT_MS_MAX: Final = 60_000


class Backoff:
    """Counts wrong tries; from the fifth on each costs a wait of 10, 20, 40, then 60 s.

    A try during the wait is refused without being looked at and does not lengthen the wait.
    The count survives a restart: taking the cells out buys no new tries.
    """

    def __init__(self, flash: Flash, name: str) -> None:
        self._flash = flash
        self._name = name
        self._wrong: int = flash.get("wrong", name, 0)
        self._until_ms: int = flash.get("wrong_until", name, 0)

    def waits(self, now_ms: int) -> bool:
        """Whether tries are refused unseen at this moment (true time, ms)."""
        # The second bound: a clock that was set back must not make the wait longer.
        return now_ms < self._until_ms <= now_ms + WAIT_MS_MAX

    def wrong(self, now_ms: int) -> None:
        """One more wrong try."""
        self._wrong += 1
        if self._wrong >= WRONG_MAX:
            doublings = min(self._wrong - WRONG_MAX, 3)
            self._until_ms = now_ms + min(FIRST_WAIT_MS << doublings, WAIT_MS_MAX)
        self._store()

    def right(self) -> None:
        """A rightful try wipes the slate."""
        if self._wrong:
            self._wrong = self._until_ms = 0
            self._store()

    def _store(self) -> None:
        self._flash.put("wrong", self._name, self._wrong)
        self._flash.put("wrong_until", self._name, self._until_ms)
