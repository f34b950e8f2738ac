"""Which account at Guesty, and which generation of its reservations is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class GuestyApi(StrEnum):
    """Where reservations are read.

    `V3` is what lasts; what its search leaves out is found by the older list for as long as that
    answers. `LEGACY` reads the older list alone, which ends on 2027-03-01 (cloud.md 0.6).
    """

    V3 = "v3"
    LEGACY = "legacy"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestyAccount:
    """Where and as whom we ask; the secret is never logged."""

    base_url: str
    client_id: str
    client_secret: str = field(repr=False)
    api: GuestyApi = GuestyApi.V3
