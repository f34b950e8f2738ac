"""A battery device's own clock: set once, drifting since, and sometimes lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from appliance.kernel.clock import UNCERTAINTY_SURE_MS_MAX
from drivers.judge import DeviceTime

if TYPE_CHECKING:
    from appliance.kernel.clock import Reading
    from twin.flash import Flash

# ble.md 2.9: 2 s when set, then 100 ppm, so unsure (600 s) after 69 days without being set.
SET_UNCERTAINTY_MS: Final = 2_000
DRIFT_PPM_MAX: Final = 100


class Rtc:
    """The clock chip; `now` is always the true time of the simulation."""

    def __init__(self, flash: Flash, now: Reading, *, drift_ppm: float = 0.0) -> None:
        """A chip never seen before counts as just set by the installer."""
        self._flash = flash
        self._drift_ppm = drift_ppm
        self._known: bool = flash.get("clock", "known", default=True)
        self._offset_ms: int = flash.get("clock", "offset_ms", 0)
        self._set_at_ms: int = flash.get("clock", "set_at_ms", now.wall_ms)
        self._set_doubt_ms: int = flash.get("clock", "set_doubt_ms", SET_UNCERTAINTY_MS)
        flash.put("clock", "set_at_ms", self._set_at_ms)

    def read(self, now: Reading) -> DeviceTime:
        """What the device believes now; without a known time, the floor it still remembers."""
        if not self._known:
            floor: int = self._flash.get("clock", "floor_ms", 0)
            return DeviceTime(floor, UNCERTAINTY_SURE_MS_MAX + 1, known=False)
        age_ms = max(0, now.wall_ms - self._set_at_ms)
        drifted = int(age_ms * self._drift_ppm / 1e6)
        uncertainty = self._set_doubt_ms + age_ms * DRIFT_PPM_MAX // 1_000_000
        return DeviceTime(now.wall_ms + self._offset_ms + drifted, uncertainty, known=True)

    def set(self, wall_ms: int, now: Reading, *, uncertainty_ms: int = SET_UNCERTAINTY_MS) -> bool:
        """Take the time from the box; False where it lies before what is known to be past."""
        if wall_ms < self._flash.get("clock", "floor_ms", 0):
            return False
        self._known, self._offset_ms, self._set_at_ms = True, wall_ms - now.wall_ms, now.wall_ms
        self._set_doubt_ms = max(SET_UNCERTAINTY_MS, uncertainty_ms)
        self._store()
        return True

    def lose(self) -> None:
        """The cells were out: the time is unknown until somebody sets it."""
        self._known = False
        self._store()

    def seen(self, past_ms: int) -> None:
        """Remember a moment an issuer signed as past; the clock is never set before it."""
        if past_ms > self._flash.get("clock", "floor_ms", 0):
            self._flash.put("clock", "floor_ms", past_ms)

    def _store(self) -> None:
        self._flash.put("clock", "known", self._known)
        self._flash.put("clock", "offset_ms", self._offset_ms)
        self._flash.put("clock", "set_at_ms", self._set_at_ms)
        self._flash.put("clock", "set_doubt_ms", self._set_doubt_ms)
        self._flash.commit()
