"""The moving part of a lock: motor, cells, door leaf and the timer that locks again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from appliance.bus.words import EventKind

if TYPE_CHECKING:
    from appliance.kernel.clock import Reading
    from twin.books import EventBook
    from twin.flash import Flash
    from twin.identity import LockIdentity
    from twin.journal import Journal

# Four AA cells, the usual pack; 40,000 moves or five years idle, whichever comes first.
BATTERY_UAH: Final = 2_400_000
MOVE_UAH: Final = 60
IDLE_UAH_A_DAY: Final = 1_300
DAY_MS: Final = 86_400_000
# Two weeks of a busy door at 70 uses a day are 5 %; people need a warning before that.
BATTERY_LOW_PCT: Final = 15

LOCKED: Final = "locked"
UNLOCKED: Final = "unlocked"
JAMMED: Final = "jammed"
UNKNOWN: Final = "unknown"


class Bolt:
    """Where the bolt is. Every move of the motor is one entry `bolt` in the journal."""

    def __init__(
        self,
        identity: LockIdentity,
        flash: Flash,
        journal: Journal,
        now: Reading,
        *,
        battery_pct: int = 100,
    ) -> None:
        """`battery_pct` counts for a lock never seen before; a known one remembers its cells."""
        self._me = identity
        self._flash = flash
        self._journal = journal
        self._battery_uah: int = flash.get("number", "battery", BATTERY_UAH * battery_pct // 100)
        self._drained_at_ms: int = flash.get("number", "drained_at_ms", now.wall_ms)
        # A lock that died while moving feels for its bolt at the next move.
        moving = flash.get("number", "moving", default=False)
        self.position: str = UNKNOWN if moving else flash.get("number", "bolt", LOCKED)
        self.ajar: bool = flash.get("number", "ajar", default=False)
        self.stuck = False
        self.relock_at_ms: int | None = None
        if self.position != LOCKED:
            self.relock_at_ms = now.wall_ms + self._relock_ms

    @property
    def _relock_ms(self) -> int:
        return int(self._me.relock_s * 1000)

    @property
    def battery_pct(self) -> int:
        """Charge left, 0 to 100; a lock at 0 is silent."""
        return max(0, -(-self._battery_uah * 100 // BATTERY_UAH))

    def move(self, to: str, now: Reading, **why: object) -> bool:
        """Run the motor if the bolt is elsewhere; False where it is stuck.

        The journal has one `bolt` entry per run, `held` for an unlocked bolt kept open longer.
        """
        self.relock_at_ms = now.wall_ms + self._relock_ms if to == UNLOCKED else None
        if self.position == to:
            if to == UNLOCKED:
                self._journal.note("held", **self._names(), **why)
            return True
        self._drain(now, MOVE_UAH)
        self._flash.put("number", "moving", value=True)
        self._flash.commit()
        if self.stuck:
            self.position = JAMMED
            self.relock_at_ms = None
            self._journal.note("jam", **self._names(), to=to, **why)
        else:
            self.position = to
            self._journal.note("bolt", **self._names(), to=to, **why)
        self._flash.put("number", "bolt", self.position)
        self._flash.put("number", "moving", value=False)
        return not self.stuck

    def relock_due(self, now: Reading) -> bool:
        """Whether the timer has run out; a door that stands open makes it wait."""
        if self.relock_at_ms is None or now.wall_ms < self.relock_at_ms:
            return False
        if self.ajar:
            self.relock_at_ms = now.wall_ms + self._relock_ms
            return False
        return True

    def swing(self, now: Reading, *, ajar: bool) -> None:
        """Somebody opened or closed the leaf."""
        self.ajar = ajar
        self._flash.put("number", "ajar", ajar)
        self._journal.note("door", **self._names(), ajar=ajar)
        self._drain(now, 0)

    def weigh(self, now: Reading, book: EventBook, **stamp: object) -> None:
        """Account for idle time; one BATTERY_LOW event when the cells first run low."""
        self._drain(now, 0)
        low = self.battery_pct <= BATTERY_LOW_PCT
        if low and not self._flash.get("number", "said_low", default=False):
            self._flash.put("number", "said_low", value=True)
            book.add(EventKind.BATTERY_LOW, **stamp)

    def new_cells(self, battery_pct: int = 100) -> None:
        """Somebody changed the cells (or a test wants them nearly empty)."""
        self._battery_uah = BATTERY_UAH * battery_pct // 100
        self._flash.put("number", "battery", self._battery_uah)
        self._flash.put("number", "said_low", value=False)

    def _drain(self, now: Reading, uah: int) -> None:
        idle = max(0, now.wall_ms - self._drained_at_ms) * IDLE_UAH_A_DAY // DAY_MS
        if idle:
            self._drained_at_ms = now.wall_ms
            self._flash.put("number", "drained_at_ms", self._drained_at_ms)
        if idle or uah:
            self._battery_uah = max(0, self._battery_uah - idle - uah)
            self._flash.put("number", "battery", self._battery_uah)

    def _names(self) -> dict[str, object]:
        return {"device": self._me.device, "door_number": self._me.door_number}
