"""A property's folder with settings and nothing else, for tests of verbs that look at folders."""

from __future__ import annotations

import socket
from pathlib import Path

from appliance.kernel.settings import Settings
from appliance.kernel.settings_files import ENVIRONMENT, load_settings


def free_port() -> int:
    """A port nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def bare_settings(folder: Path, more: str = "") -> Settings:
    """Settings of a property in `folder`, written there; `more` is TOML that goes over them."""
    folder.mkdir(parents=True, exist_ok=True)
    own = folder / "nightporter.toml"
    own.write_text(
        f'data_dir = "."\nrun_dir = "run"\n[web]\nport = {free_port()}\n'
        f'[bus]\nport = {free_port()}\n[clock]\ntrust = "system"\n'
    )
    over = folder / "over.toml"
    over.write_text(more)
    return load_settings({ENVIRONMENT: str(own)}, [over], folder / "no-etc").settings
