"""A hand at the door and a finger in the wiring, over HTTP on the loopback."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from appliance.bus.in_process import InProcessHub
from appliance.kernel.tasks import Nursery
from appliance.kernel.virtual_clock import VirtualClock
from support.lock_bench import NOON_MS, LockBench
from support.small_house import small_house
from twin.control import Control
from twin.journal import Journal
from twin.property import Property, hub_wire


@dataclass
class Hand:
    """Sends one request and gives status and JSON (or text)."""

    client: TestClient[Any, Any]
    twin: Property
    journal: Journal

    async def post(self, path: str, **body: Any) -> tuple[int, Any]:
        async with self.client.post(path, json=body) as response:
            found = await (response.json() if response.status == 200 else response.text())
            return response.status, found

    async def get(self, path: str) -> Any:
        async with self.client.get(path) as response:
            return await response.json()

    async def hold(self, **claims: Any) -> tuple[int, Any]:
        key = LockBench().key(**claims)
        return await self.post("/lock/lock-204/credential", cwt=b64encode(key).decode())


@pytest.fixture
async def hand() -> AsyncGenerator[Hand, None]:
    clock = VirtualClock(NOON_MS)
    nursery = Nursery(lambda name, error: None)
    hub = InProcessHub(clock=clock, nursery=nursery)
    journal = Journal(clock=clock)
    twin = Property(
        small_house(), wire=hub_wire(hub), clock=clock, nursery=nursery, journal=journal
    )
    await twin.start()
    control = Control(twin, clock=clock, nursery=nursery, journal=journal)
    async with TestClient(TestServer(control.app())) as client:
        yield Hand(client=client, twin=twin, journal=journal)
    await twin.close()
    await nursery.close()


async def test_a_guest_opens_and_the_previous_guest_is_told_why_not(hand: Hand) -> None:
    assert await hand.hold(gen=2) == (200, {"outcome": "done", "refusal": None, "repeated": False})
    _, answer = await hand.hold(gen=1)
    assert (answer["outcome"], answer["refusal"]) == ("refused", "superseded")
    look = await hand.get("/lock/lock-204")
    assert look["state"]["bolt"] == "unlocked"
    assert [e["to"] for e in await hand.get("/journal?kind=bolt")] == ["unlocked"]


async def test_a_pin_is_tried_and_written_down_nowhere(hand: Hand) -> None:
    _, answer = await hand.post("/lock/lock-204/pin", digits="73519264")
    assert answer["refusal"] == "wrong_pin"
    assert "73519264" not in str(await hand.get("/journal"))


async def test_a_lock_without_power_is_dead_until_it_is_plugged_in(hand: Hand) -> None:
    await hand.post("/device/lock-204/unplug")
    assert (await hand.hold())[1]["outcome"] == "dead"
    await hand.post("/device/lock-204/plug")
    assert (await hand.hold())[1]["outcome"] == "done"


async def test_the_cells_the_clock_the_bolt_and_the_knob_can_go_wrong(hand: Hand) -> None:
    for path, body, expected in [
        ("privacy", {"on": True}, "privacy"),
        ("jam", {"stuck": True}, "jammed"),
        ("clock-lost", {}, "no_time"),
    ]:
        assert (await hand.post(f"/lock/lock-204/{path}", **body))[0] == 200
        assert (await hand.hold())[1]["refusal"] == expected
        await hand.post("/lock/lock-204/privacy", on=False)
        await hand.post("/lock/lock-204/jam", stuck=False)
    await hand.post("/lock/lock-204/battery", pct=0)
    assert (await hand.hold())[1]["outcome"] == "dead"


async def test_faults_are_scripted_thrown_and_cleared(hand: Hand) -> None:
    plan = hand.twin.devices["lock-204"].faults
    await hand.post("/lock/lock-204/fault", faults=["drop_answer"], count=2, delay_s=0.5)
    assert [sorted(plan.next().faults) for _ in range(3)] == [["drop_answer"]] * 2 + [[]]
    await hand.post("/lock/lock-204/fault", chances={"jam": 1.0})
    assert plan.next().faults == {"jam"}
    await hand.post("/lock/lock-204/fault", clear=True)
    assert plan.next().faults == frozenset()


async def test_water_and_a_turned_knob_reach_the_devices(hand: Hand) -> None:
    assert await hand.post("/leak/bath-204", wet=True) == (200, {"wet": True})
    _, state = await hand.post("/thermostat/room-204", set_point_c10=230)
    assert state["set_point_c10"] == 230
    await hand.post("/lock/lock-204/door", ajar=True)
    assert (await hand.get("/lock/lock-204"))["state"]["ajar"] is True
    assert {d["connected"] for d in await hand.get("/devices")} == {True}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/lock/nowhere/pin", {"digits": "1"}, 404),
        ("/lock/bath-204/pin", {"digits": "1"}, 404),
        ("/leak/lock-204", {"wet": True}, 404),
        ("/thermostat/lock-204", {"set_point_c10": 200}, 404),
        ("/lock/lock-204/pin", {"digits": 1234}, 400),
        ("/lock/lock-204/pin", {}, 400),
        ("/lock/lock-204/credential", {"cwt": "*"}, 400),
        ("/lock/lock-204/credential", {"cwt": "A" * 70_000}, 413),
        ("/lock/lock-204/fault", {"faults": ["explode"]}, 400),
        ("/lock/lock-204/fault", {"faults": 5}, 400),
        ("/lock/lock-204/fault", {"chances": {"jam": 2}}, 400),
        ("/lock/lock-204/fault", {"chances": [1]}, 400),
        ("/lock/lock-204/fault", {"faults": ["jam"], "count": 0}, 400),
        ("/lock/lock-204/fault", {"faults": ["jam"], "delay_s": -1}, 400),
        ("/lock/lock-204/battery", {"pct": 101}, 400),
        ("/lock/lock-204/battery", {"pct": True}, 400),
    ],
)
async def test_a_wrong_request_gets_a_sentence_and_changes_nothing(
    hand: Hand, path: str, body: dict[str, Any], status: int
) -> None:
    found, sentence = await hand.post(path, **body)
    assert found == status
    assert sentence
    assert hand.journal.read() == []


async def test_a_web_pages_form_is_not_taken(hand: Hand) -> None:
    async with hand.client.post("/lock/lock-204/pin", data={"digits": "1"}) as response:
        assert response.status == 415
    async with hand.client.post(
        "/lock/lock-204/pin", data=b"[1]", headers={"Content-Type": "application/json"}
    ) as response:
        assert response.status == 400
