"""Reads a channel's calendar file (RFC 5545) as it really comes, and refuses half of one.

The quirks are those of real files, cloud.md section 4: odd escapes in PRODID, a second PRODID and
VERSION in the middle, CRLF and bare LF mixed, no DTSTAMP, one UID twice, an end before its start.
Summaries and descriptions may name guests and end here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Final

from icalendar import Calendar, Component

from sync.feeds.entries import Entry, Kind, Snapshot

# A real feed of six listings is 60 KB; a room has at most two years of single nights.
FILE_BYTES_MAX: Final = 1024 * 1024
ENTRIES_MAX: Final = 2_000
# RFC 7986 5.3 asks for less than 255 octets; real ones are 45 to 65.
UID_CHARS_MAX: Final = 255
# Beyond what any channel sells, and what the box's calendar holds.
NIGHTS_MAX: Final = 1_100

# Airbnb's description leads to the reservation's page, named by the code the guest knows.
_CODE: Final = re.compile(r"reservations/details/([A-Z0-9]{6,16})\b")
_RESERVED: Final = re.compile(r"\b(reserved|reservation|booked|booking)\b", re.IGNORECASE)
_BLOCKED: Final = re.compile(r"\b(not available|unavailable|blocked|owner)\b", re.IGNORECASE)
_CLOSED: Final = re.compile(r"\bclosed\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoCalendar:
    """What came is not a whole calendar; it says nothing about anybody."""

    sentence: str


def read(content: bytes, zone: tzinfo) -> Snapshot | NoCalendar:
    """Read one whole file; moments become dates in the property's `zone`."""
    text = content.removeprefix(b"\xef\xbb\xbf").strip()
    if (why := _unfit(text)) is not None:
        return NoCalendar(sentence=why)
    try:
        calendars = Calendar.from_ical(text, multiple=True)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        # The library's sentence quotes the line, which may name a guest.
        return NoCalendar(sentence=f"the calendar cannot be read ({type(error).__name__})")
    if any(each.name != "VCALENDAR" for each in calendars):
        return NoCalendar(sentence="what came is not only a calendar")
    return _snapshot((event for each in calendars for event in each.walk("VEVENT")), zone)


def _unfit(text: bytes) -> str | None:
    """Why these bytes are not a whole calendar of a size we read, before any is parsed."""
    if len(text) > FILE_BYTES_MAX:
        return f"the file is larger than {FILE_BYTES_MAX // 1024} KiB"
    if not text[:15].upper().startswith(b"BEGIN:VCALENDAR"):
        return "what came is not a calendar"
    if not text[-13:].upper().endswith(b"END:VCALENDAR"):
        return "the calendar ends in the middle"
    if text.upper().count(b"BEGIN:VEVENT") > ENTRIES_MAX:
        return f"the calendar has more than {ENTRIES_MAX} entries"
    return None


def _snapshot(events: Iterable[Component], zone: tzinfo) -> Snapshot:
    entries: list[Entry] = []
    unread: set[str] = set()
    cancelled: set[str] = set()
    for event in events:
        uid = str(event.get("UID", "")).strip()[:UID_CHARS_MAX]
        nights = _nights(event, zone)
        if _word(event, "STATUS") == "CANCELLED":
            cancelled.add(uid)
        elif _word(event, "TRANSP") == "TRANSPARENT":
            continue  # RFC 5545 3.8.2.7: takes no time up
        elif nights is None:
            unread.add(uid)
        else:
            entries.append(_entry(event, uid, nights))
    return Snapshot(
        entries=tuple(dict.fromkeys(entries)),
        unread=frozenset(unread),
        cancelled=frozenset(cancelled - {each.uid for each in entries}),
    )


def _entry(event: Component, uid: str, nights: tuple[date, date]) -> Entry:
    start, end = nights
    kind = _kind(str(event.get("SUMMARY", "")))
    code = _CODE.search(str(event.get("DESCRIPTION", "")))
    # RFC 5545 asks for a UID; without one the dates must do.
    name = uid or f"{kind}-{start.isoformat()}-{end.isoformat()}"
    return Entry(uid=name, kind=kind, start=start, end=end, code=code.group(1) if code else "")


def _kind(summary: str) -> Kind:
    """Airbnb says "Reserved" or "Airbnb (Not available)", Booking.com "CLOSED - Not available".

    A word we do not know closes the nights and is kept as if a guest might come.
    """
    if _CLOSED.search(summary):
        return Kind.CLOSED
    if _BLOCKED.search(summary):
        return Kind.BLOCKED
    if _RESERVED.search(summary):
        return Kind.RESERVED
    return Kind.CLOSED


def _nights(event: Component, zone: tzinfo) -> tuple[date, date] | None:
    """The nights [start, end); None where they are no nights, or too many."""
    start = _moment(event, "DTSTART")
    if start is None:
        return None
    end = _moment(event, "DTEND")
    if end is None and "DTEND" not in event:
        end = _lasting(event, start)
    if end is None:
        return None
    first, last = _day(start, zone), _day(end, zone)
    if not 0 < (last - first).days <= NIGHTS_MAX:
        return None
    return first, last


def _moment(event: Component, name: str) -> date | None:
    moment = _value(event, name)
    return moment if isinstance(moment, date) else None


def _value(event: Component, name: str) -> object:
    """What a property says; None where it says nothing that can be read."""
    try:
        return getattr(event.get(name), "dt", None)
    except ValueError:
        return None  # the library keeps a broken value, and raises when it is looked at


def _lasting(event: Component, start: date) -> date | None:
    """RFC 5545 3.6.1: by DURATION, else one day."""
    if "DURATION" not in event:
        return start + timedelta(days=1)
    lasting = _value(event, "DURATION")
    try:
        return start + lasting if isinstance(lasting, timedelta) else None
    except OverflowError:
        return None


def _day(moment: date, zone: tzinfo) -> date:
    if not isinstance(moment, datetime):
        return moment
    try:
        return (moment if moment.tzinfo is None else moment.astimezone(zone)).date()
    except (OverflowError, ValueError):
        return moment.date()


def _word(event: Component, name: str) -> str:
    return str(event.get(name, "")).strip().upper()
