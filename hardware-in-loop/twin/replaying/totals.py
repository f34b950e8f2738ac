"""The same totals counted three times: from the box's log, the booking file, the twin's journal.

Each count reads one source only. A None is a total that a source cannot know.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from twin.bookings_file import Booking, BookingsFile, Impossible, Status

# How a booking ended, in the box's words and in the file's.
END_OF: Final = {
    "departed": Status.CHECK_OUT,
    "cancelled": Status.CANCELED,
    "no_show": Status.NO_SHOW,
}


@dataclass(slots=True, kw_only=True)
class Totals:
    """What is compared. Money in minor units; nights are those slept."""

    bookings: int | None = None
    in_house_before: int | None = None
    changes: int | None = None
    cancelled: int | None = None
    no_shows: int | None = None
    checked_in: int | None = None
    checked_out: int | None = None
    left_before: int | None = None  # departures of guests who were in house before
    as_the_file_says: int | None = None  # bookings whose own end is the file's
    nights: int | None = None
    stays_minor: int | None = None  # of the window's stays, for the nights slept
    audited_minor: int | None = None  # room revenue of every closed night
    night_audits: int | None = None
    keys_cut: int | None = None
    keys_revoked: int | None = None
    opened_by_key: int | None = None
    opened_by_box: int | None = None
    departed_refused: int | None = None
    older_after_newer: int | None = None  # openings by a key older than one that had opened before


LABELS: Final[Mapping[str, str]] = {
    "bookings": "bookings of the window",
    "in_house_before": "stays in house at its start",
    "changes": "changes of bookings",
    "cancelled": "cancellations",
    "no_shows": "no-shows",
    "checked_in": "check-ins",
    "checked_out": "check-outs",
    "left_before": "check-outs of those in house before",
    "as_the_file_says": "bookings that ended as their row says",
    "nights": "nights slept in the window's stays",
    "stays_minor": "their price (minor units)",
    "audited_minor": "room revenue audited (minor units)",
    "night_audits": "nights audited",
    "keys_cut": "keys cut (journal: that opened)",
    "keys_revoked": "keys revoked (journal: turned away)",
    "opened_by_key": "openings at the lock by its guest",
    "opened_by_box": "openings by the box for its guest",
    "departed_refused": "departed guests refused at the lock",
    "older_after_newer": "openings by a key older than the last",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One total of three sources."""

    name: str
    label: str
    log: int | None
    file: int | None
    journal: int | None

    @property
    def equal(self) -> bool:
        """Whether every source that knows it says the same."""
        return len({each for each in (self.log, self.file, self.journal) if each is not None}) <= 1


@dataclass(slots=True, kw_only=True)
class LogCount:
    """What the box's own log and read model say."""

    totals: Totals
    facts: int
    kinds: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)  # of all stays, in the read model
    conflicts: Counter[str] = field(default_factory=Counter)
    conflicts_cleared: int = 0  # that lost their cause
    conflicts_open: int = 0
    refusals: Counter[str] = field(default_factory=Counter)  # answers that were no
    lock_refusals: Counter[str] = field(default_factory=Counter)


def compare(log: Totals, file: Totals, journal: Totals) -> list[Line]:
    """Every total side by side."""
    return [
        Line(
            name=each.name,
            label=LABELS[each.name],
            log=getattr(log, each.name),
            file=getattr(file, each.name),
            journal=getattr(journal, each.name),
        )
        for each in fields(Totals)
    ]


# -- the box's log -----------------------------------------------------------------------------


