"""Records of the store in the vendor's own JSON shapes (the official examples, field by field)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final

from appliance.kernel.money import decimal_of
from twin.clouds.hostaway.records import Charge, Day, Listing, Logged, Reservation, Webhook
from twin.clouds.hostaway.store import HostawayStore
from twin.clouds.hostaway.words import ACCOUNT_ID, CHANNELS, Status, utc_text

Json = dict[str, Any]

# What every reservation has and the twin has no use for: null in the vendor's own example too,
# or a word about a channel that the box never asks for.
_UNUSED: Final = (
    "externalPropertyId",
    "externalRatePlanId",
    "externalUnitId",
    "assigneeUserId",
    "manualIcalId",
    "manualIcalName",
    "pendingExpireDate",
    "guestExternalAccountId",
    "guestZipCode",
    "guestAddress",
    "guestCity",
    "guestCountry",
    "guestPicture",
    "guestRecommendations",
    "guestTrips",
    "guestWork",
    "isGuestIdentityVerified",
    "isGuestVerifiedByEmail",
    "isGuestVerifiedByWorkEmail",
    "isGuestVerifiedByFacebook",
    "isGuestVerifiedByGovernmentId",
    "isGuestVerifiedByPhone",
    "isGuestVerifiedByReviews",
    "infants",
    "pets",
    "taxAmount",
    "channelCommissionAmount",
    "hostawayCommissionAmount",
    "cleaningFee",
    "securityDepositFee",
    "paymentMethod",
    "stripeGuestId",
    "guestLocale",
    "airbnbExpectedPayoutAmount",
    "airbnbListingBasePrice",
    "airbnbListingCancellationHostFee",
    "airbnbListingCancellationPayout",
    "airbnbListingCleaningFee",
    "airbnbListingHostFee",
    "airbnbListingSecurityPrice",
    "airbnbOccupancyTaxAmountPaidToHost",
    "airbnbTotalPaidAmount",
    "airbnbTransientOccupancyTaxPaidAmount",
    "airbnbCancellationPolicy",
    "originalChannel",
    "customerUserId",
    "rentalAgreementFileUrl",
    "reservationAgreement",
    "insuranceStatus",
    "claimStatus",
    "insurancePolicyId",
    "cancellationPolicyId",
    "cancellationPolicy",
    "hostProxyEmail",
    "bookingcomSpecialRequests",
    "bookingcomSmokingPreference",
    "bookingcomIsGeniusMember",
    "bookingcomBookerName",
    "bookingcomBookerCompany",
    "bookingcomNoShowReportedAt",
    "bookingcomNoShowFeeWaived",
)
_POLICY: Final = (
    "bookingCancellationPolicy",
    "vrboCancellationPolicy",
    "marriottCancellationPolicy",
    "cancellationPolicyDetails",
)
_ZERO: Final = (
    "isInitial",
    "isManuallyChecked",
    "isInstantBooked",
    "hasPullError",
    "isDatesUnspecified",
    "isStarred",
    "isArchived",
    "isPinned",
)
# What a list leaves out unless `includeResources=1` asks for it.
RESOURCES: Final = ("customFieldValues", "financeField", "reservationUnit", "hostProxyEmail")
# What a sparse record may lack; whoever reads it must take a missing field as not known.
OPTIONAL: Final = (
    "guestEmail",
    "phone",
    "hostNote",
    "guestNote",
    "comment",
    "adults",
    "children",
    "financeField",
    "reservationUnit",
    "customFieldValues",
)


def amount(minor: int, currency: str) -> int | float:
    """An amount as the vendor writes it: 267, 211.62."""
    value = decimal_of(minor, currency)
    return int(value) if value == value.to_integral_value() else float(value)


def reservation(
    store: HostawayStore, one: Reservation, *, resources: bool = True, policy: bool = True
) -> Json:
    """The shape of a reservation; lists leave out what they are not asked for."""
    row: Json = dict.fromkeys(_UNUSED)
    row |= dict.fromkeys(_ZERO, 0)
    row |= {
        "id": one.id,
        "listingMapId": one.listing_id,
        "channelId": one.channel_id,
        "source": one.source,
        "channelName": CHANNELS.get(one.channel_id, "direct"),
        "reservationId": one.channel_reservation_id,
        "hostawayReservationId": one.id,
        "channelReservationId": one.channel_reservation_id,
        "isProcessed": 1,
        "reservationDate": utc_text(one.made_s),
        "guestName": " ".join(filter(None, (one.guest_first, one.guest_last))) or None,
        "guestFirstName": one.guest_first or None,
        "guestLastName": one.guest_last or None,
        "guestEmail": one.guest_email,
        "numberOfGuests": one.adults + one.children,
        "adults": one.adults,
        "children": one.children or None,
        "arrivalDate": one.arrival.isoformat(),
        "departureDate": one.departure.isoformat(),
        "previousArrivalDate": _iso(one.previous_arrival),
        "previousDepartureDate": _iso(one.previous_departure),
        "checkInTime": one.check_in_hour,
        "checkOutTime": one.check_out_hour,
        "nights": (one.departure - one.arrival).days,
        "phone": one.phone,
        "totalPrice": amount(one.total_minor, one.currency),
        "isPaid": None if one.is_paid is None else int(one.is_paid),
        "currency": one.currency,
        "status": str(one.status),
        "cancellationDate": _iso(one.cancelled_on),
        "cancelledBy": one.cancelled_by,
        "hostNote": one.host_note,
        "guestNote": one.guest_note,
        "doorCode": one.door_code,
        "doorCodeVendor": one.door_code_vendor,
        "doorCodeInstruction": one.door_code_instruction,
        "comment": one.comment,
        "confirmationCode": one.confirmation_code,
        "remainingBalance": amount(_balance_minor(store, one), one.currency),
        "insertedOn": utc_text(one.made_s),
        "updatedOn": utc_text(one.updated_s),
        "latestActivityOn": utc_text(one.updated_s),
        "customFieldValues": [],
        "financeField": one.finance,
        "reservationUnit": _units(one),
    }
    if policy:
        row |= dict.fromkeys(_POLICY)
    if not resources:
        for name in RESOURCES:
            row.pop(name, None)
    return row


def charge(one: Charge) -> Json:
    """The shape of a charge."""
    return {
        "id": one.id,
        "listingMapId": one.listing_id,
        "reservationId": one.reservation_id,
        "autopaymentId": None,
        "type": "charge",
        "title": one.title,
        "description": one.description,
        "currency": one.currency,
        "paymentMethod": one.method,
        "amount": amount(one.amount_minor, one.currency),
        "capturedAmount": 0,
        "status": one.status,
        "paymentProvider": "offline",
        "paymentProviderMessage": None,
        "paymentProviderInvoiceId": None,
        "paymentProviderChargeId": None,
        "scheduledDate": one.scheduled,
        "chargeDate": one.charged,
        "holdReleaseDate": None,
        "isManual": 0,
        "autoChargeId": None,
        "triggerEvent": None,
        "triggerTimeDelta": 0,
        "flatFee": 0,
        "percentageFee": 0,
        "transactions": [],
    }


def day(store: HostawayStore, listing: Listing, night: date, *, resources: bool) -> Json:
    """One day of a listing's calendar; a flat has no counts, a type with units has them."""
    said = store.days.get((listing.id, night), Day())
    taken = store.taken(listing.id, night)
    free = store.free_units(listing.id, night)
    pending = [one for one in taken if one.status in {Status.PENDING, Status.UNCONFIRMED}]
    several = bool(listing.units)
    row = {
        "id": listing.id * 100_000 + night.toordinal() % 100_000,
        "date": night.isoformat(),
        "isAvailable": int(free > 0),
        "isProcessed": 1,
        "status": _day_status(said, taken, pending, free),
        "price": amount(
            listing.price_minor if said.price_minor is None else said.price_minor, listing.currency
        ),
        "minimumStay": said.minimum_stay or 1,
        "maximumStay": said.maximum_stay or 1125,
        "closedOnArrival": _flag(said.closed_on_arrival),
        "closedOnDeparture": _flag(said.closed_on_departure),
        "note": said.note,
        "countAvailableUnits": max(free, 0) if several else None,
        "availableUnitsToSell": max(free, 0) if several else None,
        "countPendingUnits": len(pending) if several else None,
        "countBlockingReservations": len(taken) if several else None,
        "countBlockedUnits": (listing.capacity if said.blocked else 0) if several else None,
        "desiredUnitsToSell": said.desired_units if several else None,
        "reservations": [reservation(store, one, policy=False) for one in taken],
    }
    if not resources:
        del row["reservations"]
    return row


