"""What a test or a rehearsal may let go wrong at a cloud, endpoint by endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final


class Fault(StrEnum):
    """One way in which a vendor's answer goes wrong."""

    LOST_REQUEST = "lost_request"  # not executed, the connection closes
    LOST_ANSWER = "lost_answer"  # executed, the connection closes without an answer
    NO_ANSWER = "no_answer"  # executed, and then nothing is ever said
    CUT_BODY = "cut_body"  # executed, half of the answer arrives
    SLOW = "slow"  # executed after `delay_s`; the request is in progress meanwhile
    SERVER_ERROR = "server_error"  # 503 before anything was executed
    BROKEN_STORED = "broken_stored"  # executed, and answered (for the payment cloud: stored) as 500
    TOO_MANY = "too_many"  # 429 with Retry-After
    TOO_MANY_BARE = "too_many_bare"  # 429 without Retry-After, as Mews sometimes does
    UNAUTHORIZED = "unauthorized"  # 401 although the token is right
    CONFLICT = "conflict"  # 409, refresh and resubmit
    TOO_HEAVY = "too_heavy"  # 408, ask for smaller pages
    MOVING_ROWS = "moving_rows"  # a row not served yet is updated between two pages
    SPARSE = "sparse"  # optional fields are left out of the records
    # Calendar feeds only, each of them seen in real ones:
    EMPTY = "empty"  # a well-formed file with nothing in it
    NO_CALENDAR = "no_calendar"  # a page of excuses, answered with 200
    HALF_FILE = "half_file"  # the file ends in the middle, and the answer is whole
    GONE = "gone"  # 404
    NOTHING_NEW = "nothing_new"  # 304, whatever was asked


# These answer instead of the endpoint: nothing is executed.
BEFORE: Final = frozenset(
    {
        Fault.LOST_REQUEST,
        Fault.SERVER_ERROR,
        Fault.TOO_MANY,
        Fault.TOO_MANY_BARE,
        Fault.UNAUTHORIZED,
        Fault.CONFLICT,
        Fault.TOO_HEAVY,
    }
)


@dataclass(slots=True)
class Planned:
    """One entry of the plan; `left` is None when it lasts until cleared."""

    where: str
    fault: Fault
    left: int | None
    delay_s: float
    skip: int


class Faults:
    """The plan of one cloud. The first entry that matches an endpoint is taken."""

    def __init__(self) -> None:
        self._plan: list[Planned] = []

    def plan(
        self,
        where: str,
        fault: Fault,
        *,
        times: int | None = 1,
        delay_s: float = 1.0,
        skip: int = 0,
    ) -> None:
        """Let the next `times` matching requests go wrong, after `skip` that do not.

        `where` is an endpoint as the cloud names it (`reservations/add`,
        `POST /v1/payment_intents`), `*` allowed; `times=None` lasts until `clear`.
        """
        self._plan.append(Planned(where, fault, times, delay_s, skip))

    def clear(self) -> None:
        """Forget the whole plan."""
        self._plan.clear()

    def waiting(self) -> list[Planned]:
        """The entries still to come, in order."""
        return list(self._plan)

    def take(self, endpoint: str) -> Planned | None:
        """The fault for this request, if one is planned."""
        for entry in self._plan:
            if not fnmatchcase(endpoint, entry.where):
                continue
            if entry.skip > 0:
                entry.skip -= 1
                continue
            if entry.left is not None:
                entry.left -= 1
                if entry.left <= 0:
                    self._plan.remove(entry)
            return entry
        return None
