"""Endpoints about the property itself: configuration, rooms, types, rates, guests, blocks."""

from __future__ import annotations

from typing import Any

from twin.clouds.mews import shapes
from twin.clouds.mews.listing import Asked, Json, listed, page_of
from twin.clouds.mews.records import Adjustment, Block, Room
from twin.clouds.mews.store import MewsStore
from twin.clouds.mews.words import RoomState, forbidden, invalid, utc_text

BLOCK_TYPES = ("OutOfOrder", "InternalUse")
DAY_S = 24 * 3600


def get_configuration(asked: Asked) -> Json:
    """`configuration/get`: time zone, currency, and what time it is at the vendor."""
    house = asked.store.enterprise
    created = utc_text(house.created_s)
    enterprise = {
        "Id": house.id,
        "ExternalIdentifier": None,
        "HoldingKey": None,
        "ChainId": house.chain_id,
        "ChainName": house.name,
        "CreatedUtc": created,
        "UpdatedUtc": created,
        "Name": house.name,
        "ShortName": None,
        "TimeZoneIdentifier": house.time_zone,
        "LegalEnvironmentCode": "PT",
        "AccommodationEnvironmentCode": "PT",
        "AccountingEnvironmentCode": "PT",
        "TaxEnvironmentCode": "PT",
        "DefaultLanguageCode": "en-US",
        "EditableHistoryInterval": "P0M7DT0H0M0S",
        "AccountingEditableHistoryInterval": "P0M7DT0H0M0S",
        "OperationalEditableHistoryInterval": "P0M5DT0H0M0S",
        "BusinessDayClosingOffset": None,
        "WebsiteUrl": None,
        "Email": None,
        "Phone": None,
        "LogoImageId": None,
        "CoverImageId": None,
        "Pricing": "Gross",
        "TaxPrecision": None,
        "AddressId": house.id,
        "Address": {
            "Id": house.id,
            "Line1": None,
            "Line2": None,
            "City": None,
            "PostalCode": None,
            "CountryCode": "PT",
            "CountrySubdivisionCode": None,
            "Latitude": None,
            "Longitude": None,
        },
        "GroupNames": [],
        "Subscription": {"TaxIdentifier": None},
        "Currencies": [{"Currency": house.currency, "IsDefault": True, "IsEnabled": True}],
        "AccountingConfiguration": None,
        "IsPortfolio": False,
    }
    return {
        "NowUtc": utc_text(asked.store.now_s()),
        "Enterprise": enterprise,
        "Service": _service(asked.store),
        "PaymentCardStorage": None,
        "IsIdentityDocumentNumberRequired": False,
    }


def get_services(asked: Asked) -> Json:
    """`services/getAll`: the one service that sells nights."""
    asked.body.page()
    wanted = asked.body.ids("ServiceIds")
    here = wanted is None or asked.store.enterprise.service_id in wanted
    return {"Services": [_service(asked.store)] if here else [], "Cursor": None}


def _service(store: MewsStore) -> Json:
    house = store.enterprise
    created = utc_text(house.created_s)
    offsets = {
        "StartOffset": f"P0M0DT{house.arrival_hour}H0M0S",
        "EndOffset": f"P0M0DT{house.departure_hour}H0M0S",
        "OccupancyStartOffset": f"P0M0DT{house.arrival_hour}H0M0S",
        "OccupancyEndOffset": f"P0M0DT{house.departure_hour}H0M0S",
        "TimeUnit": "Day",
        "TimeUnitPeriod": "Day",
    }
    return {
        "Id": house.service_id,
        "EnterpriseId": house.id,
        "IsActive": True,
        "Name": "Accommodation",
        "Names": {"en-US": "Accommodation"},
        "StartTime": f"PT{house.arrival_hour}H",
        "EndTime": f"PT{house.departure_hour}H",
        "Options": {"BillAsPackage": False},
        "Promotions": None,
        "Type": "Reservable",
        "Ordering": 0,
        "Data": {"Discriminator": "Bookable", "Value": offsets},
        "ExternalIdentifier": None,
        "CreatedUtc": created,
        "UpdatedUtc": created,
    }


