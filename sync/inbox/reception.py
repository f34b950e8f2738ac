"""The inbox put together: what runs in the sync role when webhooks are to be taken."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from appliance.kernel.clock import Clock, sleep
from sync.inbox.delivery import Vendor
from sync.inbox.endpoint import Endpoint, listen
from sync.inbox.inbox import Inbox
from sync.inbox.lanes import Lanes
from sync.inbox.plaid import KeyService, Plaid
from sync.inbox.quarantine import Quarantine
from sync.inbox.relayed import RelayAccount, Relayed
from sync.inbox.store import Store
from sync.inbox.vendors import Guesty, Hostaway, Mews, Stripe
from sync.inbox.words import GUESTY, HOSTAWAY, MEWS, STRIPE
from sync.inbox.writer import StoreAwayError
from sync.transport import Answer, NoAnswer, Request

logger = logging.getLogger(__name__)

# A port that is taken is tried again: whatever holds it may go, and nothing else waits for it.
PORT_AGAIN_S: Final = 10.0
# What a screen can show.
PARKED_MAX: Final = 100

VENDORS: Final[Mapping[str, Callable[[tuple[str, ...]], Vendor]]] = {
    GUESTY: Guesty,
    HOSTAWAY: Hostaway,
    MEWS: Mews,
    STRIPE: Stripe,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """Where to listen (port 0: nowhere) and what each vendor proves itself with."""

    host: str = "127.0.0.1"
    port: int = 0
    # By source, the secrets in force: two while one is being changed.
    secrets: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    relay: RelayAccount | None = None


class Reception:
    """One inbox at work. Register listeners before `run`."""

    def __init__(  # noqa: PLR0913 - the parts of one inbox, all by name
        self,
        settings: WebhookSettings,
        *,
        path: Path,
        pen: threading.Lock | None = None,
        clock: Clock,
        vendor_now_ms: Callable[[], int | None],
        send: Callable[[Request], Awaitable[Answer | NoAnswer]] | None = None,
        keys: KeyService | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        vendors = [VENDORS[source](lines) for source, lines in settings.secrets.items()]
        if keys is not None:
            vendors.append(Plaid())
        self.inbox = Inbox(
            store=Store(path, pen), vendors=vendors, clock=clock, vendor_now_ms=vendor_now_ms
        )
        self.lanes = Lanes(self.inbox, clock)
        self.quarantine = Quarantine(self.inbox, clock, keys)
        self.endpoint = Endpoint(self.inbox, clock)
        self.relayed: Relayed | None = None
        if settings.relay is not None:
            assert send is not None, "a relay is asked over a line"
            self.relayed = Relayed(self.inbox, settings.relay, clock=clock, send=send)
        self.port: int | None = None  # while it listens
        self.listening = asyncio.Event()
        self.parked: list[dict[str, Any]] = []  # as last looked at

    async def run(self) -> None:
        """Everything, for ever."""
        self.inbox.store.open()
        await asyncio.gather(
            self.lanes.run(),
            self.quarantine.run(),
            self.quarantine.forget_for_ever(),
            self._listen_for_ever(),
            *([self.relayed.run()] if self.relayed is not None else []),
        )

    async def standing(self) -> list[dict[str, Any]]:
        """Each source, and the relay, for the status."""
        found = await self.inbox.standing()
        if (relayed := self.relayed) is not None:
            heard = {"heard_ms": relayed.last_confirmed_ms, "sentence": relayed.sentence}
            found.append({"source": "relay", "listening": True, **heard})
        return found

    async def look(self) -> None:
        """Look at what waits for a person, for the report home."""
        if self.inbox.store.is_open:
            try:
                self.parked = await self.inbox.parked(PARKED_MAX)
            except StoreAwayError as error:
                logger.debug("inbox: %s", error)

    def close(self) -> None:
        """Write what waits and let go of the file; the nursery ends the tasks first."""
        self.inbox.store.close()

    async def _listen_for_ever(self) -> None:
        host, port = self._settings.host, self._settings.port
        while port:
            try:
                async with listen(self.endpoint, host, port) as self.port:
                    logger.info("inbox: webhooks are taken at http://%s:%d/hooks", host, port)
                    self.listening.set()
                    await asyncio.get_running_loop().create_future()
            except OSError as error:
                logger.warning(
                    "inbox: nothing can listen at %s:%d (%s): free it or change"
                    " sync.webhook_port; tried again",
                    host,
                    port,
                    error.strerror,
                )
            finally:
                self.port = None
            await sleep(self._clock, PORT_AGAIN_S)
