"""The inventory as the composition root hands it to the kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from appliance.engines.inventory import rules
from appliance.engines.inventory.messages import (
    AddBuilding,
    AddDevice,
    AddDoor,
    AddRoom,
    AddRoomType,
    FitDoor,
    SetUpProperty,
    ShareDoor,
)
from appliance.engines.inventory.projection import PROJECTION
from appliance.kernel.engine import Context, Decision, Engine, Facts, Handling
from appliance.kernel.messages import Command

STREAM = "inventory/property"


def _load(facts: Facts, _command: Command, _context: Context) -> Any:
    return facts.fold(STREAM)


def _handling(command: type[Command], decide: Callable[..., Decision]) -> Handling:
    return Handling(command=command, stream=lambda *_: STREAM, load=_load, decide=decide)


ENGINE = Engine(
    name="inventory",
    handlings=[
        _handling(SetUpProperty, rules.set_up_property),
        _handling(AddBuilding, rules.add_building),
        _handling(AddRoomType, rules.add_room_type),
        _handling(AddRoom, rules.add_room),
        _handling(AddDevice, rules.add_device),
        _handling(AddDoor, rules.add_door),
        _handling(FitDoor, rules.fit_door),
        _handling(ShareDoor, rules.share_door),
    ],
    folds={"inventory": rules.fold},
    projection=PROJECTION,
)
