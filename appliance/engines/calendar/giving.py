"""What a channel is told of a room or a type: nights it may not sell, and nobody's name. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from appliance.engines.calendar.closing import CLOSURE, stretches_of

# 128 bits: no two stays of all hotels meet, and no stay id can be read back.
UID_HEX_CHARS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Nights [start, end) that are not for sale. `uid` stays the same while the stay does."""

    uid: str
    start: date
    end: date
    reserved: bool  # somebody sleeps there; False: closed, or sold out


def given(
    claims: Sequence[tuple[date, str]], full: Iterable[date], *, own: frozenset[str], salt: bytes
) -> tuple[Given, ...]:
    """Everything but what the channel itself told us: that would come back as somebody else's.

    `claims` are a room's nights with their holders (none where the feed is about a type), `full`
    the nights without a free room of the type.
    """
    by_holder: dict[str, list[date]] = {}
    for night, holder in claims:
        by_holder.setdefault(holder, []).append(night)
    found = [
        Given(
            uid=_uid(salt, holder, str(number)),
            start=stretch.start,
            end=stretch.end,
            reserved=not holder.startswith(CLOSURE),
        )
        for holder, nights in by_holder.items()
        if holder not in own
        for number, stretch in enumerate(stretches_of(sorted(nights)))
    ]
    taken = {night for night, _ in claims}
    found += [
        Given(
            uid=_uid(salt, "full", stretch.start.isoformat()),
            start=stretch.start,
            end=stretch.end,
            reserved=False,
        )
        for stretch in stretches_of(night for night in full if night not in taken)
    ]
    return tuple(sorted(found, key=lambda each: (each.start, each.end, each.uid)))


def _uid(salt: bytes, *names: str) -> str:
    text = "\0".join(names).encode()
    return hashlib.blake2b(text, key=salt, digest_size=UID_HEX_CHARS // 2).hexdigest()
