"""How the kiosk writes dates, ages, money and names: the same on every screen."""

from __future__ import annotations

import datetime as dt
import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kiosk.words import Answer, Stay, Whose

# ISO 4217: the currencies whose minor unit is not a hundredth.
DECIMALS = {"JPY": 0, "KRW": 0, "ISK": 0, "VND": 0, "CLP": 0, "BHD": 3, "KWD": 3, "TND": 3}
# ISO/IEC 7812: a card number has 13 to 19 digits.
CARD = re.compile(r"(?:\d[ -]?){12,18}\d")

# Every status has a letter and a word, so that no colour is needed to tell them apart.
ROOM_STATUS = {
    "CLEAN": "C clean",
    "DIRTY": "D dirty",
    "INSPECTED": "I inspected",
    "OUT_OF_ORDER": "X out of order",
}
STAY_STATE = {
    "CONFIRMED": "expected",
    "IN_HOUSE": "in house",
    "DEPARTED": "departed",
    "CANCELLED": "cancelled",
    "NO_SHOW": "no-show",
}


def zone(name: str) -> dt.tzinfo:
    """The property's time zone; UTC when this terminal does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return dt.UTC


def moment(at_ms: int, tz: dt.tzinfo) -> str:
    """HH:MM at the property."""
    return dt.datetime.fromtimestamp(at_ms / 1000, tz).strftime("%H:%M")


def when(at_s: int, tz: dt.tzinfo) -> str:
    """Day, month and HH:MM at the property."""
    return dt.datetime.fromtimestamp(at_s, tz).strftime("%d %b %H:%M")


def day(value: dt.date) -> str:
    """Like "Fri 21 Nov"."""
    return value.strftime("%a %d %b")


def age(ms: int | None) -> str:
    """How long ago: "12 s", "3 min", "2 h 51 m", "4 d"; "never" for None."""
    if ms is None:
        return "never"
    seconds = max(0, ms) // 1000
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60} m" if hours < 48 else f"{hours // 24} d"


def money(minor: int, currency: str) -> str:
    """Like "120.00 EUR"; the number never touches a float."""
    places = DECIMALS.get(currency, 2)
    sign, digits = ("-" if minor < 0 else ""), str(abs(minor)).rjust(places + 1, "0")
    whole = digits[:-places] if places else digits
    return f"{sign}{whole}{'.' + digits[-places:] if places else ''} {currency}"


def minor_of(text: str, currency: str) -> int | None:
    """An amount as typed ("120", "120.5", "120,50") in minor units; None if it is none."""
    places = DECIMALS.get(currency, 2)
    found = re.fullmatch(r"(\d{1,9})(?:[.,](\d+))?", text.strip())
    if not found or len(found[2] or "") > places:
        return None
    return int(found[1] + (found[2] or "").ljust(places, "0"))


def card_number_in(text: str) -> bool:
    """Whether digits in it pass Luhn: no card number may enter the box."""
    for found in CARD.finditer(text):
        digits = [int(d) for d in found[0] if d.isdigit()]
        odd, even = digits[-1::-2], digits[-2::-2]
        if (sum(odd) + sum(sum(divmod(2 * d, 10)) for d in even)) % 10 == 0:
            return True
    return False


def date_of(text: str, near: dt.date) -> dt.date | None:
    """A date as typed: "2026-11-24", "24.11.", "24", or "+2" nights from `near`."""
    text = text.strip()
    try:
        if found := re.fullmatch(r"\+(\d{1,3})", text):
            return near + dt.timedelta(days=int(found[1]))
        if found := re.fullmatch(r"(\d{1,2})(?:[./-](\d{1,2})[./-]?)?", text):
            month = int(found[2]) if found[2] else near.month
            guess = near.replace(month=month, day=int(found[1]))
            return _forward(guess, near, has_month=bool(found[2]))
        return dt.date.fromisoformat(text)
    except (ValueError, OverflowError):
        return None


def _forward(guess: dt.date, near: dt.date, *, has_month: bool) -> dt.date:
    if guess >= near - dt.timedelta(days=31 if has_month else 0):
        return guess
    if has_month:
        return guess.replace(year=guess.year + 1)
    after = near.replace(day=1) + dt.timedelta(days=32)
    return guess.replace(year=after.year, month=after.month)


def clip(text: str, width: int) -> str:
    """At most so many cells, one line, an ellipsis where something is missing."""
    text = " ".join(text.split())
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


def name_of(stay: Stay | Whose) -> str:
    """The family name first, as lists are read; "+1" for the others."""
    if not stay.guests:
        return "(no name)"
    first = stay.guests[0]
    more = len(stay.guests) - 1
    return f"{first.family}, {first.given}".strip(", ") + (f" +{more}" if more else "")


def refused(answer: Answer) -> str:
    """The box's own sentence, or the code where it has none."""
    return answer.sentence or f"The box said no: {answer.code or 'without a reason'}."
