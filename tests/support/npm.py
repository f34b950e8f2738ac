"""Packages from npm for a few slow tests: fetched once into `.run/npm`, skipped where they cannot be."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.needs import in_ci, needs

INSTALL_S_MAX = 300.0


async def fetched(folder: Path, packages: Sequence[str]) -> Path:
    """The `node_modules` with these packages, of one version for each folder."""
    npm = needs("npm")
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    done = folder / "fetched"
    with (folder / "lock").open("w") as lock:
        # Two test runs may find it missing at the same moment.
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        if not done.exists():
            await _install(npm, folder, packages)
            done.touch()
    return folder / "node_modules"


def plain_env() -> dict[str, str]:
    """No configuration of this machine, but the ways out that npm needs."""
    kept = ("PATH", "HOME", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy")
    also = ("no_proxy", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE")
    npm = {k: v for k, v in os.environ.items() if k.lower().startswith("npm_config_")}
    return {k: os.environ[k] for k in kept + also if k in os.environ} | npm


async def _install(npm: Path, folder: Path, packages: Sequence[str]) -> None:
    (folder / "package.json").write_text('{"private": true}\n')
    process = await asyncio.create_subprocess_exec(
        npm, "install", "--no-audit", "--no-fund", "--loglevel=error", *packages,
        cwd=folder, env=plain_env(), stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(INSTALL_S_MAX):
            told, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        told = b"it took too long"
    if process.returncode == 0:
        return
    reason = f"npm could not fetch {' '.join(packages)}: {told.decode()[-400:]}"
    if in_ci():
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
