"""Which processes a property needs, and what would stop them from starting."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.kernel.settings import Settings

# sun_path of unix(7) holds 108 bytes with the zero at its end.
SOCKET_PATH_BYTES_MAX = 107
BUS_SOCKET = "bus.sock"
# What driver_sheet.bridge_of puts before a radio's name; that module brings cryptography, which a
# supervisor would carry for its whole life.
DRIVER = "driver-"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleProcess:
    """One role: its command line, and the file that says it is ready.

    `alone`: the next role is not begun before this one is ready. `needed` False: one that cannot
    start is said and left, and everything else goes on.
    """

    name: str
    command: Sequence[str]
    ready: Path | None = None
    alone: bool = False
    needed: bool = True


def verb(*words: str) -> tuple[str, ...]:
    """The command line of one of our own verbs."""
    return (sys.executable, "-m", "appliance.kernel.verbs", *words)


def roles_of(settings: Settings) -> list[RoleProcess]:
    """The processes this property needs, in the order of need."""
    run = settings.run_dir
    roles = []
    if settings.bus.kind.value == "embedded":
        # Not alone: the appliance waits for no bus (law 4), and two processors start two roles.
        ready = run / "bus.ready"
        roles.append(RoleProcess(name="bus", command=_bus(settings, ready), ready=ready))
    ready = run / "appliance.ready"
    roles.append(RoleProcess(name="appliance", command=verb("appliance"), ready=ready, alone=True))
    sync = settings.sync
    if any(each.kind.value != "none" for each in (sync.pms, sync.payments, sync.bank)):
        roles.append(RoleProcess(name="sync", command=verb("sync")))
    # The last: the desk waits for no radio, and a radio without its stack stops nobody.
    roles += [
        RoleProcess(name=DRIVER + radio, command=verb("driver", radio), needed=False)
        for radio in radios_of(settings)
    ]
    return roles


def radios_of(settings: Settings) -> list[str]:
    """The radios that are driven on this box, by the sheets that `init` wrote."""
    sheets = sorted(settings.data_dir.glob(f"{DRIVER}*.json"))
    return [path.stem.removeprefix(DRIVER) for path in sheets]


def _bus(settings: Settings, ready: Path) -> tuple[str, ...]:
    bus = settings.bus
    words = ["bus", "--credentials", str(settings.bus_credentials_file)]
    words += ["--listen", f"{_bracketed(bus.host)}:{bus.port}", "--ready-file", str(ready)]
    if (own := own_bus_socket(settings)) is not None:
        words += ["--unix", str(own)]
    if bus.tls_port:
        words += ["--tls-listen", f"{_bracketed(bus.tls_host)}:{bus.tls_port}"]
        words += ["--pki", str(settings.data_dir / "pki")]
    return verb(*words)


def own_bus_socket(settings: Settings) -> Path | None:
    """Where the appliance meets the embedded broker: half the round trip of TCP on this machine.

    None for a broker of somebody else's, or where the path is longer than a socket may have.
    """
    path = settings.run_dir / BUS_SOCKET
    fits = len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX
    return path if fits and settings.bus.kind.value == "embedded" else None


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def check(settings: Settings) -> str | None:
    """What would stop the roles from starting, in one sentence with its cure."""
    if not settings.log_file.exists():
        return (
            f"there is no property in {settings.data_dir}: run `nightporter init FILE`"
            " (an example: `nightporter init --example`)."
        )
    if reason := _folders(settings):
        return reason
    if len(os.fsencode(settings.command_socket)) > SOCKET_PATH_BYTES_MAX:
        return (
            f"the path {settings.command_socket} is longer than the {SOCKET_PATH_BYTES_MAX} bytes"
            " a socket may have: set run_dir to a shorter one."
        )
    if reason := running(settings.run_dir):
        return reason
    for key, host, port in _listeners(settings):
        if port and (reason := taken(host, port)):
            return (
                f"port {port} on {host} {reason}: free it, or set {key} to another one"
                " in nightporter.toml."
            )
    return None


def _folders(settings: Settings) -> str | None:
    try:
        settings.run_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
    except OSError as error:
        return f"the folder {settings.run_dir} cannot be made: {error.strerror}."
    for folder in (settings.data_dir, settings.run_dir):
        try:
            # Tried, not looked up: a read-only or full disk says no where the mode says yes.
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"tried")
        except OSError as error:
            return (
                f"the folder {folder} is not writable ({error.strerror}): make room, start as its"
                f" owner, or run `chown -R {os.getuid()} {folder}` as root."
            )
    return None


def _listeners(settings: Settings) -> list[tuple[str, str, int]]:
    found = [("web.port", settings.web.host, settings.web.port)]
    if settings.bus.kind.value == "embedded":
        found.append(("bus.port", settings.bus.host, settings.bus.port))
        found.append(("bus.tls_port", settings.bus.tls_host, settings.bus.tls_port))
    return found


def taken(host: str, port: int) -> str | None:
    """Why nobody can listen there, or None."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As our servers do: a connection of yesterday that lingers is no reason.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            return "needs more rights than this user has"
        except OSError as error:
            return f"cannot be used ({error.strerror})"
    return None


def running(run_dir: Path) -> str | None:
    """Whether roles of this property run already: of another `up`, or left over by a killed one."""
    found = {}
    for path in sorted(run_dir.glob("*.pid")):
        with contextlib.suppress(OSError, ValueError):
            pid = int(path.read_text())
            line = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            # A number may have been given to somebody else since: only our own verb counts.
            if all(word in line for word in _words_of(path.stem)) and pid != os.getpid():
                found[path.stem] = pid
    if not found:
        return None
    if "up" in found:
        return f"this property is up already (process {found['up']})."
    names = ", ".join(found)
    return (
        f"{names} of this property still run, without their supervisor:"
        f" run `kill {' '.join(str(pid) for pid in found.values())}` first."
    )


def _words_of(role: str) -> list[bytes]:
    """What stands in the command line of a role; of `driver-ble0` the verb and the radio."""
    radio = role.removeprefix(DRIVER)
    return [role.encode()] if radio == role else [b"driver", radio.encode()]


def listens(path: Path) -> bool:
    """Whether somebody answers on a socket's path; a file left over by a killed process does not."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
