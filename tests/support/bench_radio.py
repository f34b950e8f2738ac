"""A radio for whole driver processes: its bolt is a file, and it can be stopped in the middle.

`python -m support.bench_radio RADIO ...` is `nightporter driver` that also knows the kind "bench".
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from appliance.bus.words import DeviceKind, Order, Outcome
from drivers import radios
from drivers.main import driver
from drivers.port import Attempt, Device, Evidence, House, Pin, Told
from drivers.radios import Setting


class FileLock:
    """Moves by writing its order's id into a file; rings by a FIFO that somebody reads."""

    kind = DeviceKind.LOCK
    decides = True

    def __init__(self, name: str, setting: Setting) -> None:
        self.name = name
        self._bolt = Path(str(setting.options["bolt"]))
        self._bell = Path(str(setting.options["bell"]))
        self._moves = bool(setting.options["moves"])
        self._returns = bool(setting.options["returns"])
        self._leave = Path(str(setting.options["leave"]))

    async def carry_out(self, order: Order, *, deadline_s: float, pin: Pin | None = None) -> Told:
        if self._moves:
            with self._bolt.open("a") as bolt:
                bolt.write(f"{order.id}\n")
        self._bell.write_text(order.id)
        if not self._returns:
            await asyncio.get_running_loop().create_future()
        return Told(outcome=Outcome.DONE, evidence=(Evidence.ANSWER,))

    async def find_out(self, attempt: Attempt) -> Told | None:
        # Until the test lets it look.
        await asyncio.to_thread(self._leave.read_text)
        moved = self._bolt.exists() and attempt.order_id in self._bolt.read_text().split()
        if not moved:
            return None
        return Told(outcome=Outcome.DONE, evidence=(Evidence.STATE_READ,))

    async def state(self) -> None:
        return None


class FileRadio:
    """A radio that is always there."""

    def __init__(self, setting: Setting) -> None:
        self.devices: dict[str, Device] = {
            thing.name: FileLock(thing.name, setting) for thing in setting.things
        }

    async def run(self, house: House) -> None:
        for name in self.devices:
            await house.present(name, online=True)
        await asyncio.get_running_loop().create_future()


def build(setting: Setting) -> FileRadio:
    """The factory, as `drivers/radios.py` wants it."""
    return FileRadio(setting)


if __name__ == "__main__":
    radios.FACTORIES["bench"] = "support.bench_radio"  # type: ignore[index] # a kind for tests only
    driver()
