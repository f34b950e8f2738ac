"""Small values every engine agrees on: ids, codes, names, windows, and what no text may hold."""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

# Crockford's base32: no I, L, O or U, so that a code survives being read aloud.
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None, "\u00a0": None})
# 80 bits: among a billion ids of one kind the chance of two alike is one in two million.
_ID_BYTES = 10
# 10 characters are 50 bits: what portal.md 1.3 asks of a code that is guessed over the network.
CODE_LENGTH_MIN = 10
CODE_LENGTH_MAX = 32
# Letters that stay whole under NFKD although people type them without their stroke or ligature.
_PLAIN = str.maketrans(
    {
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "æ": "ae",
        "œ": "oe",
        "ħ": "h",
        "\u0131": "i",
    }
)
# The longest stay a calendar of 730 nights can hold (DESIGN section 12, availability).
NIGHTS_MAX = 730
# ISO/IEC 7812: card numbers in use have 13 to 19 digits.
CARD_DIGITS_MIN = 13
CARD_DIGITS_MAX = 19
_FROM_RFC_4648 = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", _CROCKFORD.encode())
_DIGIT_GROUP = re.compile(r"\d+")
_BETWEEN_GROUPS = re.compile(r"[\s.\-\u2010-\u2015_/]{1,3}")
# A text with more groups of digits than this is a table, looked at window by window all the same.
_CARD_GROUPS_MAX = CARD_DIGITS_MAX


def crockford(data: bytes) -> str:
    """Write bytes in Crockford's base32, upper case, most significant bits first."""
    # RFC 4648 groups the bits alike and only names them differently; it is done in C.
    return base64.b32encode(data).rstrip(b"=").translate(_FROM_RFC_4648).decode()


def derived_id(prefix: str, *parts: str) -> str:
    """Make the id that always follows from these parts: `prefix_` and 16 characters.

    The same parts give the same id after a crash, so a repeated reaction asks the same command.
    """
    digest = hashlib.sha256()
    for part in (prefix, *parts):
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(4) + encoded)
    return f"{prefix}_{crockford(digest.digest()[:_ID_BYTES]).lower()}"


def code_from(secret: bytes, length: int = CODE_LENGTH_MIN) -> str:
    """Write a secret (random or derived bytes) as a code to read aloud, without dashes."""
    assert CODE_LENGTH_MIN <= length <= CODE_LENGTH_MAX, "a code has 10 to 32 characters"
    code = crockford(secret)
    assert len(code) >= length, "the secret is shorter than the code"
    return code[:length]


def spoken_code(code: str) -> str:
    """Show a code in groups of five: `K7Q2M-9X4TB`."""
    return "-".join(code[start : start + 5] for start in range(0, len(code), 5))


def read_code(typed: str) -> str | None:
    """Read a code as people type it: any case, dashes and spaces, O for 0, I or L for 1.

    None when it cannot be a code.
    """
    if len(typed) > 2 * CODE_LENGTH_MAX:
        return None
    code = typed.strip().upper().translate(_MISREAD)
    if not CODE_LENGTH_MIN <= len(code) <= CODE_LENGTH_MAX:
        return None
    return code if all(letter in _CROCKFORD for letter in code) else None


def normalise_name(name: str) -> str:
    """Reduce a name to what is compared: `García-López` and `garcia lopez` are one.

    NFKD, casefold, letters only (portal.md 1.3). An empty result matches nobody: refuse it.
    """
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    return "".join(letter for letter in folded.translate(_PLAIN) if letter.isalpha())


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A half-open stretch of one unit (milliseconds, days, slots): `start` is in, `end` is not."""

    start: int
    end: int

    def __post_init__(self) -> None:
        """Refuse a window that ends before it begins."""
        if self.end < self.start:
            raise ValueError(f"a window cannot end at {self.end} before it starts at {self.start}")

    def holds(self, moment: int) -> bool:
        """Whether the moment lies inside."""
        return self.start <= moment < self.end

    def overlaps(self, other: Window) -> bool:
        """Whether the two share any moment; windows that only touch do not."""
        return max(self.start, other.start) < min(self.end, other.end)


def nights(arrival: date, departure: date) -> tuple[date, ...]:
    """List the nights of a stay: the arrival's is in, the departure's is not.

    Raises ValueError, a sentence, for a departure before the arrival or more than 730 nights.
    """
    count = (departure - arrival).days
    if not 0 <= count <= NIGHTS_MAX:
        raise ValueError(
            f"a stay from {arrival} to {departure} has {count} nights: 0 to {NIGHTS_MAX} can be kept"
        )
    return tuple(arrival + timedelta(days=number) for number in range(count))


def looks_like_card_number(text: str) -> bool:
    """Whether a text holds 13 to 19 digits, spaces and dashes between them, that pass Luhn.

    One such number in ten is innocent; the sentence that refuses it says to leave it out.
    """
    plain = unicodedata.normalize("NFKC", text)
    groups: list[str] = []
    end = 0
    for found in _DIGIT_GROUP.finditer(plain):
        if groups and not _BETWEEN_GROUPS.fullmatch(plain, end, found.start()):
            groups.clear()
        groups.append("".join(str(unicodedata.digit(each)) for each in found.group()))
        del groups[:-_CARD_GROUPS_MAX]
        end = found.end()
        if _ends_in_a_card(groups):
            return True
    return False


def _ends_in_a_card(groups: list[str]) -> bool:
    number = ""
    for group in reversed(groups):
        number = group + number
        if len(number) > CARD_DIGITS_MAX:
            return False
        if len(number) >= CARD_DIGITS_MIN and _passes_luhn(number):
            return True
    return False


def _passes_luhn(number: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
