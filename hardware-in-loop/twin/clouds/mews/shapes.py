"""Records of the store in the vendor's own JSON shapes."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

from twin.clouds.mews.records import (
    AccessToken,
    Block,
    Category,
    Customer,
    Payment,
    Reservation,
    Room,
    minor_per_unit,
)
from twin.clouds.mews.store import MewsStore
from twin.clouds.mews.words import State, maybe_utc, utc_text

Json = dict[str, Any]

# Fields the vendor always sends; the others may be missing from a sparse record.
RESERVATION_REQUIRED = frozenset(
    {
        "AccountId",
        "AccountType",
        "CreatedUtc",
        "CreatorProfileId",
        "EndUtc",
        "GroupId",
        "Id",
        "Number",
        "Options",
        "Origin",
        "PersonCounts",
        "RateId",
        "RequestedResourceCategoryId",
        "ScheduledEndUtc",
        "ScheduledStartUtc",
        "ServiceId",
        "StartUtc",
        "State",
        "UpdatedUtc",
        "UpdaterProfileId",
    }
)


def person_counts(store: MewsStore, one: Reservation) -> list[Json]:
    """Guests by age category; the vendor never sends an empty list."""
    counts = [
        {"AgeCategoryId": store.enterprise.adult_id, "Count": one.adults},
        {"AgeCategoryId": store.enterprise.child_id, "Count": one.children},
    ]
    return [count for count in counts if count["Count"]] or counts[:1]


def _options(one: Reservation) -> Json:
    return {
        "OwnerCheckedIn": one.owner_checked_in,
        "AllCompanionsCheckedIn": one.owner_checked_in,
        "AnyCompanionCheckedIn": one.owner_checked_in,
    }


def reservation(store: MewsStore, one: Reservation) -> Json:
    """The shape of `reservations/getAll/2023-06-06`."""
    profile = store.enterprise.profile_id
    where = {"Id": one.id, "GroupId": one.group_id, "CustomerId": one.customer_id}
    return {
        "Id": one.id,
        "ServiceId": store.enterprise.service_id,
        "AccountId": one.customer_id,
        "AccountType": "Customer",
        "CreatorProfileId": profile,
        "UpdaterProfileId": profile,
        "BookerId": one.booker_id,
        "Number": one.number,
        "State": str(one.state),
        "Origin": str(one.origin),
        "CommanderOrigin": None,
        "OriginDetails": one.channel,
        "CreatedUtc": utc_text(one.created_s),
        "UpdatedUtc": utc_text(one.updated_s),
        "CancelledUtc": maybe_utc(one.cancelled_s),
        "VoucherId": None,
        "BusinessSegmentId": None,
        "Options": {**_options(one), "ConnectorCheckIn": False},
        "RateId": store.enterprise.rate_id,
        "CreditCardId": None,
        "GroupId": one.group_id,
        "RequestedResourceCategoryId": one.category_id,
        "AssignedResourceId": one.room_id,
        "AvailabilityBlockId": None,
        "PartnerCompanyId": None,
        "TravelAgencyId": one.travel_agency_id,
        "AssignedResourceLocked": one.room_locked,
        "ChannelNumber": one.channel_number,
        "ChannelManagerNumber": one.channel_manager_number,
        "CancellationReason": one.cancellation_reason and str(one.cancellation_reason),
        "ReleasedUtc": maybe_utc(one.released_s),
        "StartUtc": utc_text(one.start_s),
        "EndUtc": utc_text(one.end_s),
        "ScheduledStartUtc": utc_text(one.scheduled_start_s),
        "ActualStartUtc": maybe_utc(one.actual_start_s),
        "ScheduledEndUtc": utc_text(one.scheduled_end_s),
        "ActualEndUtc": maybe_utc(one.actual_end_s),
        "Purpose": one.purpose,
        "QrCodeData": json.dumps({"Reservations": [where]}),
        "PersonCounts": person_counts(store, one),
    }


def old_reservation(store: MewsStore, one: Reservation) -> Json:
    """The older shape, which `add` and `update` still answer with."""
    return {
        "Id": one.id,
        "ServiceId": store.enterprise.service_id,
        "GroupId": one.group_id,
        "Number": one.number,
        "ChannelNumber": one.channel_number,
        "ChannelManagerNumber": one.channel_manager_number,
        "ChannelManagerGroupNumber": None,
        "ChannelManager": None,
        # The old enumeration spells this one state in its own way.
        "State": "Enquired" if one.state is State.INQUIRED else str(one.state),
        "Origin": "CommanderInPerson" if one.origin == "Commander" else str(one.origin),
        "OriginDetails": one.channel,
        "Purpose": one.purpose,
        "CreatedUtc": utc_text(one.created_s),
        "UpdatedUtc": utc_text(one.updated_s),
        "CancelledUtc": maybe_utc(one.cancelled_s),
        "StartUtc": utc_text(one.start_s),
        "EndUtc": utc_text(one.end_s),
        "ReleasedUtc": maybe_utc(one.released_s),
        "RequestedCategoryId": one.category_id,
        "AssignedSpaceId": one.room_id,
        "AssignedSpaceLocked": one.room_locked,
        "AssignedResourceId": one.room_id,
        "AssignedResourceLocked": one.room_locked,
        "BusinessSegmentId": None,
        "CompanyId": None,
        "TravelAgencyId": one.travel_agency_id,
        "AvailabilityBlockId": None,
        "RateId": store.enterprise.rate_id,
        "VoucherId": None,
        "CreditCardId": None,
        "CancellationReason": one.cancellation_reason and str(one.cancellation_reason),
        "AdultCount": one.adults,
        "ChildCount": one.children,
        "PersonCounts": person_counts(store, one),
        "OwnerId": one.customer_id,
        "CustomerId": one.customer_id,
        "BookerId": one.booker_id,
        "CompanionIds": [one.customer_id],
        "ChannelManagerId": None,
        "Options": _options(one),
    }


def customer(store: MewsStore, one: Customer) -> Json:
    """A guest's profile."""
    empty = [
        "Title",
        "Sex",
        "SecondLastName",
        "PreferredLanguageCode",
        "BirthDate",
        "BirthCountryCode",
        "BirthCountrySubdivisionCode",
        "BirthPlace",
        "Occupation",
        "TaxIdentificationNumber",
        "LoyaltyCode",
        "AccountingCode",
        "BillingCode",
        "CarRegistrationNumber",
        "DietaryRequirements",
        "Passport",
        "IdentityCard",
        "Visa",
        "DriversLicense",
        "Address",
        "AddressId",
        "ItalianDestinationCode",
        "ItalianFiscalCode",
        "ItalianLotteryCode",
        "CompanyId",
        "MergeTargetId",
    ]
    return dict.fromkeys(empty) | {
        "Id": one.id,
        "ChainId": store.enterprise.chain_id,
        "Number": one.number,
        "FirstName": one.first_name,
        "LastName": one.last_name,
        "NationalityCode": one.nationality,
        "LanguageCode": one.language,
        "Email": one.email,
        "HasOtaEmail": False,
        "Phone": one.phone,
        "Notes": one.notes,
        "CreatedUtc": utc_text(one.created_s),
        "UpdatedUtc": utc_text(one.updated_s),
        "Classifications": [],
        "Options": [],
        "ActivityState": "Active",
        "IsActive": True,
        "PreferredSpaceFeatures": [],
        "CreatorProfileId": store.enterprise.profile_id,
        "UpdaterProfileId": store.enterprise.profile_id,
    }


