"""An inbox with every vendor's secret, a clock that can be set, and listeners that write down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.kernel.clock import Reading
from support.webhooks import (
    HOSTAWAY_LOGIN,
    HOSTAWAY_TOKEN,
    MEWS_TOKEN,
    STRIPE_SECRET,
    SVIX_SECRET,
    PlaidSigner,
    Posted,
)
from sync.inbox.delivery import Delivery, Moment, Vendor
from sync.inbox.inbox import Inbox, Receipt
from sync.inbox.lanes import Lanes
from sync.inbox.plaid import Jwk, Plaid
from sync.inbox.quarantine import Quarantine
from sync.inbox.store import Store
from sync.inbox.vendors import Guesty, Hostaway, Mews, Stripe
from sync.inbox.words import SOURCES, Normalised, NotYetError

NOON_S = 1_793_620_800


class SetClock:
    """A clock that a test sets: the time of day, the time since boot, the boot and the doubt."""

    def __init__(self, wall_s: float = NOON_S) -> None:
        self.wall_ms = int(wall_s * 1000)
        self.boot_ms = 5_000
        self.boot_id = "boot-1"
        self.doubt_ms = 20

    def read(self) -> Reading:
        return Reading(
            wall_ms=self.wall_ms,
            boot_ms=self.boot_ms,
            boot_id=self.boot_id,
            uncertainty_ms=self.doubt_ms,
        )

    def monotonic(self) -> float:
        return time.perf_counter()

    async def sleep_until(self, monotonic_s: float) -> None:
        """Nobody is woken: single turns cancel what waits."""
        await asyncio.get_running_loop().create_future()

    def later(self, seconds: float) -> None:
        """Time passes."""
        self.wall_ms += int(seconds * 1000)
        self.boot_ms += int(seconds * 1000)

    def reboot(self, boot_id: str) -> None:
        """The power was cut."""
        self.boot_id, self.boot_ms = boot_id, 1_000


class Ear:
    """A listener that remembers, and fails when it is told to."""

    def __init__(self) -> None:
        self.events: list[Normalised] = []
        self.fails: Callable[[Normalised], BaseException | None] = lambda event: None

    async def heard(self, event: Normalised) -> None:
        if (error := self.fails(event)) is not None:
            raise error
        self.events.append(event)

    @property
    def ids(self) -> list[str]:
        """Every id that was heard, in order."""
        return [each.id for event in self.events for each in event.aggregates]


class KeyRing:
    """The vendor's keys, behind a line that can be cut."""

    def __init__(self) -> None:
        self.keys: dict[str, dict[str, Any]] = {}
        self.cut = False
        self.asked: list[str] = []

    async def look_up(self, key_id: str) -> Jwk | None:
        self.asked.append(key_id)
        if self.cut:
            raise NotYetError("the line is cut")
        found = self.keys.get(key_id)
        if found is None:
            return None
        names = ("kid", "alg", "kty", "crv", "x", "y", "expired_at")
        return Jwk(**{name: found[name] for name in names})


@dataclass(slots=True)
class InboxHouse:
    """Everything, taken in single turns."""

    path: Path
    clock: SetClock
    inbox: Inbox
    lanes: Lanes
    quarantine: Quarantine
    ears: dict[str, Ear]
    keys: KeyRing
    plaid: PlaidSigner

    @property
    def now_s(self) -> int:
        return self.clock.wall_ms // 1000

    def delivery(self, posted: Posted, *, moment: Moment | None = None) -> Delivery:
        _, _, source, *token = posted.path.split("/")
        return Delivery(
            source=source,
            token="".join(token),
            headers=posted.headers,
            body=posted.body,
            moment=moment or self.inbox.moment(),
        )

    async def post(self, posted: Posted) -> Receipt:
        return await self.inbox.receive(self.delivery(posted))

    async def turn(self, sources: Sequence[str] = SOURCES) -> None:
        """Hand over whatever is due."""
        for source in sources:
            while await self.lanes.turn(source):
                pass

    async def rows(self, what: str = "dedupe_id, state, raw") -> list[Any]:
        sql = f"SELECT {what} FROM inbox ORDER BY seq"  # noqa: S608 - a test's own columns
        rows: list[Any] = await self.inbox.store.do(lambda db: db.execute(sql).fetchall())
        return rows


@asynccontextmanager
async def inbox_house(
    path: Path, *, clock: SetClock | None = None, plaid: PlaidSigner | None = None
) -> AsyncIterator[InboxHouse]:
    """Build it on a file; another one on the same file is the next process."""
    clock = clock or SetClock()
    store = Store(path)
    store.open()
    vendors: list[Vendor] = [
        Guesty([SVIX_SECRET]),
        Stripe([STRIPE_SECRET]),
        Hostaway([f"{HOSTAWAY_TOKEN} {HOSTAWAY_LOGIN}"]),
        Mews([MEWS_TOKEN]),
        Plaid(),
    ]
    inbox = Inbox(store=store, vendors=vendors, clock=clock)
    ears = {source: Ear() for source in SOURCES}
    for source, ear in ears.items():
        inbox.listen(source, ear)
    keys = KeyRing()
    quarantine = Quarantine(inbox, clock, keys)
    await quarantine.take_up()
    try:
        yield InboxHouse(
            path=path,
            clock=clock,
            inbox=inbox,
            lanes=Lanes(inbox, clock),
            quarantine=quarantine,
            ears=ears,
            keys=keys,
            plaid=plaid or PlaidSigner(),
        )
    finally:
        store.close()
