"""Which requests bring a Hostaway reservation to what the box says. Pure: state in, steps out.

Every act is "make it so": asked again after a lost answer, on a state read back, it yields what
is left to do, or nothing. Hostaway knows dates and a status; it keeps neither check-in nor room.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from appliance.kernel.money import decimal_of
from sync.mirror import Known
from sync.outcome import Refused
from sync.pms.hostaway.words import DAY_S, LIFE_OF, OVER, TITLE, Life

# The guest may be asleep there already: Hostaway shows an overbooking rather than losing a stay.
FORCED: Final = {"forceOverbooking": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request, and what the reservation is after it."""

    path: str
    query: Mapping[str, Any]
    body: dict[str, Any]
    after: Known


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One act of the box on one reservation of theirs."""

    upstream_id: str
    told: Mapping[str, Any]


Steps = list[Step] | Refused


def nothing(_act: Act, _known: Known) -> Steps:
    """A room, a check-in or one taken back: there is no place for it at Hostaway."""
    return []


def depart(act: Act, known: Known) -> Steps:
    """Another last day, with the price as the box agreed it."""
    if known.state in OVER:
        return _over(known)
    departure = date.fromisoformat(act.told["departure"])
    total = _total(act.told.get("nights") or [], known)
    if isinstance(total, Refused):
        return total
    return _until(act, known, departure, total)


def process(act: Act, known: Known) -> Steps:
    """A check-out before the last day frees the nights that are left; any other says nothing."""
    left_on = date.fromisoformat(act.told["left_on"])
    if known.state in OVER or not act.told["early"]:
        return []
    return _until(act, known, left_on, {})


def cancel(act: Act, known: Known) -> Steps:
    """A cancellation at the desk."""
    return _cancel(act, known, "host")


def no_show(act: Act, known: Known) -> Steps:
    """A no-show: for Hostaway the guest has cancelled, and the box remembers why."""
    return _cancel(act, replace(known, no_show_by_us=True), "guest")


MAKE_IT_SO: Final[Mapping[str, Callable[[Act, Known], Steps]]] = {
    "pms.assign": nothing,
    "pms.start": nothing,
    "pms.undo_start": nothing,
    "pms.depart": depart,
    "pms.process": process,
    "pms.cancel": cancel,
    "pms.no_show": no_show,
}


def _cancel(act: Act, known: Known, by: str) -> Steps:
    if LIFE_OF.get(known.state) in {Life.CANCELLED, Life.ENDED}:
        return []
    return [
        Step(
            path=f"reservations/{act.upstream_id}/statuses/cancelled",
            query={},
            body={"cancelledBy": by},
            after=replace(known, state="cancelled"),
        )
    ]


def _until(act: Act, known: Known, departure: date, more: dict[str, Any]) -> Steps:
    before = date.fromisoformat(known.extra["departure"])
    arrival = date.fromisoformat(known.extra["arrival"])
    # Hostaway keeps at least one night, also of a guest who left on the first day.
    departure = max(departure, date.fromordinal(arrival.toordinal() + 1))
    if departure == before:
        return []
    moved_s = (departure - before).days * DAY_S
    return [
        Step(
            path=f"reservations/{act.upstream_id}",
            query=FORCED,
            body={"departureDate": departure.isoformat(), **more},
            after=replace(
                known,
                end_s=known.end_s + moved_s,
                extra={**known.extra, "departure": departure.isoformat()},
            ),
        )
    ]


def _total(nights: list[dict[str, Any]], known: Known) -> dict[str, Any] | Refused:
    if not nights:
        return {}
    currencies = {night["currency"] for night in nights}
    if currencies != {known.extra["currency"]}:
        return Refused(
            sentence=f"{TITLE} has this reservation in {known.extra['currency']}, "
            f"the box sold nights in {', '.join(sorted(currencies))}: change it there"
        )
    total_minor = sum(night["amount_minor"] for night in nights)
    return {"totalPrice": float(decimal_of(total_minor, known.extra["currency"]))}


def _over(known: Known) -> Refused:
    return Refused(
        sentence=f"{TITLE} has this reservation as {known.state}, it cannot be changed there"
    )
