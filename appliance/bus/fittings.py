"""What devices last said of themselves, with the age of every word: memory only, law 7."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from appliance.kernel.clock import within

if TYPE_CHECKING:
    from appliance.kernel.clock import Clock

StateT = TypeVar("StateT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting(Generic[StateT]):
    """One device as a status line may show it; ages in ms, None: it never said."""

    device_id: str
    online: bool | None = None
    state: StateT | None = None
    heard_age_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard(Generic[StateT]):
    online: bool | None = None
    state: StateT | None = None
    at_s: float | None = None


class Fittings(Generic[StateT]):
    """The devices' retained words as they arrive, and a bell for whoever waits for one of them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heard: dict[str, _Heard[StateT]] = {}
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    def presence(self, device_id: str, *, online: bool) -> None:
        """The device came or went (its last will speaks for it)."""
        before = self._last(device_id)
        # A will is the broker's word: it says nothing of when the device itself last spoke.
        at_s = self._clock.monotonic() if online else before.at_s
        self._heard[device_id] = replace(before, online=online, at_s=at_s)
        if online:
            self.ring(device_id)

    def state(self, device_id: str, state: StateT, *, retained: bool) -> None:
        """The device said how it is. A retained word may be old, so its age is not known."""
        before = self._last(device_id)
        at_s = before.at_s if retained else self._clock.monotonic()
        self._heard[device_id] = replace(before, state=state, at_s=at_s)

    def spoke(self, device_id: str) -> None:
        """An answer or an event came: the device is alive now."""
        before = self._last(device_id)
        self._heard[device_id] = replace(before, at_s=self._clock.monotonic())

    def of(self, device_id: str) -> Fitting[StateT]:
        """What is known of one device."""
        heard = self._last(device_id)
        age_s = None if heard.at_s is None else self._clock.monotonic() - heard.at_s
        return Fitting(
            device_id=device_id,
            online=heard.online,
            state=heard.state,
            heard_age_ms=None if age_s is None else int(age_s * 1000),
        )

    def ring(self, device_id: str | None = None) -> None:
        """Wake whoever waits for this device (None: for any)."""
        names = list(self._waiting) if device_id is None else [device_id]
        for name in names:
            for waiting in self._waiting.pop(name, ()):
                if not waiting.done():
                    waiting.set_result(None)

    async def heard_of(self, device_id: str, seconds: float) -> None:
        """Return when the device comes back, or after this long."""
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(device_id, set()).add(waiting)
        try:
            await within(self._clock, seconds, waiting)
        except TimeoutError:
            pass
        finally:
            self._waiting.get(device_id, set()).discard(waiting)

    def _last(self, device_id: str) -> _Heard[StateT]:
        known = self._heard.get(device_id)
        return _Heard() if known is None else known
