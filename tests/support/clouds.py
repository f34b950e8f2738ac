"""Both clouds on real sockets of this machine, on a clock that moves only when told; as fixtures."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from appliance.kernel.tasks import Nursery
from appliance.kernel.virtual_clock import VirtualClock
from twin.clouds.mews import ACCESS_TOKEN, CLIENT_TOKEN, PREFIX, MewsStore
from twin.clouds.mews.records import AccessToken, Category, Customer, Reservation
from twin.clouds.serve import Clouds, serve
from twin.clouds.stripe import SECRET_KEY
from twin.journal import Journal
from twin.line import Line

FRIDAY_18_MS = 1_793_383_200_000  # 2026-10-30 18:00 UTC
FRIDAY = date(2026, 10, 30)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def message(self) -> str:
        """The vendor's sentence."""
        return str(self.body["Message"])


class Pms:
    """Asks the PMS cloud as a stranger would: over HTTP, through the line."""

    def __init__(self, session: aiohttp.ClientSession, clouds: Clouds) -> None:
        self.session = session
        self.url = clouds.pms_url
        self.store = clouds.mews.store

    async def ask(self, action: str, **fields: Any) -> Answer:
        """One call with the right tokens, unless the fields say otherwise."""
        tokens = {
            "ClientToken": CLIENT_TOKEN,
            "AccessToken": ACCESS_TOKEN,
            "Client": "Nightporter 1.0.0",
        }
        return await self.post(PREFIX + action, json.dumps(tokens | fields).encode())

    async def post(self, path: str, body: bytes, method: str = "POST") -> Answer:
        """One call of anything."""
        async with self.session.request(method, self.url + path, data=io.BytesIO(body)) as answer:
            return Answer(answer.status, await answer.json(), dict(answer.headers))

    async def good(self, action: str, **fields: Any) -> Any:
        """A call that must be answered with 200; gives the body."""
        answer = await self.ask(action, **fields)
        assert answer.status == 200, answer.body
        return answer.body

    async def listed(self, **fields: Any) -> list[dict[str, Any]]:
        """All reservations that match, over all pages of ten."""
        rows: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = {"Count": 10, "Cursor": cursor}
            body = await self.good("reservations/getAll/2023-06-06", Limitation=page, **fields)
            rows += body["Reservations"]
            cursor = body["Cursor"]
            if cursor is None:
                return rows


@dataclass(frozen=True, slots=True)
class House:
    """A seeded property: one type with three rooms, one guest."""

    store: MewsStore
    category: Category
    guest: Customer

    def sell(self, arrival: date = FRIDAY, nights: int = 2, **fields: Any) -> Reservation:
        """Let a channel sell one stay at 100 a night."""
        departure = date.fromordinal(arrival.toordinal() + nights)
        return self.store.put_reservation(
            customer_id=fields.pop("customer_id", self.guest.id),
            category_id=self.category.id,
            start_s=self.store.arrival_s(arrival),
            end_s=self.store.departure_s(departure),
            nights_minor=[10_000] * nights,
            **fields,
        )

    def token(self, reservation: Reservation) -> AccessToken:
        """A PIN that somebody reported for a stay."""
        now_s = self.store.now_s()
        one = AccessToken(
            id=self.store.new_id(),
            reservation_id=reservation.id,
            room_id=reservation.room_id,
            companionship_id=None,
            type="PinCode",
            value="271828",
            serial=None,
            from_s=reservation.start_s,
            until_s=reservation.end_s,
            permissions={"Room": True},
            at_s=now_s,
            updated_s=now_s,
        )
        self.store.access_tokens[one.id] = one
        return one

    def room(self, name: str) -> str:
        """The id of a room."""
        return next(one.id for one in self.store.rooms.values() if one.name == name)


class Payments:
    """Asks the payment cloud over HTTP, through the line."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def post(
        self,
        path: str,
        params: dict[str, Any] | None = None,
        key: str | None = None,
        **headers: str,
    ) -> Answer:
        """One form-encoded call."""
        sent = {"Authorization": f"Bearer {SECRET_KEY}", **headers}
        sent["Content-Type"] = "application/x-www-form-urlencoded"
        if key is not None:
            sent["Idempotency-Key"] = key
        data = urlencode(params or {}).encode()
        async with self.session.post(self.url + path, data=data, headers=sent) as answer:
            return Answer(answer.status, await answer.json(), dict(answer.headers))

    async def get(self, path: str, **headers: str) -> Answer:
        """One read."""
        sent = {"Authorization": f"Bearer {SECRET_KEY}", **headers}
        async with self.session.get(self.url + path, headers=sent) as answer:
            return Answer(answer.status, await answer.json(), dict(answer.headers))

    async def charge(self, key: str, **fields: Any) -> Answer:
        """Charge 120.00 on a good card, unless the fields say otherwise."""
        params = {
            "amount": 12_000,
            "currency": "eur",
            "payment_method": "pm_card_visa",
            "confirm": "true",
            "off_session": "true",
        }
        return await self.post("/v1/payment_intents", params | fields, key)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(FRIDAY_18_MS)


@pytest.fixture
def journal(clock: VirtualClock) -> Journal:
    return Journal(clock=clock)


@pytest.fixture
async def line(journal: Journal, clock: VirtualClock) -> AsyncIterator[Line]:
    nursery = Nursery(lambda _name, _error: None)
    line = Line(journal, clock, nursery)
    yield line
    line.close()
    await nursery.close()


@pytest.fixture
async def clouds(journal: Journal, clock: VirtualClock, line: Line) -> AsyncIterator[Clouds]:
    nursery = Nursery(lambda _name, _error: None)
    clouds = await serve(journal, clock, line, nursery)
    yield clouds
    await clouds.close()
    await nursery.close()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


@pytest.fixture
def pms(session: aiohttp.ClientSession, clouds: Clouds) -> Pms:
    return Pms(session, clouds)


@pytest.fixture
def payments(session: aiohttp.ClientSession, clouds: Clouds) -> Payments:
    return Payments(session, clouds.payments_url)


@pytest.fixture
def house(clouds: Clouds) -> House:
    store = clouds.mews.store
    category = store.add_category("Double", short="DBL")
    for name in ("101", "102", "103"):
        store.add_room(name, category)
    guest = store.put_customer("O'Neil", "Aoife", email="aoife.oneil.1@example.com")
    return House(store, category, guest)
