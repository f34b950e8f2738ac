"""What a person's word on a conflict owes the PMS: kept points are told again, taken ones never."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from appliance.engines.stays.messages import ItemField, StayState

# The act that would say each point to the PMS: held back while a person has to decide it.
ACT_OF: Final[Mapping[ItemField, str]] = {
    ItemField.DEPARTURE: "depart",
    ItemField.PRICE: "depart",
    ItemField.ROOM: "assign",
}
# What the box does to take the PMS's word; the PMS says it already.
TAKEN_BY: Final[Mapping[str, ItemField]] = {
    "pms.depart": ItemField.DEPARTURE,
    "pms.assign": ItemField.ROOM,
    "pms.process": ItemField.STATE,
}
# Ends that can be said again; no vendor takes one back through its interface.
END_OF: Final[Mapping[StayState, str]] = {
    StayState.CANCELLED: "cancel",
    StayState.NO_SHOW: "no_show",
}
_BY_HAND: Final[Mapping[StayState, str]] = {
    StayState.CONFIRMED: "undo its check-in at the PMS: the guest is not in house",
    StayState.IN_HOUSE: "call it back at the PMS: the guest is in house",
    StayState.DEPARTED: "check it out at the PMS: the guest was here and has left",
}


def priced(held: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The nights as the box agreed them; none where one has no price, which no vendor takes."""
    nights: list[dict[str, Any]] = held["nights"]
    return nights if all(night["currency"] for night in nights) else []


def by_hand(kept: Sequence[ItemField], held: Mapping[str, Any]) -> str:
    """What a person must do at the PMS, because no act of its interface does; "" for nothing."""
    said = []
    state = StayState(held["state"])
    if ItemField.STATE in kept and state in _BY_HAND:
        said.append(_BY_HAND[state])
    if ItemField.ARRIVAL in kept:
        said.append(f"set the arrival to {held['arrival']} at the PMS")
    if ItemField.ROOM_TYPE in kept:
        said.append(f"set the room type to {held['room_type_id']} at the PMS")
    if ItemField.ROOM in kept and held["room_id"] is None:
        said.append("take the room from it at the PMS: the box has given it none")
    if ItemField.PRICE in kept:
        said.append("set the price of its nights at the PMS to what this box holds")
    return "; ".join(said)
