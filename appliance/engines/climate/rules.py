"""The rules of climate: whose room it is, how warm it may be, and what a thermostat answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from appliance.bus.words import DeviceKind, Outcome
from appliance.engines.climate.messages import (
    ClimateAsked,
    ClimateSettled,
    LeakLogged,
    LogLeak,
    Refusal,
    SetRoomClimate,
    SettleClimate,
)
from appliance.kernel.engine import Context, Decision, Facts, No, Yes
from appliance.kernel.messages import Event, Role

# What a hotel offers by default; the live rules climate.set_point_c10_min and _max change it.
SET_POINT_C10_MIN: Final = 160
SET_POINT_C10_MAX: Final = 260
# A wish of a person is stale when they have gone to sleep or out; the house's own can wait.
WISH_MS: Final = 15 * 60_000
HOUSE_WISH_MS: Final = 12 * 3_600_000
# Wishes kept after their end, so that a late answer is refused as ALREADY_SETTLED.
WISHES_KEPT: Final = 64
# Missing numbers of a sensor remembered in case they come late.
MISSING_MAX: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomState:
    """The fold of `climate/<room_id>`: wishes by id, None for one that is on its way."""

    wishes: Mapping[str, Outcome | None] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorLog:
    """The fold of `leaks/<device_id>`: the last number, and those that never arrived."""

    last: int = 0
    missing: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomScene:
    """A room, its thermostat, who lives there, and how warm it may be (tenths of a degree)."""

    known: bool
    device_id: str | None
    stay_id: str | None
    coldest_c10: int
    warmest_c10: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorScene:
    """A leak sensor: whether it is one, its room, its numbers so far."""

    known: bool
    room_id: str | None
    log: SensorLog


def fold_room(state: RoomState | None, events: Iterable[Event]) -> RoomState:
    """A room's wishes after some more facts."""
    wishes = dict((state or RoomState()).wishes)
    for event in events:
        match event:
            case ClimateAsked():
                wishes[event.order_id] = None
            case ClimateSettled():
                wishes[event.order_id] = event.outcome
            case _:
                pass
    for too_old in list(wishes)[:-WISHES_KEPT]:
        del wishes[too_old]
    return RoomState(wishes=MappingProxyType(wishes))


def fold_sensor(state: SensorLog | None, events: Iterable[Event]) -> SensorLog:
    """A sensor's numbers after some more facts."""
    state = state or SensorLog()
    last, missing = state.last, set(state.missing)
    for event in events:
        if isinstance(event, LeakLogged):
            missing.discard(event.seq)
            missing.update(range(max(last + 1, event.seq - MISSING_MAX), event.seq))
            last = max(last, event.seq)
    return SensorLog(last=last, missing=frozenset(sorted(missing)[-MISSING_MAX:]))


def room_stream(command: SetRoomClimate | SettleClimate, _: Context) -> str:
    """One stream for each room."""
    return f"climate/{command.room_id}"


def sensor_stream(command: LogLeak, _: Context) -> str:
    """Events are numbered by the device."""
    return f"leaks/{command.device_id}"


def load_room(facts: Facts, command: SetRoomClimate, _: Context) -> RoomScene:
    """What the engine's own tables know of a room."""
    room = facts.row(
        "SELECT (SELECT device_id FROM climate_device d WHERE d.room_id = r.room_id"
        " AND d.kind = ? ORDER BY d.device_id LIMIT 1),"
        " (SELECT stay_id FROM climate_guest g WHERE g.room_id = r.room_id)"
        " FROM climate_room r WHERE r.room_id = ?",
        (DeviceKind.THERMOSTAT.value, command.room_id),
    )
    return RoomScene(
        known=room is not None,
        device_id=None if room is None else room[0],
        stay_id=None if room is None else room[1],
        coldest_c10=int(facts.setting("climate.set_point_c10_min", SET_POINT_C10_MIN)),
        warmest_c10=int(facts.setting("climate.set_point_c10_max", SET_POINT_C10_MAX)),
    )


def load_wishes(facts: Facts, command: SettleClimate, _: Context) -> RoomState:
    """A room's wishes."""
    state: RoomState = facts.fold(f"climate/{command.room_id}")
    return state


def load_sensor(facts: Facts, command: LogLeak, _: Context) -> SensorScene:
    """Whether the sensor is one of ours, and its numbers."""
    row = facts.row(
        "SELECT room_id FROM climate_device WHERE device_id = ? AND kind = ?",
        (command.device_id, DeviceKind.LEAK.value),
    )
    return SensorScene(
        known=row is not None,
        room_id=None if row is None else row[0],
        log=facts.fold(f"leaks/{command.device_id}"),
    )


def set_room_climate(scene: RoomScene, command: SetRoomClimate, context: Context) -> Decision:
    """A wish for a room, committed before it leaves for the thermostat."""
    if context.who.role in {Role.GUEST, Role.RESIDENT} and (
        scene.stay_id is None or context.who.actor != f"stay:{scene.stay_id}"
    ):
        # Before anything else: a guest learns nothing of rooms that are not theirs.
        return Refusal.NOT_YOURS
    if not scene.known:
        return Refusal.UNKNOWN_ROOM
    if scene.device_id is None:
        return Refusal.NO_THERMOSTAT
    if not scene.coldest_c10 <= command.set_point_c10 <= scene.warmest_c10:
        detail = {"min_c10": scene.coldest_c10, "max_c10": scene.warmest_c10}
        return No(refusal=Refusal.OUT_OF_RANGE, detail=detail)
    lasts_ms = HOUSE_WISH_MS if context.who.role is Role.SERVICE else WISH_MS
    order_id = context.new_id("warm")
    event = ClimateAsked(
        order_id=order_id,
        room_id=command.room_id,
        device_id=scene.device_id,
        set_point_c10=command.set_point_c10,
        eco=command.eco,
        expires_at_ms=context.now.wall_ms + lasts_ms,
    )
    return Yes(events=[event], result={"order_id": order_id})


def settle_climate(state: RoomState, command: SettleClimate, context: Context) -> Decision:
    """What became of a wish. UNKNOWN may get better; all else is final."""
    del context
    if command.order_id not in state.wishes:
        return Refusal.UNKNOWN_ORDER
    known = state.wishes[command.order_id]
    better = command.outcome in {Outcome.DONE, Outcome.REFUSED}
    if known is not None and not (known is Outcome.UNKNOWN and better):
        return Refusal.ALREADY_SETTLED
    event = ClimateSettled(
        order_id=command.order_id,
        room_id=command.room_id,
        outcome=command.outcome,
        evidence=command.evidence,
    )
    return [event]


def log_leak(scene: SensorScene, command: LogLeak, context: Context) -> Decision:
    """A sensor is wet or dry again, once for each of its numbers."""
    del context
    if not scene.known:
        return Refusal.UNKNOWN_DEVICE
    if command.seq <= scene.log.last and command.seq not in scene.log.missing:
        return Refusal.SEEN_BEFORE
    event = LeakLogged(
        device_id=command.device_id,
        room_id=scene.room_id,
        seq=command.seq,
        wet=command.wet,
        device_wall_ms=command.device_wall_ms,
    )
    return [event]
