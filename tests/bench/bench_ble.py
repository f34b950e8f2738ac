"""NPK over Bluetooth: from found to click, and the handshake, by connection interval and MTU.

The air has real radio timing (connection events, link-layer packets), everything else is software.
Run alone: `PYTHONPATH=.:tests:hardware-in-loop python -m bench.bench_ble`.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from appliance.bus.words import Outcome
from bench.figures import Figure, quantile, table
from drivers.npk.codes import Command
from drivers.npk.frames import Framer
from drivers.npk.lock import LockCore
from drivers.npk.phone import PhoneSession
from drivers.npk.session import LockSession
from support.ble_bench import Host
from support.ble_doors import Corridor, corridor
from twin.ble.air import Air, Crossing, Fate

INTERVALS_MS = (0, 15, 30, 50)
MTUS = (23, 247, 517)
# Seven of each: a median, and a table of twelve rows in about a minute.
SAMPLES = 7
# Issue 4: the four messages of one unlock together.
HANDSHAKE_BYTES_MAX = 620
# At MTU 23 without data length extension a packet carries 27 bytes (ble.md 1.3).
SMALL_PACKET_BYTES = 27


async def _measure(interval_ms: int, mtu: int) -> tuple[float, float]:
    """Medians of found-to-click and M1-to-click in ms."""
    packet = SMALL_PACKET_BYTES if mtu == min(MTUS) else 251
    host = await Host.open(Air(interval_ms / 1_000 or None, packet_bytes=packet), mtu=mtu)
    with tempfile.TemporaryDirectory() as folder:
        async with corridor(Path(folder), mtu=mtu, on=host) as doors:
            clicks = _clicks(doors)
            greeted = _greetings(doors)
            found_to_click: list[float] = []
            handshakes: list[float] = []
            for _ in range(SAMPLES):
                began = time.perf_counter()
                told = await doors.press(seconds=20)
                assert told.outcome is Outcome.DONE, told
                found_to_click.append((clicks[-1] - began) * 1_000)
                handshakes.append((clicks[-1] - greeted[-1]) * 1_000)
                await doors.settle(1.05)  # the lock's handshakes a second
    return quantile(found_to_click, 0.5), quantile(handshakes, 0.5)


def _clicks(doors: Corridor) -> list[float]:
    """When the motor ran."""
    seen: list[float] = []
    body = doors.locks[0].lock.body
    unlock = body.unlock

    def clicked(*args: object, **more: object) -> bool:
        seen.append(time.perf_counter())
        return unlock(*args, **more)  # type: ignore[arg-type]  # passed on as it came

    body.unlock = clicked  # type: ignore[method-assign]  # the bench listens at the metal
    return seen


def _greetings(doors: Corridor) -> list[float]:
    """When the first frame of each M1 went on the air."""
    seen: list[float] = []

    def watch(crossing: Crossing) -> Fate:
        first_of_m1 = (
            crossing.down and crossing.value[:1] >= b"\x80" and crossing.value[1:2] == b"\x01"
        )
        if first_of_m1:
            seen.append(time.perf_counter())
        return Fate.ARRIVES

    doors.air.mischief = watch
    return seen


def _session(doors: Corridor) -> PhoneSession:
    return PhoneSession(
        key=doors.keys.presser,
        credential=doors.keys.credential(now_s=doors.now_s),
        lock_id=doors.first_door,
        lock_point=doors.locks[0].lock.point,
    )


def _unlock_bytes(doors: Corridor) -> int:
    """M1 to M4 of one unlock, without frames' heads."""
    phone = _session(doors)
    session = doors.locks[0].lock.core.connect(512)
    assert session is not None
    m1 = phone.m1()
    m2 = _answer(session, 1, m1)
    phone.on_m2(m2)
    m3 = phone.m3(Command.UNLOCK, b"12345678")
    m4 = _answer(session, 3, m3, after=1)
    return len(m1) + len(m2) + len(m3) + len(m4)


def _answer(session: LockSession, kind: int, message: bytes, after: int = 0) -> bytes:
    """What the lock says to a message that `after` others went before."""
    framer = Framer()
    for _ in range(after):
        framer.split(0, b"", 512)
    (frame,) = framer.split(kind, message, 512)
    (told,) = session.feed(frame).frames
    return bytes(told[4:])


def _verify_ms(core: LockCore, doors: Corridor) -> float:
    """The lock's own work on one M3: two signatures, one AEAD."""
    took: list[float] = []
    for _ in range(50):
        phone = _session(doors)
        session = core.connect(512)
        assert session is not None
        core.bucket.right()
        core.bucket._tokens = 8
        phone.on_m2(_answer(session, 1, phone.m1()))
        sealed = phone.m3(Command.UNLOCK, bytes(8))
        began = time.perf_counter()
        _answer(session, 3, sealed, after=1)
        took.append((time.perf_counter() - began) * 1_000)
    return quantile(took, 0.5)


async def _lock_side() -> tuple[float, int]:
    host = await Host.open(Air())
    with tempfile.TemporaryDirectory() as folder:
        async with corridor(Path(folder), on=host) as doors:
            return _verify_ms(doors.locks[0].lock.core, doors), _unlock_bytes(doors)


async def _all() -> list[Figure]:
    figures: list[Figure] = []
    for interval_ms in INTERVALS_MS:
        for mtu in MTUS:
            click, handshake = await _measure(interval_ms, mtu)
            figures.append(
                Figure(
                    what=f"BLE unlock, interval {interval_ms} ms, MTU {mtu}",
                    measured=f"found to click {click:.0f} ms",
                    note=f"handshake to click {handshake:.1f} ms",
                )
            )
    verify, size = await _lock_side()
    figures.append(
        Figure(
            what="NPK 1 handshake, four messages",
            measured=f"{size} bytes",
            goal=f"<= {HANDSHAKE_BYTES_MAX} bytes",
            met=size <= HANDSHAKE_BYTES_MAX,
        )
    )
    figures.append(
        Figure(
            what="NPK 1 lock side: M3 verified, judged, answered",
            measured=f"{verify:.2f} ms",
            note="two ES256 verifications on this machine; a lock's chip is not measured",
        )
    )
    return figures


def measure() -> list[Figure]:
    """The table, and what one unlock costs."""
    return asyncio.run(_all())


if __name__ == "__main__":
    print(table(measure()))
