"""The Guesty twin in process with a furnished account, and somebody who asks it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from appliance.kernel.virtual_clock import VirtualClock
from twin.clouds.guesty import CLIENT_ID, CLIENT_SECRET, GuestyCloud
from twin.clouds.guesty.records import Listing, Reservation
from twin.clouds.wire import Delivery, Reply, Request
from twin.journal import Journal

# Friday, 2026-08-14, 16:00 UTC: 17:00 in the property's Lisbon.
FRIDAY_MS = int(datetime(2026, 8, 14, 16, tzinfo=UTC).timestamp() * 1000)
ARRIVAL, DEPARTURE = date(2026, 8, 14), date(2026, 8, 16)


@dataclass(frozen=True, slots=True)
class Heard:
    """What came back; `whole` False when the connection went."""

    status: int
    body: Any
    headers: Mapping[str, str]
    whole: bool


class Account:
    """One type with two units, and a client of it."""

    def __init__(self) -> None:
        self.clock = VirtualClock(FRIDAY_MS)
        self.journal = Journal(clock=self.clock)
        self.cloud = GuestyCloud(self.clock, self.journal)
        self.store = self.cloud.store
        self.kind: Listing = self.store.add_type("Double", nickname="DBL")
        self.units = [self.store.add_unit(number, self.kind) for number in ("101", "102")]
        self.token = ""

    async def sign_in(self, secret: str = CLIENT_SECRET) -> Heard:
        """Ask for a token and keep it."""
        form = {
            "grant_type": "client_credentials",
            "scope": "open-api",
            "client_id": CLIENT_ID,
            "client_secret": secret,
        }
        heard = await self.send("POST", "/oauth2/token", urlencode(form).encode())
        if heard.status == 200:
            self.token = heard.body["access_token"]
        return heard

    async def ask(self, method: str, path: str, query: Any = "", **fields: Any) -> Heard:
        """One request of the API, signed in before where nobody is."""
        if not self.token:
            await self.sign_in()
        text = query if isinstance(query, str) else urlencode(query)
        return await self.send(
            method, f"/v1{path}", json.dumps(fields).encode() if fields else b"", text
        )

    async def good(self, method: str, path: str, query: Any = "", **fields: Any) -> Any:
        """A request that must succeed; gives the body."""
        heard = await self.ask(method, path, query, **fields)
        assert heard.status in {200, 201}, heard
        return heard.body

    async def send(self, method: str, path: str, body: bytes = b"", query: str = "") -> Heard:
        """One request of anything."""
        headers = {"authorization": f"Bearer {self.token}"}
        reply: Reply = await self.cloud.answer(
            Request(method=method, path=path, query=query, headers=headers, body=body)
        )
        whole = reply.delivery is Delivery.WHOLE
        found = json.loads(reply.body) if whole and reply.body else None
        return Heard(reply.status, found, reply.headers, whole)

    def sell(self, **fields: Any) -> Reservation:
        """A channel sells two nights."""
        guest = self.store.put_guest("Grace", "Hopper", email="grace@example.com")
        return self.store.put_reservation(
            guest_id=guest.id,
            check_in=fields.pop("check_in", ARRIVAL),
            check_out=fields.pop("check_out", DEPARTURE),
            listing_id=fields.pop("listing_id", self.kind.id),
            **fields,
        )

    def booking(self, stay_id: str = "stay_1", **fields: Any) -> dict[str, Any]:
        """The body of a sale of ours."""
        return {
            "checkInDateLocalized": ARRIVAL.isoformat(),
            "checkOutDateLocalized": DEPARTURE.isoformat(),
            "listingId": self.kind.id,
            "source": "Nightporter",
            "status": "confirmed",
            "guestsCount": 2,
            "guest": {"firstName": "Ada", "lastName": "Lovelace", "email": "ada@example.com"},
            "confirmationCode": stay_id,
            "origin": "Nightporter",
            "originId": stay_id,
            **fields,
        }


def day(offset: int) -> date:
    """So many days after the arrival."""
    return ARRIVAL + timedelta(days=offset)
