"""The twin's remote control on the loopback: a hand at the door, and things that go wrong."""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from twin.faults import Fault, Trouble
from twin.leak import LeakCore
from twin.lock import LockCore
from twin.thermostat import ThermostatCore

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.kernel.clock import Clock
    from appliance.kernel.tasks import Nursery
    from twin.core import Core, Reply
    from twin.device import Device
    from twin.journal import Journal
    from twin.property import Property

# A key is 768 bytes at most; a hundred scripted troubles fit.
BODY_BYTES_MAX = 65_536
TROUBLES_MAX = 10_000
SECONDS_MAX = 7 * 86_400


class Control:
    """HTTP routes over one property. Nothing here goes through the bus or the box."""

    def __init__(self, twin: Property, *, clock: Clock, nursery: Nursery, journal: Journal) -> None:
        self._twin = twin
        self._clock = clock
        self._nursery = nursery
        self._journal = journal

    def app(self, more: list[web.RouteDef] | None = None) -> web.Application:
        """The application; `more` are the clouds' own routes."""
        app = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[only_json])
        app.add_routes(
            [
                web.get("/journal", self.journal),
                web.get("/devices", self.devices),
                web.get("/lock/{device}", self.look),
                web.post("/lock/{device}/credential", self.credential),
                web.post("/lock/{device}/pin", self.pin),
                web.post("/lock/{device}/door", self.door),
                web.post("/lock/{device}/privacy", self.privacy),
                web.post("/lock/{device}/clock-lost", self.clock_lost),
                web.post("/lock/{device}/battery", self.battery),
                web.post("/lock/{device}/jam", self.jam),
                web.get("/device/{device}", self.look),
                web.post("/lock/{device}/fault", self.fault),
                web.post("/device/{device}/fault", self.fault),
                web.post("/device/{device}/unplug", self.unplug),
                web.post("/device/{device}/plug", self.plug),
                web.post("/leak/{device}", self.water),
                web.post("/thermostat/{device}", self.turn),
                *(more or []),
            ]
        )
        return app

    async def journal(self, request: web.Request) -> web.Response:
        """Every entry, or those of `?kind=`."""
        return _json(self._journal.read(request.query.get("kind")))

    async def devices(self, request: web.Request) -> web.Response:
        """Names, kinds, power and whether the bus is reached."""
        del request
        found = self._twin.devices.values()
        return _json(
            [
                {
                    "device": d.name,
                    "kind": d.core.kind,
                    "powered": d.powered,
                    "connected": d.bus is not None and d.bus.connected,
                }
                for d in found
            ]
        )

    async def look(self, request: web.Request) -> web.Response:
        """What the device would say of itself, and what it has not been able to say."""
        device = self._device(request)
        return _json(
            {
                "device": device.name,
                "kind": device.core.kind,
                "powered": device.powered,
                "connected": device.bus is not None and device.bus.connected,
                "state": device.core.state(self._clock.read()),
                "unsaid_events": len(device.core.pending()),
            }
        )

    async def credential(self, request: web.Request) -> web.Response:
        """Somebody holds a key to the lock: {cwt: base64, order_id?}."""
        device, core = self._lock(request)
        asked = await _object(request)
        try:
            cwt = b64decode(_field(asked, "cwt", str), validate=True)
        except (binascii.Error, ValueError):
            raise _bad("cwt is no base64") from None
        order_id = _field(asked, "order_id", str) if "order_id" in asked else None
        return self._at_door(device, lambda: core.try_credential(cwt, self._clock.read(), order_id))

    async def pin(self, request: web.Request) -> web.Response:
        """Somebody types: {digits}."""
        device, core = self._lock(request)
        digits = _field(await _object(request), "digits", str)
        return self._at_door(device, lambda: core.try_pin(digits, self._clock.read()))

    async def door(self, request: web.Request) -> web.Response:
        """Somebody opens or closes the leaf: {ajar}."""
        device, core = self._lock(request)
        ajar = _field(await _object(request), "ajar", bool)
        device.happened(core.swing(self._clock.read(), ajar=ajar))
        return _json({"ajar": ajar})

    async def privacy(self, request: web.Request) -> web.Response:
        """The guest turns the knob inside: {on}."""
        _, core = self._lock(request)
        on = _field(await _object(request), "on", bool)
        core.set_privacy(on=on)
        return _json({"on": on})

    async def clock_lost(self, request: web.Request) -> web.Response:
        """The cells were out."""
        _, core = self._lock(request)
        core.rtc.lose()
        self._journal.note("clock_lost", device=core.device)
        return _json({"known": False})

    async def battery(self, request: web.Request) -> web.Response:
        """Other cells: {pct}."""
        _, core = self._lock(request)
        pct = _field(await _object(request), "pct", int)
        if not 0 <= pct <= 100:
            raise _bad("pct lies between 0 and 100")
        core.bolt.new_cells(pct)
        return _json({"pct": pct})

    async def jam(self, request: web.Request) -> web.Response:
        """The bolt is stuck until it is freed: {stuck}."""
        _, core = self._lock(request)
        core.bolt.stuck = _field(await _object(request), "stuck", bool)
        return _json({"stuck": core.bolt.stuck})

    async def fault(self, request: web.Request) -> web.Response:
        """{faults, delay_s?, count?} scripts, {chances, delay_s?} throws dice, {clear: true} ends."""
        plan = self._device(request).faults
        asked = await _object(request)
        if asked.get("clear") is True:
            plan.clear()
            return _json({"cleared": True})
        delay_s = _seconds(asked, "delay_s", 1.0)
        try:
            if "chances" in asked:
                chances = {Fault(k): float(v) for k, v in dict(asked["chances"]).items()}
                if not all(0 <= chance <= 1 for chance in chances.values()):
                    raise _bad("a fault's chance lies between 0 and 1")
                plan.chances, plan.delay_s = chances, delay_s
                return _json({"chances": chances})
            faults = frozenset(Fault(name) for name in asked["faults"])
        except (KeyError, TypeError, ValueError):
            raise _bad(f"faults are some of: {', '.join(Fault)}") from None
        count = _field(asked, "count", int) if "count" in asked else 1
        if not 1 <= count <= TROUBLES_MAX:
            raise _bad(f"count lies between 1 and {TROUBLES_MAX}")
        plan.script([Trouble(faults=faults, delay_s=delay_s)] * count)
        return _json({"faults": sorted(faults), "count": count})

    async def unplug(self, request: web.Request) -> web.Response:
        """Power off, for {seconds} or until `plug`."""
        device = self._device(request)
        asked = await _object(request)
        if not device.powered:
            return _json({"powered": False})
        seconds = _seconds(asked, "seconds", 0.0) if "seconds" in asked else None
        if seconds is None:
            await device.unplug()
        else:
            self._nursery.mortal(f"unplug {device.name}", device.unplug(seconds))
        return _json({"powered": False})

    async def plug(self, request: web.Request) -> web.Response:
        """Power on."""
        device = self._device(request)
        if not device.powered:
            await device.plug_in()
        return _json({"powered": True})

    async def water(self, request: web.Request) -> web.Response:
        """Water comes or goes: {wet}."""
        device = self._device(request)
        wet = _field(await _object(request), "wet", bool)
        core = device.core
        if not isinstance(core, LeakCore):
            raise _missing(device.name, "leak sensor")
        device.happened(core.water(self._clock.read(), wet=wet))
        return _json({"wet": wet})

    async def turn(self, request: web.Request) -> web.Response:
        """The guest turns the knob: {set_point_c10}."""
        device = self._device(request)
        wanted = _field(await _object(request), "set_point_c10", int)
        core = device.core
        if not isinstance(core, ThermostatCore):
            raise _missing(device.name, "thermostat")
        device.happened(core.turn(wanted, self._clock.read()))
        return _json(core.state(self._clock.read()))

    def _at_door(self, device: Device, attempt: Callable[[], Reply]) -> web.Response:
        if not device.powered:
            return _json({"outcome": "dead", "refusal": None})
        reply = device.happened(attempt())
        if reply.answer is None:
            return _json({"outcome": "dead", "refusal": None})
        answer = reply.answer
        return _json(
            {"outcome": answer.outcome, "refusal": answer.refusal, "repeated": answer.repeated}
        )

    def _device(self, request: web.Request) -> Device:
        name = request.match_info["device"]
        device = self._twin.devices.get(name)
        if device is None:
            raise _missing(name, "device")
        return device

    def _lock(self, request: web.Request) -> tuple[Device, LockCore]:
        device = self._device(request)
        core: Core = device.core
        if not isinstance(core, LockCore):
            raise _missing(device.name, "lock")
        return device, core


