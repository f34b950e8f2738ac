"""A process with an inbox that can be killed: `python -m support.inbox_child FOLDER DIES`.

It writes each event it hears to `heard.txt`, durably, and its port to `port`. DIES says where it
ends itself by SIGKILL: `stored` (before the answer), `answered`, `heard` (before that is noted),
or `never`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from appliance.kernel.clock import ClockTrust, SystemClock
from support.webhooks import HOSTAWAY_LOGIN, HOSTAWAY_TOKEN, STRIPE_SECRET, SVIX_SECRET
from sync.inbox.inbox import Inbox
from sync.inbox.reception import Reception, WebhookSettings
from sync.inbox.store import Arrival, Kept
from sync.inbox.words import Normalised


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Scribe:
    """A listener whose effect is a line in a file, one for each key."""

    def __init__(self, folder: Path, dies: str) -> None:
        self._path = folder / "heard.txt"
        self._dies = dies

    async def heard(self, event: Normalised) -> None:
        if self._dies == "answered":
            _die()
        with self._path.open("a") as file:
            file.write(f"{event.source} {','.join(each.id for each in event.aggregates)}\n")
            file.flush()
            os.fsync(file.fileno())
        if self._dies == "heard":
            _die()


async def main() -> None:
    folder, dies = Path(sys.argv[1]), sys.argv[2]
    secrets = {
        "guesty": (SVIX_SECRET,),
        "stripe": (STRIPE_SECRET,),
        "hostaway": (f"{HOSTAWAY_TOKEN} {HOSTAWAY_LOGIN}",),
    }
    reception = Reception(
        WebhookSettings(port=int(sys.argv[3]), secrets=secrets),
        path=folder / "sync.db",
        clock=SystemClock(floor_path=None, trust=ClockTrust.SYSTEM),
        vendor_now_ms=lambda: None,
    )
    if dies == "stored":
        noted = Inbox.noted

        def die(self: Inbox, arrival: Arrival, kept: Kept) -> None:
            noted(self, arrival, kept)
            _die()

        Inbox.noted = die  # type: ignore[method-assign]
    for source in secrets:
        reception.inbox.listen(source, Scribe(folder, dies))
    running = asyncio.ensure_future(reception.run())
    await reception.listening.wait()
    print("ready", flush=True)  # noqa: T201 - the parent waits for it
    await running


if __name__ == "__main__":
    asyncio.run(main())
