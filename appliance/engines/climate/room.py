"""The climate engine as the composition root takes it."""

from __future__ import annotations

from typing import Final

from appliance.engines.climate import rules
from appliance.engines.climate.messages import LogLeak, SetRoomClimate, SettleClimate
from appliance.engines.climate.projection import PROJECTION
from appliance.engines.climate.reactions import ECO
from appliance.kernel.engine import Engine, Handling

ENGINE: Final = Engine(
    name="climate",
    handlings=(
        Handling(
            command=SetRoomClimate,
            stream=rules.room_stream,
            load=rules.load_room,
            decide=rules.set_room_climate,
        ),
        Handling(
            command=SettleClimate,
            stream=rules.room_stream,
            load=rules.load_wishes,
            decide=rules.settle_climate,
        ),
        Handling(
            command=LogLeak,
            stream=rules.sensor_stream,
            load=rules.load_sensor,
            decide=rules.log_leak,
        ),
    ),
    folds={"climate": rules.fold_room, "leaks": rules.fold_sensor},
    projection=PROJECTION,
    reactions=(ECO,),
)
