"""The climate engine as the composition root takes it."""

from __future__ import annotations

from typing import Final

from appliance.engines.climate import alarms, rules, valve_rules
from appliance.engines.climate.messages import (
    AcknowledgeAlarm,
    ClearAlarm,
    LogLeak,
    MoveValve,
    RaiseAlarm,
    SetRoomClimate,
    SettleClimate,
    SettleValve,
)
from appliance.engines.climate.projection import PROJECTION
from appliance.engines.climate.reactions import ECO, INLINE, LOCK_ALARMS
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
        Handling(
            command=MoveValve,
            stream=valve_rules.valve_stream,
            load=valve_rules.load_valve,
            decide=valve_rules.move_valve,
        ),
        Handling(
            command=SettleValve,
            stream=valve_rules.valve_stream,
            load=valve_rules.load_orders,
            decide=valve_rules.settle_valve,
        ),
        Handling(
            command=RaiseAlarm,
            stream=alarms.alarm_stream,
            load=alarms.load_alarms,
            decide=alarms.raise_alarm,
        ),
        Handling(
            command=ClearAlarm,
            stream=alarms.alarm_stream,
            load=alarms.load_alarms,
            decide=alarms.clear_alarm,
        ),
        Handling(
            command=AcknowledgeAlarm,
            stream=alarms.alarm_stream,
            load=alarms.load_alarms,
            decide=alarms.acknowledge_alarm,
        ),
    ),
    folds={
        "climate": rules.fold_room,
        "leaks": rules.fold_sensor,
        "valves": valve_rules.fold_valve,
        "alarms": alarms.fold_alarms,
    },
    projection=PROJECTION,
    inline=INLINE,
    reactions=(ECO, LOCK_ALARMS),
)
