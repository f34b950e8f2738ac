"""Questions of the calendar that others than its own api ask."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date

from appliance.kernel.reader import Reader


async def claimed(reader: Reader, room_id: str, start: date, end: date) -> list[tuple[date, str]]:
    """Each claimed night of a room in [start, end) with its holder, by night."""
    rows = await reader.rows(
        "SELECT night, holder_id FROM calendar_claim"
        " WHERE resource = ? AND night >= ? AND night < ? ORDER BY night",
        (f"room:{room_id}", start.isoformat(), end.isoformat()),
    )
    return [(date.fromisoformat(night), holder) for night, holder in rows]


async def sold_out(
    reader: Reader, room_type_id: str, start: date, end: date, own: Sequence[str]
) -> list[date]:
    """Nights without a free room of the type that somebody beside the `own` holders has part in."""
    rows = await reader.rows(
        "SELECT night FROM calendar_hold WHERE room_type_id = ?1 AND night >= ?2 AND night < ?3"
        " GROUP BY night HAVING count(*) >= (SELECT count(*) FROM calendar_room"
        "  WHERE room_type_id = ?1 AND out_of_order = 0)"
        " AND sum(holder_id NOT IN (SELECT value FROM json_each(?4))) > 0 ORDER BY night",
        (room_type_id, start.isoformat(), end.isoformat(), json.dumps(list(own))),
    )
    return [date.fromisoformat(night) for (night,) in rows]


async def closures(reader: Reader, prefix: str) -> list[str]:
    """Holders that are closures whose name begins so."""
    rows = await reader.rows(
        "SELECT DISTINCT holder_id FROM calendar_hold"
        " WHERE holder_id >= ?1 AND holder_id < ?1 || char(1114111)",
        (prefix,),
    )
    return [holder for (holder,) in rows]
