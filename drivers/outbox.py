"""What devices reported, numbered and on disk before it is said; and said until the bus has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from appliance.bus.words import DeviceEvent, EventKind
from drivers.port import Happening

if TYPE_CHECKING:
    from appliance.kernel.clock import Reading
    from drivers.keep import Keep

# Three days of a busy door without the bus: 70 uses a day at three events, three times over. The
# oldest falls out, and the gap in the numbers tells the box.
EVENTS_KEPT_MAX: Final = 2_000
# The same key within this is a repeat of a device without numbers (port.Happening).
REPEAT_MS_MAX: Final = 10_000
# What a device reports between a backup and its restore, many times over: a year of a busy door.
SKIPPED: Final = 100_000
# A key that starts so is the device's own number: it is never another event, however late it comes.
OWN_KEY: Final = "own:"

_event = msgspec.json.Decoder(DeviceEvent)


class Outbox:
    """Events of every device behind one radio; no number is ever given twice."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._said: list[tuple[str, int]] = []
        self._base = keep.number("seq_base")
        keep.rides_along(self)

    def add(self, device: str, what: Happening, now: Reading) -> DeviceEvent | None:
        """Number one event and write it down; None where it is a repeat."""
        with self._keep.together():
            if self._is_repeat(device, what, now.wall_ms):
                return None
            if what.own_seq is not None:
                self._make_way(device, what.own_seq)
            last = self.last_seq(device)
            seq = last + 1 if what.own_seq is None else what.own_seq
            event = DeviceEvent(
                seq=seq,
                kind=what.kind,
                wall_ms=now.wall_ms if what.wall_ms is None else what.wall_ms,
                uncertainty_ms=now.uncertainty_ms if what.wall_ms is None else what.uncertainty_ms,
                order_id=what.order_id,
                cti=what.cti,
                slot=what.slot,
                refusal=what.refusal,
                generation=what.generation,
            )
            db = self._keep.db
            db.execute(
                "INSERT INTO event (device, seq, kind, body, key, heard_ms)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    device,
                    seq,
                    event.kind.value,
                    msgspec.json.encode(event).decode(),
                    what.key,
                    now.wall_ms,
                ),
            )
            db.execute(
                "INSERT OR REPLACE INTO last_seq (device, seq) VALUES (?, ?)",
                (device, max(last, seq)),
            )
            self._let_fall(device)
        return event

    def last_seq(self, device: str) -> int:
        """The highest number a device's events have had; 0 before the first."""
        query = "SELECT seq FROM last_seq WHERE device = ?"
        row = self._keep.db.execute(query, (device,)).fetchone()
        return max(self._base, 0 if row is None else int(row[0]))

    def skip(self) -> None:
        """The file came from a backup: go on with numbers that were certainly not given since."""
        row = self._keep.db.execute("SELECT max(seq) FROM last_seq").fetchone()
        self._base = max(self._base, int(row[0] or 0)) + SKIPPED
        with self._keep.together():
            self._keep.put_number("seq_base", self._base)

    def unsaid(self, limit: int) -> list[tuple[str, DeviceEvent]]:
        """Events the bus does not have, each device's in its order."""
        waiting = set(self._said)
        rows = self._keep.db.execute(
            "SELECT device, seq, body FROM event WHERE said = 0 ORDER BY device, seq LIMIT ?",
            (limit + len(waiting),),
        ).fetchall()
        return [
            (device, _event.decode(body))
            for device, seq, body in rows
            if (device, seq) not in waiting
        ][:limit]

    def said(self, device: str, seq: int) -> None:
        """The bus has it. Written with the next commit: what is lost of this is only said again."""
        self._said.append((device, seq))
        if len(self._said) >= EVENTS_KEPT_MAX // 10:
            self._keep.store()

    def say_again(self, device: str, after_seq: int) -> int:
        """Have the events after a number said once more, as far as they are kept; how many."""
        with self._keep.together():
            self.write()
            self.written()
            count = self._keep.db.execute(
                "SELECT count(*) FROM event WHERE device = ? AND seq > ?", (device, after_seq)
            ).fetchone()[0]
            self._keep.db.execute(
                "UPDATE event SET said = 0 WHERE device = ? AND seq > ?", (device, after_seq)
            )
        return int(count)

    def write(self) -> None:
        """Write down what the bus has taken."""
        for device, seq in self._said:
            self._keep.db.execute(
                "UPDATE event SET said = 1 WHERE device = ? AND seq = ?", (device, seq)
            )

    def written(self) -> None:
        """It is on disk."""
        self._said.clear()

    def _is_repeat(self, device: str, what: Happening, now_ms: int) -> bool:
        db = self._keep.db
        if what.own_seq is not None:
            query = "SELECT body FROM event WHERE device = ? AND seq = ?"
            row = db.execute(query, (device, what.own_seq)).fetchone()
            return row is not None and _is_same(_event.decode(row[0]), what)
        if what.key is None:
            return False
        since_ms = 0 if what.key.startswith(OWN_KEY) else now_ms - REPEAT_MS_MAX
        query = "SELECT 1 FROM event WHERE device = ? AND key = ? AND heard_ms >= ?"
        return db.execute(query, (device, what.key, since_ms)).fetchone() is not None

    def _make_way(self, device: str, seq: int) -> None:
        """Another lock hangs there now and counts from the start: its number is not the old one's."""
        gone = self._keep.db.execute(
            "DELETE FROM event WHERE device = ? AND seq = ?", (device, seq)
        ).rowcount
        if gone:
            self._said = [said for said in self._said if said != (device, seq)]

    def _let_fall(self, device: str) -> None:
        db = self._keep.db
        held = db.execute("SELECT count(*) FROM event WHERE device = ?", (device,)).fetchone()[0]
        if held <= EVENTS_KEPT_MAX:
            return
        # What the bus has goes first, then refusals: whoever fumbles at a lock must not wipe out
        # who came in.
        db.execute(
            "DELETE FROM event WHERE device = ?1 AND seq = (SELECT seq FROM event"
            " WHERE device = ?1 ORDER BY said DESC, kind != ?2, seq LIMIT 1)",
            (device, EventKind.REFUSED.value),
        )


def _is_same(known: DeviceEvent, what: Happening) -> bool:
    """Whether a device that says a number once more says the same of it."""
    if what.wall_ms is None:
        return True  # without a clock nothing tells them apart
    return (known.kind, known.wall_ms, known.cti) == (what.kind, what.wall_ms, what.cti)
