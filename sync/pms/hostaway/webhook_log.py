"""Hostaway's own delivery log, pulled: hints for a box that no webhook can reach (cloud.md 1.2).

An entry says that something happened to a reservation, whatever became of the delivery. It is a
hint like any other: the reservation itself is fetched by id.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from sync.ledger import Ledger
from sync.pms.hostaway.client import Fine, HostawayClient
from sync.pms.hostaway.words import LIMIT, SOURCE

LOGS: Final = "unifiedWebhookLogs"
HOOKS: Final = "webhooks/unifiedWebhooks"
HAS_LOG: Final = f"{SOURCE}.webhook_log"
MARK: Final = f"{SOURCE}.webhook_log_id"
# Pages back to the entry seen last; what is older is found by the look at changes anyway.
PAGES_MAX: Final = 5
# Hints that one look follows, each a request of its own; the others' changes are found by time.
HINTS_MAX: Final = 10


class WebhookLog:
    """What was delivered, or was not, since we last looked."""

    def __init__(self, client: HostawayClient, ledger: Ledger) -> None:
        self._client = client
        self._ledger = ledger

    async def look_whether_there_is_one(self) -> None:
        """Only where a unified webhook is registered and enabled is anything written there."""
        reply = await self._client.ask("GET", HOOKS)
        if not isinstance(reply, Fine) or not isinstance(reply.result, list):
            return  # an answer that says nothing takes no hints away
        enabled = any(isinstance(row, dict) and row.get("isEnabled") == 1 for row in reply.result)
        with self._ledger.transaction():
            self._ledger.keep(HAS_LOG, enabled)

    async def news(self, known: set[str]) -> AsyncIterator[list[str]]:
        """Reservations named since the last time, without those just read; then moves the mark.

        Raises NotFetchedError; the mark moves only when the caller has taken what it got.
        """
        if not self._ledger.kept(HAS_LOG, bool, default=False):
            return
        mark: int | None = self._ledger.kept(MARK, int | None)
        newest = mark or 0
        hinted: dict[str, None] = {}
        for page in range(PAGES_MAX):
            rows = await self._rows(page)
            newest = max([newest, *(row["id"] for row in rows)])
            # The first time there is no mark: everything is read by its changes just then.
            fresh = [] if mark is None else [row for row in rows if row["id"] > mark]
            hinted |= {str(row.get("objectId")): None for row in fresh if _is_about_one(row)}
            if len(fresh) < LIMIT:
                break
        ids = [each for each in hinted if each not in known][:HINTS_MAX]
        if ids:
            yield ids
        if newest != mark:
            with self._ledger.transaction():
                self._ledger.keep(MARK, newest)

    async def _rows(self, page: int) -> list[dict[str, Any]]:
        query = {"limit": LIMIT, "offset": page * LIMIT}
        rows = await self._client.read(LOGS, query)
        found = rows if isinstance(rows, list) else []
        return [row for row in found if isinstance(row, dict) and isinstance(row.get("id"), int)]


def _is_about_one(row: dict[str, Any]) -> bool:
    return row.get("object") == "reservation" and isinstance(row.get("objectId"), int)
