"""Every engine of the house, in the order in which their read models are built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from appliance.engines.calendar.room import ENGINE as CALENDAR
from appliance.engines.climate.room import ENGINE as CLIMATE
from appliance.engines.concierge.room import ENGINE as CONCIERGE
from appliance.engines.doors.room import ENGINE as DOORS
from appliance.engines.housekeeping.room import ENGINE as HOUSEKEEPING
from appliance.engines.identity.room import ENGINE as IDENTITY
from appliance.engines.inventory.room import ENGINE as INVENTORY
from appliance.engines.payments.room import ENGINE as PAYMENTS
from appliance.engines.rules.room import ENGINE as RULES
from appliance.engines.stays.room import ENGINE as STAYS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.kernel.engine import Engine

ENGINES: Final[Sequence[Engine]] = (
    RULES,
    INVENTORY,
    IDENTITY,
    HOUSEKEEPING,
    CALENDAR,
    STAYS,
    DOORS,
    CLIMATE,
    PAYMENTS,
    CONCIERGE,
)
