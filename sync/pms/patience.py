"""How long a list is waited for: a vendor that is slow gets more time, a line that is cut does not.

Without an answer both look alike; they differ in whether anything else was answered since. A longer
wait on a dead line would outlast its healing by more than ten seconds.
"""

from __future__ import annotations

from sync.gate import Gate
from sync.pms.port import LIST_TIMEOUT_S, LIST_TIMEOUT_S_MAX


class Patience:
    """For the lists of one vendor, whose pages cannot be made smaller."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._wait_s = LIST_TIMEOUT_S
        self._heard_ms: int | None = None
        self._in_vain = False

    def wait_s(self) -> float:
        """For the list that is asked for now."""
        heard_ms = self._gate.last_confirmed_ms
        if self._in_vain and heard_ms != self._heard_ms:
            self._wait_s = min(self._wait_s * 2, LIST_TIMEOUT_S_MAX)
        self._in_vain, self._heard_ms = False, heard_ms
        return self._wait_s

    def heard(self, *, in_time: bool) -> None:
        """What became of a list."""
        self._in_vain = not in_time
        if in_time:
            self._wait_s = LIST_TIMEOUT_S
