"""A short story in the whole house; then every file, log line, bus message and span is searched."""

from __future__ import annotations

import io
import logging
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from appliance.bus.credentials import BusRole
from appliance.bus.port import Message
from appliance.kernel.discreet import DiscreetFormatter
from appliance.kernel.telemetry import open_tracer
from support.tunnel_lock import GuestPhone, fit
from support.whole_house import (
    PINS,
    ApiClient,
    Browser,
    WholeHouse,
    copied,
    open_whole_house,
    property_folder,
    terminal,
)

__all__ = ["property_folder"]

# Words that nothing of ours holds, so that a find is a leak and no accident.
GIVEN, FAMILY = "Zebulonia", "Quillfeather-Österø"
NOTE, WISH, CHARGE = "allergic to marzipankartoffeln", "an umbrella-quokka", "minibar-xylophone"
PHONE, EMAIL = "+351 910 555 0199", "zebulonia@quillfeather.example"
CARD = "4242 4242 4242 4242"
WRONG_PIN = "913572"
NOTE_IT = 'mutation ($s: ID!, $t: String!) { addNote(id: "n-1", stayId: $s, text: $t) { code } }'
REFUSED = 'mutation ($s: ID!, $t: String!) { addNote(id: "n-2", stayId: $s, text: $t) { code } }'
CHARGE_IT = """mutation ($s: ID!, $t: String!) {
  postCharge(id: "c-1", stayId: $s, amountMinor: 450, text: $t) { code } }"""
WALK_IN = """mutation ($from: Date!, $to: Date!, $g: GuestInput!) {
  sellWalkIn(id: "w-1", roomTypeId: "double", arrival: $from, departure: $to, adults: 1,
    guests: [$g]) { done code } }"""
SEEN = """query ($s: ID!) { stay(id: $s) { id guestPageUrl keys { id } guests { family } } }"""
SEARCH = "query ($t: String!) { searchStays(text: $t) { id } }"
REVEAL = "mutation ($s: ID!, $k: ID!) { revealPin(stayId: $s, keyId: $k) }"


@dataclass(slots=True)
class Secrets:
    """What was typed, shown or handed out, and may be written down nowhere."""

    words: set[str] = field(default_factory=set)  # long enough to be searched in raw bytes
    digits: set[str] = field(default_factory=set)  # PINs: searched as a number of their own


@dataclass(slots=True)
class Overheard:
    """What left the process or was written on the way."""

    messages: list[Message] = field(default_factory=list)
    spans: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)

    async def hear(self, message: Message) -> None:
        """Everything on the bus."""
        self.messages.append(message)


@pytest.fixture
def journal() -> Iterator[io.StringIO]:
    """What the process would write to its journal, down to the last debugging line."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(DiscreetFormatter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


async def test_no_name_pin_token_or_typed_word_is_readable_anywhere(
    property_folder: Path, tmp_path: Path, journal: io.StringIO
) -> None:
    overheard, secrets = Overheard(), Secrets()
    settings = copied(property_folder, tmp_path)
    tracer = open_tracer("appliance", processor=SimpleSpanProcessor(overheard.spans))
    async with open_whole_house(
        settings, tmp_path, change=lambda ports: replace(ports, tracer=tracer)
    ) as house:
        house.box.asker.deciding.tracer = tracer
        listener = house.hub.join("listener", role=BusRole.CORE)
        await listener.subscribe("np/#", overheard.hear)
        await listener.subscribe("homeassistant/#", overheard.hear)
        await _story(house, secrets)
        await house.hub.quiet()
        # While the box runs: the newest pages are in the WAL only.
        _search_files(tmp_path, secrets)
        async with house.browser() as anybody:
            _search("/metrics", await anybody.get("/metrics"), secrets)
    _search_files(tmp_path, secrets)
    _search("the journal", journal.getvalue(), secrets)
    # The search itself finds what is there to be found.
    with pytest.raises(AssertionError, match=r"readable in log\.db"):
        _search_files(tmp_path, Secrets(words={"stays.checked_out.v1"}))
    assert {"up", "down"} <= {message.topic.split("/")[2] for message in overheard.messages}
    for message in overheard.messages:
        _search(message.topic, f"{message.topic} {message.payload!r}", secrets)
    assert overheard.spans.get_finished_spans(), "the story was traced"
    for span in overheard.spans.get_finished_spans():
        _search(f"span {span.name}", span.to_json(), secrets)


async def _story(house: WholeHouse, secrets: Secrets) -> None:
    """Check-in, note, charge, PIN read aloud, guest's pages by name and by link, help, refusals."""
    secrets.words |= {GIVEN, FAMILY, "Quillfeather", NOTE, WISH, CHARGE, PHONE, EMAIL, CARD}
    secrets.words.add(CARD.replace(" ", ""))
    secrets.digits |= {*PINS.values(), WRONG_PIN}
    stay_id = await house.checked_in(FAMILY, given=GIVEN)
    async with terminal(house) as clerk:
        secrets.words |= _tokens(clerk)
        link = await _at_the_desk(house, clerk, stay_id, secrets)
        await _clumsy(clerk)
    await _on_the_phone(house, link, secrets)
    await house.check_out(stay_id)


