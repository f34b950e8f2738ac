"""How Stripe is asked: one request at a time through the gate, lists page by page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from appliance.kernel.clock import Clock
from sync.gate import PROBE_TIMEOUT_S, Gate, Held
from sync.money.stripe.frozen import OUR_PROPERTY, OUR_REF
from sync.transport import Answer, NoAnswer, Request

# The version this client is written against; pinned, because 2026-09-30 broke older bodies.
API_VERSION: Final = "2026-10-28.endive"
PAGE_MAX: Final = 100
# A customer with more payments than this in the window is looked at by a person.
PAGES_MAX: Final = 20
# Two honest clocks differ by less than this.
CLOCKS_APART_MS: Final = 3_600_000
# Stripe holds the line open while a bank thinks.
TIMEOUT_S: Final = 60.0

Row = dict[str, Any]
Reply = Answer | NoAnswer | Held


class TooManyRowsError(Exception):
    """A list that does not end: a person looks at it in the vendor's own pages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeAccount:
    """Where and as whom we ask; the key is never logged.

    `publishable_key` and `guest_url` are for the page where guests pay; without them none is shown.
    """

    base_url: str
    secret_key: str
    publishable_key: str = ""
    guest_url: str = ""

    def __repr__(self) -> str:
        """Without the key."""
        return f"StripeAccount({self.base_url})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """Nothing was learned, and nothing changed there. `why` for a person; `reply` as it came."""

    why: str
    reply: Reply

    @property
    def missing(self) -> bool:
        """Whether they say that there is no such thing."""
        return isinstance(self.reply, Answer) and (
            self.reply.status == 404 or error_of(self.reply).get("code") == "resource_missing"
        )


class StripeClient:
    """Reads and frozen posts; judging is for those who ask."""

    def __init__(self, *, account: StripeAccount, gate: Gate, clock: Clock) -> None:
        self.gate = gate
        self._account = account
        self._clock = clock

    async def probe(self) -> None:
        """Ask something cheap, so that the gate learns whether the way is free, and their time."""
        await self._send(
            "GET", "/v1/payment_intents?limit=1", timeout_s=PROBE_TIMEOUT_S, probe=True
        )

    async def sure_now_ms(self) -> int | None:
        """Our time when it is sure, else the vendor's by its `Date` header, else None.

        Where theirs is known and another one, theirs counts: keys and payments are kept by it.
        """
        reading = self._clock.read()
        theirs_ms = self.gate.vendor_now_ms()
        if reading.sure and (
            theirs_ms is None or abs(theirs_ms - reading.wall_ms) <= CLOCKS_APART_MS
        ):
            return reading.wall_ms
        if self.gate.vendor_now_ms() is None:
            await self.probe()
        return self.gate.vendor_now_ms()

    async def post(self, path: str, form: bytes, key: str) -> Reply:
        """Send a frozen form under its key."""
        headers = {
            "Idempotency-Key": key,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return await self._send("POST", path, body=form, headers=headers)

    async def get(self, path: str, **query: str) -> Row | Unread:
        """One object."""
        reply = await self._send("GET", f"{path}?{urlencode(query)}" if query else path)
        return _read(reply)

    async def page(self, path: str, query: dict[str, str] | list[tuple[str, str]]) -> Row | Unread:
        """One page of a list: `data` and `has_more`."""
        reply = await self._send("GET", f"{path}?{urlencode(query)}")
        found = _read(reply)
        if isinstance(found, dict) and not isinstance(found.get("data"), list):
            return Unread(why="the list was cut short", reply=reply)
        return found

    async def rows(self, path: str, **query: str) -> list[Row] | Unread:
        """A whole list, newest first as they give it. Raises TooManyRowsError."""
        query["limit"] = str(PAGE_MAX)
        found: list[Row] = []
        for _ in range(PAGES_MAX):
            page = await self.page(path, query)
            if isinstance(page, Unread):
                return page
            rows = [row for row in page["data"] if isinstance(row, dict)]
            found += rows
            if not page.get("has_more") or not rows:
                return found
            query["starting_after"] = str(rows[-1].get("id"))
        raise TooManyRowsError(f"{path} has more than {PAGE_MAX * PAGES_MAX} rows")

    async def _send(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
        probe: bool = False,
    ) -> Reply:
        request = Request(
            method=method,
            url=self._account.base_url + path,
            headers={
                "Authorization": f"Bearer {self._account.secret_key}",
                "Stripe-Version": API_VERSION,
                **(headers or {}),
            },
            body=body,
            timeout_s=timeout_s,
        )
        return await self.gate.send(request, probe=probe)


def fields_of(reply: Answer) -> Row | None:
    """The object in a body; None when it is cut or none."""
    try:
        fields = msgspec.json.decode(reply.body)
    except msgspec.DecodeError:
        return None
    return fields if isinstance(fields, dict) else None


def error_of(reply: Answer) -> Row:
    """The error in a body; empty when there is none."""
    error = (fields_of(reply) or {}).get("error")
    return error if isinstance(error, dict) else {}


def our_ref(row: Row) -> str:
    """Our own reference in an object of theirs; empty where there is none."""
    return _metadata(row, OUR_REF)


def property_of(row: Row) -> str:
    """The property that an object of theirs was made for; empty where it does not say."""
    return _metadata(row, OUR_PROPERTY)


def _metadata(row: Row, name: str) -> str:
    metadata = row.get("metadata")
    found = metadata.get(name) if isinstance(metadata, dict) else None
    return found if isinstance(found, str) else ""


def _read(reply: Reply) -> Row | Unread:
    if isinstance(reply, Held):
        return Unread(why=reply.sentence, reply=reply)
    if isinstance(reply, NoAnswer):
        return Unread(why=reply.why, reply=reply)
    if reply.status != 200:
        return Unread(why=f"answer {reply.status}", reply=reply)
    fields = fields_of(reply)
    return Unread(why="the answer was cut short", reply=reply) if fields is None else fields
