"""How often somebody may guess: sliding windows by address, device, subject and for all together.

An attempt is counted before it is judged and forgiven when it was right, so that a hundred guesses
at the same instant are not a hundred free ones.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

# portal.md 1.3: per device 5 in 5 min, per room 10 in an hour, everybody 100 in 5 min.
ADDRESS_MAX, ADDRESS_S = 5, 300.0
DEVICE_MAX, DEVICE_S = 5, 300.0
ROOM_MAX, ROOM_S = 10, 3_600.0
ALL_MAX, ALL_S = 100, 300.0
# A clerk who mistypes is back within a quarter of an hour; four digits still take 100 h to guess.
PERSON_MAX, PERSON_S = 10, 900.0
# The window of all lets 1,200 guesses an hour through: more keys than this are never alive.
KEYS_MAX = 4_096
# Longer keys are cut: what is typed as a room may be anything.
KEY_CHARS_MAX = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """So many in so many seconds."""

    most: int
    seconds: float


ADDRESS = Limit(most=ADDRESS_MAX, seconds=ADDRESS_S)
DEVICE = Limit(most=DEVICE_MAX, seconds=DEVICE_S)
ROOM = Limit(most=ROOM_MAX, seconds=ROOM_S)
PERSON = Limit(most=PERSON_MAX, seconds=PERSON_S)
ALL = Limit(most=ALL_MAX, seconds=ALL_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One guess: from where, with what cookie, and at whom (a room, a person; codes: nobody).

    A code names no room, so a locked room never keeps out a guest who has the code.
    """

    address: str
    device: str | None = None
    subject: str | None = None


@dataclass(slots=True)
class _Window:
    """Moments of guesses by key, the key touched last at the end."""

    limit: Limit
    moments: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)

    def wait_s(self, key: str, now_s: float) -> float:
        found = self._alive(key, now_s)
        if found is None or len(found) < self.limit.most:
            return 0.0
        return found[0] + self.limit.seconds - now_s

    def count(self, key: str, now_s: float) -> None:
        self.moments.setdefault(key, deque()).append(now_s)
        self.moments.move_to_end(key)
        while len(self.moments) > KEYS_MAX:
            self.moments.popitem(last=False)

    def forgive(self, key: str, at_s: float) -> None:
        found = self.moments.get(key)
        if found is not None and at_s in found:
            found.remove(at_s)
            if not found:
                del self.moments[key]

    def sweep(self, now_s: float) -> None:
        """Drop the keys whose every guess is over; those touched longest ago stand first."""
        for key in list(self.moments):
            if self._alive(key, now_s) is not None:
                break

    def _alive(self, key: str, now_s: float) -> deque[float] | None:
        found = self.moments.get(key)
        if found is None:
            return None
        while found and found[0] + self.limit.seconds <= now_s:
            found.popleft()
        if not found:
            del self.moments[key]
            return None
        return found


class Windows:
    """The windows of one door to the box.

    Staff and guests have their own, so that a guesser among the guests never keeps the desk out.
    """

    def __init__(self, subject: Limit) -> None:
        self._address = _Window(ADDRESS)
        self._device = _Window(DEVICE)
        self._subject = _Window(subject)
        self._all = _Window(ALL)
        self.alarms = 0  # how often the window of all was full: for health and metrics

    def admit(self, attempt: Attempt, now_s: float) -> float:
        """Count a guess; 0.0, or the seconds to wait, in which case it is not counted."""
        pairs = list(self._pairs(attempt))
        for window, _ in pairs:
            window.sweep(now_s)
        wait_s = max(window.wait_s(key, now_s) for window, key in pairs)
        if wait_s > 0:
            self.alarms += self._all.wait_s("", now_s) > 0
            return wait_s
        for window, key in pairs:
            window.count(key, now_s)
        return 0.0

    def forgive(self, attempt: Attempt, at_s: float) -> None:
        """It was right: the guess that was admitted at this moment does not count."""
        for window, key in self._pairs(attempt):
            window.forgive(key, at_s)

    def alarmed(self, now_s: float) -> bool:
        """Whether so many guess at the same time that nobody may."""
        return self._all.wait_s("", now_s) > 0

    def held(self) -> int:
        """How many keys are remembered."""
        windows = (self._address, self._device, self._subject, self._all)
        return sum(len(window.moments) for window in windows)

    def _pairs(self, attempt: Attempt) -> list[tuple[_Window, str]]:
        pairs = [(self._all, ""), (self._address, attempt.address[:KEY_CHARS_MAX])]
        if attempt.device:
            pairs.append((self._device, attempt.device[:KEY_CHARS_MAX]))
        if attempt.subject:
            pairs.append((self._subject, attempt.subject[:KEY_CHARS_MAX]))
        return pairs
