"""What a replay says at its end: a table for people and the same as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from appliance.kernel.log import ChainBrokenError, verify_file
from twin.bookings_file import BookingsFile, Status
from twin.journal import Journal
from twin.replaying.days import Lived
from twin.replaying.house import CURRENCY, TIME_ZONE
from twin.replaying.plan import MADE_UP, Plan
from twin.replaying.rows import Misfit
from twin.replaying.totals import (
    Line,
    LogCount,
    compare,
    count_file,
    count_journal,
    count_log,
    ends_of,
    unplaced,
)

WIDTH: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that is said; `broken` are sentences, each a reason to fail."""

    plan: Plan
    lived: Lived
    file: BookingsFile
    log: LogCount
    lines: list[Line]
    impossible: list[Line]
    chain: str  # the last chain in hex, empty where it is broken
    broken: list[str]

    @property
    def holds(self) -> bool:
        """Whether every line is equal and every promise was kept."""
        return not self.broken and all(line.equal for line in (*self.lines, *self.impossible))


def make_report(plan: Plan, lived: Lived, file: BookingsFile, folder: Path) -> Report:
    """Count the three sources in a folder that a replay has left, and compare them."""
    ends = ends_of(file.arriving(plan.first, plan.last), lived.upstream)
    broken = list(lived.seen.broken)
    if lived.seen.broken_count > len(broken):
        broken.append(f"and {lived.seen.broken_count - len(broken)} more")
    broken += lived.parked
    chain = ""
    try:
        chain = verify_file(folder / "log.db").chain.hex()
    except ChainBrokenError as error:
        broken.append(f"the log is not whole: {error}")
    log = count_log(folder / "log.db", plan.first, ends)
    journal = Journal(folder / "journal.jsonl")
    counted = count_journal(journal.read(), plan.first, ZoneInfo(TIME_ZONE), ends)
    journal.close()
    asked = count_file(file, plan.first, plan.last)
    asked.night_audits = lived.days
    return Report(
        plan=plan,
        lived=lived,
        file=file,
        log=log,
        lines=compare(log.totals, asked, counted),
        impossible=_impossible(plan, file),
        chain=chain,
        broken=broken,
    )


def _impossible(plan: Plan, file: BookingsFile) -> list[Line]:
    """Rows that are no bookings: those the feed left out, against the oracle's own count."""
    totals = file.totals(plan.first, plan.last)
    placed = [one for one in plan.misfits if one.arrival is not None]
    fed = len(plan.arriving) + len(placed)
    lines = [_pair("rows", "rows of the window", fed, totals.rows)]
    for why in totals.impossible.keys() | {one.why.value for one in placed}:
        left_out = sum(one.why == why for one in placed)
        found = sum(count for each, count in totals.impossible.items() if each == why)
        lines.append(_pair(f"impossible: {why}", f"  impossible: {why}", left_out, found))
    nowhere = [one for one in plan.misfits if one.arrival is None]
    if nowhere or unplaced(file):
        label = "rows of the file without a day of arrival"
        lines.append(_pair("unplaced", label, len(nowhere), unplaced(file)))
    return sorted(lines, key=lambda line: line.label.startswith("  "))


def _pair(name: str, label: str, fed: int, found: int) -> Line:
    return Line(name=name, label=label, log=fed, file=found, journal=None)


# -- for people ------------------------------------------------------------------------------------


def told(report: Report, name: str) -> Iterator[str]:
    """The report's lines."""
    plan = report.plan
    yield f"{name}, arrivals {plan.first} to {plan.last}, seed {plan.seed}"
    yield from _rows_told(report)
    rooms = ", ".join(f"{count} {kind}" for kind, count in plan.rooms.items())
    yield f"The house: {sum(plan.rooms.values())} rooms ({rooms})."
    yield ""
    yield f"{'total':<{WIDTH}} {'log':>11} {'file':>11} {'journal':>11}  equal"
    for line in (*report.impossible, *report.lines):
        yield _line_told(line)
    yield ""
    yield from _events_told(report)
    yield f"Made up from the seed: {'; '.join(MADE_UP)}."
    yield ""
    for sentence in report.broken:
        yield f"BROKEN: {sentence}"
    different = [
        line.label.strip() for line in (*report.impossible, *report.lines) if not line.equal
    ]
    if different:
        yield f"DIFFERENT: {'; '.join(different)}"
    if report.holds:
        yield "Every total is equal in every source, and no promise was broken."


def _rows_told(report: Report) -> Iterator[str]:
    """Both sums: the file's own, and that of the rows that can be bookings."""
    totals = report.file.totals(report.plan.first, report.plan.last)
    yield f"Rows:     {_sum(totals.rows, totals.rows_by_status)}."
    if totals.impossible:
        classes = ", ".join(f"{n} {why}" for why, n in sorted(totals.impossible.items()))
        ends = ", ".join(f"{n} {end}" for end, n in sorted(totals.impossible_by_status.items()))
        count = sum(totals.impossible.values())
        yield f"          {count} of them cannot be bookings: {classes} (in the file: {ends})."
    yield f"Bookings: {_sum(totals.bookings, totals.bookings_by_status)}."
    if totals.dirt:
        odd = ", ".join(f"{n} {what}" for what, n in sorted(totals.dirt.items()))
        yield f"Odd, and lived through all the same: {odd}."


