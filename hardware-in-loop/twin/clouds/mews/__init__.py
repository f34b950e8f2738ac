"""A PMS cloud that speaks the Mews Connector API, to its limits and errors."""

from twin.clouds.mews.cloud import PREFIX, MewsCloud
from twin.clouds.mews.store import MewsStore
from twin.clouds.mews.words import (
    ACCESS_TOKEN,
    CLIENT_TOKEN,
    CancellationReason,
    Origin,
    RoomState,
    State,
)

__all__ = [
    "ACCESS_TOKEN",
    "CLIENT_TOKEN",
    "PREFIX",
    "CancellationReason",
    "MewsCloud",
    "MewsStore",
    "Origin",
    "RoomState",
    "State",
]
