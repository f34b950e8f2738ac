"""Guesty's tokens: five in a day, so each is kept, and asked for by one at a time (cloud.md 1.1)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from appliance.kernel.clock import Clock
from sync.gate import PROBE_TIMEOUT_S, Gate, Held
from sync.ledger import Ledger
from sync.manners import retry_after_ms, utc_text
from sync.pms.guesty.account import GuestyAccount
from sync.transport import Answer, NoAnswer, Request

logger = logging.getLogger(__name__)

TOKEN: Final = "guesty.token"  # noqa: S105 - names in sync.db
ACCOUNT: Final = "guesty.account"
DAY_MS: Final = 86_400_000
# The vendor's quota for each client id in any 24 hours.
TOKENS_MAX: Final = 5
# Of these so many may replace a token that was refused before its time: the rest are for expiry.
REPLACEMENTS_MAX: Final = 2
# Renewed so long before its end, so that no request meets the end on its way.
RENEW_BEFORE_MS: Final = 600_000
# A healed line must be noticed within ten seconds, also when it died under this very question.
TIMEOUT_S: Final = 5.0
# Asked again after an answer that never came: 2 s, then four times longer each time, up to this.
UNANSWERED_WAIT_MS: Final = 2_000
UNANSWERED_WAIT_MS_MAX: Final = 1_800_000
# The vendor's token is good for a day; without `expires_in` we believe in an hour.
EXPIRES_S_DEFAULT: Final = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What survives a restart. `credential` tells one client id and secret from another's."""

    credential: str = ""
    token: str = ""
    until_ms: int = 0
    got_ms: tuple[int, ...] = ()  # tokens of the last 24 hours
    replaced_ms: tuple[int, ...] = ()  # those among them that replaced a refused one
    unanswered: int = 0  # asked in a row without an answer; each may have been a token
    wait_until_ms: int = 0
    sentence: str = ""  # why we wait

    def __repr__(self) -> str:
        """Without the token."""
        return f"Kept(until_ms={self.until_ms}, got={len(self.got_ms)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Barred:
    """Nothing can be asked as this client: a person must look, and why."""

    sentence: str


