"""Arrivals: guests expected on this business date, and those still missing from before."""

from __future__ import annotations

from kiosk import queries
from kiosk.screens.stays import StayList


class Arrivals(StayList):
    """Guests expected on this business date, and those still missing from before."""

    CSS_PATH = "arrivals.tcss"
    HEADING = "Arrivals"
    HELP = "Guests expected on this business date, and those still missing from before."
    EMPTY = "Nobody is expected any more."
    QUERY = queries.ARRIVALS
