"""A PMS cloud that speaks the Hostaway Public API v1, to its limits and errors."""

from twin.clouds.hostaway.cloud import HostawayCloud
from twin.clouds.hostaway.deliveries import Body, Deliveries, Delivery
from twin.clouds.hostaway.store import HostawayStore
from twin.clouds.hostaway.words import ACCOUNT_ID, CLIENT_SECRET, PREFIX, Status

__all__ = [
    "ACCOUNT_ID",
    "CLIENT_SECRET",
    "PREFIX",
    "Body",
    "Deliveries",
    "Delivery",
    "HostawayCloud",
    "HostawayStore",
    "Status",
]
