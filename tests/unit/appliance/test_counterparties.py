"""What sync says of the world outside is shown with its age; silence is shown too."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.counterparties import Counterparties
from appliance.kernel.health import Health, Vital, VitalState
from appliance.kernel.virtual_clock import VirtualClock
from appliance.vitals import status
from support.desk import FRIDAY_18_MS


class House:
    def __init__(self) -> None:
        self.clock = VirtualClock(FRIDAY_18_MS)
        self.health = Health()
        self.known = Counterparties(self.clock, self.health)

    def vital(self, name: str) -> Vital:
        return next(one for one in self.health.snapshot(self.clock) if one.name == name)

    async def hear(self, **more: Any) -> dict[str, Any]:
        pms = {
            "name": "mews",
            "last_confirmed_ms": self.clock.read().wall_ms,
            "queued": 0,
            "oldest_ms": None,
            "state": "ok",
            "sentence": "answers",
        }
        return await self.known.take({"counterparties": [pms | more]})


@pytest.fixture
def house() -> House:
    return House()


async def test_a_report_becomes_a_vital_with_age_depth_and_the_oldest_item(house: House) -> None:
    assert await house.hear(queued=3, oldest_ms=FRIDAY_18_MS - 5_000) == {"ok": True}
    vital = house.vital("mews")
    assert vital.state is VitalState.OK
    assert vital.sentence == "mews: ok, last confirmed 0 ms ago, 3 waiting, the oldest for 5 s"


async def test_silence_of_the_line_grows_late_then_down(house: House) -> None:
    await house.hear()
    await house.clock.advance(61)
    assert house.vital("mews").state is VitalState.LATE
    await house.clock.advance(300)
    assert house.vital("mews").state is VitalState.DOWN
    assert "6 min ago" in house.vital("mews").sentence


async def test_what_sync_knows_to_be_down_is_down_before_its_age_shows_it(house: House) -> None:
    await house.hear(state="open", sentence="five errors in a row")
    vital = house.vital("mews")
    assert vital.state is VitalState.DOWN
    assert "five errors in a row" in vital.sentence
    assert "last confirmed 0 ms ago" in vital.sentence


async def test_what_never_answered_is_said_to_have_never(house: House) -> None:
    await house.hear(state="down", last_confirmed_ms=None, sentence="no route")
    assert "never" in house.vital("mews").sentence


async def test_sync_that_is_expected_and_silent_is_shown_as_down(house: House) -> None:
    house.known.expect()
    assert house.vital("sync").state is VitalState.DOWN
    await house.hear()
    assert house.vital("sync").state is VitalState.OK
    await house.clock.advance(16)
    assert house.vital("sync").state is VitalState.LATE
    await house.clock.advance(60)
    assert house.vital("sync").state is VitalState.DOWN


async def test_a_box_without_clouds_expects_nobody(house: House) -> None:
    assert house.health.snapshot(house.clock) == []
    assert house.known.line_down_since_ms() is None


async def test_a_counterparty_that_sync_stops_naming_is_not_taken_for_well(house: House) -> None:
    await house.hear()
    await house.known.take({"counterparties": []})
    assert house.vital("mews").state is VitalState.DOWN


@pytest.mark.parametrize(
    "fields",
    [None, [], "all is well", {"counterparties": [{"name": "mews"}]}, {"unknown_payments": "two"}],
)
async def test_a_malformed_report_is_answered_and_changes_nothing(
    house: House, fields: Any
) -> None:
    await house.hear(queued=2)
    answer = await house.known.take(fields)
    assert answer["ok"] is False
    assert answer["error"]
    assert house.vital("mews").queue_depth == 2


async def test_the_line_is_down_since_the_last_answer_of_anybody(house: House) -> None:
    await house.hear()
    assert house.known.line_down_since_ms() is None
    await house.hear(state="down", last_confirmed_ms=FRIDAY_18_MS - 9_000)
    assert house.known.line_down_since_ms() == FRIDAY_18_MS - 9_000
    await house.hear(state="down", last_confirmed_ms=None)
    assert house.known.line_down_since_ms() == FRIDAY_18_MS


async def test_the_status_has_a_sentence_for_each_and_is_the_same_as_data(house: House) -> None:
    await house.hear(queued=1, oldest_ms=FRIDAY_18_MS)
    await house.clock.advance(2)
    told = status(house.health, house.clock)
    assert told["lines"] == [
        "mews: ok, last confirmed 2 s ago, 1 waiting, the oldest for 2 s",
        "clock: sure to 0 ms",
    ]
    [mews] = told["vitals"]
    assert (mews["age_ms"], mews["queued"], mews["oldest_ms"]) == (2_000, 1, 2_000)


async def test_an_unsure_clock_is_said_with_what_follows(house: House) -> None:
    house.clock.uncertainty_ms = 3_600_000
    told = status(house.health, house.clock)
    assert told["lines"] == ["clock: UNSURE by 60 min: keys are signed for 4 h at most"]
    assert told["clock"] == {"sure": False, "uncertainty_ms": 3_600_000}


async def test_what_was_never_asked_is_not_accused_of_being_down(house: House) -> None:
    await house.hear(name="stripe", last_confirmed_ms=None, unanswered=False)
    vital = house.vital("stripe")
    assert vital.state is VitalState.UNKNOWN
    assert vital.sentence == "stripe: unknown, not asked yet, nothing waiting"
    await house.clock.advance(7_200)
    await house.hear(name="stripe", last_confirmed_ms=FRIDAY_18_MS, unanswered=False)
    assert house.vital("stripe").sentence == (
        "stripe: unknown, last confirmed 2 h ago and not asked since, nothing waiting"
    )
    # A charge that waits, or a question without an answer, is another matter.
    await house.hear(name="stripe", last_confirmed_ms=None, queued=1, unanswered=False)
    assert house.vital("stripe").state is VitalState.DOWN
    await house.hear(name="stripe", last_confirmed_ms=None, unanswered=True)
    assert house.vital("stripe").state is VitalState.DOWN