def get_rates(asked: Asked) -> Json:
    """`rates/getAll`: the one rate."""
    asked.body.page()
    house = asked.store.enterprise
    rate: dict[str, Any] = {
        "Id": house.rate_id,
        "GroupId": house.rate_group_id,
        "ServiceId": house.service_id,
        "BaseRateId": None,
        "IsBaseRate": True,
        "BusinessSegmentId": None,
        "IsActive": True,
        "IsEnabled": True,
        "IsPublic": True,
        "IsDefault": True,
        "Type": "Public",
        "Name": "Best available",
        "Names": {"en-US": "Best available"},
        "ShortName": "BAR",
        "UpdatedUtc": utc_text(house.created_s),
        "ExternalNames": {},
        "Description": {},
        "ExternalIdentifier": None,
    }
    group = {
        "Id": house.rate_group_id,
        "ServiceId": house.service_id,
        "IsActive": True,
        "Name": "Public",
        "ExternalIdentifier": None,
    }
    restrictions: Json = {
        "DateRestrictions": [],
        "EarlinessRestrictions": [],
        "LengthRestrictions": [],
    }
    return {
        "Rates": [rate],
        "RateGroups": [group],
        "RateRestrictions": restrictions,
        "Cursor": None,
    }


def get_age_categories(asked: Asked) -> Json:
    """`ageCategories/getAll`: adults and children."""
    asked.body.page()
    house = asked.store.enterprise
    common = {
        "ServiceId": house.service_id,
        "ShortNames": {},
        "CreatedUtc": utc_text(house.created_s),
        "UpdatedUtc": utc_text(house.created_s),
        "IsActive": True,
        "ExternalIdentifier": None,
    }
    adult = {
        "Id": house.adult_id,
        "MinimalAge": 13,
        "MaximalAge": None,
        "Names": {"en-US": "Adult"},
        "Classification": "Adult",
    }
    child = {
        "Id": house.child_id,
        "MinimalAge": 0,
        "MaximalAge": 12,
        "Names": {"en-US": "Child"},
        "Classification": "Child",
    }
    return {"AgeCategories": [common | adult, common | child], "Cursor": None}


def get_resources(asked: Asked) -> Json:
    """`resources/getAll`: rooms by page; types and assignments by `Extent`, unpaged."""
    store, body = asked.store, asked.body
    extent = body.part("Extent")
    ids, names, updated = body.ids("ResourceIds"), body.texts("Names"), body.interval("UpdatedUtc")
    rows = [
        one
        for one in store.rooms.values()
        if (ids is None or one.id in ids)
        and (names is None or one.name in names)
        and (updated is None or updated.holds(one.updated_s))
    ]
    found, cursor = page_of(rows, body.page(), _room_id)
    want_rooms = extent.flag("Resources", default=True)
    want_types = extent.flag("ResourceCategories", default=False)
    want_links = extent.flag("ResourceCategoryAssignments", default=False)
    return {
        "ResourceCategoryImageAssignments": None,
        "ResourceFeatures": None,
        "ResourceFeatureAssignments": None,
        "Resources": [shapes.room(store, one) for one in found] if want_rooms else None,
        "ResourceCategories": [shapes.category(store, one) for one in store.categories.values()]
        if want_types
        else None,
        "ResourceCategoryAssignments": [shapes.assignment(store, one) for one in found]
        if want_links
        else None,
        "Cursor": cursor,
    }


def _room_id(one: Room) -> str:
    return one.id


