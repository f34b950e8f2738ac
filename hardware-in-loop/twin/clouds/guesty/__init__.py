"""A PMS cloud that speaks the Guesty Open API, to its limits and errors.

Unverified: the vendor publishes no file of its contract that the tests could be held against, so
this is built from cloud.md 1.1 (the vendor's pages, and what integrations report of the live
service). Where the two differ, the worse one is the twin's: an expired token is 403, the newer
search hides what Booking.com sold, and a record may leave out what it does not care to say.
"""

from twin.clouds.guesty.cloud import GuestyCloud
from twin.clouds.guesty.store import GuestyStore
from twin.clouds.guesty.words import (
    ACCOUNT_ID,
    CLIENT_ID,
    CLIENT_SECRET,
    CanceledBy,
    GuestStay,
    Status,
)

__all__ = [
    "ACCOUNT_ID",
    "CLIENT_ID",
    "CLIENT_SECRET",
    "CanceledBy",
    "GuestStay",
    "GuestyCloud",
    "GuestyStore",
    "Status",
]
