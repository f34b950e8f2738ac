"""Departures: guests who leave on this business date."""

from __future__ import annotations

from kiosk import queries
from kiosk.screens.stays import StayList


class Departures(StayList):
    """Guests who leave on this business date."""

    CSS_PATH = "departures.tcss"
    HEADING = "Departures"
    HELP = "Guests who leave on this business date."
    EMPTY = "Nobody leaves any more today."
    QUERY = queries.DEPARTURES
