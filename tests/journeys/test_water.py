"""Water at night with the line cut: valve, alarm and request, on real processes and a real broker."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from appliance.kernel.clock import ClockTrust, SystemClock, sleep
from twin.caller import Caller
from twin.stage import STAFF, Scenery, SoldType, Stage, staged

TWO: Final = (
    SoldType(
        id="double",
        title="Double",
        sleeps=2,
        rate_minor=12_000,
        rooms=["101", "102"],
        allotment=1,
    ),
)
ALARMS: Final = "{deviceAlarms{deviceId alarm seenBy}}"
REQUESTS: Final = "{requests{type roomNumber status}}"
OPEN_VALVE: Final = (
    "mutation($id:String!,$valve:ID!){moveValve(id:$id,deviceId:$valve,open:true){done code}}"
)
# 30 s at a hundredth: only a broken promise takes that long.
LOOKS_MAX: Final = 3_000


async def turned(stage: Stage, clock: SystemClock) -> dict[str, Any]:
    """The first turn of a valve that the twin saw."""
    for _ in range(LOOKS_MAX):
        if found := await stage.journalled("valve"):
            return found[0]
        await sleep(clock, 0.01)
    raise AssertionError("no valve has turned")


async def test_water_with_the_line_cut_closes_its_valve_and_calls_somebody(tmp_path: Path) -> None:
    clock = SystemClock(floor_path=None, trust=ClockTrust.SYSTEM)
    async with staged(Scenery(folder=tmp_path, sold=TWO, water=True), clock) as stage:
        await stage.line("cut")
        await stage.post("/leak/leak-101", {"wet": True})
        valve = await turned(stage, clock)
        assert (valve["device"], valve["open"]) == ("valve-101", False)
        async with Caller(stage.web_url) as desk:
            await desk.sign_in(STAFF[1].id, STAFF[1].pin)
            alarms = await desk.one(ALARMS)
            assert alarms == [{"deviceId": "leak-101", "alarm": "LEAK", "seenBy": None}]
            requests = await desk.one(REQUESTS)
            assert [(each["type"], each["roomNumber"]) for each in requests] == [("leak", "101")]
            refused = await desk.one(OPEN_VALVE, id="open-0123456789", valve="valve-101")
            assert refused == {"done": False, "code": "still_wet"}
        assert [entry["device"] for entry in await stage.journalled("valve")] == ["valve-101"]
