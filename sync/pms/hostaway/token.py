"""The access token: asked for by one, kept with its deadline, used only once it counts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

from appliance.kernel.clock import Clock, sleep
from sync.gate import (
    HTTP_SERVER_ERROR,
    HTTP_TOO_MANY,
    PROBE_TIMEOUT_S,
    Gate,
    Held,
)
from sync.ledger import Ledger
from sync.pms.hostaway.words import DAY_S, SOURCE, object_of
from sync.transport import NoAnswer, Request

TOKEN: Final = f"{SOURCE}.token"
ASKED: Final = f"{SOURCE}.tokens_asked_ms"
# A token counts one second after it was given (docs, "Authentication"); a tenth for two clocks.
DELAY_S: Final = 1.1
# A token is given up this long before its end, so that none ends on its way.
EARLY_MS: Final = 60_000
# A new token after a refused one at most this often, doubled with each of the last day's up to an
# hour: a key that is refused for good must not look like an attack.
GAP_MS_MIN: Final = 60_000
GAP_MS_MAX: Final = 3_600_000
# Tokens a day that are nothing strange: a start, an expiry, one revoked by hand.
USUAL: Final = 3
# What `expires_in` may say at most; they say 184 days, their text says two years.
EXPIRES_S_MAX: Final = 800 * DAY_S
DIGITS_MAX: Final = 12
# Without a word of theirs, or with one that ends at once, we believe in a day.
EXPIRES_S_DEFAULT: Final = DAY_S
UNGIVEN: Final = (
    "Hostaway gives no token for our account ({}): "
    "look at sync.pms.client_id and its secret's file; asked again each minute"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostawayAccount:
    """Where and as whom we ask; the secret is never logged."""

    base_url: str
    client_id: str  # the account's number
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token as it is kept in sync.db; wall milliseconds of our own clock."""

    text: str = field(repr=False)
    got_ms: int
    until_ms: int


class Tokens:
    """One token for one account."""

    def __init__(
        self, account: HostawayAccount, gate: Gate, *, ledger: Ledger, clock: Clock
    ) -> None:
        self._account = account
        self._gate = gate
        self._ledger = ledger
        self._clock = clock
        self._asking = asyncio.Lock()
        self._counts_at_s = 0.0  # monotonic: before this the newest token does not count

    async def current(self, *, probe: bool = False) -> str | NoAnswer | Held:
        """The token to send; asks for one where there is none or it ends."""
        async with self._asking:
            token: Token | None = self._ledger.kept(TOKEN, Token | None)
            if token is None or self._now_ms() >= token.until_ms - EARLY_MS:
                return await self._ask(probe=probe)
            await self._until_it_counts(token)
            return token.text

    async def after(self, refused: str) -> str | NoAnswer | Held | None:
        """Another token than the one that was refused; None: it is too early to ask for one.

        Whoever comes second finds the first one's.
        """
        async with self._asking:
            token: Token | None = self._ledger.kept(TOKEN, Token | None)
            if token is not None and token.text != refused:
                await self._until_it_counts(token)
                return token.text
            if self._too_early():
                return None
            return await self._ask(probe=True)

    def asked_in_a_day(self) -> int:
        """How many tokens were asked for in the last 24 hours."""
        return len(self._asked())

    def _asked(self) -> list[int]:
        day_ago_ms = self._now_ms() - DAY_S * 1000
        asked: list[int] = self._ledger.kept(ASKED, list[int], [])
        return [each for each in asked if each > day_ago_ms]

    def _too_early(self) -> bool:
        asked = self._asked()
        if not asked:
            return False
        gap_ms = min(GAP_MS_MAX, GAP_MS_MIN * 2 ** max(0, len(asked) - USUAL))
        return bool(self._now_ms() - asked[-1] < gap_ms)

    async def _ask(self, *, probe: bool) -> str | NoAnswer | Held:
        if not probe and (wait_ms := self._gate.closed_ms()):
            return Held(wait_ms=wait_ms, sentence="the way to Hostaway is closed")
        with self._ledger.transaction():
            # On disk before the first byte leaves, so that a restart remembers how often we asked.
            self._ledger.keep(ASKED, [*self._asked(), self._now_ms()])
        form = {
            "grant_type": "client_credentials",
            "client_id": self._account.client_id,
            "client_secret": self._account.client_secret,
            "scope": "general",
        }
        request = Request(
            method="POST",
            url=f"{self._account.base_url}/v1/accessTokens",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode(form).encode(),
            # Everybody waits for it: a healed line is noticed within ten seconds all the same.
            timeout_s=PROBE_TIMEOUT_S,
        )
        reply = await self._gate.send(request, probe=probe)
        if isinstance(reply, Held):
            return reply
        if isinstance(reply, NoAnswer):
            # What was to be sent with it has not been sent.
            return NoAnswer(sent=False, why=f"no token: {reply.why}")
        fields = object_of(reply.body) or {}
        text, expires_s = fields.get("access_token"), fields.get("expires_in")
        if reply.status != 200 or not isinstance(text, str) or not text:
            if reply.status < HTTP_SERVER_ERROR and reply.status != HTTP_TOO_MANY:
                # Answered, and with no token: a person must look, and nobody asks again and again.
                self._gate.refuse(UNGIVEN.format(reply.status))
            return NoAnswer(sent=False, why=f"no token: answer {reply.status}")
        if isinstance(expires_s, str) and expires_s.isascii() and expires_s.isdigit():
            expires_s = int(expires_s[:DIGITS_MAX])
        if not isinstance(expires_s, int) or expires_s <= EARLY_MS // 1000:
            expires_s = EXPIRES_S_DEFAULT
        return await self._got(text, min(expires_s, EXPIRES_S_MAX))

    async def _got(self, text: str, expires_s: int) -> str:
        self._counts_at_s = self._clock.monotonic() + DELAY_S
        now_ms = self._now_ms()
        token = Token(text=text, got_ms=now_ms, until_ms=now_ms + expires_s * 1000)
        with self._ledger.transaction():
            self._ledger.keep(TOKEN, token)
        await self._until_it_counts(token)
        return text

    async def _until_it_counts(self, token: Token) -> None:
        # After a restart only the wall clock says how old it is, and that may be wrong.
        young_s = token.got_ms / 1000 + DELAY_S - self._now_ms() / 1000
        wait_s = max(self._counts_at_s - self._clock.monotonic(), min(young_s, DELAY_S))
        if wait_s > 0:
            await sleep(self._clock, wait_s)

    def _now_ms(self) -> int:
        return self._clock.read().wall_ms
