"""`make chaos-sync`: many schedules, several processes, one table of what came of them."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from campaigns.channels import CHANNELS
from campaigns.processes import weather
from campaigns.schedule import Ended, Schedule

# The files of one schedule live a second; in memory they cost no disk, and FULL costs nothing.
MEMORY = Path("/dev/shm")  # noqa: S108 - a mount, each schedule has a folder of its own in it
SHARE = 50


def play(vendor: str, seed: int) -> Ended:
    """One schedule in a scratch folder."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        return asyncio.run(Schedule(Path(folder), vendor, seed).play())


def play_some(jobs: list[tuple[str, int]]) -> list[Ended]:
    """A share of the campaign in one process."""
    return [play(vendor, seed) for vendor, seed in jobs]


def main() -> int:
    """Run the campaign; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="make chaos-sync", description=__doc__)
    parser.add_argument("--schedules", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--vendor", choices=sorted(CHANNELS), action="append")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--real", type=int, default=0, help="so many bursts over real processes as well"
    )
    asked = parser.parse_args()
    vendors = asked.vendor or sorted(CHANNELS)
    jobs = [
        (vendors[seed % len(vendors)], seed)
        for seed in range(asked.first, asked.first + asked.schedules)
    ]
    began_s = time.monotonic()
    counts: Counter[str] = Counter()
    broken, progress, quiet = [], [], []
    with ProcessPoolExecutor(asked.processes) as pool:
        shares = [jobs[start : start + SHARE] for start in range(0, len(jobs), SHARE)]
        for number, done in enumerate(
            as_completed([pool.submit(play_some, share) for share in shares]), start=1
        ):
            for ended in done.result():
                counts.update(ended.counts)
                counts[f"schedules: {ended.vendor}"] += 1
                quiet.append(ended.quiet_s)
                if ended.progress_s is not None:
                    progress.append(ended.progress_s)
                if ended.broken:
                    broken.append(ended)
                    for sentence in ended.broken:
                        print(f"{ended.vendor} seed {ended.seed}: {sentence}", flush=True)
            if sys.stderr.isatty() or number % 10 == 0:
                print(f"{number * SHARE} of {len(jobs)} schedules", file=sys.stderr, flush=True)
    for name, count in sorted(counts.items()):
        print(f"{name:<28} {count:>9,}")
    for name, found in (("progress after healing", progress), ("quiet after healing", quiet)):
        ordered = sorted(found) or [0.0]
        print(
            f"{name}: {len(found)} measured, p50 {ordered[len(ordered) // 2]:.1f} s,"
            f" p99 {ordered[int(len(ordered) * 0.99)]:.1f} s, worst {ordered[-1]:.1f} s"
        )
    print(f"{len(jobs):,} schedules in {time.monotonic() - began_s:.0f} s: {len(broken)} broken")
    short = bool(asked.real) and _over_processes(asked.real, asked.first)
    return int(bool(broken) or short)


def _over_processes(schedules: int, seed: int) -> bool:
    """The bursts over real processes; True when a promise was broken."""
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".chaos-") as folder:
        found = asyncio.run(weather(Path(folder), schedules, seed))
    for sentence in found.broken:
        print(f"processes: {sentence}", flush=True)
    for name, count in sorted(found.counts.items()):
        print(f"{name:<28} {count:>9,}")
    for sentence, count in Counter(found.shown.values()).items():
        print(f"shown to a person, {count} times: {sentence}")
    ordered = sorted(found.progress_s) or [0.0]
    empty = "never empty" if found.empty_s is None else f"empty {found.empty_s:.0f} s later"
    print(
        f"over real processes: {found.schedules} schedules, {found.guests} guests in"
        f" {time.monotonic() - began_s:.0f} s, progress p50 {ordered[len(ordered) // 2]:.1f} s,"
        f" worst {ordered[-1]:.1f} s, {found.queued} queued at the end and {empty}:"
        f" {len(found.broken)} broken"
    )
    return bool(found.broken)


if __name__ == "__main__":
    raise SystemExit(main())
