"""Which requests bring a Guesty reservation to what the box says. Pure: state in, steps out.

Every act is "make it so": asked again after a lost answer, on a state read back, it yields what
is left to do, or nothing. One endpoint changes one thing (cloud.md 1.1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final

from sync.mirror import Known
from sync.outcome import Refused
from sync.pms.guesty.words import BLOCKING, House

CANCEL_NOTE: Final = "Cancelled at the desk with Nightporter"
GUEST_STAY: Final = "/reservations-v3/guest-stay"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One PUT, and what the reservation is after it."""

    path: str
    fields: dict[str, Any]
    after: Known


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One act of the box on one reservation of theirs."""

    upstream_id: str
    told: Mapping[str, Any]
    unit_id: str | None
    house: House


Steps = list[Step] | Refused


def assign(act: Act, known: Known) -> Steps:
    """The room, at check-in or for a move."""
    return _over(known) if known.state not in BLOCKING else _relocate(act, known)


def start(act: Act, known: Known) -> Steps:
    """The check-in: its room, confirmed, and then the second machine."""
    if known.state not in BLOCKING:
        sentence = f"Guesty has this reservation as {known.state}, and the guest is here"
        return Refused(sentence=sentence)
    if known.state == "awaiting_payment":
        sentence = "Guesty waits for this booking's payment: settle or confirm it there, then retry"
        return Refused(sentence=sentence)
    steps = _relocate(act, known)
    known = steps[-1].after if steps else known
    if known.state == "reserved":
        after = replace(known, state="confirmed")
        fields = {"status": "confirmed"}
        steps.append(Step(path=_path(act, "status"), fields=fields, after=after))
        known = after
    return [*steps, *_guest_stay(act, known, "checked_in", done={"checked_in", "checked_out"})]


def undo_start(act: Act, known: Known) -> Steps:
    """A check-in that was none."""
    if known.state not in BLOCKING:
        return _over(known)
    if _stay(known) == "checked_out":
        sentence = "Guesty has this reservation as checked out: a person must settle it there"
        return Refused(sentence=sentence)
    return _guest_stay(act, known, "not_set", done={"not_set"})


def depart(act: Act, known: Known) -> Steps:
    """Another last day; Guesty reckons the price anew, whatever it is told."""
    if known.state not in BLOCKING:
        return _over(known)
    return _dates(act, known, date.fromisoformat(act.told["departure"]))


def process(act: Act, known: Known) -> Steps:
    """The check-out, also before the last day."""
    if known.state not in BLOCKING:
        return _over(known)
    if _stay(known) == "no_show":
        return Refused(sentence="Guesty has this guest as a no-show: a person must settle it there")
    steps: list[Step] = []
    if act.told["early"]:
        left_on = date.fromisoformat(act.told["left_on"])
        if left_on < _day(known, "check_out"):
            # A night is the least that a reservation has there.
            steps = _dates(act, known, max(left_on, _day(known, "check_in") + timedelta(days=1)))
    known = steps[-1].after if steps else known
    return [*steps, *_guest_stay(act, known, "checked_out", done={"checked_out"})]


def cancel(act: Act, known: Known) -> Steps:
    """A cancellation at the desk; of the channels only Vrbo's can be cancelled through Guesty."""
    if known.state not in BLOCKING and known.state != "inquiry":
        return []
    if _stay(known) in {"checked_in", "checked_out"}:
        sentence = "Guesty has this guest as checked in: a person must settle it there"
        return Refused(sentence=sentence)
    fields = {
        "status": "canceled",
        "canceledBy": "TEAM_MEMBER",
        "cancellationReason": "other",
        "cancellationNote": CANCEL_NOTE,
    }
    return [Step(path=_path(act, "status"), fields=fields, after=replace(known, state="canceled"))]


def no_show(act: Act, known: Known) -> Steps:
    """A no-show: the booking stays, the second machine says it."""
    if known.state not in BLOCKING:
        return []
    if _stay(known) in {"checked_in", "checked_out"}:
        sentence = "Guesty has this guest as checked in: a person must settle it there"
        return Refused(sentence=sentence)
    return _guest_stay(act, known, "no_show", done={"no_show"})


MAKE_IT_SO: Final[Mapping[str, Callable[[Act, Known], Steps]]] = {
    "pms.assign": assign,
    "pms.start": start,
    "pms.undo_start": undo_start,
    "pms.depart": depart,
    "pms.process": process,
    "pms.cancel": cancel,
    "pms.no_show": no_show,
}


def _relocate(act: Act, known: Known) -> list[Step]:
    if act.unit_id is None or act.unit_id == known.room_upstream_id:
        return []
    # Where the guest sleeps is a fact: a calendar that disagrees is for a person to mend.
    fields = {"listingId": act.unit_id, "ignoreCalendar": True}
    after = replace(known, room_upstream_id=act.unit_id)
    return [Step(path=_path(act, "relocate"), fields=fields, after=after)]


def _dates(act: Act, known: Known, last: date) -> list[Step]:
    if last == _day(known, "check_out"):
        return []
    fields = {
        "checkInDateLocalized": known.extra["check_in"],
        "checkOutDateLocalized": last.isoformat(),
        "ignoreCalendar": True,
    }
    listing = known.room_upstream_id or known.extra.get("unit_type", "")
    after = replace(
        known,
        end_s=act.house.end_s(listing, last),
        extra={**known.extra, "check_out": last.isoformat()},
    )
    return [Step(path=_path(act, "dates"), fields=fields, after=after)]


def _guest_stay(act: Act, known: Known, status: str, *, done: set[str]) -> list[Step]:
    if _stay(known) in done:
        return []
    fields = {"reservationId": act.upstream_id, "status": status}
    after = replace(known, extra={**known.extra, "guest_stay": status})
    return [Step(path=GUEST_STAY, fields=fields, after=after)]


def _stay(known: Known) -> str:
    return known.extra.get("guest_stay", "not_set")


def _day(known: Known, name: str) -> date:
    return date.fromisoformat(known.extra[name])


def _path(act: Act, what: str) -> str:
    return f"/reservations-v3/{act.upstream_id}/{what}"


def _over(known: Known) -> Refused:
    sentence = f"Guesty has this reservation as {known.state}, it cannot be changed"
    return Refused(sentence=sentence)