def listing(one: Listing) -> Json:
    """What the box needs of a listing, under the vendor's names."""
    return {
        "id": one.id,
        "name": one.name,
        "externalListingName": one.name,
        "internalListingName": one.name,
        "price": amount(one.price_minor, one.currency),
        "checkInTimeStart": one.check_in_hour,
        "checkInTimeEnd": 22,
        "checkOutTime": one.check_out_hour,
        "currencyCode": one.currency,
        "timeZoneName": one.time_zone,
        "specialStatus": None,
        "listingUnits": [
            {"id": unit, "name": number, "unitNumber": number} for unit, number in one.units.items()
        ],
    }


def webhook(one: Webhook) -> Json:
    """The shape of a registration; the password is never shown again."""
    return {
        "id": one.id,
        "isEnabled": int(one.enabled),
        "url": one.url,
        "login": one.login,
        "password": None if one.password is None else "****",
        "alertingEmailAddress": one.alerting,
    }


def logged(one: Logged) -> Json:
    """The shape of one attempt to deliver."""
    return {
        "id": one.id,
        "accountId": ACCOUNT_ID,
        "listingMapId": one.listing_id,
        "webhookNotificationSettingId": one.webhook.id,
        "isEnabled": int(one.webhook.enabled),
        "url": one.webhook.url,
        "login": one.webhook.login,
        "password": None if one.webhook.password is None else "****",
        "object": "reservation",
        "objectId": one.object_id,
        "event": one.event,
        "responseStatus": one.status,
        "responseBody": "",
    }


