"""Which requests bring a Mews reservation to what the box says. Pure: state in, steps out.

Every act is "make it so": asked again after a lost answer, on a state read back, it yields what
is left to do, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from sync.mirror import Known
from sync.outcome import Refused
from sync.pms.mews.words import OVER, House, nights_of, utc_text

# Mews refuses a check-in that begins in its future; clocks of two honest machines differ by less.
EARLIER_S: Final = 60
OPEN_BALANCE_NOTE: Final = "Checked out at the desk with Nightporter; what is open is settled there"
CANCEL_NOTE: Final = "Cancelled at the desk with Nightporter"
# Mews wants one whenever a price is given.
PRICE_NOTE: Final = "The nights as agreed at the desk with Nightporter"
NO_SHOW_NOTE: Final = "No-show, recorded at the desk with Nightporter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request, and what the reservation is after it."""

    endpoint: str
    body: dict[str, Any]
    after: Known


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One act of the box on one reservation of theirs."""

    upstream_id: str
    told: Mapping[str, Any]
    room_upstream_id: str | None
    house: House
    now_s: int  # the vendor's time where it is known
    send_reason: bool = True


Steps = list[Step] | Refused


def assign(act: Act, known: Known) -> Steps:
    """The room, at check-in or for a move."""
    if known.state in OVER:
        return _over(known)
    return _update(act, known, room=act.room_upstream_id)


def start(act: Act, known: Known) -> Steps:
    """The check-in: confirmed, in its room, not in the vendor's future."""
    if known.state in {"Started", "Processed"}:
        return []
    if known.state == "Canceled":
        return Refused(sentence="Mews says this reservation is cancelled, and the guest is here")
    steps: list[Step] = []
    if known.state == "Optional":
        known = replace(known, state="Confirmed")
        confirm = {"ReservationIds": [act.upstream_id], "SendConfirmationEmail": False}
        steps.append(Step(endpoint="reservations/confirm", body=confirm, after=known))
    start_s = act.now_s - EARLIER_S if known.start_s > act.now_s else None
    steps += _update(act, known, room=act.room_upstream_id, start_s=start_s)
    known = steps[-1].after if steps else known
    body = {"ReservationId": act.upstream_id}
    after = replace(known, state="Started")
    return [*steps, Step(endpoint="reservations/start", body=body, after=after)]


def depart(act: Act, known: Known) -> Steps:
    """Another last day, with the nights' prices as the box agreed them."""
    if known.state in OVER:
        return _over(known)
    end_s = _end_on(act, known, date.fromisoformat(act.told["departure"]))
    if act.house.day(end_s) == act.house.day(known.end_s):
        return []
    return _update(act, known, end_s=end_s, nights=act.told["nights"])


def process(act: Act, known: Known) -> Steps:
    """The check-out, also before the last day, also with something open on the bill."""
    if known.state == "Processed":
        return []
    # The guest was here: a check-in that Mews would not take at its time is made up for.
    begun = start(act, known) if known.state != "Started" else []
    if isinstance(begun, Refused):
        return begun
    steps: list[Step] = [*begun]
    known = steps[-1].after if steps else known
    left_on = date.fromisoformat(act.told["left_on"])
    if act.house.day(act.now_s) < act.house.day(known.end_s) or (
        act.told["early"] and left_on < act.house.day(known.end_s)
    ):
        steps += _update(act, known, end_s=_end_on(act, known, left_on))
    body = {
        "ReservationId": act.upstream_id,
        "CloseBills": False,
        "AllowOpenBalance": True,
        "Notes": OPEN_BALANCE_NOTE,
    }
    known = steps[-1].after if steps else known
    after = replace(known, state="Processed")
    return [*steps, Step(endpoint="reservations/process", body=body, after=after)]


def cancel(act: Act, known: Known) -> Steps:
    """A cancellation at the desk."""
    return _cancel(act, known, CANCEL_NOTE, None)


def no_show(act: Act, known: Known) -> Steps:
    """A no-show: Mews has it as a reason of a cancellation."""
    return _cancel(act, replace(known, no_show_by_us=True), NO_SHOW_NOTE, "NoShow")


MAKE_IT_SO: Final[Mapping[str, Callable[[Act, Known], Steps]]] = {
    "pms.assign": assign,
    "pms.start": start,
    "pms.depart": depart,
    "pms.process": process,
    "pms.cancel": cancel,
    "pms.no_show": no_show,
}


def _cancel(act: Act, known: Known, note: str, reason: str | None) -> Steps:
    if known.state == "Canceled":
        return []
    if known.state in {"Started", "Processed"}:
        return Refused(
            sentence=f"Mews has this reservation as {known.state}: a person must settle it there"
        )
    body: dict[str, Any] = {
        "ReservationIds": [act.upstream_id],
        "PostCancellationFee": False,
        "Notes": note,
    }
    if reason is not None and act.send_reason:
        body["CancellationReason"] = reason
    return [Step(endpoint="reservations/cancel", body=body, after=replace(known, state="Canceled"))]


def _update(
    act: Act,
    known: Known,
    *,
    room: str | None = None,
    start_s: int | None = None,
    end_s: int | None = None,
    nights: list[dict[str, Any]] | None = None,
) -> list[Step]:
    change: dict[str, Any] = {}
    after = known
    if room is not None and room != known.room_upstream_id:
        change["AssignedResourceId"] = {"Value": room}
        after = replace(after, room_upstream_id=room)
    if start_s is not None:
        change["StartUtc"] = {"Value": utc_text(start_s)}
        after = replace(after, start_s=start_s)
    if end_s is not None:
        change["EndUtc"] = {"Value": utc_text(end_s)}
        after = replace(after, end_s=end_s)
    if nights:
        change["TimeUnitPrices"] = {"Value": nights_of(nights)}
    if not change:
        return []
    update = {"ReservationId": act.upstream_id, **change}
    # The price agreed with the guest stands; Mews would otherwise price the stay anew.
    # And the desk settles fees with the guest; by default Mews would charge a cancellation's.
    body: dict[str, Any] = {
        "ReservationId": act.upstream_id,  # the contract asks for it beside the updates
        "ReservationUpdates": [update],
        "Reprice": False,
        "ApplyCancellationFee": False,
    }
    if nights:
        body["Reason"] = PRICE_NOTE
    return [Step(endpoint="reservations/update", body=body, after=after)]


def _end_on(act: Act, known: Known, day: date) -> int:
    """The check-out hour of a day; a stay that ends on its first day ends when it began or now."""
    end_s = act.house.end_s(day)
    return end_s if end_s > known.start_s else max(act.now_s, known.start_s + EARLIER_S)


def _over(known: Known) -> Refused:
    return Refused(sentence=f"Mews has this reservation as {known.state}, it cannot be changed")