def update_resources(asked: Asked) -> Json:
    """`resources/update`: the housekeeping state of rooms."""
    store = asked.store
    changes = []
    for part in asked.body.parts("ResourceUpdates"):
        room = store.rooms.get(part.id("ResourceId"))
        if room is None:
            raise invalid("Invalid ResourceId: the resource does not exist.")
        change = part.change("State")
        state = room.state if change is None else change.maybe_word("Value", RoomState)
        changes.append((room, state or room.state))
    for room, state in changes:
        store.set_room_state(room.id, state)
    return {}


def get_categories(asked: Asked) -> Json:
    """`resourceCategories/getAll`."""
    services = asked.body.ids("ServiceIds")
    if services is None:
        raise invalid("Invalid ServiceIds: 1 to 1000 identifiers are expected.")
    here = asked.store.enterprise.service_id in services
    rows = asked.store.categories.values() if here else []
    return listed(asked, "ResourceCategories", rows, shapes.category, lambda one: one.id)


def get_assignments(asked: Asked) -> Json:
    """`resourceCategoryAssignments/getAll`."""
    wanted = asked.body.ids("ResourceCategoryIds")
    if wanted is None:
        raise invalid("Invalid ResourceCategoryIds: 1 to 1000 identifiers are expected.")
    rows = [one for one in asked.store.rooms.values() if one.category_id in wanted]
    return listed(
        asked,
        "ResourceCategoryAssignments",
        rows,
        shapes.assignment,
        lambda one: one.assignment_id,
    )


def get_customers(asked: Asked) -> Json:
    """`customers/getAll`."""
    body = asked.body
    body.part("Extent")
    ids, emails = body.ids("CustomerIds"), body.texts("Emails")
    first, last = body.texts("FirstNames"), body.texts("LastNames")
    created, updated = body.interval("CreatedUtc"), body.interval("UpdatedUtc")
    people = asked.store.customers
    pool = (
        list(people.values())
        if ids is None
        else [people[one] for one in dict.fromkeys(ids) if one in people]
    )
    rows = [
        one
        for one in pool
        if (emails is None or one.email in emails)
        and (first is None or one.first_name in first)
        and (last is None or one.last_name in last)
        and (created is None or created.holds(one.created_s))
        and (updated is None or updated.holds(one.updated_s))
    ]
    answer = listed(asked, "Customers", rows, shapes.customer, lambda one: one.id)
    return answer | {"Documents": None}


def add_customer(asked: Asked) -> Json:
    """`customers/add`: an e-mail that is known is refused, or its profile is updated."""
    store, body = asked.store, asked.body
    last, email = body.text("LastName"), body.maybe_text("Email")
    if not body.has("OverwriteExisting"):
        raise invalid("Invalid OverwriteExisting: it is required.")
    overwrite = body.flag("OverwriteExisting", default=False)
    known = next((one for one in store.customers.values() if email and one.email == email), None)
    if known is not None and not overwrite:
        raise forbidden("A customer with this e-mail already exists.")
    if known is None:
        known = store.put_customer(
            last,
            body.maybe_text("FirstName"),
            email=email,
            phone=body.maybe_text("Phone"),
            nationality=body.maybe_text("NationalityCode"),
            language=body.maybe_text("PreferredLanguageCode"),
            notes=body.maybe_text("Notes"),
        )
        store.journal("pms.customer.added", id=known.id)
    else:
        known.last_name = last
        known.first_name = body.maybe_text("FirstName") or known.first_name
        known.updated_s = store.now_s()
    return shapes.customer(store, known)


def add_blocks(asked: Asked) -> Json:
    """`resourceBlocks/add`: rooms out of order or for internal use."""
    store, made = asked.store, []
    for part in asked.body.parts("ResourceBlocks"):
        if (kind := part.text("Type")) not in BLOCK_TYPES:
            raise invalid("Invalid Type: OutOfOrder or InternalUse is expected.")
        if (room_id := part.id("ResourceId")) not in store.rooms:
            raise invalid("Invalid ResourceId: the resource does not exist.")
        made.append(
            Block(
                id=store.new_id(),
                room_id=room_id,
                name=part.text("Name"),
                type=kind,
                start_s=part.time_s("StartUtc"),
                end_s=part.time_s("EndUtc"),
                notes=part.maybe_text("Notes"),
                created_s=store.now_s(),
                updated_s=store.now_s(),
            )
        )
    store.blocks.update({one.id: one for one in made})
    return {"ResourceBlocks": [shapes.block(store, one) for one in made]}


