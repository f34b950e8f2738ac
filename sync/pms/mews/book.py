"""Tells Mews of a sale of the box: guest first, then the booking; searched before any repeat."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

import msgspec

from appliance.kernel.values import normalise_name
from sync.ledger import Effect, Ledger
from sync.mirror import Known, Mirror
from sync.outcome import Homeward, Outcome, Refused, Succeeded, Unknown
from sync.pms.answers import Said
from sync.pms.linking import link_letter
from sync.pms.mews.client import Fine, MewsClient, Reply, failure
from sync.pms.mews.rows import known_of
from sync.pms.mews.source import RESERVATIONS
from sync.pms.mews.words import SOURCE, House, nights_of, utc_s, utc_text, version_of
from sync.pms.port import NotFetchedError

# A guest that was forgotten, or never named, still sleeps here; Mews wants a surname.
NAMELESS: Final = "Guest"
NO_ID: Final = "Mews took the booking and did not say as what: looked up by our reference"
# What reading a row raises that leaves out what it must have, or says it in another form.
UNREADABLE: Final = (KeyError, TypeError, ValueError, OverflowError)
NOTE: Final = "Sold at the desk with Nightporter"


class MewsBooking:
    """`pms.book` effects.

    Mews has no idempotency key and forgets `Identifier`; it keeps `ChannelNumber`, and lists by
    it. Our stay id goes there: it is the natural key upstream. For a vendor that lost it, the
    profile we made and the very same times tell our sale apart.
    """

    def __init__(self, *, client: MewsClient, ledger: Ledger, mirror: Mirror) -> None:
        self._client = client
        self._ledger = ledger
        self._mirror = mirror

    async def reconcile(self, effect: Effect, told: dict[str, Any], house: House) -> Outcome | None:
        """Search by our reference, then by the profile we made; None: it is not there."""
        stay_id = told["stay_id"]
        if row := await self._find(told, None, house):
            try:
                return self._linked(stay_id, row, "Mews had it already, under our reference")
            except UNREADABLE as error:
                sentence = f"Mews has it, and it cannot be read ({type(error).__name__})"
                raise NotFetchedError(sentence, answered=True) from error
        customer_id = effect.progress.get("customer_id")
        if customer_id is None:
            customer_id = await self._find_customer(_first_guest(told), _mark(told))
            if customer_id is None:
                return None
            self._made_customer(effect, customer_id)
        if row := await self._find(told, customer_id, house):
            return self._linked(stay_id, row, "Mews had it already, for the same guest and dates")
        return None

    async def push(self, effect: Effect, told: dict[str, Any], house: House) -> Outcome:
        """Try once; what was reached is kept, so that the next try goes on from there."""
        stay = self._mirror.stay(told["stay_id"])
        if stay is not None and stay.upstream_id is not None:
            return Succeeded(sentence="Mews knows it already", provider_ref=stay.upstream_id)
        customer = await self._customer(effect, told)
        if not isinstance(customer, str):
            return customer
        return await self._add(told, customer, house)

    # -- the guest -------------------------------------------------------------------------------

    async def _customer(self, effect: Effect, told: dict[str, Any]) -> str | Outcome:
        if (made := effect.progress.get("customer_id")) is not None:
            return str(made)
        guest, mark, found = _first_guest(told), _mark(told), None
        reply = await self._add_customer(guest, mark, guest.get("email") or None)
        if isinstance(reply, Said) and reply.status == 403 and guest.get("email"):
            # The e-mail is known there. The same surname is the same guest; a couple that shares
            # an address becomes two profiles.
            found = await self._find_by_email(guest)
            if found is None:
                reply = await self._add_customer(guest, mark, None)
        if found is None:
            if not isinstance(reply, Fine):
                return failure(reply)
            found = str(reply.fields["Id"])
        self._made_customer(effect, found)
        return found

    def _made_customer(self, effect: Effect, customer_id: str) -> None:
        effect.progress["customer_id"] = customer_id
        self._ledger.note_progress(effect.id, effect.progress)

    async def _add_customer(self, guest: dict[str, str], mark: str, email: str | None) -> Reply:
        body = {
            "FirstName": guest.get("given") or None,
            "LastName": guest.get("family") or NAMELESS,
            "Email": email,
            "Phone": guest.get("phone") or None,
            "Notes": mark,
            "OverwriteExisting": False,
        }
        return await self._client.ask("customers/add", body)

    async def _find_customer(self, guest: dict[str, str], mark: str) -> str | None:
        body: dict[str, Any] = {
            "LastNames": [guest.get("family") or NAMELESS],
            "Extent": {"Customers": True},
        }
        for row in await self._client.all_of("customers/getAll", body, "Customers"):
            if row.get("Notes") == mark:
                return str(row["Id"])
        return None

    async def _find_by_email(self, guest: dict[str, str]) -> str | None:
        body: dict[str, Any] = {"Emails": [guest["email"]], "Extent": {"Customers": True}}
        family = normalise_name(guest.get("family") or "")
        for row in await self._client.all_of("customers/getAll", body, "Customers"):
            if normalise_name(str(row.get("LastName") or "")) == family:
                return str(row["Id"])
        return None

    # -- the booking -----------------------------------------------------------------------------

    async def _find(
        self, told: dict[str, Any], customer_id: str | None, house: House
    ) -> dict[str, Any] | None:
        if customer_id is None:
            body: dict[str, Any] = {"ChannelNumbers": [told["stay_id"]]}
        else:
            body = {"AccountIds": [customer_id]}
        start_s, end_s = _times(told, house)
        for row in await self._client.all_of(RESERVATIONS, body, "Reservations"):
            if row.get("ChannelNumber") == told["stay_id"]:
                return row
            same_times = _times_of(row) == (start_s, end_s)
            if customer_id is not None and same_times and row.get("Origin") == "Connector":
                linked = self._mirror.stay_of(SOURCE, str(row["Id"]))
                if linked is None and not row.get("ChannelNumber"):
                    return row
        return None

    async def _add(self, told: dict[str, Any], customer_id: str, house: House) -> Outcome:
        category = self._category(told["room_type_id"], house)
        if category is None:
            title = (self._mirror.room_type(told["room_type_id"]) or (told["room_type_id"], None))[
                0
            ]
            return Refused(sentence=f"Mews has no room type {title!r}: give it its upstream id")
        body = self._body(told, customer_id, category, house)
        reply = await self._client.ask("reservations/add", body)
        if isinstance(reply, Said) and reply.status == 403:
            # Most often the room: the sale matters more, the room follows with the check-in.
            body["Reservations"][0]["AssignedResourceId"] = None
            reply = await self._client.ask("reservations/add", body)
        if not isinstance(reply, Fine):
            return failure(reply)
        made = _made(reply.fields)
        if made is None:
            return Unknown(sentence=NO_ID)
        try:
            return self._linked(
                told["stay_id"], made, f"Mews has it as number {made.get('Number')}"
            )
        except UNREADABLE:
            return Unknown(sentence=NO_ID)

    def _body(
        self, told: dict[str, Any], customer_id: str, category: str, house: House
    ) -> dict[str, Any]:
        start_s, end_s = _times(told, house)
        people = [{"AgeCategoryId": house.adult_id, "Count": max(int(told["adults"]), 1)}]
        if told["children"] and house.child_id is not None:
            people.append({"AgeCategoryId": house.child_id, "Count": int(told["children"])})
        booking = {
            "Identifier": told["stay_id"],
            "ChannelNumber": told["stay_id"],
            "State": "Confirmed",
            "StartUtc": utc_text(start_s),
            "EndUtc": utc_text(end_s),
            "CustomerId": customer_id,
            "RequestedCategoryId": category,
            "RateId": house.rate_id,
            "Notes": NOTE,
            "PersonCounts": people,
            "TimeUnitPrices": nights_of(told["nights"]),
        }
        if (room := self._room(told.get("room_id"), house)) is not None:
            booking["AssignedResourceId"] = room
        return {
            "ServiceId": house.service_id,
            "Reservations": [booking],
            # The guest may be asleep already: Mews shows an overbooking rather than losing a stay.
            "CheckOverbooking": False,
            "CheckRateApplicability": False,
            "SendConfirmationEmail": False,
        }

    def _linked(self, stay_id: str, row: dict[str, Any], sentence: str) -> Succeeded:
        upstream_id = str(row["Id"])
        known: Known = known_of({"AccountId": row.get("CustomerId"), **_typed(row)}, None)

        def link() -> None:
            self._mirror.link(stay_id, SOURCE, upstream_id)
            self._mirror.put_known(SOURCE, upstream_id, known)

        return Succeeded(
            sentence=sentence,
            provider_ref=upstream_id,
            home=(_letter_of(stay_id, row),),
            within=link,
        )

    def _category(self, room_type_id: str, house: House) -> str | None:
        found = self._mirror.room_type(room_type_id)
        if found is None:
            return None
        title, upstream_id = found
        if upstream_id is not None:
            return upstream_id
        wanted = {title.casefold(), room_type_id.casefold()}
        for category, names in house.categories.items():
            if wanted & {name.casefold() for name in names}:
                return category
        return None

    def _room(self, room_id: str | None, house: House) -> str | None:
        found = None if room_id is None else self._mirror.room(room_id)
        if found is None:
            return None
        number, upstream_id = found
        named = (each for each, name in house.resources.items() if name == number)
        return upstream_id or next(named, None)


def _first_guest(told: dict[str, Any]) -> dict[str, str]:
    """The guest in whose name it is; a forgotten guest is None in the feed."""
    for text in told.get("guests") or ():
        if text is not None:
            found: dict[str, str] = msgspec.json.decode(text, type=dict[str, str])
            return found
    return {}


def _times(told: dict[str, Any], house: House) -> tuple[int, int]:
    arrival = date.fromisoformat(told["arrival"])
    departure = date.fromisoformat(told["departure"])
    return house.start_s(arrival), house.end_s(departure)


def _times_of(row: dict[str, Any]) -> tuple[int, int] | None:
    try:
        return utc_s(row["StartUtc"]), utc_s(row["EndUtc"])
    except UNREADABLE:
        return None


def _made(fields: dict[str, Any]) -> dict[str, Any] | None:
    rows = fields.get("Reservations")
    first = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}
    made = first.get("Reservation")
    return made if isinstance(made, dict) and made.get("Id") else None


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    """Add and list answer in two shapes; this is what they share, in the words of the newer."""
    account = row.get("AccountId") or row.get("CustomerId")
    return {**row, "AccountId": account, "AccountType": "Customer"}


def _mark(told: dict[str, Any]) -> str:
    """What is written on a profile of ours, by which it is found again."""
    return f"Nightporter {told['stay_id']}"


def _letter_of(stay_id: str, row: dict[str, Any]) -> Homeward:
    version, number = version_of(row["UpdatedUtc"]), str(row.get("Number") or "")
    return link_letter(SOURCE, stay_id, str(row["Id"]), version=version, code=number)
