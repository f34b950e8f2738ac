"""From a wet sensor to a closed valve: sensor, bus, log and valve as processes of their own."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Final

from appliance.kernel.clock import ClockTrust, SystemClock, sleep
from bench.figures import Figure, quantile
from twin.stage import Scenery, SoldType, staged

ROOMS: Final = [f"1{number:02d}" for number in range(1, 21)]
HOUSE: Final = (
    SoldType(id="double", title="Double", sleeps=2, rate_minor=12_000, rooms=ROOMS, allotment=1),
)


async def _times(folder: Path) -> list[float]:
    """Seconds by the twin's own journal: water noted to valve turned, one room after another."""
    clock = SystemClock(floor_path=None, trust=ClockTrust.SYSTEM)
    async with staged(Scenery(folder=folder, sold=HOUSE, water=True), clock) as stage:
        await stage.line("cut")
        for done, room in enumerate(ROOMS, start=1):
            await stage.post(f"/leak/leak-{room}", {"wet": True})
            while len(await stage.journalled("valve")) < done:
                await sleep(clock, 0.01)
        wet = {row["device"][5:]: row["wall_ms"] for row in await stage.journalled("leak")}
        turned = {row["device"][6:]: row["wall_ms"] for row in await stage.journalled("valve")}
    return [(turned[room] - wet[room]) / 1000 for room in ROOMS]


def measure() -> list[Figure]:
    """Every figure of this file."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        times = asyncio.run(_times(Path(folder)))
    p50, worst = quantile(times, 0.5), max(times)
    return [
        Figure(
            what="water to closed valve, alarm and request on disk, line cut",
            measured=f"p50 {p50 * 1e3:.0f} ms, worst {worst * 1e3:.0f} ms",
            goal="<= 2 s",
            met=worst <= 2,
            note=f"{len(times)} rooms, one after another, by the twin's journal",
        )
    ]
