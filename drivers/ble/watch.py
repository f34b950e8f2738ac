"""Looks after the radio and who is silent: a hung chip is woken, and what stays away is an alarm."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NoReturn

from appliance.kernel.clock import sleep
from drivers.port import Alarm, RadioLostError

if TYPE_CHECKING:
    from appliance.kernel.clock import Clock
    from drivers.ble.ears import Ears
    from drivers.ble.stack import Adapter
    from drivers.port import House

logger = logging.getLogger(__name__)

# ble.md 4: locks advertise every second or two, so three minutes without any of them is the radio.
RADIO_SILENT_S_MAX: Final = 180.0
# After a cure: long enough for every lock to have advertised dozens of times.
CURED_S: Final = 60.0
LOOK_S: Final = 10.0


class Watch:
    """One radio's health. `silent_s` is, by thing, after how long it counts as away."""

    def __init__(
        self, ears: Ears, adapter: Adapter, *, clock: Clock, silent_s: Mapping[str, float]
    ) -> None:
        self._ears = ears
        self._adapter = adapter
        self._clock = clock
        self._silent_s = silent_s
        self._online: dict[str, bool] = {}
        self._began_s = clock.monotonic()
        # A passive scan says a thing once, and again when it changes: silence means nothing.
        self.blind = False

    def missed(self, thing: str) -> bool:
        """Whether a word of this thing is news by itself."""
        return self._online.get(thing) is not True

    async def run(self, house: House) -> NoReturn:
        """Look until cancelled; raises RadioLostError when every cure has failed."""
        self._began_s = self._clock.monotonic()
        while True:
            await sleep(self._clock, LOOK_S)
            if self.blind:
                continue
            # A dead radio says nothing about the things behind it: that is one alarm, not forty.
            if self._silent_s and self._since_heard_s() > RADIO_SILENT_S_MAX:
                await self._heal(house)
            await self._look(house)

    async def heard(self, thing: str, house: House) -> None:
        """It is there."""
        if self._online.get(thing) is True:
            return
        self._online[thing] = True
        await house.present(thing, online=True)
        await house.alarm(Alarm.DEVICE_SILENT, device=thing, on=False)

    async def _look(self, house: House) -> None:
        now_s = self._clock.monotonic()
        for thing, limit_s in self._silent_s.items():
            heard = self._ears.last(thing)
            last_s = self._began_s if heard is None else max(heard.at_s, self._began_s)
            if now_s - last_s > limit_s and self._online.get(thing) is not False:
                self._online[thing] = False
                await house.present(thing, online=False)
                await house.alarm(Alarm.DEVICE_SILENT, device=thing)

    async def _heal(self, house: House) -> None:
        await house.alarm(Alarm.RADIO_SILENT)
        for name, cure in (
            ("switched off and on", self._adapter.power_cycle),
            ("restarted with its daemon", self._adapter.restart_stack),
        ):
            await self._ears.close()
            done = await cure()
            logger.warning("nothing was heard for minutes: the radio was %s: %s", name, done)
            await self._ears.open()
            if done and await self._cured():
                await house.alarm(Alarm.RADIO_SILENT, on=False)
                await house.alarm(Alarm.RADIO_HUNG, on=False)
                return
        await house.alarm(Alarm.RADIO_HUNG)
        raise RadioLostError(
            "no lock or sensor has been heard for minutes although the radio was switched off and"
            " on: pull the dongle out and put it back, on a cable away from USB 3"
        )

    async def _cured(self) -> bool:
        again_s = self._clock.monotonic()
        while self._clock.monotonic() - again_s < CURED_S:
            await sleep(self._clock, LOOK_S / 10)
            if self._ears.heard_any_s is not None and self._ears.heard_any_s >= again_s:
                return True
        return False

    def _since_heard_s(self) -> float:
        last_s = self._ears.heard_any_s
        return self._clock.monotonic() - max(self._began_s, last_s or self._began_s)
