"""What the stick and its devices look like from outside, without digits and keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twin.zigbee.clusters.door_lock import DoorLock
from twin.zigbee.clusters.hvac import A as Heat
from twin.zigbee.clusters.hvac import Thermostat
from twin.zigbee.clusters.ias import IasZone
from twin.zigbee.clusters.power import OnOff

if TYPE_CHECKING:
    from twin.zigbee.node import Node
    from twin.zigbee.site import Site


def stick_state(here: Site) -> dict[str, Any]:
    """Where it is plugged in, and what it runs."""
    stick = here.stick
    found: dict[str, Any] = {
        "path": here.path,
        "ieee": stick.ieee[::-1].hex(),
        "up": stick.up,
        "hung": stick.hung,
        "joinable": stick.joinable(),
        "frame_counter": stick.counter,
        "replays_dropped": here.air.replays_dropped,
        "noise_met": stick.noise_met,
    }
    if stick.up:
        network = stick.network()
        found |= {"channel": network.channel, "pan": network.pan, "epid": network.epid[::-1].hex()}
    return found


def device_state(here: Site, node: Node) -> dict[str, Any]:
    """What a device is, where it is, and how it stands."""
    found: dict[str, Any] = {
        "device": node.name,
        "model": node.model.decode(),
        "ieee": node.ieee[::-1].hex(),
        "joined": node.air is not None,
    }
    if node.air is not None:
        seat = here.air.seat(node)
        found |= {
            "nwk": node.nwk,
            "parent": None if seat.parent is None else seat.parent.name,
            "away": seat.away,
            "asleep": seat.asleep,
            "poll_s": seat.poll_s,
            "bound": sorted({b.cluster for b in node.bindings}),
        }
    for server in node.clusters():
        match server:
            case DoorLock():
                found |= {
                    "bolt": server.bolt,
                    "moves": server.moves,
                    "pins": len(server.pins),
                }
            case IasZone():
                found |= {"enrolled": server.enrolled, "status": server.number(0x0002)}
            case Thermostat():
                found |= {
                    "set_point_c100": server.number(Heat.HEAT_TO),
                    "measured_c100": server.number(Heat.MEASURED),
                    "heating": bool(server.number(Heat.RUNNING) & 1),
                }
            case OnOff():
                found |= {"on": server.on}
            case _:
                pass
    return found
