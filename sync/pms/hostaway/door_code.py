"""The code of a stay's room in Hostaway's `doorCode`: written, then read back.

Guests get it there by Hostaway's own messages. The digits are asked of the box when they are
sent and live no longer than that; no row, log or sentence of sync has them.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from sync.home import DoorCode, HomeAwayError
from sync.outcome import Again, NotSent, Outcome, Refused, Succeeded
from sync.pms.hostaway.client import Fine, HostawayClient, failure
from sync.pms.hostaway.words import TITLE
from sync.pms.port import LOOKS

VENDOR: Final = "Nightporter"
INSTRUCTION: Final = "Type the code at your room's door"
# The appliance restarts within this.
HOME_WAIT_MS: Final = 2_000
GONE: Final = f"{TITLE} no longer shows this reservation"


class DoorCodes(Protocol):
    """Whoever knows the codes: the box."""

    async def door_code(self, stay_id: str) -> DoorCode | None:
        """The code that opens a stay's room now; None: there is none. Raises HomeAwayError."""
        ...


class DoorCodeField:
    """`pms.door_code` effects: their record is made equal to what the box says by now."""

    def __init__(self, client: HostawayClient, home: DoorCodes) -> None:
        self._client = client
        self._home = home

    async def make_equal(self, stay_id: str, upstream_id: str) -> Outcome:
        """Write and read back, as often as asked: it ends alike. Raises NotFetchedError."""
        try:
            code = await self._home.door_code(stay_id)
        except HomeAwayError as error:
            return NotSent(sentence=f"the box was not there to ask: {error}", wait_ms=HOME_WAIT_MS)
        if code is None:
            return await self._withdraw(upstream_id)
        return await self._write(upstream_id, _fields(code))

    async def _withdraw(self, upstream_id: str) -> Outcome:
        row = await self._read(upstream_id)
        if row is None:
            return Refused(sentence=GONE)
        if row.get("doorCodeVendor") != VENDOR:
            return Succeeded(
                sentence=f"no door code of ours is at {TITLE}",
                provider_ref=upstream_id,
                evidence="read_back",
            )
        return await self._write(upstream_id, _fields(None))

    async def _write(self, upstream_id: str, wanted: dict[str, str | None]) -> Outcome:
        reply = await self._client.ask("PUT", f"reservations/{upstream_id}", body=wanted)
        if not isinstance(reply, Fine):
            return failure(reply)
        # A success that changed nothing has been seen of booking systems: only reading proves it.
        row = await self._read(upstream_id)
        if row is None or not _is(row, wanted):
            return Again(sentence=f"{TITLE} said yes and shows another door code")
        has = "has the door code" if wanted["doorCode"] else "has no door code any more"
        return Succeeded(
            sentence=f"{TITLE} {has}",
            provider_ref=upstream_id,
            evidence="read_back",
        )

    async def _read(self, upstream_id: str) -> dict[str, Any] | None:
        for _ in range(LOOKS):
            row = await self._client.read(f"reservations/{upstream_id}")
            if isinstance(row, dict):
                return row
        return None


def _fields(code: DoorCode | None) -> dict[str, str | None]:
    if code is None:
        return {"doorCode": None, "doorCodeVendor": None, "doorCodeInstruction": None}
    return {
        "doorCode": code.digits,
        "doorCodeVendor": VENDOR,
        "doorCodeInstruction": INSTRUCTION,
    }


def _is(row: dict[str, Any], wanted: dict[str, str | None]) -> bool:
    return all((row.get(name) or None) == value for name, value in wanted.items())
