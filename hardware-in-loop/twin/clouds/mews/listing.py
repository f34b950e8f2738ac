"""Paging as the vendor does it: newest first, a cursor is the identifier of the last row."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from twin.clouds.faults import Fault
from twin.clouds.mews.body import Body, Page
from twin.clouds.mews.store import MewsStore
from twin.clouds.mews.words import invalid

Json = dict[str, Any]
T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Asked:
    """One request on its way through an endpoint."""

    store: MewsStore
    body: Body
    fault: Fault | None = None
    # Where each cursor that was handed out stood, by the row's place in the order of changes.
    cursors: dict[str, int] = field(default_factory=dict)


Endpoint = Callable[[Asked], Json]


def page_of(rows: Iterable[T], page: Page, name: Callable[[T], str]) -> tuple[list[T], str | None]:
    """The rows after the cursor and the next cursor, for lists whose order never changes."""
    all_rows = list(rows)
    begin = 0
    if page.cursor is not None:
        names = [name(row) for row in all_rows]
        if page.cursor not in names:
            raise invalid("Invalid Limitation.Cursor: it does not exist.")
        begin = names.index(page.cursor) + 1
    found = all_rows[begin : begin + page.count]
    more = begin + page.count < len(all_rows)
    return found, name(found[-1]) if found and more else None


def listed(
    asked: Asked,
    field_name: str,
    rows: Iterable[T],
    shape: Callable[[MewsStore, T], Json],
    name: Callable[[T], str],
) -> Json:
    """A list endpoint's whole answer."""
    found, cursor = page_of(rows, asked.body.page(), name)
    return {field_name: [shape(asked.store, row) for row in found], "Cursor": cursor}
