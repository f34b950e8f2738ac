"""What can go wrong between the bus and a device, on purpose and repeatably."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# A request is repeated at most this often by any stack seen (zigbee.md 4: 2 to 4 moves from one).
COPIES_MAX: Final = 4


class Fault(StrEnum):
    """One way in which an exchange goes wrong."""

    DROP_REQUEST = "drop_request"
    DROP_ANSWER = "drop_answer"
    DELAY_REQUEST = "delay_request"
    DELAY_ANSWER = "delay_answer"
    DUPLICATE_REQUEST = "duplicate_request"
    DUPLICATE_ANSWER = "duplicate_answer"
    LIE = "lie"  # answers DONE first, moves `delay_s` later
    LIE_AND_DIE = "lie_and_die"  # answers DONE and never moves
    UNPLUG = "unplug"  # the device loses power before it acts; stays off for `delay_s`
    UNPLUG_AFTER = "unplug_after"  # acts, then loses power before it can answer
    CLOCK_LOST = "clock_lost"  # the cells were out: the device no longer knows the time
    JAM = "jam"  # the bolt is stuck for this one exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What happens to one exchange."""

    faults: frozenset[Fault] = frozenset()
    delay_s: float = 0.0

    def __contains__(self, fault: Fault) -> bool:
        """Whether this exchange suffers that fault."""
        return fault in self.faults


QUIET: Final = Trouble()


@dataclass
class FaultPlan:
    """What happens to the exchanges of one device: first the script, then chance.

    `chances` are probabilities (0 to 1) per exchange; the seed makes a run repeatable. An empty
    plan costs one look.
    """

    seed: int = 0
    chances: Mapping[Fault, float] = field(default_factory=dict)
    delay_s: float = 0.5
    _script: deque[Trouble] = field(default_factory=deque)

    def __post_init__(self) -> None:
        """Raises ValueError for a probability that is none."""
        if not all(0 <= chance <= 1 for chance in self.chances.values()):
            raise ValueError("a fault's chance lies between 0 and 1")
        self._random = random.Random(self.seed)

    def script(self, troubles: Iterable[Trouble]) -> None:
        """What the next exchanges suffer, one each, before chance has its turn again."""
        self._script.extend(troubles)

    def clear(self) -> None:
        """No more trouble."""
        self._script.clear()
        self.chances = {}

    def next(self) -> Trouble:
        """What the exchange that begins now suffers."""
        if self._script:
            return self._script.popleft()
        if not self.chances:
            return QUIET
        # Drawn for each fault in a fixed order, so that the seed alone tells the story.
        hit = frozenset(f for f in Fault if self._random.random() < self.chances.get(f, 0.0))
        return Trouble(faults=hit, delay_s=self._random.uniform(0, self.delay_s)) if hit else QUIET
