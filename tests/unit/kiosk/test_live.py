"""News from the box while somebody is signed in."""

from __future__ import annotations

from kiosk import transcript
from kiosk.app import Kiosk
from kiosk.client import Client
from kiosk.journal import Journal
from support.fake_box import FakeBox
from support.front_desk import PATIENCE, StillClock, settled, sign_in, until


async def test_a_change_elsewhere_is_on_the_screen_without_a_key(
    box: FakeBox, clock: StillClock
) -> None:
    client = Client(box.url, "desk-1", clock=clock, journal=Journal(None), patience=PATIENCE)
    app = Kiosk(client, clock=clock, poll_s=3600)
    async with app.run_test(size=(80, 24)) as pilot:
        await sign_in(pilot)
        await until(pilot, lambda: bool(box.sockets))
        box.answers["arrivals"] = []
        box.tell("stay")
        await until(pilot, lambda: "Nobody is expected any more." in transcript.text(app))


async def test_without_news_the_poll_shows_what_changed(box: FakeBox, clock: StillClock) -> None:
    client = Client(box.url, "desk-1", clock=clock, journal=Journal(None), patience=PATIENCE)
    app = Kiosk(client, clock=clock, live=False, poll_s=3600)
    async with app.run_test(size=(80, 24)) as pilot:
        await sign_in(pilot)
        box.answers["arrivals"] = []
        app.poll()
        await settled(pilot)
        await until(pilot, lambda: "Nobody is expected any more." in transcript.text(app))
