"""The bus as a process: ready file, reload on SIGHUP, an orderly end, sentences for what is wrong."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from click.testing import CliRunner

from appliance.bus import credentials
from appliance.bus.broker.main import bus
from support.brokers import House, small_house
from support.mqtt_probe import Hello, close_probes, probe

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

ROOT = Path(__file__).parents[5]
START_S_MAX = 20.0


@asynccontextmanager
async def _process(folder: Path) -> AsyncGenerator[tuple[asyncio.subprocess.Process, House], None]:
    house = small_house()
    credentials.write(folder / "bus-credentials.json", house.identities)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "appliance.bus.broker.main",
        "--credentials", folder / "bus-credentials.json",
        "--listen", "127.0.0.1:0", "--ready-file", folder / "ready.json",
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        await _says(process, b"ready")
        yield process, house
    finally:
        await close_probes()
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def _says(process: asyncio.subprocess.Process, word: bytes) -> None:
    assert process.stdout is not None
    async with asyncio.timeout(START_S_MAX):
        while word not in (line := await process.stdout.readline()):
            assert line, f"the bus ended without saying {word!r}"


async def test_the_process_serves_reloads_and_ends_in_order(tmp_path: Path) -> None:
    async with _process(tmp_path) as (process, house):
        ready = tmp_path / "ready.json"
        port = msgspec.json.decode(ready.read_bytes())["tcp"]
        lock = await probe(port)
        hello = Hello(client_id="lock-1", username="lock-1", password=house.tokens["lock-1"])
        assert (await lock.hello(hello))[0] == 0

        shut = credentials.revoke(house.identities, "lock-1")
        credentials.write(tmp_path / "bus-credentials.json", shut)
        process.send_signal(signal.SIGHUP)
        await _says(process, b"reloaded")
        assert await lock.gone()

        process.terminate()
        assert await process.wait() == 0
        assert not ready.exists()


async def test_a_damaged_credentials_file_at_reload_changes_nothing(tmp_path: Path) -> None:
    async with _process(tmp_path) as (process, house):
        port = msgspec.json.decode((tmp_path / "ready.json").read_bytes())["tcp"]
        path = tmp_path / "bus-credentials.json"
        path.write_bytes(b"{")
        process.send_signal(signal.SIGHUP)
        lock = await probe(port)
        hello = Hello(client_id="lock-1", username="lock-1", password=house.tokens["lock-1"])
        assert (await lock.hello(hello))[0] == 0
        credentials.write(path, house.identities)
        process.send_signal(signal.SIGHUP)
        await _says(process, b"reloaded")
        assert await lock.nothing_more() == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--listen", "nowhere"], "Write host:port"),
        (["--tls-listen", "127.0.0.1:0"], "--pki"),
        ([], "nightporter init"),
    ],
    ids=["address", "tls without certificates", "no credentials"],
)
def test_what_is_wrong_is_said_in_a_sentence(
    tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    missing = str(tmp_path / "none.json")
    said = CliRunner().invoke(bus, ["--credentials", missing, *arguments])
    assert said.exit_code != 0
    assert sentence in said.output


async def test_a_taken_port_is_said_with_what_to_do(tmp_path: Path) -> None:
    async with _process(tmp_path):
        port = msgspec.json.decode((tmp_path / "ready.json").read_bytes())["tcp"]
        arguments = ["--credentials", str(tmp_path / "bus-credentials.json")]
        arguments += ["--listen", f"127.0.0.1:{port}"]
        second = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "appliance.bus.broker.main", *arguments,
            cwd=ROOT, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, said = await second.communicate()
        assert second.returncode == 1
        assert b"The bus cannot listen on" in said


def test_the_files_for_mosquitto_are_written_instead(tmp_path: Path) -> None:
    credentials.write(tmp_path / "bus-credentials.json", small_house().identities)
    arguments = ["--credentials", str(tmp_path / "bus-credentials.json")]
    said = CliRunner().invoke(bus, [*arguments, "--write-mosquitto", str(tmp_path)])
    assert said.exit_code == 0
    assert (tmp_path / "acl").exists()
