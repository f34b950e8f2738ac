"""What payments does afterwards, through the kernel's own followers: look, tell, charge."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from appliance.engines.payments.messages import (
    IntentState,
    NoteIntent,
    SaveCardReference,
    TakeDeposit,
)
from appliance.engines.payments.rent_messages import AgreeRent
from appliance.engines.payments.renting import LEASES_MAX
from appliance.engines.payments.room import ENGINE
from appliance.engines.stays.messages import CancelStay, RunNightAudit
from appliance.kernel.deciding import Asking
from appliance.kernel.messages import Command, Done, Who
from support.desk import CLERK, MANAGER, SYNC
from support.hotel import ENGINES, FRIDAY, Hotel, day
from support.kernel_house import House, open_house


async def _asked(house: House, command: Command, who: Who = CLERK) -> dict[str, Any]:
    house.number += 1
    answer = await house.asker.ask(Asking(command=command, command_id=f"r{house.number}", who=who))
    assert isinstance(answer, Done), answer
    return answer.result


async def _at_rest(house: House) -> None:
    """Until every follower is where the log is, also with what the followers asked themselves."""
    before = -1
    while before != house.asker.head():
        before = house.asker.head()
        await house.followers.caught_up()


async def test_the_night_audit_charges_every_rent_and_tells_what_is_left_over(
    tmp_path: Path,
) -> None:
    hotel = Hotel(tmp_path, more=[ENGINE])
    stay_id = hotel.learned(arrival=day(1))
    hotel.done(SaveCardReference(stay_id=stay_id, customer_ref="cus_1", method_ref="pm_1"))
    hotel.close()
    async with open_house(tmp_path, [*ENGINES, ENGINE]) as house:
        count = LEASES_MAX + 3
        for number in range(count):
            rent = AgreeRent(
                lease_id=f"flat-{number:03}",
                monthly_minor=90_000,
                currency="EUR",
                starts=date(2026, 10, 1),
                due_day=28,
                reference=f"FLAT{number:04}",
            )
            await _asked(house, rent, MANAGER)
        deposit = TakeDeposit(stay_id=stay_id, amount_minor=5_000, currency="EUR")
        intent_id = (await _asked(house, deposit))["intent_id"]
        said = NoteIntent(intent_id=intent_id, state=IntentState.DECLINED)
        await _asked(house, said, SYNC)
        await _asked(house, RunNightAudit(closing=FRIDAY, no_shows=()))
        await _at_rest(house)
        rows = await house.reader.rows(
            "SELECT kind, count(*) FROM event WHERE kind LIKE 'payments.%' GROUP BY kind"
        )
        counts = dict(rows)
        assert counts["payments.rent_charged.v1"] == count
        assert counts["payments.rents_charged.v1"] == 2
        # The declined card and the night audit both looked: it was told once.
        assert counts["payments.recovery_due.v1"] == 1


async def test_money_that_comes_for_a_stay_that_is_off_is_told_at_once(tmp_path: Path) -> None:
    hotel = Hotel(tmp_path, more=[ENGINE])
    stay_id = hotel.learned(arrival=day(1))
    hotel.done(SaveCardReference(stay_id=stay_id, customer_ref="cus_1", method_ref="pm_1"))
    hotel.close()
    async with open_house(tmp_path, [*ENGINES, ENGINE]) as house:
        deposit = TakeDeposit(stay_id=stay_id, amount_minor=5_000, currency="EUR")
        intent_id = (await _asked(house, deposit))["intent_id"]
        await _asked(house, CancelStay(stay_id=stay_id, reason="ill"))
        await _at_rest(house)
        said = NoteIntent(intent_id=intent_id, state=IntentState.SUCCEEDED, provider_ref="pi_1")
        await _asked(house, said, SYNC)
        await _at_rest(house)
        [told] = await house.reader.rows("SELECT item_id FROM payments_told")
        assert told == (f"off:{stay_id}",)
