"""A guest's door code at Mews: one resource access token a stay, made equal to what the box says.

`resourceAccessTokens` has no idempotency and changes validity only, so every try reads first: a
token that is ours (by its serial number) and right stays, what is missing is added before what is
wrong is withdrawn. The digits are asked of the box when they are sent, and live no longer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sync.home import DoorCode, Home, HomeAwayError, HomeSaidNoError
from sync.outcome import Expired, NotSent, Outcome, Refused, Succeeded
from sync.pms.mews.client import Fine, MewsClient, failure
from sync.pms.mews.words import utc_s, utc_text

# By this we know our own among the tokens of a reservation; other systems' are left alone.
OURS: Final = "nightporter"
# The appliance restarts within seconds.
AWAY_WAIT_MS: Final = 5_000
# Another release, or a box that cannot read the question: nothing changes soon.
SAID_NO_WAIT_MS: Final = 60_000


class MewsCodes:
    """Does `pms.door_code`."""

    def __init__(self, *, client: MewsClient, home: Home) -> None:
        self._client = client
        self._home = home

    async def push(
        self, stay_id: str, upstream_id: str, room_of: Callable[[str], str | None]
    ) -> Outcome:
        """Make the reservation's token equal to the code as it is by now; raises NotFetchedError."""
        try:
            code = await self._home.door_code(stay_id)
        except HomeAwayError:
            return NotSent(sentence="the box is restarting: asked again", wait_ms=AWAY_WAIT_MS)
        except HomeSaidNoError:
            sentence = "the box could not read the question for the door's code"
            return NotSent(sentence=sentence, wait_ms=SAID_NO_WAIT_MS)
        ours = await self._ours(upstream_id)
        if code is None:
            done = Succeeded(sentence="Mews has no code of ours", evidence="read_back")
            return await self._withdraw(ours, done)
        room = room_of(code.room_id)
        if room is None:
            return Refused(sentence="Mews has no room for this door: give it its upstream id")
        right = next((row for row in ours if _same(row, code, room)), None)
        told = await self._tell(right, code, upstream_id, room)
        if not isinstance(told, Succeeded):
            return told
        # The new one stands before the old ones go: the guest is never told none.
        return await self._withdraw([row for row in ours if row is not right], told)

    async def _tell(
        self, right: dict[str, Any] | None, code: DoorCode, upstream_id: str, room: str
    ) -> Outcome:
        if right is None:
            return await self._add(code, upstream_id, room)
        if _validity(right) != (code.valid_from_s, code.valid_until_s):
            return await self._prolong(right, code)
        sentence = "Mews had the code already"
        return Succeeded(sentence=sentence, provider_ref=str(right["Id"]), evidence="read_back")

    async def _ours(self, upstream_id: str) -> list[dict[str, Any]]:
        body = {"ServiceOrderIds": [upstream_id], "ActivityStates": ["Active"]}
        rows = await self._client.all_of(
            "resourceAccessTokens/getAll", body, "ResourceAccessTokens"
        )
        return [row for row in rows if row.get("SerialNumber") == OURS]

    async def _add(self, code: DoorCode, upstream_id: str, room_upstream_id: str) -> Outcome:
        token = {
            "ServiceOrderId": upstream_id,
            "ResourceId": room_upstream_id,
            "Type": "PinCode",
            "Value": code.digits,
            "SerialNumber": OURS,
            "ValidityStartUtc": utc_text(code.valid_from_s),
            "ValidityEndUtc": utc_text(code.valid_until_s),
            "Permissions": {"Room": {"Value": True}},
        }
        body = {"ResourceAccessTokenParameters": [token]}
        reply = await self._client.ask("resourceAccessTokens/add", body)
        if not isinstance(reply, Fine):
            return failure(reply)
        made = reply.fields.get("ResourceAccessTokens")
        first = made[0] if isinstance(made, list) and made else {}
        ref = first.get("Id") if isinstance(first, dict) else None
        return Succeeded(
            sentence="Mews has the code", provider_ref=None if ref is None else str(ref)
        )

    async def _prolong(self, row: dict[str, Any], code: DoorCode) -> Outcome:
        change = {
            "ResourceAccessTokenId": row["Id"],
            "ValidityStartUtc": {"Value": utc_text(code.valid_from_s)},
            "ValidityEndUtc": {"Value": utc_text(code.valid_until_s)},
        }
        body = {"ResourceAccessTokenUpdates": [change]}
        reply = await self._client.ask("resourceAccessTokens/update", body)
        if not isinstance(reply, Fine):
            return failure(reply)
        return Succeeded(sentence="Mews has the code's new end", provider_ref=str(row["Id"]))

    async def _withdraw(self, rows: list[dict[str, Any]], done: Succeeded) -> Outcome:
        if not rows:
            return done
        body = {"Ids": [row["Id"] for row in rows]}
        reply = await self._client.ask("resourceAccessTokens/delete", body)
        return done if isinstance(reply, Fine) else failure(reply)


NOT_THERE: Final = Expired(sentence="Mews does not know this booking, so it needs no code")


def _same(row: dict[str, Any], code: DoorCode, room_upstream_id: str) -> bool:
    return (
        row.get("Type") == "PinCode"
        and row.get("Value") == code.digits
        and row.get("ResourceId") == room_upstream_id
    )


def _validity(row: dict[str, Any]) -> tuple[int, int] | None:
    try:
        return utc_s(row["ValidityStartUtc"]), utc_s(row["ValidityEndUtc"])
    except (KeyError, TypeError, ValueError):
        return None
