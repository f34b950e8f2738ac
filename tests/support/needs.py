"""Parts of the system that some tests need: a skip that says the cure, a failure where CI=true."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

# Programs that a Debian package of another name brings.
PACKAGE_OF = {
    "mke2fs": "e2fsprogs",
    "qemu-system-x86_64": "qemu-system-x86",
    "mosquitto_passwd": "mosquitto",
    "mosquitto_pub": "mosquitto-clients",
}
# Debian keeps daemons out of an ordinary person's PATH.
DAEMON_FOLDERS = ("/usr/sbin", "/usr/local/sbin")


def in_ci() -> bool:
    """Whether a missing part is a failure rather than a skip."""
    return os.environ.get("CI") == "true"


def needs(program: str) -> Path:
    """The program's path. Skips the test with the line that installs it; fails where CI=true."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *DAEMON_FOLDERS])
    found = shutil.which(program, path=path)
    if found is not None:
        return Path(found)
    reason = (
        f"{program} is not installed. "
        f"Cure: sudo apt-get install --no-install-recommends {PACKAGE_OF.get(program, program)}"
    )
    if in_ci():
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
