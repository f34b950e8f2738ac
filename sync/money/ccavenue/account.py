"""As whom the property is known at CCAvenue, and where its guests come back to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

NAME: Final = "ccavenue"


@dataclass(frozen=True, slots=True, kw_only=True)
class CCAvenueAccount:
    """`page_url` takes the guest's browser, `api_url` our questions (cloud.md 2.3).

    `guest_url` is the address of our own pages as a guest's browser reaches it. The working key
    is never logged. CCAvenue answers only an address of the internet that was registered there.
    """

    page_url: str
    api_url: str
    merchant_id: str
    access_code: str
    working_key: str
    guest_url: str

    def __repr__(self) -> str:
        """Without the keys."""
        return f"CCAvenueAccount({self.page_url})"
