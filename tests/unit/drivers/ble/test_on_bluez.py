"""Tier T3: the same promises on a stock Debian kernel with BlueZ, in an emulated machine."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import bleak
import pytest

from support.ble_promises import PROMISES
from support.needs import needs

ROOT = Path(__file__).resolve().parents[4]
VHCI = ROOT / "hardware-in-loop" / "vhci"
# The packages are ours, with their compiled parts: the machine needs the same Python.
SUITES = {(3, 11): "bookworm", (3, 13): "trixie"}
BUILD_S = 900
RUN_S = 600
# A run reads 60 MB of packages through an emulated disk; what no import needs stays out.
LEFT_OUT = {
    "apsw",
    "babel",
    "grimp",
    "mypy",
    "mypyc",
    "phonenumbers",
    "pip",
    "pkg_resources",
    "playwright",
    "pygments",
    "ruff",
    "setuptools",
    "strawberry",
    "textual",
    "zigpy",
}


def disk(folder: Path, suite: str) -> Path:
    """The machine, built once and again when its recipe changes."""
    place = folder / suite
    recipe = "".join((VHCI / name).read_text() for name in ("build", "init"))
    mark = place / "recipe"
    if not mark.exists() or mark.read_text() != recipe:
        subprocess.run([VHCI / "build", place, suite], check=True, timeout=BUILD_S)
        mark.write_text(recipe)
    return place


def code(path: Path) -> None:
    """Our tree and the packages of this environment, as a tar."""
    packages = Path(bleak.__file__).parents[1]

    def wanted(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
        parts = Path(info.name).parts
        if "__pycache__" in parts or info.name.endswith(".pyi"):
            return None
        return None if len(parts) > 1 and parts[1] in LEFT_OUT else info

    with tarfile.open(path, "w") as tar:
        tar.add(packages, "packages", filter=wanted)
        for name in ("appliance", "drivers", "hardware-in-loop/twin", "tests/support"):
            tar.add(ROOT / name, name, filter=wanted)


@pytest.mark.slow
@pytest.mark.timeout(BUILD_S + RUN_S)
def test_the_promises_hold_on_a_real_bluez(tmp_path: Path) -> None:
    for program in ("qemu-system-x86_64", "mmdebstrap", "mke2fs"):
        needs(program)
    suite = SUITES.get(sys.version_info[:2])
    if suite is None:
        pytest.skip(f"no Debian has Python {sys.version_info[0]}.{sys.version_info[1]}: use 3.11")
    place = disk(ROOT / ".run" / "vhci", suite)
    code(tmp_path / "code.tar")
    run = subprocess.run(
        [VHCI / "boot", place, tmp_path / "code.tar"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=RUN_S,
        check=False,
    )
    said = run.stdout.decode(errors="replace").replace("\r", "")
    if folder := os.environ.get("NP_VHCI_LOG"):
        Path(folder).write_text(said)
    assert "ALL TRIED 0" in said, said[-6_000:]
    kept = {line.split()[1] for line in said.splitlines() if line.startswith("KEPT ")}
    assert {named.name for named in PROMISES} <= kept
