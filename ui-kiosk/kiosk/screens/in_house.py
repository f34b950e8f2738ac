"""In house: everybody who is checked in."""

from __future__ import annotations

from kiosk import queries
from kiosk.screens.stays import StayList


class InHouse(StayList):
    """Everybody who is checked in."""

    CSS_PATH = "in_house.tcss"
    HEADING = "In house"
    HELP = "Everybody who is checked in."
    EMPTY = "The house is empty."
    QUERY = queries.IN_HOUSE
