"""No card number enters the box: every text of every command that a person asks is looked at.

PCI DSS 3.2 forbids to keep what a card's owner should never have been asked for; a number in a note
is kept for ever in a log that forgets nothing. So the kernel looks before any rule does.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Final

from appliance.kernel.values import looks_like_card_number

# Thirteen digits with little between them, or a letter beyond ASCII, which may be a digit too:
# only such a body is looked at field by field.
_MAY_HOLD_ONE: Final = re.compile(rb"(?:\d[^\d\"]{0,3}){12}\d|[\x80-\xff]")
# Public points, hashes and digests, which may have thirteen digits in a row by chance.
_HEX_CHARS_MIN: Final = 64
_HEX: Final = re.compile(r"[0-9a-fA-F]+")
# E.164: a plus and at most 15 digits. Every tenth of the long ones would pass Luhn.
_TELEPHONE: Final = re.compile(r"\+[\d\s()/.\-]{6,24}")
_TELEPHONE_DIGITS_MAX: Final = 15


def holds_card_number(command: Any, body: bytes) -> bool:
    """Whether any text of a command (its encoded `body` beside it) looks like a card's number."""
    return _MAY_HOLD_ONE.search(body) is not None and _in(command)


def _in(value: Any) -> bool:
    match value:
        case str():
            return looks_like_card_number(value) and not _is_something_else(value)
        case tuple() | list() | frozenset():
            return any(_in(each) for each in value)
        case dict():
            return any(_in(key) or _in(each) for key, each in value.items())
        case _ if dataclasses.is_dataclass(value):
            return any(_in(getattr(value, field.name)) for field in dataclasses.fields(value))
        case _:
            return False


def _is_something_else(text: str) -> bool:
    if len(text) >= _HEX_CHARS_MIN and _HEX.fullmatch(text):
        return True
    digits = sum(each.isdigit() for each in text)
    return _TELEPHONE.fullmatch(text) is not None and digits <= _TELEPHONE_DIGITS_MAX
