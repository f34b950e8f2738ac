"""The box's side of a relay: pull, verify, store, and only then move on (docs/relay.md)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from appliance.kernel.clock import Clock, sleep
from appliance.kernel.discreet import where
from sync.inbox.delivery import Delivery, Moment, Verdict
from sync.inbox.inbox import OPEN_MAX, QUARANTINED_MAX, Inbox
from sync.inbox.store import Arrival, Kept, keep
from sync.inbox.writer import Connection, StoreAwayError
from sync.relay.wire import (
    KEPT_MS_MAX,
    PAGE_MAX,
    WAIT_S_MAX,
    Hint,
    Page,
    Pairing,
    equal,
    hint_mac,
    pull_proof,
)
from sync.transport import Answer, NoAnswer, Request

logger = logging.getLogger(__name__)

# A relay's clock is a server's: kept by a time service, and written down in whole milliseconds.
RELAY_DOUBT_MS: Final = 5_000
# The relay keeps a week; a day more for the way. What is older was kept by somebody else.
AGE_MS_MAX: Final = KEPT_MS_MAX + 86_400_000
AHEAD_MS_MAX: Final = 600_000
AGAIN_S_MIN: Final = 1.0
AGAIN_S_MAX: Final = 60.0
# No boot of ours: when it came is the relay's word and is not counted from our own start.
AT_THE_RELAY: Final = "relay"


class RelayError(Exception):
    """The relay's answer cannot be used; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayAccount:
    """Which relay, and this box's place there."""

    url: str
    pairing: Pairing = field(repr=False)


class Relayed:
    """Pulls for ever. `pull` is one question, for tests too."""

    def __init__(
        self,
        inbox: Inbox,
        account: RelayAccount,
        *,
        clock: Clock,
        send: Callable[[Request], Awaitable[Answer | NoAnswer]],
    ) -> None:
        self._inbox = inbox
        self._account = account
        self._clock = clock
        self._send = send
        self.last_confirmed_ms: int | None = None
        self.sentence = "never asked yet"

    async def run(self) -> None:
        """Ask, and ask again; a relay that is away is asked less and less often."""
        again_s = AGAIN_S_MIN
        while True:
            try:
                await self.pull(WAIT_S_MAX)
                again_s = AGAIN_S_MIN
                self.sentence = ""
                while self._inbox.open_items >= OPEN_MAX:
                    await sleep(self._clock, AGAIN_S_MIN)
                continue
            except (RelayError, StoreAwayError) as error:
                self.sentence = str(error)
                logger.warning("inbox: %s", error)
            await sleep(self._clock, again_s)
            again_s = min(AGAIN_S_MAX, again_s * 2)

    async def pull(self, wait_s: int = 0) -> int:
        """One question and what follows from it; how many hints were new.

        Raises RelayError or StoreAwayError, and then nothing is acknowledged.
        """
        pairing = self._account.pairing
        epoch, after = await self._inbox.store.do(lambda db: _cursor(db, pairing.mailbox))
        page = await self._ask(epoch, after, wait_s)
        if page.epoch != epoch:
            epoch, after = page.epoch, 0
        self._check(page, after)
        if not page.hints:
            return 0
        found = (self._arrival_of(hint) for hint in page.hints)
        arrivals = [arrival for arrival in found if arrival is not None]
        last = page.hints[-1].seq
        kept = await self._inbox.store.do(
            lambda db: _store(db, arrivals, (pairing.mailbox, epoch, last))
        )
        for arrival, each in zip(arrivals, kept, strict=True):
            self._inbox.counts[arrival.source, each.value] += 1
            self._inbox.noted(arrival, each)
        return sum(each is Kept.NEW for each in kept)

    async def _ask(self, epoch: str, after: int, wait_s: int) -> Page:
        pairing = self._account.pairing
        url = (
            f"{self._account.url}/from/{pairing.mailbox}?after={after}&epoch={epoch}&wait={wait_s}"
        )
        proof = pull_proof(pairing, epoch, after)
        reply = await self._send(
            Request(
                method="GET",
                url=url,
                headers={"Authorization": f"Nightporter {proof}"},
                timeout_s=wait_s + 10.0,
            )
        )
        if isinstance(reply, NoAnswer):
            raise RelayError(f"the relay does not answer ({reply.why})")
        if reply.status == 401:
            raise RelayError("the relay does not know our key: pair this box with it again")
        if reply.status != 200:
            raise RelayError(f"the relay answers {reply.status}")
        try:
            page = msgspec.json.decode(reply.body, type=Page)
        except msgspec.MsgspecError:
            raise RelayError("the relay's answer cannot be read") from None
        self.last_confirmed_ms = self._clock.read().wall_ms
        return page

    def _check(self, page: Page, after: int) -> None:
        """Every hint is the relay's own, newer than all before it; else the whole page is not."""
        if len(page.hints) > PAGE_MAX:
            raise RelayError("the relay's answer is longer than agreed")
        for hint in page.hints:
            if hint.seq <= after:
                raise RelayError("the relay's answer repeats what we have, or is out of order")
            if not equal(hint.mac, hint_mac(self._account.pairing, page.epoch, hint)):
                raise RelayError("the relay's answer was not made with our key")
            after = hint.seq

    def _arrival_of(self, hint: Hint) -> Arrival | None:
        """One that breaks here would come first again after each start: it is left out."""
        try:
            return self._arrival(hint)
        except Exception as error:  # noqa: BLE001 - one hint's fault stops neither pull nor role
            logger.error("inbox: a hint of %s broke: %s", hint.source, where(error))  # noqa: TRY400 - see `where`
            self._inbox.counts[hint.source, "broken"] += 1
            return None

    def _arrival(self, hint: Hint) -> Arrival | None:
        vendor = self._inbox.vendors.get(hint.source)
        if vendor is None or hint.source not in self._inbox.listeners:
            self._inbox.counts[hint.source, "unready"] += 1
            return None
        now = self._inbox.moment()
        age_ms = now.wall_ms - hint.received_ms
        if now.sure and not -AHEAD_MS_MAX <= age_ms <= AGE_MS_MAX:
            self._inbox.counts[hint.source, "age_wrong"] += 1
            return None
        delivery = Delivery(
            source=hint.source,
            proof=hint.proof,
            headers=hint.headers,
            body=hint.body,
            moment=Moment(
                wall_ms=hint.received_ms,
                doubt_ms=RELAY_DOUBT_MS,
                boot_ms=0,
                boot_id=AT_THE_RELAY,
            ),
        )
        judged = vendor.judge(delivery)
        if judged.verdict not in {Verdict.GENUINE, Verdict.KEY_UNKNOWN}:
            self._inbox.counts[hint.source, judged.verdict.value] += 1
            return None
        return self._inbox.arrival(delivery, judged)


def _cursor(db: Connection, mailbox: str) -> tuple[str, int]:
    row = db.execute(
        "SELECT epoch, after FROM inbox_relay WHERE mailbox = ?", (mailbox,)
    ).fetchone()
    return ("", 0) if row is None else (str(row[0]), int(row[1]))


def _store(db: Connection, arrivals: Sequence[Arrival], cursor: tuple[str, str, int]) -> list[Kept]:
    """Hints and cursor in one transaction: what is acknowledged with the next question is here."""
    kept = [keep(db, arrival, QUARANTINED_MAX) for arrival in arrivals]
    if Kept.FULL in kept:
        raise StoreAwayError("too much waits to be verified; the relay keeps the rest")
    db.execute(
        "INSERT OR REPLACE INTO inbox_relay (mailbox, epoch, after) VALUES (?, ?, ?)", cursor
    )
    return kept