@web.middleware
async def only_json(
    request: web.Request, handler: Callable[[web.Request], Any]
) -> web.StreamResponse:
    """Refuse what a web page on this machine could send here without asking: forms."""
    if request.method == "POST" and request.body_exists and request.content_type != _JSON:
        raise web.HTTPUnsupportedMediaType(text="send application/json")
    response: web.StreamResponse = await handler(request)
    return response


_JSON = "application/json"


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type=_JSON)


def _bad(sentence: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=sentence)


def _missing(name: str, kind: str) -> web.HTTPNotFound:
    return web.HTTPNotFound(text=f"there is no {kind} {name} in this property")


async def _object(request: web.Request) -> dict[str, Any]:
    raw = await request.read()
    try:
        value = msgspec.json.decode(raw) if raw else {}
    except msgspec.DecodeError:
        raise _bad("the body is no JSON") from None
    if not isinstance(value, dict):
        raise _bad("the body is no JSON object")
    return value


def _field(asked: dict[str, Any], name: str, kind: type[Any]) -> Any:
    value = asked.get(name)
    # A truth value is an int to Python and not to us.
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise _bad(f"{name} is missing or no {kind.__name__}")
    return value


def _seconds(asked: dict[str, Any], name: str, default: float) -> float:
    value = asked.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _bad(f"{name} is no number")
    if not 0 <= value <= SECONDS_MAX:
        raise _bad(f"{name} lies between 0 and {SECONDS_MAX}")
    return float(value)
