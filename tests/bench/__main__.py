"""`make bench`: every figure, as a table and as JSON."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from bench.figures import Figure, table, write_json

PARTS = (
    "bench_ask",
    "bench_rent",
    "bench_house",
    "bench_bus",
    "bench_inbox",
    "bench_water",
    "bench_npk",
    "bench_ble",
    "bench_zigbee",
    "bench_dark",
)


def main() -> int:
    """Measure every part (or those named); the exit code says whether a goal was missed."""
    wanted = sys.argv[1:] or list(PARTS)
    figures: list[Figure] = []
    cores, load = os.cpu_count(), os.getloadavg()[0]
    print(f"{cores} processors, load {load:.1f} before anything is measured", file=sys.stderr)
    for name in wanted:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        figures += importlib.import_module(f"bench.{name}").measure()
    print(table(figures))
    short = sum(figure.met is False for figure in figures)
    print(f"\n{short} of {sum(figure.met is not None for figure in figures)} goals are missed.")
    target = Path(os.environ.get("BENCH_JSON", ".run/bench.json"))
    write_json(figures, target)
    print(f"\nJSON: {target}", file=sys.stderr)
    return int(any(figure.met is False for figure in figures))


if __name__ == "__main__":
    raise SystemExit(main())
