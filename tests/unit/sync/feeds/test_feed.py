"""Promises of one feed's manners: redirects, refusals, and what people read and say of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.engines.inventory.messages import PropertySetUp, RoomAdded, RoomTypeAdded
from appliance.kernel.settings_files import load_settings
from appliance.kernel.tasks import Nursery
from appliance.kernel.virtual_clock import VirtualClock
from support.box_in_memory import BoxInMemory
from sync.feeds.feed import REDIRECTS_MAX, FeedAccount, Looked
from sync.running import Running
from sync.settings import SyncSettings, SyncUnsetError, from_box
from sync.transport import Answer, NoAnswer, Request

FRIDAY_18_MS = 1_793_383_200_000  # 2026-10-30 18:00 UTC
SECRET = "https://channel.example/ical/5ecret.ics"
ACCOUNT = FeedAccount(name="sea", url=SECRET, channel="airbnb", room_type="Double", room="101")
FILE = b"\r\n".join(
    [
        b"BEGIN:VCALENDAR",
        b"BEGIN:VEVENT",
        b"UID:a",
        b"DTSTART;VALUE=DATE:20261103",
        b"DTEND;VALUE=DATE:20261105",
        b"SUMMARY:Reserved",
        b"END:VEVENT",
        b"END:VCALENDAR",
    ]
)


class Channel:
    """Answers by a list; keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: list[Answer | NoAnswer] = []
        self.asked: list[Request] = []

    async def send(self, request: Request) -> Answer | NoAnswer:
        self.asked.append(request)
        return self.answers.pop(0) if self.answers else Answer(status=200, body=FILE)


class Bench:
    """One sync with one feed; single turns, no tasks."""

    def __init__(self, folder: Path) -> None:
        self.clock = VirtualClock(FRIDAY_18_MS)
        self.box = BoxInMemory(self.clock)
        self.box.say(
            PropertySetUp(
                account_id="acc",
                property_id="prop",
                title="Hotel",
                time_zone="Pacific/Auckland",
                currency="NZD",
                check_in_from="15:00",
                check_out_until="11:00",
            ),
            RoomTypeAdded(
                room_type_id="double",
                title="Double",
                sleeps=2,
                rate_minor=1,
                currency="NZD",
                offline_allotment=1,
            ),
            RoomAdded(
                room_id="r101", building_id="main", room_type_id="double", number="101", floor=1
            ),
        )
        self.channel = Channel()
        self.running = Running(
            SyncSettings(ledger_path=folder / "sync.db", feeds=(ACCOUNT,)),
            clock=self.clock,
            home=self.box,
            transport=self.channel,
            nursery=Nursery(lambda _name, _error: None),
        )

    async def look(self) -> Looked:
        await self.running.follower.turn()
        looked = await self.running.feeds.look("sea")
        while await self.running.deliverer.turn():
            pass
        return looked


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    found = Bench(tmp_path)
    yield found
    found.running.close()


def there(location: str, status: int = 302) -> Answer:
    return Answer(status=status, headers={"location": location})


async def test_a_redirect_is_followed_and_the_day_is_the_propertys(bench: Bench) -> None:
    bench.channel.answers = [there("/other.ics"), there("https://files.example/a.ics")]
    assert await bench.look() is Looked.READ
    assert [each.url for each in bench.channel.asked] == [
        SECRET,
        "https://channel.example/other.ics",
        "https://files.example/a.ics",
    ]
    [booking] = bench.box.of("stays.learn_booking")
    assert (booking["arrival"], booking["departure"]) == ("2026-11-03", "2026-11-05")
    assert (booking["guests"], booking["source"], booking["room_id"]) == ([], "ical:sea", "r101")


@pytest.mark.parametrize(
    "answers",
    [
        [there("http://channel.example/5ecret.ics")],
        [there("/round.ics")] * (REDIRECTS_MAX + 1),
        [Answer(status=404)],
        [Answer(status=302)] * (REDIRECTS_MAX + 1),
        [there("https://[5ecret")],
    ],
)
async def test_a_way_that_leads_nowhere_changes_nothing(
    bench: Bench, answers: list[Answer], caplog: pytest.LogCaptureFixture
) -> None:
    bench.channel.answers = [*answers]
    assert await bench.look() is Looked.UNUSABLE
    assert all(each.url.startswith("https://") for each in bench.channel.asked)
    assert bench.box.asked == []
    [sentence] = [each["sentence"] for each in bench.running.report()["parked"]]
    assert "the calendar of sea changes nothing" in sentence
    assert "5ecret" not in sentence + caplog.text + repr(ACCOUNT)


