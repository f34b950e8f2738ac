"""When a valve closes and may open again: water closes it, a person opens it, the last word counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from appliance.bus.words import DeviceKind, Outcome
from appliance.engines.climate.messages import (
    MoveValve,
    Refusal,
    SettleValve,
    ValveAsked,
    ValveReason,
    ValveSettled,
)
from appliance.kernel.engine import Context, Decision, Facts, Yes
from appliance.kernel.messages import Event, Role

# A person who opens a valve waits for the water; later it would surprise somebody.
OPEN_MS: Final = 60_000
# Water does not stop by itself: a closing is tried for half a day, across a driver's repair.
CLOSE_MS: Final = 12 * 3_600_000
# Orders kept after their end, so that a late answer is refused as ALREADY_SETTLED.
ORDERS_KEPT: Final = 32
# Who may say that the sensor is wrong.
MANAGERS: Final = frozenset({Role.MANAGER, Role.ADMIN})


@dataclass(frozen=True, slots=True, kw_only=True)
class ValveState:
    """The fold of `valves/<device_id>`: orders by id, None for one that is on its way."""

    orders: Mapping[str, Outcome | None] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class ValveScene:
    """A device, whether it is a valve, and whether water stands where it leads."""

    kind: DeviceKind | None
    wet: bool


def fold_valve(state: ValveState | None, events: Iterable[Event]) -> ValveState:
    """A valve's orders after some more facts."""
    orders = dict((state or ValveState()).orders)
    for event in events:
        match event:
            case ValveAsked():
                orders[event.order_id] = None
            case ValveSettled():
                orders[event.order_id] = event.outcome
            case _:
                pass
    for too_old in list(orders)[:-ORDERS_KEPT]:
        del orders[too_old]
    return ValveState(orders=MappingProxyType(orders))


def valve_stream(command: MoveValve | SettleValve, _: Context) -> str:
    """One stream for each valve."""
    return f"valves/{command.device_id}"


def load_valve(facts: Facts, command: MoveValve, _: Context) -> ValveScene:
    """The valve's area is its room; a valve without a room is the main and leads everywhere."""
    row = facts.row(
        "SELECT kind, room_id FROM climate_device WHERE device_id = ?", (command.device_id,)
    )
    if row is None:
        return ValveScene(kind=None, wet=False)
    wet = facts.row(
        "SELECT 1 FROM climate_leak WHERE wet = 1 AND (?1 IS NULL OR room_id = ?1)", (row[1],)
    )
    return ValveScene(kind=DeviceKind(row[0]), wet=wet is not None)


def load_orders(facts: Facts, command: SettleValve, _: Context) -> ValveState:
    """A valve's orders."""
    state: ValveState = facts.fold(f"valves/{command.device_id}")
    return state


def move_valve(scene: ValveScene, command: MoveValve, context: Context) -> Decision:
    """Committed before it leaves. Closing is always right; opening needs a dry floor."""
    if scene.kind is None:
        return Refusal.UNKNOWN_DEVICE
    if scene.kind is not DeviceKind.VALVE:
        return Refusal.NOT_A_VALVE
    if command.open and scene.wet:
        believed = command.despite_water and context.who.role in MANAGERS
        if not believed:
            return Refusal.STILL_WET
    order_id = context.new_id("valve", command.device_id)
    event = ValveAsked(
        order_id=order_id,
        device_id=command.device_id,
        open=command.open,
        reason=ValveReason.LEAK if context.who.role is Role.SERVICE else ValveReason.PERSON,
        expires_at_ms=context.now.wall_ms + (OPEN_MS if command.open else CLOSE_MS),
    )
    return Yes(events=[event], result={"order_id": order_id})


def settle_valve(state: ValveState, command: SettleValve, _: Context) -> Decision:
    """UNKNOWN may get better; all else is final."""
    if command.order_id not in state.orders:
        return Refusal.UNKNOWN_ORDER
    known = state.orders[command.order_id]
    better = command.outcome in {Outcome.DONE, Outcome.REFUSED}
    if known is not None and not (known is Outcome.UNKNOWN and better):
        return Refusal.ALREADY_SETTLED
    event = ValveSettled(
        order_id=command.order_id,
        device_id=command.device_id,
        outcome=command.outcome,
        evidence=command.evidence,
    )
    return [event]
