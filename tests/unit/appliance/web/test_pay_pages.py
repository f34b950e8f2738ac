"""A payment that waits for its guest, on that guest's own page: a plain link while the line is up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from appliance.engines.payments.messages import (
    IntentState,
    NoteIntent,
    SaveCardReference,
    TakeDeposit,
)
from appliance.kernel.messages import Role, Who
from appliance.web.context import Ports, SyncStanding
from support.whole_house import WholeHouse, copied, open_whole_house

PAGE = "https://pay.example/pay/stripe/pi_1/0123456789abcdef01234567"
SYNC = Who(actor="sync", role=Role.SERVICE)


async def waiting(house: WholeHouse) -> NoteIntent:
    """A deposit of Jonas Weber's whose bank wants to see him."""
    stay_id = await house.checked_in()
    card = SaveCardReference(stay_id=stay_id, customer_ref="cus_1", method_ref="pm_1")
    await house.done(card)
    take = TakeDeposit(stay_id=stay_id, amount_minor=5_000, currency="EUR")
    intent_id = str((await house.done(take))["intent_id"])
    note = NoteIntent(intent_id=intent_id, state=IntentState.REQUIRES_ACTION, url=PAGE)
    await house.done(note, SYNC)
    return note


async def test_the_guest_of_the_stay_has_a_link_until_the_end_is_known(house: WholeHouse) -> None:
    note = await waiting(house)
    async with house.browser() as browser:
        await browser.get("/stay")
        assert PAGE not in browser.text
        await browser.sign_in()
        assert f'href="{PAGE}"' in browser.text
        assert "with your bank" in browser.text
        await house.done(replace(note, state=IntentState.SUCCEEDED, url=None), SYNC)
        await browser.get("/stay")
        assert PAGE not in browser.text
        assert "with your bank" not in browser.text


@pytest.fixture
def cut() -> SyncStanding:
    return SyncStanding(line_down_since_ms=1)


async def test_with_the_line_down_the_page_says_so_and_links_nowhere(
    property_folder: Path, tmp_path: Path, cut: SyncStanding
) -> None:
    def change(ports: Ports) -> Ports:
        return replace(ports, standing=lambda: cut)

    folder = copied(property_folder, tmp_path)
    async with open_whole_house(folder, tmp_path, change=change) as house, house.browser() as guest:
        await waiting(house)
        await guest.sign_in()
        assert PAGE not in guest.text
        assert "no internet just now" in guest.text
