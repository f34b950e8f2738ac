"""The read model of payments: folios, what was asked of providers, drawers, rents and the books.

Each part keeps its own tables. Where two take the same fact, the books come last: they read what
the others made of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from appliance.engines.payments import asks, drawers, folio, journal, postings, rents
from appliance.kernel.engine import Apply, Connection, Projection, Recorded
from appliance.kernel.messages import Event

_PARTS: Final = (journal, folio, asks, drawers, rents, postings)


def _one_after_the_other(parts: Sequence[Mapping[type[Event], Apply]]) -> dict[type[Event], Apply]:
    together: dict[type[Event], tuple[Apply, ...]] = {}
    for part in parts:
        for event, apply in part.items():
            together[event] = (*together.get(event, ()), apply)
    return {event: _all_of(applies) for event, applies in together.items()}


def _all_of(applies: tuple[Apply, ...]) -> Apply:
    if len(applies) == 1:
        return applies[0]

    def apply(db: Connection, event: Any, recorded: Recorded) -> None:
        for each in applies:
            each(db, event, recorded)

    return apply


PROJECTION: Final = Projection(
    name="payments",
    ddl=[part for each in _PARTS for part in each.DDL.strip().split(";\n")],
    tables=[table for each in _PARTS for table in each.TABLES],
    on=_one_after_the_other([folio.ON, asks.ON, drawers.ON, rents.ON, postings.ON]),
)