def room(store: MewsStore, one: Room) -> Json:
    """A resource that is a space."""
    return {
        "Id": one.id,
        "EnterpriseId": store.enterprise.id,
        "IsActive": True,
        "ParentResourceId": None,
        "Name": one.name,
        "State": str(one.state),
        "Descriptions": {},
        "CreatedUtc": utc_text(one.created_s),
        "UpdatedUtc": utc_text(one.updated_s),
        "Data": {
            "Discriminator": "Space",
            "Value": {"FloorNumber": one.floor, "LocationNotes": ""},
        },
        "ExternalNames": {},
        "Directions": {},
    }


def category(store: MewsStore, one: Category) -> Json:
    """A room type."""
    return {
        "Id": one.id,
        "EnterpriseId": store.enterprise.id,
        "ServiceId": store.enterprise.service_id,
        "IsActive": True,
        "Type": "Room",
        "Classification": "Other",
        "Names": {"en-US": one.name},
        "ShortNames": {"en-US": one.short},
        "Descriptions": {},
        "Ordering": one.ordering,
        "Capacity": one.capacity,
        "ExtraCapacity": 0,
        "ExternalIdentifier": one.short,
        "AccountingCategoryId": None,
    }


def assignment(_store: MewsStore, one: Room) -> Json:
    """Which type a room is of."""
    return {
        "Id": one.assignment_id,
        "IsActive": True,
        "ResourceId": one.id,
        "CategoryId": one.category_id,
        "CreatedUtc": utc_text(one.created_s),
        "UpdatedUtc": utc_text(one.created_s),
    }


def amount(minor: int, currency: str) -> Json:
    """An amount without tax: the twin's town has none."""
    value = minor / minor_per_unit(currency)
    return {
        "Currency": currency,
        "NetValue": value,
        "GrossValue": value,
        "TaxValues": [],
        "Breakdown": {"Items": [{"TaxRateCode": None, "NetValue": value, "TaxValue": 0.0}]},
    }


