"""`/transactions/sync` with its cursor: every change of every bank login, once, in one commit.

Pages are changes after a cursor. When the bank changes something while we turn pages, Plaid says
so and the turning starts again from the cursor it began with: nothing of half a turn is kept.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec

from appliance.kernel.clock import Clock
from sync.gate import PROBE_TIMEOUT_S, Gate
from sync.inbox.words import Normalised, NotYetError
from sync.ledger import Ledger
from sync.mirror import Mirror
from sync.money.plaid.account import NAME, PlaidAccount, item_of
from sync.money.plaid.words import (
    Named,
    PlaidError,
    Removed,
    SyncPage,
    Transaction,
    farewell_of,
    letter_of,
    read_through,
)
from sync.transport import Answer, NoAnswer, Request

logger = logging.getLogger(__name__)

# The most that one page may bring (OpenAPI: count, maximum 500).
PAGE_ROWS: Final = 500
# Two years of a busy account are about 50,000 lines.
PAGES_MAX: Final = 200
# A bank that changes something during each of so many turns is looked at again later.
RESTARTS_MAX: Final = 3
TIMEOUT_S: Final = 30.0

MUTATED: Final = "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION"
NOT_READY: Final = "PRODUCT_NOT_READY"
# What only a person can set right, with what they do.
FOR_A_PERSON: Final = {
    "ITEM_LOGIN_REQUIRED": "the bank wants its owner to log in again: do it in Plaid's page",
    "PENDING_EXPIRATION": "the bank's consent ends soon: log in again in Plaid's page",
    "PENDING_DISCONNECT": "the bank's consent ends soon: log in again in Plaid's page",
    "ITEM_LOCKED": "the bank has locked its login: unlock it there, then log in in Plaid's page",
    "USER_SETUP_REQUIRED": "the bank asks its owner something: log in there first",
    "INVALID_ACCESS_TOKEN": "Plaid does not know this bank login: link the account anew",
    "ITEM_NOT_FOUND": "Plaid does not know this bank login: link the account anew",
    "ACCESS_NOT_GRANTED": "the account's owner withdrew their consent: link the account anew",
    "NO_ACCOUNTS": "there is no account behind this bank login any more",
    "INVALID_API_KEYS": "Plaid refuses our keys: look at the settings of the bank",
}

Row = TypeVar("Row", Transaction, Removed)


@dataclass(slots=True, kw_only=True)
class _Turned:
    """All pages of one turn."""

    cursor: str
    whole: bool = False  # no more pages wait
    changed: list[msgspec.Raw] = field(default_factory=list)
    removed: list[msgspec.Raw] = field(default_factory=list)


class PlaidPull:
    """The cursor of each bank login is in sync.db, moved with the letters it brought."""

    name = NAME
    title = "Plaid"

    def __init__(
        self, *, account: PlaidAccount, gate: Gate, ledger: Ledger, mirror: Mirror, clock: Clock
    ) -> None:
        self.gate = gate
        self._account = account
        self._ledger = ledger
        self._mirror = mirror
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()

    async def look(self) -> bool:
        """Every bank login; False when one could not be asked. One that waits for a person can."""
        async with self._one_at_a_time:
            done = [await self._look_at(token) for token in self._account.access_tokens]
        return all(done)

    async def heard(self, event: Normalised) -> None:
        """A webhook says that there is something; all are asked. Raises NotYetError."""
        del event
        if not await self.look():
            raise NotYetError("Plaid could not be asked yet")

    async def probe(self) -> None:
        """Ask something cheap: whether our keys are known."""
        for token in self._account.access_tokens[:1]:
            await self._ask("/item/get", {"access_token": token}, probe=True)

    def start_over(self) -> None:
        """Read every account from its beginning; the box knows each line by its id."""
        self._ledger.db.execute("DELETE FROM kept WHERE name LIKE 'plaid.cursor.%'")

    # -- one bank login --------------------------------------------------------------------------

    async def _look_at(self, token: str) -> bool:
        for _ in range(RESTARTS_MAX):
            turned = await self._turn(token)
            if isinstance(turned, _Turned):
                self._take(token, turned)
                return True
            if turned.error_code != MUTATED:
                return self._said_no(token, turned)
        return False

    async def _turn(self, token: str) -> _Turned | PlaidError:
        """All pages from our cursor on; an empty error code: nobody answered."""
        turned = _Turned(cursor=self._ledger.kept(_cursor_name(token), str, ""))
        for _ in range(PAGES_MAX):
            asked: dict[str, Any] = {
                "access_token": token,
                "count": PAGE_ROWS,
                "options": {"include_original_description": True},
            }
            if turned.cursor:
                asked["cursor"] = turned.cursor
            page = await self._page(asked)
            if isinstance(page, PlaidError):
                return page
            turned.changed += [*page.added, *page.modified]
            turned.removed += page.removed
            turned.cursor = page.next_cursor
            if not page.has_more:
                turned.whole = True
                break
        return turned

    async def _page(self, asked: dict[str, Any]) -> SyncPage | PlaidError:
        reply = await self._ask("/transactions/sync", asked)
        if not isinstance(reply, Answer):
            return PlaidError()
        try:
            if reply.status == 200:
                return msgspec.json.decode(reply.body, type=SyncPage)
            return msgspec.json.decode(reply.body, type=PlaidError)
        except msgspec.MsgspecError as error:
            logger.warning("plaid: an answer (%d) could not be read", reply.status)
            del error  # it quotes the body
            return PlaidError()

    async def _ask(
        self, path: str, asked: dict[str, Any], *, probe: bool = False
    ) -> Answer | NoAnswer | object:
        login = {"client_id": self._account.client_id, "secret": self._account.secret}
        return await self.gate.send(
            Request(
                method="POST",
                url=f"{self._account.base_url}{path}",
                headers={"Content-Type": "application/json"},
                body=msgspec.json.encode({**login, **asked}),
                timeout_s=PROBE_TIMEOUT_S if probe else TIMEOUT_S,
            ),
            probe=probe,
        )

    # -- what it means ---------------------------------------------------------------------------

    def _take(self, token: str, turned: _Turned) -> None:
        now_ms, cursor = self._clock.read().wall_ms, turned.cursor
        today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
        with self._ledger.transaction():
            self._mirror.let_go(NAME, item_of(token))
            for row in turned.changed:
                self._take_line(row, cursor, now_ms)
            # After the changes: a posted line takes its pending one's place before that goes.
            for row in turned.removed:
                if (gone := self._read(row, Removed, now_ms)) is not None:
                    self._ledger.post(farewell_of(gone, cursor, today), now_ms)
            self._ledger.keep(_cursor_name(token), cursor)
            if turned.whole:
                self._ledger.post(read_through(item_of(token), now_ms), now_ms)

    def _take_line(self, raw: msgspec.Raw, cursor: str, now_ms: int) -> None:
        row = self._read(raw, Transaction, now_ms)
        if row is None:
            return
        try:
            self._ledger.post(letter_of(row, cursor), now_ms)
            self._mirror.let_go(NAME, row.transaction_id)
        except ValueError as error:
            # One line that has no amount of ours stops nothing else.
            why = f"a line of the bank cannot be booked: {error}"
            self._mirror.hold(NAME, row.transaction_id, why, person=True, now_ms=now_ms)

    def _read(self, raw: msgspec.Raw, form: type[Row], now_ms: int) -> Row | None:
        try:
            return msgspec.json.decode(raw, type=form)
        except msgspec.MsgspecError:  # its text quotes the row
            why = (
                "a line of the bank has a form that we do not know: look at it in the bank's pages"
            )
        try:
            name = msgspec.json.decode(raw, type=Named).transaction_id
        except msgspec.MsgspecError:
            name = "?"
        self._mirror.hold(NAME, name, why, person=True, now_ms=now_ms)
        return None

    def _said_no(self, token: str, error: PlaidError) -> bool:
        if error.error_code == NOT_READY:
            return True  # a bank login that was linked a moment ago
        sentence = FOR_A_PERSON.get(error.error_code)
        if sentence is None:
            return False
        now_ms = self._clock.read().wall_ms
        with self._ledger.transaction():
            self._mirror.hold(NAME, item_of(token), sentence, person=True, now_ms=now_ms)
        return True


def _cursor_name(token: str) -> str:
    return f"plaid.cursor.{item_of(token)}"
