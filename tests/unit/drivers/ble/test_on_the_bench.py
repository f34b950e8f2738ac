"""Tier of the bench: the same promises over a real dongle, on this machine's BlueZ."""

from __future__ import annotations

import asyncio
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from appliance.bus.words import DeviceKind, Order, Verb
from appliance.kernel.clock import Clock, SystemClock, sleep
from appliance.kernel.tasks import Nursery
from drivers.ble.radio import BleRadio, build
from drivers.npk.codes import command_id
from drivers.port import Told
from drivers.radios import Setting, Thing
from support.ble_doors import CURVE, Keys
from support.ble_promises import PROMISES, Can, LaterInLife, Named
from support.driver_house import HeardHouse
from twin.journal import Journal

# A real lock's sessions: eight at once, then one a second.
BETWEEN_S = 2.0


@dataclass
class Bench:
    """Fills `support.ble_promises.Doors` with what stands on the table."""

    radio: BleRadio
    clock: Clock
    keys: Keys
    doors: tuple[int, ...]
    journal: Journal | None
    number: list[int] = field(default_factory=lambda: [0])

    @property
    def can(self) -> frozenset[Can]:
        return frozenset() if self.journal is None else frozenset({Can.COUNT})

    @property
    def first_door(self) -> int:
        return self.doors[0]

    @property
    def now_s(self) -> int:
        return self.clock.read().wall_s

    def credential(self, *doors: int, stranger: bool = False, **claims: Any) -> bytes:
        holder = ec.generate_private_key(CURVE) if stranger else None
        return self.keys.credential(*(doors or self.doors[:1]), holder=holder, **claims)

    def order(self, verb: Verb = Verb.UNLOCK, **fields: Any) -> Order:
        self.number[0] += 1
        # Locks remember orders for weeks, so their ids are this very run's.
        fields.setdefault("id", f"bench-{self.now_s}-{self.number[0]}")
        if verb is Verb.UNLOCK:
            fields.setdefault("credential", self.credential(now_s=self.now_s))
        return Order(verb=verb, expires_at_ms=(self.now_s + 8) * 1000, reply_topic="t", **fields)

    async def press(self, order: Order | None = None, door: int = 0, seconds: float = 8) -> Told:
        return await self.radio.devices[f"lock-{self.doors[door]}"].carry_out(
            order or self.order(), deadline_s=self.clock.monotonic() + seconds
        )

    def moves(self, order_id: str | None = None) -> int:
        assert self.journal is not None
        wanted = None if order_id is None else command_id(order_id).hex()
        return sum(
            wanted is None or entry.get("command") == wanted
            for kind in ("bolt", "held")
            for entry in self.journal.read(kind)
            if entry.get("to", "unlocked") == "unlocked"
        )

    async def lose_answer_once(self, door: int = 0) -> None:
        raise NotImplementedError


def key_in(path: Path) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def sheet_in(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(path.read_text())["ble"]
    return found


@pytest.mark.hardware
@pytest.mark.parametrize("named", PROMISES, ids=lambda named: named.name)
async def test_promise_over_the_air(
    named: Named, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if (given := request.config.getoption("--bench")) is None:
        pytest.skip("say what stands on the bench: --bench hardware-in-loop/radio/bench.toml")
    path = Path(given)
    sheet = sheet_in(path)
    clock, nursery = SystemClock(floor_path=None), Nursery(lambda _name, _error: None)
    keys = Keys(
        issuer=key_in(path.parent / sheet["issuer_key"]),
        presser=key_in(path.parent / sheet["presser_key"]),
    )
    things = tuple(
        Thing(
            name=f"lock-{lock['door_number']}",
            kind=DeviceKind.LOCK,
            protocol="npk",
            address=lock["address"],
            door_number=lock["door_number"],
            options={"lock_point": lock["lock_point"]},
        )
        for lock in sheet["lock"]
    )
    radio = build(
        Setting(
            id="bench",
            kind="ble",
            bridge="driver-bench",
            things=things,
            clock=clock,
            nursery=nursery,
            folder=tmp_path,
            property_id=sheet["property_id"],
            issuer_points=keys.points,
            presser=keys.presser,
            options={"adapter": sheet.get("adapter", "hci0")},
        )
    )
    journal = Journal(path.parent / sheet["journal"]) if "journal" in sheet else None
    bench = Bench(radio, clock, keys, tuple(lock["door_number"] for lock in sheet["lock"]), journal)
    if not named.needs <= bench.can:
        pytest.skip("no bench can do this to a real lock")
    running = asyncio.ensure_future(radio.run(HeardHouse()))
    try:
        await sleep(clock, BETWEEN_S)
        # Generations only rise, from run to run and from promise to promise.
        await named.body(LaterInLife(bench, clock.read().wall_s // 10))
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await nursery.close()
