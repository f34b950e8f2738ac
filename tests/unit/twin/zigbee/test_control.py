"""Hands at the devices and fingers in the wiring of a stick, over HTTP on the loopback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from twin.zigbee.control import Control, Pairing
from twin.zigbee.devices import Lock
from twin.zigbee.site import Site, site

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path


@dataclass
class Hand:
    """Sends one request and gives status and JSON (or text)."""

    client: TestClient[Any, Any]
    here: Site

    async def post(self, path: str, **body: Any) -> tuple[int, Any]:
        async with self.client.post(path, json=body) as response:
            found = await (response.json() if response.status == 200 else response.text())
            return response.status, found

    async def get(self, path: str) -> Any:
        async with self.client.get(path) as response:
            return await response.json()


@pytest.fixture
async def hand(tmp_path: Path) -> AsyncGenerator[Hand, None]:
    async with site(tmp_path, latency_s=0, scale=0) as here:
        here.stick.start()
        async with TestClient(TestServer(Control(here, Pairing(here)).app())) as client:
            yield Hand(client, here)


async def joined(hand: Hand, kind: str) -> str:
    hand.here.stick.permit_until_s = float("inf")
    status, said = await hand.post("/join", name=f"{kind}-1", kind=kind)
    assert (status, said) == (200, {"joined": True})
    return f"{kind}-1"


async def test_a_device_is_let_in_only_while_the_stick_permits(hand: Hand) -> None:
    assert await hand.post("/join", name="leak-1", kind="leak") == (200, {"joined": False})
    await joined(hand, "leak")
    found = await hand.get("/device/leak-1")
    assert (found["joined"], found["enrolled"]) == (True, False)


async def test_a_lock_is_opened_by_hand_and_the_journal_says_so(hand: Hand) -> None:
    lock = await joined(hand, "lock")
    assert await hand.post(f"/lock/{lock}/thumb", locked=False) == (200, {"moved": True})
    (entry,) = await hand.get("/journal?kind=bolt")
    assert (entry["device"], entry["to"], entry["via"]) == (lock, "unlocked", "hand")


async def test_wrong_digits_open_nothing_and_are_written_nowhere(hand: Hand) -> None:
    lock = await joined(hand, "lock")
    assert await hand.post(f"/lock/{lock}/pin", digits="471100") == (200, {"opened": False})
    assert "471100" not in str(await hand.get("/journal"))
    assert "471100" not in str(await hand.get(f"/device/{lock}"))


async def test_habits_stay_until_they_are_changed(hand: Hand) -> None:
    lock = await joined(hand, "lock")
    await hand.post(f"/lock/{lock}/habits", lies=True, motor_s=2.5)
    await hand.post(f"/lock/{lock}/habits", jammed=True)
    node = hand.here.devices[lock]
    assert isinstance(node, Lock)
    habits = node.lock
    assert (habits.lies, habits.motor_s, habits.jammed) == (True, 2.5, True)


@pytest.mark.parametrize(
    ("path", "body", "status", "sentence"),
    [
        ("/join", {"name": "x", "kind": "toaster"}, 400, "kind is one of"),
        ("/join", {"name": "../x", "kind": "lock"}, 400, "matching regex"),
        ("/lock/lock-1/pin", {"digits": "47a1"}, 400, "matching regex"),
        ("/lock/lock-9/pin", {"digits": "4711"}, 404, "no device lock-9"),
        ("/zone/lock-1", {"on": True}, 404, "no alarmzone lock-1"),
        ("/fault", {"way": "sideways", "act": "drop"}, 400, "Invalid enum value"),
        ("/stick/noise", {"chance": 2}, 400, "<= 1"),
        ("/climate/lock-1", {"measured_c100": 2000}, 404, "no thermostat or sensor"),
    ],
)
async def test_a_wrong_request_gets_a_sentence_and_changes_nothing(
    hand: Hand, path: str, body: dict[str, Any], status: int, sentence: str
) -> None:
    await joined(hand, "lock")
    before = await hand.get("/devices")
    found, said = await hand.post(path, **body)
    assert found == status
    assert sentence in said
    assert await hand.get("/devices") == before


async def test_a_form_of_a_web_page_is_turned_away(hand: Hand) -> None:
    async with hand.client.post("/heal", data={"a": "b"}) as response:
        assert response.status == 415


async def test_a_device_that_has_not_joined_has_no_hands(hand: Hand) -> None:
    await hand.post("/join", name="lock-1", kind="lock")
    status, said = await hand.post("/lock/lock-1/pin", digits="4711")
    assert (status, "has not joined" in said) == (409, True)


async def test_a_stick_is_pulled_and_another_one_put_in(hand: Hand) -> None:
    first = (await hand.get("/stick"))["ieee"]
    assert await hand.post("/stick/unplug") == (200, {"plugged": False})
    status, said = await hand.post("/stick/plug", fresh=True)
    assert (status, said["plugged"]) == (200, True)
    assert (await hand.get("/stick"))["ieee"] != first


async def test_everything_that_was_spoilt_is_healed_at_once(hand: Hand) -> None:
    lock = await joined(hand, "lock")
    await hand.post("/stick/hang", on=True)
    await hand.post("/stick/stall", on=True)
    await hand.post("/fault", way="up", act="drop", device=lock, times=9)
    await hand.post("/heal")
    assert (await hand.get("/stick"))["up"]
    assert not hand.here.air.faults


async def test_every_kind_of_hand_reaches_its_device(hand: Hand) -> None:
    trv, sensor, plug = [await joined(hand, k) for k in ("thermostat", "sensor", "plug")]
    leak = await joined(hand, "leak")
    assert (await hand.post(f"/climate/{trv}", measured_c100=1500))[1]["heating"]
    assert (await hand.post(f"/climate/{sensor}", humidity_pct100=7000))[0] == 200
    assert await hand.post(f"/relay/{plug}", on=True, watts=60, watt_hours=5) == (200, {"on": True})
    assert await hand.post(f"/zone/{leak}", on=True) == (200, {"enrolled": False})
    assert (await hand.post(f"/device/{leak}/battery", pct=9))[0] == 200
    assert (await hand.post(f"/device/{leak}/poll", seconds=5))[0] == 200
    assert (await hand.post(f"/device/{leak}/sleep", on=True))[1] == {"asleep": True}
    assert (await hand.post(f"/device/{leak}/away", on=True))[1] == {"away": True}
    assert (await hand.post(f"/device/{leak}/leave"))[1] == {"joined": False}
    senses = await hand.get("/journal?kind=sensed")
    assert [entry["device"] for entry in senses] == [leak]
