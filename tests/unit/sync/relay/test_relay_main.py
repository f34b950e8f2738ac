"""The relay as a program, and the box's settings that name it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import aiohttp
import pytest
from click.testing import CliRunner

from appliance.kernel.settings_files import load_settings
from support import webhooks
from support.inbox_house import SetClock, inbox_house
from sync.inbox.relayed import RelayAccount, Relayed
from sync.relay.main import relay
from sync.relay.wire import new_pairing, read_pairing
from sync.settings import SyncUnsetError, from_box
from sync.transport import HttpTransport


def private(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def test_a_pairing_is_printed() -> None:
    said = CliRunner().invoke(relay, ["pair"])
    assert said.exit_code == 0
    assert len(read_pairing(said.output).key) == 32


def test_pairings_that_are_none_say_what_to_do(tmp_path: Path) -> None:
    words = ["run", "--pairings", str(tmp_path / "p"), "--data", str(tmp_path / "relay.db")]
    private(tmp_path / "p", "nonsense\n")
    said = CliRunner().invoke(relay, words)
    assert said.exit_code == 78
    assert "nightporter relay pair" in said.output
    (tmp_path / "p").chmod(0o644)
    assert "chmod 600" in CliRunner().invoke(relay, words).output


async def test_the_program_takes_and_gives(tmp_path: Path) -> None:
    pairing = new_pairing()
    private(tmp_path / "pairings", pairing.line() + "\n")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "appliance.kernel.verbs", "relay", "run", "--port", "0",
        "--pairings", tmp_path / "pairings", "--data", tmp_path / "relay.db",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    ready = (await process.stdout.readline()).decode()
    base = ready.split()[1].rstrip(",")
    transport = HttpTransport()
    try:
        posted = webhooks.hostaway(7)
        url = base + posted.path.replace("/hooks", f"/to/{pairing.mailbox}")
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, headers=posted.headers, data=posted.body) as reply,
        ):
            assert reply.status == 200
        # The relay keeps its own true time; the box here does not know what day it is.
        clock = SetClock()
        clock.doubt_ms = 315_360_000_000
        async with inbox_house(tmp_path / "sync.db", clock=clock) as house:
            account = RelayAccount(url=base, pairing=pairing)
            relayed = Relayed(house.inbox, account, clock=clock, send=transport.send)
            assert await relayed.pull() == 1
    finally:
        await transport.close()
        process.terminate()
        assert await process.wait() == 0


def test_the_boxs_settings_name_secrets_and_relay(tmp_path: Path) -> None:
    pairing = new_pairing()
    pair = private(tmp_path / "pair", pairing.line())
    hooks = private(tmp_path / "stripe", "whsec_new\nwhsec_old\n")
    text = (
        f'data_dir = "{tmp_path}"\n[sync.webhooks]\nstripe_file = "{hooks}"\n'
        f'relay_url = "https://relay.example/"\nrelay_pairing_file = "{pair}"\n'
    )
    file = tmp_path / "nightporter.toml"
    file.write_text(text)
    webhook_settings = from_box(load_settings({}, [file]).settings, {}).webhooks
    assert webhook_settings is not None
    assert webhook_settings.secrets == {"stripe": ("whsec_new", "whsec_old")}
    assert webhook_settings.relay == RelayAccount(url="https://relay.example", pairing=pairing)
    pair.write_text("another thing")
    with pytest.raises(SyncUnsetError, match="relay_pairing_file"):
        from_box(load_settings({}, [file]).settings, {})


def test_a_secret_of_the_wrong_shape_names_its_file(tmp_path: Path) -> None:
    hooks = private(tmp_path / "hostaway", "only-a-token")
    file = tmp_path / "nightporter.toml"
    file.write_text(f'[sync]\nwebhook_port = 1\n[sync.webhooks]\nhostaway_file = "{hooks}"\n')
    with pytest.raises(SyncUnsetError, match="hostaway_file"):
        from_box(load_settings({}, [file]).settings, {})
