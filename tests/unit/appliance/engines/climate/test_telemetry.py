"""Measurements are kept by the thousand, and are the first thing to go."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from appliance.engines.climate.telemetry import SERIES_MAX, WAITING_MAX, Telemetry
from appliance.kernel.virtual_clock import VirtualClock

START_MS = 1_793_383_200_000


async def test_points_are_on_disk_after_a_second_and_read_back_in_order(tmp_path: Path) -> None:
    store = Telemetry(tmp_path / "telemetry.db", VirtualClock(START_MS))
    for second in range(10):
        store.add("room-204", "measured_c10", 200.0 + second, START_MS + second * 1000)
    assert store.standing().waiting == 10
    await store.flush()
    assert (store.standing().stored, store.standing().waiting) == (10, 0)
    points = await store.points("room-204", "measured_c10", since_ms=START_MS + 8_000)
    assert points == [(START_MS + 8_000, 208.0), (START_MS + 9_000, 209.0)]
    assert await store.points("kettle", "steam", since_ms=0) == []
    await store.close()


async def test_a_store_opened_again_goes_on_with_the_same_series(tmp_path: Path) -> None:
    for value in (1.0, 2.0):
        store = Telemetry(tmp_path / "telemetry.db", VirtualClock(START_MS))
        store.add("meter", "kwh", value, START_MS + int(value))
        await store.close()
    store = Telemetry(tmp_path / "telemetry.db", VirtualClock(START_MS))
    assert [value for _, value in await store.points("meter", "kwh", since_ms=0)] == [1.0, 2.0]
    await store.close()


async def test_too_many_points_are_let_go_and_counted(tmp_path: Path) -> None:
    store = Telemetry(tmp_path / "telemetry.db", VirtualClock(START_MS))
    for number in range(WAITING_MAX + 5):
        store.add("room-204", "measured_c10", 200.0, number)
    assert store.standing().shed == 5
    await store.close()


async def test_invented_series_come_to_an_end(tmp_path: Path) -> None:
    store = Telemetry(tmp_path / "telemetry.db", VirtualClock(START_MS))
    for number in range(SERIES_MAX + 10):
        store.add("room-204", f"name-{number}", 1.0, START_MS)
    await store.flush()
    assert store.standing().stored == SERIES_MAX
    await store.close()


async def test_a_torn_file_is_set_aside_and_the_box_starts(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.db"
    path.write_bytes(b"no database at all" * 100)
    store = Telemetry(path, VirtualClock(START_MS))
    store.add("meter", "kwh", 1.0, START_MS)
    await store.close()
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM point").fetchone() == (1,)
    db.close()
    assert (tmp_path / "telemetry.db.unreadable").exists()


async def test_a_file_is_not_closed_under_a_thread_whose_asker_has_gone(tmp_path: Path) -> None:
    store = Telemetry(tmp_path / "telemetry.db", VirtualClock(START_MS))
    store.add("room-204", "measured_c10", 200.0, START_MS)
    await store.flush()
    store._using.acquire()  # a thread is in the middle of a long read
    reading = asyncio.ensure_future(store.points("room-204", "measured_c10", since_ms=0))
    await asyncio.sleep(0)  # noqa: TID251 - a turn of the loop, no time
    assert store.busy
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    closing = asyncio.ensure_future(store.close())
    # Reading and writing alike wait for the file, so the closing cannot have come to its end.
    assert not (await asyncio.wait({closing}, timeout=0.05))[0]
    store._using.release()
    await closing
