"""One request on its way through an endpoint: path, query and body, read with complaints."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from appliance.kernel.money import minor
from twin.clouds.faults import Fault
from twin.clouds.hostaway.store import HostawayStore
from twin.clouds.hostaway.words import AMOUNT_MAX, LIMIT_MAX, day_of, invalid

Json = dict[str, Any]
# The contract's whole numbers have 64 bits.
NUMBER_MAX = 2**63 - 1
TEXT_CHARS_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the envelope of a success holds; `count` is of all that matches."""

    result: Any
    limit: int | None = None
    offset: int | None = None
    count: int | None = None
    paged: bool = False


@dataclass(slots=True, kw_only=True)
class Asked:
    """A request that was let in."""

    store: HostawayStore
    path: Mapping[str, int] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Json = field(default_factory=dict)
    fault: Fault | None = None

    # -- the query --------------------------------------------------------------------------

    def number(self, name: str) -> int | None:
        """A whole number of the query; empty is absent, as in the vendor's own examples."""
        text = self.query.get(name) or None
        if text is None:
            return None
        if not text.isascii() or not text.isdigit() or int(text[:20]) > NUMBER_MAX:
            raise invalid(f"{name} must be a number")
        return int(text)

    def flag(self, name: str) -> bool:
        """A 0 or 1 of the query."""
        return self.number(name) == 1

    def day(self, name: str) -> date | None:
        """A day of the query."""
        text = self.query.get(name) or None
        return None if text is None else day_of(text, name)

    def page(self, most: int = LIMIT_MAX) -> tuple[int, int]:
        """`limit` and `offset`."""
        limit, offset = self.number("limit"), self.number("offset")
        if limit == 0:
            raise invalid("limit must be greater than 0")
        return min(limit or LIMIT_MAX, most), offset or 0

    # -- the body ---------------------------------------------------------------------------

    def has(self, name: str) -> bool:
        """Whether the body says anything of a field; null is something."""
        return name in self.body

    def text(self, name: str) -> str | None:
        """A text of the body, or None."""
        value = self.body.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str) or len(value) > TEXT_CHARS_MAX:
            raise invalid(f"{name} must be a string")
        if not value.isprintable() and any("\ud800" <= each <= "\udfff" for each in value):
            raise invalid(f"{name} must be valid UTF-8")
        return value

    def whole(self, name: str) -> int | None:
        """A whole number of the body, or None."""
        value = self.body.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= NUMBER_MAX:
            raise invalid(f"{name} must be an integer")
        return value

    def zero_or_one(self, name: str) -> bool | None:
        """The vendor's booleans are 0 and 1; true and false are taken as well."""
        value = self.body.get(name)
        if value is None:
            return None
        if value not in (0, 1) or isinstance(value, str):
            raise invalid(f"{name} must be 0 or 1")
        return bool(value)

    def amount_minor(self, name: str, currency: str) -> int | None:
        """Money of the body in minor units, or None."""
        value = self.body.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise invalid(f"{name} must be a number")
        number = Decimal(value)
        if not number.is_finite() or abs(number) > AMOUNT_MAX:
            raise invalid(f"{name} is out of range")
        try:
            return minor(number, currency)
        except ValueError as error:
            raise invalid(f"{name}: {error}") from error

    def on(self, name: str) -> date | None:
        """A day of the body, or None."""
        value = self.body.get(name)
        return None if value is None else day_of(value, name)


Endpoint = Callable[[Asked], Result]


def body_of(raw: bytes) -> Json:
    """Read a JSON body; decimals stay exact, an empty one is an empty object."""
    if not raw.strip():
        return {}
    try:
        fields = json.loads(raw, parse_float=Decimal, parse_constant=Decimal)
    except (ValueError, RecursionError) as error:
        raise invalid("The request body is not valid JSON") from error
    if not isinstance(fields, dict):
        raise invalid("The request body must be an object")
    return fields