def _sum(total: int, by_status: Mapping[Status, int]) -> str:
    counts = [
        (by_status.get(Status.CHECK_OUT, 0), "checked out"),
        (by_status.get(Status.CANCELED, 0), "cancelled"),
        (by_status.get(Status.NO_SHOW, 0), "no-shows"),
    ]
    if (rest := total - sum(count for count, _ in counts)) > 0:
        counts.append((rest, "of no status that can be read"))
    return f"{total:,} = {' + '.join(f'{count:,} {word}' for count, word in counts)}"


def _line_told(line: Line) -> str:
    cells = " ".join(
        f"{'-' if each is None else f'{each:,}':>11}"
        for each in (line.log, line.file, line.journal)
    )
    return f"{line.label:<{WIDTH}} {cells}  {'yes' if line.equal else 'NO'}"


def _events_told(report: Report) -> Iterator[str]:
    seen, log, lived = report.lived.seen, report.log, report.lived
    yield f"At the lock, rightful guests: {_counts(seen.rightful_at_lock)}."
    yield f"Through the box, rightful guests: {_counts(seen.rightful_by_box)}."
    yield f"Departed guests after their check-out: {_counts(seen.departed_at_once)}."
    yield f"Departed guests after the next guest came in: {_counts(seen.departed_later)}."
    yield f"Refusals by locks: {_counts(log.lock_refusals)}."
    yield f"Refusals by the box: {_counts(log.refusals)}."
    settled = log.conflicts.total() - log.conflicts_cleared - log.conflicts_open
    yield (
        f"Conflicts: {_counts(log.conflicts)}. {log.conflicts_cleared} lost their cause and closed"
        f" by themselves, {settled} a person settled, {log.conflicts_open} wait for one at the end."
    )
    whole = f"whole ({report.chain[:16]}…)" if report.chain else "NOT WHOLE"
    yield (
        f"Log: {log.facts:,} facts, chain {whole}. {lived.days} virtual days in"
        f" {lived.real_s:.1f} real seconds."
    )


def _counts(counter: Mapping[str, int]) -> str:
    ordered = sorted(counter.items(), key=lambda each: (-each[1], each[0]))
    return ", ".join(f"{count:,} {name}" for name, count in ordered) or "none"


# -- for programs ----------------------------------------------------------------------------------


def as_json(report: Report, name: str) -> dict[str, Any]:
    """The same, for a program; dates in ISO 8601, money in minor units."""
    plan, lived, log, seen = report.plan, report.lived, report.log, report.lived.seen
    totals = report.file.totals(plan.first, plan.last)
    return {
        "file": name,
        "from": plan.first.isoformat(),
        "to": plan.last.isoformat(),
        "seed": plan.seed,
        "currency": CURRENCY,
        "time_zone": TIME_ZONE,
        "made_up": list(MADE_UP),
        "rooms": dict(plan.rooms),
        "rows": {
            "all": totals.rows,
            "by_status": dict(totals.rows_by_status),
            "impossible": dict(totals.impossible),
            "impossible_by_status": dict(totals.impossible_by_status),
            "impossible_row_numbers": _numbers(plan.misfits),
            "bookings": totals.bookings,
            "bookings_by_status": dict(totals.bookings_by_status),
            "dirt": dict(totals.dirt),
        },
        "lines": [asdict(line) | {"equal": line.equal} for line in _all_lines(report)],
        "doors": {
            "rightful_at_lock": dict(seen.rightful_at_lock),
            "rightful_by_box": dict(seen.rightful_by_box),
            "departed_at_once": dict(seen.departed_at_once),
            "departed_later": dict(seen.departed_later),
            "lock_refusals": dict(log.lock_refusals),
        },
        "refusals": dict(log.refusals),
        "conflicts": {
            "by_kind": dict(log.conflicts),
            "cleared": log.conflicts_cleared,
            "open": log.conflicts_open,
        },
        "facts": log.facts,
        "facts_by_kind": dict(log.kinds),
        "chain": report.chain,
        "virtual_days": lived.days,
        "real_s": round(lived.real_s, 3),
        "broken": report.broken,
        "holds": report.holds,
    }


def _all_lines(report: Report) -> list[Line]:
    return [*report.impossible, *report.lines]


def _numbers(misfits: Sequence[Misfit]) -> dict[str, list[int]]:
    """Which rows cannot be bookings, by class; those without a day of arrival among them."""
    found: dict[str, list[int]] = {}
    for one in misfits:
        found.setdefault(one.why.value, []).append(one.number)
    return found
