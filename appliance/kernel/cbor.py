"""A strict reader of the small part of CBOR that keys are written in.

Keys come from strangers' phones, so the reader knows unsigned and negative integers, byte and text
strings, arrays and maps, in their one deterministic form (RFC 8949 section 4.2.1) and nothing else:
no tags, floats, indefinite lengths, long-form lengths, unsorted or repeated map keys. A general
decoder takes all of these, and some tags make it build regular expressions or huge numbers.
"""

from __future__ import annotations

from typing import Final

import cbor2

# A key nests four deep (message, payload map, rights list, one right); one more is nonsense.
DEPTH_MAX: Final = 5

# Major types, RFC 8949 section 3.1.
_UINT, _NINT, _BYTES, _TEXT, _ARRAY, _MAP = range(6)
# Of the low five bits of a head, values below 24 are the argument; 24 to 27 tell its width.
_WIDTHS_FROM: Final = 24
_WIDTHS_TO: Final = 27
# Each width has a least value: one number, one spelling.
_LEAST: Final = (24, 1 << 8, 1 << 16, 1 << 32)

Item = int | bytes | str | list["Item"] | dict[int, "Item"]


class NotStrictError(ValueError):
    """The bytes are not the deterministic form of one item of the known types."""


def read(data: bytes) -> Item:
    """Read exactly one item that fills `data`; raises NotStrictError, nothing else."""
    item, end = _item(data, 0, 0)
    if end != len(data):
        raise NotStrictError("bytes follow the item")
    return item


def write(item: Item) -> bytes:
    """The one form that `read` takes.

    cbor2 sorts map keys by length first (RFC 7049). That is the order of RFC 8949 as long as no map
    has -1 to -24 beside 24 and above; ours have not, and `read` would refuse what has.
    """
    return cbor2.dumps(item, canonical=True)


def head(data: bytes, at: int) -> tuple[int, int, int]:
    """Major type, argument and the index after them; raises NotStrictError."""
    if at >= len(data):
        raise NotStrictError("the item is cut short")
    major, info = data[at] >> 5, data[at] & 0x1F
    at += 1
    if info < _WIDTHS_FROM:
        return major, info, at
    if info > _WIDTHS_TO:
        raise NotStrictError("indefinite or reserved length")
    width = 1 << (info - _WIDTHS_FROM)
    argument = int.from_bytes(data[at : at + width], "big")
    if at + width > len(data) or argument < _LEAST[info - _WIDTHS_FROM]:
        raise NotStrictError("the length is cut short or written too long")
    return major, argument, at + width


def _item(data: bytes, at: int, depth: int) -> tuple[Item, int]:
    major, argument, at = head(data, at)
    if major == _UINT:
        return argument, at
    if major == _NINT:
        return -1 - argument, at
    if major in {_BYTES, _TEXT}:
        return _string(data, at, argument, text=major == _TEXT)
    if depth == DEPTH_MAX:
        raise NotStrictError("nested too deep")
    if major == _ARRAY:
        return _array(data, at, argument, depth)
    if major == _MAP:
        return _map(data, at, argument, depth)
    raise NotStrictError("a tag, float or simple value")


def _string(data: bytes, at: int, size: int, *, text: bool) -> tuple[Item, int]:
    if at + size > len(data):
        raise NotStrictError("the string is cut short")
    raw = data[at : at + size]
    if not text:
        return raw, at + size
    try:
        return raw.decode(), at + size
    except UnicodeDecodeError:
        raise NotStrictError("the text is not UTF-8") from None


def _array(data: bytes, at: int, size: int, depth: int) -> tuple[Item, int]:
    # Every element takes a byte at least, so a huge count ends here and not in memory.
    if size > len(data) - at:
        raise NotStrictError("the array is cut short")
    items: list[Item] = []
    for _ in range(size):
        item, at = _item(data, at, depth + 1)
        items.append(item)
    return items, at


def _map(data: bytes, at: int, size: int, depth: int) -> tuple[Item, int]:
    if size > len(data) - at:
        raise NotStrictError("the map is cut short")
    items: dict[int, Item] = {}
    last = b""
    for _ in range(size):
        start = at
        key, at = _item(data, at, depth + 1)
        written = data[start:at]
        if not isinstance(key, int) or written <= last:
            raise NotStrictError("a map key is no integer, repeated or out of order")
        last = written
        items[key], at = _item(data, at, depth + 1)
    return items, at