class GuestyTokens:
    """The one token of one account."""

    def __init__(self, *, account: GuestyAccount, gate: Gate, ledger: Ledger, clock: Clock) -> None:
        self._account = account
        self._gate = gate
        self._ledger = ledger
        self._clock = clock
        self._asking = asyncio.Lock()
        named = f"{account.client_id}\n{account.client_secret}".encode()
        self._credential = hashlib.sha256(named).hexdigest()

    async def token(self, *, instead_of: str | None = None) -> str | Held | NoAnswer | Barred:
        """A token that is good by our clock; `instead_of` was refused although it should be.

        One asks at a time; who waited takes what the other got.
        """
        async with self._asking:
            kept = self._kept()
            now_ms = self._clock.read().wall_ms
            if kept.token and kept.token != instead_of and now_ms < kept.until_ms:
                if now_ms < kept.until_ms - RENEW_BEFORE_MS:
                    return kept.token
                # Good for a few minutes still: a renewal that cannot be had is no reason to stop.
                fresh = await self._ask(kept, now_ms, replaces=False, proven=False)
                return fresh if isinstance(fresh, str) else kept.token
            early = instead_of is not None and now_ms < kept.until_ms - RENEW_BEFORE_MS
            # Who was just refused has heard them: the line is up.
            return await self._ask(kept, now_ms, replaces=early, proven=instead_of is not None)

    def account_id(self) -> str | None:
        """The tenant whose data this sync.db holds; None until a token named one."""
        found: str | None = self._ledger.kept(ACCOUNT, str)
        return found

    # -- inside ----------------------------------------------------------------------------------

    def _kept(self) -> Kept:
        kept: Kept = self._ledger.kept(TOKEN, Kept, Kept())
        return kept if kept.credential == self._credential else Kept(credential=self._credential)

    def _keep(self, kept: Kept) -> None:
        with self._ledger.transaction():
            self._ledger.keep(TOKEN, kept)

    async def _ask(
        self, kept: Kept, now_ms: int, *, replaces: bool, proven: bool
    ) -> str | Held | NoAnswer | Barred:
        kept = replace(kept, got_ms=_recent(kept.got_ms, now_ms))
        kept = replace(kept, replaced_ms=_recent(kept.replaced_ms, now_ms))
        if replaces and len(kept.replaced_ms) >= REPLACEMENTS_MAX:
            return Barred(sentence="Guesty refuses every token that it gives us: look there")
        if len(kept.got_ms) >= TOKENS_MAX:
            until_ms = kept.got_ms[-TOKENS_MAX] + DAY_MS
            kept = replace(kept, wait_until_ms=max(kept.wait_until_ms, until_ms), sentence=USED_UP)
        if now_ms < kept.wait_until_ms:
            return self._wait(kept, now_ms)
        if not proven and isinstance(
            nobody := await self._gate.send_aside(self._knock()), NoAnswer
        ):
            # A line that is dead would only swallow tokens, and make us wait when it is back.
            return nobody
        # On disk before the first byte: a token that was given and never arrived is counted too.
        unanswered = kept.unanswered + 1
        wait_ms = min(UNANSWERED_WAIT_MS * 4 ** (unanswered - 1), UNANSWERED_WAIT_MS_MAX)
        asking = replace(
            kept,
            unanswered=unanswered,
            wait_until_ms=now_ms + wait_ms,
            sentence="Guesty's token endpoint did not answer",
        )
        self._keep(asking)
        reply = await self._gate.send_aside(self._request())
        if isinstance(reply, NoAnswer) and not reply.sent:
            self._keep(kept)
            return reply
        if isinstance(reply, NoAnswer) or reply.status >= 500:
            return self._wait(asking, now_ms)
        return self._heard(reply, kept, replaces=replaces)

    def _heard(self, reply: Answer, kept: Kept, *, replaces: bool) -> str | Held | Barred:
        now_ms = self._clock.read().wall_ms
        kept = replace(kept, unanswered=0, wait_until_ms=0, sentence="")
        if reply.status == 429:
            wait_ms = retry_after_ms(reply.headers.get("retry-after"), now_ms)
            if wait_ms is None:
                wait_ms = UNANSWERED_WAIT_MS_MAX
            return self._wait(
                replace(kept, wait_until_ms=now_ms + wait_ms, sentence=USED_UP), now_ms
            )
        said = _object(reply.body)
        token = said.get("access_token")
        if reply.status != 200 or not isinstance(token, str) or not token:
            self._keep(kept)
            sentence = (
                f"Guesty refuses our client id and secret ({reply.status}): "
                "look at sync.pms.client_id and its secret's file"
            )
            return Barred(sentence=sentence)
        lasts_s = said.get("expires_in")
        until_s = lasts_s if isinstance(lasts_s, int) and lasts_s > 0 else EXPIRES_S_DEFAULT
        tenant = tenant_of(token)
        kept = replace(
            kept,
            got_ms=(*kept.got_ms, now_ms),
            replaced_ms=(*kept.replaced_ms, *((now_ms,) if replaces else ())),
        )
        if (barred := self._other_tenant(tenant)) is not None:
            self._keep(replace(kept, token="", until_ms=0))
            return barred
        with self._ledger.transaction():
            self._ledger.keep(TOKEN, replace(kept, token=token, until_ms=now_ms + until_s * 1000))
            if tenant is not None:
                self._ledger.keep(ACCOUNT, tenant)
        logger.info("guesty: token %d of %d in 24 h", len(kept.got_ms), TOKENS_MAX)
        return token

    def _other_tenant(self, tenant: str | None) -> Barred | None:
        before = self.account_id()
        if before is None or tenant is None or tenant == before:
            return None
        sentence = (
            f"these credentials are of Guesty account {tenant}, this box holds bookings of "
            f"{before}: put the old ones back, or remove sync.db to begin with the new account"
        )
        return Barred(sentence=sentence)

    def _wait(self, kept: Kept, now_ms: int) -> Held:
        self._keep(kept)
        wait_ms = max(1, kept.wait_until_ms - now_ms)
        until = utc_text(kept.wait_until_ms)
        return Held(wait_ms=wait_ms, sentence=f"{kept.sentence}: asked again after {until}")

    def _knock(self) -> Request:
        """Something that is answered without a token: by a refusal, and that is enough."""
        return Request(
            method="GET",
            url=f"{self._account.base_url}/v1/accounts/me",
            headers={"Accept": "application/json"},
            timeout_s=PROBE_TIMEOUT_S,
        )

    def _request(self) -> Request:
        form = {
            "grant_type": "client_credentials",
            "scope": "open-api",
            "client_id": self._account.client_id,
            "client_secret": self._account.client_secret,
        }
        return Request(
            method="POST",
            url=f"{self._account.base_url}/oauth2/token",
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
            },
            body=urlencode(form).encode(),
            timeout_s=TIMEOUT_S,
        )


USED_UP: Final = f"Guesty gives {TOKENS_MAX} tokens in 24 hours, and they are used up"


def tenant_of(token: str) -> str | None:
    """The `accountId` claim of a token; None where it has none we can read.

    Nothing is verified: it comes straight from the vendor, and only tells tenants apart.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
    except ValueError:
        return None
    found = _object(claims).get("accountId")
    return found if isinstance(found, str) and found else None


def _recent(moments_ms: tuple[int, ...], now_ms: int) -> tuple[int, ...]:
    return tuple(at_ms for at_ms in moments_ms if now_ms - at_ms < DAY_MS)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}