def _units(one: Reservation) -> list[Json]:
    if one.unit_id is None:
        return []
    return [
        {
            "id": one.id * 10,
            "reservationId": one.id,
            "listingUnitId": one.unit_id,
            "externalReservationId": one.channel_reservation_id,
            "externalReservationUnitId": None,
            "guestName": one.guest_first,
            "guestFirstName": one.guest_first,
            "guestLastName": one.guest_last,
            "numberOfGuests": one.adults + one.children,
            "adults": one.adults,
            "children": one.children,
            "infants": 0,
            "pets": 0,
            "totalPrice": amount(one.total_minor, one.currency),
        }
    ]


def _day_status(said: Day, taken: list[Reservation], pending: list[Reservation], free: int) -> str:
    if said.blocked or said.desired_units == 0:
        return "blocked"
    if taken and free < 1:
        return "pending" if len(pending) == len(taken) else "reserved"
    return "available"


def _balance_minor(store: HostawayStore, one: Reservation) -> int:
    paid = sum(
        each.amount_minor
        for each in store.charges.values()
        if each.reservation_id == one.id and each.status == "paid"
    )
    return one.total_minor - paid


def _flag(value: int | None) -> int | None:
    return None if value is None else int(value)


def _iso(found: date | None) -> str | None:
    return None if found is None else found.isoformat()


def nights(first: date, last: date) -> list[date]:
    """Every day of an interval, both ends included, as the vendor's calendar takes them."""
    return [first + timedelta(days=index) for index in range((last - first).days + 1)]
