"""Command and answer over the bus, quiet and beside each kind of hostile client.

Run alone: `PYTHONPATH=.:tests python -m bench.bench_bus` prints the table and the JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from appliance.bus import credentials
from appliance.bus.client import BusSettings, MqttBus
from appliance.bus.credentials import BusRole, Credentials
from appliance.bus.port import Message
from appliance.kernel.clock import SystemClock, sleep
from appliance.kernel.tasks import Nursery
from bench.bus_hostile import KINDS
from bench.figures import Figure, quantile, table

# 100 a second, as in the field notes, for long enough that a p99 rests on eight samples.
RATE_PER_S = 100
SAMPLES = 800
WARM_UP = 200
# Beside every measurement: the telemetry of a property of 60 rooms, ten times over.
TELEMETRY_PER_S = 200
GOAL = 2.0
CLOCK = SystemClock(floor_path=None)


@dataclass(slots=True)
class Property:
    """A broker process with its tokens."""

    port: int
    tokens: dict[str, str]
    process: asyncio.subprocess.Process

    def memory_mb(self) -> float:
        """The broker's proportional share of memory."""
        for line in Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
        return 0.0


@asynccontextmanager
async def _property() -> AsyncGenerator[Property, None]:
    with tempfile.TemporaryDirectory() as name:
        folder, known, tokens = Path(name), Credentials(), {}
        roles = {"core": BusRole.CORE, "lock-1": BusRole.DEVICE, "meter-1": BusRole.DEVICE}
        roles |= {"hostile-device": BusRole.DEVICE, "hostile-reader": BusRole.READER}
        for identity, role in roles.items():
            known, tokens[identity] = credentials.add(known, identity, role)
        credentials.write(folder / "bus-credentials.json", known)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "appliance.bus.broker.main", "--listen", "127.0.0.1:0",
            "--credentials", folder / "bus-credentials.json", "--ready-file", folder / "ready",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        assert process.stdout is not None
        await process.stdout.readline()
        try:
            port = json.loads((folder / "ready").read_text())["tcp"]
            yield Property(port, tokens, process)
        finally:
            process.terminate()
            await process.wait()


@asynccontextmanager
async def _hostile(kind: str, place: Property) -> AsyncGenerator[None, None]:
    name = "hostile-reader" if kind == "stalled" else "hostile-device"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.bus_hostile", kind, str(place.port), name,
        place.tokens[name], stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": ".:tests"},
    )  # fmt: skip
    assert process.stdout is not None
    await process.stdout.readline()
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


class Ends:
    """The appliance, a lock that answers at once, and a meter that streams."""

    def __init__(self, place: Property, nursery: Nursery) -> None:
        self.core, self.lock, self.meter = (
            MqttBus(
                BusSettings(identity=name, token=place.tokens[name], port=place.port),
                clock=CLOCK,
                nursery=nursery,
            )
            for name in ("core", "lock-1", "meter-1")
        )
        self._answer: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Connect all three."""
        await self.core.subscribe("np/+/up/answer", self._answered)
        await self.core.subscribe("np/+/up/telemetry", self._streamed)
        await self.lock.subscribe("np/lock-1/down/#", self._commanded)
        for bus in (self.core, self.lock, self.meter):
            up = asyncio.Event()

            async def greeting(up: asyncio.Event = up) -> None:
                up.set()

            bus.on_connect(greeting)
            bus.start()
            await up.wait()

    async def round_trip(self) -> float:
        """Seconds from publishing a command to handling its answer."""
        self._answer = asyncio.get_running_loop().create_future()
        started = time.perf_counter()
        await self.core.publish("np/lock-1/down/command", b"{}")
        await self._answer
        return time.perf_counter() - started

    async def stream(self) -> None:
        """Telemetry, for ever."""
        payload = bytes(1_024)
        while True:
            await self.meter.publish("np/meter-1/up/telemetry", payload, qos=0)
            await sleep(CLOCK, 1 / TELEMETRY_PER_S)

    async def _commanded(self, message: Message) -> None:
        await self.lock.publish("np/lock-1/up/answer", message.payload)

    async def _answered(self, _message: Message) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(None)

    async def _streamed(self, _message: Message) -> None:
        return


async def _measure(ends: Ends) -> list[float]:
    times = []
    for number in range(WARM_UP + SAMPLES):
        due = time.perf_counter() + 1 / RATE_PER_S
        taken = await ends.round_trip()
        if number >= WARM_UP:
            times.append(taken * 1_000)
        await sleep(CLOCK, max(0.0, due - time.perf_counter()))
    return times


def measure() -> list[Figure]:
    """Everything, in one loop of its own."""
    return asyncio.run(_measure_all())


async def _measure_all() -> list[Figure]:
    """One figure for the quiet bus and one beside each kind of hostile client."""
    nursery = Nursery(lambda name, error: None)
    figures = []
    async with _property() as place:
        ends = Ends(place, nursery)
        await ends.start()
        nursery.mortal("telemetry", ends.stream())
        quiet: list[float] = []
        beside: dict[str, list[float]] = {}
        # In turns, so that whatever else the machine does meets both alike.
        for kind in KINDS:
            quiet += await _measure(ends)
            async with _hostile(kind, place):
                beside[kind] = await _measure(ends)
        figures.append(_figure("quiet", quiet, place))
        for kind, times in beside.items():
            ratio = quantile(times, 0.99) / quantile(quiet, 0.99)
            figures.append(_figure(f"beside {kind}", times, place, ratio))
        await nursery.close()
    return figures


def _figure(what: str, times: list[float], place: Property, ratio: float | None = None) -> Figure:
    p50, p99 = quantile(times, 0.5), quantile(times, 0.99)
    return Figure(
        what=f"bus: command and answer, {what}",
        measured=f"p50 {p50:.2f} ms, p99 {p99:.2f} ms",
        goal="" if ratio is None else f"p99 <= {GOAL:.0f}x quiet",
        met=None if ratio is None else ratio <= GOAL,
        note=f"broker {place.memory_mb():.0f} MB" + ("" if ratio is None else f", {ratio:.1f}x"),
    )


if __name__ == "__main__":
    measured = measure()
    print(table(measured))
    print(json.dumps([asdict(figure) for figure in measured], indent=1))