def block(store: MewsStore, one: Block) -> Json:
    """A room out of sale."""
    return {
        "Id": one.id,
        "EnterpriseId": store.enterprise.id,
        "AssignedResourceId": one.room_id,
        "IsActive": one.deleted_s is None,
        "Type": one.type,
        "StartUtc": utc_text(one.start_s),
        "EndUtc": utc_text(one.end_s),
        "CreatedUtc": utc_text(one.created_s),
        "UpdatedUtc": utc_text(one.updated_s),
        "DeletedUtc": maybe_utc(one.deleted_s),
        "Name": one.name,
        "Notes": one.notes,
    }


def access_token(store: MewsStore, one: AccessToken) -> Json:
    """A PIN or card of a reservation."""
    return {
        "Id": one.id,
        "EnterpriseId": store.enterprise.id,
        "ServiceOrderId": one.reservation_id,
        "CompanionshipId": one.companionship_id,
        "ResourceId": one.room_id,
        "Type": one.type,
        "Value": one.value,
        "SerialNumber": one.serial,
        "ValidityStartUtc": utc_text(one.from_s),
        "ValidityEndUtc": utc_text(one.until_s),
        "CreatedUtc": utc_text(one.at_s),
        "UpdatedUtc": utc_text(one.updated_s),
        "IsActive": one.active,
        "Permissions": one.permissions,
    }


def payment(store: MewsStore, one: Payment) -> Json:
    """A payment; money received is negative at the vendor."""
    at = utc_text(one.at_s)
    value = amount(-one.amount_minor, one.currency)
    return {
        "Id": one.id,
        "EnterpriseId": store.enterprise.id,
        "AccountId": one.account_id,
        "AccountType": "Customer",
        "PaymentRequestId": None,
        "BillId": one.bill_id,
        "ReservationId": one.reservation_id,
        "AccountingCategoryId": None,
        "Amount": value,
        "OriginalAmount": value,
        "Notes": one.notes,
        "SettlementId": None,
        "ConsumedUtc": at,
        "ClosedUtc": None,
        "ChargedUtc": at,
        "CreatedUtc": at,
        "UpdatedUtc": at,
        "SettlementUtc": at,
        "AccountingState": "Open",
        "State": "Charged",
        "Identifier": one.external_identifier,
        "Type": "ExternalPayment",
        "Kind": "Payment",
        "Data": {
            "Discriminator": "External",
            "CreditCard": None,
            "Invoice": None,
            "External": {"Type": one.type, "ExternalIdentifier": one.external_identifier},
            "Ghost": None,
            "Alternative": None,
        },
        "PaymentOrigin": "Api",
    }


def nights(store: MewsStore, one: Reservation) -> list[Json]:
    """Order items of a reservation: one for each night, dated at its start."""
    zone = ZoneInfo(store.enterprise.time_zone)
    canceled = one.state is State.CANCELED
    items = []
    for index, (day, minor) in enumerate(zip(store.nights(one), one.nights_minor, strict=False)):
        at = utc_text(
            max(store.arrival_s(day), one.start_s) if index == 0 else store.arrival_s(day)
        )
        value = amount(minor, store.enterprise.currency)
        items.append(
            {
                "Id": _item_id(one.id, index),
                "EnterpriseId": store.enterprise.id,
                "AccountId": one.customer_id,
                "AccountType": "Customer",
                "ServiceId": store.enterprise.service_id,
                "ServiceOrderId": one.id,
                "Notes": None,
                "BillId": None,
                "AccountingCategoryId": None,
                "BillingName": f"Night {day.isoformat()} ({zone.key})",
                "ExternalIdentifier": None,
                "UnitCount": 1,
                "UnitAmount": value,
                "Amount": value,
                "OriginalAmount": value,
                "RevenueType": "Service",
                "CreatorProfileId": store.enterprise.profile_id,
                "UpdaterProfileId": store.enterprise.profile_id,
                "CreatedUtc": utc_text(one.created_s),
                "UpdatedUtc": utc_text(one.updated_s),
                "ConsumedUtc": at,
                "CanceledUtc": maybe_utc(one.cancelled_s),
                "ClosedUtc": None,
                "StartUtc": at,
                "ClaimedUtc": None,
                "AccountingState": "Canceled" if canceled else "Open",
                "Type": "SpaceOrder",
                "Options": {"CanceledWithReservation": canceled},
                "Data": None,
                "TaxExemptionReason": None,
                "TaxExemptionLegalReference": None,
            }
        )
    return items


def _item_id(reservation_id: str, index: int) -> str:
    # Stable for the same night of the same reservation, and a UUID as the contract demands.
    return f"{reservation_id[:24]}{(int(reservation_id[24:], 16) + index + 1) % 16**12:012x}"
