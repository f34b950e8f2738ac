"""What a phone is given to open doors by itself: its holder's living keys, bound to it, and soon over.

Made at every fetch and kept nowhere in the box.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from appliance.engines.doors import queries
from appliance.engines.doors.door import DWELLERS
from appliance.engines.doors.messages import HolderKind
from appliance.engines.doors.phones import mobile_end_s

if TYPE_CHECKING:
    from appliance.engines.doors.credentials import Locksmith
    from appliance.engines.doors.queries import KeyView
    from appliance.kernel.clock import Reading
    from appliance.kernel.reader import Reader

# docs/npk1.md: how a phone finds our locks (drivers/npk/codes.py has the same).
NPK_SERVICE: Final = "ebe1e0e4-41d4-403f-9452-bdedc7813032"
SALT_BYTES: Final = 8
TAG_BYTES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """One door as a phone needs it. Without `lock_point` a phone cannot tell the lock from another."""

    door_id: str
    title: str
    number: int
    credential: bytes
    ends_s: int
    lock_point: bytes | None
    protocol: str
    tunnel: bool
    tag: bytes | None  # what the lock advertises, so that a phone's list shows this door alone


def door_tag(property_id: str, number: int) -> bytes:
    """A door's tag (docs/npk1.md), where its driver was given no salt of its own."""
    salt = hashlib.sha256(b"NPK1-TAG" + property_id.encode()).digest()[:SALT_BYTES]
    return hashlib.sha256(salt + number.to_bytes(4, "big")).digest()[:TAG_BYTES]


async def bundles(
    reader: Reader,
    locksmith: Locksmith,
    holder: tuple[HolderKind, str],
    point: bytes,
    now: Reading,
) -> list[Bundle]:
    """One for each door that the holder has a living key for, the longest key of each.

    Of keys that last as long, the holder's own is taken before a joiner's, which may end alone.
    """
    best: dict[str, KeyView] = {}
    for key in await queries.keys_of(reader, *holder):
        known = best.get(key.facts.door_id)
        better = known is None or _rank(key) > _rank(known)
        if key.live(now.wall_s) and better:
            best[key.facts.door_id] = key
    found, house = [], locksmith.property_id
    for key in best.values():
        fitting = await queries.fitting_of(reader, key.facts.door_id)
        assert fitting is not None, "a key's door is in the read model"
        facts = key.facts
        if key.holder_kind not in DWELLERS and not fitting.shared:
            # Staff whose key was cut before the guest came in are not the previous guest.
            at_door = await queries.generation_now(reader, facts.door_id, now.wall_s)
            facts = replace(facts, generation=max(facts.generation, at_door))
        ends_s = mobile_end_s(facts.valid_until_s, now)
        found.append(
            Bundle(
                door_id=facts.door_id,
                title=key.door_title,
                number=facts.door_number,
                credential=locksmith.mobile(facts, point, ends_s),
                ends_s=ends_s,
                lock_point=fitting.lock_point,
                protocol=fitting.protocol,
                tunnel=fitting.tunnel,
                tag=None if house is None else door_tag(house, facts.door_number),
            )
        )
    return found


def _rank(key: KeyView) -> tuple[int, bool]:
    return key.facts.valid_until_s, key.joiner == 0
