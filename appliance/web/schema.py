"""The one schema: every room's part of it, put together once."""

from __future__ import annotations

import functools
from typing import Any

import strawberry
import strawberry.federation
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import merge_types

from appliance.asked import SCALARS, graft
from appliance.engines.calendar import api as calendar
from appliance.engines.climate import api as climate
from appliance.engines.concierge import api as concierge
from appliance.engines.doors import api as doors
from appliance.engines.doors import masters_api as masters
from appliance.engines.doors import phones_api as phones
from appliance.engines.housekeeping import api as housekeeping
from appliance.engines.identity import api as identity
from appliance.engines.inventory import api as inventory
from appliance.engines.payments import api as payments
from appliance.engines.payments import books_api as books
from appliance.engines.rules import api as rules
from appliance.engines.stays import api as stays
from appliance.engines.stays import inbox_api as inbox
from appliance.web import desk, news

EXTENSIONS: list[type[SchemaExtension]] = []


@functools.cache
def build_schema() -> strawberry.federation.Schema:
    """Put the rooms' parts together; federation 2, so that a head office can compose it."""
    graft(stays.Stay, doors.OfStay, payments.OfStay, desk.OfStay)
    graft(inventory.Room, housekeeping.OfRoom, stays.OfRoom, doors.OfRoom, climate.OfRoom)
    graft(inventory.House, stays.OfHouse)
    graft(calendar.Free, inventory.OfFree)
    query: Any = merge_types(
        "Query",
        (
            identity.Query,
            inventory.Query,
            desk.Query,
            stays.Query,
            calendar.Query,
            doors.Query,
            phones.Query,
            masters.Query,
            inbox.Query,
            climate.Query,
            payments.Query,
            books.Query,
            concierge.Query,
            housekeeping.Query,
            rules.Query,
        ),
    )
    mutation: Any = merge_types(
        "Mutation",
        (
            inventory.Mutation,
            stays.Mutation,
            calendar.Mutation,
            doors.Mutation,
            phones.Mutation,
            masters.Mutation,
            inbox.Mutation,
            housekeeping.Mutation,
            climate.Mutation,
            payments.Mutation,
            books.Mutation,
            concierge.Mutation,
            identity.Mutation,
            rules.Mutation,
            desk.Mutation,
        ),
    )
    subscription: Any = merge_types("Subscription", (news.Subscription, doors.Subscription))
    return strawberry.federation.Schema(
        query=query,
        mutation=mutation,
        subscription=subscription,
        extensions=EXTENSIONS,
        config=StrawberryConfig(scalar_map=SCALARS),
    )


def sdl() -> str:
    """The schema as text, for docs/schema.graphql and for a head office."""
    return build_schema().as_str() + "\n"
