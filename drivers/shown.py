"""What a driver shows retained on the bus: states of things, alarms with the time since when."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drivers.keep import Keep
    from drivers.port import Alarm


class Shown:
    """States and alarms, in memory and in the keep, so that a new life begins with them."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        rows = keep.db.execute("SELECT device, body FROM state").fetchall()
        self.states: dict[str, bytes] = {device: bytes(body) for device, body in rows}
        rows = keep.db.execute("SELECT name, since_ms FROM alarm").fetchall()
        self.alarms: dict[str, int] = dict(rows)
        self._changed: set[str] = set()
        self._alarmed: set[str] = set()
        keep.rides_along(self)

    def state(self, device: str, payload: bytes) -> None:
        """A thing's state. It rides with the next commit: the radio will say it again anyhow."""
        if self.states.get(device) != payload:
            self.states[device] = payload
            self._changed.add(device)

    def alarm(self, alarm: Alarm, device: str | None, since_ms: int, *, on: bool) -> bool:
        """Raise or clear an alarm; whether that is news. It keeps the time of its first raising."""
        name = alarm.value if device is None else f"{alarm.value}:{device}"
        if on == (name in self.alarms):
            return False
        if on:
            self.alarms[name] = since_ms
        else:
            del self.alarms[name]
        self._alarmed.add(name)
        # A full disk is no reason to be silent about it: then this rides with a later commit.
        self._keep.store()
        return True

    def store(self) -> None:
        """Write down what waits."""
        if self._changed or self._alarmed:
            self._keep.store()

    def write(self) -> None:
        """Put what changed into the transaction that is open."""
        for name in self._alarmed:
            self._keep.db.execute("DELETE FROM alarm WHERE name = ?", (name,))
            if name in self.alarms:
                self._keep.db.execute(
                    "INSERT INTO alarm (name, since_ms) VALUES (?, ?)", (name, self.alarms[name])
                )
        for device in self._changed:
            self._keep.db.execute(
                "INSERT OR REPLACE INTO state (device, body) VALUES (?, ?)",
                (device, self.states[device]),
            )

    def written(self) -> None:
        """They are on disk."""
        self._changed.clear()
        self._alarmed.clear()
