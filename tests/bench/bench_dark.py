"""Sixty rooms after three dark days, by vendor: how long until each side knows what it must."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Final

from bench.figures import Figure
from campaigns.channels import CHANNELS
from campaigns.dark import DarkDays, Reconciled

# R5, R6 and their neighbours in anchors.md section 4.3; virtual time within the vendor's limits.
SALES_S_MAX: Final = 30.0
CONFLICTS_S_MAX: Final = 60.0
ALL_S_MAX: Final = 300.0
MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a mount, with a folder of our own in it


def measure() -> list[Figure]:
    """One row for each vendor."""
    return [_figure(_live(vendor)) for vendor in sorted(CHANNELS)]


def _live(vendor: str) -> Reconciled:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        return asyncio.run(DarkDays(Path(folder), vendor).live())


def _figure(found: Reconciled) -> Figure:
    met = (
        found.sales_s <= SALES_S_MAX
        and found.conflicts_s <= CONFLICTS_S_MAX
        and found.all_s <= ALL_S_MAX
        and not found.steady_429
        and not found.broken
    )
    return Figure(
        what=f"60 rooms, 72 h dark, {found.vendor}: sales / conflicts listed / everything",
        measured=f"{found.sales_s:.0f} / {found.conflicts_s:.0f} / {found.all_s:.0f} s",
        goal="<= 30 / 60 / 300 s, 0 lost, 0 doubled",
        met=met,
        note=f"virtual time, {found.requests} requests, {found.conflicts} conflicts,"
        f" {found.steady_429 + found.recovery_429} answers 429; {found.broken or 'both sides equal'}",
    )
