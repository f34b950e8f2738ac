"""What a channel has sold or closed, and the file it makes of that (real samples, cloud.md 4)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum

from appliance.kernel.clock import Clock

# A line of a calendar file is folded after 75 octets (RFC 5545 3.1).
LINE_OCTETS_MAX = 75


class Style(StrEnum):
    """Whose files these look like."""

    AIRBNB = "airbnb"
    BOOKING = "booking"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Nights [start, end) that a listing cannot be booked for."""

    uid: str
    start: date
    end: date
    reserved: bool = True
    listing: str = ""  # in a merged file, which of the listings
    code: str = "HMXXXXXXXX"


@dataclass(slots=True)
class Calendar:
    """One file's content. `raw` goes before everything else; `dropped` are listings not served."""

    style: Style
    taken: dict[str, Taken] = field(default_factory=dict)
    raw: bytes | None = None
    dropped: set[str] = field(default_factory=set)


class ICalStore:
    """Every calendar by name."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.calendars: dict[str, Calendar] = {}

    def add(self, name: str, style: Style = Style.AIRBNB, taken: Iterable[Taken] = ()) -> Calendar:
        """Open a calendar."""
        calendar = Calendar(style=style, taken={each.uid: each for each in taken})
        self.calendars[name] = calendar
        return calendar

    def put(self, name: str, *taken: Taken) -> None:
        """Sell or close nights; the same UID again changes its dates."""
        self.calendars[name].taken.update({each.uid: each for each in taken})

    def take_away(self, name: str, *uids: str) -> None:
        """Cancel or open nights: as every channel, by leaving them out."""
        for uid in uids:
            del self.calendars[name].taken[uid]

    def drop_out(self, name: str, *listings: str) -> None:
        """Serve the file without these listings, as a merged one does when a part of it fails."""
        self.calendars[name].dropped |= set(listings)

    def bring_back(self, name: str) -> None:
        """Serve every listing again."""
        self.calendars[name].dropped.clear()

    def served(self, name: str) -> list[Taken]:
        """What the file says now."""
        calendar = self.calendars[name]
        return [each for each in calendar.taken.values() if each.listing not in calendar.dropped]

    def file(self, name: str) -> bytes:
        """The file as it is served now."""
        calendar = self.calendars[name]
        if calendar.raw is not None:
            return calendar.raw
        return self.render(calendar.style, self.served(name))

    def render(self, style: Style, taken: Iterable[Taken]) -> bytes:
        """A file in a channel's own manner, CRLF and folded."""
        booking = style is Style.BOOKING
        stamp = datetime.fromtimestamp(self._clock.read().wall_s, UTC).strftime("%Y%m%dT%H%M%SZ")
        lines = ["BEGIN:VCALENDAR", "VERSION:2.0"]
        # Booking.com escapes its comma once too often.
        lines += (
            ["PRODID:-//admin.booking.com\\\\\\, b.v.//NONSGML v1.0//EN", "METHOD:PUBLISH"]
            if booking
            else ["PRODID:-//Airbnb Inc//Hosting Calendar 1.0//EN", "CALSCALE:GREGORIAN"]
        )
        for each in taken:
            lines += ["BEGIN:VEVENT", f"DTSTAMP:{stamp}"]
            lines += [f"DTSTART;VALUE=DATE:{each.start:%Y%m%d}"]
            lines += [f"DTEND;VALUE=DATE:{each.end:%Y%m%d}", f"UID:{each.uid}"]
            lines += _words(each, booking=booking)
            lines += ["END:VEVENT"]
        lines += ["END:VCALENDAR", ""]
        return "\r\n".join(_folded(line) for line in lines).encode()

    def etag(self, name: str) -> str:
        """Names the content, not the moment it was rendered."""
        calendar = self.calendars[name]
        content = calendar.raw or repr(sorted(map(repr, self.served(name)))).encode()
        return f'"{hashlib.sha256(content).hexdigest()[:20]}"'


def _words(taken: Taken, *, booking: bool) -> list[str]:
    if booking:
        return ["SUMMARY:CLOSED - Not available", "ORGANIZER:mailto:noreply@booking.com"]
    title = f"{taken.listing} " if taken.listing else ""
    if not taken.reserved:
        return [f"SUMMARY:{title}Airbnb (Not available)"]
    page = f"https://www.airbnb.com/hosting/reservations/details/{taken.code}"
    phone = "\\nPhone Number (Last 4 Digits): 0000"
    return [f"SUMMARY:{title}Reserved", f"DESCRIPTION:Reservation URL: {page}{phone}"]


def _folded(line: str) -> str:
    parts = [line[:LINE_OCTETS_MAX]]
    step = LINE_OCTETS_MAX - 1
    rest = line[LINE_OCTETS_MAX:]
    parts += [rest[start : start + step] for start in range(0, len(rest), step)]
    return "\r\n ".join(parts)