def count_log(path: Path, first: date, ends: Mapping[str, Status]) -> LogCount:
    """Count facts and read model of a log file; `ends` is how each of the PMS's ids must end."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        facts = _Facts(first)
        for kind, body in db.execute("SELECT kind, body FROM event ORDER BY position"):
            facts.take(kind, msgspec.json.decode(body))
        totals = facts.totals()
        states = db.execute("SELECT upstream_id, state, arrival FROM stays_stay").fetchall()
        totals.as_the_file_says = sum(
            arrival >= first.isoformat() and END_OF.get(state) is ends.get(upstream_id, "")
            for upstream_id, state, arrival in states
        )
        conflicts = db.execute(
            "SELECT what, settled_at_ms, cleared_because FROM stays_conflict"
        ).fetchall()
        return LogCount(
            totals=totals,
            facts=sum(facts.kinds.values()),
            kinds=facts.kinds,
            states=Counter(state for _, state, _ in states),
            conflicts=Counter(what for what, *_ in conflicts),
            conflicts_cleared=sum(because is not None for *_, because in conflicts),
            conflicts_open=sum(settled is None for _, settled, _ in conflicts),
            refusals=Counter(_refusals(db)),
            lock_refusals=facts.lock_refusals,
        )
    finally:
        db.close()


def _refusals(db: sqlite3.Connection) -> Iterator[str]:
    for (answer,) in db.execute("SELECT answer FROM answered"):
        refused = msgspec.json.decode(answer).get("refused")
        if refused is not None:
            yield f"{refused['engine']}.{refused['code']}"


class _Facts:
    """Walks the log once."""

    def __init__(self, first: date) -> None:
        self._first = first.isoformat()
        self.kinds: Counter[str] = Counter()
        self.lock_refusals: Counter[str] = Counter()
        self._arrival: dict[str, str] = {}
        self._priced: dict[str, list[dict[str, Any]]] = {}
        self._opened: Counter[bool] = Counter()  # by key: False, by order of the box: True
        self._newest: Counter[str] = Counter()  # door -> generation
        self._left: list[tuple[str, str]] = []
        self._came: list[str] = []
        self._totals = Totals(audited_minor=0, departed_refused=0, older_after_newer=0)

    def take(self, kind: str, body: dict[str, Any]) -> None:
        """One fact."""
        self.kinds[kind] += 1
        match kind:
            case "stays.booked.v1":
                self._arrival[body["stay_id"]] = body["arrival"]
                self._priced[body["stay_id"]] = body["nights"]
            case "stays.booking_changed.v1" | "stays.departure_changed.v1":
                self._priced[body["stay_id"]] = body["nights"]
            case "stays.checked_in.v1":
                self._came.append(body["stay_id"])
            case "stays.checked_out.v1":
                self._left.append((body["stay_id"], body["business_date"]))
            case "stays.business_date_rolled.v1":
                assert self._totals.audited_minor is not None, "set above"
                self._totals.audited_minor += body["room_revenue_minor"]
            case "doors.access_logged.v1":
                self._access(body)
            case _:
                pass

    def _access(self, body: dict[str, Any]) -> None:
        if body["event"] == "refused":
            self.lock_refusals[body["refusal"]] += 1
        elif body["event"] == "unlocked":
            self._opened[body["order_id"] is not None] += 1
            door, generation = body["door_id"], body["generation"] or 0
            if generation < self._newest[door]:
                assert self._totals.older_after_newer is not None, "set above"
                self._totals.older_after_newer += 1
            self._newest[door] = max(self._newest[door], generation)

    def totals(self) -> Totals:
        """What the facts add up to."""
        of_window = {stay for stay, arrival in self._arrival.items() if arrival >= self._first}
        slept = [
            night
            for stay, day in self._left
            if stay in of_window
            for night in self._priced[stay]
            if night["date"] < day
        ]
        totals = self._totals
        totals.bookings = len(of_window)
        totals.in_house_before = len(self._arrival) - len(of_window)
        totals.changes = self.kinds["stays.booking_changed.v1"]
        totals.cancelled = self.kinds["stays.cancelled.v1"]
        totals.no_shows = self.kinds["stays.no_show_marked.v1"]
        totals.checked_in = sum(stay in of_window for stay in self._came)
        totals.checked_out = sum(stay in of_window for stay, _ in self._left)
        totals.left_before = len(self._left) - totals.checked_out
        totals.nights = len(slept)
        totals.stays_minor = sum(night["amount_minor"] for night in slept)
        totals.night_audits = self.kinds["stays.business_date_rolled.v1"]
        totals.keys_cut = self.kinds["doors.key_cut.v1"]
        totals.keys_revoked = self.kinds["doors.key_revoked.v1"]
        totals.opened_by_key = self._opened[False]
        totals.opened_by_box = self._opened[True]
        totals.departed_refused = sum(self.lock_refusals.values())
        return totals


# -- the file ------------------------------------------------------------------------------------


def count_file(file: BookingsFile, first: date, last: date) -> Totals:
    """What the file itself adds up to; one key and two openings for each stay."""
    arriving, before = file.arriving(first, last), file.in_house(first)
    by_status = Counter(one.status for one in arriving)
    stays = [one for one in arriving if one.status is Status.CHECK_OUT]
    guests = len(stays) + len(before)
    # Who stays longer is given a key for the nights that were added.
    keys = guests + sum(one.left_on > one.departure for one in (*stays, *before))
    return Totals(
        bookings=len(arriving),
        in_house_before=len(before),
        changes=sum(one.changes for one in arriving),
        cancelled=by_status[Status.CANCELED],
        no_shows=by_status[Status.NO_SHOW],
        checked_in=len(stays),
        checked_out=len(stays),
        left_before=len(before),
        as_the_file_says=len(arriving),
        nights=sum(_slept(one) for one in stays),
        stays_minor=sum(_slept(one) * one.adr_minor for one in stays),
        audited_minor=sum(_slept(one, first) * one.adr_minor for one in (*stays, *before)),
        keys_cut=keys,
        keys_revoked=keys,
        opened_by_key=keys,
        opened_by_box=guests,
        older_after_newer=0,
    )


def _slept(one: Booking, first: date = date.min) -> int:
    return max((one.left_on - max(one.arrival, first)).days, 0)


def unplaced(file: BookingsFile) -> int:
    """Rows whose arrival cannot be read: they could belong to any window."""
    return sum(one.why is Impossible.UNREADABLE and one.arrival is None for one in file.refused)


# -- the journal ---------------------------------------------------------------------------------


def count_journal(
    entries: Iterable[Mapping[str, Any]],
    first: date,
    zone: ZoneInfo,
    ends: Mapping[str, Status],
) -> Totals:
    """What the twin's PMS and locks wrote down themselves."""
    pms, locks = _Pms(first, zone), _Locks()
    for entry in entries:
        if str(entry["kind"]).startswith("pms.reservation."):
            pms.take(str(entry["kind"]).removeprefix("pms.reservation."), entry)
        else:
            locks.take(entry)
    totals = pms.totals(ends)
    totals.keys_cut, totals.keys_revoked = len(locks.came_in), len(locks.turned_away)
    totals.opened_by_key, totals.opened_by_box = locks.opened["key"], locks.opened["order"]
    totals.departed_refused = locks.refused
    totals.older_after_newer = locks.older
    return totals


