"""The page that waits for a guest: its link as text and as a code, while the line is up."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot

from kiosk import transcript
from support.fake_box import NOW_MS, FakeBox
from support.front_desk import StillClock, front_desk, press, until

PAGE = f"https://pay.example/pay/stripe/pi_{'3N' * 12}/{'0123456789ab' * 2}"


def shown(pilot: Pilot[None]) -> str:
    return transcript.text(pilot.app, masks=(), covering=False)


def waiting(name: str, **other: Any) -> dict[str, Any]:
    intent = {"id": name, "kind": "deposit", "amountMinor": 5_000, "currency": "EUR"}
    intent |= {"state": "requires_action", "sentence": "Not paid.", "url": PAGE}
    return intent | other


async def test_the_link_of_a_payment_is_shown_as_text_and_as_a_code(
    box: FakeBox, clock: StillClock
) -> None:
    box.stays["s3"]["balance"]["intents"] = [waiting("i1")]
    async with front_desk(box, clock) as pilot:
        await press(pilot, "3", "enter")
        assert "The page waits for the guest: + shows its link." in shown(pilot)
        await press(pilot, "plus")
        await until(pilot, lambda: pilot.app.screen.is_modal)
        text = shown(pilot)
        assert "Confirm 50.00 EUR" in text
        assert "while the line is up." in text
        assert all(len(line) <= 80 for line in text.splitlines())
        assert len(text.splitlines()) <= 24
        words = pilot.app.screen.query_one("#link").content  # type: ignore[attr-defined]
        assert str(words) == PAGE
        await press(pilot, "escape")
        assert not pilot.app.screen.is_modal


async def test_which_of_two_links_is_chosen(box: FakeBox, clock: StillClock) -> None:
    card = waiting("i2", kind="card", amountMinor=0, currency="")
    box.stays["s3"]["balance"]["intents"] = [waiting("i1"), card]
    async with front_desk(box, clock) as pilot:
        await press(pilot, "3", "enter", "plus")
        await until(pilot, lambda: "Which link?" in shown(pilot))
        await press(pilot, "down", "enter")
        await until(pilot, lambda: pilot.app.screen.is_modal and "Leave a card" in shown(pilot))
        assert "It works" in shown(pilot)


@pytest.mark.parametrize("intents", [[], [waiting("i1", state="succeeded", url=None)]])
async def test_nothing_is_shown_where_nothing_waits(
    box: FakeBox, clock: StillClock, intents: list[Any]
) -> None:
    box.stays["s3"]["balance"]["intents"] = intents
    async with front_desk(box, clock) as pilot:
        await press(pilot, "3", "enter", "plus")
        await until(pilot, lambda: "No payment of this stay waits" in shown(pilot))
        assert not pilot.app.screen.is_modal


async def test_with_the_line_down_it_says_so(box: FakeBox, clock: StillClock) -> None:
    box.stays["s3"]["balance"]["intents"] = [waiting("i1")]
    box.answers["health"]["lineDownSinceMs"] = NOW_MS - 60_000
    async with front_desk(box, clock) as pilot:
        await press(pilot, "3", "enter", "plus")
        await until(pilot, lambda: "the link works again when it is back" in shown(pilot))
        assert not pilot.app.screen.is_modal
