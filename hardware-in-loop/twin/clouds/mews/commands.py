"""Endpoints about devices: the queue of commands that Mews' desk puts in, and we take out.

From the vendor's OpenAPI (operations) and its guide on device integration: a command goes
Pending, Received, Processing and then Processed, Cancelled or Error; it never goes back.
"""

from __future__ import annotations

from typing import Final

from twin.clouds.mews.listing import Asked, Json
from twin.clouds.mews.records import Device, DeviceCommand
from twin.clouds.mews.selling import find
from twin.clouds.mews.store import MewsStore
from twin.clouds.mews.words import CommandState, forbidden, invalid, utc_text

# "still active from the client application point of view" (commands/getAllActive).
ACTIVE: Final = frozenset({CommandState.PENDING, CommandState.RECEIVED})
ENDS: Final = frozenset({CommandState.PROCESSED, CommandState.CANCELLED, CommandState.ERROR})
_ORDER: Final = (CommandState.PENDING, CommandState.RECEIVED, CommandState.PROCESSING)
# A desk asks for a handful of cards; more is a typing error.
KEYS_MAX: Final = 100


def get_devices(asked: Asked) -> Json:
    """`devices/getAll`: what the property has connected us to."""
    return {"Devices": [_device(one) for one in asked.store.devices.values()]}


def add_key_cutter(asked: Asked) -> Json:
    """`commands/addKeyCutter`: as Mews' own desk does it for a reservation."""
    store, body = asked.store, asked.body
    device_id = body.id("KeyCutterId")
    if (one := store.devices.get(device_id)) is None or one.type != "KeyCutter":
        raise invalid("Invalid KeyCutterId: the key cutter does not exist.")
    reservation = find(store, body.id("ReservationId"))
    count = body.number("KeyCount")
    if not 1 <= count <= KEYS_MAX:
        raise invalid(f"Invalid KeyCount: 1 to {KEYS_MAX} is expected.")
    made = store.ask_for_keys(reservation.id, device_id, count=count)
    return {"CommandId": made.id}


def get_active(asked: Asked) -> Json:
    """`commands/getAllActive`: the whole queue, oldest first; the contract has no pages here."""
    store = asked.store
    rows = [one for one in store.commands.values() if one.state in ACTIVE]
    return {"Commands": [_command(store, one) for one in rows], "Cursor": None}


def get_by_ids(asked: Asked) -> Json:
    """`commands/getAllByIds`: what does not exist is missing from the answer."""
    store, ids = asked.store, asked.body.ids("CommandIds")
    if ids is None:
        raise invalid("Invalid CommandIds: 1 to 1000 identifiers are expected.")
    rows = [one for one in store.commands.values() if one.id in ids]
    return {"Commands": [_command(store, one) for one in rows], "Cursor": None}


def update(asked: Asked) -> Json:
    """`commands/update`: forward only; an end stays an end."""
    store, body = asked.store, asked.body
    one = store.commands.get(body.id("CommandId"))
    if one is None:
        raise invalid("Invalid CommandId: the command does not exist.")
    state = body.maybe_word("State", CommandState)
    if state is None:
        raise invalid("Invalid State: it is required.")
    if one.state in ENDS:
        raise forbidden(f"The command is already {one.state}.")
    if state not in ENDS and _ORDER.index(state) < _ORDER.index(one.state):
        raise forbidden(f"The command is {one.state} and cannot become {state}.")
    one.state = state
    one.progress = body.decimal("Progress") if state is CommandState.PROCESSING else None
    one.notes = body.maybe_text("Notes") if state in ENDS else None
    store.journal("pms.command.updated", id=one.id, state=str(state))
    return {}


def _device(one: Device) -> Json:
    return {"Id": one.id, "Type": one.type, "Name": one.name, "Identifier": None}


def _command(store: MewsStore, one: DeviceCommand) -> Json:
    data: Json
    reservation = store.reservations.get(one.reservation_id or "")
    if reservation is None:
        data = {
            "CopyCount": 1,
            "FileType": "application/pdf",
            "FileData": "JVBERi0=",
            "PrinterName": "Printer",
            "PrinterDriverName": "none",
            "PrinterPortName": "none",
        }
    else:
        guest = store.customers[reservation.customer_id]
        data = {
            "KeyCutterId": "desk",
            "ApiUrl": None,
            "KeyCutterData": None,
            "KeyCount": one.count,
            "LockIds": [store.room_name(room_id) or "" for room_id in one.room_ids],
            "StartUtc": utc_text(reservation.start_s),
            "EndUtc": utc_text(reservation.end_s),
            "FirstName": guest.first_name,
            "LastName": guest.last_name,
            "NormalizedFirstName": None,
            "NormalizedLastName": None,
            "Telephone": guest.phone,
            "Email": guest.email,
            "ReservationId": reservation.id,
            "ReservationNumber": reservation.number,
        }
    return {
        "Id": one.id,
        "State": str(one.state),
        "CreatedUtc": utc_text(one.at_s),
        "Creator": {"FirstName": None, "LastName": "Desk", "ImageUrl": None},
        "Device": _device(store.devices[one.device_id]),
        "Data": data,
    }
