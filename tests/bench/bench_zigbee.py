"""Zigbee over the simulated stick: how long a host takes, with the air's own time taken out.

Run alone: `PYTHONPATH=.:tests:hardware-in-loop python -m bench.bench_zigbee`.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from bench.figures import Figure, quantile, table
from support.zigpy_host import Host, soon, zigpy_host
from twin.zigbee.devices import KINDS, Lock, Trv
from twin.zigbee.site import site

FIRST = 0x00158D0000000001
AT_ONCE = 20
PRESSES = 100
# A millisecond a hop: what is measured is the host, its library and the serial line.
LATENCY_S = 0.001
# A radio at work needs 2 to 4 s for an interview; the host's own share should vanish in it.
INTERVIEW_S_GOAL = 0.25
AT_ONCE_S_GOAL = 5.0
PRESS_MS_GOAL = 50.0


def measure() -> list[Figure]:
    """Everything, in one loop of its own."""
    return asyncio.run(_measure_all())


async def _measure_all() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with site(folder, latency_s=LATENCY_S) as here:
            started = time.perf_counter()
            async with zigpy_host(here, folder) as host:
                formed_s = time.perf_counter() - started
                figures = [
                    Figure(
                        what="zigbee: a network formed, stick to ready",
                        measured=f"{formed_s:.2f} s",
                        note=f"channel {host.app.state.network_info.channel}",
                    ),
                    await _interviews(host),
                    await _at_once(host),
                    await _presses(host),
                ]
    return figures


async def _interviews(host: Host) -> Figure:
    """Every kind of device in turn, from its button to a finished interview."""
    times = []
    for number, (kind, make) in enumerate(KINDS.items()):
        started = time.perf_counter()
        await host.join(make(f"{kind}-1", FIRST + number))
        times.append(time.perf_counter() - started)
    return Figure(
        what=f"zigbee: interview of each of {len(KINDS)} kinds",
        measured=f"p50 {quantile(times, 0.5) * 1000:.0f} ms, max {max(times) * 1000:.0f} ms",
        goal=f"max <= {INTERVIEW_S_GOAL * 1000:.0f} ms",
        met=max(times) <= INTERVIEW_S_GOAL,
    )


async def _at_once(host: Host) -> Figure:
    """All buttons in the same instant."""
    await host.app.permit(60)
    nodes = [Trv(f"trv-{number}", FIRST + 0x100 + number) for number in range(AT_ONCE)]
    started = time.perf_counter()
    await asyncio.gather(*(host.here.join(node) for node in nodes))
    for _ in nodes:
        await soon(host.initialized.get())
    taken_s = time.perf_counter() - started
    return Figure(
        what=f"zigbee: {AT_ONCE} devices joining at once, all interviewed",
        measured=f"{taken_s:.2f} s",
        goal=f"<= {AT_ONCE_S_GOAL:.0f} s",
        met=taken_s <= AT_ONCE_S_GOAL,
    )


async def _presses(host: Host) -> Figure:
    """Unlock and answer through zigpy and the serial line, one after another."""
    lock = Lock("lock-bench", FIRST + 0x200)
    await host.join(lock)
    cluster = host.cluster(lock, 0x0101)
    times = []
    for _ in range(PRESSES):
        started = time.perf_counter()
        await cluster.unlock_door(pin_code="", retries=0, ask_for_ack=True)
        times.append((time.perf_counter() - started) * 1000)
    p50, p99 = quantile(times, 0.5), quantile(times, 0.99)
    return Figure(
        what="zigbee: unlock to the lock's answer, bare zigpy",
        measured=f"p50 {p50:.1f} ms, p99 {p99:.1f} ms",
        goal=f"p99 <= {PRESS_MS_GOAL:.0f} ms",
        met=p99 <= PRESS_MS_GOAL,
        note=f"{lock.lock.moves} moves of {PRESSES} presses",
    )


if __name__ == "__main__":
    measured = measure()
    print(table(measured))
    print(json.dumps([asdict(figure) for figure in measured], indent=1))