async def _at_the_desk(house: WholeHouse, clerk: ApiClient, stay_id: str, secrets: Secrets) -> str:
    await clerk.data(NOTE_IT, s=stay_id, t=NOTE)
    refused = await clerk.data(REFUSED, s=stay_id, t=f"card {CARD}")
    assert refused["addNote"]["code"] == "card_number"
    await clerk.data(CHARGE_IT, s=stay_id, t=CHARGE)
    stay = (await clerk.data(SEEN, s=stay_id))["stay"]
    assert stay["guests"] == [{"family": FAMILY}]
    link = str(stay["guestPageUrl"].rpartition("/k/")[2])
    secrets.words.add(link)
    pin = (await clerk.data(REVEAL, s=stay_id, k=stay["keys"][0]["id"]))["revealPin"]
    assert re.fullmatch(r"\d{6}", pin)
    secrets.digits.add(pin)
    today = await house.today()
    guest = {"given": GIVEN, "family": FAMILY, "email": EMAIL, "phone": PHONE}
    days = {"from": today.isoformat(), "to": (today + timedelta(days=1)).isoformat()}
    sold = await clerk.data(WALK_IN, g=guest, **days)
    assert sold["sellWalkIn"]["done"], sold
    found = await clerk.data(SEARCH, t="Quillfeather")
    assert len(found["searchStays"]) == 2
    return link


async def _clumsy(clerk: ApiClient) -> None:
    """What is no query of ours, with names in it."""
    for query in (
        "mutation ($t: String!) { nothing(id: $t) { code } }",
        f'{{ searchStays(text: "{FAMILY}", limit: "{NOTE}") {{ id }} }}',
        f"{{ {NOTE} {{ ",
    ):
        body = {"query": query, "variables": {"t": NOTE}}
        headers = {"Authorization": f"Bearer {clerk.access}"}
        async with clerk.session.post(clerk.url + "/graphql", json=body, headers=headers) as answer:
            assert answer.status == 400
    form = {"person": FAMILY, "pin": WRONG_PIN, "terminal": "desk-1"}
    async with clerk.session.post(clerk.url + "/sign-in/staff", json=form) as answer:
        assert answer.status == 401


async def _on_the_phone(house: WholeHouse, link: str, secrets: Secrets) -> None:
    async with house.browser() as browser:
        await browser.sign_in(surname="Quillfeather-Nobody")
        await browser.sign_in(surname=FAMILY)
        assert browser.at == "/stay", browser.text
        secrets.words |= _cookies(browser)
        await browser.open_door()
        await browser.until_settled()
        await _at_the_door(house, browser, secrets)
        await browser.get("/help")
        fields = {"id": browser.hidden("id"), "type": "towels", "words": WISH}
        await browser.post("/help", fields)
        assert (browser.status, browser.at) == (200, "/help")
        await browser.get("/help")
        assert WISH in browser.text
    async with house.browser() as browser:
        await browser.post(f"/k/{link}", {})
        assert browser.at == "/stay", browser.text
        secrets.words |= _cookies(browser)


async def _at_the_door(house: WholeHouse, browser: Browser, secrets: Secrets) -> None:
    """The phone's own key, a press through the tunnel, and the PIN on the guest's own page."""
    lock = await fit(house)
    phone = GuestPhone(browser)
    key = await phone.enrol()
    secrets.words.add(key["credential"])
    assert (await phone.open(key)).done
    assert lock.opened == 1
    await browser.post(f"/my/doors/{key['doorId']}/pin", {"id": "a-look-at-the-pin0"})
    pin = re.search(r'class="pin" role="status">(\d{6})<', browser.text)
    assert pin is not None
    secrets.digits.add(pin[1])


def _tokens(clerk: ApiClient) -> set[str]:
    assert clerk.access is not None
    return {clerk.access} | {morsel.value for morsel in clerk.session.cookie_jar}


def _cookies(browser: Browser) -> set[str]:
    # The name of the language is no secret.
    return {morsel.value for morsel in browser.session.cookie_jar if len(morsel.value) > 8}


def _search_files(folder: Path, secrets: Secrets) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {"log.db", "keys.db", "telemetry.db"} <= {path.name for path in files}
    for path in files:
        kept = path.read_bytes()
        for word in secrets.words:
            for form in (word.encode(), word.encode("utf-16-le"), ascii(word)[1:-1].encode()):
                assert form not in kept, f"{word!r} is readable in {path.name}"
        if path.suffix == ".db":
            _search_tables(path, secrets)


def _search_tables(path: Path, secrets: Secrets) -> None:
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        query = "SELECT name FROM sqlite_master WHERE type = 'table'"
        for (table,) in db.execute(query).fetchall():
            for row in db.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 - a name of the file's own
                for value in row:
                    _search(f"{path.name} {table}", _text(value), secrets)
    finally:
        db.close()


def _text(value: Any) -> str:
    # Sealed boxes, hashes and chains are noise in which six digits may stand by accident.
    return value if isinstance(value, str) else str(value) if isinstance(value, int) else ""


def _search(place: str, text: str, secrets: Secrets) -> None:
    for word in secrets.words:
        assert word not in text, f"{word!r} is readable in {place}"
    for digits in secrets.digits:
        found = re.search(rf"(?<![0-9A-Za-z.]){digits}(?![0-9A-Za-z.])", text)
        assert found is None, f"the PIN {digits} is readable in {place}: {text[:200]}"
