"""One request on its way through an endpoint, read field by field with the vendor's complaints."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from twin.clouds.faults import Fault
from twin.clouds.guesty.store import GuestyStore
from twin.clouds.guesty.words import LIMIT_DEFAULT, LIMIT_MAX, day_of, invalid

Json = dict[str, Any]
E = TypeVar("E", bound=StrEnum)
# The largest number anybody can mean here.
NUMBER_MAX = 2**31 - 1
QUERY_FIELDS_MAX = 200


@dataclass(slots=True, kw_only=True)
class Asked:
    """What an endpoint sees."""

    store: GuestyStore
    fields: Mapping[str, Any] = field(default_factory=dict)
    query: list[tuple[str, str]] = field(default_factory=list)
    names: Mapping[str, str] = field(default_factory=dict)  # of the path
    fault: Fault | None = None

    @property
    def sparse(self) -> bool:
        """Whether optional fields are left out of the answer."""
        return self.fault is Fault.SPARSE

    # -- the query ---------------------------------------------------------------------------

    def param(self, name: str) -> str | None:
        """One parameter, the last where there are several."""
        return next((text for key, text in reversed(self.query) if key == name), None)

    def params(self, name: str) -> list[str]:
        """A list parameter, with or without `[]` and numbers in it."""
        return [text for key, text in self.query if key.partition("[")[0] == name]

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number of the query."""
        text = self.param(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) <= 9):
            raise invalid(f"{name} must be a whole number.")
        if not least <= int(text) <= most:
            raise invalid(f"{name} must be {least} to {most}.")
        return int(text)

    def page(self) -> tuple[int, int]:
        """`skip` and `limit`."""
        limit = self.whole("limit", LIMIT_DEFAULT, 1, LIMIT_MAX)
        return self.whole("skip", 0, 0, NUMBER_MAX), limit

    # -- the body ----------------------------------------------------------------------------

    def text(self, name: str, length_max: int = 500) -> str:
        """A text that must be there."""
        found = self.maybe_text(name, length_max)
        if not found:
            raise invalid(f"{name} is required.")
        return found

    def maybe_text(self, name: str, length_max: int = 500) -> str | None:
        """A text, or None."""
        value = self.fields.get(name)
        if value is not None and not isinstance(value, str):
            raise invalid(f"{name} must be a string.")
        if value is not None and len(value) > length_max:
            raise invalid(f"{name} must be at most {length_max} characters.")
        return value

    def day(self, name: str) -> date:
        """A day that must be there."""
        return day_of(self.fields.get(name), name)

    def flag(self, name: str) -> bool:
        """True or false, false by default."""
        value = self.fields.get(name)
        if value is not None and not isinstance(value, bool):
            raise invalid(f"{name} must be a boolean.")
        return bool(value)

    def count(self, name: str, default: int | None = None, most: int = NUMBER_MAX) -> int:
        """A whole number from 0."""
        value = self.fields.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise invalid(f"{name} must be a number from 0 to {most}.")
        return value

    def amount(self, name: str) -> Decimal | None:
        """A number from 0, exact, or None."""
        value = self.fields.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise invalid(f"{name} must be a number.")
        number = Decimal(value)
        if not number.is_finite() or not 0 <= number <= NUMBER_MAX:
            raise invalid(f"{name} must be a number from 0.")
        return number

    def word(self, name: str, kind: type[E]) -> E:
        """A word of a closed list."""
        found = self.maybe_word(name, kind)
        if found is None:
            raise invalid(f"{name} is required.")
        return found

    def maybe_word(self, name: str, kind: type[E]) -> E | None:
        """A word of a closed list, or None."""
        value = self.fields.get(name)
        if value is None:
            return None
        try:
            return kind(str(value))
        except ValueError as error:
            raise invalid(f"{name} must be one of {', '.join(kind)}.") from error

    def part(self, name: str) -> Asked:
        """An object inside the body; nothing is an empty one."""
        value = self.fields.get(name)
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise invalid(f"{name} must be an object.")
        return Asked(store=self.store, fields=value, fault=self.fault)


Endpoint = Callable[[Asked], Any]


def object_of(raw: bytes) -> Mapping[str, Any]:
    """A request's JSON object; decimals stay exact; raises 400."""
    if not raw:
        return {}
    try:
        fields = json.loads(raw, parse_float=Decimal, parse_constant=Decimal)
    except (ValueError, RecursionError) as error:
        raise invalid("The body is no JSON.") from error
    if not isinstance(fields, dict):
        raise invalid("The body must be an object.")
    return fields


def query_of(text: str) -> list[tuple[str, str]]:
    """A query's parameters in order; raises 400."""
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX)
    except ValueError as error:
        raise invalid("The query has too many fields.") from error
