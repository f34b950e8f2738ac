"""A PMS's webhooks: the id is all that is taken, and the booking is fetched at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sync.inbox.words import RESERVATION, Normalised


class Hints:
    """Listens for one booking system. `hint` writes the ids down, `wake` starts the next look."""

    def __init__(self, hint: Callable[[Iterable[str]], None], wake: Callable[[], None]) -> None:
        self._hint = hint
        self._wake = wake

    async def heard(self, event: Normalised) -> None:
        """One event."""
        await self.heard_many([event])

    async def heard_many(self, events: Sequence[Normalised]) -> None:
        """Many events, one write; what speaks of no booking is known to be no news for us."""
        ids = dict.fromkeys(id_ for event in events for id_ in event.ids(RESERVATION))
        if ids:
            self._hint(ids)
            self._wake()
