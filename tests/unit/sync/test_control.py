"""Promises of sync's own socket, and of the words typed at it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from support.sync_bench import SyncBench
from sync.control import SyncAwayError, ask, serve


async def test_status_explain_retry_and_done_are_answered(bench: SyncBench, tmp_path: Path) -> None:
    bench.sell()
    await bench.turn()
    effect = bench.effect("pms.book")
    path = tmp_path / "sync.sock"
    async with serve(bench.running, path):
        assert path.stat().st_mode & 0o777 == 0o600
        status = (await asyncio.to_thread(ask, path, ["status"]))["status"]
        assert {each["name"] for each in status["counterparties"]} == {"mews", "stripe"}
        lines = (await asyncio.to_thread(ask, path, ["explain", effect.id]))["lines"]
        assert "waiting to be sent" in lines[2]
        assert "Mews has it as number" in lines[-1]
        said = (await asyncio.to_thread(ask, path, ["retry", effect.id]))["lines"]
        assert said == ["it is succeeded: only parked and manual effects can be retried"]
        said = (await asyncio.to_thread(ask, path, ["done", effect.id]))["lines"]
        assert said[0].startswith("it is succeeded: only parked effects of the PMS")
        assert "error" in await asyncio.to_thread(ask, path, ["sing"])
    assert not path.exists()


def test_a_sync_that_is_not_running_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SyncAwayError, match="nobody listens"):
        ask(tmp_path / "sync.sock", ["status"])
