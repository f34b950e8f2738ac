"""What a look at a money service may do with an effect of ours."""

from __future__ import annotations

from collections.abc import Callable

from sync.outcome import Outcome

# Settles an effect by evidence from outside; False: it is being sent just now, or is over.
Learn = Callable[[str, Outcome], bool]