def get_blocks(asked: Asked) -> Json:
    """`resourceBlocks/getAll`."""
    body = asked.body
    ids, rooms = body.ids("ResourceBlockIds"), body.ids("AssignedResourceIds")
    colliding, updated = body.interval("CollidingUtc"), body.interval("UpdatedUtc")
    rows = [
        one
        for one in asked.store.blocks.values()
        if (ids is None or one.id in ids)
        and (rooms is None or one.room_id in rooms)
        and (colliding is None or colliding.meets(one.start_s, one.end_s))
        and (updated is None or updated.holds(one.updated_s))
    ]
    return listed(asked, "ResourceBlocks", rows, shapes.block, lambda one: one.id)


def delete_blocks(asked: Asked) -> Json:
    """`resourceBlocks/delete`."""
    for block_id in asked.body.ids("ResourceBlockIds") or []:
        if (one := asked.store.blocks.get(block_id)) is None:
            raise invalid("Invalid ResourceBlockIds: a block does not exist.")
        one.deleted_s = one.updated_s = asked.store.now_s()
    return {}


def update_availability(asked: Asked) -> Json:
    """`services/updateAvailability`: rooms taken off, or put on, public sale."""
    store, made = asked.store, []
    for part in asked.body.parts("AvailabilityUpdates"):
        if (category := part.id("ResourceCategoryId")) not in store.categories:
            raise invalid("Invalid ResourceCategoryId: it does not exist.")
        change = part.part("UnitCountAdjustment")
        made.append(
            Adjustment(
                category_id=category,
                first_s=part.time_s("FirstTimeUnitStartUtc"),
                last_s=part.time_s("LastTimeUnitStartUtc"),
                units=change.number("Value") if change.has("Value") else None,
                at_s=store.now_s(),
            )
        )
    store.adjustments.extend(made)
    for one in made:
        store.journal(
            "pms.availability.adjusted",
            category=store.categories[one.category_id].short,
            first_s=one.first_s,
            last_s=one.last_s,
            units=one.units,
        )
    return {}


def get_availability(asked: Asked) -> Json:
    """`services/getAvailability/2024-01-22`: for each night and type, the numbers asked for."""
    store, body = asked.store, asked.body
    first_s, last_s = body.time_s("FirstTimeUnitStartUtc"), body.time_s("LastTimeUnitStartUtc")
    metrics = body.texts("Metrics") or []
    # The vendor allows 100 time units at once.
    starts = list(range(first_s, last_s + 1, DAY_S))[:100]
    rows = []
    for category in store.categories.values():
        rooms = len(store.rooms_of(category.id))
        used = [rooms - store.free_units(category.id, at, at + DAY_S) for at in starts]
        moved = [adjusted(store, category.id, at) for at in starts]
        known = {
            "Occupied": used,
            "ConfirmedReservations": used,
            "PublicAvailabilityAdjustment": moved,
            "ActiveResources": [rooms] * len(starts),
            "UsableResources": [rooms] * len(starts),
        }
        zeros = [0] * len(starts)
        values = {metric: known.get(metric, zeros) for metric in metrics}
        rows.append({"ResourceCategoryId": category.id, "Metrics": values})
    times = [utc_text(at) for at in starts]
    return {"TimeUnitStartsUtc": times, "ResourceCategoryAvailabilities": rows}


def adjusted(store: MewsStore, category_id: str, at_s: int) -> int:
    """The last adjustment that covers a night, 0 without one."""
    for one in reversed(store.adjustments):
        if one.category_id == category_id and one.first_s <= at_s <= one.last_s:
            return one.units or 0
    return 0
