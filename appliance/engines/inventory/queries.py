"""Questions of the inventory that others than its own api ask."""

from __future__ import annotations

from appliance.kernel.reader import Reader


async def room_named(reader: Reader, name: str) -> str | None:
    """The room that an installer calls by its id, or by the number on its door."""
    row = await reader.row(
        "SELECT room_id FROM inventory_room WHERE room_id = ?1 OR number = ?1"
        " ORDER BY room_id <> ?1 LIMIT 1",
        (name,),
    )
    return None if row is None else str(row[0])


async def type_named(reader: Reader, name: str) -> str | None:
    """The room type that an installer calls by its id, or by its title."""
    row = await reader.row(
        "SELECT room_type_id FROM inventory_room_type WHERE room_type_id = ?1"
        " OR title = ?1 COLLATE NOCASE ORDER BY room_type_id <> ?1 LIMIT 1",
        (name,),
    )
    return None if row is None else str(row[0])


async def time_zone(reader: Reader) -> str | None:
    """The property's IANA time zone; None before it is set up."""
    row = await reader.row("SELECT time_zone FROM inventory_property")
    return None if row is None else str(row[0])
