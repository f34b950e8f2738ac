"""What a press costs: bytes of the handshake, a lock's verification, both sides' whole arithmetic.

Run alone: `PYTHONPATH=.:tests:hardware-in-loop python -m bench.bench_npk` prints the table and the JSON.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict

from appliance.kernel.cose import point_key, point_of, sign1, verify, verify1
from bench.figures import Figure, quantile, table
from drivers.npk.codes import Message
from drivers.npk.frames import VALUE_BYTES_MIN, Framer
from support.npk_bench import DOOR, LOCK_KEY, PHONE, NpkBench

BYTES_GOAL = 620
SAMPLES = 400
WARM_UP = 50
FRAMED = (VALUE_BYTES_MIN, 182, 244, 512)


def _times_us(act: Callable[[], object]) -> list[float]:
    taken = []
    for number in range(WARM_UP + SAMPLES):
        started = time.perf_counter()
        act()
        if number >= WARM_UP:
            taken.append((time.perf_counter() - started) * 1e6)
    return taken


def _shown(what: str, taken: list[float], note: str = "") -> Figure:
    p50, p99 = quantile(taken, 0.5), quantile(taken, 0.99)
    return Figure(what=what, measured=f"p50 {p50:.0f} us, p99 {p99:.0f} us", note=note)


def measure() -> list[Figure]:
    """Sizes first, then times; on this machine's processor, not a lock's."""
    bench = NpkBench()
    phone = bench.phone(bench.key(doors=((DOOR, 1), (0x8001, 1), (7, 1))))
    phone.greet()
    assert phone.command().done
    m1, m2, m3, m4 = phone.sizes
    frames = {
        value: sum(len(Framer().split(Message.M1, bytes(size), value)) for size in phone.sizes)
        for value in FRAMED
    }
    total = sum(phone.sizes)
    figures = [
        Figure(
            what="NPK handshake, three doors",
            measured=f"{total} bytes (M1 {m1}, M2 {m2}, M3 {m3}, M4 {m4})",
            goal=f"<= {BYTES_GOAL} bytes",
            met=total <= BYTES_GOAL,
            note=", ".join(f"{count} frames of {value}" for value, count in frames.items()),
        )
    ]
    core = bench.lock.core
    credential = bench.key()
    proof = sign1(b"proof", PHONE)
    phone_key = point_key(point_of(PHONE.public_key()))
    figures += [
        _shown(
            "NPK lock: a new credential verified",
            _times_us(lambda: verify(credential, core.issuers)),
        ),
        _shown(
            "NPK lock: the same credential again", _times_us(lambda: core.judge.read(credential))
        ),
        _shown("NPK lock: possession verified", _times_us(lambda: verify1(proof, phone_key))),
        _shown("NPK lock: greeting signed", _times_us(lambda: sign1(b"greeting", LOCK_KEY))),
        _shown("NPK box: a denylist of 100 signed", _times_us(lambda: bench.denylist(1, *_ctis()))),
        _session(bench),
    ]
    return figures


def _ctis() -> list[bytes]:
    return [number.to_bytes(8, "big") for number in range(100)]


def _session(bench: NpkBench) -> Figure:
    credential = bench.key()

    def press() -> None:
        bench.clock.passed_ms += 10_000
        assert bench.press(credential).done

    return _shown(
        "NPK press, both sides, no radio", _times_us(press), "bolt and log of the twin too"
    )


if __name__ == "__main__":
    measured = measure()
    print(table(measured))
    print(json.dumps([asdict(figure) for figure in measured], indent=1))
