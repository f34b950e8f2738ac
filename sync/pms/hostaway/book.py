"""Tells Hostaway of a sale of the box: one request, searched for before any repeat."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from appliance.kernel.money import decimal_of
from sync.ledger import Effect
from sync.mirror import Mirror
from sync.outcome import Outcome, Refused, Succeeded, Unknown
from sync.pms.hostaway.client import Fine, HostawayClient, failure, rows_of
from sync.pms.hostaway.house import House
from sync.pms.hostaway.rows import known_of, trimmed
from sync.pms.hostaway.source import RESERVATIONS
from sync.pms.hostaway.words import NOTE, PROVIDER, SOURCE, TITLE, our_ref, utc_ms, version_of
from sync.pms.linking import link_letter
from sync.pms.port import ACT_TIMEOUT_S

# A direct booking (docs, "Channels").
DIRECT: Final = 2000
# A guest that was forgotten, or never named, still sleeps here.
NAMELESS: Final = "Guest"
# Their clock and ours may differ, and a change may become visible late.
BEHIND_MS: Final = 300_000
LOST_ID: Final = "Hostaway took the booking and did not say as what: looked up by our reference"


class HostawayBooking:
    """`pms.book` effects.

    Hostaway has no idempotency key: a create that is asked twice is made twice. What tells our
    sale apart there is `source`, which our `provider` becomes, with our stay id in
    `channelReservationId` and again in the host's note.
    """

    def __init__(self, *, client: HostawayClient, mirror: Mirror) -> None:
        self._client = client
        self._mirror = mirror

    async def reconcile(self, effect: Effect, told: dict[str, Any], house: House) -> Outcome | None:
        """Search by the day of arrival, then everything changed since; None: it is not there."""
        if (known := self._knows_it(told)) is not None:
            return known
        wanted = {"arrivalStartDate": told["arrival"], "arrivalEndDate": told["arrival"]}
        row = await self._find(told, wanted, 0, likely=True)
        if row is None and effect.first_sent_ms is not None:
            # A person may have moved it there since: then it is among what changed since.
            since_ms = effect.first_sent_ms - effect.first_sent_doubt_ms - BEHIND_MS
            row = await self._find(told, {}, since_ms, likely=False)
        if row is None:
            return None
        return self._linked(told["stay_id"], row, house, f"{TITLE} had it already")

    async def push(self, told: dict[str, Any], house: House) -> Outcome:
        """Send it once."""
        if (known := self._knows_it(told)) is not None:
            return known
        listing_id = self._listing(told["room_type_id"], house)
        if listing_id is None:
            found = self._mirror.room_type(told["room_type_id"])
            title = told["room_type_id"] if found is None else found[0]
            return Refused(sentence=f"{TITLE} has no listing {title!r}: give it its upstream id")
        currency = house.listings[listing_id].currency
        strange = {night["currency"] for night in told["nights"]} - {currency}
        if strange:
            return Refused(
                sentence=f"{TITLE} sells this listing in {currency}, not in "
                f"{', '.join(sorted(strange))}: enter the booking there, then mark it done"
            )
        reply = await self._client.ask(
            "POST",
            RESERVATIONS,
            query={"provider": PROVIDER, "forceOverbooking": 1},
            body=_body(told, listing_id, currency),
        )
        if not isinstance(reply, Fine):
            return failure(reply)
        if not (rows := rows_of([reply.result])):
            return Unknown(sentence=LOST_ID)
        row = rows[0]
        return self._linked(told["stay_id"], row, house, f"{TITLE} has it as number {row['id']}")

    def _knows_it(self, told: dict[str, Any]) -> Succeeded | None:
        stay = self._mirror.stay(told["stay_id"])
        if stay is None or stay.upstream_id is None:
            return None
        return Succeeded(sentence=f"{TITLE} knows it already", provider_ref=stay.upstream_id)

    async def _find(
        self, told: dict[str, Any], wanted: dict[str, Any], since_ms: int, *, likely: bool
    ) -> dict[str, Any] | None:
        """Our row; `likely`: also one of ours that lost its reference, by everything else."""
        alike = None
        pages = self._client.pages(RESERVATIONS, wanted, timeout_s=ACT_TIMEOUT_S)
        async for page in pages:
            for row in page:
                if our_ref(row) == told["stay_id"]:
                    return row
                if likely and alike is None and self._is_alike(row, told):
                    alike = row
            if _before(page[-1], since_ms):
                break
        return alike

    def _is_alike(self, row: dict[str, Any], told: dict[str, Any]) -> bool:
        guest = _first_guest(told)
        return (
            row.get("source") == PROVIDER
            and our_ref(row) is None
            and row.get("status") in {"new", "modified"}
            and (row.get("arrivalDate"), row.get("departureDate"))
            == (told["arrival"], told["departure"])
            and (row.get("guestFirstName") or "", row.get("guestLastName") or "")
            == (guest.get("given") or "", guest.get("family") or NAMELESS)
            and self._mirror.stay_of(SOURCE, str(row["id"])) is None
        )

    def _linked(self, stay_id: str, row: dict[str, Any], house: House, sentence: str) -> Succeeded:
        upstream_id = str(row["id"])
        try:
            known, version = known_of(trimmed(row), house, None), version_of(row["updatedOn"])
        except (KeyError, ValueError, OverflowError):
            known, version = None, ""

        def link() -> None:
            self._mirror.link(stay_id, SOURCE, upstream_id)
            if known is not None:
                self._mirror.put_known(SOURCE, upstream_id, known)

        letter = link_letter(SOURCE, stay_id, upstream_id, version=version, code=upstream_id)
        return Succeeded(sentence=sentence, provider_ref=upstream_id, home=(letter,), within=link)

    def _listing(self, room_type_id: str, house: House) -> str | None:
        found = self._mirror.room_type(room_type_id)
        if found is None:
            return None
        title, upstream_id = found
        if upstream_id is not None:
            return upstream_id if upstream_id in house.listings else None
        wanted = {title.casefold(), room_type_id.casefold()}
        for listing_id, listing in house.listings.items():
            if wanted & {name.casefold() for name in listing.names}:
                return listing_id
        return None


def _body(told: dict[str, Any], listing_id: str, currency: str) -> dict[str, Any]:
    guest, adults = _first_guest(told), max(int(told["adults"]), 1)
    given, family = guest.get("given") or "", guest.get("family") or NAMELESS
    total_minor = sum(night["amount_minor"] for night in told["nights"])
    return {
        "channelId": DIRECT,
        "listingMapId": int(listing_id),
        "channelReservationId": told["stay_id"],
        "hostNote": NOTE.format(told["stay_id"]),
        "guestName": f"{given} {family}".strip(),
        "guestFirstName": given,
        "guestLastName": family,
        "guestEmail": guest.get("email") or None,
        "phone": guest.get("phone") or None,
        "adults": adults,
        "children": int(told["children"] or 0),
        "numberOfGuests": adults + int(told["children"] or 0),
        "arrivalDate": told["arrival"],
        "departureDate": told["departure"],
        "totalPrice": float(decimal_of(total_minor, currency)),
        "currency": currency,
    }


def _before(row: dict[str, Any], since_ms: int) -> bool:
    try:
        return utc_ms(row.get("updatedOn")) < since_ms
    except (ValueError, OverflowError):
        return False


def _first_guest(told: dict[str, Any]) -> dict[str, str]:
    """The guest in whose name it is; a forgotten guest is None in the feed."""
    for text in told.get("guests") or ():
        if text is not None:
            found: dict[str, str] = msgspec.json.decode(text, type=dict[str, str])
            return found
    return {}
