"""The stick's remote control on the loopback: hands at the devices, and things that go wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec
from aiohttp import web

from twin.control import only_json
from twin.zigbee import asked
from twin.zigbee.clusters.door_lock import LOCKED, UNLOCKED
from twin.zigbee.clusters.general import Cells
from twin.zigbee.clusters.measuring import Humidity, Temperature
from twin.zigbee.clusters.power import OnOff
from twin.zigbee.devices import KINDS, AlarmZone, Lock, Plug, Trv, Weather
from twin.zigbee.faults import Fault
from twin.zigbee.telling import device_state, stick_state
from twin.zigbee.zcl import Header

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from twin.zigbee.node import Node
    from twin.zigbee.site import Site

    Reply = Awaitable[web.StreamResponse]

BODY_BYTES_MAX = 65_536
# Addresses that the twin gives out: a maker's block that is used for such toys, rising.
FIRST_IEEE = 0x00158D0000000001

N = TypeVar("N")
A = TypeVar("A")


class Pairing:
    """Devices whose button is held until somebody lets them in."""

    def __init__(self, here: Site) -> None:
        self._here = here
        self.known: dict[str, Node] = {}
        self._next_ieee = FIRST_IEEE

    def make(self, name: str, kind: str, ieee: int | None = None) -> Node:
        """A device with its box just opened. Raises KeyError for a kind that is not there."""
        if ieee is None:
            ieee, self._next_ieee = self._next_ieee, self._next_ieee + 1
        self.known[name] = node = KINDS[kind](name, ieee)
        return node

    async def press(self, names: Iterable[str], pause_s: float) -> None:
        """Hold the buttons, one after another and again, until all are in."""
        waiting = list(names)
        while waiting:
            for name in tuple(waiting):
                if await self._here.join(self.known[name]):
                    waiting.remove(name)
            await self._here.air.timers.sleep(pause_s)


class Control:
    """HTTP routes over one site. Nothing here goes through the stick or a host."""

    def __init__(self, here: Site, pairing: Pairing) -> None:
        self._here = here
        self._pairing = pairing

    def app(self) -> web.Application:
        """The application."""
        app = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[only_json])
        app.add_routes(
            [
                web.get("/journal", self._journal),
                web.get("/stick", self._stick),
                web.get("/devices", self._devices),
                web.get("/device/{device}", self._look),
                web.post("/join", self._join),
                web.post("/device/{device}/leave", self._leave),
                web.post("/device/{device}/sleep", self._sleep),
                web.post("/device/{device}/away", self._away),
                web.post("/device/{device}/poll", self._poll),
                web.post("/device/{device}/battery", self._battery),
                web.post("/lock/{device}/pin", self._pin),
                web.post("/lock/{device}/thumb", self._thumb),
                web.post("/lock/{device}/habits", self._habits),
                web.post("/zone/{device}", self._zone),
                web.post("/climate/{device}", self._climate),
                web.post("/relay/{device}", self._relay),
                web.post("/stick/unplug", self._unplug),
                web.post("/stick/plug", self._plug),
                web.post("/stick/hang", self._hang),
                web.post("/stick/stall", self._stall),
                web.post("/stick/noise", self._noise),
                web.post("/fault", self._fault),
                web.post("/heal", self._heal),
            ]
        )
        return app

    # --- looking

    async def _journal(self, request: web.Request) -> web.Response:
        return _json(self._here.journal.read(request.query.get("kind")))

    async def _stick(self, _request: web.Request) -> web.Response:
        return _json(stick_state(self._here))

    async def _devices(self, _request: web.Request) -> web.Response:
        return _json([device_state(self._here, node) for node in self._pairing.known.values()])

    async def _look(self, request: web.Request) -> web.Response:
        return _json(device_state(self._here, self._node(request)))

    # --- joining, range, sleep

    async def _join(self, request: web.Request) -> web.Response:
        wish = await _body(request, asked.Join)
        node = self._pairing.known.get(wish.name) or self._new(wish)
        parent = None if wish.near is None else self._named(wish.near)
        return _json({"joined": await self._here.join(node, parent)})

    def _new(self, wish: asked.Join) -> Node:
        if wish.kind is None or wish.kind not in KINDS:
            raise _bad(f"kind is one of: {', '.join(KINDS)}")
        ieee = None if wish.ieee is None else int(wish.ieee, 16)
        return self._pairing.make(wish.name, wish.kind, ieee)

    async def _leave(self, request: web.Request) -> web.Response:
        node, wish = self._joined(request), await _body(request, asked.Leave)
        self._here.leave(node, tell=wish.tell)
        return _json({"joined": False})

    async def _sleep(self, request: web.Request) -> web.Response:
        node, wish = self._joined(request), await _body(request, asked.Switch)
        if wish.on:
            self._here.air.sleep(node)
        else:
            self._here.air.wake(node)
        return _json({"asleep": wish.on})

    async def _away(self, request: web.Request) -> web.Response:
        node, wish = self._joined(request), await _body(request, asked.Switch)
        self._here.air.seat(node).away = wish.on
        return _json({"away": wish.on})

    async def _poll(self, request: web.Request) -> web.Response:
        node, wish = self._joined(request), await _body(request, asked.Poll)
        self._here.air.seat(node).poll_s = wish.seconds
        return _json({"poll_s": wish.seconds})

    # --- hands at a device

    async def _battery(self, request: web.Request) -> web.Response:
        node, wish = self._joined(request), await _body(request, asked.Battery)
        self._server(node, Cells).drain_to(wish.pct)
        return _json({"pct": wish.pct})

    async def _pin(self, request: web.Request) -> web.Response:
        lock = self._of(request, Lock).lock
        return _json({"opened": lock.keypad((await _body(request, asked.Typed)).digits)})

    async def _thumb(self, request: web.Request) -> web.Response:
        lock = self._of(request, Lock).lock
        wish = await _body(request, asked.Thumb)
        return _json({"moved": lock.thumb(LOCKED if wish.locked else UNLOCKED)})

    async def _habits(self, request: web.Request) -> web.Response:
        lock, wish = self._of(request, Lock).lock, await _body(request, asked.Habits)
        lock.lies = _or(wish.lies, lock.lies)
        lock.motor_s = _or(wish.motor_s, lock.motor_s)
        lock.jammed = _or(wish.jammed, lock.jammed)
        lock.deaf_to_radio = _or(wish.deaf_to_radio, lock.deaf_to_radio)
        lock.events_use_request_number = _or(
            wish.events_use_request_number, lock.events_use_request_number
        )
        lock.pins.applies = _or(wish.applies_pins, lock.pins.applies)
        lock.pins.memory = _or(wish.pin_memory, lock.pins.memory)
        return _json(msgspec.to_builtins(wish))

    async def _zone(self, request: web.Request) -> web.Response:
        zone, wish = self._of(request, AlarmZone).zone, await _body(request, asked.Zone)
        if wish.enrols is not None:
            zone.never_enrols = not wish.enrols
        if wish.on is not None:
            zone.sense(on=wish.on)
        return _json({"enrolled": zone.enrolled})

    async def _climate(self, request: web.Request) -> web.Response:
        node, wish = self._joined(request), await _body(request, asked.Climate)
        if isinstance(node, Trv):
            if wish.measured_c100 is not None:
                node.thermostat.set(0x0000, wish.measured_c100)
            if wish.set_point_c100 is not None:
                node.thermostat.turn(wish.set_point_c100)
        elif isinstance(node, Weather):
            air, damp = self._server(node, Temperature), self._server(node, Humidity)
            node.measure(
                c100=_or(wish.measured_c100, air.number(0)),
                humidity_pct100=_or(wish.humidity_pct100, damp.number(0)),
            )
        else:
            raise _missing(node.name, "thermostat or sensor")
        return _json(device_state(self._here, node))

    async def _relay(self, request: web.Request) -> web.Response:
        node, wish = self._joined(request), await _body(request, asked.Relay)
        relay = self._server(node, OnOff)
        if wish.stuck is not None:
            relay.stuck = wish.stuck
        if wish.on is not None:
            relay.switch(on=wish.on)
        if wish.watts is not None:
            self._of(request, Plug).load(wish.watts, wish.watt_hours)
        return _json({"on": relay.on})

    # --- the stick

    async def _unplug(self, request: web.Request) -> web.Response:
        wish = await _body(request, asked.Unplug)
        await self._here.unplug()
        if wish.seconds is not None:
            self._here.air.timers.start("zigbee plug", self._plug_later(wish.seconds))
        return _json({"plugged": False})

    async def _plug_later(self, seconds: float) -> None:
        await self._here.air.timers.sleep(seconds)
        await self._here.plug()

    async def _plug(self, request: web.Request) -> web.Response:
        wish = await _body(request, asked.Plug)
        await self._here.plug(self._here.other_stick() if wish.fresh else None)
        return _json({"plugged": True, "path": self._here.path})

    async def _hang(self, request: web.Request) -> web.Response:
        wish = await _body(request, asked.Switch)
        self._here.hang(on=wish.on)
        return _json({"hung": wish.on})

    async def _stall(self, request: web.Request) -> web.Response:
        wish = await _body(request, asked.Stall)
        self._here.port.stall(on=wish.on, flushable=wish.flushable)
        return _json({"stalled": wish.on})

    async def _noise(self, request: web.Request) -> web.Response:
        wish = await _body(request, asked.Noise)
        self._here.port.noise(wish.chance)
        return _json({"chance": wish.chance})

    async def _fault(self, request: web.Request) -> web.Response:
        wish = await _body(request, asked.Trouble)
        self._here.air.faults.append(_fault_of(wish))
        return _json({"faults": len(self._here.air.faults)})

    async def _heal(self, request: web.Request) -> web.Response:
        await _body(request, asked.Nothing)
        self._here.heal()
        return _json({"faults": 0})

    # --- finding

    def _named(self, name: str) -> Node:
        found = self._pairing.known.get(name)
        if found is None:
            raise _missing(name, "device")
        return found

    def _node(self, request: web.Request) -> Node:
        return self._named(request.match_info["device"])

    def _joined(self, request: web.Request) -> Node:
        node = self._node(request)
        if node.air is None:
            raise web.HTTPConflict(text=f"{node.name} has not joined: permit, then POST /join")
        return node

    def _of(self, request: web.Request, kind: type[N]) -> N:
        node = self._joined(request)
        if not isinstance(node, kind):
            raise _missing(node.name, kind.__name__.lower())
        return node

    def _server(self, node: Node, kind: type[A]) -> A:
        found = next((c for c in node.clusters() if isinstance(c, kind)), None)
        if found is None:
            raise _missing(node.name, kind.__name__.lower())
        return found


def _fault_of(wish: asked.Trouble) -> Fault:
    def meets(node: Node, cluster: int, data: bytes) -> bool:
        if wish.device not in (None, node.name) or wish.cluster not in (None, cluster):
            return False
        if wish.command is None:
            return True
        header, _ = Header.read(data)
        return header.specific and header.command == wish.command

    return Fault(
        way=wish.way,
        act=wish.act,
        meets=meets,
        times=wish.times,
        seconds=wish.seconds,
        status=wish.status,
    )


def _or(wish: N | None, now: N) -> N:
    return now if wish is None else wish


async def _body(request: web.Request, kind: type[N]) -> N:
    raw = await request.read()
    try:
        return msgspec.json.decode(raw or b"{}", type=kind)
    except msgspec.DecodeError as why:
        raise _bad(str(why)) from None


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")


def _bad(sentence: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=sentence)


def _missing(name: str, kind: str) -> web.HTTPNotFound:
    return web.HTTPNotFound(text=f"there is no {kind} {name} at this stick")