class _Locks:
    def __init__(self) -> None:
        self.came_in: set[str] = set()
        self.turned_away: set[str] = set()
        self.opened: Counter[str] = Counter()
        self.refused = 0
        self.older = 0
        self._newest: Counter[str] = Counter()

    def take(self, entry: Mapping[str, Any]) -> None:
        """One entry of a lock."""
        kind = entry["kind"]
        if kind == "held" or (kind == "bolt" and entry["to"] == "unlocked"):
            self.opened[entry["via"]] += 1
            if entry["via"] == "key":
                self.came_in.add(entry["cti"])
            device, generation = entry["device"], entry["generation"] or 0
            self.older += generation < self._newest[device]
            self._newest[device] = max(self._newest[device], generation)
        elif kind == "refusal" and entry["via"] == "key":
            # Orders that waited for a lock too long are refused as well; nobody stands there.
            self.refused += 1
            if entry["cti"] is not None:
                self.turned_away.add(entry["cti"])


class _Pms:
    def __init__(self, first: date, zone: ZoneInfo) -> None:
        self._first = first
        self._zone = zone
        self._kinds: Counter[str] = Counter()
        self._before: set[str] = set()
        self._window: set[str] = set()
        self._started: Counter[str] = Counter()
        self._last: dict[str, str] = {}
        self._processed: list[tuple[str, date, date, int]] = []

    def take(self, what: str, entry: Mapping[str, Any]) -> None:
        """One change of a reservation."""
        upstream_id = entry["id"]
        self._last[upstream_id] = str(entry["state"])
        match what:
            case "added":
                begun = entry["state"] == "Started"
                (self._before if begun else self._window).add(upstream_id)
            case "updated" if entry.get("by") == "channel":
                self._kinds["changed"] += 1
            case "canceled":
                no_show = entry["reason"] == "NoShow"
                self._kinds["no-show" if no_show else "cancelled"] += 1
                self._last[upstream_id] = "NoShow" if no_show else "Canceled"
            case "started":
                self._started[upstream_id] += 1
            case "processed":
                begin, end = self._day(entry["start_s"]), self._day(entry["end_s"])
                self._processed.append((upstream_id, begin, end, entry["total_minor"]))
            case _:
                pass

    def totals(self, ends: Mapping[str, Status]) -> Totals:
        """What the PMS's life adds up to."""
        of_window = [each for each in self._processed if each[0] in self._window]
        return Totals(
            bookings=len(self._window),
            in_house_before=len(self._before),
            changes=self._kinds["changed"],
            cancelled=self._kinds["cancelled"],
            no_shows=self._kinds["no-show"],
            checked_in=sum(self._started.values()),
            checked_out=len(of_window),
            left_before=len(self._processed) - len(of_window),
            as_the_file_says=sum(
                _END_AT_PMS.get(self._last[each]) is ends.get(each, "") for each in self._window
            ),
            nights=sum(_days(begin, end) for _, begin, end, _ in of_window),
            stays_minor=sum(total for _, _, _, total in of_window),
            audited_minor=sum(self._audited(each) for each in self._processed),
        )

    def _audited(self, stay: tuple[str, date, date, int]) -> int:
        """The share of a stay's price for its nights in the window; its nights cost the same."""
        _, begin, end, total = stay
        nights = _days(begin, end)
        return total // nights * _days(max(begin, self._first), end) if nights else 0

    def _day(self, at_s: int) -> date:
        return datetime.fromtimestamp(at_s, UTC).astimezone(self._zone).date()


_END_AT_PMS: Final = {
    "Processed": Status.CHECK_OUT,
    "Canceled": Status.CANCELED,
    "NoShow": Status.NO_SHOW,
}


def _days(begin: date, end: date) -> int:
    return max((end - begin) // timedelta(days=1), 0)


def ends_of(bookings: Sequence[Booking], upstream: Mapping[int, str]) -> dict[str, Status]:
    """How each of the PMS's ids must end by the file; `upstream` is who became which id."""
    return {upstream[one.row_number]: one.status for one in bookings if one.row_number in upstream}