async def test_what_the_box_refuses_is_parked_and_told_again_when_asked(bench: Bench) -> None:
    bench.box.refusing["stays.learn_booking"] = "unknown_room_type"
    await bench.look()
    [parked] = bench.running.report()["parked"]
    assert (parked["id"], "does not take" in parked["sentence"]) == ("ical:sea:a", True)
    bench.box.refusing.clear()
    bench.running.retry("ical:sea:a")
    await bench.look()
    assert len(bench.box.of("stays.learn_booking")) == 1
    assert bench.running.report()["parked"] == []


async def test_a_restored_log_hears_everything_again(bench: Bench) -> None:
    await bench.look()
    bench.box.ids.clear()
    bench.running.follower.start_over("restored")
    await bench.look()
    first, second = bench.box.of("stays.learn_booking")
    assert first == second


async def test_a_restart_asks_only_for_what_is_new(bench: Bench, tmp_path: Path) -> None:
    bench.channel.answers = [Answer(status=200, headers={"etag": '"1"'}, body=FILE)]
    await bench.look()
    bench.channel.answers = [Answer(status=304)]
    assert await bench.look() is Looked.UNCHANGED
    assert bench.channel.asked[-1].headers["If-None-Match"] == '"1"'


async def test_all_feeds_are_one_line_of_the_report(bench: Bench) -> None:
    def line() -> dict[str, object]:
        [found] = bench.running.report()["counterparties"]
        return {name: found[name] for name in ("name", "state", "sentence", "unanswered")}

    await bench.look()
    assert line() == {"name": "calendars", "state": "ok", "sentence": "", "unanswered": False}
    for _ in range(4):
        bench.channel.answers = [NoAnswer(sent=True, why="cut")]
        assert await bench.look() is Looked.NOT_REACHED
        await bench.clock.advance(60)
    assert line() == {
        "name": "calendars",
        "state": "down",
        "sentence": "1 of 1 calendars cannot be reached",
        "unanswered": True,
    }
    assert await bench.look() is Looked.READ
    assert line()["state"] == "ok"


async def test_the_words_people_say_to_feeds(bench: Bench) -> None:
    feeds = bench.running.feeds
    assert feeds.answer([])[0] == "sea: never read, 0 entries"
    await bench.look()
    assert "1 entries" in feeds.answer([])[0]
    assert feeds.answer(["accept", "sea"]) == ["nothing is missing from sea"]
    assert "there is no feed hill" in feeds.answer(["accept", "hill"])[0]
    assert feeds.answer(["drop", "sea"]) == ["say `feeds`, or `feeds accept NAME`"]


def test_the_settings_name_feeds_and_their_secrets(tmp_path: Path) -> None:
    file = tmp_path / "nightporter.toml"
    file.write_text(
        f'data_dir = "{tmp_path}"\nrun_dir = "{tmp_path}"\n'
        '[property]\nid = "inn"\nname = "Inn"\n'
        '[sync.feeds.sea]\nroom_type = "Double"\nroom = "101"\nchannel = "airbnb"\n'
        'url_file = "sea.url"\n[sync.feeds.given-only]\nroom_type = "Double"\n'
    )
    settings = load_settings({}, files=[file], etc=tmp_path / "etc").settings
    secret = tmp_path / "sea.url"
    secret.write_text(f"{SECRET}\n")
    secret.chmod(0o600)
    assert from_box(settings, {}).feeds == (ACCOUNT,)
    secret.write_text("ftp://channel.example/a\n")
    with pytest.raises(SyncUnsetError, match=r"sync\.feeds\.sea\.url_file"):
        from_box(settings, {})


def test_an_account_does_not_show_its_address() -> None:
    assert "5ecret" not in repr(dataclasses.replace(ACCOUNT, name="hill"))


async def test_a_look_that_nobody_foresaw_stops_no_feed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    assert await bench.look() is Looked.READ
    feeds = bench.running.feeds
    monkeypatch.setattr("sync.feeds.feed.read", broken)
    assert await feeds._look_safely("sea") is Looked.BROKEN
    assert "ZeroDivisionError" in str(bench.running.report()["parked"])
    monkeypatch.undo()
    assert await feeds._look_safely("sea") is Looked.READ
    assert bench.running.report()["parked"] == []
