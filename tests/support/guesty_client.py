"""Our Guesty client before the twin in process; may be started anew on the same sync.db."""

from __future__ import annotations

import random
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

from appliance.kernel.tasks import Nursery
from support.guesty import Account
from sync.gate import Gate
from sync.ledger import Ledger
from sync.manners import GUESTY_RULES
from sync.pms.guesty.account import GuestyAccount
from sync.pms.guesty.client import GuestyClient, Reply
from sync.transport import CallTransport
from twin.clouds.guesty import CLIENT_ID, CLIENT_SECRET
from twin.clouds.inprocess import InProcess
from twin.line import Line

URL = "https://guesty.twin"
T = TypeVar("T")


class Asker:
    """A client, its gate and its sync.db."""

    def __init__(self, folder: Path) -> None:
        self.account = Account()
        self.cloud = self.account.cloud
        self.clock = self.account.clock
        self.secret = CLIENT_SECRET
        self._path = folder / "sync.db"
        self.ledger = Ledger(self._path)
        self.start()

    def start(self) -> None:
        """A new process on the same file."""
        self.ledger.close()
        self.ledger = Ledger(self._path)
        self.line = Line(self.account.journal, self.clock, Nursery(lambda _name, _error: None))
        clouds = InProcess({URL: self.cloud}, self.line, self.clock)
        self.gate = Gate(
            name="guesty",
            rules=GUESTY_RULES,
            ledger=self.ledger,
            clock=self.clock,
            transport=CallTransport(clouds.send),
            chance=random.Random(7),
        )
        account = GuestyAccount(base_url=URL, client_id=CLIENT_ID, client_secret=self.secret)
        self.client = GuestyClient(account, gate=self.gate, ledger=self.ledger, clock=self.clock)

    async def run(self, work: Awaitable[T], limit_s: float = 900) -> T:
        """Let it happen, and time pass while it waits."""
        return await self.clock.run_until(work, limit_s=limit_s)

    async def ask(self, method: str = "GET", path: str = "/accounts/me", **fields: object) -> Reply:
        """One question."""
        return await self.run(self.client.ask(method, path, fields=fields or None))

    @property
    def tokens(self) -> int:
        """How many tokens the vendor ever gave."""
        return len(self.cloud.tokens.issued)
