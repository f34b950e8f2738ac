"""`nightporter zigbee`: an installer's words for a running driver."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from click.testing import CliRunner, Result

from drivers.zigbee.main import backup, forget, permit, scan, things, zigbee
from twin.zigbee_house import Rig, rig_with_lock

if TYPE_CHECKING:
    from pathlib import Path

    import click


async def typed(it: Rig, command: click.Command, *words: str) -> Result:
    """As on a terminal, while the driver runs."""
    path = it.folder / "driver" / "zigbee.sock"
    return await asyncio.to_thread(CliRunner().invoke, command, list(words), obj=path)


async def test_an_installer_scans_lists_backs_up_and_strikes_out(tmp_path: Path) -> None:
    async with rig_with_lock(tmp_path) as (it, _node, _lock):
        said = await typed(it, scan)
        assert said.exit_code == 0
        assert "<- now" in said.output
        assert "quietest of 11, 15, 20 and 25" in said.output
        said = await typed(it, things)
        assert "lock-101" in said.output
        assert "ready" in said.output
        said = await typed(it, backup)
        assert ": 1 keys," in said.output
        said = await typed(it, permit, "102", "--seconds", "1")
        assert "press the thing's button" in said.output
        assert "nothing joined" in said.output
        said = await typed(it, forget, "lock-101", "--yes")
        assert "asked to leave" in said.output
        assert not it.radio.devices


def test_without_a_driver_the_sentence_says_what_to_look_at(tmp_path: Path) -> None:
    said = CliRunner().invoke(things, obj=tmp_path / "zigbee.sock")
    assert said.exit_code != 0
    assert "is it running" in said.output


def test_every_verb_shows_an_example() -> None:
    for name, command in zigbee.commands.items():
        assert f"nightporter zigbee {name}" in (command.epilog or "")
