"""Two hundred desks want twenty rooms at once, through the real API: twenty get one."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path

from appliance.first_run import make_property
from appliance.kernel.clock import SystemClock
from appliance.kernel.settings_files import load_settings
from appliance.property_file import parse
from support.whole_house import PROPERTY, SETTINGS, open_whole_house, terminal

ROOMS, ASKERS = 20, 200
TWENTY_ROOMS = PROPERTY.replace('"101-104"', f'"101-{100 + ROOMS}"').replace(
    "offline_allotment = 1", f"offline_allotment = {ROOMS}"
)
SELL = """mutation ($id: String!, $from: Date!, $to: Date!) {
  sellWalkIn(id: $id, roomTypeId: "double", arrival: $from, departure: $to, adults: 1,
    guests: [{given: "Ana", family: "Lima"}]) { done engine code result } }"""


async def test_200_askers_for_20_rooms_are_20_sales_180_refusals_and_no_exception(
    tmp_path: Path,
) -> None:
    file = tmp_path / "nightporter.toml"
    file.write_text(SETTINGS.format(folder=tmp_path))
    (tmp_path / "run").mkdir()
    settings = load_settings({}, files=[file], etc=tmp_path / "etc").settings
    make_property(parse(TWENTY_ROOMS), settings, SystemClock(floor_path=None))
    async with (
        open_whole_house(settings, tmp_path, plugged_in=False) as house,
        terminal(house) as clerk,
        terminal(house, "max") as manager,
    ):
        today = await house.today()
        days = {"from": today.isoformat(), "to": (today + timedelta(days=2)).isoformat()}
        sold = await asyncio.gather(
            *(
                (clerk if number % 2 else manager).data(SELL, id=f"sell-{number:04}", **days)
                for number in range(ASKERS)
            )
        )
        answers = [each["sellWalkIn"] for each in sold]
        done = [each for each in answers if each["done"]]
        assert len(done) == ROOMS
        assert len({each["result"]["room_id"] for each in done}) == ROOMS
        said = Counter((each["engine"], each["code"]) for each in answers if not each["done"])
        assert said.total() == ASKERS - ROOMS
        assert set(said) <= {("calendar", "sold_out"), ("calendar", "allotment_spent")}, said
        assert house.box.asker.deciding.faults == {}
        assert await house.facts("stays.booked.v1") == ROOMS
        nights = await house.box.reader.rows("SELECT resource, night FROM calendar_claim")
        assert len(nights) == len(set(nights)) == ROOMS * 2
