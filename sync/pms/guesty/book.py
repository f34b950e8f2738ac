"""Tells Guesty of a sale of the box: our stay id is its confirmation code, and is searched by it."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

import msgspec

from appliance.kernel.clock import Clock
from appliance.kernel.money import decimal_of
from sync.ledger import Effect, Ledger
from sync.mirror import Known, Mirror
from sync.outcome import NotSent, Outcome, Refused, Succeeded, Unknown
from sync.pms.answers import Said
from sync.pms.guesty.client import Fine, GuestyClient, NotPermittedError, failure, id_of, rows_of
from sync.pms.guesty.rows import known_of, record_of
from sync.pms.guesty.source import LEGACY, RESERVATIONS, SEARCH
from sync.pms.guesty.words import ORIGIN, SOURCE, House, UnreadableError
from sync.pms.linking import link_letter
from sync.pms.port import NotAskableError

# A guest that was forgotten, or never named, still sleeps here.
NAMELESS: Final = "Guest"
NO_ID: Final = "Guesty took the booking and did not say as what: looked up by our reference"
HTTP_TAKEN: Final = 401
# A search may lag behind a create whose answer was lost: "not there" is believed when it was so
# twice, so long apart. The vendor names no figure; a healed line must show progress within ten
# seconds, and this is what that leaves.
ABSENT_TWICE_MS: Final = 6_000


class GuestyBooking:
    """`pms.book` effects.

    Guesty has no idempotency key and lets one confirmation code be used twice. So our stay id is
    `originId` and `confirmationCode`, and both lists are asked for it before anything is repeated.
    """

    def __init__(
        self, *, client: GuestyClient, ledger: Ledger, mirror: Mirror, clock: Clock
    ) -> None:
        self._client = client.first()
        self._ledger = ledger
        self._mirror = mirror
        self._clock = clock

    async def reconcile(self, effect: Effect, told: dict[str, Any], house: House) -> Outcome | None:
        """Search by our reference; None: twice, and some time apart, it was not there."""
        stay_id = told["stay_id"]
        row = await self._find(stay_id)
        if row is not None:
            return self._linked(stay_id, row, house, "Guesty had it already, by our reference")
        if effect.tries <= 1:
            return None  # nothing of ours is on its way: what was sent, was sent long ago
        now_ms = self._clock.read().wall_ms
        absent_ms = effect.progress.get("absent_ms")
        if absent_ms is not None and now_ms - absent_ms >= ABSENT_TWICE_MS:
            # What was sent after this look is looked for from the beginning again.
            effect.progress.pop("absent_ms")
            self._ledger.note_progress(effect.id, effect.progress)
            return None
        if absent_ms is None:
            effect.progress["absent_ms"] = now_ms
            self._ledger.note_progress(effect.id, effect.progress)
        sentence = "Guesty does not show it: looked for once more before it is sent again"
        return NotSent(sentence=sentence, wait_ms=ABSENT_TWICE_MS)

    async def push(self, told: dict[str, Any], house: House) -> Outcome:
        """Send once; a night that somebody else sold meanwhile does not lose the guest's stay."""
        stay_id = told["stay_id"]
        stay = self._mirror.stay(stay_id)
        if stay is not None and stay.upstream_id is not None:
            return Succeeded(sentence="Guesty knows it already", provider_ref=stay.upstream_id)
        listing_id = self._listing(told["room_type_id"], house)
        if listing_id is None:
            found = self._mirror.room_type(told["room_type_id"])
            title = found[0] if found is not None else told["room_type_id"]
            return Refused(sentence=f"Guesty has no listing {title!r}: give it its upstream id")
        unit_id = unit_of(self._mirror, told.get("room_id"), house)
        tries = [(unit_id or listing_id, False), (listing_id, False), (listing_id, True)]
        sentence = "Guesty has it"
        for where, ignore in dict.fromkeys(tries):
            body = _body(told, where, ignore_calendar=ignore)
            reply = await self._client.ask("POST", RESERVATIONS, fields=body)
            # Refused for its nights, so nothing was made: the type first, then over the calendar,
            # where the conflict is seen by everybody, here too.
            if isinstance(reply, Said) and reply.status == HTTP_TAKEN and not ignore:
                sentence = "Guesty has it, over nights that somebody else sold there"
                continue
            if not isinstance(reply, Fine):
                return failure(reply)
            upstream_id = id_of({"_id": reply.fields.get("reservationId")}) or id_of(reply.fields)
            if not upstream_id:
                return Unknown(sentence=NO_ID)
            known = _known(told, where, upstream_id, house)
            return self._link(stay_id, upstream_id, known, sentence)
        raise AssertionError("the last try ignores the calendar")

    async def _find(self, stay_id: str) -> dict[str, Any] | None:
        """Our reservation by its code, in the newer list and, while it is there, the older one."""
        query = [("filter[confirmationCode]", stay_id), ("limit", "100")]
        rows = rows_of(await self._client.read(SEARCH, query))
        if not (ours := [row for row in rows if _is_ours(row, stay_id)]):
            told = [{"field": "confirmationCode", "operator": "$eq", "value": stay_id}]
            try:
                older = [("filters", msgspec.json.encode(told).decode()), ("limit", "100")]
                ours = [
                    row
                    for row in rows_of(await self._client.read(LEGACY, older))
                    if _is_ours(row, stay_id)
                ]
            except (NotAskableError, NotPermittedError):
                return None
        return ours[0] if ours else None

    def _linked(self, stay_id: str, row: dict[str, Any], house: House, sentence: str) -> Outcome:
        try:
            record = record_of(row, None, house)
        except UnreadableError as error:
            return Refused(sentence=f"Guesty has it, and it cannot be read: {error}")
        known = known_of(record, None, house, record.arrival)
        return self._link(stay_id, record.upstream_id, known, sentence)

    def _link(self, stay_id: str, upstream_id: str, known: Known, sentence: str) -> Succeeded:
        def link() -> None:
            self._mirror.link(stay_id, SOURCE, upstream_id)
            self._mirror.put_known(SOURCE, upstream_id, known)

        letter = link_letter(SOURCE, stay_id, upstream_id, version="", code=stay_id)
        return Succeeded(sentence=sentence, provider_ref=upstream_id, home=(letter,), within=link)

    def _listing(self, room_type_id: str, house: House) -> str | None:
        found = self._mirror.room_type(room_type_id)
        if found is None:
            return None
        title, upstream_id = found
        return upstream_id or _named(house, {title, room_type_id}, units=False)


