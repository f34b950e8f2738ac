"""The body of a request, read field by field with the vendor's own complaints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from twin.clouds.mews.words import (
    COUNT_MAX,
    IDS_MAX,
    INTERVAL_MONTHS_MAX,
    invalid,
    months_later,
    utc_s,
)

# The contract's whole numbers have 32 bits.
NUMBER_MAX = 2**31 - 1

E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Interval:
    """A time filter: half-open, or one instant when both ends are the same.

    The vendor's contract says so in `TimeFilterInterval`.
    """

    start_s: int
    end_s: int

    def holds(self, at_s: int | None) -> bool:
        """Whether a moment is inside."""
        if at_s is None:
            return False
        if self.start_s == self.end_s:
            return at_s == self.start_s
        return self.start_s <= at_s < self.end_s

    def meets(self, start_s: int, end_s: int) -> bool:
        """Whether a stay collides with the interval."""
        return start_s < self.end_s and end_s > self.start_s


@dataclass(frozen=True, slots=True)
class Page:
    """How many rows are wanted and after which one."""

    count: int
    cursor: str | None


class Body:
    """One JSON object of a request. Every getter raises a 400 that names the field.

    `null` and a missing field mean the same, as at the vendor. Unknown fields are ignored.
    """

    def __init__(self, fields: Mapping[str, Any], where: str = "") -> None:
        self._fields = fields
        self._where = where

    @classmethod
    def parse(cls, raw: bytes) -> Body:
        """Read a request; decimals stay exact."""
        try:
            fields = json.loads(raw, parse_float=Decimal, parse_constant=Decimal)
        except (ValueError, RecursionError) as error:
            raise invalid("Invalid JSON.") from error
        if not isinstance(fields, dict):
            raise invalid("Invalid JSON: an object is expected.")
        return cls(fields)

    @property
    def fields(self) -> Mapping[str, Any]:
        """The object as it was sent."""
        return self._fields

    def name(self, field: str) -> str:
        """How the complaint calls a field."""
        return f"{self._where}.{field}" if self._where else field

    def has(self, field: str) -> bool:
        """Whether the field says something."""
        return self._fields.get(field) is not None

    def text(self, field: str) -> str:
        """A string that must be there and not be empty."""
        value = self.maybe_text(field)
        if not value:
            raise invalid(f"Invalid {self.name(field)}: it is required.")
        return value

    def maybe_text(self, field: str) -> str | None:
        """A string, or None."""
        value = self._fields.get(field)
        if value is not None and not isinstance(value, str):
            raise invalid(f"Invalid {self.name(field)}: a string is expected.")
        return value

    def id(self, field: str) -> str:
        """An identifier that must be there."""
        return _uuid(self.text(field), self.name(field))

    def maybe_id(self, field: str) -> str | None:
        """An identifier, or None."""
        value = self.maybe_text(field)
        return None if value is None else _uuid(value, self.name(field))

    def ids(self, field: str) -> list[str] | None:
        """A filter of 1 to 1000 identifiers, or None when there is no filter."""
        value = self._list(field)
        if value is None:
            return None
        if not 1 <= len(value) <= IDS_MAX:
            raise invalid(f"Invalid {self.name(field)}: 1 to {IDS_MAX} identifiers are expected.")
        return [_uuid(one, self.name(field)) for one in value]

    def texts(self, field: str) -> list[str] | None:
        """A filter of strings, or None."""
        value = self._list(field)
        if value is None:
            return None
        if not 1 <= len(value) <= IDS_MAX or not all(isinstance(one, str) for one in value):
            raise invalid(f"Invalid {self.name(field)}: 1 to {IDS_MAX} strings are expected.")
        return [str(one) for one in value]

    def words(self, field: str, kind: type[E]) -> list[E] | None:
        """A filter of words of one closed list, or None."""
        value = self._list(field)
        if value is None:
            return None
        return [self._word(one, field, kind) for one in value]

    def maybe_word(self, field: str, kind: type[E]) -> E | None:
        """One word of a closed list, or None."""
        value = self._fields.get(field)
        return None if value is None else self._word(value, field, kind)

    def flag(self, field: str, *, default: bool) -> bool:
        """True or false."""
        value = self._fields.get(field)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise invalid(f"Invalid {self.name(field)}: true or false is expected.")
        return value

    def number(self, field: str) -> int:
        """A whole number that must be there."""
        value = self._fields.get(field)
        if not isinstance(value, int) or isinstance(value, bool):
            raise invalid(f"Invalid {self.name(field)}: a whole number is expected.")
        if abs(value) > NUMBER_MAX:
            raise invalid(f"Invalid {self.name(field)}: the number is out of range.")
        return value

    def decimal(self, field: str) -> Decimal | None:
        """A number, exact, or None."""
        value = self._fields.get(field)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise invalid(f"Invalid {self.name(field)}: a number is expected.")
        number = Decimal(value)
        if not number.is_finite() or abs(number) > NUMBER_MAX:
            raise invalid(f"Invalid {self.name(field)}: the number is out of range.")
        return number

    def time_s(self, field: str) -> int:
        """A moment that must be there, seconds since 1970."""
        return utc_s(self._fields.get(field), self.name(field))

    def maybe_time_s(self, field: str) -> int | None:
        """A moment, or None."""
        return self.time_s(field) if self.has(field) else None

    def part(self, field: str) -> Body:
        """A nested object that must be there."""
        value = self._fields.get(field)
        if not isinstance(value, dict):
            raise invalid(f"Invalid {self.name(field)}: an object is expected.")
        return Body(value, self.name(field))

    def maybe_part(self, field: str) -> Body | None:
        """A nested object, or None."""
        return self.part(field) if self.has(field) else None

    def parts(self, field: str) -> list[Body]:
        """A list of 1 to 1000 objects."""
        value = self._list(field)
        if value is None or not 1 <= len(value) <= IDS_MAX:
            raise invalid(f"Invalid {self.name(field)}: 1 to {IDS_MAX} objects are expected.")
        if not all(isinstance(one, dict) for one in value):
            raise invalid(f"Invalid {self.name(field)}: objects are expected.")
        return [Body(one, f"{self.name(field)}[{index}]") for index, one in enumerate(value)]

    def interval(self, field: str) -> Interval | None:
        """A time filter of at most three months, or None."""
        part = self.maybe_part(field)
        if part is None:
            return None
        found = Interval(part.time_s("StartUtc"), part.time_s("EndUtc"))
        if found.end_s < found.start_s:
            raise invalid(f"Invalid {self.name(field)}: EndUtc is before StartUtc.")
        if found.end_s > months_later(found.start_s, INTERVAL_MONTHS_MAX):
            raise invalid(f"Invalid {self.name(field)}: the interval exceeds 3 months.")
        return found

    def page(self) -> Page:
        """`Limitation`, which every list of the vendor requires."""
        part = self.part("Limitation")
        count = part.number("Count")
        if not 1 <= count <= COUNT_MAX:
            raise invalid(f"Invalid Limitation.Count: 1 to {COUNT_MAX} is expected.")
        return Page(count, part.maybe_id("Cursor"))

    def change(self, field: str) -> Body | None:
        """`{"Value": ...}`: None means keep, a part without a value means clear."""
        return self.maybe_part(field)

    def _list(self, field: str) -> list[Any] | None:
        value = self._fields.get(field)
        if value is not None and not isinstance(value, list):
            raise invalid(f"Invalid {self.name(field)}: a list is expected.")
        return value

    def _word(self, value: object, field: str, kind: type[E]) -> E:
        try:
            return kind(str(value))
        except ValueError as error:
            raise invalid(f"Invalid {self.name(field)}: {value!r} is not one of its values.") from (
                error
            )


def _uuid(value: object, name: str) -> str:
    try:
        return str(UUID(str(value)))
    except ValueError as error:
        raise invalid(f"Invalid {name}: a UUID is expected.") from error