def unit_of(mirror: Mirror, room_id: str | None, house: House) -> str | None:
    """Guesty's unit for a room: by the installer's word, else by its number."""
    found = None if room_id is None else mirror.room(room_id)
    if found is None:
        return None
    number, upstream_id = found
    return upstream_id or _named(house, {number}, units=True)


def _named(house: House, wanted: set[str], *, units: bool) -> str | None:
    names = {name.casefold() for name in wanted}
    for listing_id, listing in house.listings.items():
        fits = house.is_unit(listing_id) is units or not house.has_units(listing_id)
        if fits and names & {name.casefold() for name in listing.names}:
            return listing_id
    return None


def _is_ours(row: dict[str, Any], stay_id: str) -> bool:
    return stay_id in {row.get("confirmationCode"), row.get("originId")}


def _body(told: dict[str, Any], listing_id: str, *, ignore_calendar: bool) -> dict[str, Any]:
    adults, children = max(int(told["adults"]), 1), int(told["children"])
    body: dict[str, Any] = {
        "checkInDateLocalized": told["arrival"],
        "checkOutDateLocalized": told["departure"],
        "listingId": listing_id,
        "source": ORIGIN,
        "status": "confirmed",
        "guestsCount": adults + children,
        "numberOfGuests": {"numberOfAdults": adults, "numberOfChildren": children},
        "guest": _guest(told),
        "confirmationCode": told["stay_id"],
        "origin": ORIGIN,
        "originId": told["stay_id"],
        # The house's own rules on lengths and notice were kept or waived at the desk.
        "ignoreTerms": True,
        "ignoreBlocks": True,
        "ignoreCalendar": ignore_calendar,
        "applyPromotions": False,
    }
    if (nights := told["nights"]) and len({night["currency"] for night in nights}) == 1:
        total = sum(night["amount_minor"] for night in nights)
        body["accommodationFare"] = float(decimal_of(total, nights[0]["currency"]))
    return body


def _guest(told: dict[str, Any]) -> dict[str, Any]:
    """The guest in whose name it is; a forgotten guest is None in the feed."""
    first: dict[str, str] = {}
    for text in told.get("guests") or ():
        if text is not None:
            first = msgspec.json.decode(text, type=dict[str, str])
            break
    phone = first.get("phone") or ""
    return {
        "firstName": first.get("given") or "",
        "lastName": first.get("family") or NAMELESS,
        "email": first.get("email") or "",
        "phones": [phone] if phone else [],
    }


def _known(told: dict[str, Any], listing_id: str, upstream_id: str, house: House) -> Known:
    """What we just made, as a record would tell it."""
    listing = house.listings.get(listing_id)
    parent_id = None if listing is None else listing.parent_id
    row = {
        "_id": upstream_id,
        "status": "confirmed",
        "stay": [
            {
                "checkInDateLocalized": told["arrival"],
                "checkOutDateLocalized": told["departure"],
                "unitTypeId": parent_id or listing_id,
                "unitId": listing_id if parent_id is not None else None,
                "guestsCount": max(int(told["adults"]), 1) + int(told["children"]),
            }
        ],
        "confirmationCode": told["stay_id"],
        "origin": ORIGIN,
        "originId": told["stay_id"],
        "platform": "direct",
    }
    return known_of(record_of(row, None, house), None, house, date.fromisoformat(told["arrival"]))
